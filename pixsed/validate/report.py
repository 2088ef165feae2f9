"""FITS tables of a validation report, and the check of their values against limits."""

import numpy as np
from scipy.stats import norm

from pixsed.properties import unit_and_description
from pixsed.validate.bins import bin_name, in_bin
from pixsed.validate.statistics import JOINT, LEVELS

#: Maximum number of rows of the table POINTS.
POINTS = 10_000

#: Table -> its subject, and its columns: (unit, description).
SUBJECTS = {
    "TESTS": (
        "accuracy and calibration, by case, bin and property",
        {
            "CASE": ("", "case: bands and redshift errors of the simulations"),
            "BY": ("", "quantity of the bin: ALL, SNR (mean), REDSHIFT, or a column"),
            "LOW": ("", "lower edge of the bin"),
            "HIGH": ("", "upper edge of the bin"),
            "PARAMETER": ("", "property; JOINT: all free properties, by TARP"),
            "UNIT": ("", "unit of OFFSET, MEAN, SCATTER, MAD, STD and HALF"),
            "N": ("", "simulations"),
            "R2": ("", "coefficient of determination of the medians"),
            "R2_SE": ("", "its standard error"),
            "OFFSET": ("", "median of posterior median - truth"),
            "OFFSET_SE": ("", "its standard error"),
            "MEAN": ("", "mean of posterior median - truth"),
            "SCATTER": ("", "standard deviation of the same"),
            "MAD": ("", "1.4826 times its median absolute deviation"),
            "STD": ("", "mean posterior standard deviation"),
            "HALF": ("", "median half width of the 68 % interval"),
            "PULL": ("", "1.4826 MAD of (median - truth) / posterior STD"),
            "WIDTH": ("", "mean posterior over prior width"),
            "WIDTH_SE": ("", "its standard error"),
            "LEAK": ("", "fraction of draws outside the prior"),
            "R2_PAPER": ("", "R2 of Iglesias-Navarro+25, Table 3"),
            **{
                f"COV{round(100 * level)}{suffix}": ("", text)
                for level in LEVELS
                for suffix, text in (
                    ("", f"coverage of {100 * level:g} % intervals"),
                    ("_SE", "standard error if the model is correct"),
                )
            },
            "KS_D": ("", "largest miss of the ranks' distribution"),
            "KS_P": ("", "p-value of Kolmogorov and Smirnov"),
            "CHI2": ("", "chi^2 of the histogram of ranks, 20 bins"),
            "CHI2_P": ("", "its p-value"),
        },
    ),
    "RANKS": (
        "histograms of ranks of the truths",
        {
            "COUNTS": ("", "simulations in 20 even bins of rank"),
        },
    ),
    "COVERAGE": (
        "coverage of central intervals, and of TARP regions (JOINT)",
        {
            "LEVEL": ("", "nominal"),
            "COVERAGE": ("", "fraction of truths inside"),
        },
    ),
    "RESIDUALS": (
        "posterior median - truth, against truth",
        {
            "TRUTH_LOW": ("", "lower edge of the truth"),
            "TRUTH_HIGH": ("", "upper edge of the truth"),
            "RES_P16": ("", "16 % of posterior median - truth"),
            "RES_P50": ("", "median of posterior median - truth"),
            "RES_P84": ("", "84 % of posterior median - truth"),
        },
    ),
    "WIDTHS": (
        "posterior over prior width against S/N, by redshift",
        {
            "Z_LOW": ("", "lower edge of the redshift"),
            "Z_HIGH": ("", "upper edge of the redshift"),
            "SNR": ("", "median of the mean S/N"),
            "KIND": ("", "STD: of standard deviations; IQR: of interquartile ranges"),
            "WIDTH": ("", "mean posterior over prior width"),
            "WIDTH_SE": ("", "its standard error"),
        },
    ),
    "OOD": (
        "p-values of photometry: uniform for simulations, small for artefacts",
        {
            "KIND": ("", "SIMULATIONS, or the kind of artefact made from them"),
            "OOD_P05": ("", "5 % of the p-values"),
            "OOD_P50": ("", "median p-value"),
            "OOD_P95": ("", "95 % of the p-values"),
            "BELOW01": ("", "fraction below 0.01"),
            "BELOW001": ("", "fraction below 0.001"),
        },
    ),
    "POINTS": (
        "each simulation of the first case",
        {
            "SNR": ("", "mean S/N"),
            "REDSHIFT": ("", "observed redshift"),
            "OOD": ("", "p-value of the photometry"),
        },
    ),
    "ENGINES": (
        "quantile engine against flow, by bin of colour and S/N, and property",
        {
            "BIN": ("", "fifth of a colour (1/5 is the reddest) and S/N"),
            "BIAS": ("", "median difference of medians / half the 68 % width"),
            "OFF50": ("", "median |difference of medians| / half the 68 % width"),
            "OFF95": ("", "its 95 % quantile"),
            "WIDTH": ("", "median ratio of 68 % widths, quantile engine / flow"),
            "COV50": ("", "coverage of the quantile engine's 50 % interval"),
            "COV68": ("", "coverage of its 68 % interval"),
            "COV95": ("", "coverage of its 95 % interval"),
        },
    ),
}
_COMMON = SUBJECTS["TESTS"][1] | {
    "SNR_LOW": ("", "lower edge of the mean S/N"),
    "SNR_HIGH": ("", "upper edge of the mean S/N"),
}
_POINTS = {
    "TRUTH": "truth",
    "P50": "posterior median",
    "STD": "posterior standard deviation",
    "RANK": "fraction of draws below the truth",
}


def table_hdu(name, rows):
    """Return rows as a `~astropy.io.fits.BinTableHDU` with descriptions of its columns."""
    from astropy.table import Table

    columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    return _described(name, Table(columns), {**_COMMON, **SUBJECTS[name][1]})


def points_hdu(result):
    """Return the first `POINTS` simulations of a `~pixsed.validate.sampling.Result` as an HDU."""
    from astropy.table import Table

    few = np.flatnonzero(in_bin(result, result.kinds[0]))[:POINTS]
    columns = {"SNR": result.snr, "REDSHIFT": result.redshift, "OOD": result.ood}
    said = dict(SUBJECTS["POINTS"][1])
    for name, values in result.values.items():
        unit, what = unit_and_description(name)
        for suffix, key in (
            ("TRUTH", "truth"),
            ("P50", "median"),
            ("STD", "std"),
            ("RANK", "rank"),
        ):
            columns[f"{name}_{suffix}"] = values[key]
            said[f"{name}_{suffix}"] = ("" if key == "rank" else unit, f"{_POINTS[suffix]}: {what}")
    table = Table({key: v[few].astype(np.float32) for key, v in columns.items()})
    return _described("POINTS", table, said)


def _described(name, table, said):
    from astropy.io import fits

    from pixsed.io.writers.table_columns import unit_and_comment

    hdu = fits.BinTableHDU(table, name=name)
    hdu.header["SUBJECT"] = SUBJECTS[name][0]
    for number, column in enumerate(table.colnames, 1):
        unit, text = unit_and_comment(*said[column])
        if unit:
            hdu.header[f"TUNIT{number}"] = unit
        hdu.header[f"TCOMM{number}"] = text
    return hdu


def misses(tests, *, coverage=None, joint=None, p_value=None):
    """Return one line per missed limit, the most significant first.

    Parameters
    ----------
    tests : list of dict
        Rows of the table TESTS.
    coverage : float, optional
        Largest miss of the coverage of any interval, property and bin.
    joint : float, optional
        Largest miss of joint coverage (TARP), in any bin, at any level.
    p_value : float, optional
        Smallest p-value of ranks, over all rows of a case.

    Returns
    -------
    list of str
    """
    found = []  # (number of standard errors beyond the limit, line)

    def add(value, limit, error, text):
        if limit is not None and value > limit:
            text = f"{text} misses by {value:.3f} (standard error {error:.3f})"
            found.append(((value - limit) / error, f"{text}, more than {limit:g}"))

    for row in tests:
        where = f"in {row['CASE']}, {bin_name(*map(row.get, _BIN))}"
        if row["PARAMETER"] == JOINT:
            error = 0.5 / max(row["N"], 1) ** 0.5
            add(row["KS_D"], joint, error, f"joint coverage {where}")
            continue
        where = f"of {row['PARAMETER']} {where}"
        if row["LEAK"] > 0:  # worse than any limit
            found.append(
                (np.inf, f"a fraction {row['LEAK']:.2g} of the draws {where} is outside the prior")
            )
        if p_value is not None and row["BY"] == "ALL" and row["KS_P"] < p_value:
            found.append(
                (
                    -norm.ppf(max(row["KS_P"], 1e-300)),
                    f"the ranks {where} are not uniform: p = {row['KS_P']:.2g}, less than "
                    f"{p_value:g}",
                )
            )
        for level in LEVELS:
            key = f"COV{round(100 * level)}"
            add(
                abs(row[key] - level),
                coverage,
                row[f"{key}_SE"],
                f"{100 * level:g} % coverage {where}",
            )
    return [text for _, text in sorted(found, key=lambda item: -item[0])]


_BIN = ("BY", "LOW", "HIGH")


def largest_miss(rows):
    """Return the largest miss of coverage among rows of TESTS, or None.

    Returns
    -------
    miss, error : float
        Coverage minus nominal coverage, and its standard error.
    what : str
        Property and level.
    """
    found = [
        (row[f"COV{p}"] - p / 100, row[f"COV{p}_SE"], f"{row['PARAMETER']} {p} %")
        for row in rows
        if row["PARAMETER"] != JOINT and row["N"] > 1
        for p in (round(100 * level) for level in LEVELS)
    ]
    return max(found, key=lambda item: abs(item[0]), default=None)


def bins_of(tests, case):
    """Yield the name and the rows of each bin of a case in the table TESTS."""
    seen = {}
    for row in tests:
        if row["CASE"] == case:
            seen.setdefault(tuple(map(row.get, _BIN)), []).append(row)
    for bin_, rows in seen.items():
        yield bin_name(*bin_), rows
