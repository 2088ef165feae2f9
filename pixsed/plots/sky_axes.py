"""Axes with right ascension and declination, for small fields."""

import numpy as np


def sky_axes(figure, place, wcs, *, left=True, bottom=True, size=6):
    """Add axes in coordinates of the sky to a figure.

    The coordinate that changes most along x is written at the bottom, the other one at the left.

    Parameters
    ----------
    figure : `~matplotlib.figure.Figure`
    place : `~matplotlib.gridspec.SubplotSpec`
    wcs : `~astropy.wcs.WCS`
        Celestial WCS of the pixels.
    left, bottom : bool, optional
        Whether the axes have numbers and a label at the left and at the bottom.
    size : float, optional
        Size of the numbers in points.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        Its data coordinates are pixels, from 0.
    """
    axes = figure.add_subplot(place, projection=wcs)
    matrix = np.abs(wcs.celestial.pixel_scale_matrix)
    turned = matrix[0, 0] < matrix[0, 1]  # east or west is up
    longitude, latitude = axes.coords[wcs.wcs.lng], axes.coords[wcs.wcs.lat]
    horizontal, vertical = (latitude, longitude) if turned else (longitude, latitude)
    for coordinate, side, shown, number in ((horizontal, "b", bottom, 4), (vertical, "l", left, 4)):
        coordinate.set_ticks(number=number)
        coordinate.set_ticks_position(side)
        coordinate.set_ticklabel_position(side)
        coordinate.set_axislabel_position(side)
        coordinate.set_ticklabel(size=size, exclude_overlapping=True)
        coordinate.set_ticklabel_visible(shown)
        coordinate.set_auto_axislabel(False)
        coordinate.set_axislabel(
            _name(wcs, coordinate is longitude) if shown else " ", minpad=0.5, size=size
        )
    return axes


def _name(wcs, is_longitude):
    """Return the name of a coordinate for the label of an axis."""
    kind = wcs.wcs.ctype[wcs.wcs.lng if is_longitude else wcs.wcs.lat][:4].strip("-")
    return {"RA": "RA", "DEC": "Dec", "GLON": "l", "GLAT": "b"}.get(kind, kind)
