"""`pixsed plot`: choice of maps, cropping, and errors."""

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from pixsed.errors import PixsedError
from pixsed.plots.maps import DEFAULT, draw, read_panels

UNITS = {
    "LOGMSTAR": "dex(solMass)",
    "LOGSIGMA": "dex(solMass kpc-2)",
    "LOGSFR": "dex(solMass yr-1)",
    "AGE": "Gyr",
    "METAL": "dex",
    "AV": "mag",
}


def write_maps(path, *, fitted=True, properties=UNITS, redshift=2.1):
    ny, nx = 40, 50
    y, x = np.mgrid[:ny, :nx]
    r = np.hypot((x - 25) / 1.5, y - 18)
    inside = (r < 12) & fitted
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"] = "17"
    if redshift is not None:
        primary.header["REDSHIFT"] = redshift
    hdus = [primary]
    for number, name in enumerate(properties):
        for quantile, value in (("P50", number - r / 10), ("STD", 0.1 + r / 50)):
            plane = np.where(inside, value, np.nan).astype(np.float32)
            hdu = fits.ImageHDU(plane, name=f"{name}_{quantile}")
            hdu.header.update(
                CTYPE1="RA---TAN",
                CTYPE2="DEC--TAN",
                CRVAL1=53.1,
                CRVAL2=-27.8,
                CRPIX1=25.0,
                CRPIX2=20.0,
                CDELT1=-0.03 / 3600,
                CDELT2=0.03 / 3600,
                BUNIT=UNITS[name],
            )
            hdus.append(hdu)
    fits.HDUList(hdus).writeto(path)
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

    def test_scale_bar_in_arcsec_and_kpc(self, maps, tmp_path):
        def bar(path):
            return draw(read_panels(path)).axes[0].texts[0].get_text()

        # 0.2 arcsec at z = 2.1, 8.31 kpc an arcsec.
        assert bar(maps) == "0.2″ = 1.7 kpc"
        assert bar(write_maps(tmp_path / "no_z.fits", redshift=None)) == "0.2″"

    def test_command(self, maps, tmp_path):
        out = tmp_path / "maps.png"
        result = run(maps, "-o", str(out), "--dpi", "30")
        assert result.exit_code == 0, result.output
        assert out.read_bytes().startswith(b"\x89PNG")
        again = run(maps, "-o", str(out), "--dpi", "30")
        assert "exists already" in str(again.exception)

    def test_one_property_as_pdf(self, maps, tmp_path):
        out = tmp_path / "maps.pdf"
        result = run(maps, "-o", str(out), "--property", "av,LOGMSTAR")
        assert result.exit_code == 0, result.output
        assert out.read_bytes().startswith(b"%PDF")


def test_unknown_kind_of_picture(maps, tmp_path):
    result = run(maps, "-o", str(tmp_path / "maps.jpeg"))
    assert result.exit_code == 2
    assert "must end in .png, .pdf or .svg" in result.output


def test_without_matplotlib(maps, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(PixsedError, match=r"pip install 'pixsed\[plot\]'"):
        draw(read_panels(maps))
