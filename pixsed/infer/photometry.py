"""Tables of integrated photometry: columns in, the same table with posteriors out."""

import warnings
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from astropy.utils.exceptions import AstropyWarning

from pixsed.dq import DQ, NOT_FITTED, OOD_LIMIT, count_reasons, ood_text, reasons_text
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.infer.draws import DEFAULT_SAMPLES, key_of_name
from pixsed.infer.posterior import output_names, summarise
from pixsed.infer.properties import (
    PROPERTIES,
    check_quantiles,
    ordered,
    quantile_name,
    unit_and_description,
)
from pixsed.infer.select import match_bands, quality
from pixsed.io.atomic import atomic_path, write_hdulist
from pixsed.io.kinds import is_fits
from pixsed.io.locate import open_fits, parse_location
from pixsed.io.maps import safe_cards
from pixsed.io.provenance import stamp
from pixsed.nodata import count_codes, usable, warn_of_codes
from pixsed.redshifts import check_redshift, named, range_text, redshift_dq
from pixsed.snr import mean_snr

#: How a file spells a unit of dex, by how astropy does.
DEX_UNITS = {u.Unit(unit).to_string(): unit for unit, _ in PROPERTIES.values() if "dex" in unit}


def read_table(text):
    """Return the `~astropy.table.Table` that ``path`` or ``path[EXT]`` means.

    Raises
    ------
    PixsedError
        If it cannot be read.
    """
    place = parse_location(text)
    path = place.path
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            if is_fits(path):
                with open_fits(path) as hdulist:
                    key = place.ext if place.ver is None else (place.ext, place.ver)
                    if key is None:
                        key = next(i for i, hdu in enumerate(hdulist)
                                   if isinstance(hdu, fits.BinTableHDU | fits.TableHDU))
                    hdu = hdulist[key]
                    if not isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
                        raise PixsedError(
                            f"{place} is not a table; name one as path[EXT]; a cube has no [EXT]"
                        )
                    return Table.read(hdu)
            suffix = Path(path).suffix.lower()
            form = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv"}.get(suffix)
            if form:
                return Table.read(path, format=form)
            try:
                return Table.read(path)
            except Exception:  # not of a registered kind: any text table
                return Table.read(path, format="ascii")
    except PixsedError:
        raise
    except Exception as error:  # readers raise anything
        text = " ".join(str(error).split())[:200]
        raise PixsedError(
            f"{path} cannot be read as a table ({text}); give FITS, ECSV or CSV"
        ) from error


def band_columns(table):
    """Return the bands of a table: columns that have an ``_ERR`` beside them."""
    return [name for name in table.colnames
            if f"{name}_ERR" in table.colnames and name != "REDSHIFT"]


def column_njy(table, name, unit, source):
    """Return a column in nJy, float64, NaN where masked.

    Raises
    ------
    PixsedError
        If it has no unit, and none is given; or one that is no flux density.
    """
    column = table[name]
    found = column.unit if column.unit is not None and str(column.unit) else unit
    if found is None:
        raise PixsedError(
            f"{source}: column {name} has no unit; write it into the table (FITS TUNIT or ECSV), "
            "or say it, as --unit nJy"
        )
    try:
        factor = u.Unit(found).to(u.nJy)
    except (u.UnitConversionError, ValueError, TypeError):
        raise PixsedError(
            f"{source}: column {name} is in {found}, which is not a flux density; "
            "convert it to nJy"
        ) from None
    return plain(column) * factor


def plain(column):
    """Return a column as float64, NaN where masked."""
    values = np.ma.filled(np.ma.asarray(column).astype(float), np.nan)
    return np.asarray(values, dtype=float)


def fit_table(table, model, *, source="table", unit=None, redshift=None, zerr=None,
              samples=DEFAULT_SAMPLES, quantiles=(0.16, 0.5, 0.84), seed=42, engine="flow", jobs=1,
              progress=None, error_floor=0.0, snr_min=None):
    """Fit a table of photometry, one row per galaxy.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Columns ``<BAND>`` and ``<BAND>_ERR`` with units, ``REDSHIFT`` unless the model
        infers it, and, as they are there, ``REDSHIFT_ERR`` and ``ID``.
    model : `~pixsed.infer.model.Model`
    source : str, optional
        The file, for messages.
    unit : str, optional
        Unit of flux columns that have none.
    redshift, zerr : float, optional
        In place of the columns.
    samples, quantiles, seed, engine, jobs, progress
        As of `pixsed.infer.fit.fit_cube`.
    error_floor : float, optional
        Fraction of the flux added to the errors in quadrature.
    snr_min : float, optional
        Least mean S/N of a row that is fitted; by default all are.

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
        If columns or units are missing, or `redshift` or `zerr` cannot be fitted.

    Warns
    -----
    PixsedWarning
        Of rows whose redshift cannot be fitted, and of values taken as missing.
    """
    quantiles = check_quantiles(quantiles)
    names = band_columns(table)
    if not names:
        raise PixsedError(
            f"{source}: no column <BAND> with <BAND>_ERR beside it; it has "
            f"{', '.join(table.colnames[:12])}; name them as F444W and F444W_ERR"
        )
    index, columns = match_bands(names, model, source)
    # In the model's order of wavelength, whatever the table's.
    order = np.argsort(columns)
    bands, columns = [names[index[i]] for i in order], columns[order]
    flux, err = ([column_njy(table, f"{band}{suffix}", unit, source) for band in bands]
                 for suffix in ("", "_ERR"))  # fmt: skip
    flux, err, _, code = usable(flux, err, error_floor)
    if flux.ndim != 2:
        raise PixsedError(f"{source}: a column of photometry must be one number a row")
    if model.infers_redshift:
        z, dz = np.zeros(len(table)), np.zeros(len(table))  # not looked at
    else:
        z, dz = _redshifts(table, redshift, zerr, source)
        if redshift is not None and len(table):
            check_redshift(z[0], dz[0], model, source)
    snr = mean_snr(flux, err, bands).astype(np.float32)
    dq, nbands = quality(flux, code, snr, snr_min)
    redshift_bits = redshift_dq(z, dz, model)
    dq |= redshift_bits
    labels = table["ID"] if "ID" in table.colnames else np.arange(1, len(table) + 1)
    _warn_of_redshifts(redshift_bits, labels, model, source)
    warn_of_codes(count_codes(code, bands), source, "rows")
    rows = np.flatnonzero((dq & NOT_FITTED) == 0)
    wide = [np.full((len(rows), len(model.bands)), np.nan, dtype=np.float32) for _ in range(2)]
    for target, values in zip(wide, (flux, err), strict=True):
        target[:, columns] = values[:, rows].T
    if "ID" in table.colnames:  # a galaxy's draws do not depend on the order of the rows
        keys = np.array([key_of_name(table["ID"][row]) for row in rows], dtype=np.int64)
    else:
        keys = rows.astype(np.int64)
    found = summarise(
        model, *wide, z[rows], dz[rows], np.zeros_like(keys), keys, samples=samples,
        quantiles=quantiles, seed=seed, jobs=jobs, progress=progress, engine=engine,
    )
    result = table.copy()
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
    with np.errstate(invalid="ignore"):
        dq[np.asarray(result["OOD"]) < OOD_LIMIT] |= DQ.OUT_OF_DISTRIBUTION
    result["DQ"] = dq
    result["DQ"].description = "quality bits; 0 is good"
    return result, len(rows)


def table_text(result):
    """Return what became of the rows of a table that was fitted, as text.

    As ``4 of 6 rows fitted, 1 of them out of distribution; not fitted: 2 without a redshift``.
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


def _warn_of_redshifts(dq, labels, model, source):
    """Warn of rows whose redshift cannot be fitted, by the reason; `labels` name the rows."""
    if model.infers_redshift:
        return
    texts = {
        DQ.NO_REDSHIFT: "no redshift, or one too small for a distance",
        DQ.BAD_REDSHIFT_ERR: "a redshift error that is NaN, infinite or negative (set it to 0 "
        "where the redshift is exact)",
        DQ.REDSHIFT_RANGE: f"a redshift or its error outside {range_text(model)}",
    }
    for bit, text in texts.items():
        bad = np.flatnonzero(dq & bit)
        if len(bad):
            what = "ID" if getattr(labels, "name", None) else "row"
            warnings.warn(
                f"{source}: {len(bad)} of {len(dq)} rows are not fitted, with {text}: {what} "
                f"{named([labels[i] for i in bad])}",
                PixsedWarning,
                stacklevel=3,
            )


def _redshifts(table, redshift, zerr, source):
    """Return redshift and error of every row, float64; NaN where masked."""
    if redshift is not None:
        z = np.full(len(table), float(redshift))
    elif "REDSHIFT" in table.colnames:
        z = plain(table["REDSHIFT"])
    else:
        raise PixsedError(f"{source}: no column REDSHIFT; add one, or give --redshift")
    if zerr is not None:
        dz = np.full(len(table), float(zerr))
    elif "REDSHIFT_ERR" in table.colnames and redshift is None:
        dz = plain(table["REDSHIFT_ERR"])
    else:
        dz = np.zeros(len(table))
    return z, dz


def write_table(table, path, *, overwrite=False, inputs=(), history=(), name="PIXSED", **cards):
    """Write a table as FITS, or by its suffix as ECSV or CSV, atomically.

    Parameters
    ----------
    table : `~astropy.table.Table`
    path : str or path-like
        ``"-"`` is standard output, in FITS.
    overwrite : bool, optional
    inputs, history : sequence of str, optional
        Provenance: the primary header of FITS, the metadata of ECSV; CSV has none.
    name : str, optional
        EXTNAME.
    **cards
        Keyword -> (value, comment).
    """
    suffix = Path(str(path)).suffix.lower()
    header = stamp(fits.Header(), inputs=inputs, history=history, **safe_cards(cards))
    if suffix in (".ecsv", ".csv"):
        table = table.copy()
        table.meta = {}
        if suffix == ".ecsv":
            table.meta = {card.keyword: card.value for card in header.cards
                          if card.keyword not in ("HISTORY", "COMMENT", "")}
            table.meta["HISTORY"] = list(history)
        with atomic_path(path, overwrite) as temporary:
            table.write(temporary, format=f"ascii.{suffix[1:]}", overwrite=True)
        return
    plain_table = table.copy()
    plain_table.meta = {}
    units = {}
    for column in plain_table.itercols():
        # The FITS standard has no dex: its text is set by hand, and read back as written.
        if column.unit is not None:
            text = column.unit.to_string()
            if "dex" in text:
                units[column.name] = DEX_UNITS.get(text, text)
                column.unit = None
        if isinstance(column, MaskedColumn) and column.dtype.kind == "f":
            plain_table[column.name] = column.filled(np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        hdu = fits.table_to_hdu(plain_table)
    for column in hdu.columns:
        if column.name in units:
            column.unit = units[column.name]
    hdu.name = name
    primary = fits.PrimaryHDU(header=header)
    write_hdulist(fits.HDUList([primary, hdu]), path, overwrite)

