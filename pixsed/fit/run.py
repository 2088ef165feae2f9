"""One image fitted into its maps: its files opened, what is done already left, the rest counted."""

import contextlib
import time
import warnings
from dataclasses import dataclass, field
from functools import partial

from pixsed.errors import PixsedError, PixsedWarning, listed
from pixsed.fit.record import fit_cards, fit_key, how_fitted, is_finished
from pixsed.fit.tiles import TileFitter
from pixsed.fit.to_file import fit_to_file
from pixsed.io.writers.maps import check_maps_output
from pixsed.nodata import warn_of_codes
from pixsed.redshifts import range_text


@dataclass
class Done:
    """What became of a fit.

    Attributes
    ----------
    counts : dict of str to int
        As of `pixsed.fit.to_file.fit_to_file`; empty where it was done already.
    binned : bool
    seconds : float
    """

    counts: dict = field(default_factory=dict)
    binned: bool = False
    seconds: float = 0.0


class NoBar:
    """A progress bar that shows nothing, for `fit_image`."""

    def done(self, number):
        """Take note of pixels fitted."""

    def skipped(self, number):
        """Take note of pixels that might have been fitted, and are not."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def fit_image(
    files,
    model,
    path,
    *,
    settings,
    options,
    tile=None,
    part=None,
    jobs=1,
    scheduler=None,
    command=None,
    overwrite=False,
    resume=False,
    bar=lambda npix: NoBar(),
):
    """Fit a cube, or mosaics, into a Maps file.

    Parameters
    ----------
    files : `~pixsed.io.formats.cube_file.CubeName` or `~pixsed.images.field_files.FieldFiles`
    model : `~pixsed.fit.model.Model`
    path : path-like
        ``"-"`` is standard output.
    settings : dict
        snr_min, error_floor, quantiles, samples, seed, engine, as of
        `~pixsed.fit.tiles.TileFitter`.
    options : dict of str
        As of `pixsed.fit.record.fit_key`.
    tile, part, scheduler, command, overwrite
        As of `pixsed.fit.to_file.fit_to_file`.
    jobs : int, optional
        Threads.
    resume : bool, optional
        Go on with what a run before has left; do nothing where it has finished.
    bar : callable, optional
        Of the number of pixels that may be fitted; returns a context manager with the
        methods of `NoBar`.

    Returns
    -------
    `Done`

    Raises
    ------
    PixsedError
        If the files cannot be read, `path` cannot be written, or the one redshift of the source
        cannot be fitted. Maps of another fit are in the way unless `overwrite`.
    """
    check_maps_output(path, overwrite=overwrite or resume, resume=resume)
    with files.open() as source:
        with bar(source.npix) as shown:
            fitter = TileFitter(
                source, model, **settings, jobs=jobs, progress=shown.done, skipped=shown.skipped
            )
            _check_part(source, part)
            key = fit_key(source, model, options)
            cards = fit_cards(fitter, key)
            if resume and is_finished(path, cards, overwrite):
                return Done()
            start = time.monotonic()
            setup = None
            if scheduler is not None:
                setup = partial(open_fitter, files.absolute(), model, settings)
            counts = fit_to_file(
                fitter,
                path,
                key=key,
                cards=cards,
                tile=tile,
                part=part,
                setup=setup,
                how=how_fitted(fitter.engine, fitter.samples),
                scheduler=scheduler,
                inputs=source.files,
                command=command,
                overwrite=overwrite,
                resume=resume,
                progress=shown.done,
                skipped=shown.skipped,
            )
    if source.redshift is None:
        _warn_of_redshifts(counts, model, source)
    codes = {name: number for name, number in counts.items() if ":" in name}
    warn_of_codes(codes, source.name, "pixels")
    return Done(counts, source.binning is not None, time.monotonic() - start)


def _warn_of_redshifts(counts, model, source):
    """Warn of pixels left out because their redshift or its error cannot be fitted."""
    name = source.name
    if number := counts.get("out_of_range"):
        ids = source.outside_range(model)
        warnings.warn(
            f"{name}: {number} pixels are not fitted: their redshift or its error is outside "
            f"{range_text(model)}" + (f": id {listed(ids, 5)}" if ids else ""),
            PixsedWarning,
            stacklevel=3,
        )
    if not source.has_catalog and (number := counts.get("bad_redshift_err")):  # else they are named
        warnings.warn(
            f"{name}: {number} pixels are not fitted: their redshift error is NaN, infinite or "
            "negative; set it to 0 where the redshift is exact",
            PixsedWarning,
            stacklevel=3,
        )


def open_fitter(files, model, settings):
    """Return the fitter of a worker elsewhere, of the parameters of `fit_image`.

    What is open for it is in its `files`, for as long as there is work.
    """
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore", PixsedWarning)  # told where the work is asked for
        fitter = TileFitter(stack.enter_context(files.open(check=False)), model, **settings)
        fitter.files = stack.pop_all()
    return fitter


def _check_part(source, part):
    if part is None:
        return
    if source.binning is not None:
        raise PixsedError(f"{source.name}: a binned cube is fitted whole; leave out --part")
    if part[1] > source.shape[0]:
        raise PixsedError(
            f"--part: {source.name} has {source.shape[0]} rows, fewer than {part[1]} parts; "
            "ask for fewer"
        )
