"""Statistics of posteriors and truths: accuracy, calibration, widths, draws outside the prior."""

import numpy as np
from scipy.stats import chisquare, kstest

from pixsed.properties import unit_and_description
from pixsed.validate.bins import in_bin

#: Probabilities of the central intervals whose coverage is tabulated.
LEVELS = (0.50, 0.68, 0.95)
#: Name of the rows of the joint test by TARP.
JOINT = "JOINT"
#: R^2 of Iglesias-Navarro+25, Table 3 (the age: section 3), by prior.
TABLE3 = {
    "tau": {
        "LOGMSTAR": 0.99,
        "LOGSFR": 0.67,
        "TAU": 0.07,
        "TSTART": 0.77,
        "METAL": 0.60,
        "AV": 0.95,
        "AGE": 0.94,
    },
    "dirichlet": {
        "LOGMSTAR": 0.98,
        "LOGSFR": 0.54,
        "T25": 0.49,
        "T50": 0.40,
        "T75": 0.40,
        "METAL": 0.39,
        "AV": 0.92,
    },
}
#: Mean offset of LOGMSTAR [dex] in Fig. 16 of the paper, by the priors of model and simulations.
FIGURE16 = {("tau", "dirichlet"): -0.147, ("dirichlet", "tau"): 0.016}
#: Properties whose widths are interquartile ranges in Fig. 12 of the paper.
BY_QUARTILES = ("TAU", "T25", "T50", "T75")
#: Edges of the bins of mean S/N in Fig. 12.
SNR_EDGES = (-np.inf, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100, np.inf)
RANK_BINS = 20
CURVE_LEVELS = np.arange(1, 100) / 100


def r_squared(truth, median):
    """Return the coefficient of determination of the medians and its standard error.

    R^2 = 1 - sum (truth - median)^2 / sum (truth - mean truth)^2 (footnote 3 of
    Iglesias-Navarro+25). The standard error is from the delta method. Both are NaN if all
    truths are equal.
    """
    square, deviation = (truth - median) ** 2, (truth - truth.mean()) ** 2
    total = deviation.mean()
    if not total > 0:
        return np.nan, np.nan
    left = square.mean() / total
    return 1.0 - left, float((square - left * deviation).std() / total / np.sqrt(len(truth)))


def uniformity(rank):
    """Test whether numbers are uniform between 0 and 1.

    Returns
    -------
    dict of float
        KS_D and KS_P of the Kolmogorov-Smirnov test, where D is the largest difference of the
        cumulative distributions; CHI2 and CHI2_P of a histogram of `RANK_BINS` bins. NaN for
        fewer than two numbers.
    """
    if len(rank) < 2:
        return dict.fromkeys(("KS_D", "KS_P", "CHI2", "CHI2_P"), np.nan)
    ks, chi2 = kstest(rank, "uniform"), chisquare(histogram(rank))
    return {
        "KS_D": float(ks.statistic),
        "KS_P": float(ks.pvalue),
        "CHI2": float(chi2.statistic),
        "CHI2_P": float(chi2.pvalue),
    }


def histogram(rank):
    """Return the counts of ranks in `RANK_BINS` equal bins."""
    return np.histogram(rank, RANK_BINS, (0.0, 1.0))[0]


def _distance(rank, joint):
    """Return the credibility of the central interval, or TARP region, that ends at the truth."""
    return rank if joint else 2 * np.abs(rank - 0.5)


def coverage(rank, joint=False):
    """Return COV50, COV68, COV95 and their standard errors for a correct model, as a dict."""
    found = {}
    for level in LEVELS:
        key = f"COV{round(100 * level)}"
        inside = _distance(rank, joint) < level
        found[key] = float(np.mean(inside)) if len(rank) else np.nan
        found[f"{key}_SE"] = (level * (1 - level) / len(rank)) ** 0.5 if len(rank) else np.nan
    return found


def coverage_curve(rank, joint=False):
    """Return the coverage at `CURVE_LEVELS`, shape (99,)."""
    distance = np.sort(_distance(rank, joint))
    return np.searchsorted(distance, CURVE_LEVELS) / max(len(rank), 1)


def summarise(result, case, prior, paper=None):
    """Return the rows of the table TESTS: one per bin and property.

    Parameters
    ----------
    result : `~pixsed.validate.sampling.Result`
    case : str
    prior : dict of str to `~numpy.ndarray`, shape (M,), or None
        Draws of the prior, with REDSHIFT. Posterior widths are divided by their widths.
    paper : dict, optional
        R^2 of the paper, by property.

    Returns
    -------
    list of dict
    """
    table = []
    for bin_ in result.kinds:
        rows = in_bin(result, bin_)
        head = dict(zip(("CASE", "BY", "LOW", "HIGH"), (case, *bin_), strict=True))
        inside = _prior_in(prior, bin_)
        for name, values in result.values.items():
            some = _known(values, rows)
            found = _accuracy(some, name, inside)
            known = (paper or {}).get(name, np.nan) if bin_[0] == "ALL" else np.nan
            rank = some["rank"]
            table.append(
                head
                | {"PARAMETER": name, "UNIT": unit_and_description(name)[0]}
                | found
                | {"R2_PAPER": known}
                | coverage(rank)
                | uniformity(rank)
            )
        rank = result.joint[rows & np.isfinite(result.joint)]
        nothing = {key: np.nan for key in found if key != "N"} | {"N": len(rank)}
        table.append(
            head
            | {"PARAMETER": JOINT, "UNIT": ""}
            | nothing
            | {"R2_PAPER": np.nan}
            | coverage(rank, joint=True)
            | uniformity(rank)
        )
    return table


def _kinds(result, *by):
    return [bin_ for bin_ in result.kinds if bin_[0] in by]


def _known(values, rows):
    """Return the values of a property in the rows of a mask whose truth is known."""
    rows = rows & np.isfinite(values["truth"])
    return {key: v[rows] for key, v in values.items()}


def _prior_in(prior, bin_):
    """Return the draws of the prior in a bin of redshift; all draws for other bins."""
    by, low, high = bin_
    if prior is None or by != "REDSHIFT":
        return prior
    rows = (prior["REDSHIFT"] >= low) & (prior["REDSHIFT"] < high)
    return {name: v[rows] for name, v in prior.items()}


def _accuracy(values, name, prior):
    truth, median, std = (values[key] for key in ("truth", "median", "std"))
    keys = (
        "R2",
        "R2_SE",
        "OFFSET",
        "OFFSET_SE",
        "MEAN",
        "SCATTER",
        "MAD",
        "STD",
        "HALF",
        "PULL",
        "WIDTH",
        "WIDTH_SE",
        "LEAK",
    )
    if len(truth) < 2:
        return {"N": len(truth)} | dict.fromkeys(keys, np.nan)
    residual = median - truth
    with np.errstate(divide="ignore", invalid="ignore"):
        reduced = residual / std
    numbers = (
        *r_squared(truth, median),
        np.median(residual),
        median_error(residual),
        residual.mean(),
        residual.std(),
        mad(residual),
        std.mean(),
        np.median(values["half"]),
        mad(reduced),
        *_width(values, name, prior),
        values["leak"].mean(),
    )
    found = dict(zip(keys, map(float, numbers), strict=True))
    return {"N": len(truth)} | found


def median_error(values):
    """Return the standard error of a median, from the interquartile range of a normal."""
    q25, q75 = np.quantile(values, (0.25, 0.75))
    return 1.2533 * (q75 - q25) / 1.349 / np.sqrt(len(values))


def mad(values):
    """Return the standard deviation of a normal distribution of the same median deviation."""
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def _width(values, name, prior):
    """Return the mean ratio of posterior to prior width, and its standard error."""
    key = "iqr" if name in BY_QUARTILES else "std"
    if prior is None or name not in prior or len(prior[name]) < 2 or len(values[key]) < 2:
        return np.nan, np.nan
    drawn = prior[name]
    whole = np.subtract(*np.quantile(drawn, (0.75, 0.25))) if key == "iqr" else drawn.std()
    if not whole > 0:
        return np.nan, np.nan
    return values[key].mean() / whole, values[key].std() / whole / np.sqrt(len(values[key]))


def widths(result, case, prior):
    """Return the rows of the table WIDTHS: widths against S/N in bins of redshift (Fig. 12)."""
    table = []
    for by, low, high in _kinds(result, "ALL", "REDSHIFT"):
        inside = _prior_in(prior, (by, low, high))
        at_z = in_bin(result, (by, low, high))
        for first, last in zip(SNR_EDGES[:-1], SNR_EDGES[1:], strict=True):
            rows = at_z & (result.snr >= first) & (result.snr < last)
            for name, values in result.values.items():
                some = {key: v[rows] for key, v in values.items()}
                width, error = _width(some, name, inside)
                table.append(
                    {
                        "CASE": case,
                        "Z_LOW": low,
                        "Z_HIGH": high,
                        "SNR_LOW": first,
                        "SNR_HIGH": last,
                        "SNR": np.median(result.snr[rows]) if rows.any() else np.nan,
                        "PARAMETER": name,
                        "KIND": "IQR" if name in BY_QUARTILES else "STD",
                        "N": int(rows.sum()),
                        "WIDTH": width,
                        "WIDTH_SE": error,
                    }
                )
    return table


def residuals(result, case, bins=15):
    """Return the rows of the table RESIDUALS, by truth and bin of S/N (Figs. 1 and 2)."""
    table = []
    for bin_ in _kinds(result, "ALL", "SNR"):
        rows = in_bin(result, bin_)
        for name, values in result.values.items():
            truth, median, std = (values[key] for key in ("truth", "median", "std"))
            edges = np.linspace(*np.nanquantile(truth, (0.005, 0.995)), bins + 1)
            for low, high in zip(edges[:-1], edges[1:], strict=True):
                here = rows & (truth >= low) & (truth < high)
                if here.sum() < 2:
                    continue
                levels = np.quantile((median - truth)[here], (0.16, 0.5, 0.84))
                table.append(
                    {
                        "CASE": case,
                        "SNR_LOW": bin_[1],
                        "SNR_HIGH": bin_[2],
                        "PARAMETER": name,
                        "UNIT": unit_and_description(name)[0],
                        "TRUTH_LOW": low,
                        "TRUTH_HIGH": high,
                        "N": int(here.sum()),
                        **dict(zip(("RES_P16", "RES_P50", "RES_P84"), levels, strict=True)),
                        "STD": std[here].mean(),
                    }
                )
    return table


def ranks(result, case):
    """Return the rows of the tables RANKS and COVERAGE (Figs. 9 to 11)."""
    counts, curves = [], []
    all_ranks = {name: v["rank"] for name, v in result.values.items()} | {JOINT: result.joint}
    truths = {name: v["truth"] for name, v in result.values.items()}
    for bin_ in result.kinds:
        rows = in_bin(result, bin_)
        for name, rank in all_ranks.items():
            head = dict(zip(("CASE", "BY", "LOW", "HIGH"), (case, *bin_), strict=True))
            rank = rank[rows & np.isfinite(truths.get(name, result.joint))]
            head |= {"PARAMETER": name, "N": len(rank)}
            counts.append(head | {"COUNTS": histogram(rank)})
            curve = coverage_curve(rank, name == JOINT)
            curves.append(head | {"LEVEL": CURVE_LEVELS, "COVERAGE": curve})
    return counts, curves
