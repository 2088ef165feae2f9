"""Fit a cube or mosaics on disk into a Maps file: read, fit and write tile by tile."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.fit.draws import DEFAULT_SAMPLES
from pixsed.fit.options import DEFAULT_SNR_MIN, ExecutionOptions, FitOptions
from pixsed.fit.progress import NoProgress, Progress
from pixsed.fit.record import fit_cards, fit_key, is_finished, method_text
from pixsed.fit.tiles import TileFitter, fit_tiles, tile_size, tiles
from pixsed.io.formats.cube import binning_cards
from pixsed.io.formats.maps import maps_layout
from pixsed.io.headers import shifted_header
from pixsed.io.writers.maps import MapsWriter, check_maps_output
from pixsed.nodata import warn_of_codes
from pixsed.parallel import run_tasks
from pixsed.properties import unit_and_description

if TYPE_CHECKING:
    from pixsed.fit.model import Model
    from pixsed.io.formats.source import SourceFiles


@dataclass
class FitReport:
    """Summary of a fit.

    Attributes
    ----------
    counts : dict of str to int
        From `pixsed.fit.tiles.fit_tiles`; empty if the maps were finished before.
    binned : bool
        Whether pixels are binned.
    seconds : float
        Wall-clock time.
    psf_unknown : bool
        Whether no band of several says to which PSF it is matched.
    """

    counts: dict[str, int] = field(default_factory=dict)
    binned: bool = False
    seconds: float = 0.0
    psf_unknown: bool = False

    @property
    def text(self) -> str:
        """Return ``193 pixels``, or ``193 pixels in 15 bins`` for a binned cube."""
        bins = f" in {self.counts.get('nfit', 0)} bins" if self.binned else ""
        return f"{self.counts.get('npix', 0)} pixels{bins}"


def fit_to_file(
    files: SourceFiles,
    model: Model,
    path: Any,
    options: FitOptions | None = None,
    execution: ExecutionOptions | None = None,
    *,
    progress: Callable[[int], Progress] = NoProgress,
) -> FitReport:
    """Fit a cube, or the mosaics of a field, into a Maps file.

    Parameters
    ----------
    files : `~pixsed.io.formats.source.SourceFiles`
        A `~pixsed.io.formats.cube_file.CubeName` or `~pixsed.images.field_files.FieldFiles`.
        Its redshift and segments are used, not those of `options`.
    model : `~pixsed.fit.model.Model`
    path : path-like
        ``"-"`` is standard output.
    options : `~pixsed.fit.options.FitOptions`, optional
    execution : `~pixsed.fit.options.ExecutionOptions`, optional
    progress : callable, optional
        Takes the number of pixels that may be fitted; returns a
        `~pixsed.fit.progress.Progress`.

    Returns
    -------
    `FitReport`

    Raises
    ------
    PixsedError
        If the files cannot be read, `path` cannot be written or holds maps of another fit, or
        the source has a single redshift that cannot be fitted.
    """
    options, execution = pixel_options(options), execution or ExecutionOptions()
    overwrite, resume = execution.overwrite, execution.resume
    check_maps_output(path, overwrite=overwrite or resume, resume=resume)
    with files.open() as source, progress(source.npix) as bar:
        fitter = TileFitter(source, model, options, jobs=execution.jobs, progress=bar)
        _check_part(source, execution.part)
        key = fit_key(source, model, options)
        rows = part_rows(source.shape[0], execution.part)
        cards = fit_cards(fitter, key) | _part_cards(source, execution.part, rows)
        if resume and is_finished(path, cards, overwrite):
            return FitReport()
        start = time.monotonic()
        psf_unknown = len(source.bands) > 1 and source.common_psf[0] == "unknown"
        report = FitReport(binned=source.binning is not None, psf_unknown=psf_unknown)
        shape = rows.stop - rows.start, source.shape[1]
        size = source.shape if report.binned else execution.tile or tile_size(source.shape)
        where = [
            (slice(y.start + rows.start, y.stop + rows.start), x) for y, x in tiles(shape, size)
        ]
        key |= {"tile": list(size), "part": execution.part and list(execution.part)}
        layout = _layout(fitter, cards, execution, rows)
        kept = {"overwrite": overwrite, "resume": resume}
        with MapsWriter(path, layout, shape, len(where), key, **kept) as writer:
            report.counts = fit_tiles(
                fitter,
                writer,
                where,
                first_row=rows.start,
                on_workers=_on_workers(files, model, options, execution.scheduler),
            )
            writer.primary["NFIT"] = report.counts["npix"]
            if report.binned:
                writer.primary["NBINS"] = report.counts["nfit"]
            writer.primary["HISTORY"][-1] = _history(report, options)
    warn_of_fit(report.counts, source, model)
    report.seconds = time.monotonic() - start
    return report


def pixel_options(options: FitOptions | None) -> FitOptions:
    """Return the options with None replaced by the defaults for pixels."""
    return (options or FitOptions()).with_defaults(samples=DEFAULT_SAMPLES, snr_min=DEFAULT_SNR_MIN)


def part_rows(ny: int, part: tuple[int, int] | None) -> slice:
    """Return the rows of part (I, N) of an image of `ny` rows, as a slice.

    I counts from 1; without a part, the slice covers all rows.
    """
    number, of = part or (1, 1)
    return slice(ny * (number - 1) // of, ny * number // of)


def warn_of_fit(counts, source, model):
    """Warn of pixels not fitted because of their redshifts, and of values taken as missing.

    Parameters
    ----------
    counts : dict of str to int
        From `pixsed.fit.tiles.fit_tiles`.
    source : `~pixsed.io.formats.source.PixelSource`
    model : `~pixsed.fit.model.Model`
    """
    if source.redshift is None:
        source.warn_of_redshifts(counts, model)
    codes = {name: number for name, number in counts.items() if ":" in name}
    warn_of_codes(codes, source.name, "pixels")


def open_fitter(files, model, options):
    """Return the `~pixsed.fit.tiles.TileFitter` of a worker, which keeps the files open."""
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore", PixsedWarning)  # the calling process issues them
        fitter = TileFitter(stack.enter_context(files.open(check=False)), model, options)
        fitter.files = stack.pop_all()
    return fitter


def _on_workers(files, model, options, scheduler):
    """Return a function that fits tiles on the workers of a Dask cluster; None without one."""
    if scheduler is None:
        return None
    setup = partial(open_fitter, files.absolute(), model, options)
    return lambda where: run_tasks(TileFitter.fit, where, setup=setup, scheduler=scheduler)


def _part_cards(source, part, rows):
    """Return the primary header cards of a part, a stripe of `rows`; none if `part` is None."""
    if part is None:
        return {}
    return {
        "PART": ("{}/{}".format(*part), "stripe of rows; see pixsed merge"),
        "PARTROW": (rows.start, "rows of the image before this part"),
        "PARTNY": (source.shape[0], "rows of the image"),
    }


def _layout(fitter, cards, execution, rows):
    """Return the `~pixsed.io.formats.maps.MapsLayout` of a fit of some rows of its source."""
    source, header, cards = fitter.source, fitter.source.header, dict(cards)
    if execution.part is not None:
        header = shifted_header(header, 0, rows.start)
    cards["NFIT"] = (0, "number of pixels fitted")
    binned = source.binning is not None
    if binned:
        cards |= binning_cards(source.binning)
        cards["NBINS"] = (0, "number of bins fitted, each on its summed flux")
    return maps_layout(
        fitter.properties,
        fitter.options.quantiles,
        header=header,
        binned=binned,
        unset=fitter.unset,
        flux_errors={band: fitter.model.flux_model_error[band] for band in fitter.flux_bands},
        units={name: unit_and_description(name, fitter.model) for name in fitter.properties},
        cards=cards,
        inputs=source.files,
        command=execution.command,
        history=[_history(FitReport(binned=binned), fitter.options)],
    )


def _history(report, options):
    return f"fit: {report.text}, {method_text(options)}"


def _check_part(source, part):
    if part is None:
        return
    if source.binning is not None:
        raise PixsedError(f"{source.name}: a binned cube must be fitted whole; omit --part")
    if part[1] > source.shape[0]:
        raise PixsedError(
            f"--part: {source.name} has {source.shape[0]} rows, fewer than {part[1]} parts; "
            "give fewer parts"
        )
