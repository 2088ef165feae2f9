"""Tables written in three formats: their contents, and no warnings when they are read."""

import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time, TimeDelta
from astropy.utils.masked import Masked

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.tables import read_table
from pixsed.io.writers.tables import check_columns, check_table_output, table_format, write_table

MOTIONS = SkyCoord(
    [1, 2] * u.deg, [3, 4] * u.deg, pm_ra_cosdec=[1, 1] * u.mas / u.yr, pm_dec=[1, 1] * u.mas / u.yr
)
# Result of each format for a column: unchanged, a column of another name, or refused.
COLUMNS = {
    "float": (Column([1.5, np.nan]), "", "", ""),
    "masked float": (MaskedColumn([1.5, 2], mask=[False, True]), "", "", ""),
    "big endian": (Column(np.array([1, 2], ">f4")), "", "", ""),
    "half": (Column(np.array([1, 2], "f2")), "", "", ""),
    "int8": (Column(np.array([1, -2], "i1")), "", "", ""),
    "uint8": (Column(np.array([1, 200], "u1")), "", "", ""),
    "uint16": (Column(np.array([1, 60000], "u2")), "", "", ""),
    "uint64": (Column(np.array([1, 2**63 + 5], "u8")), "", "", "OverflowError"),
    "int64": (Column([1, 2**62]), "", "", ""),
    "masked int": (MaskedColumn([999999, 3], mask=[False, True]), "", "", ""),
    "bool": (Column([True, False]), "", "", ""),
    "masked bool": (MaskedColumn([True, False], mask=[0, 1]), "some of them missing", "", ""),
    "complex": (Column([1j, 2]), "", "complex128", ""),
    "text": (Column(["a", "bb"]), "", "", ""),
    "masked text": (MaskedColumn(["a", "b"], mask=[False, True]), "", "", ""),
    "empty text": (Column(["", ""]), "", "", ""),
    "bytes": (Column(np.array([b"a", b"b"])), "", "", ""),
    "long text": (Column(["x" * 50000, "y"]), "", "", ""),
    "letters": (Column(["não", "b"]), "printable ASCII", "", ""),
    "new line": (Column(["a\nb", "c"]), "printable ASCII", "", ""),
    "hash": (Column(["#a", 'b"c,d']), "", "", ""),
    "text and None": (Column(np.array(["a", None], dtype=object)), "", "", ""),
    "objects": (Column(np.array([{}, 1], dtype=object)), "holds objects", "", "holds objects"),
    "fields": (
        Column(np.array([(1, 2.0)] * 2, dtype=[("a", int), ("b", float)])),
        "records",
        "",
        "records",
    ),
    "vector": (Column(np.ones((2, 5))), "", "", "5 values per row"),
    "vector of one": (Column(np.ones((2, 1))), "", "", ""),
    "vector of none": (Column(np.ones((2, 0))), "", "", "0 values per row"),
    "texts": (Column([["a", "b"], ["c", "dd"]]), "", "", "2 values per row"),
    "SkyCoord": (SkyCoord([1, 2], [3, 4], unit="deg"), ("ra", "dec"), "", ("ra", "dec")),
    "galactic": (
        SkyCoord([1, 2], [3, 4], unit="deg", frame="galactic"),
        ("l", "b"),
        "",
        ("l", "b"),
    ),
    "distances": (
        SkyCoord([1, 2], [3, 4], [5, 6], unit=("deg", "deg", "kpc")),
        ("ra", "dec", "distance"),
        "",
        ("ra", "dec", "distance"),
    ),
    "motions": (MOTIONS, "with motions", "", "with motions"),
    "Time": (Time([5e4, 5e4 + 1], format="mjd"), "", "", ""),
    "TimeDelta": (TimeDelta([1, 2], format="jd"), "TimeDelta objects", "", "TimeDelta objects"),
    "datetime": (
        Column(np.array(["2020-01-01", "2021-01-01"], "M8[s]")),
        "datetime64",
        "datetime64",
        "",
    ),
    "Quantity": ([1, 2] * u.kpc, "", "", ""),
    "masked Quantity": (Masked([1, 2] * u.kpc, mask=[False, True]), "", "", ""),
    "digits": (Column([1.23456789, 2], format="%.1f"), "", "", ""),
    "description": (Column([1, 2], description="µJy é\n" + 80 * "long "), "", "", ""),
    "dex": (Column([1.0, 2], unit=u.dex(u.solMass)), "", "", ""),
    "10 nJy": (Column([1.0, 2], unit="10 nJy"), "", "", ""),
    "spelling": (Column([1.0, 2], unit=u.Unit("microJy", parse_strict="silent")), "", "", ""),
}


def read_back(path, form):
    """Return a table as astropy reads it, any warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if form == "fits":
            with fits.open(path) as hdulist:
                hdulist.verify("exception")
            return Table.read(path, hdu=1)
        return Table.read(path)


@pytest.mark.parametrize("form", ["fits", "ecsv", "csv"])
@pytest.mark.parametrize("what", COLUMNS)
def test_columns(tmp_path, what, form):
    column, *outcomes = COLUMNS[what]
    outcome = outcomes[("fits", "ecsv", "csv").index(form)]
    path = tmp_path / f"t.{form}"
    table = (QTable if isinstance(column, u.Quantity) else Table)({"ID": [1, 2]})
    table["extra"] = column
    if outcome and isinstance(outcome, str):
        with pytest.raises(PixsedError, match=f"a.vot: column 'extra' cannot .*{outcome}.*remove"):
            check_columns(table, path, "a.vot")
        return
    check_columns(table, path, "a.vot")
    write_table(table, path)
    found = read_back(path, form)
    assert found.colnames == ["ID", *([f"extra_{part}" for part in outcome] or ["extra"])]
    if outcome:
        np.testing.assert_allclose(found[found.colnames[1]], [1, 2])
        assert form == "csv" or found[found.colnames[1]].unit == u.deg
    elif isinstance(column, np.ndarray) and column.dtype.kind in "iuf":
        expected = np.ma.filled(np.ma.asarray(column, dtype=float), np.nan)
        if what == "masked Quantity":
            expected = np.array([1, np.nan])
        values = np.ma.filled(np.ma.asarray(found["extra"]).astype(float), np.nan)
        np.testing.assert_array_equal(values.ravel(), np.asarray(expected).ravel())
    if what == "Time" and form != "ecsv":
        assert list(found["extra"]) == ["1995-10-10T00:00:00.000", "1995-10-11T00:00:00.000"]


@pytest.mark.parametrize(
    ("unit", "form", "kept"),
    [
        ("mag(AB)", "fits", None),
        ("mag(AB)", "ecsv", u.ABmag),
        ("Angstroms", "fits", None),
        ("Angstroms", "ecsv", None),
        ("banana", "fits", None),
        ("electron/s", "fits", None),
        ("electron/s", "ecsv", u.electron / u.s),
        ("microJy", "fits", u.uJy),
        ("kpc", "fits", u.kpc),
        ("ABmag", "ecsv", u.ABmag),
        ("10 nJy", "fits", u.Unit("10 nJy")),
    ],
)
def test_units_that_a_format_has_not(tmp_path, unit, form, kept):
    said = u.Unit(unit, parse_strict="silent")
    table = Table({"a": Column([1.0], unit=said, description="mine")})
    path = tmp_path / f"t.{form}"
    if kept is None:
        with pytest.warns(PixsedWarning, match=f"t.x: {form.upper()} has no such unit.*: a \\("):
            check_columns(table, path, "t.x")
    else:
        check_columns(table, path, "t.x")
    write_table(table, path)
    assert read_back(path, form)["a"].unit == kept
    expected = "mine" if kept is not None else f"mine [{said}]"
    assert read_table(path)["a"].description == expected


@pytest.mark.parametrize(
    ("names", "form", "match"),
    [
        (["ID", ""], "fits", "'' has a blank name"),
        (["ID", " a"], "ecsv", "' a' has a blank name"),
        (["ID", "id"], "fits", "another column has the name 'ID'"),
        (["ID", "µ"], "fits", "FITS cannot hold the name of column 'µ'"),
        (["ID", "x" * 80], "fits", "FITS cannot hold the name"),
        ([f"c{i}" for i in range(980)], "fits", "980 columns, and FITS holds 999"),
    ],
)
def test_names_that_are_refused(tmp_path, names, form, match):
    table = Table([[1]] * len(names), names=[f"n{i}" for i in range(len(names))])
    for old, new in zip(table.colnames, names, strict=True):
        table.rename_column(old, new)
    with pytest.raises(PixsedError, match=match):
        check_columns(table, tmp_path / f"t.{form}", "t.x")


def test_names_that_text_holds(tmp_path):
    table = Table({"ID": [1], "id": [2], "µ": [3.0], "x" * 80: [4]})
    for form in ("ecsv", "csv"):
        check_columns(table, tmp_path / f"t.{form}")
        write_table(table, tmp_path / f"t.{form}")
        assert read_back(tmp_path / f"t.{form}", form).colnames == table.colnames


def test_a_name_that_a_skycoord_would_take(tmp_path):
    table = Table({"sky_ra": [1.0], "sky": SkyCoord([1], [2], unit="deg")})
    with pytest.raises(PixsedError, match="'sky' cannot be written .*'sky_ra', which is another"):
        check_columns(table, tmp_path / "t.fits")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("o.fits", "fits"),
        ("o.FITS", "fits"),
        ("o.fit", "fits"),
        ("o.fts", "fits"),
        ("-", "fits"),
        ("o.fits.gz", "fits"),
        ("o.fit.GZ", "fits"),
        ("o.ecsv", "ecsv"),
        ("o.ECSV", "ecsv"),
        ("o.csv", "csv"),
        ("a.b/o.x.csv", "csv"),
        ("/dev/null", "fits"),
        ("o.vot", None),
        ("o.xml", None),
        ("o.dat", None),
        ("o.txt", None),
        ("o", None),
        ("o.gz", None),
        ("o.csv.gz", None),
        ("o.fits.bz2", None),
        ("o.fits.part", None),
        ("o.parquet", None),
        (".fits", None),
        ("o.", None),
    ],
)
def test_endings(name, form):
    if form is None:
        with pytest.raises(
            PixsedError, match="a table is written as .fits, .fits.gz, .ecsv or .csv"
        ):
            table_format(name)
        with pytest.raises(
            PixsedError, match="a table is written as .fits, .fits.gz, .ecsv or .csv"
        ):
            check_table_output(name, overwrite=True)
    else:
        assert table_format(name) == form


def test_outputs_that_are_refused(tmp_path):
    with pytest.raises(PixsedError, match="is a folder"):
        check_table_output(tmp_path)
    (tmp_path / "t.fits").write_text("")
    with pytest.raises(PixsedError, match="exists already"):
        check_table_output(tmp_path / "t.fits")
