"""Pixel sources: a cube in memory and its file give the same pixels."""

import fakes
import numpy as np
import pytest

from pixsed.images.field import Field
from pixsed.io.formats.cube import read_cube, write_cube
from pixsed.io.formats.cube_file import CubeFile, CubeName
from pixsed.io.formats.source import CubeSource, PixelSource, SourceFiles

MEMBERS = sorted(name for name in vars(PixelSource) if not name.startswith("_"))


@pytest.mark.parametrize("make", [fakes.make_cube, fakes.binned_cube])
@pytest.mark.parametrize(
    "options",
    [{}, {"redshift": 3.0}, {"redshift_err": 0.2}, {"redshift": 1.0, "redshift_err": 0.1}],
)
@pytest.mark.parametrize("all_pixels", [False, True])
def test_memory_and_file(tmp_path, make, options, all_pixels):
    write_cube(make(redshift_err=0.1), tmp_path / "cube.fits")
    source = CubeSource(read_cube(tmp_path / "cube.fits"), all_pixels=all_pixels, **options)
    with CubeFile(tmp_path / "cube.fits", all_pixels=all_pixels, **options) as file:
        for name in set(MEMBERS) - {"name", "files", "key", "read", "header", "binning"}:
            assert getattr(source, name) == getattr(file, name), name
        assert (source.binning is None) == (file.binning is None)
        for where in ((slice(None), slice(None)), (slice(2, 11), slice(5, 20))):
            mine, theirs = source.read(*where), file.read(*where)
            for name in ("flux", "err", "inside"):
                np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
            assert (mine.redshift, mine.redshift_err) == (theirs.redshift, theirs.redshift_err)


def test_the_protocol():
    assert {"bands", "shape", "header", "redshift", "npix", "files", "key", "read"} < set(MEMBERS)
    # A Field sets some of them when it is made.
    assert all(hasattr(Field, name) for name in ("binning", "object_id", "files", "key", "read"))
    for name in ("open", "absolute"):
        assert all(hasattr(kind, name) for kind in (SourceFiles, CubeSource, CubeName))


def test_a_cube_in_memory_is_its_own_file():
    source = CubeSource(fakes.make_cube())
    with source.open() as opened:
        assert opened is source.absolute() is source
    assert source.files == ()
