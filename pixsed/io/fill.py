"""Values that stand for no data in an image: found by how often they come, or given."""

import numpy as np

from pixsed.errors import PixsedError

#: A value beyond this, of either sign, is no measurement.
HUGE = 1e20
# A fill value comes this many times more often than other values, and as often at least.
_OFTEN, _FEWEST = 10, 30
# Other values than 0 are saturation or clipping where they are fewer.
_FRACTION = 0.01
# As many values may be fill values; the next most common one says what is usual.
_MOST = 3


def parse_fill(text):
    """Return what the option ``--fill`` says: None for ``auto``, else the fill values.

    Parameters
    ----------
    text : str or None
        ``auto``, ``none``, or numbers with commas between.

    Returns
    -------
    tuple of float or None

    Raises
    ------
    PixsedError
        If it is none of these.
    """
    word = "auto" if text is None else str(text).strip().lower()
    if word in ("auto", "none"):
        return None if word == "auto" else ()
    try:
        values = tuple(float(part) for part in word.split(","))
    except ValueError:
        values = (np.nan,)
    if not np.isfinite(values).all():
        raise PixsedError(f"--fill {text} must be auto, none, or a value, as 0 or -99")
    return values


def find_fill(values):
    """Return the values of an image that can only stand for no data.

    Measured values of a float image hardly ever come twice. A value that comes 10 times
    more often than all others but two, and 30 times at least, was put in; other values
    than 0 count from 1 % of the pixels on.

    Parameters
    ----------
    values : `~numpy.ndarray`
        A sample of the image, any shape; what is not finite is left out.

    Returns
    -------
    tuple of float
        In order of size. Empty for integers, and where the image has so few different
        values that none stands out.
    """
    if values.dtype.kind != "f":
        return ()
    values = values[np.isfinite(values) & (np.abs(values) < HUGE)]
    found, counts = np.unique(values, return_counts=True)
    if found.size == 1 and found[0] == 0:
        return (0.0,)
    if found.size <= _MOST:
        return ()
    usual = np.partition(counts, -_MOST - 1)[-_MOST - 1]
    often = counts >= np.maximum(_FEWEST, _OFTEN * usual)
    often &= (found == 0) | (counts >= _FRACTION * values.size)
    return tuple(float(value) for value in found[often])


def is_fill(values, fill):
    """Return where `values` are not finite, huge, or one of the values `fill`."""
    empty = ~np.isfinite(values)
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            empty |= np.abs(values) > HUGE
    for value in fill:
        empty |= values == values.dtype.type(value)
    return empty
