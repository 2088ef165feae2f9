"""Pairs of values: tables matched by id, maps pixel by pixel, one table with itself."""

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from pixsed.errors import PixsedError
from pixsed.io.formats.maps import Maps
from pixsed.validate.pairs import read_pairs


def masses(ids=(1, 2, 3), shift=0.0, **columns):
    """Return a table as `pixsed sum-mass` writes it."""
    number = len(ids)
    table = Table({"ID": list(ids), "REDSHIFT": np.linspace(1.0, 5.0, number)})
    for kind, offset in (("RES", 0.1), ("INT", 0.0)):
        for end, width in (("P16", -0.2), ("P50", 0.0), ("P84", 0.4)):
            table[f"{kind}_LOGMSTAR_{end}"] = np.arange(number) + 9.0 + offset + shift + width
    for name, values in columns.items():
        table[name] = values
    return table


def plane_maps(values, *, std=0.1, redshift=2.0, name="maps", header=None, prop="LOGMSTAR"):
    planes = {f"{prop}_P50": np.asarray(values, np.float32)}
    planes[f"{prop}_STD"] = np.full_like(planes[f"{prop}_P50"], std)
    primary = fits.Header({"REDSHIFT": redshift})
    return Maps([prop], (0.5,), planes, header=header, primary=primary, name=name)


class TestTables:
    def test_rows_are_matched_by_id(self):
        a, b = masses((1, 2, 3)), masses(("3", "2", "7"), shift=1.0)
        res, integrated = read_pairs(a, b)
        assert (res.name, res.prop, integrated.name) == (
            "RES_LOGMSTAR",
            "LOGMSTAR",
            "INT_LOGMSTAR",
        )
        # ids 2 and 3 are rows 1 and 2 of A, and rows 1 and 0 of B
        np.testing.assert_allclose(res.a, [10.1, 11.1])
        np.testing.assert_allclose(res.b, [11.1, 10.1])
        np.testing.assert_allclose(res.a_err, 0.3)
        np.testing.assert_allclose(res.redshift, [3.0, 5.0])
        assert res.unit == "dex(solMass)"

    @pytest.mark.parametrize("suffix", [".fits", ".ecsv", ".csv"])
    def test_files(self, tmp_path, suffix):
        paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
        for shift, path in enumerate(paths):
            masses(shift=shift).write(path)
        pair = read_pairs(*paths, ["INT_LOGMSTAR"])[0]
        np.testing.assert_allclose(pair.b - pair.a, 1.0)
        assert pair.a_name == str(paths[0])

    def test_a_fit_is_compared_with_both_masses(self):
        fit = Table({"ID": [3, 1], "LOGMSTAR_P50": [8.0, 7.0], "LOGMSTAR_STD": [0.2, 0.3]})
        pairs = read_pairs(fit, masses())
        assert [pair.name for pair in pairs] == ["RES_LOGMSTAR", "INT_LOGMSTAR"]
        np.testing.assert_allclose(pairs[1].b, [11.0, 9.0])
        np.testing.assert_allclose(pairs[1].a_err, [0.2, 0.3])
        np.testing.assert_allclose(pairs[1].redshift, [5.0, 1.0])  # of the other table

    @pytest.mark.parametrize("name", ["LOGMSTAR_TRUE", "logmstar_true", "LOGMSTAR"])
    def test_truths_have_no_error(self, name):
        truth = Table({"ID": [1, 2], name: [9.0, 9.5]})
        pair = read_pairs(truth, masses(), ["INT_LOGMSTAR"])[0]
        np.testing.assert_allclose(pair.a, [9.0, 9.5])
        assert (pair.a_err == 0).all() and (pair.b_err > 0).all()

    def test_truths_of_the_same_table(self):
        table = Table({"AGE_P50": [1.0, 2.0, np.nan], "AGE_TRUE": [900, 2100, 1] * u.Myr})
        table["AGE_P16"], table["AGE_P84"] = [0.5] * 3, [1.5] * 3
        [pair] = read_pairs(table)
        np.testing.assert_allclose(pair.a, [0.9, 2.1])  # Gyr
        np.testing.assert_allclose(pair.b, [1.0, 2.0])  # a row without a fit is left out
        assert (pair.a_name, pair.b_name) == ("truth", "median")
        assert np.isnan(pair.redshift).all()

    def test_resolved_against_integrated(self):
        [pair] = read_pairs(masses(), resolved_integrated=True)
        np.testing.assert_allclose(pair.b - pair.a, 0.1)
        assert (pair.a_name, pair.b_name) == ("integrated", "resolved")

    def test_another_column_of_ids(self):
        a, b = masses(NAME=["x", "y", "z"]), masses((7, 8, 9), NAME=["z", "q", "r"])
        assert len(read_pairs(a, b, id_col="name")[0].a) == 1


class TestMaps:
    def test_pixels_fitted_in_both(self, wcs_header):
        a = plane_maps([[1.0, 2.0], [np.nan, 4.0]], header=wcs_header())
        b = plane_maps([[1.5, np.nan], [3.0, 4.5]], std=0.2, header=wcs_header())
        [pair] = read_pairs(a, b)
        np.testing.assert_allclose(pair.a, [1.0, 4.0])
        np.testing.assert_allclose(pair.b, [1.5, 4.5])
        np.testing.assert_allclose(pair.b_err, 0.2)
        assert pair.pixels and (pair.redshift == 2.0).all()

    @pytest.mark.parametrize(
        "other, message",
        [
            (dict(values=np.ones((2, 3))), r"got shapes \(2, 2\) and \(2, 3\); fit the same cube"),
            (dict(crpix=(1.0, 1.0)), "pixels apart on the sky; fit the same cube twice"),
            (dict(prop="AV"), "no property to compare"),
            (dict(values=np.full((2, 2), np.nan)), "no row or pixel has both values of LOGMSTAR"),
        ],
    )
    def test_faults(self, wcs_header, other, message):
        a = plane_maps(np.ones((2, 2)), header=wcs_header(), name="a.fits")
        crpix = {"crpix": other.pop("crpix")} if "crpix" in other else {}
        options = {"values": np.ones((2, 2)), "name": "b.fits", **other}
        b = plane_maps(header=wcs_header(**crpix), **options)
        with pytest.raises(PixsedError, match=message):
            read_pairs(a, b)

    def test_maps_and_a_table(self, wcs_header):
        a = plane_maps(np.ones((2, 2)), header=wcs_header(), name="a.fits")
        with pytest.raises(PixsedError, match="a.fits has maps and table does not"):
            read_pairs(masses(), a)


@pytest.mark.parametrize(
    "tables, options, message",
    [
        ([masses(), masses((7, 8))], {}, r"no ID in common \(1, 2, 3; 7, 8\)"),
        ([masses(), masses((1, 1))], {}, "ID '1' is in rows 1 and 2; ids must be unique"),
        ([masses(), masses()], {"id_col": "NAME"}, "no column 'NAME' to match rows by"),
        (
            [masses(), masses()],
            {"properties": ["AV"]},
            "no AV to compare; choose from RES_LOGMSTAR",
        ),
        ([masses()], {}, "has no <PROPERTY>_TRUE beside <PROPERTY>_P50"),
        ([masses(), masses()], {"resolved_integrated": True}, "one table with itself"),
        ([Table({"ID": [1]})], {"resolved_integrated": True}, "make them with pixsed sum-mass"),
        ([masses(), Table({"ID": [1], "X": [1.0]})], {}, "no property to compare"),
    ],
)
def test_faults_of_tables(tables, options, message):
    with pytest.raises(PixsedError, match=message):
        read_pairs(*tables, **options)
