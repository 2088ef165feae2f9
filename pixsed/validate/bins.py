"""Bins of the tables of a report: by S/N, by redshift, and by columns that the user names."""

import numpy as np

from pixsed.errors import PixsedError, listed
from pixsed.io.columns import same_name

_INF = np.inf
#: Largest redshift of models that have the bins below 2, 2 to 4 and above 4 only.
_NEAR = 8.0
#: Largest number of values of a column of text that makes bins.
MOST_VALUES = 20


def standard_bins(z_max):
    """Return the bins of all reports: tuples of quantity, lower edge, upper edge; ALL first.

    Parameters
    ----------
    z_max : float
        Largest redshift of the model. Models beyond z = 8 have bins up to and above z = 7.
    """
    edges = (2.0, 4.0) if z_max <= _NEAR else (2.0, 4.0, 7.0)
    return (("ALL", -_INF, _INF), *_between("SNR", (5.0, 10.0)), *_between("REDSHIFT", edges))


def _between(by, edges):
    ends = (-_INF, *edges, _INF)
    return tuple((by, low, high) for low, high in zip(ends[:-1], ends[1:], strict=True))


#: Bins for models of z up to 8.
BINS = standard_bins(_NEAR)


def parse_by(text):
    """Return the column and the edges, or None, of ``COLUMN`` or ``COLUMN:EDGE,EDGE``.

    Raises
    ------
    PixsedError
        If the edges are not ascending numbers.
    """
    column, colon, edges = text.partition(":")
    try:
        found = [float(edge) for edge in edges.split(",")] if colon else None
    except ValueError:
        found = []
    wrong = found is not None and (not found or not np.all(np.diff([-_INF, *found, _INF]) > 0))
    if not column.strip() or wrong:
        raise PixsedError(
            f"--by {text}: must be a column, or a column with ascending edges; try DUSTSLOPE:-0.7,0"
        )
    return column.strip(), found


def bins_by(columns, by, path):
    """Return the bins of the columns that the user names.

    A column of text makes one bin per value, one of numbers three bins of equal number unless
    edges are given.

    Parameters
    ----------
    columns : dict of `~numpy.ndarray`, shape (N,)
    by : sequence of str
        Arguments of `parse_by`.
    path : path-like
        File of the columns, for messages.

    Returns
    -------
    tuple of tuple
        Column, lower edge and upper edge; ``COLUMN=value`` and infinite edges for text.

    Raises
    ------
    PixsedError
        If a column does not exist, has too many values, or no edges can be found.
    """
    found = []
    for text in by:
        asked, edges = parse_by(text)
        name = same_name(list(columns), asked, path)
        if name is None:
            raise PixsedError(
                f"{path}: --by {text}: there is no column {asked}; choose from "
                f"{listed(list(columns))}"
            )
        values = np.asarray(columns[name])
        if values.dtype.kind not in "fiub":
            found += _of_texts(name, values, edges, path)
            continue
        found += _between(name, _thirds(values, text, path) if edges is None else edges)
    return tuple(found)


def _of_texts(name, values, edges, path):
    kinds = sorted({str(value).strip() for value in values} - {""})
    if edges is not None or not 1 <= len(kinds) <= MOST_VALUES:
        raise PixsedError(
            f"{path}: --by {name}: a column of text must have 1 to {MOST_VALUES} values and takes "
            f"no edges, got {len(kinds)} values; try another column"
        )
    return [(f"{name}={kind}", -_INF, _INF) for kind in kinds]


def _thirds(values, text, path):
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    edges = (
        [float(f"{edge:.3g}") for edge in np.quantile(values, (1 / 3, 2 / 3))]
        if len(values)
        else []
    )
    if len(edges) < 2 or not edges[0] < edges[1]:
        raise PixsedError(
            f"{path}: --by {text}: its values must spread to be divided into three; give edges, "
            f"as --by {text}:0.5"
        )
    return edges


def rows_in(bins, snr, redshift, columns=None):
    """Return a mask of the rows in each bin, shape (N, K).

    Parameters
    ----------
    bins : sequence of tuple
        K bins of `standard_bins` and `bins_by`.
    snr, redshift : `~numpy.ndarray`, shape (N,)
    columns : dict of `~numpy.ndarray`, shape (N,), optional
        Columns of the bins of `bins_by`. NaN is in no bin.
    """
    known = {"ALL": np.zeros(len(snr)), "SNR": snr, "REDSHIFT": redshift}
    masks = []
    for by, low, high in bins:
        name, equals, kind = by.partition("=")
        if equals:
            masks.append(np.array([str(value).strip() == kind for value in columns[name]], bool))
            continue
        value = known[by] if by in known else np.asarray(columns[by], dtype=float)
        masks.append((value >= low) & (value < high))
    return np.stack(masks, axis=1)


def in_bin(result, bin_):
    """Return a mask (N,) of the rows that are used for a bin of `result.kinds`.

    Rows that were added to fill another bin are not used, even if they fall in this one.
    """
    return result.bins[:, result.kinds.index(bin_)]


def bin_name(by, low, high):
    """Return the name of a bin, for example ``S/N 5-10``."""
    name = {"ALL": "all", "SNR": "S/N", "REDSHIFT": "z"}.get(by, by)
    if np.isinf(low) and np.isinf(high):
        return name
    if np.isinf(high):
        return f"{name} > {low:g}"
    if np.isinf(low):
        return f"{name} < {high:g}"
    return f"{name} {low:g}-{high:g}" if low >= 0 else f"{name} {low:g} to {high:g}"
