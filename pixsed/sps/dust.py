"""Attenuation curves, A(lambda) / A_V.

A_V always refers to the diffuse medium, which attenuates stars older than the birth clouds.
"""

import numpy as np

from pixsed.checks import check_choice
from pixsed.sps.constants import ANGSTROM_PER_MICRON, MICRON_PER_ANGSTROM

#: Fraction of the optical depth of young stars that is in the diffuse medium
#: (Charlot & Fall 2000).
CHARLOT_FALL_MU = 0.3


def calzetti(wave):
    """Return the attenuation curve of Calzetti+00, equation 4, with R_V = 4.05.

    Below 1200 Angstrom, where the published polynomial ends, it continues as lambda^-0.77
    (Carnall+18, after Leitherer+02). Above 2.2 micron the published function continues until
    it reaches zero.

    Parameters
    ----------
    wave : `~numpy.ndarray`
        Rest-frame wavelength, Angstrom, any shape.

    Returns
    -------
    `~numpy.ndarray`
        A(lambda) / A_V, same shape as `wave`, at least 0.
    """
    micron = np.asarray(wave, dtype=float) * MICRON_PER_ANGSTROM

    def blue(x):
        return 2.659 * (-2.156 + 1.509 / x - 0.198 / x**2 + 0.011 / x**3) + 4.05

    def red(x):
        return 2.659 * (-1.857 + 1.040 / x) + 4.05

    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        curve = np.where(
            micron < 0.12,
            blue(0.12) * (micron / 0.12) ** -0.77,
            np.where(micron < 0.63, blue(micron), red(micron)),
        )
    return np.maximum(curve, 0.0) / 4.05


def charlot_fall(wave):
    """Return the curve of the diffuse medium of Charlot & Fall (2000).

    It is (lambda / 5500 Angstrom)^-0.7.

    Parameters
    ----------
    wave : `~numpy.ndarray`
        Rest-frame wavelength, Angstrom, any shape.

    Returns
    -------
    `~numpy.ndarray`
        A(lambda) / A_V, same shape as `wave`.
    """
    return (np.asarray(wave, dtype=float) / 5500.0) ** -0.7


def charlot_fall_young(wave):
    """Return the curve of stars in birth clouds of Charlot & Fall (2000).

    It includes the diffuse medium, which contributes 0.3 of the depth. Both have a slope of
    -0.7, as in the paper.

    Parameters
    ----------
    wave : `~numpy.ndarray`
        Rest-frame wavelength, Angstrom, any shape.

    Returns
    -------
    `~numpy.ndarray`
        A(lambda) over the A_V of the diffuse medium, same shape as `wave`.
    """
    return charlot_fall(wave) / CHARLOT_FALL_MU


def smc(wave):
    """Return the extinction curve of the bar of the Small Magellanic Cloud, R_V = 2.74.

    Below 2700 Angstrom it is the function of Fitzpatrick & Massa with the parameters of
    Gordon+03 (table 3). Above, it is a cubic spline in 1 / lambda through the optical and
    infrared points of table 4, with those at 1.25 and 2.2 micron as corrected by Gordon+16, and
    zero at infinite wavelength. Below 912 Angstrom it is constant.

    Parameters
    ----------
    wave : `~numpy.ndarray`
        Rest-frame wavelength, Angstrom, any shape.

    Returns
    -------
    `~numpy.ndarray`
        A(lambda) / A_V, same shape as `wave`, at least 0.

    References
    ----------
    Gordon, Clayton, Misselt, Landolt & Wolff 2003, ApJ 594, 279; Gordon+16, ApJ 826, 104.
    """
    from scipy.interpolate import CubicSpline

    x = ANGSTROM_PER_MICRON / np.clip(np.asarray(wave, dtype=float), 912.0, None)

    def ultraviolet(x):
        bump = x**2 / ((x**2 - 4.6**2) ** 2 + x**2)
        far = np.where(x > 5.9, 0.5392 * (x - 5.9) ** 2 + 0.05644 * (x - 5.9) ** 3, 0.0)
        return 1.0 + (-4.959 + 2.264 * x + 0.389 * bump + 0.461 * far) / 2.74

    micron = np.array([2.198, 1.65, 1.25, 0.81, 0.65, 0.55, 0.44, 0.37])
    ratio = np.array([0.11, 0.169, 0.25, 0.567, 0.801, 1.00, 1.374, 1.672])
    joint = 1.0 / np.array([0.27, 0.26])
    spline = CubicSpline(
        np.concatenate([[0.0], 1.0 / micron, joint]),
        np.concatenate([[0.0], ratio, ultraviolet(joint)]),
    )
    return np.where(x < joint[0], np.maximum(spline(x), 0.0), ultraviolet(x))


#: Curves of old stars, and of stars and gas in birth clouds.
ATTENUATION = {
    "calzetti": (calzetti, calzetti),
    "charlot-fall": (charlot_fall, charlot_fall_young),
    "smc": (smc, smc),
}


def attenuation_curves(name):
    """Return the curves of an attenuation law for old stars and for stars in birth clouds.

    Parameters
    ----------
    name : str
        A name in `ATTENUATION`.

    Returns
    -------
    old, young : callable
        Functions of rest-frame wavelength [Angstrom] that return A(lambda) / A_V; the same
        function if the law is a single screen.

    Raises
    ------
    PixsedError
        If the law is unknown.
    """
    check_choice("attenuation", name, ATTENUATION)
    return ATTENUATION[name]
