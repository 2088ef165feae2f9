"""Many cubes fitted into a folder of maps, each by itself: one that is bad spoils no other."""

import warnings
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.fit.run import Done, fit_image
from pixsed.io.formats.kinds import kind_of
from pixsed.parallel import run_tasks


@dataclass
class Outcome:
    """What became of one cube of many.

    Attributes
    ----------
    cube, path : str
        The cube and its maps.
    done : `~pixsed.fit.run.Done` or None
    warned : list of str
        Warnings, to be given where the user is.
    error : str or None
        Why it could not be fitted.
    """

    cube: str
    path: str
    done: Done | None = None
    warned: list = field(default_factory=list)
    error: str | None = None


def maps_paths(cubes, folder):
    """Return the path of the maps of each cube, ``<CUBE>_maps.fits`` in `folder`.

    Raises
    ------
    PixsedError
        If two would share one.
    """
    paths = [str(Path(folder) / f"{_stem(text)}_maps.fits") for text in cubes]
    for i, path in enumerate(paths):
        if path in paths[:i]:
            raise PixsedError(
                f"{cubes[paths.index(path)]} and {cubes[i]} would both be {path}; fit them into "
                "two folders"
            )
    return paths


def _stem(path):
    name = Path(path).name
    for ending in (".gz", ".fz"):
        name = name.removesuffix(ending)
    return name.rsplit(".", 1)[0] if "." in name else name


def fit_cubes(cubes, paths, model, *, jobs=1, scheduler=None, **fit):
    """Yield the `Outcome` of each cube, in order.

    Parameters
    ----------
    cubes : sequence of `~pixsed.io.formats.cube_file.CubeName`
    paths : sequence of str
        Of their maps.
    model : `~pixsed.fit.model.Model`
    jobs : int, optional
        Cores: as many processes as there are cubes for, the rest as threads.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers fit a cube each.
    **fit
        As of `pixsed.fit.run.fit_image`.
    """
    processes = min(jobs, len(cubes))
    threads = 1 if scheduler else max(1, jobs // processes)
    if scheduler:
        cubes = [cube.absolute() for cube in cubes]
        paths = [str(Path(path).absolute()) for path in paths]
    tasks = [(cube, path, fit | {"jobs": threads}) for cube, path in zip(cubes, paths, strict=True)]
    return run_tasks(
        _fit_cube, tasks, setup=partial(_given, model), jobs=processes, scheduler=scheduler
    )


def _given(model):
    return model


def _fit_cube(model, task):
    cube, path, fit = task
    outcome = Outcome(cube.path, path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PixsedWarning)
        try:
            if kind_of(cube.path) != "cube":
                raise PixsedError(f"{cube.path} is not a cube; make it with pixsed cutout")
            outcome.done = fit_image(cube, model, path, **fit)
        except (PixsedError, OSError) as raised:
            outcome.error = " ".join(str(raised).split())
    outcome.warned = [str(w.message) for w in caught if issubclass(w.category, PixsedWarning)]
    return outcome
