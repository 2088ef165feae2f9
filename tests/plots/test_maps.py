"""`pixsed plot`: choice of maps, cropping, pictures, and errors."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from astropy.io import fits
from astropy.wcs import WCS
from click.testing import CliRunner

from pixsed.errors import PixsedError
from pixsed.io.formats.cube import Cube, write_cube
from pixsed.plots.contact_sheet import draw_sheet
from pixsed.plots.maps import draw
from pixsed.plots.panels import DEFAULT, read_panels
from pixsed.plots.pictures import cubes_by_object, picture_paths, read_galaxy

UNITS = {
    "LOGMSTAR": "dex(solMass)",
    "LOGSIGMA": "dex(solMass kpc-2)",
    "LOGSFR": "dex(solMass yr-1)",
    "AGE": "Gyr",
    "METAL": "dex",
    "AV": "mag",
}


NY, NX = 40, 50


def wcs_cards():
    return dict(
        CTYPE1="RA---TAN",
        CTYPE2="DEC--TAN",
        CRVAL1=53.1,
        CRVAL2=-27.8,
        CRPIX1=25.0,
        CRPIX2=20.0,
        CDELT1=-0.03 / 3600,
        CDELT2=0.03 / 3600,
    )


def ellipse():
    y, x = np.mgrid[:NY, :NX]
    return np.hypot((x - 25) / 1.5, y - 18)


def write_maps(path, *, fitted=True, properties=UNITS, redshift=2.1, name="17", **cards):
    r = ellipse()
    inside = (r < 12) & fitted
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"] = name
    primary.header.update(cards)
    if redshift is not None:
        primary.header["REDSHIFT"] = redshift
    hdus = [primary]

    def add(name, plane, unit=""):
        hdus.append(fits.ImageHDU(plane, name=name))
        hdus[-1].header.update(**wcs_cards(), BUNIT=unit)

    for number, prop in enumerate(properties):
        for quantile, value in (("P50", number - r / 10), ("STD", 0.1 + r / 50)):
            plane = np.where(inside, value, np.nan).astype(np.float32)
            add(f"{prop}_{quantile}", plane, UNITS[prop])
    add("SNR", (50 / (1 + r)).astype(np.float32))
    add("NBANDS", np.where(inside, 10, 0).astype(np.int16))
    for plane in ("OOD", "CHI2"):
        add(plane, np.where(inside, 0.5 + r / 30, np.nan).astype(np.float32))
    fits.HDUList(hdus).writeto(path)
    return str(path)


def write_galaxy(path, *, name="17", shift=0.0):
    """Write the cube of the maps: flux falls off outwards, the sky scatters."""
    rng = np.random.default_rng(1)
    flux = 20 / (1 + ellipse()) + rng.normal(0, 0.1, (4, NY, NX))
    header = fits.Header(wcs_cards())
    header["CRPIX1"] += shift
    bands = ["F115W", "F200W", "F277W", "F444W"]
    segmap = np.where(ellipse() < 12, int(name), 0)
    write_cube(
        Cube(bands, flux, np.full_like(flux, 0.1), header, 2.1, object_id=name, segmap=segmap), path
    )
    return str(path)


@pytest.fixture
def maps(tmp_path):
    return write_maps(tmp_path / "maps.fits")


def run(*args):
    from pixsed.cli.plot import command

    return CliRunner().invoke(command, args)


class TestPanels:
    def test_default_properties(self, maps):
        panels = read_panels(maps)
        assert tuple(panels.properties) == DEFAULT
        assert panels.units[0] == "dex(solMass kpc-2)"
        assert (panels.object_id, panels.redshift) == ("17", 2.1)
        assert panels.pixel == pytest.approx(0.03)

    @pytest.mark.parametrize(
        ("cards", "fwhm"), [({"PSFFWHM": 0.155}, 0.155), ({}, np.nan), ({"PSFFWHM": -1}, np.nan)]
    )
    def test_psf_of_the_header(self, tmp_path, cards, fwhm):
        panels = read_panels(write_maps(tmp_path / "maps.fits", **cards))
        np.testing.assert_equal(panels.psf_fwhm, fwhm)

    def test_cropped_to_the_fitted_pixels(self, maps):
        panels = read_panels(maps, margin=0)
        # r < 12: 17 columns and 11 rows either side, the axes half as long again in x.
        assert panels.median[0].shape == (23, 35)
        edges = panels.median[0][[0, -1]], panels.median[0][:, [0, -1]].T
        assert all(np.isfinite(line).any() for edge in edges for line in edge)
        assert np.isfinite(panels.median[0]).sum() == np.isfinite(panels.std[0]).sum()

    def test_margin_stays_in_the_image(self, maps):
        assert read_panels(maps, margin=100).median[0].shape == (40, 50)

    def test_properties_asked_for_in_their_order(self, maps):
        assert read_panels(maps, ["av", "LOGMSTAR"]).properties == ["AV", "LOGMSTAR"]

    def test_missing_property(self, maps):
        with pytest.raises(PixsedError, match="no map of TAU; it has LOGMSTAR"):
            read_panels(maps, ["TAU"])

    def test_not_a_maps_file(self, tmp_path):
        fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "image.fits")
        with pytest.raises(PixsedError, match="holds no maps; make them with pixsed fit"):
            read_panels(tmp_path / "image.fits")

    def test_derived_planes(self, maps):
        panels = read_panels(maps, ["LOGSSFR", "LOGSIGMA_SFR", "LOGSFR"], margin=100)
        ssfr, sigma, sfr = panels.median
        with fits.open(maps) as hdus:
            mass = hdus["LOGMSTAR_P50"].data
        np.testing.assert_allclose(ssfr, sfr - mass, rtol=1e-6)
        kpc = FlatLambdaCDM(H0=70, Om0=0.3).kpc_proper_per_arcmin(2.1).value / 60 * 0.03
        np.testing.assert_allclose(sigma, sfr - 2 * np.log10(kpc), rtol=1e-4)
        assert panels.std[0] is None
        np.testing.assert_array_equal(panels.std[1], panels.std[2])
        assert panels.units[:2] == ["dex(yr-1)", "dex(solMass yr-1 kpc-2)"]

    def test_density_without_a_redshift(self, tmp_path):
        path = write_maps(tmp_path / "no_z.fits", redshift=None)
        with pytest.raises(PixsedError, match="needs the area of a pixel in kpc.2.*draw LOGSFR"):
            read_panels(path, ["LOGSIGMA_SFR"])

    def test_quality_only_where_fitted(self, maps):
        panels = read_panels(maps, ["SNR", "NBANDS", "OOD", "CHI2"])
        assert panels.std == [None] * 4
        for plane in panels.median:
            np.testing.assert_array_equal(np.isfinite(plane), panels.fitted)

    def test_wcs_of_the_cropped_planes(self, maps):
        panels = read_panels(maps)
        y, x = (part.start for part in panels.window)
        with fits.open(maps) as hdus:
            whole = WCS(hdus["AGE_P50"].header)
        assert panels.wcs.pixel_to_world(0, 0).separation(whole.pixel_to_world(x, y)).mas < 0.01

    def test_nothing_fitted(self, tmp_path):
        path = write_maps(tmp_path / "none.fits", fitted=False)
        with pytest.raises(PixsedError, match="no pixel was fitted"):
            read_panels(path)


class TestPicture:
    @pytest.fixture(autouse=True)
    def matplotlib(self):
        pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")

    def test_a_median_and_a_deviation_for_every_property(self, maps):
        figure = draw(read_panels(maps))
        images = [axis for axis in figure.axes if axis.images]
        assert len(images) == 2 * len(DEFAULT)

    def test_planes_without_a_deviation_come_last(self, tmp_path):
        from matplotlib.patches import Circle

        maps = write_maps(tmp_path / "maps.fits", PSFFWHM=0.15)
        figure = draw(read_panels(maps, ["OOD", "AGE", "CHI2"]))
        assert len([axis for axis in figure.axes if axis.images]) == 4
        # The PSF of the header: 0.15 arcsec on pixels of 0.03.
        patches = [patch for axis in figure.axes for patch in axis.patches]
        [circle] = [patch for patch in patches if isinstance(patch, Circle)]
        assert circle.radius == pytest.approx(2.5)

    def test_rgb_image_first(self, maps, tmp_path):
        cubes = {"17": write_galaxy(tmp_path / "17.fits")}
        panels, composite = read_galaxy(maps, ["AGE"], cubes)
        assert composite.pixels.shape == (*panels.fitted.shape, 3)
        axes = draw(panels, composite=composite).axes
        assert axes[0].get_title() == "R F444W, G F200W, B F115W"
        assert axes[0].images[0].get_array().shape == composite.pixels.shape

    def test_command(self, maps, tmp_path):
        out = tmp_path / "maps.png"
        result = run(maps, "-o", str(out), "--dpi", "30", "--property", "AGE")
        assert result.exit_code == 0, result.output
        assert out.read_bytes().startswith(b"\x89PNG")
        again = run(maps, "-o", str(out), "--dpi", "30")
        assert "exists already" in str(again.exception)

    def test_one_property_as_pdf(self, maps, tmp_path):
        out = tmp_path / "maps.pdf"
        result = run(maps, "-o", str(out), "--property", "av,LOGMSTAR")
        assert result.exit_code == 0, result.output
        assert out.read_bytes().startswith(b"%PDF")

    def test_folder_of_pictures(self, maps, tmp_path):
        other = write_maps(tmp_path / "other.fits", name="18")
        empty = write_maps(tmp_path / "empty.fits", fitted=False)
        out = tmp_path / "pictures"
        result = run(maps, empty, other, "-o", str(out), "--dpi", "20", "--property", "AGE")
        assert "1 of 3 maps could not be drawn" in str(result.exception)
        assert "empty.fits: no pixel was fitted" in result.output
        assert sorted(path.name for path in out.iterdir()) == ["maps.png", "other.png"]

    @pytest.mark.parametrize("std", [False, True])
    def test_contact_sheet(self, maps, tmp_path, std):
        other = write_maps(tmp_path / "other.fits", name="18")
        for name in ("17", "18"):
            write_galaxy(tmp_path / f"cube_{name}.fits", name=name)
        pattern, out = str(tmp_path / "cube_*.fits"), str(tmp_path / "sheet.png")
        more = ["--std"] if std else []
        result = run(
            *(maps, other, "--rgb", pattern, "--contact-sheet", "--property", "AGE,AV"),
            *(*more, "--dpi", "30", "-o", out),
        )
        assert result.exit_code == 0, result.output
        assert "2 galaxies, 2 properties" in result.output


class TestFaults:
    def test_cube_on_another_grid(self, maps, tmp_path):
        cube = write_galaxy(tmp_path / "cube.fits", shift=0.5)
        with pytest.raises(
            PixsedError, match="not on the pixel grid of .*maps.fits; give the cube"
        ):
            read_galaxy(maps, None, cubes_by_object([cube]))

    def test_no_cube_of_the_galaxy(self, maps, tmp_path):
        paths = [write_galaxy(tmp_path / f"{name}.fits", name=name) for name in ("3", "4")]
        with pytest.raises(PixsedError, match="no cube of --rgb has its OBJECT, '17'; they have 3"):
            read_galaxy(maps, None, cubes_by_object(paths))

    def test_two_cubes_of_one_galaxy(self, tmp_path):
        paths = [write_galaxy(tmp_path / f"{name}.fits") for name in "ab"]
        with pytest.raises(PixsedError, match="same OBJECT, '17'; give one"):
            cubes_by_object(paths)

    def test_pattern_without_files(self, tmp_path):
        with pytest.raises(PixsedError, match="no file matches .*check the pattern"):
            cubes_by_object([str(tmp_path / "*.fits")])

    def test_two_maps_with_one_picture(self, tmp_path):
        with pytest.raises(PixsedError, match="would both be drawn as .*; draw them into two"):
            picture_paths(["a/maps.fits", "b/maps.fits.gz"], tmp_path, "png")

    def test_sheet_of_different_properties(self, maps, tmp_path):
        other = write_maps(tmp_path / "other.fits", properties=["AGE", "AV"])
        galaxies = [read_galaxy(path) for path in (maps, other)]
        with pytest.raises(PixsedError, match="has not the properties of .*--property"):
            draw_sheet(galaxies)

    def test_sheet_of_deviations_that_do_not_exist(self, maps):
        galaxies = [read_galaxy(maps, ["AGE", "OOD"])]
        with pytest.raises(PixsedError, match="OOD has no standard deviation; leave it out"):
            draw_sheet(galaxies, std=True)

    def test_sheet_of_too_many_galaxies(self, maps):
        with pytest.raises(PixsedError, match="up to 50 galaxies, got 51"):
            draw_sheet([read_galaxy(maps)] * 51)

    def test_deviations_without_a_sheet(self, maps, tmp_path):
        result = run(maps, "--std", "-o", str(tmp_path / "maps.png"))
        assert result.exit_code == 2
        assert "--std is for --contact-sheet" in result.output


def test_unknown_kind_of_picture(maps, tmp_path):
    result = run(maps, "-o", str(tmp_path / "maps.jpeg"))
    assert result.exit_code == 2
    assert "must end in .png, .pdf or .svg" in result.output


def test_without_matplotlib(maps, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(PixsedError, match="pip install matplotlib"):
        draw(read_panels(maps))
