"""Properties derived from the parameters of a model, sample by sample."""

from functools import cache

import numpy as np
from scipy.special import gammainc, gammaincinv

from pixsed import cosmology

# Nodes of ln(span / tau): the first, the last, and their number.
_FIRST, _LAST, _NODES = np.log(1e-5), np.log(1e5), 10001


def derive(samples, sfh, redshift, pixel_area=None):
    """Return the derived properties of posterior samples.

    Parameters
    ----------
    samples : dict of str to `~numpy.ndarray`, shape (N, S)
        Samples by parameter.
    sfh : str
        Name of the prior on star-formation histories. Only ``"tau"`` and ``"dirichlet"`` have
        derived times; other models sample AGE and T50LB themselves.
    redshift : `~numpy.ndarray`, shape (N, S) or (N, 1)
        Redshift of each sample.
    pixel_area : float, optional
        Area of a pixel in arcsec^2; without it there is no LOGSIGMA.

    Returns
    -------
    dict of str to `~numpy.ndarray`, shape (N, S), float64
        Those of LOGSIGMA [dex(solMass kpc-2)], AGE [Gyr] and T50LB [Gyr] that can be derived
        and are not parameters. LOGSIGMA is NaN at a redshift without a distance.
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
        mean, half = _formation_times(span / tau)
        found["AGE"], found["T50LB"] = span * (1.0 - mean), span * (1.0 - half)
    elif sfh == "dirichlet" and "T50" in samples:
        found["T50LB"] = (1.0 - samples["T50"].astype(float)) * age
    return {name: values for name, values in found.items() if name not in samples}


def _formation_times(ratio):
    """Return the mean and the median formation time of tau-delayed histories.

    Both are fractions of the span since star formation began, interpolated in `_table` at
    `ratio` = span / tau.
    """
    at = (np.log(ratio) - _FIRST) * ((_NODES - 1) / (_LAST - _FIRST))
    at = np.clip(at, 0.0, _NODES - 1.0)
    low = np.minimum(np.nan_to_num(at).astype(np.int32), _NODES - 2)  # NaN stays in the weight
    weight = at - low
    return [row[low] + weight * (row[low + 1] - row[low]) for row in _table()]


@cache
def _table():
    """Return the mean and the median formation time at each node, shape (2, number of nodes).

    Computing incomplete gamma functions for every sample would take longer than the flow.
    Linear interpolation between these nodes is accurate to 1e-6. So are the constant values
    beyond the ends: 2/3 and 1/sqrt(2) of the span below, where the SFR rises linearly, and
    nearly 0 above.
    """
    r = np.exp(np.linspace(_FIRST, _LAST, _NODES))
    mean = 2.0 * gammainc(3, r) / gammainc(2, r) / r
    mean[r < 1e-4] = 2.0 / 3.0  # where both underflow
    return np.stack([mean, gammaincinv(2, 0.5 * gammainc(2, r)) / r])
