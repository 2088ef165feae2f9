"""The bibliography: form of its entries, and its text."""

import re
from pathlib import Path

import pytest

import pixsed
from pixsed.cite.bibtex import as_bibtex, as_text, entries, plain

BIB = Path(pixsed.__file__).parent / "cite" / "references.bib"
#: Fields that each kind of entry must have.
NEEDED = {
    "article": {"author", "title", "journal", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "software": {"author", "title", "year"},
}


def test_every_entry_of_the_file_is_read():
    text = BIB.read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{(.*),$", text, re.M)
    assert list(entries()) == keys
    assert len(keys) == len(set(keys)) > 50
    # Outside the entries are comments and empty lines only.
    outside = re.sub(r"^@\w+\{.*?^\}$", "", text, flags=re.M | re.S)
    assert [line for line in outside.splitlines() if line and not line.startswith("%")] == []


@pytest.mark.parametrize("key", entries())
def test_fields(key):
    entry = entries()[key]
    fields = entry.fields
    assert NEEDED[entry.kind] <= set(fields)
    assert re.fullmatch(r"(19|20)\d\d", fields["year"])
    assert re.fullmatch(r"[a-z]+(19|20)\d\d", key) or entry.kind == "software"
    assert fields["year"] in key or entry.kind == "software"
    # A reader finds the work: by journal and page, DOI, arXiv or address.
    found = {"doi", "eprint", "url", "version"} & set(fields) or "pages" in fields
    assert found, key
    assert re.fullmatch(r"10\.\d{4,5}/\S+", fields.get("doi", "10.1234/x"))
    assert re.fullmatch(r"\d{4}\.\d{4,5}", fields.get("eprint", "1234.12345"))
    assert re.fullmatch(r"[A-Z]?\d+(--\d+)?", fields.get("pages", "1"))
    for value in fields.values():
        assert value.isascii() and value.count("{") == value.count("}")


def test_dois_are_given_once():
    dois = [entry.fields["doi"] for entry in entries().values() if "doi" in entry.fields]
    assert len(dois) == len(set(dois)) > 40


def test_names_of_authors():
    for key, entry in entries().items():
        for name in re.split(r"\s+and\s+", entry.fields["author"]):
            good = name == "others" or re.fullmatch(r"\{.*\}|[^,]+, [^,]+", name)
            assert good, (key, name)


def written():
    return "\n".join(as_bibtex(entry) for entry in entries().values())


def test_pybtex_reads_the_entries():
    pybtex = pytest.importorskip("pybtex.database")
    found = pybtex.parse_string(written(), "bibtex")
    assert set(found.entries) == set(entries())
    for key, entry in found.entries.items():
        assert entry.persons["author"]
        assert entry.fields["title"] == entries()[key].fields["title"]


def test_bibtexparser_reads_the_entries():
    bibtexparser = pytest.importorskip("bibtexparser", minversion="2")
    library = bibtexparser.parse_string(written())
    assert library.failed_blocks == []
    assert {entry.key for entry in library.entries} == set(entries())
    for entry in library.entries:
        assert {field.key for field in entry.fields} == set(entries()[entry.key].fields)


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"S{\'a}nchez-Bl{\'a}zquez", "Sánchez-Blázquez"),
        (r"Gon{\c c}alves", "Gonçalves"),
        (r"Sip{\H o}cz", "Sipőcz"),
        (r"Mu{\~n}oz-Mateos", "Muñoz-Mateos"),
        (r"Astrof{\'i}sica", "Astrofísica"),
        (r"Computing in Science \& Engineering", "Computing in Science & Engineering"),
        ("{{ASTRO}}, 1--2", "ASTRO, 1-2"),
    ],
)
def test_plain_text(latex, text):
    assert plain(latex) == text


@pytest.mark.parametrize("key", entries())
def test_text_has_no_latex(key):
    text = as_text(entries()[key])
    assert not re.search(r"[\\{}]|--", text)
    assert "\n" not in text


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (
            "conroy2009",
            "Conroy, C., Gunn, J. E. & White, M. 2009, The Astrophysical Journal, 699, 486-506, "
            "https://doi.org/10.1088/0004-637X/699/1/486",
        ),
        (
            "falconbarroso2011",
            "Falcón-Barroso, J. et al. 2011, Astronomy and Astrophysics, 532, A95, "
            "https://doi.org/10.1051/0004-6361/201116842",
        ),
        ("onnxruntime", "ONNX Runtime developers 2021, ONNX Runtime, https://onnxruntime.ai"),
    ],
)
def test_text(key, text):
    assert as_text(entries()[key]) == text


def test_the_version_is_this_one():
    assert entries()["pixsed"].fields["version"] == pixsed.__version__
