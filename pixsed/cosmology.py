"""The cosmology of every pixsed model: flat, Om0 = 0.3, H0 = 70 km/s/Mpc.

The numbers come from `astropy.cosmology`; they are tabulated once where an
array of redshifts is asked for, since its integrals are slow one by one.
"""

from functools import cache

import numpy as np

H0 = 70.0
OM0 = 0.3
#: How headers and model cards name it.
NAME = "FlatLambdaCDM(H0=70, Om0=0.3)"
Z_MAX = 20.0


@cache
def astropy_cosmology():
    """Return the `astropy.cosmology.FlatLambdaCDM` object."""
    from astropy.cosmology import FlatLambdaCDM

    return FlatLambdaCDM(H0=H0, Om0=OM0)


def age(z):
    """Return the age of the Universe at redshift `z`, in Gyr.

    Parameters
    ----------
    z : float or `~numpy.ndarray`
        Redshift, any shape. NaN gives NaN.

    Returns
    -------
    `~numpy.ndarray`
        Age in Gyr, float64, the shape of `z`. The closed form for flat
        Lambda-CDM without radiation, as astropy's with Tcmb0 = 0.
    """
    z = np.asarray(z, dtype=float)
    ode0 = 1.0 - OM0
    hubble_time = 977.7922216807891 / H0  # Gyr for H0 in km/s/Mpc
    return (2.0 / 3.0 / np.sqrt(ode0)) * hubble_time * np.arcsinh(
        np.sqrt(ode0 / OM0) * (1.0 + z) ** -1.5
    )


@cache
def _distance_table():
    from scipy.interpolate import CubicSpline

    # d_L / z is smooth down to z = 0, where d_L itself is not in the logarithm.
    x = np.linspace(0.0, np.log1p(Z_MAX), 2001)
    z = np.expm1(x)
    ratio = np.empty_like(z)
    ratio[1:] = astropy_cosmology().luminosity_distance(z[1:]).to_value("Mpc") / z[1:]
    ratio[0] = 299792.458 / H0
    return CubicSpline(x, np.log(ratio))


def luminosity_distance(z):
    """Return the luminosity distance in Mpc at redshift `z` (any shape, 0 to 20).

    Agrees with astropy's to better than 1e-6.
    """
    z = np.asarray(z, dtype=float)
    return z * np.exp(_distance_table()(np.log1p(z)))


def kpc_per_arcsec(z):
    """Return the proper transverse kpc in one arcsecond at redshift `z` (any shape)."""
    z = np.asarray(z, dtype=float)
    return luminosity_distance(z) / (1.0 + z) ** 2 * 1000.0 * np.pi / 180.0 / 3600.0
