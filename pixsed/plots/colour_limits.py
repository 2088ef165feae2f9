"""Limits of colour scales, and the words that say where they are cut."""

from dataclasses import dataclass

import numpy as np

#: Percentiles at which colour scales are cut: a few pixels at the edge should not set the scale.
PERCENTILES = (1, 99)


@dataclass
class ColourLimits:
    """Limits of a colour scale.

    Attributes
    ----------
    low, high : float
        Values of the first and the last colour.
    extend : str
        ``neither``, ``min``, ``max`` or ``both``: sides on which values lie beyond the limits, as
        for `~matplotlib.figure.Figure.colorbar`.
    note : str
        Percentiles of the limits at which values are cut, such as ``1-99 %``; empty if none are.
    """

    low: float
    high: float
    extend: str
    note: str


def colour_limits(plane, *, from_zero=False, fixed=None):
    """Return the `ColourLimits` of a plane: its `PERCENTILES`.

    Parameters
    ----------
    plane : `~numpy.ndarray`
        Any shape; values that are not finite are ignored.
    from_zero : bool, optional
        Begin at 0, for standard deviations.
    fixed : tuple of float, optional
        Limits in place of the percentiles.
    """
    finite = plane[np.isfinite(plane)]
    if not finite.size:
        return ColourLimits(0.0, 1.0, "neither", "")
    low, high = (float(value) for value in fixed or np.percentile(finite, PERCENTILES))
    if from_zero:
        low = 0.0
    if not high > low:
        low, high = low - 0.5, low + 0.5
    # Interpolated percentiles of nearly equal values differ by rounding.
    slack = 1e-6 * (high - low)
    below, above = finite.min() < low - slack, finite.max() > high + slack
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]
    first, last = PERCENTILES
    notes = {"min": f"from {first} %", "max": f"up to {last} %", "both": f"{first}-{last} %"}
    return ColourLimits(low, high, extend, "" if fixed else notes.get(extend, ""))
