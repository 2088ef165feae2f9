"""Pictures of recovered star-formation histories."""

import numpy as np

from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.plots.figure import new_figure

#: Largest number of panels in one picture.
MOST = 12
_COLOUR = "#0072B2"
_BANDS = ((0.025, 0.975, 0.2, "95 %"), (0.16, 0.84, 0.4, "68 %"))
_COLUMNS = 3


def draw(histories, *, title="", log_time=False, log_sfr=False):
    """Draw recovered star-formation histories, one panel each.

    The line is the median of the rates in each bin of time, and the bands hold 68 and 95 % of
    them. Time runs to the right: lookback time below, cosmic time above.

    Parameters
    ----------
    histories : list of `~pixsed.fit.histories.Recovered`
        With the quantiles of `pixsed.fit.histories.LEVELS`; at most `MOST`.
    title : str, optional
    log_time, log_sfr : bool, optional
        Logarithmic axes; a logarithmic axis of rates spans three decades at most.

    Returns
    -------
    `matplotlib.figure.Figure`

    Raises
    ------
    PixsedError
        If there are too many histories, or matplotlib is not installed.
    """
    if len(histories) > MOST:
        raise PixsedError(
            f"a picture holds {MOST} histories, got {len(histories)}; draw fewer, or write a table "
            "with -o .fits"
        )
    columns = min(len(histories), _COLUMNS)
    rows = -(-len(histories) // columns)
    figure = new_figure(figsize=(0.6 + (4.6 if columns == 1 else 3.4) * columns, 0.8 + 3.1 * rows))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[len(histories) :]:
        axis.axis("off")
    for number, (axis, history) in enumerate(zip(axes, histories, strict=False)):
        _panel(axis, history, log_time, log_sfr)
        if number % columns == 0:
            axis.set_ylabel(r"SFR [M$_\odot$ yr$^{-1}$]", fontsize=9)
    handles, labels = axes[0].get_legend_handles_labels()
    place = {"loc": "outside lower center", "ncols": len(handles)}
    figure.legend(handles, labels, frameon=False, fontsize=8, **place)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _panel(axis, history, log_time, log_sfr):
    edges = history.edges.copy()
    if log_time:
        edges[0] = 0.5 * edges[1]  # zero has no logarithm
    for low, high, alpha, text in _BANDS:
        axis.stairs(
            history.sfr[high],
            edges,
            baseline=history.sfr[low],
            fill=True,
            color=_COLOUR,
            alpha=alpha,
            lw=0,
            label=text,
        )
    axis.stairs(history.sfr[0.5], edges, baseline=None, color=_COLOUR, lw=1.6, label="median")
    if log_time:
        axis.set_xscale("log")
    axis.set_xlim(edges[-1], edges[0])
    top = float(np.max(history.sfr[0.975]))
    if log_sfr and top > 0:
        least = min(float(np.min(history.sfr[0.025])), 0.1 * top)
        axis.set_yscale("log")
        axis.set_ylim(max(0.5 * least, 1e-3 * top), 2.0 * top)
    else:
        axis.set_ylim(0.0, 1.05 * top if top > 0 else 1.0)
    axis.tick_params(labelsize=8)
    axis.set_xlabel("lookback time [Gyr]", fontsize=9)
    _cosmic_time(axis, history, edges)
    text = f"{history.label}, coarse" if history.coarse else history.label
    axis.set_title(text, fontsize=9)


def _cosmic_time(axis, history, edges):
    """Add an axis of cosmic time above a panel."""
    from matplotlib.ticker import MaxNLocator, NullLocator

    now = float(age(history.redshift))
    top = axis.twiny()
    top.set_xscale(axis.get_xscale())
    top.set_xlim(axis.get_xlim())
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(0.0, now)
    ticks = [tick for tick in ticks if edges[0] <= now - tick <= edges[-1] * (1 + 1e-9)]
    top.xaxis.set_minor_locator(NullLocator())
    top.set_xticks([now - tick for tick in ticks], [f"{tick:g}" for tick in ticks])
    top.tick_params(labelsize=8)
    top.set_xlabel("cosmic time [Gyr]", fontsize=9)
