"""Fill values that mark missing data in an image: detected by frequency, or given by the user."""

import numpy as np

from pixsed.errors import PixsedError
from pixsed.nodata import are_nines

#: A value beyond this, of either sign and in any unit, is not a measurement: its square overflows
#: float32. Limits that depend on units and errors: `pixsed.nodata`, `pixsed.images.informative`.
HUGE = 1e20
# A fill value occurs this many times more often than other values, and at least this often.
_OFTEN, _FEWEST = 10, 30
# A value other than 0 in a smaller fraction of the pixels is saturation or clipping.
_FRACTION = 0.01
# Largest number of fill values in an image; the frequency of the next value is the usual one.
_MOST = 3
# If the most common value of a row occurs this often, the values are rounded to steps.
_STEPS = 3
# Median distance from 0 of the other values, in steps; counts of few photons are nearer.
_FAR = 10


def parse_fill(text):
    """Return the fill values of the option ``--fill``; None for ``auto``.

    Parameters
    ----------
    text : str or None
        ``auto``, ``none``, or numbers separated by commas.

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
        raise PixsedError(f"--fill must be auto, none, or a value such as 0 or -99, got {text}")
    return values


def find_fill(rows):
    """Return the values of an image that can only mean "no data".

    Measured values of a float image hardly ever repeat. A fill value occurs at least 30 times, and
    10 times more often than all values but three. If it is not 0, it takes at least 1 % of the
    pixels.

    Lossy compression rounds each row with a different step, so measured values repeat too. A fill
    value must then occur far more often than any other value in some rows.

    Parameters
    ----------
    rows : `~numpy.ndarray`, shape (n, nx)
        Rows of the image. Values that are not finite are ignored.

    Returns
    -------
    tuple of float
        In ascending order. Empty for integers, and if the image has too few different values.
    """
    if rows.dtype.kind != "f":
        return ()
    values = rows[np.isfinite(rows) & (np.abs(rows) < HUGE)]
    found, counts = np.unique(values, return_counts=True)
    if found.size == 1 and (found[0] <= 0 or are_nines(found)[0]):
        return (float(found[0]) + 0.0,)
    if found.size <= _MOST or np.array_equal(found, np.round(found)):
        return ()
    often = (counts >= _FEWEST) & ((found == 0) | (counts >= _FRACTION * values.size))
    usual = np.partition(counts, -_MOST - 1)[-_MOST - 1]
    candidates = found[often]
    if not candidates.size:
        return ()
    others = [_most_common(row[np.isfinite(row) & ~np.isin(row, candidates)]) for row in rows]
    # The step cannot be determined in rows without other values.
    seen = [other for other in others if other]
    if seen and np.median(seen) < _STEPS:
        return tuple(float(v) + 0.0 for v in found[often & (counts >= _OFTEN * usual)])
    limit = _OFTEN + _STEPS * np.array(others)
    put_in = []
    for value in candidates:
        count = (rows == value).sum(axis=1)
        if count[count > limit].sum() >= _FEWEST:
            put_in.append(float(value) + 0.0)  # turns -0 into 0
    return tuple(put_in) if len(put_in) <= _MOST else ()


def has_suspect_zeros(rows, *, scaled=False):
    """Return whether zeros may mean "no data" in an image of integers, scaled or not.

    They are not taken as fill values, since measured integers repeat too. Zeros are suspect if they
    occur 10 times more often than all values but three, and the other values are far from 0, unlike
    counts of few photons.

    Parameters
    ----------
    rows : `~numpy.ndarray`, shape (n, nx)
        Rows of the image.
    scaled : bool, optional
        Whether the file stores integers, scaled or not. If not, only whole numbers are suspect.
    """
    values = np.asarray(rows, dtype=np.float64)
    found, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    zeros = counts[found == 0].sum()
    if found.size <= _MOST or not (scaled or np.array_equal(found, np.round(found))):
        return False
    usual = np.partition(counts, -_MOST - 1)[-_MOST - 1]
    if zeros < max(_FEWEST, _OFTEN * usual):
        return False
    others = np.abs(values[np.isfinite(values) & (values != 0)])
    return bool(np.median(others) >= _FAR * np.diff(found).min())


def _most_common(values):
    """Return the number of occurrences of the most common value; 0 if there are no values."""
    return int(np.unique(values, return_counts=True)[1].max()) if values.size else 0


def is_fill(values, fill):
    """Return a mask of `values` that are not finite, are beyond `HUGE`, or are in `fill`."""
    empty = ~np.isfinite(values)
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            empty |= np.abs(values) > HUGE
    for value in fill:
        empty |= values == value
    return empty
