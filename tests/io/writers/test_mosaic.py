import gzip

import numpy as np
import pytest
from astropy.io import fits
from whole import write_image

from pixsed.io.image import ImageFile
from pixsed.io.writers.mosaic import MosaicWriter

DATA = np.random.default_rng(6).normal(0, 1e3, (37, 23)).astype(np.float32)


@pytest.fixture
def image(write_fits, wcs_header):
    header = wcs_header(BUNIT="nJy", FILTER="F444W", LONGTEXT="word " * 40)
    path = write_fits("a.fits", SCI=(DATA, header), ERR=(np.ones_like(DATA), header))
    with ImageFile(path) as opened:
        yield opened


def write(image, path, planes, step=10, **options):
    with MosaicWriter(image, list(planes), path, history=["step"], **options) as writer:
        for start in range(0, len(DATA), step):
            writer.append({name: array[start : start + step] for name, array in planes.items()})


@pytest.mark.parametrize("step", [1, 10, 37])
def test_same_file_as_written_whole(image, tmp_path, step, fitsverify):
    planes = {"SCI": DATA, "ERR": DATA**2, "BKG": np.where(DATA > 0, DATA, np.nan)}
    whole, parts = tmp_path / "whole.fits", tmp_path / "parts.fits"
    write_image(image, {name: (a, {}) for name, a in planes.items()}, whole, history=["step"])
    write(image, parts, planes, step)
    fitsverify(parts)
    with fits.open(parts, checksum=True) as mine, fits.open(whole) as theirs:
        assert [hdu.name for hdu in mine] == [hdu.name for hdu in theirs]
        for a, b in zip(mine[1:], theirs[1:], strict=True):
            np.testing.assert_array_equal(a.data, b.data)
            assert a.header["DATASUM"] == b.header["DATASUM"]
            assert a.verify_checksum() == a.verify_datasum() == 1
            assert set(a.header) == set(b.header)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.fits", "parts.fits", "whole.fits"]


def test_gzipped(image, tmp_path):
    write(image, tmp_path / "out.fits.gz", {"SCI": DATA})
    with gzip.open(tmp_path / "out.fits.gz") as file:
        assert file.read(6) == b"SIMPLE"
    with fits.open(tmp_path / "out.fits.gz", checksum=True) as hdulist:
        np.testing.assert_array_equal(hdulist["SCI"].data, DATA)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.fits", "out.fits.gz"]


def test_nothing_is_left_of_a_failure(image, tmp_path):
    for out in ("out.fits", "out.fits.gz"):
        with pytest.raises(RuntimeError), MosaicWriter(image, ["SCI"], tmp_path / out) as writer:
            writer.append({"SCI": DATA[:3]})
            raise RuntimeError
        with pytest.raises(ValueError, match="3 rows of 37"):
            with MosaicWriter(image, ["SCI"], tmp_path / out) as writer:
                writer.append({"SCI": DATA[:3]})
        with pytest.raises(ValueError, match="the same number of rows"):
            with MosaicWriter(image, ["SCI", "ERR"], tmp_path / out) as writer:
                writer.append({"SCI": DATA[:3], "ERR": DATA[:2]})
    assert [p.name for p in tmp_path.iterdir()] == ["a.fits"]
