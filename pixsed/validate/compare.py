"""Comparison of two sets of values: offset, scatter, outliers and errors, below and above z = 3."""

from __future__ import annotations

import numpy as np
from astropy.table import Table

from pixsed.validate.statistics import mad, median_error

#: Redshift between the two bins, as in Fig. 7 of Iglesias-Navarro+25.
SPLIT = 3.0
#: Difference beyond which a value is an outlier, in the unit of the property.
OUTLIER = 1.0
_COLUMNS = {
    "NAME": "property, and RES_ or INT_ of sum-mass",
    "UNIT": "unit of OFFSET, OFFSET_SE, SCATTER, MAD and ERROR; dex of logarithms",
    "BIN": "bin of redshift",
    "Z_LOW": "lower end of the bin, included",
    "Z_HIGH": "upper end of the bin, excluded",
    "N": "number of galaxies or pixels with both values",
    "OFFSET": "median of B - A",
    "OFFSET_SE": "standard error of OFFSET, for independent values",
    "SCATTER": "standard deviation of B - A",
    "MAD": "1.48 times the median absolute deviation of B - A",
    "N_OUT": "number of outliers",
    "FRAC_OUT": "fraction of outliers",
    "ERROR": "median of the 1-sigma errors of A and B added in quadrature",
    "PULL": "scatter (1.48 MAD) of (B - A) / error; 1 if errors are right and independent",
}


def compare(pairs, *, split=SPLIT, outlier=OUTLIER):
    """Return statistics of B - A for all galaxies, and below and above a redshift.

    Parameters
    ----------
    pairs : sequence of `~pixsed.validate.pairs.Pairs`
    split : float, optional
        Redshift between the two bins.
    outlier : float, optional
        Absolute difference beyond which a value is an outlier, in the unit of the property.

    Returns
    -------
    `~astropy.table.Table`
        Three rows per pairs: NAME, UNIT, BIN (``all``, ``z < 3``, ``z >= 3``), Z_LOW, Z_HIGH, N,
        OFFSET (median of B - A) and OFFSET_SE, SCATTER (standard deviation), MAD (1.48 times the
        median absolute deviation), N_OUT and FRAC_OUT (outliers), ERROR (median of the combined
        1-sigma errors) and PULL (scatter of the difference over the error). NaN where there are
        too few values, or no errors. Without a redshift, a value is only in ``all``.
    """
    bins = (
        ("all", -np.inf, np.inf),
        (f"z < {split:g}", -np.inf, split),
        (f"z >= {split:g}", split, np.inf),
    )
    rows = []
    for pair in pairs:
        for name, low, high in bins:
            inside = (pair.redshift >= low) & (pair.redshift < high)
            if name == "all":
                inside = np.ones(len(pair.a), dtype=bool)
            head = (pair.name, difference_unit(pair.unit), name, low, high)
            rows.append((*head, *_statistics(pair, inside, outlier)))
    table = Table(rows=rows, names=list(_COLUMNS))
    for name, text in _COLUMNS.items():
        table[name].description = text
    table["N_OUT"].description += f": |B - A| above {outlier:g} in the unit"
    return table


def difference_unit(unit):
    """Return the unit of a difference of two values: ``dex`` for logarithmic units."""
    return "dex" if unit.startswith("dex") else unit


def _statistics(pair, inside, outlier):
    """Return the numbers of a row, from N on."""
    difference = (pair.b - pair.a)[inside]
    error = np.hypot(pair.a_err, pair.b_err)[inside]
    number = len(difference)
    if not number:
        return (0, *[np.nan] * 4, 0, *[np.nan] * 3)
    several = number > 1
    out = int(np.sum(np.abs(difference) > outlier))
    known = np.isfinite(error) & (error > 0)
    return (
        number,
        np.median(difference),
        median_error(difference) if several else np.nan,
        difference.std() if several else np.nan,
        mad(difference) if several else np.nan,
        out,
        out / number,
        np.median(error[known]) if known.any() else np.nan,
        mad(difference[known] / error[known]) if known.sum() > 1 else np.nan,
    )


def lines(table, a_name, b_name):
    """Return the lines that report a table of `compare`."""
    found = [f"A = {a_name}, B = {b_name}; offset = median of B - A"]
    for row in table:
        if not row["N"]:
            continue
        unit = f" {row['UNIT']}" if row["UNIT"] else ""
        text = f"{row['NAME']:<14} {row['BIN']:<7} N {row['N']:<7} offset {row['OFFSET']:+.3f}"
        if row["N"] > 1:
            text += f" +- {row['OFFSET_SE']:.3f}{unit}, scatter {row['MAD']:.3f}"
            text += f" (std {row['SCATTER']:.3f})"
        else:
            text += unit
        text += f", outliers {row['N_OUT']} ({100 * row['FRAC_OUT']:.2g} %)"
        if np.isfinite(row["ERROR"]):
            text += f", error {row['ERROR']:.3f}"
        if np.isfinite(row["PULL"]):
            text += f", pull {row['PULL']:.2f}"
        found.append(text)
    return found
