"""Cubes into a folder; tests/cli/test_fit_scale.py has what a user sees of it."""

import fakes
import pytest

from pixsed.errors import PixsedError
from pixsed.fit.many_cubes import fit_cubes, maps_paths
from pixsed.io.formats.cube import write_cube
from pixsed.io.formats.cube_file import CubeName

FIT = {"settings": {"samples": 20}, "options": {"--seed": 42}}


def test_paths_of_maps():
    cubes = ["x/531.fits", "5.3.fits.gz", "a"]
    assert maps_paths(cubes, "m") == ["m/531_maps.fits", "m/5.3_maps.fits", "m/a_maps.fits"]
    with pytest.raises(PixsedError, match="a/1.fits and b/1.fits would both be m/1_maps.fits"):
        maps_paths(["a/1.fits", "b/1.fits"], "m")


def test_one_that_is_bad_spoils_no_other(model, tmp_path):
    for name, z in (("a", 1.0), ("c", 9.0)):
        write_cube(fakes.make_cube(redshift=z), tmp_path / f"{name}.fits")
    (tmp_path / "b.csv").write_text("ID\n1\n")
    cubes = [CubeName(str(tmp_path / name)) for name in ("a.fits", "b.csv", "c.fits")]
    paths = [str(tmp_path / f"{i}.fits") for i in range(3)]
    a, b, c = fit_cubes(cubes, paths, model, **FIT)
    assert (a.cube, a.path, a.error, a.warned) == (cubes[0].path, paths[0], None, [])
    assert a.done.counts["npix"] == 193 and not a.done.binned
    assert b.done is None
    assert b.error == f"{cubes[1].path} is not a cube; make it with pixsed cutout"
    assert c.done is None and "redshift 9 +- 0 is outside the range" in c.error
    # What is there already is left, and no count tells of it.
    (again,) = fit_cubes(cubes[:1], paths[:1], model, resume=True, **FIT)
    assert again.error is None and not again.done.counts
