"""Initial mass functions, and the mass in living stars and remnants behind a turn-off mass.

References
----------
Chabrier 2003; Kroupa 2001; Madau & Dickinson 2014; Renzini & Ciotti 1993 (remnants).
"""

import numpy as np

#: Formed mass on a Chabrier IMF over that on a Kroupa IMF, for the same light: the factors 0.63
#: and 0.67 of Madau & Dickinson (2014, section 3.1.1) from a Salpeter IMF.
CHABRIER_OVER_KROUPA = 0.63 / 0.67
#: Smallest and largest mass of a star, Msun, as in BC03; FSPS has `FSPS_MASSES`.
MASSES = (0.1, 100.0)
FSPS_MASSES = (0.08, 120.0)
# Parts of the initial-final mass relation: lower and upper mass, slope, offset [Msun].
_REMNANTS = ((0.0, 8.5, 0.077, 0.48), (8.5, 40.0, 0.0, 1.4), (40.0, 1e3, 0.5, 0.0))


def kroupa(mass):
    """Return dN/dm of Kroupa (2001), of any norm, for masses above 0.1 Msun, any shape."""
    return np.where(mass < 0.5, mass**-1.3, 0.5 * mass**-2.3)


def chabrier(mass):
    """Return dN/dm of Chabrier (2003, for single stars), of any norm, any shape."""
    bell = 0.158 / mass * np.exp(-0.5 * (np.log10(mass / 0.079) / 0.69) ** 2)
    at_one = 0.158 * np.exp(-0.5 * (np.log10(1 / 0.079) / 0.69) ** 2)
    return np.where(mass < 1.0, bell, at_one * mass**-2.3)


IMFS = {"kroupa": kroupa, "chabrier": chabrier}


def _cumulative(imf, power, masses):
    """Return masses, and the integral of m^power dN up to each; the norm is 1 Msun in total."""
    grid = np.geomspace(*masses, 20001)
    values = IMFS[imf](grid) * grid
    step = np.diff(np.log(grid))

    def cumulate(weight):
        density = values * weight
        return np.append(0.0, np.cumsum(0.5 * step * (density[1:] + density[:-1])))

    return grid, cumulate(grid**power) / cumulate(grid)[-1]


def turnoff_mass(living, imf, masses=MASSES):
    """Return the mass below which stars live, from the mass fraction that lives.

    Parameters
    ----------
    living : `~numpy.ndarray`
        Mass in living stars per solar mass formed, any shape.
    imf : {"kroupa", "chabrier"}
    masses : tuple of float, optional
        Smallest and largest mass of a star, Msun.

    Returns
    -------
    `~numpy.ndarray`
        Msun, same shape as `living`.
    """
    grid, mass = _cumulative(imf, 1.0, masses)
    return np.interp(living, mass, grid)


def living_fraction(turnoff, imf, masses=MASSES):
    """Return the mass in stars below `turnoff` [Msun] per solar mass formed, same shape.

    The arguments are those of `remnant_fraction`.
    """
    return np.interp(turnoff, *_cumulative(imf, 1.0, masses))


def remnant_fraction(turnoff, imf, masses=MASSES):
    """Return the mass in remnants per solar mass formed.

    All stars heavier than the turn-off mass have left a remnant by the initial-final mass
    relation of Renzini & Ciotti (1993): 0.077 m + 0.48 below 8.5 Msun, 1.4 Msun up to 40 Msun,
    half the mass above.

    Parameters
    ----------
    turnoff : `~numpy.ndarray`
        Msun, any shape.
    imf : {"kroupa", "chabrier"}
    masses : tuple of float, optional
        Smallest and largest mass of a star, Msun.

    Returns
    -------
    `~numpy.ndarray`
        Same shape as `turnoff`.
    """
    tables = _cumulative(imf, 1.0, masses), _cumulative(imf, 0.0, masses)

    def between(low, high, slope, offset):
        ends = np.stack([np.clip(turnoff, low, high), np.full(np.shape(turnoff), high)])
        mass, number = (np.diff(np.interp(ends, *table), axis=0)[0] for table in tables)
        return slope * mass + offset * number

    return sum(between(*part) for part in _REMNANTS)
