"""Draws of pixels, bins, regions, galaxies and rows: those behind maps, tables and sums."""

import fakes
import numpy as np
import pytest
from astropy.table import Table

from pixsed.errors import PixsedError
from pixsed.fit.cube import fit_cube
from pixsed.fit.galaxy_row import LEVELS, galaxy_row
from pixsed.fit.options import FitOptions
from pixsed.fit.posterior import EXTENSIVE
from pixsed.fit.select import select
from pixsed.fit.select_draws import Places, draw_places, draw_table
from pixsed.fit.summed import summed_photometry
from pixsed.fit.table import fit_table
from pixsed.properties import quantile_name

OPTIONS = FitOptions(samples=64)
X, Y = 13, 11  # FITS coordinates of the brightest pixel


def region_file(tmp_path, *shapes):
    pytest.importorskip("regions", reason="region files need the package regions")
    path = tmp_path / "places.reg"
    path.write_text("\n".join(["# Region file format: DS9", "image", *shapes]))
    return str(path)


def assert_same_quantiles(posterior, value_of):
    """Compare the quantiles of draws with ``value_of("LOGMSTAR_P16")`` and so on."""
    assert {"LOGMSTAR", "AGE", "AV"} <= posterior.samples.keys()
    for name in posterior.samples:
        found = posterior.quantiles(name, OPTIONS.quantiles)
        wanted = [value_of(f"{name}_{quantile_name(level)}") for level in OPTIONS.quantiles]
        np.testing.assert_array_equal(np.float32(found), wanted, err_msg=name)


class TestPixels:
    @pytest.mark.parametrize("redshift_err", [0.0, 0.1])
    def test_quantiles_are_those_of_the_maps(self, model, redshift_err):
        cube = fakes.make_cube(redshift_err=redshift_err)
        maps = fit_cube(cube, model, OPTIONS)
        found = draw_places(cube, model, Places(pixels=((X, Y), (9, 8))), OPTIONS)
        for one, (x, y) in zip(found, [(X, Y), (9, 8)], strict=True):
            assert_same_quantiles(one, lambda n, y=y, x=x: maps.planes[n][y - 1, x - 1])
            assert one.label == f"pixel {x} {y}"
            assert ("REDSHIFT" in one.samples) == (redshift_err > 0)
            np.testing.assert_allclose(one.chi2, maps.planes["CHI2"][y - 1, x - 1], rtol=1e-5)
            np.testing.assert_allclose(one.ood, maps.planes["OOD"][y - 1, x - 1], rtol=1e-5)

    def test_a_position_is_the_pixel_that_holds_it(self, model):
        cube = fakes.make_cube()
        sky = cube.wcs.pixel_to_world(X - 1 + 0.4, Y - 1 - 0.4)
        places = Places(pixels=((X + 0.4, Y - 0.4),), positions=((sky.ra.deg, sky.dec.deg),))
        pixel, position = draw_places(cube, model, places, OPTIONS)
        assert pixel.label == position.label == f"pixel {X} {Y}"
        np.testing.assert_array_equal(pixel.samples["AV"], position.samples["AV"])

    def test_a_pixel_of_a_binned_cube_is_its_bin(self, model):
        cube = fakes.binned_cube()
        maps = fit_cube(cube, model, OPTIONS)
        bins = cube.binning.binmap
        [found] = draw_places(cube, model, Places(pixels=((X, Y),)), OPTIONS)
        assert_same_quantiles(found, lambda name: maps.planes[name][Y - 1, X - 1])
        assert found.label == f"bin {bins[Y - 1, X - 1]} (pixel {X} {Y})"
        assert found.npix == (bins == bins[Y - 1, X - 1]).sum() > 1
        assert set(EXTENSIVE) & found.samples.keys()

    def test_more_draws_begin_with_the_same_ones(self, model):
        few, many = (
            draw_places(fakes.make_cube(), model, Places(pixels=((X, Y),)), FitOptions(samples=n))
            for n in (64, 256)
        )
        np.testing.assert_array_equal(few[0].samples["AV"], many[0].samples["AV"][:64])

    @pytest.mark.parametrize(
        "places, options, message",
        [
            (Places(), {}, "no place is chosen"),
            (Places(pixels=((25, 1),)), {}, "pixel 25 1 is outside the image of 24 x 20 pixels"),
            (Places(pixels=((0.4, 1),)), {}, "pixel 0.4 1 is outside"),
            (Places(pixels=((24, 20),)), {}, "outside the galaxy's segment; try --all-pixels"),
            (Places(pixels=((X, Y),)), {"snr_min": 1e6}, "pixel 13 11 is not fitted: .*--snr-min"),
            (Places(positions=((10.0, 5.0),)), {}, "RA 10.*, Dec 5.* (outside|not on) the image"),
            (Places(pixels=((X, Y),)), {"redshift": 9.0}, "c.fits: redshift 9 .* outside"),
            (Places(pixels=((X, Y),)), {"engine": "quantile"}, "engine must be 'flow'"),
            (Places(segment=True), {"snr_min": 1e6}, "no pixel of galaxy 531 can be fitted"),
        ],
    )
    def test_faults(self, model, places, options, message):
        with pytest.raises(PixsedError, match=message):
            draw_places(fakes.make_cube(), model, places, FitOptions(**options), name="c.fits")


class TestSums:
    def test_a_segment_has_the_integrated_mass_of_sum_mass(self, model):
        cube = fakes.make_cube(redshift_err=0.1)
        row = galaxy_row(cube, model, select(cube, model), OPTIONS)
        [found] = draw_places(cube, model, Places(segment=True), OPTIONS)
        assert found.label == f"galaxy 531, {row['NPIX']} pixels"
        wanted = [row[f"INT_LOGMSTAR_{quantile_name(level)}"] for level in LEVELS]
        np.testing.assert_allclose(found.quantiles("LOGMSTAR", LEVELS), wanted, rtol=1e-7)

    def test_a_region_is_the_sum_of_its_pixels(self, model, tmp_path):
        cube = fakes.make_cube()
        path = region_file(tmp_path, "circle(13,11,2)", "box(13,11,3,3,0) # text={7}")
        circle, box = draw_places(cube, model, Places(region=path), OPTIONS)
        assert (circle.label, box.label) == ("region 1, 9 pixels", "region 7, 9 pixels")
        # The mass of the fake model grows with the mean over the bands.
        selection = select(cube, model)
        selection.chosen[:] = False
        selection.chosen[9:12, 11:14] = True
        sums = summed_photometry(cube, selection)[0]
        whole = np.isfinite(sums)
        flux = cube.flux[:, 9:12, 11:14].sum(axis=(1, 2))
        np.testing.assert_allclose(sums[whole], flux[whole], rtol=1e-5)
        assert whole.sum() == 4  # the brightest pixel has no F115W
        middle = np.log10(np.nanmean(sums)) + 7.8
        assert np.median(box.samples["LOGMSTAR"]) == pytest.approx(middle, abs=0.02)
        # A density is per area of all its pixels.
        lowered = box.samples["LOGMSTAR"] - box.samples["LOGSIGMA"]
        one = draw_places(cube, model, Places(pixels=((X, Y),)), OPTIONS)[0].samples
        area = one["LOGMSTAR"] - one["LOGSIGMA"]
        np.testing.assert_allclose(lowered - area, np.log10(9), atol=1e-5)

    def test_pixels_of_a_binned_cube_are_not_cut_by_a_region(self, model, tmp_path):
        path = region_file(tmp_path, "circle(13,11,2)")
        with pytest.raises(PixsedError, match="binned cube cannot be summed over a region"):
            draw_places(fakes.binned_cube(), model, Places(region=path), OPTIONS)

    def test_a_region_without_pixels_of_the_galaxy(self, model, tmp_path):
        path = region_file(tmp_path, "circle(23,19,1)")
        with pytest.raises(PixsedError, match="none is in the galaxy's segment; try --snr-min"):
            draw_places(fakes.make_cube(), model, Places(region=path), OPTIONS)


class TestRows:
    @pytest.fixture
    def table(self):
        table = Table({"ID": [5, 17, 18], "REDSHIFT": [1.0, 2.0, np.nan]})
        for band in ("F115W", "F277W", "F444W"):
            for suffix, value in (("", [10.0, 20.0, 30.0]), ("_ERR", [1.0, 1.0, 1.0])):
                table[band + suffix] = value
                table[band + suffix].unit = "nJy"
        return table

    def test_quantiles_are_those_of_fit(self, model, table):
        fitted = fit_table(table[:2], model, OPTIONS)
        found = draw_table(table, model, ["17", "5"], OPTIONS)
        assert [one.label for one in found] == ["ID 17", "ID 5"]
        for one, row in zip(found, (1, 0), strict=True):
            assert_same_quantiles(one, lambda name, row=row: fitted[name][row])
            assert one.area is None and "LOGSIGMA" not in one.samples

    @pytest.mark.parametrize(
        "ids, change, message",
        [
            (["9"], None, "t has no row with ID 9"),
            (["18"], None, "t: ID 18: redshift nan gives no distance"),
            (["5"], lambda t: t.remove_column("ID"), "t has no column ID .*--id-col"),
            (["5"], lambda t: t.remove_column("F444W"), "ID 5 has data in 2 bands"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:t. F444W_ERR")
    def test_faults(self, model, table, ids, change, message):
        if change:
            change(table)
        with pytest.raises(PixsedError, match=message):
            draw_table(table, model, ids, OPTIONS, name="t")
