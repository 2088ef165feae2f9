"""Joint calibration by distances to random points (TARP; Lemos et al. 2023)."""

import numpy as np


class UnitCube:
    """Parameters as cumulative probabilities of a sample of the prior, each by itself.

    Distances of unlike parameters can then be added. Any fixed monotonic map would do: TARP
    holds in every coordinates.

    Parameters
    ----------
    prior : dict of str to `~numpy.ndarray`, shape (M,)
    """

    def __init__(self, prior):
        self._levels = np.linspace(0.0, 1.0, 513)
        self._knots = {name: np.quantile(v, self._levels) for name, v in prior.items()}

    @property
    def names(self):
        """The parameters, in order."""
        return list(self._knots)

    def __call__(self, values):
        """Return values (dict of arrays of one shape) as an array of that shape and (D,)."""
        return np.stack(
            [np.interp(values[n], knots, self._levels) for n, knots in self._knots.items()], axis=-1
        )


def closer_share(truth, samples, reference, rng):
    """Return the share of draws that are closer to a reference point than the truth is.

    Uniform between 0 and 1 if the posteriors are right, wherever the points are, provided
    that they do not depend on the truth (Lemos et al. 2023, theorem 2).

    Parameters
    ----------
    truth : `~numpy.ndarray`, shape (N, D)
    samples : `~numpy.ndarray`, shape (N, S, D)
    reference : `~numpy.ndarray`, shape (N, D)
    rng : `~numpy.random.Generator`, or an array (N,) of uniform numbers
        Where among the S + 1 places of equal probability.

    Returns
    -------
    `~numpy.ndarray`, shape (N,)
    """
    theirs = ((samples - reference[:, None]) ** 2).sum(axis=-1)
    own = ((truth - reference) ** 2).sum(axis=-1)[:, None]
    return place_among(own, theirs, rng)


def place_among(value, others, rng):
    """Return the share of `others` (N, S) below `value` (N, 1), ties broken at random, (N,)."""
    chance = rng if isinstance(rng, np.ndarray) else rng.random(len(others))
    below, equal = (others < value).sum(axis=1), (others == value).sum(axis=1)
    return (below + chance * (equal + 1)) / (others.shape[1] + 1)
