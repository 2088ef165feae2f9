"""Picture of a comparison: B against A, and B - A, coloured by redshift (Fig. 7)."""

import textwrap

import numpy as np

from pixsed.plots.figure import new_figure
from pixsed.plots.labels import label
from pixsed.validate.compare import difference_unit

_COLUMNS = 4
_INCHES = 3.1
# More points than this without two redshifts are drawn as a density.
_DENSE = 2000
# Fewer points than this have error bars.
_WITH_ERRORS = 60


def draw(pairs, table):
    """Draw pairs of values: above B against A, below B - A against A.

    Points are coloured by redshift if there are two or more; many points without, such as pixels
    of one galaxy, are drawn as a density. The solid line is 1:1. For logarithmic properties the
    dashed lines are 0.5 dex and the dotted lines 1 dex off, as in Fig. 7 of Iglesias-Navarro+25.

    Parameters
    ----------
    pairs : sequence of `~pixsed.validate.pairs.Pairs`
    table : `~astropy.table.Table`
        From `pixsed.validate.compare.compare`; its numbers stand above each panel.

    Returns
    -------
    `matplotlib.figure.Figure`

    Raises
    ------
    PixsedError
        If matplotlib is not installed.
    """
    columns = min(len(pairs), _COLUMNS)
    lines = -(-len(pairs) // columns)
    figure = new_figure(figsize=(_INCHES * columns + 0.9, 4.6 * lines + 0.3))
    axes = figure.subplots(
        2 * lines, columns, squeeze=False, height_ratios=[3, 1.3] * lines, sharex=False
    )
    limits = _redshift_limits(pairs)
    dots = None
    for number, pair in enumerate(pairs):
        line, column = divmod(number, columns)
        above, below = axes[2 * line : 2 * line + 2, column]
        drawn = _panel(above, below, pair, limits)
        if limits is None and drawn is not None:
            bar = figure.colorbar(drawn, ax=above, aspect=30, pad=0.01)
            bar.set_label("pixels" if pair.pixels else "galaxies", fontsize=7)
            bar.ax.tick_params(labelsize=6)
        dots = drawn if limits is not None else None
        rows = table[table["NAME"] == pair.name]
        above.set_title(_title(pair, rows), fontsize=6.5, loc="left")
    for number in range(len(pairs), lines * columns):
        line, column = divmod(number, columns)
        for axis in axes[2 * line : 2 * line + 2, column]:
            axis.set_axis_off()
    if dots is not None:
        bar = figure.colorbar(dots, ax=axes, aspect=40, pad=0.01)
        bar.set_label("redshift", fontsize=8)
        bar.ax.tick_params(labelsize=7)
    figure.suptitle(
        "\n".join(
            textwrap.shorten(f"{letter}: {name}", 30 * columns + 20, placeholder=" ...")
            for letter, name in (("A", pairs[0].a_name), ("B", pairs[0].b_name))
        ),
        fontsize=8,
    )
    return figure


def _redshift_limits(pairs):
    """Return the ends of the colour scale; None if there are not two redshifts."""
    known = np.concatenate([pair.redshift for pair in pairs])
    known = known[np.isfinite(known)]
    return (known.min(), known.max()) if known.size and known.max() > known.min() else None


def _title(pair, rows):
    """Return the numbers of a panel, one line per bin of redshift."""
    found = [f"{pair.name}  (B - A)"]
    for row in rows:
        if row["N"]:
            # One value has no scatter.
            scatter = f"scatter {row['MAD']:.2f}, " if np.isfinite(row["MAD"]) else ""
            found.append(
                f"{row['BIN']}: {row['OFFSET']:+.3f}, {scatter}"
                f"{row['N_OUT']} of {row['N']} outliers"
            )
    return "\n".join(found)


def _panel(above, below, pair, limits):
    """Draw one property; return what its colours belong to, or None."""
    low, high = _range(pair)
    for axis, values in ((above, pair.b), (below, pair.b - pair.a)):
        drawn = _points(axis, pair, values, limits)
    if len(pair.a) <= _WITH_ERRORS:
        _error_bars(above, below, pair)
    steps = (
        ((0, "-"), (0.5, "--"), (1, ":")) if difference_unit(pair.unit) == "dex" else ((0, "-"),)
    )
    for step, style in steps:
        for sign in (1, -1) if step else (1,):
            # The range is square, so lines of equal offset end at its sides.
            above.plot([low, high], np.array([low, high]) + sign * step, style, color="r", lw=0.8)
            below.axhline(sign * step, ls=style, color="r", lw=0.8)
    above.set(xlim=(low, high), ylim=(low, high))
    reach = _reach(pair)
    below.set(xlim=(low, high), ylim=(-reach, reach))
    text = label(pair.prop, pair.unit)
    above.set_ylabel(f"B: {text}", fontsize=7)
    below.set_xlabel(f"A: {text}", fontsize=7)
    unit = difference_unit(pair.unit)
    below.set_ylabel("B - A" + (f" [{unit}]" if unit else ""), fontsize=7)
    above.tick_params(labelsize=6, labelbottom=False)
    below.tick_params(labelsize=6)
    return drawn


def _points(axis, pair, values, limits):
    if limits is not None:
        # The last drawn is on top; without an order that would be the last of the table.
        order = np.random.default_rng(0).permutation(len(values))
        size = 12 if len(values) < 300 else 3
        axis.scatter(
            pair.a[order][~np.isfinite(pair.redshift[order])],
            values[order][~np.isfinite(pair.redshift[order])],
            s=size,
            lw=0,
            color="0.6",
            rasterized=True,
        )
        return axis.scatter(
            pair.a[order],
            values[order],
            c=pair.redshift[order],
            s=size,
            lw=0,
            vmin=limits[0],
            vmax=limits[1],
            cmap="viridis",
            zorder=3,
            rasterized=True,
        )
    if len(values) > _DENSE:
        return axis.hexbin(pair.a, values, gridsize=60, bins="log", mincnt=1, cmap="viridis", lw=0)
    axis.scatter(pair.a, values, s=4, lw=0, color="C0", rasterized=True)
    return None


def _error_bars(above, below, pair):
    style = {"fmt": "none", "ecolor": "0.6", "elinewidth": 0.6, "zorder": 1}
    a_err, b_err = np.nan_to_num(pair.a_err), np.nan_to_num(pair.b_err)
    above.errorbar(pair.a, pair.b, b_err, a_err, **style)
    below.errorbar(pair.a, pair.b - pair.a, np.hypot(a_err, b_err), **style)


def _range(pair):
    """Return the ends of both axes, with a margin; a few pixels beyond it are not shown."""
    values = np.concatenate([pair.a, pair.b])
    tail = 0.001 if len(values) > _DENSE else 0.0
    low, high = np.quantile(values, (tail, 1 - tail))
    margin = max(0.06 * (high - low), 1e-3)
    return low - margin, high + margin


def _reach(pair):
    """Return the half height of the panel of differences."""
    size = np.abs(pair.b - pair.a)
    if len(size) <= _WITH_ERRORS:
        size = size + np.nan_to_num(np.hypot(pair.a_err, pair.b_err))
    reach = float(np.quantile(size, 0.999 if len(size) > _DENSE else 1.0))
    smallest = 1.15 if difference_unit(pair.unit) == "dex" else 1e-3
    return max(1.1 * reach, smallest)
