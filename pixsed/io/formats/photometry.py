"""Tables of integrated photometry: one row per galaxy, flux and error of each band in columns."""

from pixsed.errors import PixsedError
from pixsed.io.columns import numbers, same_name, unit_of
from pixsed.io.fluxes import flux_unit, fluxes_njy, is_relative, leaves_open


def band_columns(names, bands=(), path="table"):
    """Return the columns of fluxes of a table: those with an ``_ERR`` column.

    Parameters
    ----------
    names : list of str
        Names of the table's columns.
    bands : sequence of str, optional
        Bands whose columns are matched in any case (`~pixsed.io.columns.same_name`).
    path : str, optional
        File name, for messages.

    Returns
    -------
    dict of str to str
        Column -> band.

    Raises
    ------
    PixsedError
        If several columns match one band.
    """
    known = {band.lower(): band for band in bands}
    found = {}
    for name in names:
        band = known.get(name.lower())
        if band is not None:
            if same_name(names, band, path) == name and same_name(names, f"{name}_ERR", path):
                found[name] = band
        elif f"{name}_ERR" in names and name.upper() != "REDSHIFT":
            found[name] = name
    return found


def band_njy(table, band, units, path):
    """Return fluxes and errors of a band in nJy.

    Parameters
    ----------
    table : `~astropy.table.Table`
    band : str
        Name of the column of fluxes; ``<BAND>_ERR`` has the errors.
    units : dict
        Band -> unit, which overrides the unit of its columns. The key None has the unit of columns
        whose own unit is missing or does not tell a flux density.
    path : str
        File name, for messages.

    Returns
    -------
    flux, err : `~numpy.ndarray`, shape (N,), float64
        NaN where masked, and as described in `~pixsed.io.fluxes.fluxes_njy`.
    used : bool
        Whether a unit of `units` was used.

    Raises
    ------
    PixsedError
        If a column does not have one number per row, or its unit is missing or is not a flux
        density.
    """
    names = band, same_name(table.colnames, f"{band}_ERR", path)
    flux, err = (numbers(table[name], name, "", path) for name in names)
    found, used = [], False
    for name in names:
        unit, said = unit_of(table[name]), units.get(band.upper())
        what = f"{path}: column {name}"
        # An error in plain magnitudes is relative, whatever the system of the flux.
        relative = name != band and unit is not None and is_relative(unit)
        if said is None and (unit is None or (leaves_open(unit) and not relative)):
            said = units.get(None)
        if said is None and unit is not None:
            found.append(flux_unit(unit, what))
            continue
        if said is None:
            raise PixsedError(
                f"{what} has no unit; write it into the table (FITS TUNIT or ECSV), or give it, "
                "as --unit nJy"
            )
        found.append(flux_unit(said, f"{what}, by --unit,"))
        used = True
    if is_relative(found[0]):
        raise PixsedError(
            f"{path}: column {band} is in {found[0]} without a system; give it, as "
            '--unit "mag(AB)", or convert the column to nJy'
        )
    return *fluxes_njy(flux, err, *found), used
