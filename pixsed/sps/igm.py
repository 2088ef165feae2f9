"""Absorption by the intergalactic medium."""

import numpy as np

_LYMAN_LIMIT = 911.8


def inoue14(wave, z, coefficients):
    """Return the mean transmission of Inoue+14 for a source at redshift `z`.

    Parameters
    ----------
    wave : `~numpy.ndarray`, shape (W,)
        Rest-frame wavelength, Angstrom.
    z : float
    coefficients : `~numpy.ndarray`, shape (39, 6)
        Table 2 of the paper: line wavelength, three coefficients of the Lyman-alpha
        forest, two of the damped systems.

    Returns
    -------
    `~numpy.ndarray`, shape (W,)
        0 to 1; 1 redward of Lyman alpha.

    References
    ----------
    Inoue, Shimizu, Iwata & Tanaka 2014, MNRAS 442, 1805, equations 20 to 29.
    """
    wave = np.asarray(wave, dtype=float)
    observed = wave * (1.0 + z)
    tau = np.zeros_like(wave)
    for line, f1, f2, f3, d1, d2 in coefficients:
        ratio = observed / line
        inside = (ratio > 1.0) & (wave < line)
        r = ratio[inside]
        forest = np.where(r < 2.2, f1 * r**1.2, np.where(r < 5.7, f2 * r**3.7, f3 * r**5.5))
        damped = np.where(r < 3.0, d1 * r**2, d2 * r**3)
        tau[inside] += forest + damped

    ratio = observed / _LYMAN_LIMIT
    inside = (ratio > 1.0) & (wave < _LYMAN_LIMIT)
    tau[inside] += _forest_continuum(ratio[inside], 1.0 + z)
    tau[inside] += _damped_continuum(ratio[inside], 1.0 + z)
    return np.exp(-np.maximum(tau, 0.0))


def _forest_continuum(r, zp1):
    """Equations 25 to 27."""
    if zp1 < 2.2:
        return 0.325 * (r**1.2 - zp1**-0.9 * r**2.1)
    if zp1 < 5.7:
        low = 2.55e-2 * zp1**1.6 * r**2.1 + 0.325 * r**1.2 - 0.250 * r**2.1
        high = 2.55e-2 * (zp1**1.6 * r**2.1 - r**3.7)
        return np.where(r < 2.2, low, high)
    low = 5.22e-4 * zp1**3.4 * r**2.1 + 0.325 * r**1.2 - 3.14e-2 * r**2.1
    middle = 5.22e-4 * zp1**3.4 * r**2.1 + 0.218 * r**2.1 - 2.55e-2 * r**3.7
    high = 5.22e-4 * (zp1**3.4 * r**2.1 - r**5.5)
    return np.where(r < 2.2, low, np.where(r < 5.7, middle, high))


def _damped_continuum(r, zp1):
    """Equations 28 and 29."""
    if zp1 < 3.0:
        return 0.211 * zp1**2 - 7.66e-2 * zp1**2.3 * r**-0.3 - 0.135 * r**2
    low = (0.634 + 4.70e-2 * zp1**3 - 1.78e-2 * zp1**3.3 * r**-0.3 - 0.135 * r**2
           - 0.291 * r**-0.3)  # fmt: skip
    high = 4.70e-2 * zp1**3 - 1.78e-2 * zp1**3.3 * r**-0.3 - 2.92e-2 * r**3
    return np.where(r < 3.0, low, high)
