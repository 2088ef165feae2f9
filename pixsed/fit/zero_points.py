"""Zero-point offsets and error floors by band, which correct the photometry before a fit.

The sign is that of corrections to the data: an offset is added to the observed magnitudes, and the
factor 10^(-0.4 offset) multiplies the observed fluxes and their errors.
"""

import math
import os
from typing import NamedTuple

import numpy as np

from pixsed.bands import BY_NAME
from pixsed.checks import plain_number
from pixsed.errors import PixsedError, listed

#: Largest offset in mag, larger than any error of a zero point.
MOST = 2.0
# Largest difference between an offset and a factor that are both given, in mag.
_SAME = 2e-3


class ZeroPoint(NamedTuple):
    """Correction of the data of one band.

    Attributes
    ----------
    band : str
    offset : float
        Added to the observed magnitudes, mag; between -`MOST` and `MOST`.
    floor : float
        Fraction of the flux that is added to the errors in quadrature, 0 to 1.
    """

    band: str
    offset: float
    floor: float = 0.0

    @property
    def factor(self):
        """Factor of the observed fluxes and errors, 10^(-0.4 offset)."""
        return 10.0 ** (-0.4 * self.offset)


def check_zero_points(values):
    """Return zero points as a tuple of `ZeroPoint`, in order of the bands.

    Parameters
    ----------
    values : str, path-like, None, or sequence of (band, offset) or (band, offset, floor)
        A path is a table, which `read_zero_points` reads.

    Raises
    ------
    PixsedError
        If a value is out of range, a band is there twice, or the table cannot be read.
    """
    if values is None:
        return ()
    if isinstance(values, str | os.PathLike):
        return read_zero_points(values)
    try:
        found = [ZeroPoint(str(band), *rest) for band, *rest in values]
    except (TypeError, ValueError):
        raise PixsedError(
            "zero_points must be a table, or (band, offset in mag, floor) for each band, got "
            f"{values!r:.60}"
        ) from None
    return _checked(found, "zero_points")


def read_zero_points(path):
    """Return the zero points of a table: a tuple of `ZeroPoint`, in order of the bands.

    Parameters
    ----------
    path : str or path-like
        FITS, ECSV, CSV or other text, with the columns BAND; OFFSET (mag, added to the observed
        magnitudes) or FACTOR (of the observed fluxes), or both; and optionally FLOOR (fraction of
        the flux). A value that is masked or NaN stands for no correction. Other columns are
        ignored.

    Raises
    ------
    PixsedError
        If the table cannot be read, lacks a column, or holds a band twice or values that are not
        corrections.
    """
    from pixsed.io.columns import find_column, numbers, same_name, texts
    from pixsed.io.tables import read_table

    path = os.fspath(path)
    table = read_table(path)
    names = table.colnames
    band = find_column(names, None, ("band",), "BAND", path)
    columns = {key: same_name(names, key, path) for key in ("OFFSET", "FACTOR", "FLOOR")}
    if columns["OFFSET"] is None and columns["FACTOR"] is None:
        raise PixsedError(
            f"{path} has neither a column OFFSET (mag, added to the observed magnitudes) nor "
            f"FACTOR (of the observed fluxes); it has {listed(names)}"
        )
    values = {
        key: None if name is None else numbers(table[name], name, "", path)
        for key, name in columns.items()
    }
    found = []
    for row, name in enumerate(texts(table[band], band, path)):
        one = {key: float("nan") if v is None else float(v[row]) for key, v in values.items()}
        offset = _offset(one["OFFSET"], one["FACTOR"], f"{path}: {name}")
        found.append(ZeroPoint(name, offset, 0.0 if math.isnan(one["FLOOR"]) else one["FLOOR"]))
    return _checked(found, path)


def _offset(offset, factor, what):
    """Return the offset in mag of one row; NaN = not given."""
    if math.isnan(factor):
        return 0.0 if math.isnan(offset) else offset
    if not (factor > 0 and math.isfinite(factor)):
        raise PixsedError(f"{what}: FACTOR must be above 0, got {factor:g}; 1 is no correction")
    given = -2.5 * math.log10(factor)
    if abs(given - offset) > _SAME:
        raise PixsedError(
            f"{what}: OFFSET {offset:g} and FACTOR {factor:g} differ: FACTOR is "
            "10^(-0.4 OFFSET); remove one of the two columns"
        )
    return given if math.isnan(offset) else offset


def _checked(found, name):
    """Return zero points with plain numbers, after checking them."""
    seen, result = set(), []
    for one in found:
        if not one.band.strip():
            raise PixsedError(f"{name}: a row has no BAND; name it, or remove the row")
        if one.band in seen:
            raise PixsedError(f"{name}: {one.band} is there twice; give each band once")
        seen.add(one.band)
        offset, floor = (plain_number(name, value) for value in one[1:])
        if not (offset is not None and abs(offset) <= MOST):
            raise PixsedError(
                f"{name}: {one.band}: OFFSET must be between -{MOST:g} and {MOST:g} mag, got "
                f"{offset}; it is added to the observed magnitudes"
            )
        if not (floor is not None and 0 <= floor <= 1):
            raise PixsedError(
                f"{name}: {one.band}: FLOOR must be a fraction between 0 and 1, got {floor}"
            )
        result.append(ZeroPoint(one.band, float(offset), float(floor)))
    order = {band: i for i, band in enumerate(BY_NAME)}
    return tuple(sorted(result, key=lambda one: (order.get(one.band, len(order)), one.band)))


def check_known(zero_points, model):
    """Raise `PixsedError` if neither pixsed nor the model knows a band of the zero points."""
    unknown = [p.band for p in zero_points if p.band not in BY_NAME and p.band not in model.bands]
    if unknown:
        raise PixsedError(
            f"zero points of {listed(unknown, 6)}: neither pixsed nor model {model.name} knows "
            f"such a band; the bands of the model are {', '.join(model.bands)}"
        )


def corrected(zero_points, bands, flux, err, bare):
    """Return the photometry with the zero points of its bands.

    Parameters
    ----------
    zero_points : sequence of `ZeroPoint`
        Bands that are not among `bands` are ignored.
    bands : sequence of str
        The B bands.
    flux, err, bare : `~numpy.ndarray`, shape (B, ...), float32
        From `pixsed.nodata.usable`: fluxes, errors with and without the common error floor. They
        are not changed.

    Returns
    -------
    flux, err, bare : `~numpy.ndarray`, shape (B, ...), float32
        The floors of the bands are added to `err` only.
    """
    known = {point.band: point for point in zero_points if point.band in bands}
    if not known:
        return flux, err, bare
    used = [known.get(band, ZeroPoint(band, 0.0)) for band in bands]
    shape = (-1,) + (1,) * (flux.ndim - 1)
    factor, floor = (
        np.array([getattr(point, name) for point in used], np.float32).reshape(shape)
        for name in ("factor", "floor")
    )
    flux, err, bare = (values * factor for values in (flux, err, bare))
    return flux, np.hypot(err, floor * flux) if floor.any() else err, bare


def floors(zero_points, bands, error_floor):
    """Return the error floor of each band: the common one and its own, in quadrature.

    Parameters
    ----------
    zero_points : sequence of `ZeroPoint`
    bands : sequence of str
    error_floor : float

    Returns
    -------
    float or `~numpy.ndarray`, shape (B,)
        `error_floor` itself where no band has a floor of its own.
    """
    own = {point.band: point.floor for point in zero_points}
    values = np.array([own.get(band, 0.0) for band in bands])
    return np.hypot(error_floor, values) if values.any() else error_floor


def zero_point_cards(zero_points, bands):
    """Return the header cards that record the zero points of some bands; none if there is none.

    Parameters
    ----------
    zero_points : sequence of `ZeroPoint`
    bands : sequence of str
        Bands whose data were corrected.
    """
    used = [point for point in zero_points if point.band in bands]
    cards = {}
    if used:
        text = ",".join(f"{point.band}={point.offset:+.4f}" for point in used)
        cards["ZEROPTS"] = (text, "mag added to observed magnitudes")
    if own := [point for point in used if point.floor]:
        text = ",".join(f"{point.band}={point.floor:.4g}" for point in own)
        cards["ZPFLOOR"] = (text, "fraction added to errors, by band")
    return cards
