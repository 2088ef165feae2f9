"""Fits of integrated photometry: a table in, the same table with posteriors out."""

import re
import warnings

import numpy as np
from astropy import units as u

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.infer.draws import DEFAULT_SAMPLES, key_of_name
from pixsed.infer.posterior import MIN_BANDS, output_names, summarise
from pixsed.infer.properties import (
    PROPERTIES,
    check_quantiles,
    ordered,
    quantile_name,
    unit_and_description,
)
from pixsed.infer.select import match_bands, mean_snr, outside_range, usable
from pixsed.io.columns import (
    band_columns,
    band_njy,
    check_redshift_unit,
    find_column,
    listed,
    numbers,
    texts,
)
from pixsed.io.maps import QUALITY


def fit_table(table, model, *, source="table", unit=None, redshift=None, zerr=None,
              samples=DEFAULT_SAMPLES, quantiles=(0.16, 0.5, 0.84), seed=42, engine="flow", jobs=1,
              progress=None, error_floor=0.0, snr_min=None, id_col=None,
              z_col=None, zerr_col=None):
    """Fit a table of photometry, a row a galaxy.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Columns ``<BAND>`` and ``<BAND>_ERR`` with units (of flux density, or magnitudes:
        `~pixsed.io.fluxes.fluxes_njy`), ``REDSHIFT`` unless the model infers it, and, as they
        are there, ``REDSHIFT_ERR`` and ``ID``. One value a row.
    model : `~pixsed.infer.model.Model`
    source : str, optional
        The file, for messages.
    unit : str or dict, optional
        Unit of flux columns that have none; or band -> unit, in place of that of its columns,
        with None for those of the other bands that have none.
    redshift, zerr : float, optional
        In place of the columns.
    samples, quantiles, seed, engine, jobs, progress
        As of `pixsed.infer.fit.fit_cube`.
    error_floor : float, optional
        Share of the flux added to the errors in quadrature.
    snr_min : float, optional
        Least mean S/N of a row that is fitted; by default any.
    id_col, z_col, zerr_col : str, optional
        Columns in place of ID, REDSHIFT and REDSHIFT_ERR.

    Returns
    -------
    `~astropy.table.Table`
        A copy with ``<PROP>_P16``, ``_P50``, ``_P84``, ``_STD`` of every property, and
        SNR, NBANDS, OOD, CHI2. NaN in rows without a finite redshift or with fewer than
        three bands.
    nfit : int
        Rows fitted.

    Raises
    ------
    PixsedError
        If columns or units are missing, or a column holds no numbers.

    Warns
    -----
    PixsedWarning
        Of columns of `table` whose names the fit writes: they become ``<NAME>_IN``.
    """
    quantiles = check_quantiles(quantiles)
    names = [name for name in band_columns(table.colnames) if name != z_col]
    if not names:
        raise PixsedError(
            f"{source}: no column <BAND> with <BAND>_ERR beside it; it has "
            f"{listed(table.colnames)}; name them as F444W and F444W_ERR"
        )
    index, columns = match_bands(names, model, source)
    # In the model's order of wavelength, whatever the table's.
    order = np.argsort(columns)
    bands, columns = [names[index[i]] for i in order], columns[order]
    flux, err = usable(*_photometry(table, bands, unit, source, model), error_floor)
    if model.infers_redshift:
        z, dz = np.zeros(len(table)), np.zeros(len(table))  # not looked at
    else:
        z, dz = _redshifts(table, redshift, zerr, source, z_col, zerr_col)
    if outside_range(model, z, dz).any():
        warnings.warn(
            f"{source}: {outside_range(model, z, dz).sum()} rows have a redshift, or its error, "
            f"outside the range of model {model.name}",
            PixsedWarning,
            stacklevel=2,
        )
    snr, _ = mean_snr(flux, err, bands)
    nbands = np.isfinite(flux).sum(axis=0).astype(np.int16)
    rows = np.flatnonzero((nbands >= MIN_BANDS) & np.isfinite(z) & (z >= 0))
    if snr_min is not None:
        rows = rows[snr[rows] >= snr_min]
    wide = [np.full((len(rows), len(model.bands)), np.nan, dtype=np.float32) for _ in range(2)]
    for target, values in zip(wide, (flux, err), strict=True):
        target[:, columns] = values[:, rows].T
    if id_col or "ID" in table.colnames:  # a galaxy's draws do not depend on the order of rows
        id_col = find_column(table.colnames, id_col or "ID", (), "--id-col", source)
        ids = texts(table[id_col], id_col, source)
        keys = np.array([key_of_name(ids[row]) for row in rows], dtype=np.int64)
    else:
        keys = rows.astype(np.int64)
    found = summarise(
        model, *wide, z[rows], dz[rows], np.zeros_like(keys), keys, samples=samples,
        quantiles=quantiles, seed=seed, jobs=jobs, progress=progress, engine=engine,
    )
    result = _own_columns_kept(table, model, source)
    properties = ordered(output_names(model, bool((dz[rows] > 0).any()), False))
    for prop in properties:
        suffixes = [*map(quantile_name, sorted(quantiles)), "STD"]
        prop_unit, text = unit_and_description(prop, model)
        for suffix in suffixes:
            _put(result, f"{prop}_{suffix}", rows, found, prop_unit, text)
    result["SNR"] = snr
    result["NBANDS"] = nbands
    for name in ("OOD", "CHI2"):
        _put(result, name, rows, found, "", "")
    for name in QUALITY:
        if name in result.colnames:
            result[name].description = QUALITY[name].replace("pixel", "row")
    return result, len(rows)


def _put(table, name, rows, found, unit, description):
    values = np.full(len(table), np.nan, dtype=np.float32)
    if len(rows):
        values[rows] = found[name]
    table[name] = values
    if unit:
        table[name].unit = u.Unit(unit)
    if description:
        table[name].description = description


def _redshifts(table, redshift, zerr, source, z_col, zerr_col):
    """Return redshift and error of every row, float64."""
    if redshift is not None:
        z = np.full(len(table), float(redshift))
    elif z_col or "REDSHIFT" in table.colnames:
        z = _redshift_column(table, z_col or "REDSHIFT", "--z-col", source)
    else:
        raise PixsedError(
            f"{source}: no column REDSHIFT; add one, or give --redshift or --z-col; it has "
            f"{listed(table.colnames)}"
        )
    if zerr is not None:
        dz = np.full(len(table), float(zerr))
    elif (zerr_col or "REDSHIFT_ERR" in table.colnames) and redshift is None:
        dz = _redshift_column(table, zerr_col or "REDSHIFT_ERR", "--zerr-col", source)
        # No error, or a code for none, is a known redshift.
        dz = np.where(np.isfinite(dz) & (dz > 0), dz, 0.0)
    else:
        dz = np.zeros(len(table))
    return z, dz


def _redshift_column(table, name, option, source):
    name = find_column(table.colnames, name, (), option, source)
    check_redshift_unit(table[name], name, source)
    return numbers(table[name], name, option, source)


def _photometry(table, bands, unit, source, model):
    """Return flux and error of bands, both of shape (B, N), nJy."""
    units = unit if isinstance(unit, dict) else {} if unit is None else {None: unit}
    if unknown := set(units) - {None} - {band.upper() for band in bands}:
        raise PixsedError(
            f"{source}: {', '.join(sorted(unknown))} of --unit is not a band that is fitted; those "
            f"are {', '.join(bands)}"
        )
    found = [band_njy(table, band, units, source) for band in bands]
    if None in units and not any(used for *_, used in found):
        warnings.warn(
            f"{source}: --unit {units[None]} was not used: every column of flux has a unit; name "
            "the band, as --unit F444W=nJy, to replace it",
            PixsedWarning,
            stacklevel=3,
        )
    known = {band.upper() for band in model.bands}
    if lone := [name for name in table.colnames if name.upper() in known and name not in bands]:
        warnings.warn(
            f"{source}: {', '.join(lone)} left out: no {lone[0]}_ERR, or not the model's spelling",
            PixsedWarning,
            stacklevel=3,
        )
    return [flux for flux, _, _ in found], [err for _, err, _ in found]


def _own_columns_kept(table, model, source):
    """Return a copy of a table, its columns of names that a fit writes renamed to ``<NAME>_IN``.

    Those of properties that this model does not give are among them: of an earlier fit, they would
    pass for its own.
    """
    properties = "|".join([*PROPERTIES, *map(re.escape, model.parameters)])
    ours = re.compile(rf"({properties})_(P\d+|STD)|{'|'.join(QUALITY)}", re.IGNORECASE)
    result = table.copy()
    taken = {name.upper() for name in table.colnames}
    renamed = []
    for name in table.colnames:
        if not ours.fullmatch(name):
            continue
        new, number = f"{name}_IN", 1
        while new.upper() in taken:
            number += 1
            new = f"{name}_IN{number}"
        taken.add(new.upper())
        result.rename_column(name, new)
        renamed.append(new)
    if renamed:
        warnings.warn(
            f"{source} has columns of names that the fit writes; they are kept as "
            f"{listed(renamed, 6)}",
            PixsedWarning,
            stacklevel=3,
        )
    return result
