"""Conversion of columns of any kind to numbers or text."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Column, MaskedColumn
from astropy.time import Time

from pixsed.errors import PixsedError
from pixsed.io.columns import find_column, integers, integers_or_texts, numbers, texts
from pixsed.io.formats.photometry import band_columns
from pixsed.io.redshift_columns import check_redshift_unit, unused_errors


def objects(*values):
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return Column(result)


@pytest.mark.parametrize(
    "column",
    [
        Column([1.0, np.nan]),
        MaskedColumn([1.0, 5.0], mask=[False, True]),
        Column([[1.0], [np.nan]]),
        MaskedColumn([[1], [2]], mask=[[False], [True]]),
        Column(np.array([1.0, np.nan], dtype=">f4")),
        Column(np.array([[[1]], [[np.nan]]])),
        MaskedColumn(np.array([1, 7], dtype="u2"), mask=[False, True]),
        Column(["1.0", "-"]),
        Column(["1", "--"]),
        Column([" 1 ", ""]),
        Column(["1e0", "nan"]),
        Column(["1", "n/a"]),
        Column(["1", "None"]),
        Column(["+1", "NULL"]),
        Column(["1", "..."]),
        Column(np.array([b"1.0", b"NaN"])),
        MaskedColumn(["1", "x"], mask=[False, True]),
        objects(1.0, None),
        objects("1", None),
        objects(np.array([1.0]), np.array([np.nan])),
        objects(b"1", b"-"),
        [1.0, np.nan] * u.kpc,
    ],
    ids=str,
)
def test_numbers(column):
    found = numbers(column, "a", "--z-col", "t.csv")
    assert found.dtype == float and found.shape == (2,)
    assert found[0] == 1 and np.isnan(found[1])


@pytest.mark.parametrize(
    ("column", "match"),
    [
        (Column([[1.0, 2.0]]), "'a' must have one value per row, got 2"),
        (
            Column(["1", "high"]),
            "must hold numbers, and row 2 has 'high'; name another with --z-col",
        ),
        (Column(["1,5"]), "row 1 has '1,5'"),
        (Column(["1.0D+02"]), "row 1 has '1.0D\\+02'"),
        (Column([True]), "must hold numbers, got bool"),
        (Column([1 + 2j]), "got complex"),
        (objects({}), "got object"),
        (objects(np.ones(2)), "got object"),
        (SkyCoord([1], [2], unit="deg"), "holds SkyCoord objects"),
        (Time([5e4], format="mjd"), "holds Time objects"),
        (Column(np.array(["2020-01-01"], dtype="M8[s]")), "got datetime64"),
    ],
)
def test_columns_that_are_no_numbers(column, match):
    with pytest.raises(PixsedError, match=f"t.csv: column .*{match}"):
        numbers(column, "a", "--z-col", "t.csv")


@pytest.mark.parametrize(
    "column",
    [
        Column([7, 8]),
        Column(["7", "8"]),
        Column([7.0, 8.0]),
        Column(np.array([b"7", b"8"])),
        Column(["7 ", " 8"]),
        Column([[7], [8]]),
        objects("7", "8"),
        Column(np.array([7, 8], ">i2")),
    ],
)
def test_an_id_is_the_same_whatever_its_kind(column):
    assert texts(column, "ID", "t") == ["7", "8"]


@pytest.mark.parametrize(
    ("ids", "kind"),
    [
        (["1", "22"], "i"),
        (["-3"], "i"),
        (["007", "8"], "U"),
        (["1", "A2744-5"], "U"),
        (["1.0"], "U"),
        ([""], "U"),
        ([str(2**62)], "i"),
        ([str(2**70)], "U"),
        (["1_0"], "U"),
        ([5, 6], "i"),
    ],
)
def test_ids_that_are_integers(ids, kind):
    found = integers_or_texts(ids)
    assert found.dtype.kind == kind
    assert [str(value) for value in found] == [str(value) for value in ids]


def test_a_redshift_has_no_unit():
    for unit in (None, "", "redshift", "dimensionless", "1", "zspec?"):
        column = Column([1.0])
        column.unit = u.Unit(unit, parse_strict="silent") if unit else unit
        check_redshift_unit(column, "z", "t")
    with pytest.raises(PixsedError, match="column 'z' is in km / s; redshifts have no unit"):
        check_redshift_unit(Column([300.0], unit="km/s"), "z", "t")


@pytest.mark.parametrize(
    "column",
    [
        Column([7, 9]),
        Column(np.array([7, 9], ">i2")),
        Column(np.array([7, 9], "u8")),
        Column([7.0, 9.0]),
        Column(np.array([7, 9], ">f4")),
        Column(["7", " 9 "]),
        Column(["7.0", "9"]),
        Column([b"7", b"9"]),
        Column([[7], [9]]),
        objects(7, 9),
        objects("7", "9"),
    ],
    ids=repr,
)
def test_integers(column):
    found = integers(column, "a", "--id-col", "t.csv")
    assert found == [7, 9] and {type(number) for number in found} == {int}


@pytest.mark.parametrize("number", [2**53 + 1, 2**62 + 1, 2**63 - 1, -(2**53) - 1])
@pytest.mark.parametrize("kind", [int, str])
def test_integers_are_exact(number, kind):
    assert integers(Column([kind(number)]), "a", "--id-col", "t.csv") == [number]
    large = np.array([2**64 - 1], dtype="u8")
    assert integers(Column(large), "a", "--id-col", "t.csv") == [2**64 - 1]


@pytest.mark.parametrize(
    "column",
    [
        MaskedColumn([7, 1], mask=[False, True]),
        MaskedColumn([7, 1], mask=[0, 1], dtype="u8"),
        Column([7, np.nan]),
        Column(["7", "--"]),
        Column(["7", ""]),
        Column(["7", "nan"]),
        objects("7", None),
        objects(7, None),
        MaskedColumn(["7", "x"], mask=[False, True]),
    ],
    ids=repr,
)
def test_rows_without_an_integer(column):
    assert integers(column, "a", "--id-col", "t.csv") == [7, None]


@pytest.mark.parametrize(
    ("column", "match"),
    [
        (Column([1.5]), "row 1 has 1.5; name another with --id-col"),
        (Column([np.inf]), "has inf"),
        (Column(["a"]), "has 'a'"),
        (Column(["1e400"]), "has '1e400'"),
        (Column([True]), "has True"),
        (Column([2.0**53]), "float64 tells whole numbers apart below 9007199254740992 only"),
        (
            Column(np.array([2.0**24], "f4")),
            "float32 tells whole numbers apart below 16777216 only",
        ),
        (Column(["1e20"]), "in row 1"),
        (Column([1 + 1j]), "has \\(1\\+1j\\)"),
    ],
)
def test_what_is_no_integer(column, match):
    with pytest.raises(PixsedError, match=match):
        integers(column, "a", "--id-col", "t.csv")


@pytest.mark.parametrize(
    ("names", "redshift", "found"),
    [
        ("REDSHIFT ZERR", "REDSHIFT", "ZERR"),
        ("REDSHIFT z_err", "REDSHIFT", "z_err"),
        ("REDSHIFT e_z", "REDSHIFT", "e_z"),
        ("REDSHIFT REDSHIFT_ERROR", "REDSHIFT", "REDSHIFT_ERROR"),
        ("z z_lo z_hi", "z", "z_lo z_hi"),
        ("zphot zphot_err_lo", "zphot", "zphot_err_lo"),
        ("z_phot z160 z840", "z_phot", "z160 z840"),
        ("zPDF zPDF_l68", "zPDF", "zPDF_l68"),
        ("z_phot z_phot_unc", "z_phot", "z_phot_unc"),
        ("zbest sigma_zbest", "zbest", "sigma_zbest"),
        # Of other columns, or none at all:
        ("REDSHIFT z z_err", "REDSHIFT", ""),
        ("REDSHIFT z_phot z_phot_err", "REDSHIFT", ""),
        ("z_spec z_flag z_qual", "z_spec", ""),
        ("REDSHIFT zp zeropoint", "REDSHIFT", ""),
        ("z z_max zmin", "z", ""),
        ("REDSHIFT F444W F444W_ERR", "REDSHIFT", ""),
        ("z_spec z_phot z_phot_lo", "z_spec", ""),
        ("z mass_err", "z", ""),
    ],
)
def test_columns_that_look_like_errors(names, redshift, found):
    assert unused_errors(names.split(), redshift) == found.split()


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("F444W F444W_ERR", {"F444W": "F444W"}),
        ("f444w f444w_err", {"f444w": "F444W"}),
        ("F444w F444W_err", {"F444w": "F444W"}),
        ("F444W f444w F444W_ERR", {"F444W": "F444W"}),
        ("mine mine_ERR", {"mine": "mine"}),
        ("mine mine_err", {}),
        ("z z_err", {}),
        ("Redshift Redshift_ERR", {}),
        ("F444W", {}),
        ("uvis_f336w UVIS_F336W_ERR", {"uvis_f336w": "UVIS_F336W"}),
    ],
)
def test_columns_of_bands(names, found):
    assert band_columns(names.split(), ["F444W", "UVIS_F336W"]) == found


def test_names_in_other_case():
    assert find_column(["Z", "zz"], "z", (), "--z-col", "t") == "Z"
    assert find_column(["Z", "z"], "z", (), "--z-col", "t") == "z"
    with pytest.raises(PixsedError, match="t: columns Zz, ZZ are all zz but for upper and lower"):
        find_column(["Zz", "ZZ"], "zz", (), "--z-col", "t")
    with pytest.raises(PixsedError, match="f444w, F444w are all F444W but for"):
        band_columns(["f444w", "F444w", "F444W_ERR"], ["F444W"], "t")
