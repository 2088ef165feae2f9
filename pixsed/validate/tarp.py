"""Joint calibration by distances to random points (TARP, Lemos+23)."""

import numpy as np


class UnitCube:
    """Map of parameters to their cumulative probabilities in a sample of the prior.

    The map makes distances in different parameters comparable. TARP is valid in all coordinates,
    so any fixed monotonic map of each parameter would do.

    Parameters
    ----------
    prior : dict of str to `~numpy.ndarray`, shape (M,)
    """

    def __init__(self, prior):
        self._levels = np.linspace(0.0, 1.0, 513)
        self._knots = {name: np.quantile(v, self._levels) for name, v in prior.items()}

    @property
    def names(self):
        """Names of the parameters, in order."""
        return list(self._knots)

    def __call__(self, values):
        """Map a dict of arrays of one shape to an array with an additional last axis (D,)."""
        return np.stack(
            [np.interp(values[n], knots, self._levels) for n, knots in self._knots.items()], axis=-1
        )


def closer_fraction(truth, samples, reference, rng):
    """Return the fraction of draws that are closer to a reference point than the truth.

    The fractions are uniform between 0 and 1 if the posteriors are correct, for any reference
    points that do not depend on the truth.

    Parameters
    ----------
    truth : `~numpy.ndarray`, shape (N, D)
    samples : `~numpy.ndarray`, shape (N, S, D)
    reference : `~numpy.ndarray`, shape (N, D)
    rng : `~numpy.random.Generator`, or an array (N,) of uniform numbers
        Position within one of the S + 1 intervals of equal probability.

    Returns
    -------
    `~numpy.ndarray`, shape (N,)

    References
    ----------
    Lemos, Coogan, Hezaveh & Perreault-Levasseur 2023, theorem 2.
    """
    theirs = ((samples - reference[:, None]) ** 2).sum(axis=-1)
    own = ((truth - reference) ** 2).sum(axis=-1)[:, None]
    return place_among(own, theirs, rng)


def place_among(value, others, rng):
    """Return the fraction (N,) of `others` (N, S) below `value` (N, 1), ties broken at random."""
    chance = rng if isinstance(rng, np.ndarray) else rng.random(len(others))
    below, equal = (others < value).sum(axis=1), (others == value).sum(axis=1)
    return (below + chance * (equal + 1)) / (others.shape[1] + 1)
