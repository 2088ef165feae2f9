"""Profiles: sums of draws, geometry, tables and faults."""

import warnings

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.cosmology import FlatLambdaCDM
from astropy.io import fits
from astropy.table import Table

from pixsed.errors import PixsedError
from pixsed.fit.cube import fit_cube
from pixsed.fit.galaxy_normals import galaxy_normals
from pixsed.fit.model import Model
from pixsed.fit.options import FitOptions
from pixsed.fit.profiles.draws import fitted_weights, sum_draws
from pixsed.fit.profiles.options import ProfileOptions
from pixsed.fit.profiles.profile import profile
from pixsed.fit.select import select
from pixsed.fit.total import total_draws
from pixsed.images.ellipses import Ellipse
from pixsed.io.formats.cube import write_cube

OPTIONS = FitOptions(samples=40)
PIXEL = 0.03
# Rings of the whole image around its middle, which hold every pixel.
EVERYWHERE = Ellipse(12.2, 9.7, 0.7, 0.4), [0.0, 2.5, 6.0, 40.0]


def sums(cube, model, redshifts, noise="correlated", **settings):
    """Return the draws of rings that hold every pixel, and the selection."""
    selection = select(cube, model, OPTIONS)
    weights = fitted_weights(*EVERYWHERE, selection)
    assert weights.sum() == pytest.approx(selection.chosen.sum())
    normals = galaxy_normals(cube, model, selection, OPTIONS, noise)
    draws, odd = sum_draws(
        cube, model, selection, weights, OPTIONS, normals=normals, redshifts=redshifts, **settings
    )
    return draws, odd, selection, weights


class TestSums:
    @pytest.mark.parametrize("noise", ["correlated", "independent", "common"])
    @pytest.mark.parametrize("binned", [False, True])
    def test_all_annuli_together_are_the_galaxy(self, model, noise, binned):
        cube = fakes.binned_cube() if binned else fakes.make_cube()
        draws, _, selection, _ = sums(cube, model, [(2.0, slice(0, 40))], noise)
        total = total_draws(cube, model, selection, OPTIONS, noise=noise).draws
        for name in ("LOGMSTAR", "LOGMFORM", "LOGSFR"):
            found = np.log10((10.0 ** draws[name]).sum(axis=0))
            np.testing.assert_allclose(found, total[name], atol=1e-6)
        formed = 10.0 ** draws["LOGMFORM"]
        for name in ("AGE", "METAL", "AV"):
            found = (formed * draws[name]).sum(axis=0) / formed.sum(axis=0)
            np.testing.assert_allclose(found, total[name], rtol=1e-5)

    def test_a_redshift_with_an_error_is_common_to_all_pixels(self, model):
        cube = fakes.make_cube(redshift_err=0.05)
        groups = [(1.9, slice(0, 15)), (2.1, slice(15, 40))]
        draws, _, selection, weights = sums(cube, model, groups)
        whole = select(cube, model, OPTIONS)
        total = total_draws(cube, model, whole, OPTIONS, redshifts=[1.9, 2.1]).draws
        found = np.log10((10.0 ** draws["LOGMSTAR"]).sum(axis=0))
        # Its draws are divided in halves, but the fake mass does not depend on the redshift.
        np.testing.assert_allclose(found, total["LOGMSTAR"], atol=1e-6)
        cosmology = FlatLambdaCDM(H0=70, Om0=0.3)
        for z, part in groups:
            scale = cosmology.kpc_proper_per_arcmin(z).to_value(u.kpc / u.arcsec)
            area = weights.sum(axis=1) * PIXEL**2 * scale**2
            density = 10.0 ** draws["LOGMSTAR"][:, part] / area[:, None]
            np.testing.assert_allclose(draws["LOGSIGMA"][:, part], np.log10(density), atol=1e-5)

    def test_ratios_are_made_draw_by_draw(self, model):
        draws, odd, *_ = sums(fakes.make_cube(), model, [(2.0, slice(0, 40))], jobs=2)
        np.testing.assert_allclose(draws["LOGSSFR"], draws["LOGSFR"] - draws["LOGMSTAR"])
        np.testing.assert_allclose(
            draws["LOGSIGMA_SFR"] - draws["LOGSIGMA"], draws["LOGSSFR"], atol=1e-12
        )
        assert odd.shape == (3,) and ((odd >= 0) & (odd <= 1)).all()

    def test_errors_know_the_correlation(self, model):
        spread = {
            noise: sums(fakes.make_cube(), model, [(2.0, slice(0, 40))], noise)[0]["LOGMSTAR"].std(
                axis=1
            )
            for noise in ("independent", "correlated", "common")
        }
        assert (spread["independent"] < spread["correlated"]).all()
        assert (spread["correlated"] < spread["common"] * 1.3).all()


@pytest.fixture(scope="module")
def table(model):
    annuli = ProfileOptions(psf_fwhm=0.15, normalise=True)
    return profile(fakes.make_cube(), model, OPTIONS, annuli)


class TestTable:
    def test_geometry(self, table):
        # A round galaxy around the pixel 13 11, in annuli of two pixels.
        assert table["R_IN"][0] == 0 and np.allclose(np.diff(table["R_OUT"]), 0.06)
        np.testing.assert_allclose(table["R"], 0.5 * (table["R_IN"] + table["R_OUT"]))
        scale = FlatLambdaCDM(H0=70, Om0=0.3).kpc_proper_per_arcmin(2.0).value / 60
        np.testing.assert_allclose(table["R_KPC"], table["R"] * scale, rtol=1e-5)
        np.testing.assert_allclose(table["R_REFF"], table["R"] / table.meta["REFF"])
        np.testing.assert_allclose(table["R_PSF"], table["R"] / 0.15)
        assert table["IN_PSF"].tolist() == [1] + [0] * (len(table) - 1)
        area = np.pi * table.meta["AXRATIO"] * (table["R_OUT"] ** 2 - table["R_IN"] ** 2)
        np.testing.assert_allclose(table["AREA"] / area, table["COVERAGE"], rtol=1e-5)
        np.testing.assert_allclose(table["NPIX"], table["AREA"] / PIXEL**2, rtol=1e-5)
        assert table["COVERAGE"][0] == pytest.approx(1) and table["COVERAGE"][-1] >= 0.5
        assert table.meta["AXRATIO"] > 0.85
        # Half of the light of exp(-r^2 / 40) within r = 8: a little below sqrt(40 ln 2).
        assert table.meta["REFF"] == pytest.approx(0.9 * PIXEL * np.sqrt(40 * np.log(2)), rel=0.07)

    def test_density_follows_the_light(self, table):
        # log10 of the fake mass is log10 of the mean flux + 7.8, with 0.1 dex of scatter.
        flux = 30 * np.exp(-((np.asarray(table["R"]) / PIXEL) ** 2) / 40)
        scale = FlatLambdaCDM(H0=70, Om0=0.3).kpc_proper_per_arcmin(2.0).value / 60
        wanted = np.log10(flux) + 7.8 - 2 * np.log10(PIXEL * scale)
        assert np.abs(table["LOGSIGMA_P50"] - wanted)[:3].max() < 0.1
        for name in ("LOGSIGMA", "AGE", "AV", "LOGSSFR", "METAL"):
            assert (table[f"{name}_P16"] < table[f"{name}_P50"]).all()
            assert (table[f"{name}_P50"] < table[f"{name}_P84"]).all()

    def test_most_massive_pixel_is_that_of_the_maps(self, table, model):
        mass = fit_cube(fakes.make_cube(), model).planes["LOGMSTAR_P50"]
        y, x = np.unravel_index(np.nanargmax(mass), mass.shape)
        assert (table.meta["XCENTRE"], table.meta["YCENTRE"]) == (x + 1, y + 1)

    def test_relative_to_the_centre(self, model):
        # An annulus within the central pixel has its draws.
        annuli = ProfileOptions(radii=(0, 0.01, 0.1), axis_ratio=1, pa=0, normalise=True)
        table = profile(fakes.make_cube(), model, OPTIONS, annuli, properties=["LOGSIGMA", "AGE"])
        for level in ("P16", "P50", "P84"):
            assert table[f"REL_LOGSIGMA_{level}"][0] == pytest.approx(0, abs=1e-5)
            assert table[f"REL_AGE_{level}"][0] == pytest.approx(1, abs=1e-5)
        assert table["REL_LOGSIGMA_P50"][1] < 0 and table["REL_AGE_P50"].unit is None
        assert "AV_P50" not in table.colnames and table["IN_PSF"].tolist() == [-1, -1]
        assert table.meta["SHAPE"] == "given" and "PSFFWHM" not in table.meta

    @pytest.mark.parametrize("ending", ["fits", "ecsv", "csv"])
    def test_files_read_back_without_a_warning(self, model, table, tmp_path, ending, fitsverify):
        path = tmp_path / f"p.{ending}"
        cube = tmp_path / "cube.fits"
        write_cube(fakes.make_cube(), cube)
        profile(cube, model, OPTIONS, ProfileOptions(normalise=True), output=path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            back = Table.read(path)
        assert back.colnames == table.colnames and back["ID"][0] == 531
        np.testing.assert_allclose(back["AGE_P50"], table["AGE_P50"], rtol=1e-5)
        if ending == "fits":
            fitsverify(path)
            header = fits.getheader(path)
            assert header["CENTRE"] == "most massive pixel" and header["NOISECOR"] == "correlated"
            assert "profile: " in str(header["HISTORY"]) and header["INFILE1"] == "cube.fits"
            columns = fits.getheader(path, 1)
            texts = {columns[f"TTYPE{i}"]: columns.get(f"TCOMM{i}") for i in range(1, 25)}
            assert "log10" in texts["LOGSIGMA_P50"] and all(texts.values())
            assert back["AGE_P50"].unit == u.Gyr and back["AREA"].unit == u.arcsec**2


class TestGeometry:
    @pytest.mark.parametrize("unit", ["arcsec", "kpc", "reff", "psf"])
    def test_units_of_radii(self, model, unit):
        annuli = ProfileOptions(radii=(0.2, 0.5, 1), unit=unit, reff=0.2, psf_fwhm=0.15)
        table = profile(fakes.make_cube(), model, OPTIONS, annuli, noise="independent")
        column = {"arcsec": "R", "kpc": "R_KPC", "reff": "R_REFF", "psf": "R_PSF"}[unit]
        np.testing.assert_allclose(table[column], [0.35, 0.75])
        assert table.meta["REFFKIND"] == "given"

    def test_width_of_the_psf_in_the_header(self, model, tmp_path):
        path, cube = tmp_path / "cube.fits", fakes.make_cube()
        cube.psfmatch = dict.fromkeys(cube.bands, "F444W")
        cube.psf_fwhm = dict.fromkeys(cube.bands, 0.2)
        write_cube(cube, path)
        annuli = ProfileOptions(radii=(0, 0.1, 0.2), axis_ratio=1, pa=0, centre="light")
        table = profile(path, model, OPTIONS, annuli, noise="independent")
        assert table.meta["PSFFWHM"] == 0.2 and table["IN_PSF"].tolist() == [1, 0]

    def test_given_shape_and_centres(self, model):
        cube = fakes.make_cube()
        sky = cube.wcs.pixel_to_world(11.0, 9.0)
        annuli = ProfileOptions(centre=(sky.ra.deg, sky.dec.deg), axis_ratio=0.5, pa=30.0)
        meta = profile(cube, model, OPTIONS, annuli, noise="independent").meta
        assert (meta["XCENTRE"], meta["YCENTRE"]) == pytest.approx((12, 10), abs=1e-4)
        assert (meta["AXRATIO"], meta["PA"]) == pytest.approx((0.5, 30.0), abs=1e-3)
        assert (meta["RA"], meta["DEC"]) == pytest.approx((sky.ra.deg, sky.dec.deg))
        annuli = ProfileOptions(centre="light", reff="mass", pa=30.0)
        meta = profile(cube, model, OPTIONS, annuli, noise="independent").meta
        assert (meta["XCENTRE"], meta["YCENTRE"]) == pytest.approx((13, 11), abs=0.2)
        assert (meta["CENTRE"], meta["REFFKIND"]) == ("centroid of light", "half-mass")
        assert meta["SHAPE"] == "given angle, measured" and 0.1 < meta["REFF"] < 0.2

    def test_bins(self, model):
        cube = fakes.binned_cube()
        table = profile(cube, model, OPTIONS, ProfileOptions(normalise=True))
        binmap = cube.binning.binmap
        mass = fit_cube(cube, model).planes["LOGMSTAR_P50"]
        y, x = np.nonzero(mass == np.nanmax(mass))
        assert len(np.unique(binmap[y, x])) == 1
        assert table.meta["XCENTRE"] == pytest.approx(x.mean() + 1)
        assert np.isfinite(table["LOGSIGMA_P50"]).all()
        assert table["REL_LOGSIGMA_P50"][0] == pytest.approx(0, abs=0.2)

    def test_an_annulus_without_pixels_is_nan(self, model):
        annuli = ProfileOptions(radii=(0, 0.1, 3, 4))
        table = profile(fakes.make_cube(), model, OPTIONS, annuli, noise="independent")
        assert table["NPIX"][2] == 0 and table["COVERAGE"][2] == 0
        assert np.isnan(table["LOGSIGMA_P50"][2]) and np.isnan(table["OOD_FRACTION"][2])


class TestFaults:
    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"unit": "psf", "width": 1}, "need the FWHM of the PSF; give --psf-fwhm ARCSEC"),
            ({"centre": (53.2, -27.8)}, "the centre, RA 53.200000, .* is outside the image"),
            ({"width": 1e-5}, "there would be .* annuli of 1e-05 arcsec.*larger --width"),
        ],
    )
    def test_geometry(self, model, changes, match):
        with pytest.raises(PixsedError, match=match):
            profile(fakes.make_cube(), model, OPTIONS, ProfileOptions(**changes))

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"options": FitOptions(engine="quantile")}, "engine must be 'flow', which has draws"),
            ({"options": FitOptions(snr_min=1e6)}, "no pixel can be fitted: .*--snr-min"),
            ({"options": FitOptions(redshift=9.0)}, "redshift"),
            ({"noise": "white"}, "noise must be one of correlated, independent, common"),
            ({"properties": ["T25"]}, "there are no draws of T25; there are of LOGSIGMA"),
            ({"jobs": 0}, "jobs must be"),
        ],
    )
    def test_arguments(self, model, changes, match):
        arguments = {"options": OPTIONS} | changes
        with pytest.raises(PixsedError, match=match):
            profile(fakes.make_cube(), model, **arguments)

    def test_no_positive_light(self, model):
        cube = fakes.make_cube()
        cube.flux[:] = -1.0
        options = FitOptions(samples=40, snr_min=-1e9)
        with pytest.raises(PixsedError, match="positive flux to measure its shape on; give --axis"):
            profile(cube, model, options)
        annuli = ProfileOptions(axis_ratio=1, pa=0, unit="reff", width=1)
        with pytest.raises(PixsedError, match="no effective radius, since its light is not posi"):
            profile(cube, model, options, annuli)

    def test_the_centre_is_not_fitted(self, model):
        cube = fakes.make_cube()
        cube.flux[:, 10, 12] = np.nan
        sky = cube.wcs.pixel_to_world(12, 10)
        annuli = ProfileOptions(centre=(sky.ra.deg, sky.dec.deg), normalise=True)
        with pytest.raises(PixsedError, match="at the centre, 13 11, is not fitted"):
            profile(cube, model, OPTIONS, annuli)

    def test_a_model_that_infers_redshifts(self, tmp_path):
        path = fakes.fake_model(tmp_path / "m.onnx", infer_redshift=True)
        with pytest.raises(PixsedError, match="a galaxy has only one; make profiles with"):
            profile(fakes.make_cube(), Model(path), OPTIONS)
