"""RGB images: choice of bands, stretch, colours, missing data, and the command."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from click.testing import CliRunner

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.formats.cube import Cube, write_cube
from pixsed.plots.lupton import (
    NO_DATA,
    SKY_STRETCH,
    choose_bands,
    compose,
    composite_of_cube,
    composite_of_images,
    equal_energy,
)

BANDS = ("F435W", "F814W", "F115W", "F200W", "F277W", "F444W")
SHAPE = (30, 36)


def wcs(shift=0.0):
    found = WCS(naxis=2)
    found.wcs.ctype = "RA---TAN", "DEC--TAN"
    found.wcs.crval, found.wcs.crpix = (53.1, -27.8), (18 + shift, 15)
    found.wcs.cdelt = -0.03 / 3600, 0.03 / 3600
    found.wcs.cunit = "deg", "deg"
    return found


def radius():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(x - 18, y - 15)


def make_cube(fluxes=None, *, segmap=True, sky=0.1):
    """Return a cube of a disc with the fluxes of a pixel by band, on a sky that scatters."""
    fluxes = dict.fromkeys(BANDS, 5.0) if fluxes is None else fluxes
    rng = np.random.default_rng(3)
    disc = radius() < 8
    flux = np.stack([value * disc for value in fluxes.values()])
    flux = flux + rng.normal(0, sky, flux.shape)
    return Cube(
        list(fluxes),
        flux,
        np.full_like(flux, max(sky, 0.1)),
        wcs(),
        1.0,
        object_id="7",
        segmap=np.where(disc, 7, 0) if segmap else None,
    )


class TestBands:
    def test_reddest_middle_and_bluest(self):
        # The middle of 0.43 and 4.4 micron is 1.38 micron, in logarithm nearest to F115W.
        assert choose_bands(make_cube()) == ("F444W", "F115W", "F435W")

    def test_bands_without_the_galaxy_are_left_out(self):
        cube = make_cube({**dict.fromkeys(BANDS, 5.0), "F435W": 0.0, "F444W": 0.02})
        assert choose_bands(cube) == ("F277W", "F115W", "F814W")

    def test_bands_without_data_are_left_out(self):
        cube = make_cube()
        cube.flux[-1] = np.nan
        assert choose_bands(cube)[0] == "F277W"

    def test_faint_galaxies_have_all_bands_with_data(self):
        assert choose_bands(make_cube(dict.fromkeys(BANDS, 0.0)))[::2] == ("F444W", "F435W")

    def test_two_bands_are_too_few(self):
        with pytest.raises(PixsedError, match="7.fits: .*three bands with data, the cube has 2"):
            composite_of_cube(make_cube({"F200W": 1.0, "F444W": 1.0}), name="7.fits")

    def test_bands_asked_for(self):
        found = composite_of_cube(make_cube(), ["F277W", "F200W", "F200W"])
        assert found.bands == ("F277W", "F200W", "F200W")
        assert found.text == "R F277W, G F200W, B F200W"

    def test_bands_with_different_psfs(self):
        cube = make_cube()
        cube.psfmatch.update(dict.fromkeys(BANDS, "F444W"), F115W="none")
        cube.psf_fwhm.update(dict.fromkeys(BANDS, 0.15), F115W=0.06)
        with pytest.warns(PixsedWarning, match="not known to be matched.*F115W"):
            assert composite_of_cube(cube).psf_fwhm == 0.15

    def test_unknown_band(self):
        with pytest.raises(PixsedError, match="7.fits has no band F090W; it has F435W, F814W"):
            composite_of_cube(make_cube(), ["F444W", "F200W", "F090W"], name="7.fits")


class TestColours:
    def test_stretch_follows_the_scatter_of_the_sky(self):
        found = composite_of_cube(make_cube(), ["F444W", "F444W", "F444W"])
        assert found.stretch == pytest.approx(SKY_STRETCH * 0.1, rel=0.1)

    @pytest.mark.parametrize("segmap", [True, False])
    def test_the_galaxy_is_not_the_sky(self, segmap):
        # Without a segmentation map, it is what is well above the sky.
        found = composite_of_cube(make_cube(segmap=segmap))
        assert found.galaxy[radius() < 8].all()
        assert found.galaxy[radius() > 9].mean() < 0.01

    def test_a_sky_without_scatter_needs_a_stretch(self):
        cube = make_cube(sky=0.0)
        with pytest.raises(PixsedError, match="does not scatter.*--stretch"):
            composite_of_cube(cube)
        assert composite_of_cube(cube, stretch=1.0).stretch == 1.0

    def test_flat_nu_f_nu_is_white(self):
        cube = make_cube()
        pivots = np.asarray(cube.table["pivot_um"], dtype=float)
        cube.flux[:] = pivots[:, None, None]
        pixel = composite_of_cube(cube, stretch=1.0).pixels[15, 18].astype(int)
        assert np.ptp(pixel) <= 1
        assert np.ptp(composite_of_cube(cube, stretch=1.0, scale=(1, 1, 1)).pixels[15, 18]) > 50

    def test_bands_of_unknown_wavelength_are_not_scaled(self):
        assert equal_energy(np.array([2.0, np.nan, 1.0])) == (1, 1, 1)
        assert equal_energy(np.array([4.0, 2.0, 1.0])) == (0.5, 1, 2)

    def test_formula(self):
        # Lupton et al. (2004), eq. 2, with the softening of astropy: f(I) / I for every band.
        images = np.array([3.0, 2.0, 1.0])[:, None, None] * np.ones((3, 1, 1))
        stretch, q, mean = 5.0, 8.0, 2.0
        f = np.arcsinh(q * mean / stretch) * 0.1 / np.arcsinh(0.1 * q)
        expected = 255 * f / mean * np.array([3.0, 2.0, 1.0])
        np.testing.assert_allclose(compose(images, stretch=stretch, q=q)[0, 0], expected, atol=1)

    def test_pixels_without_data_are_grey(self):
        images = np.ones((3, 4, 4))
        images[1, 2, 3] = np.nan
        pixels = compose(images, stretch=1.0)
        assert (pixels == NO_DATA).all(axis=2).sum() == 1
        assert tuple(pixels[2, 3]) == (NO_DATA,) * 3


@pytest.fixture
def images(tmp_path):
    cube, paths = make_cube(), []
    for band in ("F444W", "F277W", "F115W"):
        header = cube.header.copy()
        header.update(BUNIT="nJy", FILTER=band, INSTRUME="NIRCAM")
        path = tmp_path / f"{band}.fits"
        fits.HDUList(
            [fits.PrimaryHDU(), fits.ImageHDU(cube.flux[cube.bands.index(band)], header, "SCI")]
        ).writeto(path)
        paths.append(str(path))
    return paths


class TestImages:
    def test_the_same_as_a_cube(self, images):
        found = composite_of_images(*images, stretch=1.0)
        expected = composite_of_cube(make_cube(), ["F444W", "F277W", "F115W"], stretch=1.0)
        assert found.bands == expected.bands
        assert found.pixel == pytest.approx(0.03)
        np.testing.assert_array_equal(found.pixels, expected.pixels)

    def test_another_grid(self, images):
        with fits.open(images[1], mode="update") as hdus:
            hdus["SCI"].header["CRPIX1"] += 0.4
        with pytest.raises(PixsedError, match="F277W.fits.* is not on the pixel grid of .*F444W"):
            composite_of_images(*images)


class TestCommand:
    @pytest.fixture(autouse=True)
    def matplotlib(self):
        pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")

    @pytest.fixture
    def cube(self, tmp_path):
        write_cube(make_cube(), tmp_path / "7.fits")
        return str(tmp_path / "7.fits")

    def run(self, *args):
        from pixsed.cli.rgb import command

        return CliRunner().invoke(command, args)

    @pytest.mark.parametrize(
        ("ending", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")]
    )
    def test_pictures(self, cube, tmp_path, ending, start):
        out = tmp_path / f"rgb.{ending}"
        result = self.run(cube, "-o", str(out), "--psf-fwhm", "0.15", "--dpi", "40")
        assert result.exit_code == 0, result.output
        assert out.read_bytes().startswith(start)
        assert "R F444W, G F115W, B F435W, times 0.2" in result.output
        assert "exists already" in str(self.run(cube, "-o", str(out)).exception)

    def test_bare_pixels(self, cube, tmp_path):
        from matplotlib.image import imread

        out = tmp_path / "bare.png"
        assert self.run(cube, "--bare", "-o", str(out), "--stretch", "1").exit_code == 0
        expected = composite_of_cube(make_cube(), stretch=1.0).pixels[::-1]
        np.testing.assert_array_equal(np.rint(imread(out)[..., :3] * 255), expected)

    def test_images(self, images, tmp_path):
        red, green, blue = images
        out = str(tmp_path / "rgb.png")
        colours = ("--red", red, "--green", green, "--blue", blue)
        result = self.run(*colours, "--scale", "1", "2", "3", "--dpi", "40", "-o", out)
        assert result.exit_code == 0, result.output
        assert "times 1, 2, 3" in result.output

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            ([], "give either a CUBE, or all of"),
            (["--red", "a.fits"], "give either a CUBE, or all of"),
            (["CUBE", "--red", "a.fits"], "give either a CUBE, or all of"),
            (["CUBE", "--bands", "F444W,F200W"], "--bands must have three bands, got 2"),
            (["CUBE", "--bare", "-o", "rgb.pdf"], "--bare writes .png"),
            (["CUBE", "-o", "rgb.gif"], "must end in .png, .pdf or .svg"),
        ],
    )
    def test_wrong_usage(self, cube, args, message, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        args = [cube if arg == "CUBE" else arg for arg in args]
        result = self.run(*(() if "-o" in args else ("-o", "rgb.png")), *args)
        assert result.exit_code == 2
        assert message in result.output
