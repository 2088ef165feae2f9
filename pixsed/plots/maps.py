"""Pictures of maps, with medians above standard deviations."""

from dataclasses import dataclass

import numpy as np

from pixsed.cosmology import kpc_per_arcsec
from pixsed.errors import PixsedError
from pixsed.plots.figure import new_figure

#: Properties that are drawn by default.
DEFAULT = ("LOGSIGMA", "LOGSFR", "AGE", "METAL", "AV")
#: Labels of the axes.
LABELS = {
    "LOGMSTAR": r"$\log M_*$ [M$_\odot$]",
    "LOGMFORM": r"$\log M_{\rm formed}$ [M$_\odot$]",
    "LOGSIGMA": r"$\log \Sigma_*$ [M$_\odot$ kpc$^{-2}$]",
    "LOGSFR": r"$\log$ SFR [M$_\odot$ yr$^{-1}$]",
    "LOGSFR10": r"$\log$ SFR, 10 Myr [M$_\odot$ yr$^{-1}$]",
    "METAL": "[M/H]",
    "AV": r"$A_V$ [mag]",
    "DUSTSLOPE": r"dust slope $\delta$",
    "LOGU": r"$\log U$",
    "AGE": "mass-weighted age [Gyr]",
    "TAU": r"$\tau$ [Gyr]",
    "TSTART": r"$t_i$ [Gyr]",
    "T50LB": r"$t_{50}$, lookback [Gyr]",
}
_COLOURS = {
    "LOGMSTAR": "inferno",
    "LOGMFORM": "inferno",
    "LOGSIGMA": "inferno",
    "LOGSFR": "viridis",
    "LOGSFR10": "viridis",
    "AGE": "RdYlBu_r",
    "METAL": "cividis",
    "AV": "YlOrBr",
    "DUSTSLOPE": "PuOr",
    "LOGU": "cividis",
}
_INCHES = 2.6


@dataclass
class Panels:
    """Maps to draw.

    Attributes
    ----------
    properties : list of str
    median, std : list of `~numpy.ndarray`, shape (ny, nx), float32
        One plane per property, cropped to the fitted pixels; NaN where not fitted.
    units : list of str
        Units of the properties.
    object_id : str
    redshift : float
        NaN if the file has none.
    pixel : float
        Side of a pixel in arcsec.
    """

    properties: list
    median: list
    std: list
    units: list
    object_id: str
    redshift: float
    pixel: float


def read_panels(path, properties=None, *, margin=2):
    """Return the `Panels` of a Maps file, cropped to the fitted pixels.

    Parameters
    ----------
    path : str
    properties : sequence of str, optional
        Names as in the extensions of the file. By default, all of `DEFAULT` that the file has.
    margin : int, optional
        Number of pixels kept around the fitted ones.

    Returns
    -------
    `Panels`

    Raises
    ------
    PixsedError
        If the file has no maps, lacks a property, or has no fitted pixel.
    """
    from pixsed.io.formats.maps import maps_of_hdulist, property_names
    from pixsed.io.headers import pixel_area_arcsec2
    from pixsed.io.locate import open_fits

    path = str(path)
    with open_fits(path) as hdulist:
        wanted = _chosen(property_names(hdulist, path), properties, path)
        there = {hdu.name for hdu in hdulist}
        extensions = [f"{name}_{suffix}" for name in wanted for suffix in ("P50", "STD")]
        maps = maps_of_hdulist(hdulist, path, [name for name in extensions if name in there])
    median = [maps.planes[f"{name}_P50"] for name in wanted]
    std = [
        maps.planes.get(f"{name}_STD", np.full_like(plane, np.nan))
        for name, plane in zip(wanted, median, strict=True)
    ]
    redshift = maps.primary.get("REDSHIFT", np.nan)
    redshift = float(redshift) if isinstance(redshift, int | float) else np.nan
    fitted = np.any([np.isfinite(plane) for plane in median], axis=0)
    if not fitted.any():
        raise PixsedError(f"{path}: no pixel was fitted; try pixsed fit with a lower --snr-min")
    window = tuple(
        slice(max(where[0] - margin, 0), where[-1] + margin + 1)
        for where in (np.flatnonzero(fitted.any(axis=1)), np.flatnonzero(fitted.any(axis=0)))
    )
    return Panels(
        properties=wanted,
        median=[plane[window] for plane in median],
        std=[plane[window] for plane in std],
        units=[maps.units[name] for name in wanted],
        object_id=str(maps.primary.get("OBJECT", "")),
        redshift=redshift,
        pixel=float(np.sqrt(pixel_area_arcsec2(maps.wcs))),
    )


def _chosen(there, properties, path):
    """Return the properties to draw, out of those in the file."""
    if not properties:
        return [name for name in DEFAULT if name in there] or there[:5]
    wanted = [name.upper() for name in properties]
    if unknown := [name for name in wanted if name not in there]:
        raise PixsedError(f"{path} has no map of {', '.join(unknown)}; it has {', '.join(there)}")
    return wanted


def draw(panels):
    """Draw panels: one column per property, the median above and the standard deviation below.

    Parameters
    ----------
    panels : `Panels`

    Returns
    -------
    `matplotlib.figure.Figure`
        The figure needs no screen; write it with `~matplotlib.figure.Figure.savefig`.

    Raises
    ------
    PixsedError
        If matplotlib is not installed.
    """
    count = len(panels.properties)
    ny, nx = panels.median[0].shape
    # The panels have the shape of the maps, within limits.
    height = _INCHES * float(np.clip(ny / nx, 0.5, 1.8)) + 0.75
    figure = new_figure(figsize=(_INCHES * count + 0.4, 2 * height + 0.35))
    axes = figure.subplots(2, count, squeeze=False, sharex=True, sharey=True)
    for column, name in enumerate(panels.properties):
        label = LABELS.get(name, f"{name} [{panels.units[column]}]")
        _panel(figure, axes[0, column], panels.median[column], label, _COLOURS.get(name, "viridis"))
        _panel(
            figure,
            axes[1, column],
            panels.std[column],
            rf"$\sigma$: {label}",
            "magma",
            from_zero=True,
        )
    for axis in axes[1]:
        axis.set_xlabel("pixel", fontsize=7)
    for axis in axes[:, 0]:
        axis.set_ylabel("pixel", fontsize=7)
    _scale_bar(axes[0, 0], nx, panels.pixel, panels.redshift)
    title = f"object {panels.object_id}" if panels.object_id else ""
    if np.isfinite(panels.redshift):
        title += f"{', ' if title else ''}z = {panels.redshift:.4g}"
    figure.suptitle(f"{title}\nposterior median (above), standard deviation (below)", fontsize=9)
    return figure


def _panel(figure, axis, plane, label, colours, *, from_zero=False):
    finite = plane[np.isfinite(plane)]
    # A few pixels at the edge should not set the scale.
    low, high = np.percentile(finite, (1, 99)) if finite.size else (0.0, 1.0)
    if from_zero:
        low = 0.0
    if not high > low:
        low, high = low - 0.5, low + 0.5
    axis.set_facecolor("0.93")
    image = axis.imshow(
        plane, origin="lower", interpolation="nearest", cmap=colours, vmin=low, vmax=high
    )
    axis.tick_params(labelsize=6)
    bar = figure.colorbar(image, ax=axis, location="bottom", pad=0.02, aspect=25)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=6)
    bar.ax.locator_params(nbins=5)


def _scale_bar(axis, nx, pixel, redshift):
    """Draw a bar with a round length in arcsec, about a quarter of the panel long."""
    goal = 0.3 * nx * pixel
    steps = np.array([1.0, 2.0, 5.0])
    steps = (10.0 ** np.arange(-3, 4)[:, None] * steps).ravel()
    length = steps[max(np.searchsorted(steps, goal, side="right") - 1, 0)]
    text = f"{length:g}″"
    if np.isfinite(redshift) and redshift > 0:
        text += f" = {length * kpc_per_arcsec(redshift):.2g} kpc"
    # The position is in units of the axes, so that the bar stays inside the panel. The background
    # is white, because the bar may lie on the map.
    end = 0.05 + length / pixel / nx
    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.8, "linewidth": 0}
    axis.text(0.05, 0.09, text, fontsize=7, color="k", transform=axis.transAxes, bbox=box)
    for width, colour in ((4, "white"), (2, "black")):
        axis.plot([0.05, end], [0.05, 0.05], color=colour, lw=width, transform=axis.transAxes)
