"""Cosmology of all pixsed models: flat Lambda-CDM with Om0 = 0.3 and H0 = 70 km/s/Mpc.

`astropy.cosmology` agrees to 1e-7 (a test compares them), but importing it takes most of a second
in every command and worker process. Instead, the age is computed in closed form and distances
from a tabulated integral.
"""

from functools import cache

import numpy as np

H0 = 70.0
OM0 = 0.3
#: Name in headers and model cards.
NAME = "FlatLambdaCDM(H0=70, Om0=0.3)"
Z_MAX = 20.0


def age(z):
    """Return the age of the Universe in Gyr.

    Parameters
    ----------
    z : float or `~numpy.ndarray`
        Redshift, any shape. NaN gives NaN.

    Returns
    -------
    `~numpy.ndarray`
        Age in Gyr, float64, with the shape of `z`. The closed form is for flat Lambda-CDM without
        radiation (Tcmb0 = 0 in astropy).
    """
    z = np.asarray(z, dtype=float)
    ode0 = 1.0 - OM0
    hubble_time = 977.7922216807891 / H0  # Gyr for H0 in km/s/Mpc
    return (
        (2.0 / 3.0 / np.sqrt(ode0))
        * hubble_time
        * np.arcsinh(np.sqrt(ode0 / OM0) * (1.0 + z) ** -1.5)
    )


@cache
def _distance_table():
    # ln(d_L / z) is smooth down to z = 0. d_L is (1 + z) times the integral of dz / E(z), computed
    # by Gauss-Legendre quadrature in steps of ln(1 + z).
    x = np.linspace(0.0, np.log1p(Z_MAX), 8001)
    nodes, weights = np.polynomial.legendre.leggauss(4)
    step = x[1]
    zp1 = np.exp(x[:-1, None] + 0.5 * step * (nodes + 1.0))
    slopes = zp1 / np.sqrt(OM0 * zp1**3 + 1.0 - OM0)
    distance = np.concatenate([[0.0], np.cumsum(slopes @ weights)]) * 0.5 * step
    ratio = np.ones_like(x)
    ratio[1:] = np.exp(x[1:]) * distance[1:] / np.expm1(x[1:])
    return x, np.log(ratio * 299792.458 / H0)


def luminosity_distance(z):
    """Return the luminosity distance in Mpc.

    Parameters
    ----------
    z : float or `~numpy.ndarray`
        Redshift, any shape, 0 to 20. NaN gives NaN.
    """
    z = np.asarray(z, dtype=float)
    return z * np.exp(np.interp(np.log1p(z), *_distance_table()))


def kpc_per_arcsec(z):
    """Return the proper transverse distance of one arcsecond in kpc.

    Parameters
    ----------
    z : float or `~numpy.ndarray`
        Redshift, any shape, 0 to 20. NaN gives NaN; 0 gives 0.
    """
    z = np.asarray(z, dtype=float)
    return luminosity_distance(z) / (1.0 + z) ** 2 * 1000.0 * np.pi / 180.0 / 3600.0
