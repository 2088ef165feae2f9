"""Mixture of star-formation histories with constant rates in bins of lookback time.

Every history is drawn from numbers that are uniform between 0 and 1 (the latents): a base, and
changes that a fraction of the histories have. Quenched galaxies, bursts on old populations and
rejuvenated galaxies are combinations of them. Rates are never 0, so that logarithms of the mass
fractions have a density.
"""

import numpy as np

from pixsed.simulate.priors.coordinates import student_t2

#: Number of time bins.
N_BINS = 10
#: Upper edge of the first bin, Gyr, and lower edge of the last, over the age of the Universe.
FIRST, LAST = 0.01, 0.8
#: Smallest mass fraction of a bin, and the range above it, in dex.
SMALLEST, _SPREAD = 1e-7, 1.5
#: Fractions of the histories with each base: similar rates in adjacent bins; random times by
#: which quarters of the mass had formed; all mass within a random period.
BASES = {"continuity": 0.35, "times": 0.25, "period": 0.4}
#: Fractions of the histories with each change. The onset is for the base "continuity" only.
ONSET, QUENCHED, BURST, RECENT = 0.5, 0.3, 0.4, 0.25
# Latents: base, scale, walk, onset, quenching, burst, recent rate, floors.
_SIZES = {
    "base": 1,
    "scale": 1,
    "walk": N_BINS - 1,
    "onset": 2,
    "quenched": 3,
    "burst": 3,
    "recent": 2,
    "floor": N_BINS,
}
#: Number of latents.
LATENTS = sum(_SIZES.values())


def bin_edges(at_z):
    """Return the edges of the time bins.

    The first bin is the last 10 Myr, and the last one the first fifth of the age of the
    Universe. Eight bins of equal width in log time are between them.

    Parameters
    ----------
    at_z : `~numpy.ndarray`, shape (N,)
        Age of the Universe, Gyr.

    Returns
    -------
    `~numpy.ndarray`, shape (N, N_BINS + 1)
        Lookback times, Gyr, ascending from 0.
    """
    at_z = np.asarray(at_z, dtype=float)
    inner = np.geomspace(np.full_like(at_z, FIRST), LAST * at_z, N_BINS - 1, axis=1)
    return np.column_stack([np.zeros_like(at_z), inner, at_z])


def mass_fractions(latents, at_z):
    """Return the fraction of the mass formed in each time bin.

    Parameters
    ----------
    latents : `~numpy.ndarray`, shape (N, LATENTS)
        Uniform between 0 and 1.
    at_z : `~numpy.ndarray`, shape (N,)
        Age of the Universe, Gyr.

    Returns
    -------
    `~numpy.ndarray`, shape (N, N_BINS)
        Youngest first; each at least `SMALLEST`; the rows sum to 1.

    Notes
    -----
    * *continuity* (35 % of the histories): log10 of the ratio of the rates of adjacent bins has
      a Student's t distribution with two degrees of freedom (Leja+19), here with a scale of 0.03
      to 1 dex, log-uniform. In half of them star formation begins at a cosmic time that is
      uniform.
    * *times* (25 %): the times of 25, 50 and 75 % of the mass divide the age of the Universe as
      Dirichlet(1, 1, 1, 1) (Iyer+19); the rate is constant in between.
    * *period* (40 %): constant rate from a uniform cosmic time on; in half of them until now, in
      the others for 1 to 100 % of the time that is left, log-uniform.
    * 30 % are quenched by a factor of 2 to 1e5, log-uniform. The lookback time is log-uniform from
      5 Myr to the age in half of them, and uniform in the others.
    * 40 % have a burst, in any bin, of 0.1 to 100 % of the mass, log-uniform.
    * In 25 % the SFR of the last 10 Myr over the mass is log-uniform, 10^-11.5 to 10^-7.5 / yr.
    """
    at_z = np.asarray(at_z, dtype=float)
    ends = np.cumsum(list(_SIZES.values()))[:-1]
    u = dict(zip(_SIZES, np.split(np.asarray(latents, dtype=float), ends, axis=1), strict=True))
    edges = bin_edges(at_z)
    mass = _base(u, edges)
    mass = _quench(mass, u["quenched"], edges)
    mass /= mass.sum(axis=1, keepdims=True)
    flag, where, size = u["burst"].T
    fraction = np.where(flag < BURST, 10.0 ** (-3.0 * size), 0.0)[:, None]
    inside = np.minimum((where * N_BINS).astype(int), N_BINS - 1)[:, None] == np.arange(N_BINS)
    mass = (1.0 - fraction) * mass + fraction * inside
    flag, rate = u["recent"].T
    recent = 10.0 ** (-11.5 + 4.0 * rate) * FIRST * 1e9
    factor = (1.0 - recent) / np.maximum(mass[:, 1:].sum(axis=1), 1e-30)
    replaced = np.column_stack([recent, mass[:, 1:] * factor[:, None]])
    mass = np.where((flag < RECENT)[:, None], replaced, mass)
    # The margin keeps the fractions above the smallest one after the division by the sum.
    mass += SMALLEST * 10.0 ** (0.05 + _SPREAD * u["floor"])
    return mass / mass.sum(axis=1, keepdims=True)


def _overlap(edges, low, high):
    """Return the fraction of each bin between two lookback times, shape (N, N_BINS)."""
    low, high = low[:, None], high[:, None]
    inside = np.minimum(edges[:, 1:], high) - np.maximum(edges[:, :-1], low)
    return np.clip(inside / np.diff(edges, axis=1), 0.0, 1.0)


def _base(u, edges):
    """Return the masses of the base histories, shape (N, N_BINS), in any unit."""
    at_z, width = edges[:, -1], np.diff(edges, axis=1)
    kind = np.searchsorted(np.cumsum(list(BASES.values()))[:-1], u["base"][:, 0], side="right")
    walk = _continuity(u["walk"], u["scale"]) * width
    flag, start = u["onset"].T
    begun = np.where(flag < ONSET, at_z * (1.0 - start), at_z)
    walk = walk * np.maximum(_overlap(edges, np.zeros_like(at_z), begun), SMALLEST)
    # Lookback times of quarters of the mass, by stick-breaking.
    parts = 1.0 - u["walk"][:, :3] ** (1.0 / np.array([3.0, 2.0, 1.0]))
    left = np.cumprod(1.0 - parts, axis=1)
    limits = np.column_stack([np.zeros_like(at_z), 1.0 - left, np.ones_like(at_z)]) * at_z[:, None]
    times = 0.0
    for low, high in zip(limits.T[:-1], limits.T[1:], strict=True):
        rate = 1.0 / np.maximum(high - low, 1e-9)
        times = times + _overlap(edges, low, high) * width * rate[:, None]
    begin = at_z * (1.0 - u["walk"][:, 3])
    lasting = 10.0 ** (-2.0 * np.maximum(2.0 * u["walk"][:, 4] - 1.0, 0.0))
    end = begin * (1.0 - lasting)
    period = _overlap(edges, end, begin) * width
    masses = np.stack([part / part.sum(axis=1, keepdims=True) for part in (walk, times, period)])
    return masses[kind, np.arange(len(at_z))]


def _continuity(u, scale):
    """Return rates in the bins, in any unit, from a walk in log10 of the rate."""
    q = np.clip(2.0 * u - 1.0, -1.0 + 1e-4, 1.0 - 1e-4)
    steps = 0.03 ** (1.0 - scale) * student_t2(q)
    log_rate = np.cumsum(np.pad(np.clip(steps, -5.0, 5.0), ((0, 0), (1, 0))), axis=1)
    log_rate -= log_rate.max(axis=1, keepdims=True)
    return 10.0 ** np.maximum(log_rate, -9.0)


def _quench(mass, u, edges):
    """Return masses with lower rates after a random lookback time in a fraction of rows."""
    flag, when, depth = u.T
    at_z, part = edges[:, -1], 2.0 * when
    time = np.where(part < 1.0, 0.005 * (at_z / 0.005) ** part, at_z * (part - 1.0))
    younger = _overlap(edges, np.zeros_like(time), time)
    factor = 10.0 ** (-0.3 - 4.7 * depth)
    quenched = mass * (1.0 - younger + younger * factor[:, None])
    return np.where((flag < QUENCHED)[:, None], np.maximum(quenched, 1e-30), mass)
