import fakes
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.errors import PixsedError
from pixsed.io.formats.cube import write_cube
from pixsed.io.formats.kinds import describe, is_maps, kind_of


@pytest.fixture
def files(tmp_path):
    write_cube(fakes.make_cube(), tmp_path / "cube.fits")
    Table({"ID": [1]}).write(tmp_path / "table.csv")
    Table({"ID": [1]}).write(tmp_path / "table.fits")
    image = fits.ImageHDU(np.ones((3, 3)), name="SCI")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "image.fits.gz")
    table = fits.table_to_hdu(Table({"extname": ["SCI"]}))
    table.name = "MAPS"
    fits.HDUList([fits.PrimaryHDU(), image, table]).writeto(tmp_path / "maps.fits")
    return tmp_path


def test_a_file_in_words(files):
    assert describe(files / "table.csv") == "not FITS"
    assert "cube" in describe(files / "cube.fits")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cube.fits", "cube"),
        ("cube.fits[F444W]", "image"),
        ("table.csv", "table"),
        ("table.fits", "table"),
        ("table.fits[1]", "table"),
        ("image.fits.gz", "image"),
        ("*_sci.fits", "image"),
    ],
)
def test_kinds(files, name, kind):
    assert kind_of(f"{files}/{name}") == kind


def test_maps(files):
    names = "maps.fits", "cube.fits", "image.fits.gz", "table.csv"
    assert [is_maps(files / name) for name in names] == [True, False, False, False]
    with pytest.raises(PixsedError, match="is neither a cube nor a table of photometry"):
        kind_of(str(files / "maps.fits"))
    with pytest.raises(PixsedError, match="no such file; check the name"):
        kind_of(str(files / "none.fits"))
