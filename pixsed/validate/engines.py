"""Comparison of the quantile engine of a model with its flow, on the same pixels."""

import numpy as np

from pixsed.fit.draws import DEFAULT_SAMPLES
from pixsed.fit.options import ENGINES, FitOptions
from pixsed.fit.posterior import Rows, summarise
from pixsed.properties import ordered, quantile_name

#: Fraction inside an interval -> quantiles at its ends.
INTERVALS = {0.5: (0.25, 0.75), 0.68: (0.16, 0.84), 0.95: (0.025, 0.975)}
_LEVELS = (0.5, *sorted(q for ends in INTERVALS.values() for q in ends))


def compare_engines(model, observed, *, rows=4000, samples=DEFAULT_SAMPLES, seed=9, jobs=1):
    """Return the differences between the quantile engine and the flow, one row per property.

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
        PARAMETER, N; OFF50 and OFF95, the median and the 95 % quantile of the distance of the
        two medians over half the 68 % width of the flow; WIDTH, the median ratio of the 68 %
        widths, quantile engine over flow; COV50, COV68 and COV95, the fraction of truths inside the
        intervals of the quantile engine, NaN without truth. Empty if the model has no
        quantile engine.
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
    table = []
    for name in ordered(names):
        if name == "REDSHIFT" and not photo_z:
            continue
        low, high = (f"{name}_{quantile_name(q)}" for q in INTERVALS[0.68])
        half = 0.5 * (flow[high] - flow[low])
        good = np.isfinite(half) & (half > 0)
        off = np.abs(quick[f"{name}_P50"] - flow[f"{name}_P50"])[good] / half[good]
        ratio = 0.5 * (quick[high] - quick[low])[good] / half[good]
        middle, far = np.quantile(off, (0.5, 0.95)).tolist()
        row = {
            "PARAMETER": name,
            "N": int(good.sum()),
            "OFF50": middle,
            "OFF95": far,
            "WIDTH": float(np.median(ratio)),
        }
        truth = observed.truth.get(name)
        for level, ends in INTERVALS.items():
            row[f"COV{round(100 * level)}"] = np.nan
            if truth is not None:
                below, above = (quick[f"{name}_{quantile_name(q)}"][good] for q in ends)
                true = np.asarray(truth)[number][good]
                inside = (true >= below) & (true <= above)
                row[f"COV{round(100 * level)}"] = float(inside.mean())
        table.append(row)
    return table


def engine_lines(rows):
    """Return the lines of the short report."""
    if not rows:
        return []
    lines = [
        "quantile engine against flow: distance of medians over half the flow's 68 % width, ratio "
        "of widths, coverage of its own intervals",
        f"{'':10s}{'N':>8s}{'median':>8s}{'95 %':>8s}{'widths':>8s}"
        + "".join(f"{round(100 * level):6d} %" for level in INTERVALS),
    ]
    for r in rows:
        covered = "".join(f"{r[f'COV{round(100 * level)}']:8.3f}" for level in INTERVALS)
        lines.append(
            f"{r['PARAMETER']:10s}{r['N']:8d}{r['OFF50']:8.3f}{r['OFF95']:8.3f}"
            f"{r['WIDTH']:8.3f}{covered}"
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
        "and 95 % quantile; ratio of the 68 % widths; coverage of its own intervals.",
        "",
        "| | median | 95 % | widths | 50 % | 68 % | 95 % |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        covered = " | ".join(f"{r[f'COV{round(100 * level)}']:.3f}" for level in INTERVALS)
        lines.append(
            f"| {r['PARAMETER']} | {r['OFF50']:.3f} | {r['OFF95']:.3f} | "
            f"{r['WIDTH']:.3f} | {covered} |"
        )
    return lines
