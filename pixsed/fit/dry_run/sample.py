"""Fit of a random sample: fraction out of distribution, bands that are off, time of a batch."""

import time
from dataclasses import dataclass, replace

import numpy as np

from pixsed.dq import OOD_LIMIT
from pixsed.fit.posterior import BATCH, QUANTILE_BATCH, plan_batches, summarise

#: Fraction of pixels out of distribution above which there is a warning, and a problem.
MANY, MOST = 0.05, 0.5
#: Magnitudes by which a band is off the model in the median, for a warning and for a problem: a
#: wrong unit is off by more. Also the errors by which it must be off.
OFF_MAG, WRONG_MAG, OFF_ERRORS = 0.3, 1.5, 3.0
# Number of rows with a band that are compared with the model, and their S/N.
_FEWEST, _SNR = 20, 5.0
# chi^2 per band that is called large.
_LARGE = 5.0


@dataclass
class FittedSample:
    """Result of the fit of a sample.

    Attributes
    ----------
    columns : dict of str to `~numpy.ndarray`
        From `pixsed.fit.posterior.summarise`, by draws of the flow.
    seconds : float
        Wall-clock time of a batch of the engine that was asked for, with `jobs` threads.
    size : int
        Rows of a batch.
    jobs : int
        Threads that had work.
    quiet : float
        Time of the processor over that of the clock and these threads, 1 at most: less if other
        programs run.
    """

    columns: dict
    seconds: float
    size: int
    jobs: int
    quiet: float = 1.0


def fit_sample(model, rows, options, jobs):
    """Return the `FittedSample` of some rows of photometry.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    rows : `~pixsed.fit.posterior.Rows`
    options : `~pixsed.fit.options.FitOptions`
        The field samples must be a number.
    jobs : int
        Number of threads.
    """
    size = QUANTILE_BATCH if options.engine == "quantile" else BATCH
    summarise(model, rows[: min(len(rows), BATCH)], options)  # the first call is slower
    batches = len(plan_batches(rows.key_y, rows.key_x, size))
    start, processor = time.monotonic(), time.process_time()
    bands = model.bands if model.has_flux_model and options.engine == "flow" else ()
    columns = summarise(model, rows, options, flux_bands=bands, jobs=jobs)
    seconds, processor = time.monotonic() - start, time.process_time() - processor
    threads, quiet = min(jobs, batches), 1.0
    if options.provider == "cpu" and seconds > 0:
        quiet = min(1.0, processor / seconds / threads)
    if options.engine == "quantile":  # which predicts no fluxes
        bands = model.bands if model.has_flux_model else ()
        flow = replace(options, engine="flow")
        columns = summarise(model, rows, flow, flux_bands=bands, jobs=jobs)
    return FittedSample(columns, seconds / batches, size, threads, quiet)


def check_ood(found, rows, columns, model, error_floor, what="pixels"):
    """Check the fraction of a sample that is out of distribution, and the bands that are off.

    Parameters
    ----------
    found : `~pixsed.fit.dry_run.findings.Findings`
    rows : `~pixsed.fit.posterior.Rows`
    columns : dict of str to `~numpy.ndarray`
        From `fit_sample`.
    model : `~pixsed.fit.model.Model`
    error_floor : float
        That of the options.
    what : str, optional
        What the rows are.
    """
    if not model.has_ood:
        found.ok("ood", f"not known: model {model.name} has no table of goodness of fit")
        return
    scored = np.isfinite(columns["OOD"])
    if not scored.any():
        return
    ood, chi2 = columns["OOD"][scored], columns["CHI2"][scored]
    fraction = float((ood < OOD_LIMIT).mean())
    text = (
        f"{fraction:.1%} of a sample of {len(ood)} {what} out of distribution; chi^2 per band "
        f"{np.median(chi2):.3g} in the median, above {_LARGE:g} in {(chi2 > _LARGE).mean():.1%}"
    )
    floor = "" if error_floor >= 0.05 else "try --error-floor 0.05 for errors of zero points; "
    mend = floor + "find wrong zero points with pixsed ppc, and compare units and PSFs"
    if fraction > MOST:
        found.problem("ood", text, mend)
    elif fraction > MANY:
        found.warning("ood", text, mend)
    else:
        found.ok("ood", text)
    _check_offsets(found, rows, columns, model)


def _check_offsets(found, rows, columns, model):
    """Report bands that are far from the fluxes that the model predicts."""
    off = {}
    npix = 1 if rows.npix is None else rows.npix
    for number, band in enumerate(model.bands):
        flux, err = rows.flux[:, number], rows.err[:, number]
        predicted = columns[f"{band}_MODEL"] * npix
        with np.errstate(invalid="ignore", divide="ignore"):
            good = (flux > _SNR * err) & (predicted > 0)
            if good.sum() < _FEWEST:
                continue
            mag = float(np.median(-2.5 * np.log10(flux[good] / predicted[good])))
            pull = float(np.median((flux[good] - predicted[good]) / err[good]))
        if abs(mag) > OFF_MAG and abs(pull) > OFF_ERRORS:
            off[band] = mag
    start = "magnitudes off those of the model, in the median: "
    if wrong := {band: mag for band, mag in off.items() if abs(mag) > WRONG_MAG}:
        found.problem(
            "ood",
            start + _listed(wrong),
            "look at the unit (--unit) and the zero point of the band",
        )
    if off := {band: mag for band, mag in off.items() if band not in wrong}:
        found.warning(
            "ood",
            start + _listed(off),
            "look at the zero point and the PSF of the band; pixsed ppc --propose makes a table "
            "for --zero-points",
        )


def _listed(offsets):
    return ", ".join(f"{band} {mag:+.2f}" for band, mag in offsets.items())
