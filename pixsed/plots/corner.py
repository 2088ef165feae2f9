"""Corner plots of posterior draws, with the prior and true values.

The package corner is not used: it takes its figures from pyplot, draws no priors, and would be
one more requirement of the extra ``plot``. Its contours enclose the same fractions of the draws.
"""

from dataclasses import dataclass, field

import numpy as np

from pixsed.errors import PixsedError
from pixsed.fit.select_draws import common_properties
from pixsed.plots.figure import new_figure
from pixsed.plots.labels import label

#: Properties that are drawn by default.
DEFAULT = ("LOGMSTAR", "LOGSFR", "METAL", "AV", "AGE", "REDSHIFT")
#: Properties whose logarithm is drawn, and its label.
LOGARITHMIC = {"TAU": r"$\log \tau$ [Gyr]"}
#: Fractions of the draws inside the contours.
FRACTIONS = (0.68, 0.95)
#: Colours of the posteriors, after Okabe & Ito, which colour-blind people can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
_INCHES, _MARGIN = 1.75, 0.7
_BINS, _FEWEST, _SMOOTHING = 30, 100, 1.0
_TIMES = {"T25": r"$t_{25}$", "T50": r"$t_{50}$", "T75": r"$t_{75}$", "REDSHIFT": "redshift"}


@dataclass
class Corner:
    """Content of a corner plot.

    Attributes
    ----------
    properties : list of str
    posteriors : list of `~pixsed.fit.select_draws.Posterior`
        At most as many as `COLOURS`.
    prior : dict of str to `~numpy.ndarray`
        Draws from the prior of some of the properties.
    truths : dict of str to float
        True values, drawn as lines.
    units : dict of str to str
        Units of properties without a label of their own.
    title : str
    """

    properties: list
    posteriors: list
    prior: dict = field(default_factory=dict)
    truths: dict = field(default_factory=dict)
    units: dict = field(default_factory=dict)
    title: str = ""


def chosen_properties(posteriors, wanted=()):
    """Return the properties to draw.

    Parameters
    ----------
    posteriors : list of `~pixsed.fit.select_draws.Posterior`
    wanted : sequence of str, optional
        By default, those of `DEFAULT` that all posteriors have.

    Raises
    ------
    PixsedError
        If a posterior lacks one.
    """
    there = common_properties(posteriors, wanted)
    return there if wanted else [name for name in DEFAULT if name in there]


def draw(corner):
    """Draw a corner plot: histograms on the diagonal, contours of 68 and 95 % below it.

    A single posterior has dashed lines at its 16, 50 and 84 % quantiles, and dots for its draws.
    The prior is grey, true values are black lines.

    Parameters
    ----------
    corner : `Corner`

    Returns
    -------
    `matplotlib.figure.Figure`

    Raises
    ------
    PixsedError
        If there are more posteriors than colours, a property has a single value, or matplotlib
        is not installed.
    """
    if len(corner.posteriors) > len(COLOURS):
        raise PixsedError(
            f"a corner plot holds {len(COLOURS)} posteriors, got {len(corner.posteriors)}; draw "
            "fewer, or write a table with -o .fits"
        )
    count = len(corner.properties)
    values = [[_drawn(one.samples[p], p) for p in corner.properties] for one in corner.posteriors]
    ranges = [
        _range([row[i] for row in values], corner, name) for i, name in enumerate(corner.properties)
    ]
    size = max(_INCHES * count, 3.0) + _MARGIN
    figure = new_figure(figsize=(size, size))
    axes = figure.subplots(count, count, squeeze=False)
    for i, name in enumerate(corner.properties):
        _diagonal(axes[i, i], [row[i] for row in values], ranges[i], corner, name)
        for j in range(count):
            if j > i:
                axes[i, j].axis("off")
            elif j < i:
                for row, colour in zip(values, COLOURS, strict=False):
                    _contours(axes[i, j], row, (j, i), corner, colour)
                axes[i, j].set(xlim=ranges[j], ylim=ranges[i])
                _mark(axes[i, j], corner, corner.properties[j], name)
            _decorate(axes[i, j], i, j, count, corner)
    _legend(figure, axes[0, -1], corner)
    return figure


def enclosing_levels(density, fractions):
    """Return the levels of a density above which fractions of its sum lie.

    Parameters
    ----------
    density : `~numpy.ndarray`
        Values on a grid of equal cells, any shape.
    fractions : sequence of float
        Between 0 and 1.

    Returns
    -------
    list of float
        In the order of `fractions`.
    """
    descending = np.sort(density, axis=None)[::-1]
    inside = np.cumsum(descending) / descending.sum()
    places = np.searchsorted(inside, fractions)
    return [float(descending[min(place, len(descending) - 1)]) for place in places]


def prior_histogram(values, low, high):
    """Return the edges and the density of a histogram of prior draws in a range.

    Parameters
    ----------
    values : `~numpy.ndarray`, shape (n,)
        Draws; the density is normalised over all of them, those outside the range included.
    low, high : float

    Returns
    -------
    edges : `~numpy.ndarray`, shape (K + 1,)
        There are fewer bins if few draws are inside, so that their noise does not look like
        structure.
    density : `~numpy.ndarray`, shape (K,)
    """
    values = values[np.isfinite(values)]
    inside = int(((values >= low) & (values <= high)).sum())
    bins = int(np.clip(inside // _FEWEST, 1, _BINS))
    counts, edges = np.histogram(values, bins, (low, high))
    return edges, counts / (len(values) * np.diff(edges))


def _drawn(values, name):
    values = np.asarray(values, dtype=float)
    return np.log10(values) if name in LOGARITHMIC else values


def _range(columns, corner, name):
    """Return the limits of an axis: those of all draws, and the true value."""
    ends = [_extent(column, corner, name) for column in columns]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    if not high > low:
        raise PixsedError(f"all draws of {name} are {low:g}; leave it out of the corner plot")
    if name in corner.truths:
        truth, margin = float(_drawn(corner.truths[name], name)), 0.05 * (high - low)
        low, high = min(low, truth - margin), max(high, truth + margin)
    return low, high


def _extent(column, corner, name):
    """Return the limits of nearly all draws of a posterior, inside those of the prior."""
    low, high = np.quantile(column, (0.003, 0.997))
    margin = 0.15 * (high - low)
    low, high = low - margin, high + margin
    # LOGMSTAR is drawn with the prior of LOGMFORM, which ends elsewhere.
    if name in corner.prior and name not in ("LOGMSTAR", "LOGSIGMA"):
        both = np.concatenate([_drawn(corner.prior[name], name), column])
        margin = 0.01 * (high - low)  # so that the end has a tick
        low, high = max(low, both.min() - margin), min(high, both.max() + margin)
    return float(low), float(high)


def _diagonal(axis, columns, limits, corner, name):
    top = 0.0
    if name in corner.prior:
        edges, density = prior_histogram(_drawn(corner.prior[name], name), *limits)
        axis.stairs(density, edges, fill=True, color="0.8")
        axis.stairs(density, edges, color="0.6", lw=0.8)
        top = density.max()
    for column, colour in zip(columns, COLOURS, strict=False):
        counts, edges = np.histogram(column, _BINS, _extent(column, corner, name))
        density = counts / (len(column) * np.diff(edges))
        axis.stairs(density, edges, color=colour, lw=1.3)
        top = max(top, density.max())
    if len(columns) == 1:
        levels = corner.posteriors[0].quantiles(name, (0.16, 0.5, 0.84))
        low, middle, high = _drawn(levels, name)
        for value in (low, middle, high):
            axis.axvline(value, color=COLOURS[0], lw=0.8, ls="--")
        text = rf"${middle:.2f}^{{+{high - middle:.2f}}}_{{-{middle - low:.2f}}}$"
        axis.set_title(text, fontsize=8)
    if name in corner.truths:
        axis.axvline(float(_drawn(corner.truths[name], name)), color="k", lw=1)
    axis.set_xlim(limits)
    axis.set_ylim(0, 1.08 * top)
    axis.set_yticks([])


def _contours(axis, columns, places, corner, colour):
    """Draw the contours of two columns of a posterior, at `places` for x and y."""
    from scipy.ndimage import gaussian_filter

    x, y = (columns[place] for place in places)
    limits = [_extent(columns[place], corner, corner.properties[place]) for place in places]
    counts, x_edges, y_edges = np.histogram2d(x, y, _BINS, limits)
    density = gaussian_filter(counts, _SMOOTHING)
    if len(corner.posteriors) == 1:
        axis.plot(x, y, ".", ms=1.5, color=colour, alpha=0.3, mew=0, rasterized=True, zorder=0)
    levels = sorted({*enclosing_levels(density, FRACTIONS)})
    # A frame of zeros closes the contours that reach the end of the histogram.
    x, y = (np.concatenate([e[:1], 0.5 * (e[1:] + e[:-1]), e[-1:]]) for e in (x_edges, y_edges))
    axis.contour(x, y, np.pad(density.T, 1), levels=levels, colors=[colour], linewidths=1.0)


def _mark(axis, corner, x_name, y_name):
    """Draw the true values of a panel as lines."""
    if x_name in corner.truths:
        axis.axvline(float(_drawn(corner.truths[x_name], x_name)), color="k", lw=0.8)
    if y_name in corner.truths:
        axis.axhline(float(_drawn(corner.truths[y_name], y_name)), color="k", lw=0.8)


def _decorate(axis, i, j, count, corner):
    """Label the outer axes of a panel, at row i and column j."""
    if j > i:
        return
    axis.tick_params(labelsize=7, direction="in")
    axis.locator_params(axis="x", nbins=4)
    axis.tick_params(axis="x", rotation=45)
    if i < count - 1:
        axis.set_xticklabels([])
    else:
        axis.set_xlabel(_label(corner, corner.properties[j]), fontsize=8)
    if j == i:
        return
    axis.locator_params(axis="y", nbins=4)
    if j > 0:
        axis.set_yticklabels([])
    else:
        axis.set_ylabel(_label(corner, corner.properties[i]), fontsize=8)


def _label(corner, name):
    if name in LOGARITHMIC:
        return LOGARITHMIC[name]
    return _TIMES.get(name) or label(name, corner.units.get(name, ""))


def _legend(figure, axis, corner):
    """Draw the legend into the free corner, or above the panels if it is narrow."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Line2D([], [], color=colour, lw=1.5, label=one.label)
        for one, colour in zip(corner.posteriors, COLOURS, strict=False)
    ]
    if any(name in corner.prior for name in corner.properties):
        handles.append(Patch(facecolor="0.8", edgecolor="0.6", label="prior"))
    if any(name in corner.truths for name in corner.properties):
        handles.append(Line2D([], [], color="k", lw=1, label="truth"))
    place = {"loc": "upper right", "frameon": False, "fontsize": 9, "title_fontsize": 9}
    if len(corner.properties) > 2:
        legend = axis.legend(handles=handles, title=corner.title, borderaxespad=0.0, **place)
        legend.set_in_layout(False)  # it may be wider than its panel
    else:
        place["loc"] = "outside upper center"
        figure.legend(handles=handles, title=corner.title, **place)
