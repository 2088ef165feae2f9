"""Outlines of the segments of a segmentation map, as polygons on the sky."""

import numpy as np

from pixsed.errors import PixsedError
from pixsed.extras import install_advice
from pixsed.images.segmap import open_segmap
from pixsed.io.headers import celestial_wcs


def segment_outlines(path, near=()):
    """Return the outlines of the segments of a segmentation map.

    An outline passes halfway between the centres of a pixel inside and of its neighbour outside.

    Parameters
    ----------
    path : str
        ``path`` or ``path[EXT]``: a segmentation map, or a cube with an extension SEGMAP.
    near : sequence of `~astropy.coordinates.SkyCoord`, optional
        Corners of images. Only the segments whose bounding box meets that of one of them on the
        grid of the map are returned; by default all.

    Returns
    -------
    dict of int to list of `~astropy.coordinates.SkyCoord`
        Id -> closed polygons in ICRS, whose last vertex is the first. A segment in several pieces,
        or with a hole, has several.

    Raises
    ------
    PixsedError
        If the map cannot be read or has no WCS, or contourpy is not installed.
    """
    contours = _contour_maker()
    found = {}
    with open_segmap(path) as segmap:
        wcs = celestial_wcs(segmap.header, segmap.name)
        windows = [_window(wcs, corners) for corners in near]
        for label, (y0, y1, x0, x1) in sorted(segmap.boxes().items()):
            if windows and not any(
                x0 <= right and x1 > left and y0 <= top and y1 > bottom
                for left, right, bottom, top in windows
            ):
                continue
            inside = segmap.read(slice(y0, y1), slice(x0, x1)) == label
            # Sky around the box closes the outline of a segment that fills it.
            lines = contours(np.pad(inside, 1).astype(float)).lines(0.5)
            found[label] = [
                wcs.pixel_to_world(line[:, 0] + x0 - 1, line[:, 1] + y0 - 1).icrs for line in lines
            ]
    return found


def _contour_maker():
    try:
        from contourpy import contour_generator
    except ImportError:
        raise PixsedError(
            "outlines of segments need contourpy, which comes with matplotlib and is not "
            f"installed; try: {install_advice('matplotlib')}"
        ) from None
    return lambda image: contour_generator(z=image)


def _window(wcs, corners):
    """Return the ends (left, right, bottom, top) of corners on the pixels of a WCS."""
    x, y = wcs.world_to_pixel(corners)
    return np.min(x), np.max(x), np.min(y), np.max(y)


def write_regions(outlines, path, *, overwrite=False):
    """Write outlines as a region file of DS9: polygons in ICRS, labelled with their ids.

    Parameters
    ----------
    outlines : dict of int to list of `~astropy.coordinates.SkyCoord`
        From `segment_outlines`.
    path : path-like
    overwrite : bool, optional
        Replace the file if it exists.
    """
    from pixsed.io.atomic import atomic_path

    lines = ["# Region file format: DS9", "global color=green width=2", "icrs"]
    for label, polygons in outlines.items():
        for number, sky in enumerate(polygons):
            # The last vertex is the first, which DS9 adds by itself.
            vertices = ",".join(f"{p.ra.deg:.7f},{p.dec.deg:.7f}" for p in sky[:-1])
            text = f" text={{{label}}}" if number == 0 else ""
            lines.append(f"polygon({vertices}) #{text} tag={{segment {label}}}")
    with atomic_path(path, overwrite) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="ascii")
