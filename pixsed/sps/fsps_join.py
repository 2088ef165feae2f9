"""Join of spectra with BC03's run with age, such that means over wide age bins come out right.

A base spectrum is known for each narrow age bin, and the mean spectrum that is wanted for a few
wide ones. The logarithm of a factor on the base is linear in log age between one node for each
wide bin. Young populations shine with their gas, whose lines and continuum fill gaps of the
stellar spectrum: there, the factor is smoothed over wavelength, lines are left out, and where
gas dominates, the gas is corrected instead.
"""

from dataclasses import dataclass

import numpy as np

# Width of the cells in ln(wavelength) over which factors are smoothed.
_CELL = 0.02
# Number of pixels in a cell above which their median is taken, which weak lines do not move.
_FEW = 10
# Fraction of the light at which a component is scaled by half of what the total asks for.
_FRACTION = 0.1
_STEPS = 12
_TINY = 1e-37


@dataclass
class Problem:
    """Spectra and bins of age that a join starts from.

    Attributes
    ----------
    wave : `~numpy.ndarray`, shape (W,)
        Angstrom.
    lines : `~numpy.ndarray` of bool, shape (W,)
        True at emission lines.
    base : `~numpy.ndarray`, shape (F, W)
        Spectra of the narrow bins.
    overlap : `~numpy.ndarray`, shape (B, F)
        Fraction of each wide bin in each narrow one.
    hat : `~numpy.ndarray`, shape (F, K)
        Linear interpolation in log age from K nodes, the first B of which are the wide bins'.
    wanted : `~numpy.ndarray`, shape (B, W)
        Mean spectra of the wide bins, stars and gas.
    rest : `~numpy.ndarray`, shape (B, W)
        Part of them that is known, and not in `base`.
    gas : `~numpy.ndarray`, shape (G, W)
        Continuum of the gas in the first G wide bins.
    """

    wave: np.ndarray
    lines: np.ndarray
    base: np.ndarray
    overlap: np.ndarray
    hat: np.ndarray
    wanted: np.ndarray
    rest: np.ndarray
    gas: np.ndarray


def smooth(wave, value, weight, prior=0.0):
    """Return values smoothed over cells of wavelength, shape (W,).

    Parameters
    ----------
    wave, value, weight : `~numpy.ndarray`, shape (W,)
        Pixels of weight 0 are left out, and bridged.
    prior : float, optional
        Value to which pixels of little weight tend; at weight 1, half way.
    """
    cell = np.floor(np.log(wave / wave[0]) / _CELL).astype(int)
    use = (weight > 0) & np.isfinite(value)
    centre, level = [], []
    for number in np.unique(cell[use]):
        here = use & (cell == number)
        typical = np.median if here.sum() > _FEW else np.mean
        w = typical(weight[here])
        centre.append(np.log(wave[here]).mean())
        level.append((w * typical(value[here]) + prior) / (w + 1.0))
    if not level:
        return np.full(len(wave), prior)
    level = np.pad(level, 1, mode="edge")
    level = 0.25 * level[:-2] + 0.5 * level[1:-1] + 0.25 * level[2:]
    return np.interp(np.log(wave), centre, level)


def _ratio(value, of):
    return np.log(np.maximum(value, _TINY) / np.maximum(of, _TINY))


def join(problem, start):
    """Return the factors that make the means come out right.

    Parameters
    ----------
    problem : `Problem`
    start : `~numpy.ndarray`, shape (K, W)
        Logarithm of the factor at each node. Those beyond the first B stay as they are.

    Returns
    -------
    factor : `~numpy.ndarray`, shape (F, W)
        On `problem.base`.
    gas : `~numpy.ndarray`, shape (G, W)
        On `problem.gas`.
    """
    p, young = problem, len(problem.gas)
    nodes, correction = start.copy(), np.ones_like(p.gas)
    clear = ~p.lines
    for _ in range(_STEPS):
        light = np.zeros_like(p.wanted)
        light[:young] = p.gas * correction
        for b in range(len(p.wanted)):
            mean = p.overlap[b] @ (p.base * np.exp(p.hat @ nodes))
            target = nodes[b] + _ratio(p.wanted[b] - light[b] - p.rest[b], mean)
            if b >= young:
                nodes[b] = target
                continue
            weight = clear * (mean / p.wanted[b] / _FRACTION) ** 2
            trusted = clear & (mean > 0.3 * p.wanted[b])
            prior = np.median(target[trusted]) if trusted.any() else 0.0
            nodes[b] = smooth(p.wave, target, weight, prior)
            left = p.wanted[b] - p.rest[b] - p.overlap[b] @ (p.base * np.exp(p.hat @ nodes))
            weight = clear * (p.gas[b] / p.wanted[b] / _FRACTION) ** 2
            correction[b] = np.exp(smooth(p.wave, _ratio(left, p.gas[b]), weight))
    factor = np.exp(p.hat @ nodes)
    return factor, correction
