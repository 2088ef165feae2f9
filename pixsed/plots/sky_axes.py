"""Axes with right ascension and declination, for small fields."""

import numpy as np
from astropy import units as u

#: Field in arcsec up to which the distance of ticks is set here; `~astropy.visualization.wcsaxes`
#: would often give a field of a few arcsec a single tick.
_SMALL = 60.0


def round_length(goal):
    """Return the largest of 1, 2 and 5 times a power of ten that is not above `goal`."""
    power = 10.0 ** np.floor(np.log10(goal))
    # A goal of 0.2 may be 0.19999999999999998.
    return float(power * max(step for step in (1, 2, 5) if step * power <= goal * (1 + 1e-9)))


def sky_axes(figure, place, wcs, shape, *, left=True, bottom=True, size=6):
    """Add axes in coordinates of the sky to a figure.

    The coordinate that changes most along x is written at the bottom, the other one at the left.

    Parameters
    ----------
    figure : `~matplotlib.figure.Figure`
    place : `~matplotlib.gridspec.SubplotSpec`
    wcs : `~astropy.wcs.WCS`
        Celestial WCS of the pixels.
    shape : tuple of int
        Shape (ny, nx) of the image, for the distance of the ticks.
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
    scales = np.sqrt((wcs.celestial.pixel_scale_matrix**2).sum(axis=0)) * 3600
    for coordinate, side, shown, field in (
        (horizontal, "b", bottom, shape[1] * scales[0]),
        (vertical, "l", left, shape[0] * scales[1]),
    ):
        ticks = {"number": 4} if field > _SMALL else {"spacing": _spacing(wcs, coordinate, field)}
        coordinate.set_ticks(**ticks)
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


def _spacing(wcs, coordinate, field):
    """Return the distance of ticks in a small field of so many arcsec: two or three ticks."""
    if coordinate.coord_type == "longitude" and wcs.wcs.lngtyp == "RA":  # in hours
        stretched = field / 2.2 / 15 / max(np.cos(np.radians(wcs.wcs.crval[wcs.wcs.lat])), 0.01)
        return round_length(stretched) * 15 * u.arcsec
    return round_length(field / 2.2) * u.arcsec


def _name(wcs, is_longitude):
    """Return the name of a coordinate for the label of an axis."""
    kind = wcs.wcs.ctype[wcs.wcs.lng if is_longitude else wcs.wcs.lat][:4].strip("-")
    return {"RA": "RA", "DEC": "Dec", "GLON": "l", "GLAT": "b"}.get(kind, kind)
