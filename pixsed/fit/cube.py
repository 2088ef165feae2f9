"""Fit a cube, on disk or in memory, into maps."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pixsed.checks import check_path
from pixsed.errors import PixsedError
from pixsed.fit.model import Model, load_model
from pixsed.fit.options import ExecutionOptions, FitOptions
from pixsed.fit.progress import NoProgress, Progress
from pixsed.fit.runtime import PROVIDERS
from pixsed.fit.tiles import TileFitter, fit_tiles, tile_size, tiles
from pixsed.fit.to_file import fit_to_file, pixel_options, warn_of_fit
from pixsed.fit.zero_points import check_known
from pixsed.io.formats.cube import Cube
from pixsed.io.formats.cube_file import CubeName
from pixsed.io.formats.maps import Maps, read_maps
from pixsed.io.formats.source import CubeSource, SourceFiles
from pixsed.io.outputs import protected_arguments
from pixsed.properties import unit_and_description

_DTYPES = {"NBANDS": np.int16, "DQ": np.int32, "BINMAP": np.int32}


def fit_cube(
    cube: Cube | Any,
    model: Model | str | os.PathLike,
    options: FitOptions | None = None,
    *,
    output: Any = None,
    overwrite: bool = False,
    jobs: int = 1,
    progress: Callable[[int], Progress] = NoProgress,
) -> Maps:
    """Fit every pixel of a cube: maps of posterior quantiles.

    The command ``pixsed fit`` runs the same code.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube` or path-like
        A cube in memory, or a file made by ``pixsed cutout``, which is read tile by tile.
    model : `~pixsed.fit.model.Model`, str or path-like
        A model, the name of a shipped one, or an ``.onnx`` file.
    options : `~pixsed.fit.options.FitOptions`, optional
    output : path-like, optional
        Maps file to write too, tile by tile.
    overwrite : bool, optional
        Replace `output` if it exists.
    jobs : int, optional
        Number of threads.
    progress : callable, optional
        Takes the number of pixels that may be fitted; returns a
        `~pixsed.fit.progress.Progress`.

    Returns
    -------
    `~pixsed.io.formats.maps.Maps`
        Planes by extension name; NaN where not fitted, with the reasons in DQ.

    Raises
    ------
    PixsedError
        If the cube or the model cannot be read, they have no band in common, the redshift
        cannot be fitted, or `output` cannot be written.

    Examples
    --------
    >>> import pixsed
    >>> maps = pixsed.fit_cube("531.fits", "tau", output="maps.fits")  # doctest: +SKIP
    >>> maps.planes["LOGMSTAR_P50"]  # doctest: +SKIP
    """
    execution = ExecutionOptions(jobs=jobs, overwrite=overwrite)
    options = pixel_options(options)
    if output == "-":
        raise PixsedError(
            "output must be a file, got standard output; the command pixsed fit has it"
        )
    protected = protected_arguments(cube, model)
    model, options = load_for(model, options)
    files = cube_files(cube, options)
    if output is not None:
        with protected:
            fit_to_file(files, model, output, options, execution, progress=progress)
        return read_maps(output)
    with files.open() as source, progress(source.npix) as bar:
        fitter = TileFitter(source, model, options, jobs=jobs, progress=bar)
        sink = MapsInMemory(fitter)
        size = source.shape if source.binning is not None else tile_size(source.shape)
        counts = fit_tiles(fitter, sink, list(tiles(source.shape, size)))
    warn_of_fit(counts, source, model)
    return sink.maps()


def cube_files(cube: Cube | Any, options: FitOptions) -> SourceFiles:
    """Return an object that opens a cube, in memory or on disk, as a pixel source."""
    chosen: dict[str, Any] = {
        name: getattr(options, name) for name in ("redshift", "redshift_err", "all_pixels")
    }
    if isinstance(cube, Cube):
        return CubeSource(cube, **chosen)
    return CubeName(check_path("cube", cube, " or a Cube"), **chosen)


def load_for(model: Model | str | os.PathLike, options: FitOptions) -> tuple[Model, FitOptions]:
    """Return a model, loaded if it is given as a name or a path, and the options.

    The model is checked for the engine and the predicted fluxes that the options ask for, and the
    zero points for bands that are not known. The options come back with the provider on which the
    model runs.
    """
    if not isinstance(model, Model):
        model = load_model(model, provider=options.provider)
    model.check_engine(options.engine)
    check_known(options.zero_points, model)
    if options.model_fluxes and not model.has_flux_model:
        raise PixsedError(
            f"model {model.name} ({model.path}) predicts no fluxes; omit --model-fluxes, or export "
            "the model again"
        )
    names = {long: short for short, long in PROVIDERS.items()}
    return model, replace(options, provider=names[model.provider])


class MapsInMemory:
    """Sink of `pixsed.fit.tiles.fit_tiles` that keeps the maps in memory.

    Parameters
    ----------
    fitter : `~pixsed.fit.tiles.TileFitter`

    Attributes
    ----------
    done : int
        Number of tiles that need not be fitted again. It is always 0: maps in memory cannot
        be resumed.
    counts : dict of str to int
        Counts passed to the last call of `commit`.
    """

    done = 0

    def __init__(self, fitter: TileFitter) -> None:
        self._fitter = fitter
        self.counts: dict[str, int] = {}
        shape = fitter.source.shape
        self._planes = {
            name: np.zeros(shape, _DTYPES.get(name, np.float32)) for name in fitter.names
        }

    def place(self, name: str, data: np.ndarray, y: int = 0, x: int = 0) -> None:
        """Copy an (n, m) array into a plane, its first pixel at row `y` and column `x`."""
        self._planes[name][y : y + data.shape[0], x : x + data.shape[1]] = data

    def commit(self, counts: dict[str, int]) -> None:
        """Keep the counts of the tiles so far."""
        self.counts = dict(counts)

    def maps(self) -> Maps:
        """Return the maps."""
        fitter, binned = self._fitter, self._fitter.source.binning is not None
        units = {name: unit_and_description(name, fitter.model)[0] for name in fitter.properties}
        return Maps(
            fitter.properties,
            fitter.options.quantiles,
            self._planes,
            snr_bands=fitter.snr_bands,
            nfit=self.counts["npix"],
            nbins=self.counts["nfit"] if binned else None,
            units=units,
            header=fitter.source.header,
        )
