"""Fits of integrated photometry: a table in, the same table with posteriors out."""

import re
import warnings

import numpy as np
from astropy import units as u

from pixsed.dq import DQ, NOT_FITTED, OOD_LIMIT, count_reasons, ood_text, reasons_text
from pixsed.errors import PixsedError, PixsedWarning, listed
from pixsed.fit.draws import DEFAULT_SAMPLES, key_of_name
from pixsed.fit.posterior import output_names, summarise
from pixsed.fit.select import match_bands, quality
from pixsed.io.columns import find_column, numbers, same_name, texts
from pixsed.io.formats.maps import QUALITY
from pixsed.io.formats.photometry import band_columns, band_njy
from pixsed.io.redshift_columns import check_redshift_unit, unused_errors
from pixsed.nodata import count_codes, usable, warn_of_codes
from pixsed.properties import (
    PROPERTIES,
    check_quantiles,
    ordered,
    quantile_name,
    unit_and_description,
)
from pixsed.redshifts import check_redshift, exact_text, range_text, redshift_dq
from pixsed.snr import mean_snr


def fit_table(
    table,
    model,
    *,
    source="table",
    unit=None,
    redshift=None,
    redshift_err=None,
    samples=DEFAULT_SAMPLES,
    quantiles=(0.16, 0.5, 0.84),
    seed=42,
    engine="flow",
    jobs=1,
    progress=None,
    error_floor=0.0,
    snr_min=None,
    id_col=None,
    z_col=None,
    zerr_col=None,
):
    """Fit a table of photometry, one row per galaxy.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Columns ``<BAND>`` and ``<BAND>_ERR`` with units (of flux density, or magnitudes:
        `~pixsed.io.fluxes.fluxes_njy`), ``REDSHIFT`` unless the model infers it, and, as they
        are there, ``REDSHIFT_ERR`` and ``ID``; names in other case count where none is so spelt.
        One value a row.
    model : `~pixsed.fit.model.Model`
    source : str, optional
        The file, for messages.
    unit : str or dict, optional
        Unit of flux columns that have none; or band -> unit, in place of that of its columns,
        with None for those of the other bands that have none.
    redshift, redshift_err : float, optional
        In place of the columns.
    samples, quantiles, seed, engine, jobs, progress
        As of `pixsed.fit.fit.fit_cube`.
    error_floor : float, optional
        Fraction of the flux added to the errors in quadrature.
    snr_min : float, optional
        Least mean S/N of a row that is fitted; by default any.
    id_col, z_col, zerr_col : str, optional
        Columns in place of ID, REDSHIFT and REDSHIFT_ERR.

    Returns
    -------
    `~astropy.table.Table`
        A copy with ``<PROP>_P16``, ``_P50``, ``_P84``, ``_STD`` of every property, and
        SNR, NBANDS, OOD, CHI2 and DQ (int32, `~pixsed.dq.DQ`). NaN in rows that DQ says are
        not fitted: without a redshift that can be fitted, with fewer than three bands, or
        below `snr_min`.
    nfit : int
        Rows fitted.

    Raises
    ------
    PixsedError
        If columns or units are missing, a column holds no numbers, or `redshift` or `redshift_err`
        cannot be fitted.

    Warns
    -----
    PixsedWarning
        Of columns of `table` whose names the fit writes: they become ``<NAME>_IN``; of rows whose
        redshift cannot be fitted; of values taken as missing; of columns that look like errors
        of the redshifts and are not read.
    """
    quantiles = check_quantiles(quantiles)
    fluxes = _flux_columns(table, model, source)
    z_col, zerr_col = _redshift_columns(
        table, redshift, redshift_err, source, z_col, zerr_col, model
    )
    fluxes.pop(z_col, None)
    names, bands, columns = _bands(fluxes, model, source)
    flux, err, _, code = usable(*_photometry(table, names, unit, source, model), error_floor)
    z, dz = _redshifts(table, model, redshift, redshift_err, source, z_col, zerr_col)
    ids = _ids(table, id_col, source)
    snr = mean_snr(flux, err, bands).astype(np.float32)
    dq, nbands = quality(flux, code, snr, snr_min)
    redshift_bits = redshift_dq(z, dz, model)
    dq |= redshift_bits
    _warn_of_redshifts(redshift_bits, ids, model, source)
    warn_of_codes(count_codes(code, bands), source, "rows")
    rows = np.flatnonzero((dq & NOT_FITTED) == 0)
    wide = [np.full((len(rows), len(model.bands)), np.nan, dtype=np.float32) for _ in range(2)]
    for target, values in zip(wide, (flux, err), strict=True):
        target[:, columns] = values[:, rows].T
    if ids is not None:  # a galaxy's draws do not depend on the order of rows
        keys = np.array([key_of_name(ids[row]) for row in rows], dtype=np.int64)
    else:
        keys = rows.astype(np.int64)
    found = summarise(
        model,
        *wide,
        z[rows],
        dz[rows],
        np.zeros_like(keys),
        keys,
        samples=samples,
        quantiles=quantiles,
        seed=seed,
        jobs=jobs,
        progress=progress,
        engine=engine,
    )
    result = _own_columns_kept(table, model, source)
    properties = ordered(output_names(model, bool((dz[rows] > 0).any()), False))
    _add_posterior(result, found, rows, properties, quantiles, model)
    _add_quality(result, found, rows, snr, nbands, dq)
    return result, len(rows)


def _flux_columns(table, model, source):
    """Return the columns of fluxes, each with its band: those with an ``_ERR`` beside them."""
    fluxes = band_columns(table.colnames, model.bands, source)
    if not fluxes:
        raise PixsedError(
            f"{source}: no column <BAND> with <BAND>_ERR beside it; it has "
            f"{listed(table.colnames)}; name them as F444W and F444W_ERR"
        )
    return dict(fluxes)


def _bands(fluxes, model, source):
    """Return the flux columns of bands that a model knows, the bands, and their places in it.

    In the model's order of wavelength, whatever the table's.
    """
    names = list(fluxes)
    index, columns = match_bands([fluxes[name] for name in names], model, source)
    order = np.argsort(columns)
    names = [names[index[i]] for i in order]
    return names, [fluxes[name] for name in names], columns[order]


def _ids(table, id_col, source):
    """Return the ids of rows as text, None where the table has no such column."""
    if id_col:
        id_col = find_column(table.colnames, id_col, (), "--id-col", source)
    else:
        id_col = same_name(table.colnames, "ID", source)
    return texts(table[id_col], id_col, source) if id_col else None


def _add_posterior(result, found, rows, properties, quantiles, model):
    """Add the columns of a posterior, `found` of the `rows` that were fitted."""
    for prop in properties:
        unit, text = unit_and_description(prop, model)
        for suffix in [*map(quantile_name, sorted(quantiles)), "STD"]:
            _put(result, f"{prop}_{suffix}", rows, found, unit, text)


def _add_quality(result, found, rows, snr, nbands, dq):
    """Add SNR, NBANDS, OOD, CHI2 and DQ; `dq` gets the bit of rows out of distribution."""
    result["SNR"] = snr
    result["NBANDS"] = nbands
    for name in ("OOD", "CHI2"):
        _put(result, name, rows, found, "", "")
    with np.errstate(invalid="ignore"):
        dq[np.asarray(result["OOD"]) < OOD_LIMIT] |= DQ.OUT_OF_DISTRIBUTION
    result["DQ"] = dq
    for name in QUALITY:
        if name in result.colnames:
            result[name].description = QUALITY[name].replace("pixel", "row")


def table_text(result):
    """Return what became of the rows of a table that was fitted, as text.

    As ``4 of 6 rows fitted, 1 of them out of distribution; not fitted: 2 without data``.
    """
    dq = np.asarray(result["DQ"])
    nfit = int(((dq & NOT_FITTED) == 0).sum())
    text = f"{nfit} of {len(dq)} rows fitted"
    if nfit:
        scored = int(np.isfinite(result["OOD"]).sum())
        text += f", {ood_text(scored, int((dq & DQ.OUT_OF_DISTRIBUTION > 0).sum()))}"
    reasons = reasons_text(count_reasons(dq))
    return f"{text}; not fitted: {reasons}" if reasons else text


def _put(table, name, rows, found, unit, description):
    values = np.full(len(table), np.nan, dtype=np.float32)
    if len(rows):
        values[rows] = found[name]
    table[name] = values
    if unit:
        table[name].unit = u.Unit(unit)
    if description:
        table[name].description = description


def _warn_of_redshifts(dq, ids, model, source):
    """Warn of rows whose redshift cannot be fitted, by the reason; they are named by `ids`."""
    if model.infers_redshift:
        return
    reasons = {
        DQ.NO_REDSHIFT: "no redshift, or one too small for a distance",
        DQ.BAD_REDSHIFT_ERR: "a redshift error that is NaN, infinite or negative (set it to 0 "
        "where the redshift is exact)",
        DQ.REDSHIFT_RANGE: f"a redshift or its error outside {range_text(model)}",
    }
    for bit, text in reasons.items():
        bad = np.flatnonzero(dq & bit)
        if len(bad):
            labels = [i + 1 for i in bad] if ids is None else [ids[i] for i in bad]
            warnings.warn(
                f"{source}: {len(bad)} of {len(dq)} rows are not fitted, with {text}: "
                f"{'row' if ids is None else 'ID'} {listed(labels, 5)}",
                PixsedWarning,
                stacklevel=3,
            )


def _redshifts(table, model, redshift, redshift_err, source, z_col, zerr_col):
    """Return redshift and error of every row, float64, NaN where masked; 0 if not looked at.

    `z_col` and `zerr_col` are those of `_redshift_columns`.
    """
    if redshift is not None:
        check_redshift(redshift, redshift_err or 0.0, model, source)
    elif redshift_err is not None:
        check_redshift(
            1.0, redshift_err, None, source
        )  # the error alone: redshifts are those of rows
    if model.infers_redshift:
        return np.zeros(len(table)), np.zeros(len(table))
    return (
        _redshift_values(table, redshift, z_col, "--z-col", source),
        _redshift_values(table, redshift_err, zerr_col, "--zerr-col", source),
    )


def _redshift_columns(table, redshift, redshift_err, source, z_col, zerr_col, model):
    """Return the columns of the redshifts and of their errors; None where none is read."""
    names = table.colnames
    if model.infers_redshift:
        return z_col, zerr_col
    if redshift is not None:
        return None, None
    if z_col:
        z_col = find_column(names, z_col, (), "--z-col", source)
    else:
        z_col = same_name(names, "REDSHIFT", source)
    if z_col is None:
        raise PixsedError(
            f"{source}: no column REDSHIFT; add one, or give --redshift or --z-col; it has "
            f"{listed(names)}"
        )
    if redshift_err is not None:
        return z_col, None
    if zerr_col:
        return z_col, find_column(names, zerr_col, (), "--zerr-col", source)
    zerr_col = same_name(names, "REDSHIFT_ERR", source)
    if zerr_col is None and (unused := unused_errors(names, z_col)):
        warnings.warn(exact_text(source, listed(unused, 6)), PixsedWarning, stacklevel=3)
    return z_col, zerr_col


def _redshift_values(table, value, name, option, source):
    """Return redshifts, or their errors, of every row, float64: a value, a column, or 0."""
    if value is not None or name is None:
        return np.full(len(table), float(value or 0.0))
    check_redshift_unit(table[name], name, source)
    return numbers(table[name], name, option, source)


def _photometry(table, bands, unit, source, model):
    """Return flux and error of columns of bands, both of shape (B, N), nJy."""
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
