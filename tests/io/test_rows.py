import numpy as np
import pytest
from astropy.io import fits

from pixsed.io.locate import open_fits
from pixsed.io.rows import RowReader, sampled_rows

DATA = np.random.default_rng(5).normal(0, 10, (60, 40)).astype(np.float32)
BOXES = [
    (slice(3, 9), slice(5, 12)),
    (slice(4, 20), slice(0, 3)),
    (slice(58, 60), slice(39, 40)),
    (slice(None), slice(None)),
    (slice(50, 70), slice(1, 2)),
]


@pytest.fixture(params=["plain", "scaled", "rows", "tiles", "gz"])
def path(request, tmp_path):
    """Path of DATA in the formats that users have."""
    hdu = fits.ImageHDU(DATA, name="SCI")
    if request.param == "scaled":
        hdu = fits.ImageHDU(np.round(DATA).astype(np.int16), name="SCI")
        hdu.scale("int16", bscale=0.5, bzero=3)
    elif request.param in ("rows", "tiles"):
        hdu = fits.CompImageHDU(
            DATA,
            name="SCI",
            compression_type="GZIP_2",
            quantize_level=0,
            tile_shape=(1, 40) if request.param == "rows" else (16, 16),
        )
    path = tmp_path / ("a.fits.gz" if request.param == "gz" else "a.fits")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


@pytest.mark.parametrize("ahead", [0, 7, 100])
@pytest.mark.parametrize("memmap", [None, False])
def test_boxes(path, ahead, memmap):
    whole = fits.getdata(path, "SCI")
    with open_fits(path, memmap=memmap) as hdulist:
        rows = RowReader(hdulist["SCI"])
        rows.ahead = ahead
        assert rows.shape == DATA.shape
        for y, x in BOXES:
            np.testing.assert_array_equal(rows.read(y, x), whole[y, x])


def test_one_pass_over_the_file(path, monkeypatch):
    """Boxes are read in the order of their rows, each row about once."""
    read = []
    with open_fits(path, memmap=False) as hdulist:
        from pixsed.io import rows as module

        real = module.read_section
        monkeypatch.setattr(
            module, "read_section", lambda hdu, y, x: read.append(y) or real(hdu, y, x)
        )
        rows = RowReader(hdulist["SCI"])
        rows.ahead = 20
        for start in range(0, 56, 2):
            rows.read(slice(start, start + 4), slice(3, 9))
    assert len(read) == 3


def test_sampled_rows():
    assert list(sampled_rows((10, 10), 1000)) == list(range(10))
    rows = sampled_rows((20000, 20000), 1_000_000)
    assert len(rows) == pytest.approx(50, abs=1) and rows[-1] < 20000
    assert list(sampled_rows((3, 1000), 10)) == [2]
