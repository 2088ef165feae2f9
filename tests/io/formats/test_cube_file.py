import fakes
import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.formats.cube import read_cube, write_cube
from pixsed.io.formats.cube_file import CubeFile


@pytest.fixture
def path(tmp_path):
    write_cube(fakes.make_cube(redshift_err=0.1), tmp_path / "cube.fits")
    return tmp_path / "cube.fits"


def same(pixels, cube, where=np.s_[:, :]):
    np.testing.assert_array_equal(pixels.flux, cube.flux[:, *where])
    np.testing.assert_array_equal(pixels.err, cube.err[:, *where])
    assert pixels.flux.dtype == pixels.err.dtype == np.float32
    np.testing.assert_array_equal(pixels.inside, cube.segment()[where])


def test_parts_are_those_of_the_cube(path):
    cube = read_cube(path)
    with CubeFile(path) as found:
        assert (found.bands, found.shape) == (cube.bands, cube.shape)
        assert (found.redshift, found.redshift_err, found.object_id) == (2.0, 0.1, "531")
        assert found.pixar_a2 == cube.pixar_a2 and found.has_redshift_err
        assert found.npix == (cube.segmap == 531).sum()
        assert str(found.header) == str(cube.header)
        same(found.read(), cube)
        where = np.s_[4:11, 3:20]
        same(found.read(*where), cube, where)
    with CubeFile(path, redshift=3.0, all_pixels=True) as found:
        assert (found.redshift, found.redshift_err) == (3.0, 0.0)
        assert found.read().inside.all() and found.npix == 480
    with CubeFile(path, redshift_err=0.3) as found:
        assert (found.redshift, found.redshift_err) == (2.0, 0.3)


def test_bands_in_order_of_wavelength(path):
    """Bands are in the order of `Cube`, for any order in the file."""
    with fits.open(path) as hdulist:
        hdulist["BANDS"].data[:] = hdulist["BANDS"].data[::-1].copy()
        hdulist.writeto(path, overwrite=True, checksum=True)
    cube = read_cube(path)
    with CubeFile(path) as found:
        assert found.bands == cube.bands == "F115W F200W F277W F356W F444W".split()
        same(found.read(), cube)


def test_a_segmap_without_the_object(tmp_path):
    write_cube(fakes.make_cube(object_id="galaxy"), tmp_path / "c.fits")
    with pytest.warns(PixsedWarning, match="does not hold OBJECT 'galaxy'; every pixel counts"):
        found = CubeFile(tmp_path / "c.fits")
    with found:
        assert found.read().inside.all()


def test_what_is_no_cube(path, tmp_path):
    with pytest.raises(PixsedError, match="no such file"):
        CubeFile(tmp_path / "none.fits")
    for change, text in (
        (lambda h: h.pop("F200W_ERR"), "F200W_ERR of its table BANDS is missing"),
        (lambda h: h["F200W"].header.set("BUNIT", "Jy"), "BUNIT must be nJy"),
        (lambda h: h[0].header.set("REDSHIFT", -1.0), "redshift must be 0 or"),
        (lambda h: setattr(h["SEGMAP"], "data", np.zeros((3, 3), "i4")), "SEGMAP must be of shape"),
        (lambda h: h.pop("BANDS"), "is not a pixsed cube"),
    ):
        with fits.open(path) as hdulist:
            change(hdulist)
            hdulist[0].header.remove("LASTEXT")  # of a file that was cut off
            hdulist.writeto(tmp_path / "bad.fits", overwrite=True, checksum=True)
        with pytest.raises(PixsedError, match=text):
            CubeFile(tmp_path / "bad.fits")
