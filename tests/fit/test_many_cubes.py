"""Fit of many cubes into a folder; tests/cli/test_fit_scale.py tests the command."""

import fakes
import pytest

from pixsed.errors import PixsedError
from pixsed.fit.many_cubes import fit_cubes, maps_paths
from pixsed.fit.options import ExecutionOptions, FitOptions
from pixsed.fit.to_file import fit_to_file
from pixsed.io.formats.cube import write_cube
from pixsed.io.formats.cube_file import CubeName


def test_paths_of_maps():
    cubes = ["x/531.fits", "5.3.fits.gz", "a"]
    paths = [path for _, path in maps_paths(cubes, "m")]
    assert paths == ["m/531_maps.fits", "m/5.3_maps.fits", "m/a_maps.fits"]
    assert maps_paths(cubes, "m", (2, 2)) == [("5.3.fits.gz", "m/5.3_maps.fits")]
    assert maps_paths(cubes[:1], "m", (2, 2)) == []
    with pytest.raises(PixsedError, match="a/1.fits and b/1.fits would both be written"):
        maps_paths(["a/1.fits", "b/1.fits"], "m")


def test_a_cube_that_fails_does_not_stop_the_others(model, tmp_path):
    for name, z in (("a", 1.0), ("c", 9.0)):
        write_cube(fakes.make_cube(redshift=z), tmp_path / f"{name}.fits")
    (tmp_path / "b.csv").write_text("ID\n1\n")
    cubes = [CubeName(str(tmp_path / name)) for name in ("a.fits", "b.csv", "c.fits")]
    paths = [str(tmp_path / f"{i}.fits") for i in range(3)]
    options = FitOptions(samples=20)
    a, b, c = fit_cubes(cubes, paths, model, options, ExecutionOptions())
    assert (a.cube, a.path, a.error, a.warnings) == (cubes[0].path, paths[0], None, [])
    assert a.report.counts["npix"] == 193 and not a.report.binned
    assert b.report is None
    assert b.error == f"{cubes[1].path} is not a cube; make it with pixsed cutout"
    assert c.report is None and "redshift 9 +- 0 is outside the range" in c.error
    # Finished maps are kept, and their report has no counts.
    (again,) = fit_cubes(cubes[:1], paths[:1], model, options, ExecutionOptions(resume=True))
    assert again.error is None and not again.report.counts
    with pytest.raises(PixsedError, match="exists already"):
        fit_cubes(cubes[:1], paths[:1], model, options, ExecutionOptions())


@pytest.mark.parametrize("error", [KeyError("BINMAP"), MemoryError(), ZeroDivisionError("x")])
def test_whatever_fails_in_one_cube_leaves_the_others(model, tmp_path, monkeypatch, error):
    for name in "abc":
        write_cube(fakes.make_cube(), tmp_path / f"{name}.fits")
    cubes = [CubeName(str(tmp_path / f"{name}.fits")) for name in "abc"]
    paths = [str(tmp_path / f"{i}.fits") for i in range(3)]

    def broken(cube, *args, **kwargs):
        if cube is cubes[1]:
            raise error
        return fit_to_file(cube, *args, **kwargs)

    monkeypatch.setattr("pixsed.fit.many_cubes.fit_to_file", broken)
    outcomes = list(fit_cubes(cubes, paths, model, FitOptions(samples=20), ExecutionOptions()))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    said = "no memory left" if isinstance(error, MemoryError) else f"{type(error).__name__}: "
    assert said in outcomes[1].error and "\n" not in outcomes[1].error


def test_maps_that_are_damaged_are_not_finished(model, tmp_path):
    """--resume looks at what is there, and does not call a file finished that was cut off."""
    write_cube(fakes.make_cube(), tmp_path / "a.fits")
    arguments = [CubeName(str(tmp_path / "a.fits"))], [str(tmp_path / "m.fits")], model
    options = FitOptions(samples=20)
    list(fit_cubes(*arguments, options, ExecutionOptions()))
    maps = tmp_path / "m.fits"
    maps.write_bytes(maps.read_bytes()[:-5760])
    (outcome,) = fit_cubes(*arguments, options, ExecutionOptions(resume=True))
    assert "m.fits" in outcome.error and outcome.report is None
