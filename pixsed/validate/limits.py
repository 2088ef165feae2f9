"""Limits of a validation on biases, on the coverage of 68 % intervals, and on the engines."""

from pixsed.errors import PixsedError
from pixsed.properties import ordered
from pixsed.validate.bins import bin_name
from pixsed.validate.engines import FEWEST
from pixsed.validate.statistics import JOINT


def check_limit_names(options, scored):
    """Raise `PixsedError` if a limit is for a property that is not scored.

    Parameters
    ----------
    options : `~pixsed.validate.options.ValidateOptions`
    scored : collection of str
        Properties of all cases.
    """
    named = {"--limit-for": options.limit_for or (), "--max-bias": options.max_bias or ()}
    for option, names in named.items():
        if unknown := [name for name in names if name and name not in scored]:
            raise PixsedError(
                f"{option}: {unknown[0]} is not compared with truths; choose from "
                f"{', '.join(ordered(scored))}"
            )


def limited(tests, limit_for=None):
    """Return the rows of TESTS that the limits on bias and coverage are for.

    These are the rows over a whole case and in the bins of columns that the user names, of the
    properties `limit_for` (default: all).
    """
    return [
        row
        for row in tests
        if row["BY"] not in ("SNR", "REDSHIFT")
        and row["PARAMETER"] != JOINT
        and (limit_for is None or row["PARAMETER"] in limit_for)
        and row["N"] > 1
    ]


def _where(row):
    bin_ = bin_name(row["BY"], row["LOW"], row["HIGH"])
    return f"of {row['PARAMETER']} in {row['CASE']}, {bin_}"


def bias_misses(tests, max_bias, limit_for=None):
    """Return one line per bias above its limit, the largest ratio first.

    Parameters
    ----------
    tests : list of dict
        Rows of the table TESTS.
    max_bias : dict of str to float, or None
        Largest absolute median offset by property; the key ``""`` is for the properties of
        `limit_for` that have no limit of their own.
    limit_for : sequence of str, optional
        Default: all properties.

    Returns
    -------
    list of str
    """
    found = []
    for row in limited(tests) if max_bias else ():
        name = row["PARAMETER"]
        others = max_bias.get("") if limit_for is None or name in limit_for else None
        limit = max_bias.get(name, others)
        if limit is not None and abs(row["OFFSET"]) > limit:
            text = (
                f"the bias {_where(row)} is {row['OFFSET']:+.3f} (standard error "
                f"{row['OFFSET_SE']:.3f}), more than {limit:g}"
            )
            found.append((abs(row["OFFSET"]) / max(limit, 1e-9), text))
    return [text for _, text in sorted(found, key=lambda item: -item[0])]


def coverage_misses(tests, limits, limit_for=None):
    """Return one line per coverage of a 68 % interval that is out of limits, the worst first.

    Parameters
    ----------
    tests : list of dict
        Rows of the table TESTS.
    limits : tuple of float, or None
        Smallest and largest coverage.
    limit_for : sequence of str, optional
        Properties; default: all.

    Returns
    -------
    list of str
    """
    found = []
    for row in limited(tests, limit_for) if limits else ():
        beyond = max(limits[0] - row["COV68"], row["COV68"] - limits[1])
        if beyond > 0:
            text = (
                f"68 % coverage {_where(row)} is {row['COV68']:.3f} (standard error "
                f"{row['COV68_SE']:.3f}), not within {limits[0]:g} to {limits[1]:g}"
            )
            found.append((beyond, text))
    return [text for _, text in sorted(found, key=lambda item: -item[0])]


def engine_misses(rows, limit):
    """Return one line per offset of the quantile engine above `limit`, the largest first.

    Parameters
    ----------
    rows : list of dict
        Rows of `~pixsed.validate.engines.compare_engines`.
    limit : float or None
        Largest median offset in any bin, over half of the flow's 68 % width.

    Returns
    -------
    list of str
    """
    found = [
        (abs(row["BIAS"]), row)
        for row in rows
        if limit is not None and row["N"] >= FEWEST and abs(row["BIAS"]) > limit
    ]
    return [
        f"the quantile engine's {row['PARAMETER']} is {row['BIAS']:+.2f} sigma off the flow's "
        f"({row['BIN']}, {row['N']} rows), more than {limit:g}"
        for _, row in sorted(found, key=lambda item: -item[0])
    ]
