"""Attenuation laws: curves A(lambda) / A_V, and the additional dust of birth clouds.

A_V always refers to the diffuse medium, which attenuates stars older than the birth clouds.
"""

from collections.abc import Callable
from dataclasses import dataclass

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


#: R_V of Calzetti+00.
_RV = 4.05
#: Centre and width of the bump of `salim`, Angstrom.
_BUMP, _BUMP_WIDTH = 2175.0, 350.0


def bump_profile(wave):
    """Return the Drude profile of the 2175 Angstrom bump, with a width of 350 Angstrom.

    Parameters
    ----------
    wave : `~numpy.ndarray`
        Rest-frame wavelength, Angstrom, any shape.

    Returns
    -------
    `~numpy.ndarray`
        1 at 2175 Angstrom, same shape as `wave`.
    """
    square = (np.asarray(wave) * _BUMP_WIDTH) ** 2
    return square / ((np.asarray(wave) ** 2 - _BUMP**2) ** 2 + square)


def salim_ratio(slope):
    """Return R_V of `salim`, equation 4 of Salim+18, for slopes of any shape."""
    return _RV / ((_RV + 1.0) * (4400.0 / 5500.0) ** np.asarray(slope, dtype=float) - _RV)


def salim(wave, slope, bump):
    """Return the attenuation curve of Salim, Boquien & Lee (2018).

    It is the curve of Calzetti+00 times (lambda / 5500 Angstrom)^slope, plus a bump at 2175
    Angstrom (Noll+09). The definition is that of Bagpipes. A(5500 Angstrom) / A_V is 1 for any
    slope, apart from the bump.

    Parameters
    ----------
    wave : `~numpy.ndarray`, shape (W,)
        Rest-frame wavelength, Angstrom.
    slope : `~numpy.ndarray`, shape (N,)
        delta; negative for curves steeper than Calzetti's, below 0.99, where R_V has a pole.
    bump : `~numpy.ndarray`, shape (N,)
        Amplitude B of the bump in A(lambda) / E(B - V), at least 0.

    Returns
    -------
    `~numpy.ndarray`, shape (N, W)
        A(lambda) / A_V.
    """
    slope, bump = np.asarray(slope)[:, None], np.asarray(bump)[:, None]
    tilt = np.exp(slope * np.log(wave / 5500.0).astype(slope.dtype))
    tilt *= calzetti(wave).astype(slope.dtype)
    return tilt + (bump / salim_ratio(slope)).astype(slope.dtype) * bump_profile(wave).astype(
        slope.dtype
    )


@dataclass(frozen=True)
class AttenuationLaw:
    """Curve of an attenuation law, and the dust of birth clouds.

    Attributes
    ----------
    curve : callable
        Function of wavelength [Angstrom], shape (W,), that returns A(lambda) / A_V, shape (W,);
        for a law with `free` shape, a function of wavelength, slope and bump like `salim`.
    young : float
        A_V of stars in birth clouds and of their gas, over that of the other stars. Every
        population has its own value if the law has a `free` shape.
    free : bool
        The populations differ in slope, bump and dust of birth clouds.
    """

    curve: Callable
    young: float = 1.0
    free: bool = False

    @property
    def has_birth_clouds(self):
        """True if stars in birth clouds have their own attenuation."""
        return self.free or self.young != 1.0


#: Attenuation laws by name. Charlot & Fall (2000) give young stars the same slope of -0.7.
ATTENUATION = {
    "calzetti": AttenuationLaw(calzetti),
    "charlot-fall": AttenuationLaw(charlot_fall, young=1.0 / CHARLOT_FALL_MU),
    "smc": AttenuationLaw(smc),
    "salim": AttenuationLaw(salim, free=True),
}


def attenuation_law(name):
    """Return an attenuation law.

    Parameters
    ----------
    name : str
        A name in `ATTENUATION`.

    Returns
    -------
    `AttenuationLaw`

    Raises
    ------
    PixsedError
        If the law is unknown.
    """
    check_choice("attenuation", name, ATTENUATION)
    return ATTENUATION[name]
