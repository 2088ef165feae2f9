"""Fit many cubes into a folder of maps; a cube that fails does not stop the others."""

import warnings
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pixsed.errors import PixsedError, PixsedWarning, failure_text
from pixsed.fit.to_file import FitReport, fit_to_file
from pixsed.io.formats.kinds import kind_of
from pixsed.io.outputs import check_fits_output, check_folder
from pixsed.parallel import run_tasks


@dataclass
class CubeOutcome:
    """Result of fitting one of many cubes.

    Attributes
    ----------
    cube, path : str
        The cube and its maps.
    report : `~pixsed.fit.to_file.FitReport` or None
    warnings : list of str
        Messages of warnings, for the calling process to show.
    error : str or None
        Why the cube could not be fitted.
    """

    cube: str
    path: str
    report: FitReport | None = None
    warnings: list = field(default_factory=list)
    error: str | None = None


def maps_paths(cubes, folder, part=None):
    """Return a list of (cube, path of its maps), with paths ``<CUBE>_maps.fits`` in `folder`.

    Parameters
    ----------
    cubes : sequence of str
    folder : path-like
    part : tuple of int, optional
        (I, N): keep every N-th cube, from the I-th.

    Raises
    ------
    PixsedError
        If two cubes would have the same maps, or `folder` is a file.
    """
    check_folder(folder, "cubes")
    paths = [str(Path(folder) / f"{_stem(text)}_maps.fits") for text in cubes]
    for i, path in enumerate(paths):
        if path in paths[:i]:
            raise PixsedError(
                f"{cubes[paths.index(path)]} and {cubes[i]} would both be written to {path}; fit "
                "them into two folders"
            )
    number, of = part or (1, 1)
    return list(zip(cubes, paths, strict=True))[number - 1 :: of]


def _stem(path):
    name = Path(path).name
    for ending in (".gz", ".fz"):
        name = name.removesuffix(ending)
    return name.rsplit(".", 1)[0] if "." in name else name


def fit_cubes(cubes, paths, model, options, execution):
    """Fit many cubes, each into its own maps.

    Parameters
    ----------
    cubes : sequence of `~pixsed.io.formats.cube_file.CubeName`
    paths : sequence of str
        Paths of their maps; missing folders are created.
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`
    execution : `~pixsed.fit.options.ExecutionOptions`
        With `jobs`, there are up to as many processes as cubes, and the remaining cores are
        used as threads. With `scheduler`, each Dask worker fits one cube at a time. `part` is
        ignored.

    Returns
    -------
    iterator of `CubeOutcome`
        In the order of the cubes, as they are finished.

    Raises
    ------
    PixsedError
        If maps exist and may not be replaced.
    """
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        check_fits_output(path, execution.overwrite or execution.resume)
    processes = min(execution.jobs, len(cubes))
    threads = 1 if execution.scheduler else max(1, execution.jobs // processes)
    if execution.scheduler:
        cubes = [cube.absolute() for cube in cubes]
        paths = [str(Path(path).absolute()) for path in paths]
    here = replace(execution, jobs=threads, scheduler=None, part=None)
    return run_tasks(
        _fit_one,
        list(zip(cubes, paths, strict=True)),
        setup=partial(_state, model, options, here),
        jobs=processes,
        scheduler=execution.scheduler,
    )


def _state(*state):
    return state


def _fit_one(state, task):
    model, options, execution = state
    cube, path = task
    outcome = CubeOutcome(cube.path, path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PixsedWarning)
        try:
            if kind_of(cube.path) != "cube":
                raise PixsedError(f"{cube.path} is not a cube; make it with pixsed cutout")
            outcome.report = fit_to_file(cube, model, path, options, execution)
        except Exception as error:  # whatever it is, the other cubes are fitted
            outcome.error = failure_text(error)
    outcome.warnings = [str(w.message) for w in caught if issubclass(w.category, PixsedWarning)]
    return outcome
