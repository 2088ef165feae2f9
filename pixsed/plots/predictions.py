"""Pictures of posterior predictive checks (Fig. 14) and of residuals by band."""

import numpy as np

from pixsed.errors import PixsedError
from pixsed.fit.predictions import BEST, LEVELS
from pixsed.plots.figure import legend_entries, new_figure

#: Largest number of places in one picture.
MOST = 6
_COLUMNS = 2
#: Largest number of draws whose photometry is drawn.
_DRAWS = 100
_DRAW, _MEDIAN, _BEST = "#56B4E9", "#0072B2", "#D55E00"
_LIMIT = 1.0  # S/N below which a point is an upper limit


def draw(predictions, *, title=""):
    """Draw the photometry of posterior draws and the data, one panel per place.

    Black points are the data, and triangles upper limits where the S/N is below 1. Light blue
    are the fluxes, and spectra if there are any, of single draws; blue their median and 68 %;
    orange the draw that fits best. The lower panel has the residuals in errors.

    Parameters
    ----------
    predictions : list of `~pixsed.fit.predictions.Prediction`
        At most `MOST`.
    title : str, optional

    Returns
    -------
    `matplotlib.figure.Figure`

    Raises
    ------
    PixsedError
        If there are too many places, or matplotlib is not installed.
    """
    if len(predictions) > MOST:
        raise PixsedError(
            f"a picture holds {MOST} places, got {len(predictions)}; draw fewer, or write a table "
            "with -o"
        )
    columns = min(len(predictions), _COLUMNS)
    lines = -(-len(predictions) // columns)
    figure = new_figure(figsize=(0.5 + (6.0 if columns == 1 else 4.8) * columns, 0.8 + 4.2 * lines))
    axes = figure.subplots(2 * lines, columns, squeeze=False, height_ratios=[3, 1] * lines)
    for number, one in enumerate(predictions):
        line, column = divmod(number, columns)
        above, below = axes[2 * line : 2 * line + 2, column]
        _fluxes(above, one)
        _residuals(below, one)
        below.set_xlim(above.get_xlim())
        if column == 0:
            above.set_ylabel(r"$f_\nu$ [nJy]", fontsize=9)
            below.set_ylabel(r"residual [$\sigma$]", fontsize=9)
    for axis in axes[2 * (lines - 1) :, len(predictions) - columns * (lines - 1) :].ravel():
        axis.axis("off")
    handles = _handles(axes[0::2].ravel())
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=len(handles),
        frameon=False,
        fontsize=8,
    )
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _handles(axes):
    """Return the entries of the legend of all panels, the data first: text -> handle."""
    from matplotlib.lines import Line2D

    found = legend_entries(axes)
    if "draws" in found:  # single draws are too pale for a legend
        found["draws"] = Line2D([], [], ls="", marker="o", ms=4, color=_DRAW)
    order = ("data", "upper limit", "draws", "median, 68 %", "best draw", "median spectrum")
    return {text: found[text] for text in order if text in found}


def _fluxes(axis, one):
    """Draw the data and the predicted fluxes of a place."""
    x = one.pivots
    _spectra(axis, one)
    if one.source != BEST:
        drawn = one.draws[:: max(1, len(one.draws) // _DRAWS)]
        axis.scatter(
            np.tile(x, len(drawn)),
            np.where(drawn > 0, drawn, np.nan).ravel(),
            s=7,
            lw=0,
            alpha=0.25,
            color=_DRAW,
            label="draws",
            zorder=2,
            rasterized=True,
        )
        low, middle, high = one.quantiles
        bars = np.stack([middle - low, high - middle])
        axis.errorbar(
            x, middle, bars, fmt="D", ms=4, mfc="none", color=_MEDIAN, lw=1, label="median, 68 %"
        )
    best = one.draws[one.chi2_of_draws.argmin()]
    axis.scatter(
        x, best, s=22, marker="s", fc="none", ec=_BEST, lw=0.9, label="best draw", zorder=4
    )
    seen = one.flux > _LIMIT * one.err
    axis.errorbar(
        x[seen],
        one.flux[seen],
        one.err[seen],
        fmt="o",
        ms=4,
        color="k",
        lw=1,
        capsize=2,
        label="data",
        zorder=5,
    )
    upper = np.maximum(one.flux, 0.0) + one.err
    if (~seen).any():
        axis.scatter(
            x[~seen], upper[~seen], marker="v", s=26, color="k", lw=0, label="upper limit", zorder=5
        )
    axis.set_yscale("log")
    axis.tick_params(axis="y", which="both", labelsize=8)
    _limits(axis, one, np.where(seen, one.flux, upper), best)
    _wavelengths(axis, x, labels=False)
    axis.set_title(
        f"{one.label}\n$\\chi^2$ per band {one.chi2:.2f}, p = {one.pvalue:.2g}, {one.source}",
        fontsize=8,
    )


def _limits(axis, one, shown, best):
    """Set the range of fluxes to the data and the predictions, not to the depth of a break."""
    values = np.concatenate([shown, best, one.quantiles[LEVELS.index(0.5)]])
    values = values[np.isfinite(values) & (values > 0)]
    if values.size:
        bottom = max(values.min(), 0.3 * np.nanmin(np.where(shown > 0, shown, np.nan)))
        axis.set_ylim(0.5 * bottom, 2.0 * values.max())


def _spectra(axis, one):
    """Draw the spectra of single draws, and their median."""
    if one.spectra is None:
        return
    x = one.wave * 1e-4
    shown = np.where(one.spectra > 0, one.spectra, np.nan)
    for spectrum in shown[:30]:
        axis.plot(x, spectrum, color=_DRAW, lw=0.4, alpha=0.25, zorder=1, rasterized=True)
    axis.plot(
        x,
        np.median(one.spectra, axis=0),
        color=_MEDIAN,
        lw=0.8,
        zorder=1.5,
        label="median spectrum",
    )


def _residuals(axis, one):
    """Draw the residuals of a place in errors, of the median and of all draws."""
    x = one.pivots
    error = np.hypot(one.err, one.own_error * np.median(one.draws, axis=0))
    for level, alpha in ((1, 0.2), (2, 0.1)):
        axis.axhspan(-level, level, color="0.5", alpha=alpha, lw=0)
    axis.axhline(0.0, color="k", lw=0.6)
    low, middle, high = one.quantiles
    bars = np.stack([high - middle, middle - low]) / error
    axis.errorbar(x, one.residual, bars, fmt="o", ms=4, color=_MEDIAN, lw=1)
    reach = max(3.5, 1.1 * float((np.abs(one.residual) + bars.max(axis=0)).max()))
    axis.set_ylim(-reach, reach)
    _wavelengths(axis, x)
    axis.set_xlabel(r"observed wavelength [$\mu$m]", fontsize=9)


def _wavelengths(axis, pivots, labels=True):
    """Set the axis of wavelength, logarithmic with plain numbers."""
    from matplotlib.ticker import NullLocator

    low, high = np.nanmin(pivots), np.nanmax(pivots)
    axis.set_xscale("log")
    axis.set_xlim(low / 1.12, high * 1.12)
    ticks = [t for t in (0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4, 5, 8) if low / 1.12 <= t <= high * 1.12]
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.tick_params(labelsize=8, labelbottom=labels)


def draw_offsets(offsets, *, title=""):
    """Draw the residuals of galaxies by band, their medians, and the proposed offsets.

    Parameters
    ----------
    offsets : `~pixsed.fit.offsets.Offsets`
    title : str, optional

    Returns
    -------
    `matplotlib.figure.Figure`

    Raises
    ------
    PixsedError
        If matplotlib is not installed.
    """
    figure = new_figure(figsize=(7.5, 4.2))
    axis = figure.subplots()
    x = np.arange(len(offsets.bands))
    own = offsets.own
    scatter = np.random.default_rng(0).uniform(-0.25, 0.25, own.shape)
    several = len(own) > 1
    if several:
        axis.scatter(
            (x + scatter).ravel(),
            own.ravel(),
            s=6,
            lw=0,
            alpha=0.5,
            color="0.6",
            label="galaxies",
            rasterized=True,
        )
    axis.axhline(0.0, color="k", lw=0.6)
    text = "median" if several else "residual"
    axis.errorbar(
        x - 0.06,
        offsets.residual,
        offsets.error,
        fmt="o",
        ms=5,
        color=_MEDIAN,
        capsize=2,
        label=text,
    )
    if offsets.steps > 1:
        axis.errorbar(
            x + 0.06,
            -offsets.offset,
            offsets.error,
            fmt="s",
            ms=5,
            mfc="none",
            color=_BEST,
            capsize=2,
            label="-OFFSET, after iteration",
        )
    sizes = np.abs(np.concatenate([offsets.residual, offsets.offset]))
    spread = np.nanquantile(np.abs(own), 0.95) if several else 0.0
    reach = max(1.3 * np.nanmax(sizes + np.nanmax(offsets.error)), spread, 0.03)
    axis.set_ylim(-reach, reach)
    axis.set_xlim(-0.6, len(x) - 0.4)
    axis.set_xticks(x, offsets.bands, rotation=60, ha="right", fontsize=8)
    axis.set_ylabel("data - model [mag]", fontsize=9)
    axis.tick_params(axis="y", labelsize=8)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    if title:
        axis.set_title(title, fontsize=9)
    return figure
