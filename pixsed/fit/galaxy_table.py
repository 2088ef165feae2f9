"""Table of ``pixsed sum-mass``: types, units and descriptions of its columns."""

import numpy as np
from astropy import units as u
from astropy.table import Column, Table

from pixsed.errors import PixsedError
from pixsed.fit.galaxy_row import LEVELS
from pixsed.io.cards import plain_text
from pixsed.io.columns import integers_or_texts
from pixsed.properties import quantile_name, unit_and_description

_KINDS = {
    "RES": "resolved",
    "INT": "integrated",
}
# Properties that are totals or means of a galaxy: unit and description, for both kinds.
_TOTALS = {
    "LOGMSTAR": ("dex(solMass)", "log10 of the {} stellar mass"),
    "LOGMFORM": ("dex(solMass)", "log10 of the {} stellar mass formed"),
    "LOGSFR": ("dex(solMass yr-1)", "log10 of the {} SFR over the last 100 Myr"),
    "LOGSFR10": ("dex(solMass yr-1)", "log10 of the {} SFR over the last 10 Myr"),
    "LOGSSFR": ("dex(yr-1)", "log10 of the {} specific SFR over 100 Myr"),
    "AGE": ("Gyr", "{} mass-weighted age"),
    "METAL": ("dex", "{} metallicity [M/H]"),
    "AV": ("mag", "{} V-band attenuation"),
    "REDSHIFT": ("", "redshift of the {} fit, where it has an error"),
}
_MEANS = ("METAL", "AV")
# Other columns: type, unit, description.
_COLUMNS = {
    "ID": (None, "", "id of the galaxy"),
    "FILE": (str, "", "cube, or segmentation map, of the galaxy"),
    "RA": (float, "deg", "right ascension of the centre of the segment's light"),
    "DEC": (float, "deg", "declination of the centre of the segment's light"),
    "REDSHIFT": (float, "", "redshift as given"),
    "REDSHIFT_ERR": (float, "", "1-sigma error of the redshift, 0 = exact"),
    "NPIX": (np.int64, "", "number of pixels in the sums"),
    "AREA_ARCSEC2": (float, "arcsec2", "area of these pixels"),
    "AREA_KPC2": (float, "kpc2", "area of these pixels at REDSHIFT"),
    "FRAC_SEGMENT": (float, "", "fraction of the segment's pixels in the sums"),
    "FRAC_LIGHT": (float, "", "fraction of the segment's light in the sums, reference bands"),
    "OFFSET": (
        float,
        "dex",
        "RES_LOGMSTAR_P50 - INT_LOGMSTAR_P50: positive = resolved larger",
    ),
    "OFFSET_ERR": (
        float,
        "dex",
        "half the P16-P84 widths of RES_ and INT_LOGMSTAR, in quadrature as if independent",
    ),
    "RES_LOGMSTAR_BOUND": (float, "dex", "error of log10 resolved mass if all pixels err together"),
    "FAINT_LIGHT": (float, "", "light of the segment below the S/N cut over that in the sums"),
    "FRAC_OOD": (float, "", "fraction of the pixels that are out of distribution"),
    "FRAC_PRIOR": (float, "", "fraction of the resolved mass's variance from the prior"),
    "FLAG": (
        np.int32,
        "",
        "bits of pixsed.dq.Flag, named by the cards FLAGBITn; 0 = good",
    ),
}


def galaxy_table(rows, *, texts=False):
    """Return the table of some galaxies, with units and descriptions.

    Parameters
    ----------
    rows : list of dict
        From `pixsed.fit.galaxy_row.galaxy_row`, at least one.
    texts : bool, optional
        Whether ids are texts even if all look like numbers.

    Returns
    -------
    `~astropy.table.Table`
        Logarithms have units such as ``dex(solMass)`` in memory, which
        `~pixsed.io.writers.tables.write_table` moves into the descriptions.

    Raises
    ------
    PixsedError
        If rows have different columns.
    """
    names = list(rows[0])
    if any(list(row) != names for row in rows):
        raise PixsedError("rows of another version of pixsed; start anew with --overwrite")
    table = Table()
    for name in names:
        values = [row[name] for row in rows]
        kind, unit, text = _COLUMNS.get(name) or _described(name)
        if name == "ID":  # as in the segmentation map, so that it can be joined with its catalogue
            column = Column([str(v) for v in values]) if texts else integers_or_texts(values)
        elif kind is str:
            column = Column([plain_text(value) for value in values])
        else:
            column = Column(np.array(values, dtype=kind))
        column.description = text
        column.unit = u.Unit(unit) if unit else None
        table[name] = column
    return table


def _described(name):
    """Return the type, unit and description of a column of quantiles."""
    kind, prop = name[:3], name[4:].rpartition("_")[0]
    level = {quantile_name(level): level for level in LEVELS}[name.rpartition("_")[2]]
    unit, text = _TOTALS.get(prop) or unit_and_description(prop)
    text = text.format(_KINDS[kind])
    if kind == "RES" and prop in _MEANS:
        text += ", weighted by mass formed"
    shown = "median" if level == 0.5 else f"{100 * level:g}% quantile"
    return np.float64, unit, f"{shown}: {text}"
