"""Attenuation curves, A(lambda) / A_V."""

import numpy as np


def calzetti(wave):
    """Return the Calzetti+00 curve, R_V = 4.05.

    Below 1200 Angstrom, where the published polynomial ends, it goes on as
    lambda^-0.77 (Carnall+18, after Leitherer+02); above 2.2 micron the published line
    goes on to where it meets zero.

    Parameters
    ----------
    wave : `~numpy.ndarray`
        Rest-frame wavelength, Angstrom, any shape.

    Returns
    -------
    `~numpy.ndarray`
        A(lambda) / A_V, the shape of `wave`, never negative.
    """
    micron = np.asarray(wave, dtype=float) * 1e-4

    def blue(x):
        return 2.659 * (-2.156 + 1.509 / x - 0.198 / x**2 + 0.011 / x**3) + 4.05

    def red(x):
        return 2.659 * (-1.857 + 1.040 / x) + 4.05

    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        curve = np.where(
            micron < 0.12, blue(0.12) * (micron / 0.12) ** -0.77,
            np.where(micron < 0.63, blue(micron), red(micron)),
        )  # fmt: skip
    return np.maximum(curve, 0.0) / 4.05
