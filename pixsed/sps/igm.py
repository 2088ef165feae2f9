"""Mean transmission of the intergalactic medium towards a source.

The optical depth of a Lyman-series line depends only on the observed wavelength; the
rest-frame wavelength determines which lines absorb. One table over observed wavelength,
summed over the lines, is therefore valid for all redshifts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from pixsed.checks import check_choice

#: Number of points per cell that `transmission_table` averages.
_FINE = 8


def inoue14(wave, z):
    """Return the mean transmission of Inoue+14 for a source at redshift `z`.

    Parameters
    ----------
    wave : `~numpy.ndarray`, shape (W,)
        Rest-frame wavelength, Angstrom.
    z : float

    Returns
    -------
    `~numpy.ndarray`, shape (W,)
        0 to 1; 1 redward of Lyman alpha.

    References
    ----------
    Inoue, Shimizu, Iwata & Tanaka 2014, MNRAS 442, 1805, equations 20 to 29; Table 2.
    """
    return _transmission(_inoue14(), wave, z)


def madau95(wave, z):
    """Return the mean transmission of Madau (1995) for a source at redshift `z`.

    The coefficients of seventeen lines and of metals are those of FSPS. The continuum is
    the approximation of footnote 3 of the paper. FSPS keeps the depth at its maximum
    blueward of the maximum; here it continues as published. The two differ below rest-frame
    700 Angstrom, where the transmission is less than a few per cent.

    Parameters
    ----------
    wave : `~numpy.ndarray`, shape (W,)
        Rest-frame wavelength, Angstrom.
    z : float

    Returns
    -------
    `~numpy.ndarray`, shape (W,)
        0 to 1; 1 redward of Lyman alpha.

    References
    ----------
    Madau 1995, ApJ 441, 18, equations 12, 15 and 16.
    """
    return _transmission(_MADAU95, wave, z)


def no_absorption(wave, z):
    """Return 1 at every wavelength."""
    return np.ones(np.shape(wave))


#: Names of the laws of absorption.
IGM = {"inoue14": inoue14, "madau95": madau95, "none": no_absorption}


def transmission_table(igm, log_edges, n_shift):
    """Return the transmission of cells of log wavelength, for redshifts one cell apart.

    Parameters
    ----------
    igm : str
        A name in `IGM`.
    log_edges : `~numpy.ndarray`, shape (C + 1,)
        Natural log of the cell edges in rest-frame Angstrom, uniformly spaced.
    n_shift : int
        Number of redshifts; row i is for ln(1 + z) = i cells.

    Returns
    -------
    `~numpy.ndarray`, shape (n_shift, C), float32

    Raises
    ------
    PixsedError
        If `igm` is unknown.
    """
    check_igm(igm)
    cells = len(log_edges) - 1
    if igm == "none" or not cells:
        return np.ones((n_shift, cells), dtype=np.float32)
    law = _inoue14() if igm == "inoue14" else _MADAU95
    step = (log_edges[-1] - log_edges[0]) / cells
    rest = np.exp(log_edges[0] + step / _FINE * np.arange(cells * _FINE))
    observed = np.exp(log_edges[0] + step / _FINE * np.arange((cells + n_shift) * _FINE))
    # Row k is the depth of the k reddest lines.
    lines = np.zeros((len(law.wave) + 1, len(observed)))
    np.cumsum(law.line_depth(observed), axis=0, out=lines[1:])
    before = (law.wave[:, None] > rest).sum(axis=0)
    ionising = int((rest < law.limit).sum())
    powers = {power: (observed / law.limit) ** power for power in law.powers}
    flat, at = lines.ravel(), before * len(observed) + np.arange(len(rest))
    out = np.empty((n_shift, cells), dtype=np.float32)
    for shift in range(n_shift):
        start = shift * _FINE
        depth = flat[at + start]
        here = {power: values[start : start + ionising] for power, values in powers.items()}
        depth[:ionising] += law.continuum(here, np.exp(shift * step))
        transmission = np.exp(-np.maximum(depth, 0.0))
        out[shift] = transmission.reshape(cells, _FINE).mean(axis=1)
    return out


def check_igm(igm):
    """Return `igm`, or raise `PixsedError` if it is not a name in `IGM`."""
    check_choice("igm", igm, IGM)
    return igm


@dataclass(frozen=True)
class _Law:
    """Law of absorption by lines, and by the continuum below `limit` (Angstrom).

    `line_depth(observed)` returns the depth (lines, W); `continuum(powers, 1 + z)` takes a dict
    of powers of observed / limit. Both assume that the source is beyond the absorbers.
    """

    wave: np.ndarray
    line_depth: Callable
    limit: float
    powers: tuple
    continuum: Callable


def _transmission(law, wave, z):
    wave = np.asarray(wave, dtype=float)
    observed = wave * (1.0 + z)
    tau = np.where(wave < law.wave[:, None], law.line_depth(observed), 0.0).sum(axis=0)
    below = wave < law.limit
    ratio = observed[below] / law.limit
    tau[below] += law.continuum({power: ratio**power for power in law.powers}, 1.0 + z)
    return np.exp(-np.maximum(tau, 0.0))


@cache
def _inoue14():
    from astropy.table import Table

    table = Table.read(Path(__file__).with_name("inoue14_table2.ecsv"), format="ascii.ecsv")
    line, f1, f2, f3, d1, d2 = (np.array(table[name])[:, None] for name in table.colnames[1:])

    def line_depth(observed):
        r = observed / line
        forest = np.where(r < 2.2, f1 * r**1.2, np.where(r < 5.7, f2 * r**3.7, f3 * r**5.5))
        damped = np.where(r < 3.0, d1 * r**2, d2 * r**3)
        return np.where(r > 1.0, forest + damped, 0.0)

    def continuum(r, zp1):
        both = _forest_continuum(r, zp1) + _damped_continuum(r, zp1)
        return np.where(r[1] > 1.0, both, 0.0)

    return _Law(line.ravel(), line_depth, 911.8, (1, 2, 3, 1.2, 2.1, 3.7, 5.5, -0.3), continuum)


def _forest_continuum(r, zp1):
    """Return the continuum depth of the Lyman alpha forest, equations 25 to 27 of Inoue+14."""
    if zp1 < 2.2:
        return 0.325 * (r[1.2] - zp1**-0.9 * r[2.1])
    if zp1 < 5.7:
        low = 2.55e-2 * zp1**1.6 * r[2.1] + 0.325 * r[1.2] - 0.250 * r[2.1]
        high = 2.55e-2 * (zp1**1.6 * r[2.1] - r[3.7])
        return np.where(r[1] < 2.2, low, high)
    low = 5.22e-4 * zp1**3.4 * r[2.1] + 0.325 * r[1.2] - 3.14e-2 * r[2.1]
    middle = 5.22e-4 * zp1**3.4 * r[2.1] + 0.218 * r[2.1] - 2.55e-2 * r[3.7]
    high = 5.22e-4 * (zp1**3.4 * r[2.1] - r[5.5])
    return np.where(r[1] < 2.2, low, np.where(r[1] < 5.7, middle, high))


def _damped_continuum(r, zp1):
    """Return the continuum depth of damped systems, equations 28 and 29 of Inoue+14."""
    if zp1 < 3.0:
        return 0.211 * zp1**2 - 7.66e-2 * zp1**2.3 * r[-0.3] - 0.135 * r[2]
    low = 0.634 + 4.70e-2 * zp1**3 - 1.78e-2 * zp1**3.3 * r[-0.3] - 0.135 * r[2] - 0.291 * r[-0.3]
    high = 4.70e-2 * zp1**3 - 1.78e-2 * zp1**3.3 * r[-0.3] - 2.92e-2 * r[3]
    return np.where(r[1] < 3.0, low, high)


def _madau95():
    line = np.array(
        [
            1215.67,
            1025.72,
            972.537,
            949.743,
            937.803,
            930.748,
            926.226,
            923.150,
            920.963,
            919.352,
            918.129,
            917.181,
            916.429,
            915.824,
            915.329,
            914.919,
            914.576,
        ]
    )[:, None]
    strength = np.array(
        [
            3.6e-3,
            1.7e-3,
            1.1846e-3,
            9.410e-4,
            7.960e-4,
            6.967e-4,
            6.236e-4,
            5.665e-4,
            5.200e-4,
            4.817e-4,
            4.487e-4,
            4.200e-4,
            3.947e-4,
            3.72e-4,
            3.52e-4,
            3.334e-4,
            3.1644e-4,
        ]
    )[:, None]
    metals = np.zeros_like(strength)
    metals[0] = 1.7e-3

    def line_depth(observed):
        r = observed / line
        return np.where(r > 1.0, strength * r**3.46 + metals * r**1.68, 0.0)

    def continuum(r, zp1):
        tau = (
            0.25 * (zp1**0.46 * r[3] - r[3.46])
            + 9.4 * (zp1**0.18 * r[1.5] - r[1.68])
            - 0.7 * (r[1.68] - zp1**-1.32 * r[3])
            - 0.023 * (zp1**1.68 - r[1.68])
        )
        return np.where(r[1] > 1.0, tau, 0.0)

    return _Law(line.ravel(), line_depth, 911.75, (1, 3, 3.46, 1.5, 1.68), continuum)


_MADAU95 = _madau95()
