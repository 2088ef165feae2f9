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
    r = span / tau
    # Mean of x over x exp(-x) from 0 to r; 2 r / 3 where both vanish.
    small = r < 1e-4
    safe = np.where(small, 1.0, r)
    mean = np.where(small, 2 * r / 3, 2 * gammainc(3, safe) / gammainc(2, safe))
    return span - tau * mean


def tau_t50(tau, tstart, age):
    """Return the lookback time at which half the mass of tau-delayed histories had formed, Gyr.

    Parameters as of `tau_age`.
    """
    span = np.maximum(age - tstart, 1e-9)
    log_r, share = _half_mass_table()
    return span * (1.0 - np.interp(np.log(span / tau), log_r, share))


@cache
def _half_mass_table():
    """Share of its span at which a history has half its mass, against ln(span / tau).

    Inverting the incomplete gamma function for every sample would take longer than the
    flow; between these nodes a straight line is good to 1e-6, and so are its ends: 1/sqrt(2)
    of the span below, where the rise is linear, and next to nothing above.
    """
    log_r = np.linspace(np.log(1e-5), np.log(1e5), 10001)
    r = np.exp(log_r)
    return log_r, gammaincinv(2, 0.5 * gammainc(2, r)) / r


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
        found["AGE"] = tau_age(tau, tstart, age)
        found["T50LB"] = tau_t50(tau, tstart, age)
    elif sfh == "dirichlet" and "T50" in samples:
        found["T50LB"] = (1.0 - samples["T50"].astype(float)) * age
    return found
