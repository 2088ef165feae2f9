"""Reading of a filter curve from a user's file."""

import re
from pathlib import Path

import numpy as np
from astropy import units as u

from pixsed.errors import PixsedError
from pixsed.io.formats.kinds import is_fits
from pixsed.io.inputs import check_input
from pixsed.io.locate import parse_location
from pixsed.io.tables import read_table
from pixsed.io.text_tables import decode

#: Smallest number of points of a curve.
MIN_POINTS = 5
_IN_ANGSTROM = {"Angstrom": 1.0, "micron": 1e4}
_UNITS = {
    "Angstrom": re.compile(r"(?<!no )angstr|å|\baa\b|\[a\]|\(a\)"),
    "micron": re.compile(r"micron|micromet|\bum\b|[µμ]m\b"),
    "another unit": re.compile(
        r"no angstrom|\bnm\b|nanomet|\b[gmkt]?hz\b|\b[cm]m\b|\bk?ev\b|\bmet(er|re)s?\b"
    ),
}
# Range of the mean wavelength of a curve in each unit, a little wider than that of pixsed's bands.
_RANGES = {"Angstrom": (2e3, 1.05e5), "micron": (0.2, 10.5)}
_GIVE = "give two columns, wavelength [Angstrom or micron] and transmission"
_WAVE, _TRANSMISSION = re.compile(r"wav|lam|wl"), re.compile(r"trans|thr|resp|eff|qe|pce|tot")


def read_curve(text):
    """Read the curve of a filter.

    Parameters
    ----------
    text : str
        ``path`` or ``path[EXT]``: text in two columns, with ``#`` before comments, or a table that
        `~pixsed.io.tables.read_table` reads. The wavelength is in Angstrom or micron, as the unit
        or name of the column or the comments say; otherwise the values tell.

    Returns
    -------
    wave, transmission : `~numpy.ndarray`, shape (K,)
        Wavelength in Angstrom, ascending; transmission in any scale, taken as electrons per
        photon.
    unit : str
        ``"Angstrom"`` or ``"micron"``, the unit in the file.

    Raises
    ------
    PixsedError
        If the file cannot be read, the unit cannot be told or is another one, or the curve is
        not valid: fewer than `MIN_POINTS` points, values that are not numbers, wavelengths that
        do not always increase or decrease, or negative or zero transmission.
    """
    path = Path(parse_location(text).path)
    check_input(path, "a filter curve")
    wave, transmission, words = _plain_columns(path) or _table_columns(text)
    _check_curve(text, wave, transmission)
    if wave[0] > wave[-1]:
        wave, transmission = wave[::-1], transmission[::-1]
    unit = _unit(text, wave, transmission, words)
    return wave * _IN_ANGSTROM[unit], transmission, unit


def _plain_columns(path):
    """Return both columns and the comments of a plain text file, or None for other files."""
    if is_fits(path):
        return None
    lines = [line.strip() for line in decode(path.read_bytes(), path).splitlines()]
    rows = [line.partition("#")[0].strip() for line in lines]
    rows = [re.split(r"\s*[,;]\s*|\s+", row) for row in rows if row]
    try:
        values = np.array([[float(word) for word in row] for row in rows])
    except ValueError:  # names of columns, or rows of different lengths
        return None
    if not len(rows):
        raise PixsedError(f"{path} has no rows; {_GIVE}")
    if values.shape[1] != 2:
        raise PixsedError(f"{path} must have two columns, got {values.shape[1]}; {_GIVE}")
    return *values.T, " ".join(line.partition("#")[2] for line in lines)


def _table_columns(text):
    """Return wavelength, transmission and the words about their units of a table."""
    table = read_table(text)
    names = [name for name in table.colnames if table[name].dtype.kind in "fiu"]
    wave = next((name for name in names if _WAVE.match(name.lower())), None)
    through = next((name for name in names if _TRANSMISSION.match(name.lower())), None)
    if len(table.colnames) == len(names) == 2 and (wave or through) is None:
        wave, through = names
    elif len(names) == 2:
        wave = wave or next(name for name in names if name != through)
        through = through or next(name for name in names if name != wave)
    if wave is None or through is None or wave == through:
        raise PixsedError(
            f"{text}: which of its columns are wavelength and transmission? It has "
            f"{', '.join(table.colnames)}; {_GIVE}"
        )
    columns = [np.ma.filled(np.ma.asarray(table[name], float), np.nan) for name in (wave, through)]
    comments = " ".join(map(str, table.meta.get("comments", [])))
    words = _unit_words(table[wave].unit) if table[wave].unit else f"{wave} {comments}"
    return *columns, words


def _unit_words(unit):
    """Return the name of the unit of a column as one of `_UNITS`, if it is one of them."""
    try:
        in_angstrom = float(u.Unit(unit).to(u.AA))
    except (ValueError, TypeError):  # not a length, or a unit that astropy does not know
        return str(unit)
    names = [name for name, factor in _IN_ANGSTROM.items() if np.isclose(in_angstrom, factor)]
    return names[0] if names else f"{unit}, no Angstrom"


def _check_curve(text, wave, transmission):
    """Raise `PixsedError` if a curve is not valid."""
    steps = np.diff(wave)
    for wrong, message in (
        (
            len(wave) < MIN_POINTS,
            f"a filter curve must have {MIN_POINTS} points or more, got {len(wave)}",
        ),
        (
            not (np.isfinite(wave).all() and np.isfinite(transmission).all()),
            "wavelength and transmission must be numbers, got NaN or infinity",
        ),
        (
            not ((steps > 0).all() or (steps < 0).all()),
            "the wavelength must increase from row to row; sort the rows, each wavelength once",
        ),
        (np.any(wave <= 0), f"the wavelength must be above 0, got {np.min(wave, initial=1):g}"),
        (
            np.any(transmission < 0),
            f"the transmission must not be negative, got {np.min(transmission, initial=1):g}; "
            "set it to 0 there",
        ),
        (not np.any(transmission > 0), "the transmission must be above 0 somewhere"),
    ):
        if wrong:
            raise PixsedError(f"{text}: {message}; {_GIVE}")


def _unit(text, wave, transmission, words):
    """Return the unit of the wavelength, as the words about it or else the values tell."""
    words = words.lower().replace("_", " ")
    named = [unit for unit, pattern in _UNITS.items() if pattern.search(words)]
    mean = np.average(wave, weights=transmission)
    if named == ["another unit"]:
        raise PixsedError(
            f"{text}: the wavelength must be in Angstrom or micron, got another unit "
            f"({' '.join(words.split())[:60]}); {_GIVE}"
        )
    possible = [unit for unit, (low, high) in _RANGES.items() if low <= mean <= high]
    if len(named) == 1:
        possible = [unit for unit in possible if unit in named]
    if len(possible) != 1:
        said = f" {named[0]}," if len(named) == 1 else ""
        raise PixsedError(
            f"{text}: the wavelength must be 2000 to 105000 Angstrom or 0.2 to 10.5 micron, got "
            f"{mean:.4g}{said} in the mean (is it in nm?); {_GIVE}"
        )
    return possible[0]
