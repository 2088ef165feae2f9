"""Short report of a validation, as lines of text."""

import numpy as np

from pixsed.validate.artefacts import KINDS
from pixsed.validate.bins import bin_name
from pixsed.validate.report import bins_of, largest_miss
from pixsed.validate.statistics import FIGURE16, JOINT, LEVELS

_LEVELS = [f"COV{round(100 * level)}" for level in LEVELS]


def case_lines(tests, case, title):
    """Return the lines of a case: one per property, then one per bin with its largest miss."""
    (_, whole), *_ = bins = list(bins_of(tests, case))
    lines = [
        title,
        f"{'':10s}{'R2':>7s}{'se':>7s}{'paper':>6s}{'offset':>9s}{'se':>6s}{'scatter':>9s}"
        f"{'width':>7s}{'se':>6s}{'50 %':>8s}{'68 %':>8s}{'95 %':>8s}{'KS p':>9s}{'leak':>6s}",
    ]
    for row in whole:
        covered = "".join(f"{row[key]:8.3f}" for key in _LEVELS)
        if row["PARAMETER"] == JOINT:
            lines.append(f"{JOINT:67s}{covered}{row['KS_P']:9.2g}")
            continue
        # Blank if the paper has no value.
        paper = f"{row['R2_PAPER']:6.2f}" if row["R2_PAPER"] == row["R2_PAPER"] else " " * 6
        lines.append(
            f"{row['PARAMETER']:10s}{row['R2']:7.3f}{row['R2_SE']:7.4f}{paper}{row['OFFSET']:+9.3f}"
            f"{row['OFFSET_SE']:6.3f}{row['SCATTER']:9.3f}{row['WIDTH']:7.3f}{row['WIDTH_SE']:6.3f}"
            f"{covered}{row['KS_P']:9.2g}{row['LEAK']:6.2g}"
        )
    errors = "".join(f"{whole[0][f'{key}_SE']:8.4f}" for key in _LEVELS)
    lines.append(f"{'standard error of coverage':67s}{errors}")
    width = max(12, *(len(name) + 1 for name, _ in bins))
    lines.append(
        f"{'bin':{width}s}{'N':>8s}   {'largest miss of coverage':34s}{'joint, TARP':>14s}"
    )
    for name, rows in bins:
        worst = largest_miss(rows)
        if worst is None:
            lines.append(f"{name:{width}s}{rows[0]['N']:8d}")
            continue
        miss, error, what = worst
        said = f"{miss:+.3f} +- {error:.3f}  {what}"
        d = next(r["KS_D"] for r in rows if r["PARAMETER"] == JOINT)
        joint = f"{d:.3f} +- {0.5 / rows[0]['N'] ** 0.5:.3f}"
        lines.append(f"{name:{width}s}{rows[0]['N']:8d}   {said:34s}{joint}")
    return lines


def truth_lines(tests, case, title):
    """Return the lines of galaxies that are not of the model's prior.

    One line per property, then the bias and the coverage of the 68 % intervals in bins.

    Parameters
    ----------
    tests : list of dict
        Rows of the table TESTS.
    case, title : str
    """
    (_, whole), *others = bins_of(tests, case)
    lines = [
        title,
        f"{'':10s}{'N':>7s}{'bias':>9s}{'se':>7s}{'1.48MAD':>9s}{'std':>7s}{'R2':>8s}"
        f"{'width':>8s}{'pull':>7s}{'50 %':>8s}{'68 %':>8s}{'95 %':>8s}",
    ]
    marginal = [row for row in whole if row["PARAMETER"] != JOINT]
    for r in marginal:
        covered = "".join(f"{r[key]:8.3f}" for key in _LEVELS)
        lines.append(
            f"{r['PARAMETER']:10s}{r['N']:7d}{r['OFFSET']:+9.3f}{r['OFFSET_SE']:7.3f}"
            f"{r['MAD']:9.3f}{r['SCATTER']:7.3f}{r['R2']:8.3f}{r['HALF']:8.3f}{r['PULL']:7.2f}"
            f"{covered}"
        )
    errors = "".join(f"{marginal[0][f'{key}_SE']:8.4f}" for key in _LEVELS)
    lines.append(f"{'standard error of coverage':72s}{errors}")
    names = [row["PARAMETER"] for row in marginal]
    for text, key, form in (("bias", "OFFSET", "+10.3f"), ("68 %", "COV68", "10.3f")):
        width = max(12, *(len(name) + 1 for name, _ in others)) if others else 12
        lines.append(f"{text:{width}s}{'N':>7s}" + "".join(f"{name[:9]:>10s}" for name in names))
        for name, rows in others:
            values = {row["PARAMETER"]: row for row in rows}
            count = max(row["N"] for row in rows)
            if count < 2:
                continue
            shown = "".join(f"{values[n][key]:{form}}" for n in names)
            lines.append(f"{name:{width}s}{count:7d}{shown}")
    return lines


def cross_line(tests, model, simulations, case):
    """Return the line of a cross-test: the offset of LOGMSTAR, and that of the paper.

    Parameters
    ----------
    tests : list of dict
        Rows of the table TESTS.
    model, simulations : str
        Priors of the model and of the simulations.
    case : str
    """
    key = (case, "ALL", "LOGMSTAR")
    row = next(r for r in tests if (r["CASE"], r["BY"], r["PARAMETER"]) == key)
    paper = FIGURE16.get((model, simulations))
    beside = f"; the paper's mean {paper:+.3f}" if paper is not None else ""
    return (
        f"cross-test, {model} model on {simulations} simulations: LOGMSTAR off by "
        f"{row['OFFSET']:+.3f} dex (median), {row['MEAN']:+.3f} (mean){beside}"
    )


def ood_lines(rows):
    """Return the lines of the out-of-distribution score."""
    lines = [
        "out-of-distribution score: a p-value, uniform for simulations",
        f"{'':13s}{'case':14s}{'':12s}{'N':>8s}{'5 %':>8s}{'median':>8s}{'< 0.01':>8s}"
        f"{'< 0.001':>9s}{'KS D':>8s}{'KS p':>9s}",
    ]
    for row in rows:
        whole = row["SNR_LOW"] == -np.inf and row["SNR_HIGH"] == np.inf
        if row["KIND"] not in KINDS and row["CASE"] != "paper" and not whole:
            continue
        bin_ = bin_name("ALL" if whole else "SNR", row["SNR_LOW"], row["SNR_HIGH"])
        tests = f"{row['KS_D']:8.3f}{row['KS_P']:9.2g}" if row["KIND"] not in KINDS else ""
        lines.append(
            f"{row['KIND']:13s}{row['CASE']:14s}{bin_:>12s}{row['N']:8d}{row['OOD_P05']:8.2g}"
            f"{row['OOD_P50']:8.2g}{row['BELOW01']:8.3f}{row['BELOW001']:9.3f}{tests}"
        )
    return lines
