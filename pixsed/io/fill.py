"""Values that stand for no data in an image: found by how often they come, or given."""

import numpy as np

from pixsed.errors import PixsedError
from pixsed.nodata import are_nines

#: A value beyond this, of either sign and in any unit, is no measurement; its square is beyond
#: float32. Of what units and typical errors tell: `pixsed.nodata`, `pixsed.images.informative`.
HUGE = 1e20
# A fill value comes this many times more often than other values, and as often at least.
_OFTEN, _FEWEST = 10, 30
# A value other than 0 that takes a smaller fraction of the pixels is saturation or clipping.
_FRACTION = 0.01
# The most fill values of one image; how often the next most common value comes is usual.
_MOST = 3
# Where the most common value of a row comes this often, values are taken to be rounded to steps.
_STEPS = 3
# Steps from 0 that other values are, at the median, where zeros are no counts of few photons.
_FAR = 10


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


def find_fill(rows):
    """Return the values of an image that can only stand for no data.

    Measured values of a float image hardly ever come twice. A value is a fill value if it
    comes at least 30 times, and 10 times more often than all others but two; a value other
    than 0 must also take 1 % of the pixels. Lossy compression rounds each row to steps of
    its own, so that measured values repeat too: a fill value must then come far more often
    than any other in some rows.

    Parameters
    ----------
    rows : `~numpy.ndarray`, shape (n, nx)
        Rows of the image; what is not finite is left out.

    Returns
    -------
    tuple of float
        In order of size. Empty for whole numbers, and where the image has so few different
        values that none stands out.
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
    # A row of nothing else says nothing of steps.
    seen = [other for other in others if other]
    if seen and np.median(seen) < _STEPS:
        return tuple(float(v) + 0.0 for v in found[often & (counts >= _OFTEN * usual)])
    limit = _OFTEN + _STEPS * np.array(others)
    put_in = []
    for value in candidates:
        count = (rows == value).sum(axis=1)
        if count[count > limit].sum() >= _FEWEST:
            put_in.append(float(value) + 0.0)  # of -0, too
    return tuple(put_in) if len(put_in) <= _MOST else ()


def has_suspect_zeros(rows, *, scaled=False):
    """Return whether zeros may stand for no data in an image of whole numbers, scaled or not.

    They are not taken as such, since measured ones come again too; but they are 10 times more
    often than all others but two, which lie far from 0: no counts of few photons do.

    Parameters
    ----------
    rows : `~numpy.ndarray`, shape (n, nx)
    scaled : bool, optional
        Whether the file has integers, with a scale or not; else those with fractions are none.
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
    """Return how often the most common of some values comes; 0 if there are none."""
    return int(np.unique(values, return_counts=True)[1].max()) if values.size else 0


def is_fill(values, fill):
    """Return where `values` are not finite, huge, or one of the values `fill`."""
    empty = ~np.isfinite(values)
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            empty |= np.abs(values) > HUGE
    for value in fill:
        empty |= values == value
    return empty
