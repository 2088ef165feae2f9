"""Pictures of the maps of one galaxy: RGB, medians, standard deviations and planes of quality."""

import numpy as np

from pixsed.plots.annotations import Corner, Scale, annotate
from pixsed.plots.colour_limits import colour_limits
from pixsed.plots.figure import new_figure
from pixsed.plots.labels import STD_COLOURS, colours, galaxy_title, label
from pixsed.plots.lupton import show
from pixsed.plots.sky_axes import sky_axes

#: Width of a panel.
INCHES = 2.4
# Planes with limits of their own.
_FIXED = {"OOD": (0.0, 1.0)}


def draw(panels, *, composite=None, psf_fwhm=None):
    """Draw panels: one column per property, the median above and the standard deviation below.

    Planes without a standard deviation come last, two in a column.

    Parameters
    ----------
    panels : `~pixsed.plots.panels.Panels`
    composite : `~pixsed.plots.lupton.Composite`, optional
        RGB image of the same pixels, as `~pixsed.plots.lupton.composite_of_panels` gives it; drawn
        first.
    psf_fwhm : float, optional
        FWHM of the PSF in arcsec, the diameter of a circle; by default that of the panels.

    Returns
    -------
    `matplotlib.figure.Figure`
        The figure needs no screen; write it with `~matplotlib.figure.Figure.savefig`.

    Raises
    ------
    PixsedError
        If matplotlib is not installed.
    """
    pairs = [i for i, std in enumerate(panels.std) if std is not None]
    single = [i for i, std in enumerate(panels.std) if std is None]
    rows = 2 if pairs or len(single) > 3 else 1
    columns = len(pairs) + -(-len(single) // rows)
    wide = 0 if composite is None else rows  # the RGB image is as high as all rows
    ny, nx = panels.fitted.shape
    # The panels have the shape of the maps, within limits.
    height = INCHES * float(np.clip(ny / nx, 0.5, 1.8)) + 0.65
    size = (INCHES * (columns + wide) + 0.7, rows * height + 0.6)
    figure = new_figure(figsize=size)
    ratios = [wide] * bool(wide) + [1] * columns
    grid = figure.add_gridspec(rows, len(ratios), width_ratios=ratios)
    first = bool(wide)
    found = []
    if composite is not None:
        axes = sky_axes(figure, grid[:, 0], panels.wcs, panels.fitted.shape)
        show(axes, composite, size=8)
        found.append(axes)
    jobs = [(row, column, i) for column, i in enumerate(pairs) for row in (0, 1)]
    jobs += [(k % rows, len(pairs) + k // rows, i) for k, i in enumerate(single)]
    for row, column, i in jobs:
        place = grid[row, column + first]
        low = row == rows - 1 or i in single[-1:]
        axes = sky_axes(
            figure,
            place,
            panels.wcs,
            panels.fitted.shape,
            left=column == 0 and not first,
            bottom=low,
        )
        draw_plane(axes, panels, i, std=row == 1 and i in pairs)
        found.append(axes)
    lines = [galaxy_title(panels.object_id, panels.redshift)]
    if pairs:
        lines.append("posterior median (above), standard deviation (below)")
    figure.suptitle("\n".join(filter(None, lines)), fontsize=9)
    scale = Scale(panels.pixel, panels.redshift, psf_fwhm or panels.psf_fwhm)
    galaxy = panels.fitted if composite is None else panels.fitted | composite.galaxy
    corner = Corner(found[0], galaxy, scale, found[1:], on_dark=composite is not None)
    annotate(figure, [corner], rows=1 if composite is not None else rows)
    return figure


def draw_plane(axes, panels, number, *, std=False, named=True):
    """Draw one plane of panels, with its colour bar above.

    Parameters
    ----------
    axes : `~astropy.visualization.wcsaxes.WCSAxes`
    panels : `~pixsed.plots.panels.Panels`
    number : int
        Number of the property.
    std : bool, optional
        Draw the standard deviation instead of the median.
    named : bool, optional
        Whether the colour bar has the name of the property. It always says where it is cut.
    """
    from matplotlib.ticker import MaxNLocator

    name, text = panels.properties[number], label(panels.properties[number], panels.units[number])
    plane = panels.std[number] if std else panels.median[number]
    if name == "SNR":
        plane, text = np.log10(np.where(plane > 0, plane, np.nan)), r"$\log$ mean S/N"
    limits = colour_limits(plane, from_zero=std, fixed=None if std else _FIXED.get(name))
    axes.set_facecolor("0.93")
    image = axes.imshow(
        plane,
        origin="lower",
        interpolation="nearest",
        cmap=STD_COLOURS if std else colours(name),
        vmin=limits.low,
        vmax=limits.high,
    )
    ticks = MaxNLocator(nbins=5, integer=name == "NBANDS", min_n_ticks=1)
    bar = axes.figure.colorbar(
        image, ax=axes, location="top", pad=0.02, aspect=25, extend=limits.extend, ticks=ticks
    )
    parts = [rf"$\sigma$: {text}" if std else text] if named else []
    bar.set_label(", ".join([*parts, limits.note] if limits.note else parts), fontsize=7)
    bar.ax.tick_params(labelsize=6)
