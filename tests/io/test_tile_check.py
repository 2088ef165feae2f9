"""Compressed images whose tiles cannot be right give one clear line, before astropy reads them."""

import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.io.locate import open_fits
from pixsed.io.rows import read_section

#: Compression, whether the values are floats, and the shape of a tile.
KINDS = [
    ("RICE_1", True, (1, 41)),
    ("RICE_1", False, (7, 9)),
    ("GZIP_1", True, (1, 41)),
    ("GZIP_2", False, (1, 41)),
    ("HCOMPRESS_1", True, (10, 41)),
    ("HCOMPRESS_1", False, (10, 18)),
    ("PLIO_1", False, (1, 41)),
    ("NOCOMPRESS", True, (3, 5)),
]


def write(path, kind, floats, tile):
    """Write a compressed image, without sums, and return the place of its table and its width."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(38, 41)).astype("f4") if floats else rng.integers(0, 99, (38, 41))
    image = fits.CompImageHDU(
        values if floats else values.astype("i4"), compression_type=kind, tile_shape=tile
    )
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    with fits.open(path, disable_image_compression=True) as hdulist:
        info = hdulist[1].fileinfo()
        return info["datLoc"], hdulist[1].header


def read(path):
    with open_fits(path) as hdulist:
        return read_section(hdulist[1], slice(3, 20), slice(5, 41))


def put(path, at, number):
    content = bytearray(path.read_bytes())
    content[at : at + 4] = int(number).to_bytes(4, "big", signed=True)
    path.write_bytes(content)


@pytest.mark.parametrize(("kind", "floats", "tile"), KINDS)
def test_intact(tmp_path, kind, floats, tile):
    path = tmp_path / "a.fits"
    write(path, kind, floats, tile)
    assert np.isfinite(read(path)).all()


@pytest.mark.parametrize(("kind", "floats", "tile"), KINDS)
@pytest.mark.parametrize(
    ("word", "number"), [(0, -1), (0, 1 << 30), (1, -(1 << 30)), (1, 1 << 30), (1, -1)]
)
def test_a_tile_outside_of_the_data(tmp_path, kind, floats, tile, word, number):
    path = tmp_path / "a.fits"
    start, header = write(path, kind, floats, tile)
    put(path, start + header["NAXIS1"] * 2 + 4 * word, number)
    match = "HDU 1 is a damaged compressed image: a tile of COMPRESSED_DATA lies outside of its"
    with pytest.raises(PixsedError, match=match):
        read(path)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("ZNAXIS2 =                   38", "ZNAXIS2 =                   99", "38 tiles, not 99"),
        ("ZTILE2  =                    1", "ZTILE2  =                    2", "38 tiles, not 19"),
        ("ZNAXIS2 =", "ZNAXIS2 =     999999999999999", "not 999999999999999"),
        ("TFORM1  = '1P", "TFORM1  = '1Q", "its columns are not NAXIS1 = "),
    ],
)
def test_a_header_that_does_not_describe_the_tiles(tmp_path, old, new, match):
    path = tmp_path / "a.fits"
    write(path, "RICE_1", True, (1, 41))
    content = path.read_bytes()
    at = content.index(old.encode())
    path.write_bytes(content[:at] + new.encode() + content[at + len(new) :])
    with pytest.raises(PixsedError, match=f"a.fits, HDU 1 is a damaged compressed image.*{match}"):
        read(path)


@pytest.mark.parametrize("at", [0, 2, 6, 22])
def test_a_tile_of_hcompress_of_another_size(tmp_path, at):
    """The decoder would write over other memory."""
    path = tmp_path / "a.fits"
    start, header = write(path, "HCOMPRESS_1", True, (10, 41))
    put(path, start + header["NAXIS1"] * header["NAXIS2"] + at, 0x7FFFFFFF)
    with pytest.raises(PixsedError, match="a tile has another size than its header says"):
        read(path)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
@pytest.mark.parametrize(("kind", "floats", "tile"), KINDS)
def test_random_damage(tmp_path, kind, floats, tile):
    """It gives values, or one error with the name of the file."""
    path = tmp_path / "a.fits"
    start, header = write(path, kind, floats, tile)
    intact, size = path.read_bytes(), header["NAXIS1"] * header["NAXIS2"] + header["PCOUNT"]
    rng = np.random.default_rng(1)
    for number in range(100):
        content = bytearray(intact)
        for at in rng.integers(size // (1, 4)[number % 2], size=4):
            content[start + at] = rng.integers(256)
        path.write_bytes(content)
        try:
            read(path)
        except PixsedError as error:
            assert "a.fits" in str(error) and "\n" not in str(error)
