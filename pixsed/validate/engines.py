"""Comparison of the quantile engine of a model with its flow, on the same pixels."""

import itertools

import numpy as np

from pixsed.bands import BY_NAME
from pixsed.fit.draws import DEFAULT_SAMPLES
from pixsed.fit.options import ENGINES, FitOptions
from pixsed.fit.posterior import Rows, summarise
from pixsed.properties import ordered, quantile_name
from pixsed.validate.bins import bin_name

#: Fraction inside an interval -> quantiles at its ends.
INTERVALS = {0.5: (0.25, 0.75), 0.68: (0.16, 0.84), 0.95: (0.025, 0.975)}
#: Smallest number of rows of a bin whose offset is judged.
FEWEST = 50
# Wavelengths of the colour in micron, number of bins of colour, edges of those of S/N.
_COLOUR = (1.15, 4.4)
_COLOURS = 5
_SNR_EDGES = (-np.inf, 10.0, 30.0, np.inf)
_LEVELS = (0.5, *sorted(q for ends in INTERVALS.values() for q in ends))


def compare_engines(model, observed, *, rows=6000, samples=DEFAULT_SAMPLES, seed=9, jobs=1):
    """Return the differences between the quantile engine and the flow, by bin and property.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    observed : `~pixsed.validate.cases.Observed`
        Simulations; their truth gives the coverage.
    rows : int, optional
        Number of rows compared, from the first on.
    samples, seed, jobs : int, optional
        Number of draws per row, seed and number of threads of the flow.

    Returns
    -------
    list of dict
        BIN, the name of a bin of colour and S/N (`colour_bins`; the first is ``all``); PARAMETER;
        N; BIAS, the median of the difference of the two medians, quantile engine minus flow, over
        half the 68 % width of the flow; OFF50 and OFF95, the median and the 95 % quantile of its
        absolute value; WIDTH, the median ratio of the 68 % widths, quantile engine over flow;
        COV50, COV68 and COV95, the fraction of truths inside the intervals of the quantile engine,
        NaN without truth. Empty if the model has no quantile engine.
    """
    if "quantile" not in getattr(model, "engines", ()):
        return []
    number = np.arange(min(rows, len(observed)))
    arrays = observed.flux, observed.flux_err, observed.redshift, observed.redshift_err
    seen = Rows(*(np.asarray(values)[number] for values in arrays), 0 * number, number)
    options = (FitOptions(samples=samples, quantiles=_LEVELS, seed=seed, engine=e) for e in ENGINES)
    flow, quick = (summarise(model, seen, o, jobs=jobs) for o in options)
    photo_z = model.infers_redshift or bool((seen.redshift_err > 0).any())
    names = [key[:-4] for key in quick if key.endswith("_P50") and key in flow]
    names = [name for name in ordered(names) if photo_z or name != "REDSHIFT"]
    snr = np.asarray(observed.snr)[number]
    table = []
    for bin_, inside in colour_bins(seen.flux, snr, model.bands).items():
        for name in names:
            truth = observed.truth.get(name)
            truth = None if truth is None else np.asarray(truth, dtype=float)[number]
            table.append({"BIN": bin_, **_compared(name, flow, quick, truth, inside)})
    return table


def colour_bins(flux, snr, bands):
    """Return masks (N,) of the rows in fifths of an observed colour, each in bins of S/N.

    The colour is the ratio of the fluxes in the bands nearest to 1.15 and 4.4 micron that any row
    has. Rows with a flux below 0 in the redder one, or without one of the two, are in no fifth.

    Parameters
    ----------
    flux : `~numpy.ndarray`, shape (N, B)
    snr : `~numpy.ndarray`, shape (N,)
    bands : sequence of str

    Returns
    -------
    dict of str to `~numpy.ndarray` of bool
        By name; the first bin, ``all``, holds all rows.
    """
    found = {"all": np.ones(len(flux), dtype=bool)}
    here = np.flatnonzero(np.isfinite(flux).any(axis=0))
    known = [i for i in here if bands[i] in BY_NAME]
    if len(known) < 2:
        return found
    waves = np.array([BY_NAME[bands[i]].pivot_um for i in known])
    blue, red = (known[int(np.abs(np.log(waves / wave)).argmin())] for wave in _COLOUR)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(flux[:, red] > 0, flux[:, blue] / flux[:, red], np.nan)
    good = np.isfinite(ratio)
    if blue == red or good.sum() < 2:
        return found
    edges = np.quantile(ratio[good], np.arange(1, _COLOURS) / _COLOURS)
    fifth = np.searchsorted(edges, ratio, side="right")
    for low, high in itertools.pairwise(_SNR_EDGES):
        at_snr = good & (snr >= low) & (snr < high)
        for i in range(_COLOURS):
            name = f"{bands[blue]}-{bands[red]} {i + 1}/{_COLOURS}"
            found[f"{name}, {bin_name('SNR', low, high)}"] = at_snr & (fifth == i)
    return found


def _compared(name, flow, quick, truth, inside):
    """Return the row of a property in a bin, without the name of the bin."""
    low, high = (f"{name}_{quantile_name(q)}" for q in INTERVALS[0.68])
    half = 0.5 * (flow[high] - flow[low])
    good = inside & np.isfinite(half) & (half > 0)
    row = {"PARAMETER": name, "N": int(good.sum())}
    keys = ("BIAS", "OFF50", "OFF95", "WIDTH", *(f"COV{round(100 * v)}" for v in INTERVALS))
    if not good.any():
        return row | dict.fromkeys(keys, np.nan)
    off = (quick[f"{name}_P50"] - flow[f"{name}_P50"])[good] / half[good]
    ratio = 0.5 * (quick[high] - quick[low])[good] / half[good]
    covered = []
    for ends in INTERVALS.values():
        if truth is None:
            covered.append(np.nan)
            continue
        below, above = (quick[f"{name}_{quantile_name(q)}"][good] for q in ends)
        covered.append(np.mean((truth[good] >= below) & (truth[good] <= above)))
    levels = np.quantile(np.abs(off), (0.5, 0.95))
    numbers = (np.median(off), *levels, np.median(ratio), *covered)
    return row | dict(zip(keys, map(float, numbers), strict=True))


def worst_bins(rows):
    """Return the row with the largest |BIAS| of each property, over bins of `FEWEST` rows."""
    found = {}
    for row in rows:
        last = found.get(row["PARAMETER"])
        if row["N"] >= FEWEST and (last is None or abs(row["BIAS"]) > abs(last["BIAS"])):
            found[row["PARAMETER"]] = row
    return found


def engine_lines(rows):
    """Return the lines of the short report."""
    if not rows:
        return []
    lines = [
        "quantile engine against flow: distance of medians over half the flow's 68 % width, ratio "
        "of widths, coverage of its own intervals; largest median difference in a bin of colour "
        "and S/N (1/5: the reddest fifth)",
        f"{'':10s}{'N':>8s}{'median':>8s}{'95 %':>8s}{'widths':>8s}"
        + "".join(f"{round(100 * level):6d} %" for level in INTERVALS)
        + f"{'worst':>8s}",
    ]
    worst = worst_bins(rows)
    for r in _whole(rows):
        covered = "".join(f"{r[f'COV{round(100 * level)}']:8.3f}" for level in INTERVALS)
        at = worst.get(r["PARAMETER"])
        where = f"{at['BIAS']:+8.2f}  {at['BIN']}" if at else ""
        lines.append(
            f"{r['PARAMETER']:10s}{r['N']:8d}{r['OFF50']:8.3f}{r['OFF95']:8.3f}"
            f"{r['WIDTH']:8.3f}{covered}{where}"
        )
    return lines


def card_lines(rows):
    """Return the lines of the card of a model, in Markdown."""
    if not rows:
        return []
    lines = [
        "",
        "### The quantile engine",
        "",
        "Against the flow: distance of the medians over half of the flow's 68 % width, its median "
        "and 95 % quantile; ratio of the 68 % widths; coverage of its own intervals; the largest "
        "median difference in a bin of observed colour and S/N, with the bin (1/5: the reddest "
        "fifth).",
        "",
        "| | median | 95 % | widths | 50 % | 68 % | 95 % | worst | in |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    worst = worst_bins(rows)
    for r in _whole(rows):
        covered = " | ".join(f"{r[f'COV{round(100 * level)}']:.3f}" for level in INTERVALS)
        at = worst.get(r["PARAMETER"])
        where = f"{at['BIAS']:+.2f} | {at['BIN']}" if at else " | "
        lines.append(
            f"| {r['PARAMETER']} | {r['OFF50']:.3f} | {r['OFF95']:.3f} | "
            f"{r['WIDTH']:.3f} | {covered} | {where} |"
        )
    return lines


def _whole(rows):
    return [row for row in rows if row["BIN"] == "all"]
