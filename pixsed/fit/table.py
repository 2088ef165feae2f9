"""Fit a table of integrated photometry: the same table, with posteriors added."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from astropy.table import Table

from pixsed.checks import check_number, check_path
from pixsed.dq import DQ, NOT_FITTED, count_reasons, ood_text, reasons_text
from pixsed.errors import PixsedWarning, listed
from pixsed.fit.cube import load_for
from pixsed.fit.draws import DEFAULT_SAMPLES, key_of_name
from pixsed.fit.options import FitOptions
from pixsed.fit.posterior import Rows, output_names, posterior_dq, summarise
from pixsed.fit.progress import NoProgress, Progress
from pixsed.fit.record import method_text, table_cards
from pixsed.fit.select import quality
from pixsed.fit.table_input import TableColumns, TablePhotometry, read_photometry
from pixsed.io.formats.maps import QUALITY, model_flux_text
from pixsed.io.formats.photometry import band_columns
from pixsed.io.locate import parse_location
from pixsed.io.outputs import protected_arguments
from pixsed.io.tables import read_table
from pixsed.io.writers.tables import check_columns, check_table_output, write_table
from pixsed.models import redshift_advice
from pixsed.nodata import count_codes, warn_of_codes
from pixsed.properties import PROPERTIES, ordered, quantile_name, unit_and_description
from pixsed.redshifts import range_text, redshift_dq
from pixsed.snr import mean_snr

if TYPE_CHECKING:
    from pixsed.fit.model import Model


def fit_table(
    table: Table | Any,
    model: Model | str | os.PathLike,
    options: FitOptions | None = None,
    *,
    columns: TableColumns | None = None,
    output: Any = None,
    overwrite: bool = False,
    jobs: int = 1,
    progress: Callable[[int], Progress] = NoProgress,
) -> Table:
    """Fit a table of photometry, one row per galaxy.

    The command ``pixsed fit`` runs the same code.

    Parameters
    ----------
    table : `~astropy.table.Table` or path-like
        Columns ``<BAND>`` and ``<BAND>_ERR`` with units of flux density or magnitudes
        (`~pixsed.io.fluxes.fluxes_njy`), ``REDSHIFT`` unless the model infers it, and
        optionally ``REDSHIFT_ERR`` and ``ID``, with one value per row. A name in other case is
        accepted if no column has the exact name. A path may end in ``[EXT]``.
    model : `~pixsed.fit.model.Model`, str or path-like
        A model, the name of a shipped one, or an ``.onnx`` file.
    options : `~pixsed.fit.options.FitOptions`, optional
        The field all_pixels is ignored.
    columns : `~pixsed.fit.table_input.TableColumns`, optional
        Names and units of columns that differ from the default.
    output : path-like, optional
        Table to write too (.fits, .ecsv or .csv), with a record of the fit.
    overwrite : bool, optional
        Replace `output` if it exists.
    jobs : int, optional
        Number of threads.
    progress : callable, optional
        Takes the number of rows; returns a `~pixsed.fit.progress.Progress`.

    Returns
    -------
    `~astropy.table.Table`
        A copy of the table with ``<PROP>_P16``, ``_P50``, ``_P84`` and ``_STD`` of every
        property, ``<BAND>_MODEL`` [nJy] of every band with the option model_fluxes, SNR, NBANDS,
        OOD, CHI2 and DQ (int32, bits of `~pixsed.dq.DQ`). NaN in rows that are not fitted:
        without a redshift that the model can use, with data in fewer than three bands, or below
        the S/N cut.

    Raises
    ------
    PixsedError
        If columns or units are missing, a column holds no numbers, the redshift of the options
        cannot be fitted, or `output` cannot be written or cannot hold a column.

    Warns
    -----
    PixsedWarning
        If the table has columns with names that the fit writes (they become ``<NAME>_IN``),
        redshifts that cannot be fitted, values taken as missing, or columns that look like
        redshift errors and are not read; or if the quantile engine lacks properties.

    Examples
    --------
    >>> import pixsed
    >>> found = pixsed.fit_table("photometry.ecsv", "tau")  # doctest: +SKIP
    >>> found["LOGMSTAR_P50"]  # doctest: +SKIP
    """
    options = (options or FitOptions()).with_defaults(samples=DEFAULT_SAMPLES)
    columns = columns or TableColumns()
    in_memory = isinstance(table, Table)
    name = "table" if in_memory else check_path("table", table, " or a Table")
    check_number("jobs", jobs, 1, whole=True)
    if output is not None:
        with protected_arguments(table, model):
            check_table_output(output, overwrite)
    model, options = load_for(model, options)
    if not in_memory:
        table = read_table(
            name, hdu=columns.hdu, wanted=lambda names: band_columns(names, model.bands, name)
        )
    if output is not None:
        check_columns(table, output, name, 50 + options.model_fluxes * len(model.bands))
    with progress(len(table)) as bar:
        result, nfit, bands = _fit_rows(table, model, options, columns, name, jobs, bar)
    if output is not None:
        write_table(
            result,
            output,
            overwrite=overwrite,
            inputs=[] if in_memory else [parse_location(name).path],
            history=[f"fit: {nfit} rows, {method_text(options)}"],
            name="POSTERIOR",
            **table_cards(model, options, columns, bands),
            **DQ.cards("DQBIT"),
        )
    return result


def _fit_rows(table, model, options, columns, name, jobs, bar):
    """Return a table with the columns of its fit added, its number of rows, and the bands."""
    chosen = choose_rows(table, model, options, columns, name)
    seen, dq, index = chosen.photometry, chosen.dq, chosen.index
    rows = rows_of(seen, index, len(model.bands))
    flux_bands = seen.bands if options.model_fluxes else []
    with_error = bool((rows.redshift_err > 0).any())
    names = output_names(model, options, name, fit_redshift=with_error, with_area=False)
    found = summarise(model, rows, options, flux_bands=flux_bands, jobs=jobs, progress=bar.done)
    result = _own_columns_kept(table, model, name)
    _add_posterior(result, found, index, ordered(names), options.quantiles, model)
    for band in flux_bands:
        text = f"{model_flux_text(band)}; relative error {model.flux_model_error[band]:.4g}"
        _add(result, f"{band}_MODEL", index, found, "nJy", text)
    if len(index):
        dq[index] |= posterior_dq(found)
    _add_quality(result, found, index, chosen.snr, chosen.nbands, dq)
    return result, len(index), seen.bands


@dataclass
class ChosenRows:
    """Rows of a table of N rows, and those that can be fitted.

    Attributes
    ----------
    photometry : `~pixsed.fit.table_input.TablePhotometry`
    snr : `~numpy.ndarray`, shape (N,), float32
        Mean S/N over the reference bands; NaN without data.
    nbands : `~numpy.ndarray`, shape (N,), int16
        Number of bands with data.
    dq : `~numpy.ndarray`, shape (N,), int32
        Bits of `~pixsed.dq.DQ` that are known before the fit.
    index : `~numpy.ndarray`, int
        The rows that can be fitted.
    """

    photometry: TablePhotometry
    snr: np.ndarray
    nbands: np.ndarray
    dq: np.ndarray
    index: np.ndarray


def choose_rows(table, model, options, columns, name):
    """Return the `ChosenRows` of a table, with warnings of rows and values that are not used.

    The parameters and errors are those of `pixsed.fit.table_input.read_photometry`.
    """
    seen = read_photometry(table, model, options, columns, name)
    snr = mean_snr(seen.flux, seen.err, seen.bands).astype(np.float32)
    dq, nbands = quality(seen.flux, seen.code, snr, options.snr_min)
    redshift_bits = redshift_dq(seen.redshift, seen.redshift_err, model)
    dq |= redshift_bits
    _warn_of_redshifts(redshift_bits, seen.ids, model, name)
    warn_of_codes(count_codes(seen.code, seen.bands), name, "rows")
    return ChosenRows(seen, snr, nbands, dq, np.flatnonzero((dq & NOT_FITTED) == 0))


def rows_of(seen, index, nbands):
    """Return the `~pixsed.fit.posterior.Rows` of the rows `index` of a table."""
    flux, err = (np.full((len(index), nbands), np.nan, dtype=np.float32) for _ in range(2))
    for target, values in ((flux, seen.flux), (err, seen.err)):
        target[:, seen.columns] = values[:, index].T
    if seen.ids is not None:  # the draws of a galaxy then do not depend on the order of rows
        keys = np.array([key_of_name(seen.ids[row]) for row in index], dtype=np.int64)
    else:
        keys = index.astype(np.int64)
    return Rows(
        flux, err, seen.redshift[index], seen.redshift_err[index], np.zeros_like(keys), keys
    )


def _add_posterior(result, found, index, properties, quantiles, model):
    """Add the columns of the posterior of the rows `index`."""
    for prop in properties:
        unit, text = unit_and_description(prop, model)
        for suffix in [*map(quantile_name, sorted(quantiles)), "STD"]:
            _add(result, f"{prop}_{suffix}", index, found, unit, text)


def _add_quality(result, found, index, snr, nbands, dq):
    """Add SNR, NBANDS, OOD, CHI2 and DQ."""
    result["SNR"] = snr
    result["NBANDS"] = nbands
    for name in ("OOD", "CHI2"):
        _add(result, name, index, found)
    result["DQ"] = dq
    for name in QUALITY:
        if name in result.colnames:
            result[name].description = QUALITY[name].replace("pixel", "row")


def _add(table, name, index, found, unit="", description=""):
    """Add a column with values in the rows `index`, NaN in the others."""
    values = np.full(len(table), np.nan, dtype=np.float32)
    if len(index):
        values[index] = found[name]
    table[name] = values
    if unit:
        table[name].unit = u.Unit(unit)
    if description:
        table[name].description = description


def table_text(result: Table) -> str:
    """Return a summary of a fitted table.

    For example ``4 of 6 rows fitted, 1 of them out of distribution; not fitted: 2 without data``.
    """
    dq = np.asarray(result["DQ"])
    nfit = int(((dq & NOT_FITTED) == 0).sum())
    text = f"{nfit} of {len(dq)} rows fitted"
    if nfit:
        scored = int(np.isfinite(result["OOD"]).sum())
        text += f", {ood_text(scored, int((dq & DQ.OUT_OF_DISTRIBUTION > 0).sum()))}"
    reasons = reasons_text(count_reasons(dq))
    return f"{text}; not fitted: {reasons}" if reasons else text


def _warn_of_redshifts(dq, ids, model, name):
    """Warn of rows whose redshift cannot be fitted, by reason; `ids` name the rows."""
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
            advice = redshift_advice("; try ") if bit == DQ.NO_REDSHIFT else ""
            warnings.warn(
                f"{name}: {len(bad)} of {len(dq)} rows are not fitted, with {text}: "
                f"{'row' if ids is None else 'ID'} {listed(labels, 5)}{advice}",
                PixsedWarning,
                stacklevel=4,
            )


def _own_columns_kept(table, model, name):
    """Return a copy of a table whose columns do not clash with the names that a fit writes.

    Such columns are renamed to ``<NAME>_IN``. Properties that this model does not give are
    renamed too: left over from an earlier fit, they would look like results of this one.
    """
    properties = "|".join([*PROPERTIES, *map(re.escape, model.parameters)])
    bands = "|".join(map(re.escape, model.bands))
    written = re.compile(
        rf"({properties})_(P\d+|STD)|({bands})_MODEL|{'|'.join(QUALITY)}", re.IGNORECASE
    )
    result = table.copy()
    taken = {column.upper() for column in table.colnames}
    renamed = []
    for column in table.colnames:
        if not written.fullmatch(column):
            continue
        new, number = f"{column}_IN", 1
        while new.upper() in taken:
            number += 1
            new = f"{column}_IN{number}"
        taken.add(new.upper())
        result.rename_column(column, new)
        renamed.append(new)
    if renamed:
        warnings.warn(
            f"{name} has columns with names that the fit writes; they are kept as "
            f"{listed(renamed, 6)}",
            PixsedWarning,
            stacklevel=4,
        )
    return result
