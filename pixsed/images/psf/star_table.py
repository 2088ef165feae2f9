"""Table of stars: positions on an image, from RA and Dec or from x and y."""

import numpy as np

from pixsed.errors import PixsedError, listed
from pixsed.images.psf.from_stars import Star
from pixsed.io.columns import PLACEHOLDERS, find_column, numbers, texts, unit_of
from pixsed.io.tables import read_table

_ID = "id number objid obj_id object_id source_id id_source label seg_id segid".split()
_RA = "ra radeg ra_deg raj2000 ra_icrs ra_j2000 alpha_j2000 alphawin_j2000 alpha sky_ra".split()
_DEC = (
    "dec dedeg dec_deg dej2000 decj2000 de_icrs dec_icrs dec_j2000 delta_j2000 deltawin_j2000 "
    "delta sky_dec"
).split()
_X = "x x_pix xpix xcentroid x_centroid xcenter x_center x_0 x_fit xc".split()
_Y = "y y_pix ypix ycentroid y_centroid ycenter y_center y_0 y_fit yc".split()
# SExtractor counts pixels from 1, Python from 0.
_X_FROM_1, _Y_FROM_1 = "x_image xwin_image".split(), "y_image ywin_image".split()


def read_stars(path, wcs, *, ra_col=None, dec_col=None, x_col=None, y_col=None, id_col=None):
    """Return the stars of a table, with their positions on an image.

    Parameters
    ----------
    path : str
        Table in a format of astropy: FITS (``path[EXT]`` too), ECSV, CSV, VOTable, ASCII.
    wcs : `~astropy.wcs.WCS`
        WCS of the image.
    ra_col, dec_col : str, optional
        Columns in degrees, in their own unit, or as ``hh:mm:ss``. By default columns with usual
        names, which take precedence over x and y.
    x_col, y_col : str, optional
        Columns of pixels, from 0. X_IMAGE and Y_IMAGE of SExtractor are taken from 1.
    id_col : str, optional
        By default a column with a usual name, else the rows are numbered from 1.

    Returns
    -------
    list of `~pixsed.images.psf.from_stars.Star`
        In the order of the table. Stars without a finite position are left out.

    Raises
    ------
    PixsedError
        If the table cannot be read, or a column is absent or ambiguous.
    """
    table = read_table(path, wanted=lambda names: _has_places(names, ra_col, x_col))
    names = table.colnames
    lower = {name.lower() for name in names}
    sky = ra_col or dec_col or (not (x_col or y_col) and lower & set(_RA) and lower & set(_DEC))
    if sky:
        ra_col = find_column(names, ra_col, _RA, "--ra-col", path)
        dec_col = find_column(names, dec_col, _DEC, "--dec-col", path)
        x, y = _pixels(table, ra_col, dec_col, wcs, path)
    else:
        if not (x_col or y_col) and not lower & {*_X, *_X_FROM_1}:
            raise PixsedError(
                f"{path}: where are the stars? Name columns with --ra-col and --dec-col, or "
                f"--x-col and --y-col; it has {listed(names)}"
            )
        x_col = find_column(names, x_col, _X + _X_FROM_1, "--x-col", path)
        y_col = find_column(names, y_col, _Y + _Y_FROM_1, "--y-col", path)
        x = numbers(table[x_col], x_col, "--x-col, --y-col", path) - (x_col.lower() in _X_FROM_1)
        y = numbers(table[y_col], y_col, "--x-col, --y-col", path) - (y_col.lower() in _Y_FROM_1)
    if id_col or len([name for name in names if name.lower() in _ID]) == 1:
        id_col = find_column(names, id_col, _ID, "--id-col", path)
        ids = texts(table[id_col], id_col, path)
    else:
        ids = [str(number) for number in range(1, len(table) + 1)]
    stars = [Star(*row) for row in zip(ids, map(float, x), map(float, y), strict=True)]
    stars = [star for star in stars if np.isfinite(star.x) and np.isfinite(star.y)]
    if not stars:
        raise PixsedError(f"{path}: no star with a place on the sky; check the columns")
    return stars


def _has_places(names, ra_col, x_col):
    """Return whether a table with these columns may be the table of stars."""
    lower = {name.lower() for name in names}
    wanted = {name for name in (ra_col, x_col) if name}
    return wanted <= set(names) if wanted else bool(lower & {*_RA, *_X, *_X_FROM_1})


def _pixels(table, ra_col, dec_col, wcs, path):
    from astropy.coordinates import SkyCoord

    try:
        ra = _degrees(table[ra_col], ra_col, "hourangle", path)
        dec = _degrees(table[dec_col], dec_col, "deg", path)
        sky = SkyCoord(ra, dec, unit="deg", frame="icrs")
    except Exception as error:  # astropy raises several classes
        text = " ".join(str(error).split())[:150]
        raise PixsedError(
            f"{path}: columns {ra_col!r}, {dec_col!r} are no positions ({text}); "
            "name others with --ra-col, --dec-col"
        ) from error
    return wcs.world_to_pixel(sky)


def _degrees(column, name, text_unit, path):
    """Return angles in degrees, NaN for missing ones; texts as hh:mm:ss are in `text_unit`."""
    from astropy.coordinates import Angle

    unit = unit_of(column)
    try:
        values = numbers(column, name, "--ra-col, --dec-col", path)
    except PixsedError:
        rows = texts(column, name, path)
        known = [row.lower() not in PLACEHOLDERS for row in rows]
        values = np.full(len(rows), np.nan)
        values[known] = Angle(np.array(rows)[known], unit=unit or text_unit).deg
        return values
    return Angle(values, unit=unit or "deg").deg
