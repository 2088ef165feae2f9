"""Contact sheet of maps: one row per galaxy."""

import numpy as np

from pixsed.errors import PixsedError
from pixsed.plots.annotations import Corner, Scale, annotate
from pixsed.plots.figure import new_figure
from pixsed.plots.labels import galaxy_title
from pixsed.plots.lupton import show
from pixsed.plots.maps import draw_plane
from pixsed.plots.sky_axes import sky_axes

_INCHES = 2.2
#: Largest number of galaxies in one picture.
MAX_GALAXIES = 50


def draw_sheet(galaxies, *, std=False, psf_fwhm=None):
    """Draw one row per galaxy: its RGB image if there is one, and its maps.

    Every panel has its own colour scale.

    Parameters
    ----------
    galaxies : list of tuple
        Each a `~pixsed.plots.panels.Panels`, all with the same properties, and a
        `~pixsed.plots.lupton.Composite` of the same pixels or None.
    std : bool, optional
        Draw standard deviations instead of medians.
    psf_fwhm : float, optional
        FWHM of the PSF in arcsec, the diameter of a circle; by default that of each galaxy.

    Returns
    -------
    `matplotlib.figure.Figure`

    Raises
    ------
    PixsedError
        If there are too many galaxies, their properties differ, a standard deviation is asked for
        that does not exist, or matplotlib is not installed.
    """
    properties = _common_properties([panels for panels, _ in galaxies], std)
    first = int(any(composite is not None for _, composite in galaxies))
    shapes = [panels.fitted.shape for panels, _ in galaxies]
    heights = [_INCHES * float(np.clip(ny / nx, 0.5, 1.8)) + 0.45 for ny, nx in shapes]
    columns = len(properties) + first
    figure = new_figure(figsize=(_INCHES * columns + 1.0, sum(heights) + 0.4))
    grid = figure.add_gridspec(len(galaxies), columns, height_ratios=heights)
    rows = []
    for row, (panels, composite) in enumerate(galaxies):
        places = [grid[row, column] for column in range(columns)]
        rows.append(_row(figure, places, panels, composite, std=std, first=first, named=row == 0))
    figure.suptitle("standard deviation" if std else "posterior median", fontsize=9)
    corners = []
    for axes, (panels, composite) in zip(rows, galaxies, strict=True):
        scale = Scale(panels.pixel, panels.redshift, psf_fwhm or panels.psf_fwhm)
        galaxy = panels.fitted if composite is None else panels.fitted | composite.galaxy
        corners.append(Corner(axes[0], galaxy, scale, axes[1:], on_dark=composite is not None))
    annotate(figure, corners)
    return figure


def _common_properties(panels, std):
    """Return the properties of the columns; raise `PixsedError` if they cannot be drawn."""
    if len(panels) > MAX_GALAXIES:
        raise PixsedError(
            f"a contact sheet has up to {MAX_GALAXIES} galaxies, got {len(panels)}; draw several"
        )
    properties = panels[0].properties
    for one in panels:
        if one.properties != properties:
            raise PixsedError(
                f"{one.name} has not the properties of {panels[0].name}; choose common ones with "
                "--property"
            )
        bare = [name for name, plane in zip(properties, one.std, strict=True) if plane is None]
        if std and bare:
            raise PixsedError(
                f"{one.name}: {', '.join(bare)} has no standard deviation; leave it out of "
                "--property"
            )
    return properties


def _row(figure, places, panels, composite, *, std, first, named):
    """Draw the panels of one galaxy and return their axes."""
    found = []
    if composite is not None:
        axes = sky_axes(figure, places[0], panels.wcs, panels.fitted.shape, size=5)
        show(axes, composite, size=6)
        found.append(axes)
    for number, place in enumerate(places[first:]):
        axes = sky_axes(figure, place, panels.wcs, panels.fitted.shape, left=not found, size=5)
        draw_plane(axes, panels, number, std=std, named=named)
        found.append(axes)
    found[0].text(
        -0.42,
        0.5,
        galaxy_title(panels.object_id, panels.redshift).replace(", ", "\n"),
        transform=found[0].transAxes,
        rotation=90,
        ha="right",
        va="center",
        multialignment="center",
        fontsize=8,
    )
    return found
