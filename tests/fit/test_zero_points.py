"""Zero points and floors by band: reading, the sign, and every place that applies them."""

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from pixsed.errors import PixsedError
from pixsed.fit.cube import fit_cube
from pixsed.fit.options import FitOptions
from pixsed.fit.select import select
from pixsed.fit.select_draws import Places, draw_places
from pixsed.fit.sum_mass import sum_mass
from pixsed.fit.summed import summed_photometry
from pixsed.fit.table import fit_table
from pixsed.fit.total import total_draws
from pixsed.fit.zero_points import check_zero_points, corrected, read_zero_points

OFFSETS = [("F115W", 0.1), ("F444W", -0.05, 0.02)]


def write(path, text):
    path.write_text(text)
    return str(path)


class TestReading:
    @pytest.mark.parametrize(
        "text",
        [
            "BAND,OFFSET,FLOOR\nF444W,-0.05,0.02\nF115W,0.1,\n",
            "band offset floor\nF115W 0.1 0\nF444W -0.05 0.02\n",
            "BAND,FACTOR,FLOOR,NOTE\nF115W,0.912010839,0,x\nF444W,1.047128548,0.02,y\n",
            "BAND,OFFSET,FACTOR,FLOOR\nF115W,0.1,0.91201,0\nF444W,-0.05,1.04713,0.02\n",
        ],
    )
    def test_columns(self, tmp_path, text):
        found = read_zero_points(write(tmp_path / "zp.csv", text))
        assert [one.band for one in found] == ["F115W", "F444W"]
        np.testing.assert_allclose([one.offset for one in found], [0.1, -0.05], atol=1e-5)
        assert [one.floor for one in found] == [0.0, 0.02]

    def test_the_sign(self):
        # A zero point that is 0.1 mag too faint: the data are made brighter.
        [one] = check_zero_points([("F115W", -0.1)])
        flux = np.array([[100.0]], np.float32)
        found, err, _ = corrected([one], ["F115W"], flux, flux / 10, flux / 10)
        brighter = (flux * u.nJy).to(u.ABmag).value - (found * u.nJy).to(u.ABmag).value
        np.testing.assert_allclose(brighter, 0.1, atol=1e-5)
        np.testing.assert_allclose(found / err, 10.0, rtol=1e-6)  # S/N is unchanged

    @pytest.mark.parametrize(
        "text, message",
        [
            ("BAND,SHIFT\nF115W,0.1\n", "neither a column OFFSET .* nor FACTOR .*BAND, SHIFT"),
            ("FILTER,OFFSET\nF115W,0.1\n", "name a column with BAND"),
            ("BAND,OFFSET\nF115W,0.1\nF115W,0.2\n", "F115W is there twice"),
            ("BAND,OFFSET\nF115W,25.0\n", "F115W: OFFSET must be between -2 and 2 mag, got 25"),
            ("BAND,OFFSET\nF115W,bright\n", "row 1 has 'bright'"),
            ("BAND,FACTOR\nF115W,0\n", "F115W: FACTOR must be above 0, got 0"),
            ("BAND,FACTOR\nF115W,inf\n", "F115W: FACTOR must be above 0, got inf"),
            ("BAND,FACTOR,OFFSET\nF115W,1.1,0.1\n", "OFFSET 0.1 and FACTOR 1.1 differ"),
            ("BAND,OFFSET,FLOOR\nF115W,0,5\n", "F115W: FLOOR must be a fraction between 0 and 1"),
            ("BAND,OFFSET\n,0.1\nF115W,0\n", "a row has no BAND"),
        ],
    )
    def test_faults(self, tmp_path, text, message):
        with pytest.raises(PixsedError, match=message):
            FitOptions(zero_points=write(tmp_path / "zp.csv", text))

    @pytest.mark.parametrize("values", [5, ["F115W"], [("F115W",)], [("F115W", 0.1, 0.1, 0.1)]])
    def test_values_of_other_shapes(self, values):
        with pytest.raises(PixsedError, match="zero_points"):
            FitOptions(zero_points=values)

    def test_unknown_bands(self, model):
        with pytest.raises(PixsedError, match="zero points of F116W: neither pixsed nor model tau"):
            fit_cube(fakes.make_cube(), model, FitOptions(zero_points=[("F116W", 0.1)]))
        # A band of another instrument is not in the data, and changes nothing.
        plain = fit_cube(fakes.make_cube(), model)
        other = fit_cube(fakes.make_cube(), model, FitOptions(zero_points=[("MIRI_F770W", 0.1)]))
        np.testing.assert_array_equal(plain.planes["LOGMSTAR_P50"], other.planes["LOGMSTAR_P50"])


def corrected_cube():
    """Return the fake cube with the offsets, without floors, in its data."""
    cube = fakes.make_cube()
    for band, offset, *_ in OFFSETS:
        for plane in (cube.flux, cube.err):
            plane[cube.bands.index(band)] *= 10 ** (-0.4 * offset)
    return cube


class TestFits:
    options = FitOptions(samples=16, zero_points=[one[:2] for one in OFFSETS])

    def test_maps_are_those_of_corrected_data(self, model, tmp_path):
        found = fit_cube(fakes.make_cube(), model, self.options, output=tmp_path / "m.fits")
        wanted = fit_cube(corrected_cube(), model, FitOptions(samples=16))
        for name in ("LOGMSTAR_P50", "AV_P84", "SNR"):
            np.testing.assert_allclose(found.planes[name], wanted.planes[name], rtol=1e-5)
        header = fits.getheader(tmp_path / "m.fits")
        assert header["ZEROPTS"] == "F115W=+0.1000,F444W=-0.0500"
        assert "ZPFLOOR" not in header

    def test_the_record_has_only_bands_that_were_fitted(self, model, tmp_path):
        options = FitOptions(samples=16, zero_points=[*OFFSETS, ("F435W", 0.3, 0.1)])
        fit_cube(fakes.make_cube(), model, options, output=tmp_path / "m.fits")
        header = fits.getheader(tmp_path / "m.fits")
        assert header["ZEROPTS"] == "F115W=+0.1000,F444W=-0.0500"
        assert header["ZPFLOOR"] == "F444W=0.02"

    def test_rows_sums_and_draws(self, model):
        table = Table({"ID": [1], "REDSHIFT": [1.0]})
        for band in ("F115W", "F277W", "F444W"):
            table[band], table[f"{band}_ERR"] = [100.0] * u.nJy, [5.0] * u.nJy
        shifted = table.copy()
        for band, offset, *_ in OFFSETS:
            for name in (band, f"{band}_ERR"):
                shifted[name] *= 10 ** (-0.4 * offset)
        plain = FitOptions(samples=16)
        found = fit_table(table, model, self.options), fit_table(shifted, model, plain)
        np.testing.assert_allclose(*(one["LOGMSTAR_P50"] for one in found), rtol=1e-5)
        found = (
            sum_mass(fakes.make_cube(), model, self.options),
            sum_mass(corrected_cube(), model, plain),
        )
        for name in ("RES_LOGMSTAR_P50", "INT_LOGMSTAR_P50"):
            np.testing.assert_allclose(*(one[name] for one in found), rtol=1e-5)
        places = Places(pixels=((13, 11),))
        found = [
            draw_places(cube, model, places, options)[0].samples["LOGMSTAR"]
            for cube, options in ((fakes.make_cube(), self.options), (corrected_cube(), plain))
        ]
        np.testing.assert_allclose(*found, rtol=1e-5)

    def test_codes_are_found_before_the_data_are_corrected(self, model):
        cube = fakes.make_cube()
        cube.flux[0, 10, 12] = cube.err[0, 10, 12] = -99.0
        with pytest.warns(UserWarning, match="F115W 1 pixels"):
            selection = select(cube, model, self.options)
        assert np.isnan(selection.flux[0, 10, 12])


class TestFloors:
    def test_errors_of_pixels_and_sums(self, model):
        cube = fakes.make_cube()
        options = FitOptions(error_floor=0.03, zero_points=[("F444W", 0.0, 0.04)])
        selection = select(cube, model, options)
        for band, floor in (("F277W", 0.03), ("F444W", 0.05)):
            i = selection.bands.index(band)
            wanted = np.hypot(0.5, floor * selection.flux[i])
            np.testing.assert_allclose(selection.err[i], wanted, rtol=1e-5)
            flux, err = summed_photometry(cube, selection)
            count = selection.chosen.sum()
            wanted = np.hypot(0.5 * np.sqrt(count), floor * flux[i])
            np.testing.assert_allclose(err[i], wanted, rtol=1e-5)

    def test_floors_of_bands_are_common_to_the_pixels(self, model):
        wide = [(band, 0.0, 0.1) for band in fakes.make_cube().bands]
        widths = []
        for zero_points in ((), wide):
            options = FitOptions(samples=500, zero_points=zero_points)
            cube = fakes.make_cube()
            chosen = select(cube, model, options)
            found = total_draws(cube, model, chosen, options, noise="independent")
            widths.append(np.std(found.draws["LOGMSTAR"]))
        assert widths[1] > 5 * widths[0]
