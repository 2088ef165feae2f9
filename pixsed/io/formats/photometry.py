"""Tables of integrated photometry: one row per galaxy, flux and error of each band in columns."""

from pixsed.errors import PixsedError
from pixsed.io.columns import numbers, same_name, unit_of
from pixsed.io.fluxes import flux_unit, fluxes_njy, is_relative, leaves_open


def band_columns(names, bands=(), path="table"):
    """Return the columns of flux of a table, those that have an ``_ERR`` beside them.

    Parameters
    ----------
    names : list of str
        The table's columns.
    bands : sequence of str, optional
        Bands whose columns may be in any case (`same_name`), as may be ``_ERR``.
    path : str, optional
        For messages.

    Returns
    -------
    dict of str to str
        Column -> band.

    Raises
    ------
    PixsedError
        If several columns could be one band.
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
    """Return flux and error of a band in nJy.

    Parameters
    ----------
    table : `~astropy.table.Table`
    band : str
        Its column, with ``<BAND>_ERR`` beside it.
    units : dict
        Band -> unit, in place of that of its columns; None -> unit of columns without one that
        tells a flux density.
    path : str
        For messages.

    Returns
    -------
    flux, err : `~numpy.ndarray`, shape (N,), float64
        NaN where masked, and as `~pixsed.io.fluxes.fluxes_njy` says.
    used : bool
        Whether `units` was used.

    Raises
    ------
    PixsedError
        If a column is not one number a row, or its unit is missing or no flux density.
    """
    names = band, same_name(table.colnames, f"{band}_ERR", path)
    flux, err = (numbers(table[name], name, "", path) for name in names)
    found, used = [], False
    for name in names:
        unit, said = unit_of(table[name]), units.get(band.upper())
        what = f"{path}: column {name}"
        # An error in plain magnitudes is of the flux's system.
        relative = name != band and unit is not None and is_relative(unit)
        if said is None and (unit is None or (leaves_open(unit) and not relative)):
            said = units.get(None)
        if said is None and unit is not None:
            found.append(flux_unit(unit, what))
            continue
        if said is None:
            raise PixsedError(
                f"{what} has no unit; write it into the table (FITS TUNIT or ECSV), or say it, "
                "as --unit nJy"
            )
        found.append(flux_unit(said, f"{what}, by --unit,"))
        used = True
    if is_relative(found[0]):
        raise PixsedError(
            f'{path}: column {band} is in {found[0]} of no system; say which, as --unit "mag(AB)", '
            "or convert it to nJy"
        )
    return *fluxes_njy(flux, err, *found), used
