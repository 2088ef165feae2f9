"""Properties that follow from a model's parameters, sample by sample."""

from functools import cache

import numpy as np
from scipy.special import gammainc, gammaincinv

from pixsed import cosmology


def tau_age(tau, tstart, age):
    """Return the mass-weighted age of tau-delayed histories, Gyr.

    Parameters
    ----------
    tau, tstart, age : `~numpy.ndarray`, any shape
        SFR timescale, cosmic time at which star formation begins, and age of the
        Universe at the galaxy, Gyr.
    """
    span = np.maximum(age - tstart, 1e-9)
    return span * (1.0 - _of_history(span / tau)[0])


def tau_t50(tau, tstart, age):
    """Return the lookback time at which half the mass of tau-delayed histories had formed, Gyr.

    Parameters as of `tau_age`.
    """
    span = np.maximum(age - tstart, 1e-9)
    return span * (1.0 - _of_history(span / tau)[1])


# Of ln(span / tau): first and last node, and nodes.
_FIRST, _LAST, _NODES = np.log(1e-5), np.log(1e5), 10001


@cache
def _table():
    """Shares of its span at which a history has formed on average, and half its mass.

    Incomplete gamma functions of every sample would take longer than the flow; between these
    nodes a straight line is good to 1e-6, and so are the ends: 2/3 and 1/sqrt(2) of the span
    below, where the rise is linear, and next to nothing above.
    """
    r = np.exp(np.linspace(_FIRST, _LAST, _NODES))
    mean = 2.0 * gammainc(3, r) / gammainc(2, r) / r
    mean[r < 1e-4] = 2.0 / 3.0  # where both vanish
    return np.stack([mean, gammaincinv(2, 0.5 * gammainc(2, r)) / r])


def _of_history(r):
    """Return both shares of `_table` at span / tau."""
    at = (np.log(r) - _FIRST) * ((_NODES - 1) / (_LAST - _FIRST))
    at = np.clip(at, 0.0, _NODES - 1.0)
    low = np.minimum(at.astype(np.int32), _NODES - 2)
    part = at - low
    return [row[low] + part * (row[low + 1] - row[low]) for row in _table()]


def derive(samples, sfh, redshift, pixel_area=None):
    """Return the derived properties of posterior samples.

    Parameters
    ----------
    samples : dict of str to `~numpy.ndarray`, shape (N, S)
        Parameter -> its samples.
    sfh : str
        Prior of star-formation histories: ``"tau"`` and ``"dirichlet"`` have derived
        times, any other none.
    redshift : `~numpy.ndarray`, shape (N, S) or (N, 1)
        Redshift of each sample.
    pixel_area : float, optional
        Area of a pixel in arcsec^2; without it no LOGSIGMA.

    Returns
    -------
    dict of str to `~numpy.ndarray`, shape (N, S), float64
        Of LOGSIGMA [dex(solMass kpc-2)], AGE and T50LB [Gyr], those that can be had.
    """
    found = {}
    if pixel_area is not None:
        with np.errstate(divide="ignore"):  # at z = 0 there is no area in kpc^2
            log_area = np.log10(pixel_area * cosmology.kpc_per_arcsec(redshift) ** 2)
        sigma = samples["LOGMSTAR"] - log_area
        found["LOGSIGMA"] = np.where(np.isfinite(sigma), sigma, np.nan)
    age = cosmology.age(redshift)
    if sfh == "tau" and {"TAU", "TSTART"} <= samples.keys():
        tau, tstart = (samples[key].astype(float) for key in ("TAU", "TSTART"))
        span = np.maximum(age - tstart, 1e-9)
        mean, half = _of_history(span / tau)
        found["AGE"], found["T50LB"] = span * (1.0 - mean), span * (1.0 - half)
    elif sfh == "dirichlet" and "T50" in samples:
        found["T50LB"] = (1.0 - samples["T50"].astype(float)) * age
    return found
