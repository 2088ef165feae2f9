"""Columns as numbers or text, whatever their kind."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Column, MaskedColumn
from astropy.time import Time

from pixsed.errors import PixsedError
from pixsed.io.columns import check_redshift_unit, integers_or_texts, numbers, texts


def objects(*values):
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return Column(result)


@pytest.mark.parametrize("column", [
    Column([1.0, np.nan]), MaskedColumn([1.0, 5.0], mask=[False, True]),
    Column([[1.0], [np.nan]]), MaskedColumn([[1], [2]], mask=[[False], [True]]),
    Column(np.array([1.0, np.nan], dtype=">f4")), Column(np.array([[[1]], [[np.nan]]])),
    MaskedColumn(np.array([1, 7], dtype="u2"), mask=[False, True]),
    Column(["1.0", "-"]), Column(["1", "--"]), Column([" 1 ", ""]), Column(["1e0", "nan"]),
    Column(["1", "n/a"]), Column(["1", "None"]), Column(["+1", "NULL"]), Column(["1", "..."]),
    Column(np.array([b"1.0", b"NaN"])), MaskedColumn(["1", "x"], mask=[False, True]),
    objects(1.0, None), objects("1", None), objects(np.array([1.0]), np.array([np.nan])),
    objects(b"1", b"-"), [1.0, np.nan] * u.kpc,
], ids=str)  # fmt: skip
def test_numbers(column):
    found = numbers(column, "a", "--z-col", "t.csv")
    assert found.dtype == float and found.shape == (2,)
    assert found[0] == 1 and np.isnan(found[1])


@pytest.mark.parametrize(("column", "match"), [
    (Column([[1.0, 2.0]]), "'a' has 2 values a row; one is wanted"),
    (Column(["1", "high"]), "must hold numbers, and row 2 has 'high'; name another with --z-col"),
    (Column(["1,5"]), "row 1 has '1,5'"), (Column(["1.0D+02"]), "row 1 has '1.0D\\+02'"),
    (Column([True]), "must hold numbers, got bool"), (Column([1 + 2j]), "got complex"),
    (objects({}), "got object"), (objects(np.ones(2)), "got object"),
    (SkyCoord([1], [2], unit="deg"), "holds SkyCoord objects"),
    (Time([5e4], format="mjd"), "holds Time objects"),
    (Column(np.array(["2020-01-01"], dtype="M8[s]")), "got datetime64"),
])  # fmt: skip
def test_columns_that_are_no_numbers(column, match):
    with pytest.raises(PixsedError, match=f"t.csv: column .*{match}"):
        numbers(column, "a", "--z-col", "t.csv")


@pytest.mark.parametrize("column", [
    Column([7, 8]), Column(["7", "8"]), Column([7.0, 8.0]), Column(np.array([b"7", b"8"])),
    Column(["7 ", " 8"]), Column([[7], [8]]), objects("7", "8"), Column(np.array([7, 8], ">i2")),
])  # fmt: skip
def test_an_id_is_the_same_whatever_its_kind(column):
    assert texts(column, "ID", "t") == ["7", "8"]


@pytest.mark.parametrize(("ids", "kind"), [
    (["1", "22"], "i"), (["-3"], "i"), (["007", "8"], "U"), (["1", "A2744-5"], "U"), (["1.0"], "U"),
    ([""], "U"), ([str(2**62)], "i"), ([str(2**70)], "U"), (["1_0"], "U"), ([5, 6], "i"),
])  # fmt: skip
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
