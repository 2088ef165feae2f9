"""Pairs of values of one property: of two tables, of two Maps files, or of one table."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from pixsed.errors import PixsedError, listed
from pixsed.io.columns import same_name, texts
from pixsed.io.formats.kinds import is_maps
from pixsed.io.formats.maps import Maps, maps_of_hdulist, property_names
from pixsed.io.headers import grid_offset
from pixsed.io.locate import open_fits, parse_location
from pixsed.io.tables import read_table
from pixsed.properties import PROPERTIES, ordered, unit_and_description
from pixsed.validate.outside import SUFFIX, property_values

#: Prefixes of the two masses of ``pixsed sum-mass``.
RESOLVED, INTEGRATED = "RES_", "INT_"
_COLUMN = re.compile(rf"(?P<kind>{RESOLVED}|{INTEGRATED}|)(?P<property>.+)_(?P<end>P50|TRUE)", re.I)
# Largest distance between the pixels of two maps that are compared, in pixels.
_SAME_GRID = 0.01


@dataclass
class Pairs:
    """Values A and B of one property for N galaxies or pixels; both are finite.

    Attributes
    ----------
    name, prop, unit : str
        Name, such as RES_LOGMSTAR; the property, LOGMSTAR; and its unit, empty if unknown.
    a, b : `~numpy.ndarray`, shape (N,), float64
        Medians, or truths.
    a_err, b_err : `~numpy.ndarray`, shape (N,), float64
        Half of the 68 % interval, or the standard deviation; 0 where the table has none, such as
        for truths.
    redshift : `~numpy.ndarray`, shape (N,), float64
        NaN if unknown.
    a_name, b_name : str
        Names of A and B, for labels.
    pixels : bool
        Whether they are pixels of maps.
    """

    name: str
    prop: str
    unit: str
    a: np.ndarray
    b: np.ndarray
    a_err: np.ndarray
    b_err: np.ndarray
    redshift: np.ndarray
    a_name: str
    b_name: str
    pixels: bool = False


def read_pairs(a, b=None, properties=None, *, resolved_integrated=False, id_col="ID"):
    """Return the pairs of two tables, of two Maps files, or of one table.

    Parameters
    ----------
    a, b : path-like, `~astropy.table.Table` or `~pixsed.io.formats.maps.Maps`
        Tables are matched by their ids; Maps pixel by pixel. Columns are <PROPERTY>_P50, or
        RES_<PROPERTY>_P50 and INT_<PROPERTY>_P50, with _P16 and _P84 or _STD; or truths,
        <PROPERTY>_TRUE. Without `b`, the truths of a table are A, and its medians B.
    properties : sequence of str, optional
        Properties, or names of columns without _P50; by default all that A and B have.
    resolved_integrated : bool, optional
        Compare one table of ``pixsed sum-mass`` with itself: A is integrated, B resolved.
    id_col : str, optional
        Column of the ids, in any case.

    Returns
    -------
    list of `Pairs`
        In the order of the properties in a Maps file.

    Raises
    ------
    PixsedError
        If a file is of another kind, grids differ, ids are missing, repeated or have none in
        common, or A and B have no property in common.
    """
    if b is None or resolved_integrated:
        if b is not None:
            raise PixsedError("--resolved-integrated compares one table with itself; give one")
        if not isinstance(a, Table) and _has_maps(a):
            raise PixsedError(f"{a} has maps; give another Maps file of the same pixels to compare")
        table, both = _table(a)
        found = _of_one(table, both, resolved_integrated)
    else:
        names = _name(a), _name(b)
        kinds = [isinstance(x, Maps) or (not isinstance(x, Table) and _has_maps(x)) for x in (a, b)]
        if kinds[0] != kinds[1]:
            maps, table = names if kinds[0] else names[::-1]
            raise PixsedError(f"{maps} has maps and {table} does not; give two of one kind")
        found = _of_maps(a, b, properties) if kinds[0] else _of_tables(a, b, id_col)
        both = f"{names[0]} and {names[1]}"
    found = _chosen(found, properties, both)
    if empty := [pair.name for pair in found if not len(pair.a)]:
        found = [pair for pair in found if len(pair.a)]
        if not found:
            raise PixsedError(f"{both}: no row or pixel has both values of {listed(empty)}")
    return found


def _has_maps(path):
    place = parse_location(str(path))
    return place.ext is None and is_maps(place.path)


def _name(x):
    if isinstance(x, Table):
        return "table"
    return x.name if isinstance(x, Maps) else str(x)


def _table(x):
    if isinstance(x, Table):
        return x, "table"
    wanted = lambda names: any(_COLUMN.fullmatch(name) for name in names)  # noqa: E731
    return read_table(str(x), wanted=wanted), str(x)


def _chosen(pairs, properties, both):
    """Return the pairs of some properties, in the order of a Maps file."""
    rank = {name: i for i, name in enumerate(ordered({pair.prop for pair in pairs}))}
    pairs = sorted(pairs, key=lambda pair: rank[pair.prop])
    there = list(dict.fromkeys(pair.name for pair in pairs))
    wanted = [name.upper() for name in properties or ()]
    known = {*there, *(pair.prop for pair in pairs)}
    if unknown := [name for name in wanted if name not in known]:
        raise PixsedError(
            f"{both}: no {', '.join(unknown)} to compare; choose from {listed(there) or 'none'}"
        )
    if not pairs:
        raise PixsedError(
            f"{both}: no property to compare; columns are named as LOGMSTAR_P50, RES_LOGMSTAR_P50 "
            f"or LOGMSTAR{SUFFIX}"
        )
    return [pair for pair in pairs if not wanted or {pair.name, pair.prop} & set(wanted)]


# Tables.


@dataclass
class _Side:
    """Columns of a table: (kind, property) -> column of the medians or truths."""

    table: Table
    path: str
    medians: dict
    truths: dict

    def read(self, kind, prop, truth=False):
        """Return the values and errors of a property, (N,) each."""
        name = (self.truths if truth else self.medians)[kind, prop]
        values = property_values(self.table, name, prop, self.path)
        return values, np.zeros(len(values)) if truth else self._error(name[: -len("P50")], prop)

    def _error(self, stem, prop):
        names = [same_name(self.table.colnames, f"{stem}{end}", self.path) for end in _ENDS]
        low, high, std = (
            property_values(self.table, name, prop, self.path) if name else None for name in names
        )
        if low is not None and high is not None:
            return (high - low) / 2
        return np.zeros(len(self.table)) if std is None else std

    def redshift(self):
        """Return the redshifts, (N,); NaN where there is none."""
        for name in ("REDSHIFT", f"REDSHIFT{SUFFIX}", "REDSHIFT_P50"):
            if column := same_name(self.table.colnames, name, self.path):
                return property_values(self.table, column, "REDSHIFT", self.path)
        return np.full(len(self.table), np.nan)


_ENDS = "P16", "P84", "STD"


def _side(table, path):
    """Return the `_Side` of a table. A column with the name of a property is a truth too."""
    medians, truths = {}, {}
    for name in table.colnames:
        if match := _COLUMN.fullmatch(name):
            found = medians if match["end"].upper() == "P50" else truths
            found[match["kind"].upper(), match["property"].upper()] = name
    for name in table.colnames:
        if name.upper() in PROPERTIES and name.upper() != "REDSHIFT":
            truths.setdefault(("", name.upper()), name)
    return _Side(table, path, medians, truths)


def _of_one(table, path, resolved_integrated):
    """Return the pairs of one table."""
    side = _side(table, path)
    found = []
    if resolved_integrated:
        for kind, prop in side.medians:
            if kind == RESOLVED and (INTEGRATED, prop) in side.medians:
                values = side.read(INTEGRATED, prop), side.read(RESOLVED, prop)
                found.append(_pair(prop, prop, values, side.redshift(), ("integrated", "resolved")))
        if not found:
            raise PixsedError(
                f"{path} has no columns RES_<PROPERTY>_P50 and INT_<PROPERTY>_P50; make them with "
                "pixsed sum-mass"
            )
        return found
    for kind, prop in side.medians:
        if ("", prop) in side.truths:
            values = side.read("", prop, truth=True), side.read(kind, prop)
            names = "truth", f"{kind.rstrip('_')} median".strip()
            found.append(_pair(f"{kind}{prop}", prop, values, side.redshift(), names))
    if not found:
        raise PixsedError(
            f"{path} has no <PROPERTY>{SUFFIX} beside <PROPERTY>_P50; give a second table, or "
            "--resolved-integrated"
        )
    return found


def _of_tables(a, b, id_col):
    """Return the pairs of two tables, matched by their ids."""
    sides = [_side(*_table(x)) for x in (a, b)]
    rows = _matched(sides, id_col)
    redshifts = [side.redshift()[index] for side, index in zip(sides, rows, strict=True)]
    redshift = np.where(np.isfinite(redshifts[0]), *redshifts)
    both = [(*side.medians, *(t for t in side.truths if t not in side.medians)) for side in sides]
    found = []
    for kind_a, prop in both[0]:
        for kind_b, other in both[1]:
            # A value that is neither resolved nor integrated is compared with both.
            if other != prop or (kind_a != kind_b and kind_a and kind_b):
                continue
            matched = (kind_a, prop) in both[1] or (kind_b, prop) in both[0]
            if kind_a != kind_b and matched:
                continue
            values = []
            for side, kind, index in zip(sides, (kind_a, kind_b), rows, strict=True):
                read = side.read(kind, prop, truth=(kind, prop) not in side.medians)
                values.append(tuple(v[index] for v in read))
            name = f"{kind_a or kind_b}{prop}"
            found.append(_pair(name, prop, values, redshift, [side.path for side in sides]))
    return found


def _matched(sides, id_col):
    """Return the rows of two tables that have the same ids, in the order of the first."""
    found = []
    for side in sides:
        name = same_name(side.table.colnames, id_col, side.path)
        if name is None:
            raise PixsedError(
                f"{side.path} has no column {id_col!r} to match rows by; name one with --id-col"
            )
        rows = {}
        for row, text in enumerate(texts(side.table[name], name, side.path)):
            if text in rows:
                raise PixsedError(
                    f"{side.path}: {name} {text!r} is in rows {rows[text] + 1} and {row + 1}; "
                    "ids must be unique: name another column with --id-col"
                )
            rows[text] = row
        found.append(rows)
    first, second = found
    common = [text for text in first if text in second]
    if not common:
        raise PixsedError(
            f"{sides[0].path} and {sides[1].path} have no {id_col} in common "
            f"({listed(list(first), 3)}; {listed(list(second), 3)}); name another with --id-col"
        )
    return [np.array([rows[text] for text in common]) for rows in found]


def _pair(name, prop, values, redshift, names, unit=None, pixels=False):
    """Return the `Pairs` of the rows in which both values are finite."""
    (a, a_err), (b, b_err) = values
    good = np.isfinite(a) & np.isfinite(b)
    unit = unit_and_description(prop)[0] if unit is None else unit
    parts = (np.asarray(v, dtype=float)[good] for v in (a, b, a_err, b_err, redshift))
    return Pairs(name, prop, unit, *parts, *map(str, names), pixels)


# Maps.


def _of_maps(a, b, properties):
    """Return the pairs of two Maps on one grid, of the pixels that are fitted in both."""
    a, b = (x if isinstance(x, Maps) else _read_maps(str(x), properties) for x in (a, b))
    if a.shape != b.shape:
        raise PixsedError(
            f"{a.name} and {b.name} must have one grid, got shapes {a.shape} and {b.shape}; fit "
            "the same cube twice"
        )
    if (offset := grid_offset(a.wcs, b.wcs, a.shape)) > _SAME_GRID:
        raise PixsedError(
            f"{a.name} and {b.name} must have one grid, got pixels up to {offset:.3g} pixels "
            "apart on the sky; fit the same cube twice"
        )
    found, redshift = [], _redshift_plane(a, b)
    for prop in (p for p in a.properties if all(f"{p}_P50" in x.planes for x in (a, b))):
        values = [_plane(maps, prop) for maps in (a, b)]
        names = a.name, b.name
        found.append(_pair(prop, prop, values, redshift, names, a.units.get(prop), pixels=True))
    return found


def _read_maps(path, properties):
    """Return the Maps of a file, with only the planes that are compared."""
    with open_fits(path) as hdulist:
        there = property_names(hdulist, path)
        wanted = {name.upper() for name in properties or there} & set(there) or set(there)
        ends = "P50", *_ENDS
        names = [f"{prop}_{end}" for prop in there if prop in wanted for end in ends]
        planes = {hdu.name for hdu in hdulist}
        names = [name for name in {**dict.fromkeys(names), "REDSHIFT_P50": None} if name in planes]
        return maps_of_hdulist(hdulist, path, names)


def _plane(maps, prop):
    """Return the medians and errors of a property, (N,) each."""
    planes = {end: maps.planes.get(f"{prop}_{end}") for end in ("P50", *_ENDS)}
    median = planes["P50"].ravel()
    if planes["P16"] is not None and planes["P84"] is not None:
        return median, (planes["P84"].ravel().astype(float) - planes["P16"].ravel()) / 2
    std = planes["STD"]
    return median, np.zeros(median.shape) if std is None else std.ravel()


def _redshift_plane(*both):
    """Return the redshift of each pixel, (N,): fitted, or else that of the header; NaN if none."""
    redshift = np.full(both[0].shape, np.nan).ravel()
    for maps in both:
        known = (maps.primary or {}).get("REDSHIFT")
        values = maps.planes.get(
            "REDSHIFT_P50", known if isinstance(known, int | float) else np.nan
        )
        redshift = np.where(np.isfinite(redshift), redshift, np.ravel(values))
    return redshift
