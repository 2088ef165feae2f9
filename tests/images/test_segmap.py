"""Ids of segments, of every type that maps have."""

import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.images.cutout_cube import cut_cube
from pixsed.images.cutout_targets import Target
from pixsed.images.mosaics import Mosaics
from pixsed.images.segmap import open_segmap
from pixsed.io.formats.cube import cube_segmap
from pixsed.io.image import ImageFile

SHAPE = (30, 40)


def make_map(number, kind, *others):
    """A map of one segment of 5 x 6 pixels, and others of a pixel each."""
    result = np.zeros(SHAPE, kind)
    result[10:15, 20:26] = number
    for i, other in enumerate(others):
        result[0, i] = other
    return result


@pytest.fixture
def read(tmp_path):
    def read(data, hdu=fits.ImageHDU):
        path = tmp_path / "seg.fits"
        fits.HDUList([fits.PrimaryHDU(), hdu(data, name="SEG")]).writeto(path)
        with open_segmap(str(path)) as segmap:
            return segmap.read(), segmap.boxes(), segmap.counts()

    return read


@pytest.mark.parametrize("hdu", [fits.ImageHDU, fits.CompImageHDU])
@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("u1", 200),
        ("i2", 30000),
        ("u2", 60000),
        ("i4", 2**31 - 1),
        ("u4", 2**32 - 1),
        ("f4", 2**24),
        ("f8", 7.0),
        ("f8", 2.0**31),
        (">i4", 77),
        (">f4", 9.0),
    ],
)
def test_ids_of_every_type(kind, number, hdu, read):
    if hdu is fits.CompImageHDU and "f" in kind:
        pytest.skip("compression rounds floats")
    values, boxes, counts = read(make_map(number, kind), hdu)
    assert values.dtype == np.int64
    assert boxes == {int(number): (10, 15, 20, 26)} and counts == {int(number): 30}


@pytest.mark.parametrize(
    ("kind", "number"), [("i8", 2**32 + 5), ("i8", 2**63 - 1), ("u8", 2**63 - 1), ("f8", 2.0**53)]
)
def test_ids_of_64_bits(kind, number, read):
    values, boxes, counts = read(make_map(number, kind, 5))
    assert boxes == {int(number): (10, 15, 20, 26), 5: (0, 1, 0, 1)}
    assert counts == {int(number): 30, 5: 1}


@pytest.mark.parametrize(
    ("kind", "number"), [("f4", 2**24 + 2), ("f8", 2.0**53 + 2), ("u8", 2**63), ("f4", -(2**30))]
)
def test_ids_that_collide_in_their_type(kind, number, read):
    with pytest.raises(PixsedError, match=f"id {abs(int(number))} is too large: .*from 1"):
        read(make_map(number, kind))


@pytest.mark.parametrize("value", [0.5, 1e-3, np.inf, -np.inf, 7.25])
def test_fractional_ids_are_refused(value, read):
    with pytest.raises(PixsedError, match="does not hold integer ids"):
        read(make_map(3, "f8", value))


def test_invalid_segments(read):
    values, boxes, counts = read(make_map(3, "f4", np.nan, -1, -7))
    assert values[0, 0] == 0 and values[0, 1] == -1
    assert list(boxes) == list(counts) == [3]


@pytest.mark.parametrize("number", [2**31, 3_000_000_000, 2**32 + 5, -(2**31) - 1])
def test_cubes_refuse_ids_beyond_int32(number):
    with pytest.raises(PixsedError, match=f"seg: id {number} is too large for a cube"):
        cube_segmap(make_map(5, "i8", number), "seg")


@pytest.mark.parametrize("kind", ["i8", "u4", "u8", "f8", "i2"])
def test_cubes_hold_int32(kind):
    found = cube_segmap(make_map(5, kind))
    assert found.dtype == np.int32 and (found == make_map(5, "i4")).all()


def test_a_neighbour_of_a_large_id(write_fits, wcs_header):
    """2**32 + 5 is not taken for 5: it is found alone, and an error beside 5."""
    plane = np.random.default_rng(1).normal(size=SHAPE)
    header = wcs_header(BUNIT="nJy", FILTER="F444W")
    path = write_fits("a.fits", SCI=(plane, header), ERR=(np.ones(SHAPE), None))
    seg = write_fits("seg.fits", primary=(make_map(5, "i8", 2**32 + 5), None))
    with ImageFile(path) as image, open_segmap(seg) as segmap:
        mosaics = Mosaics([image], segmap)
        assert segmap.boxes([5]) == {5: (10, 15, 20, 26)}
        cube, _ = cut_cube(mosaics, Target("5", 1.0), (10, 15, 20, 26))
        assert (cube.segmap == 5).sum() == 30
        with pytest.raises(PixsedError, match="seg.fits: id 4294967301 is too large for a cube"):
            cut_cube(mosaics, Target("5", 1.0), (0, 15, 0, 26))
