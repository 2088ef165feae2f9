"""Pictures of a validation report: residuals, ranks, coverage and widths."""

from pathlib import Path

import numpy as np
from scipy.stats import binom

from pixsed.errors import PixsedError
from pixsed.plots.figure import new_figure
from pixsed.plots.labels import LABELS
from pixsed.validate.bins import bin_name

NAMES = ("residuals", "ranks", "coverage", "widths")
_SNR = ((-np.inf, 5.0), (5.0, 10.0), (10.0, np.inf))


def paths(plot):
    """Return a dict of picture name -> file, given the file of `--plot`.

    Raises
    ------
    PixsedError
        If it does not end in .png.
    """
    plot = Path(plot)
    if plot.suffix.lower() != ".png":
        raise PixsedError(f"--plot {plot}: pictures are PNG files; choose a name that ends in .png")
    return {name: plot.with_name(f"{plot.stem}_{name}{plot.suffix}") for name in NAMES}


def draw(hdus):
    """Draw the pictures of the first case of a report.

    Parameters
    ----------
    hdus : `~astropy.io.fits.HDUList`
        Report of `pixsed validate`.

    Returns
    -------
    dict of str to `matplotlib.figure.Figure`
        Pictures by name: the `NAMES` whose tables are in the report.

    Raises
    ------
    PixsedError
        If matplotlib is not installed.
    """
    there = {hdu.name for hdu in hdus}
    makers = {
        "residuals": ("POINTS", _residuals),
        "ranks": ("RANKS", _ranks),
        "coverage": ("COVERAGE", _coverage),
        "widths": ("WIDTHS", _widths),
    }
    return {name: maker(hdus) for name, (table, maker) in makers.items() if table in there}


def _figure(columns, rows, width=2.5, height=2.1):
    figure = new_figure(figsize=(width * columns + 0.5, height * rows + 0.5))
    return figure, figure.subplots(rows, columns, squeeze=False)


def _small(axis):
    axis.tick_params(labelsize=6)


def _title(hdus, text):
    header = hdus[0].header
    return f"{text}: model {header['MODEL']}, noise {header['NOISE']}"


def _parameters(hdus):
    return [name[:-6] for name in hdus["POINTS"].columns.names if name.endswith("_TRUTH")]


def _residuals(hdus):
    """Draw residuals against the truth, one column per bin of S/N, coloured by posterior std."""
    points, names = hdus["POINTS"].data, _parameters(hdus)
    figure, axes = _figure(len(_SNR), len(names), width=3.0, height=1.5)
    for name, line in zip(names, axes, strict=True):
        truth, std = points[f"{name}_TRUTH"], points[f"{name}_STD"]
        residual = points[f"{name}_P50"] - truth
        reach = max(float(np.quantile(np.abs(residual), 0.99)), 1e-3)
        low, high = np.quantile(std, (0.02, 0.98))
        for axis, (first, last) in zip(line, _SNR, strict=True):
            rows = (points["SNR"] >= first) & (points["SNR"] < last)
            dots = axis.scatter(
                truth[rows],
                residual[rows],
                c=std[rows],
                s=3,
                lw=0,
                vmin=low,
                vmax=high,
                cmap="viridis",
            )
            axis.axhline(0, color="k", lw=0.6)
            _running(axis, truth[rows], residual[rows])
            axis.set_ylim(-reach, reach)
            if name == "TAU":
                axis.set_xscale("log")
            axis.set_xlim(truth.min(), truth.max())
            axis.set_xlabel(LABELS.get(name, name), fontsize=7, labelpad=1)
            _small(axis)
        line[0].set_ylabel("median - truth", fontsize=7)
        bar = figure.colorbar(dots, ax=line, aspect=12, pad=0.01)
        bar.set_label(r"posterior $\sigma$", fontsize=6)
        bar.ax.tick_params(labelsize=5)
    for axis, (first, last) in zip(axes[0], _SNR, strict=True):
        axis.set_title(bin_name("SNR", first, last), fontsize=8)
    figure.suptitle(_title(hdus, "residuals"), fontsize=9)
    return figure


def _running(axis, truth, residual, bins=12):
    """Draw the 16, 50 and 84 % quantiles of residuals in bins of equal numbers."""
    if len(truth) < 10 * bins:
        return
    edges = np.quantile(truth, np.linspace(0, 1, bins + 1))
    where = np.clip(np.searchsorted(edges, truth, side="right") - 1, 0, bins - 1)
    levels = np.array(
        [
            np.quantile(residual[where == k], (0.16, 0.5, 0.84))
            if np.any(where == k)
            else (np.nan,) * 3
            for k in range(bins)
        ]
    )
    middle = 0.5 * (edges[1:] + edges[:-1])
    for k, style in enumerate(("--", "-", "--")):
        axis.plot(middle, levels[:, k], style, color="crimson", lw=0.9)


def _of_first_case(table):
    data = table.data
    return data[(data["CASE"] == data["CASE"][0]) & (data["BY"] == "ALL")]


def _grid(count):
    columns = min(count, 5)
    return columns, -(-count // columns)


def _ranks(hdus):
    """Draw histograms of ranks, with the 99 % band of uniform ranks."""
    rows = _of_first_case(hdus["RANKS"])
    columns, lines = _grid(len(rows))
    figure, axes = _figure(columns, lines, height=1.7)
    for axis, row in zip(axes.flat, rows, strict=False):
        counts = row["COUNTS"]
        mean = row["N"] / len(counts)
        low, high = binom.ppf((0.005, 0.995), row["N"], 1 / len(counts))
        axis.axhspan(low, high, color="0.85")
        axis.axhline(mean, color="k", lw=0.8, ls="--")
        axis.stairs(counts, np.linspace(0, 1, len(counts) + 1), color="C0")
        axis.set_ylim(0, max(counts.max(), high) * 1.25)
        axis.set_title(LABELS.get(row["PARAMETER"], row["PARAMETER"]), fontsize=7)
        _small(axis)
    for axis in axes.flat[len(rows) :]:
        axis.set_axis_off()
    for axis in axes[-1]:
        axis.set_xlabel("rank of the truth", fontsize=7)
    figure.suptitle(_title(hdus, f"ranks, {rows['N'][0]} simulations, band 99 %"), fontsize=9)
    return figure


def _coverage(hdus):
    """Draw coverage minus nominal coverage, one panel per bin and one line per property."""
    data = hdus["COVERAGE"].data
    data = data[data["CASE"] == data["CASE"][0]]
    bins = list(dict.fromkeys(zip(data["BY"], data["LOW"], data["HIGH"], strict=True)))
    figure, axes = _figure(4, 2, width=2.6, height=2.2)
    for axis, bin_ in zip(axes.flat, bins, strict=False):
        rows = [row for row in data if (row["BY"], row["LOW"], row["HIGH"]) == bin_]
        level, number = rows[0]["LEVEL"], max(rows[0]["N"], 1)
        axis.fill_between(
            level, *(s * 2.6 * np.sqrt(level * (1 - level) / number) for s in (-1, 1)), color="0.88"
        )
        for k, row in enumerate(rows):
            joint = row["PARAMETER"] == "JOINT"
            axis.plot(
                level,
                row["COVERAGE"] - level,
                color="k" if joint else f"C{k % 10}",
                lw=1.5 if joint else 0.9,
                ls="--" if joint else "-",
                label=row["PARAMETER"],
            )
        axis.axhline(0, color="k", lw=0.6)
        axis.set_title(f"{bin_name(*bin_)} ({number})", fontsize=7)
        _small(axis)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    axes[-1, -1].set_axis_off()
    axes[-1, -1].legend(handles, labels, fontsize=6, ncols=2, loc="center", frameon=False)
    for axis in axes[:, 0]:
        axis.set_ylabel("coverage - nominal", fontsize=7)
    for axis in axes[-1]:
        axis.set_xlabel("nominal", fontsize=7)
    figure.suptitle(_title(hdus, "coverage, band 99 %; JOINT by TARP"), fontsize=9)
    return figure


def _widths(hdus):
    """Draw the ratio of posterior to prior width against mean S/N, by redshift."""
    data = hdus["WIDTHS"].data
    data = data[data["CASE"] == data["CASE"][0]]
    names = list(dict.fromkeys(data["PARAMETER"]))
    columns, lines = _grid(len(names))
    figure, axes = _figure(columns, lines, height=1.8)
    for axis, name in zip(axes.flat, names, strict=False):
        some = data[data["PARAMETER"] == name]
        edges = list(dict.fromkeys(zip(some["Z_LOW"], some["Z_HIGH"], strict=True)))
        for k, (low, high) in enumerate(edges):
            rows = some[(some["Z_LOW"] == low) & (some["Z_HIGH"] == high) & (some["N"] > 9)]
            label = "all z" if low == -high else bin_name("REDSHIFT", low, high)
            axis.errorbar(
                rows["SNR"],
                rows["WIDTH"],
                rows["WIDTH_SE"],
                lw=1,
                marker="o",
                ms=2,
                color="k" if k == 0 else f"C{k}",
                label=label,
            )
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("")
        axis.set_ylim(0, None)
        kind = "IQR" if some["KIND"][0] == "IQR" else r"$\sigma$"
        axis.set_title(f"{LABELS.get(name, name)}, {kind}", fontsize=7)
        _small(axis)
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    for axis in axes[-1]:
        axis.set_xlabel("mean S/N", fontsize=7)
    for axis in axes[:, 0]:
        axis.set_ylabel("posterior / prior", fontsize=7)
    axes[0, 0].legend(fontsize=6)
    figure.suptitle(_title(hdus, "widths"), fontsize=9)
    return figure
