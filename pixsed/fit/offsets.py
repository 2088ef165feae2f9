"""Zero-point offsets by band from the residuals of many galaxies."""

from dataclasses import dataclass, field, replace

import numpy as np

from pixsed.errors import PixsedError
from pixsed.fit.posterior import summarise
from pixsed.fit.residuals import MAG, SNR_MIN, Residuals

#: Number of bootstrap samples of the galaxies.
BOOTSTRAPS = 200
_TOGETHER = 20  # of them, at a time
#: Smallest number of galaxies for which the scatter between them gives errors.
MIN_GALAXIES = 5
# Steps of the alternating medians, and the change in mag at which they end.
_STEPS, _SMALL = 20, 1e-4
#: Offsets whose step is below this, in mag, have converged.
CONVERGED = 1e-3
#: Standard deviation of the prior of an offset in the iteration, mag.
PRIOR = 0.05


@dataclass
class Offsets:
    """Offsets of B bands, to be added to the observed magnitudes.

    Attributes
    ----------
    bands : list of str
    pivots : `~numpy.ndarray`, shape (B,)
        Micron.
    offset, error : `~numpy.ndarray`, shape (B,)
        mag; NaN where no galaxy has a residual.
    residual : `~numpy.ndarray`, shape (B,)
        Median magnitude of the data minus that of the prediction before any correction.
    left : `~numpy.ndarray`, shape (B,)
        The same, with the offsets applied.
    scatter : `~numpy.ndarray`, shape (B,)
        Standard deviation between galaxies of the residuals, from the MAD; NaN for fewer than
        two galaxies.
    number : `~numpy.ndarray`, shape (B,), int
        Galaxies with a residual.
    reference : str
        Band whose offset is fixed to 0; empty where the mean over the bands is.
    steps : int
        Number of fits.
    own : `~numpy.ndarray`, shape (N, B)
        Residuals of the galaxies in mag before any correction, without their amplitudes.
    first : `~pixsed.fit.residuals.Residuals`
        Data and predictions before any correction.
    """

    bands: list
    pivots: np.ndarray
    offset: np.ndarray
    error: np.ndarray
    residual: np.ndarray
    left: np.ndarray
    scatter: np.ndarray
    number: np.ndarray
    reference: str = ""
    steps: int = 1
    own: np.ndarray = field(default=None, repr=False)
    first: Residuals = field(default=None, repr=False)


def by_band(mag, fixed=None):
    """Return the residual of each band, after removing the amplitude of each galaxy.

    A fit cannot tell an offset that is common to all bands from a change in mass. The residuals
    are the sum of one number per galaxy and one per band, found by alternating medians.

    Parameters
    ----------
    mag : `~numpy.ndarray`, shape (..., N, B)
        Residuals in mag; NaN = none.
    fixed : int, optional
        Band whose residual is 0; by default, the mean over the bands is.

    Returns
    -------
    bands : `~numpy.ndarray`, shape (..., B)
        NaN for a band without residuals.
    galaxies : `~numpy.ndarray`, shape (..., N)
        NaN for a galaxy without residuals.
    """
    there = np.isfinite(mag).any(axis=-2)
    bands = np.zeros(there.shape)
    for _ in range(_STEPS):
        galaxies = _median(mag - bands[..., None, :], axis=-1)
        new = np.where(there, _median(mag - galaxies[..., None], axis=-2), 0.0)
        zero = new.sum(axis=-1) / there.sum(axis=-1) if fixed is None else new[..., fixed]
        new -= zero[..., None]
        done = np.abs(new - bands).max() < _SMALL
        bands = new
        if done:
            break
    galaxies = _median(mag - bands[..., None, :], axis=-1)
    return np.where(there, bands, np.nan), galaxies


def _median(values, axis):
    """Return medians of what is finite; NaN where nothing is."""
    empty = ~np.isfinite(values).any(axis=axis, keepdims=True)
    return np.where(empty.squeeze(axis), np.nan, np.nanmedian(np.where(empty, 0.0, values), axis))


def estimate(residuals, reference=None, *, seed=42):
    """Return the `Offsets` that bring the median residual of each band to 0.

    Parameters
    ----------
    residuals : `~pixsed.fit.residuals.Residuals`
    reference : str, optional
        Band whose offset is 0; by default, the mean over the bands is.
    seed : int, optional
        Of the bootstrap.

    Raises
    ------
    PixsedError
        If there are no residuals, or none in the reference band.

    Notes
    -----
    Errors are the standard deviation over bootstrap samples of the galaxies. For fewer than
    `MIN_GALAXIES` galaxies in a band they are those of the data.
    """
    fixed = _fixed(residuals, reference)
    found, amplitude = by_band(residuals.mag, fixed)
    own = residuals.mag - amplitude[:, None]
    number = np.isfinite(own).sum(axis=0)
    scatter = 1.4826 * _median(np.abs(own - found), axis=0)
    known = np.isfinite(found)
    return Offsets(
        residuals.bands,
        residuals.pivots,
        offset=-found,
        error=np.where(known, _errors(residuals, fixed, seed), np.nan),
        residual=found,
        left=np.where(known, 0.0, np.nan),
        scatter=np.where(number > 1, scatter, np.nan),
        number=number,
        reference=reference or "",
        own=own,
        first=residuals,
    )


def _fixed(residuals, reference):
    """Return the index of the reference band or None, after checking that there are residuals."""
    there = np.isfinite(residuals.mag).any(axis=0)
    if not there.any():
        raise PixsedError(
            f"no galaxy has a band with an S/N of {SNR_MIN:g}, so there are no residuals; give "
            "brighter galaxies"
        )
    if not reference:
        return None
    if reference not in residuals.bands:
        raise PixsedError(
            f"the reference band {reference} is not among the data, which have "
            f"{', '.join(residuals.bands)}"
        )
    fixed = residuals.bands.index(reference)
    if not there[fixed]:
        raise PixsedError(
            f"no galaxy has an S/N of {SNR_MIN:g} in the reference band {reference}; name another"
        )
    return fixed


def _errors(residuals, fixed, seed):
    """Return the error of the residual of each band, shape (B,)."""
    mag, rng = residuals.mag, np.random.default_rng(seed)
    number = np.isfinite(mag).sum(axis=0)
    noise = np.sqrt(np.nansum(residuals.mag_err**2, axis=0)) / np.maximum(number, 1)
    if len(mag) < MIN_GALAXIES:
        return noise
    draws = []
    for _ in range(0, BOOTSTRAPS, _TOGETHER):
        again = mag[rng.integers(0, len(mag), (_TOGETHER, len(mag)))]
        draws.append(by_band(again, fixed)[0])
    drawn = np.concatenate(draws)
    enough = (np.isfinite(drawn).sum(axis=0) > 0.5 * len(drawn)) & (number >= MIN_GALAXIES)
    return np.where(enough, np.nanstd(np.where(enough, drawn, 0.0), axis=0), noise)


def predicted(model, rows, names, options, *, jobs=1):
    """Return the `~pixsed.fit.residuals.Residuals` of galaxies that are fitted.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    rows : `~pixsed.fit.posterior.Rows`
        One row per galaxy.
    names : list of str
        Of the galaxies.
    options : `~pixsed.fit.options.FitOptions`
        Those of `~pixsed.fit.posterior.summarise`.
    jobs : int, optional
        Number of threads.

    Raises
    ------
    PixsedError
        If the model predicts no fluxes.
    """
    if not model.has_flux_model:
        raise PixsedError(
            f"model {model.name} ({model.path}) predicts no fluxes; export the model again"
        )
    there = np.flatnonzero(np.isfinite(rows.flux).any(axis=0))
    there = there[np.argsort(np.asarray(model.pivots)[there], kind="stable")]
    bands = [model.bands[i] for i in there]
    found = summarise(model, rows, options, flux_bands=bands, jobs=jobs)
    values = np.stack([found[f"{band}_MODEL"] for band in bands], axis=1).astype(float)
    flux, err = rows.flux[:, there].astype(float), rows.err[:, there].astype(float)
    pivots = np.asarray(model.pivots)[there]
    return Residuals(list(names), bands, flux, err, values, pivots)


def iterate(model, rows, names, options, *, reference=None, most=20, jobs=1):
    """Return the `Offsets` of galaxies that are fitted anew with the offsets found so far.

    A fit partly follows a wrong zero point, so that the residuals of one fit are smaller than
    the offset. The iteration ends when no step exceeds `CONVERGED`. A combination of offsets
    that the fit follows entirely, such as a slope with wavelength, would grow without end: each
    offset has a Gaussian prior of width `PRIOR`, which matters where the error of the residuals
    is not small against it.

    Parameters
    ----------
    model, rows, names, options, jobs
        Those of `predicted`.
    reference : str, optional
        As for `estimate`.
    most : int, optional
        Largest number of fits.

    Raises
    ------
    PixsedError
        As for `predicted` and `estimate`.
    """
    total = result = None
    for step in range(1, most + 1):
        factor = np.ones(len(model.bands), dtype=np.float32)
        if result is not None:
            factor[[model.bands.index(band) for band in result.bands]] = np.exp(-total / MAG)
        shifted = replace(rows, flux=rows.flux * factor, err=rows.err * factor)
        found = predicted(model, shifted, names, options, jobs=jobs)
        fixed = _fixed(found, reference)
        residual, _ = by_band(found.mag, fixed)
        if result is None:
            result = estimate(found, reference, seed=options.seed)
            total = np.zeros(len(residual))
            prior = 1.0 + (np.nan_to_num(result.error) / PRIOR) ** 2
        new = (total - np.nan_to_num(residual)) / prior
        new -= new[np.isfinite(residual)].mean() if fixed is None else new[fixed]
        if step == most or (step > 1 and np.abs(new - total).max() < CONVERGED):
            break
        total = new
    if step == 1:
        return result
    offset = np.where(np.isfinite(residual), total, np.nan)
    return replace(result, offset=offset, left=residual, steps=step)


def added(offsets, zero_points):
    """Return offsets with those added with which the data were already corrected.

    Parameters
    ----------
    offsets : `Offsets`
    zero_points : sequence of `~pixsed.fit.zero_points.ZeroPoint`
    """
    given = {point.band: point.offset for point in zero_points}
    known = np.array([given.get(band, 0.0) for band in offsets.bands])
    return replace(offsets, offset=offsets.offset + known) if known.any() else offsets


def lines(offsets):
    """Return offsets as lines of text, one per band below a header."""
    zero = f"{offsets.reference} = 0" if offsets.reference else "mean over bands = 0"
    found = [
        f"data - model in mag, median of {len(offsets.first)} galaxies, {zero}; "
        f"OFFSET is to be added to the data ({offsets.steps} fit{'s' * (offsets.steps > 1)})",
        f"{'band':12s} {'residual':>9s} {'error':>7s} {'scatter':>8s} {'N':>5s} "
        f"{'OFFSET':>8s} {'left':>7s}",
    ]
    columns = "residual error scatter number offset left".split()
    for i, band in enumerate(offsets.bands):
        values = [getattr(offsets, name)[i] for name in columns]
        residual, error, scatter, number, offset, left = values
        found.append(
            f"{band:12s} {residual:+9.4f} {error:7.4f} {scatter:8.4f} {number:5d} "
            f"{offset:+8.4f} {left:+7.4f}"
        )
    return found
