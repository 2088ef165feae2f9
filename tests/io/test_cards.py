"""Texts of every kind in FITS cards."""

import random
import shlex
import warnings

import numpy as np
import pytest
from astropy.io import fits

from pixsed.io.cards import (
    copied_header,
    fits_card,
    fits_text,
    input_cards,
    input_keyword,
    is_input_keyword,
    safe_cards,
)
from pixsed.io.provenance import stamp


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("F444W", "F444W"),
        ("galáxia.fits", "galaxia.fits"),
        ("Ångström", "Angstrom"),
        ("Straße", "Strasse"),
        ("Łódź", "Lodz"),
        ("smørrebrød", "smorrebrod"),
        ("œuf", "oeuf"),
        ("e\u0301", "e"),
        ("10 µJy", "10 uJy"),
        ("10 μJy", "10 uJy"),
        ("5′ − 3", "5\\u2032 - 3"),
        ("NGC\u00a01068", "NGC 1068"),
        ("a\tb\nc\rd", "a\\tb\\nc\\rd"),
        ("a\x00b\x7f", "a\\x00b\\x7f"),
        ("銀河.fits", "\\u9280\\u6cb3.fits"),
        ("💥", "\\U0001f4a5"),
        ("x\udcff\udc80", "x\\xff\\x80"),
        ("“it’s”", '"it\'s"'),
        ("½", "1\\u20442"),
        ("", ""),
        ("   ", "   "),
        ("R&D&", "R&D&"),
    ],
)
def test_plain_text(text, plain):
    assert fits_text(text) == plain
    assert fits_text(plain) == plain  # once is enough


def read_back(value, comment=""):
    header = fits.PrimaryHDU().header
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header["TEXT"] = fits_card(value, comment)
        return fits.Header.fromstring(header.tostring())["TEXT"]


ENDS = ["x", "&", "'", "''", " &", "'&", "&'", "'/", "' /", '"', "é", "\n"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("length", [8, 18, 60, 66, 67, 68, 69, 70, 134, 135, 136, 300])
def test_every_length_is_read_as_it_is_written(length, end):
    text = "a" * (length - len(end)) + end
    for comment in ("", "a comment", "a comment that is longer than there is room for in a card"):
        found = read_back(text, comment)
        assert found == fits_text(text).rstrip()
        assert found.replace("%26", "&").startswith("a" * (length - len(end)))


def test_any_text_is_read_as_it_is_written():
    rng = random.Random(3)
    letters = ["a", " ", "'", "'", "&", "/", '"', "é", "銀", "\udcfe", "\n", "$", "\\"]
    for _ in range(2000):
        text = "".join(rng.choice(letters) for _ in range(rng.randint(0, 250)))
        assert read_back(text, "comment") == fits_text(text).rstrip()


def test_cards_of_numbers():
    found = safe_cards({"A": ("x" * 70, "comment"), "B": ("café", "é"), "C": 1, "D": (True, "t")})
    assert found == {"A": ("x" * 70, ""), "B": ("cafe", "e"), "C": (1, ""), "D": (True, "t")}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -np.inf, np.float32(np.nan)])
def test_what_is_not_finite_has_no_value(value):
    header = fits.Header()
    header.update(safe_cards({"ZERR": (value, "error")}))
    assert header["ZERR"] is None
    assert "ZERR" in header.tostring()


def test_a_long_comment_is_cut():
    header = fits.Header()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header.update(safe_cards({"N": (12, "x" * 200), "S": ("abc", "y" * 200)}))
        assert len(header.tostring(endcard=False, padding=False)) == 160


@pytest.mark.parametrize(
    ("number", "keyword"),
    [
        (1, "INFILE1"),
        (99, "INFILE99"),
        (100, "INFIL100"),
        (999, "INFIL999"),
        (1000, "INFI1000"),
        (12000, "INF12000"),
        (100000, "IN100000"),
    ],
)
def test_keyword_of_an_input(number, keyword):
    assert input_keyword(number) == keyword and is_input_keyword(keyword)


@pytest.mark.parametrize("keyword", ["INFILE", "INFILEX", "INFIL1", "INSTRUME", "INFILE100", "IN1"])
def test_no_keyword_of_an_input(keyword):
    assert not is_input_keyword(keyword)


@pytest.mark.parametrize("count", [1, 99, 100, 105, 1000, 3000])
def test_many_inputs(count):
    names = [f"dir/{i}.fits" for i in range(count)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header = stamp(fits.PrimaryHDU().header, inputs=names)
        again = fits.Header.fromstring(header.tostring())
    values = {card.keyword: card.value for card in again.cards}  # astropy's lookup is slow
    assert [values[input_keyword(i + 1)] for i in range(count)] == [
        f"{i}.fits" for i in range(count)
    ]
    if count < 2000:  # astropy's lookup makes longer ones slow
        assert not any(map(is_input_keyword, copied_header(again)))


COMMANDS = [
    ["fit", "é.fits", "-o", "m.fits"],
    ["cutout", "F*=a b.fits[SCI]"],
    ["bkg", "x\ny.fits"],
    ["bkg", "\udcff.fits"],
    ["fit", "it's.fits", "/tmp/x"],
    ["fit", *["'/a'/b &"] * 20],
    ["fit", "a&"],
    ["noise", *[f"{i}.fits" for i in range(3000)]],
    [""],
    [],
]


@pytest.mark.parametrize("words", COMMANDS)
def test_command_lines(words, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["pixsed", *words])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header = stamp(
            fits.PrimaryHDU().header,
            inputs=words,
            history=[f"step: {words}"[:500], "é & '/'"],
            OBJECT=("".join(words)[:500], "galaxy"),
        )
        fits.PrimaryHDU(header=header).writeto(tmp_path / "a.fits", output_verify="exception")
        again = fits.getheader(tmp_path / "a.fits")
    assert again["PIXSCMD"] == fits_text(shlex.join(["pixsed", *words])).rstrip()
    assert again["OBJECT"] == fits_text("".join(words)[:500]).rstrip()
    assert "e & '/'" in list(again["HISTORY"])


def test_names_without_folders():
    assert input_cards(["a.fits"]) == {"INFILE1": "a.fits"}
