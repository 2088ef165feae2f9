"""Dry run of a fit of a table of photometry."""

import time
from dataclasses import replace

import numpy as np

from pixsed.dq import count_reasons, reasons_text
from pixsed.fit.dry_run.errors import check_training_noise
from pixsed.fit.dry_run.findings import Findings
from pixsed.fit.dry_run.pixels import Work, check_bands
from pixsed.fit.dry_run.sample import check_ood, fit_sample
from pixsed.fit.posterior import output_names, plan_batches
from pixsed.fit.table import choose_rows, rows_of
from pixsed.io.formats.photometry import band_columns
from pixsed.io.tables import read_table

_SAMPLE = 500


def check_table(found, path, model, options, columns, *, jobs=1):
    """Check a table of photometry for a fit.

    Parameters
    ----------
    found : `~pixsed.fit.dry_run.findings.Findings`
    path : str
    model, options, jobs
        As for `pixsed.fit.dry_run.cubes.check_cubes`.
    columns : `~pixsed.fit.table_input.TableColumns`

    Returns
    -------
    work : `~pixsed.fit.dry_run.pixels.Work`
    fitted : `~pixsed.fit.dry_run.sample.FittedSample` or None
    """
    one, start, table, chosen = found.of(path, "tables"), time.monotonic(), None, None
    bands = [] if model is None else model.bands
    with one.stage("read"):
        table = read_table(
            path, hdu=columns.hdu, wanted=lambda names: band_columns(names, bands, path)
        )
    if table is None:
        return Work(), None
    one.ok("read", f"a table of {len(table):,} rows and {len(table.colnames)} columns")
    if model is None:
        return Work(), None
    with one.stage("columns"):
        chosen = choose_rows(table, model, options, columns, path)
    if chosen is None:
        _other_faults(one, table, model, options, columns, path)
        return Work(), None
    seen, index = chosen.photometry, chosen.index
    fluxes = band_columns(table.colnames, model.bands, path)
    units = {str(table[name].unit or "--unit") for name, band in fluxes.items() if band in bands}
    one.ok("units", f"{', '.join(sorted(units))}, of the columns")
    check_bands(one, seen.bands, {}, model, path)
    _report_rows(one, len(table), chosen.dq, index, options)
    if not len(index):
        return Work(), None
    with one.stage("engine"):
        with_error = bool((seen.redshift_err[index] > 0).any())
        output_names(model, options, path, fit_redshift=with_error, with_area=False)
    rows = rows_of(seen, index, len(model.bands))
    work = Work(len(index), len(plan_batches(rows.key_y, rows.key_x)))
    work.read_seconds = time.monotonic() - start
    rng = np.random.default_rng(options.seed)
    if len(rows) > _SAMPLE:
        rows = rows[np.sort(rng.choice(len(rows), _SAMPLE, replace=False))]
    fitted = None
    with one.stage("sample") as stage:
        fitted = fit_sample(model, rows, options, jobs)
    if stage.passed:
        check_training_noise(one, rows, model)
        check_ood(one, rows, fitted.columns, model, options.error_floor, "rows")
    return work, fitted


def _other_faults(found, table, model, options, columns, path):
    """Look for faults beside the first one: without redshifts, and with a unit."""
    middle = sum(model.redshift_range) / 2
    anyhow = replace(options, redshift=middle, redshift_err=0.0)
    unit = columns.units if columns.units is not None else "nJy"
    for chosen, given in ((anyhow, columns), (options, replace(columns, units=unit))):
        trial = Findings()
        with trial.stage("columns"):
            choose_rows(table, model, chosen, given, path)
        for finding in trial.problems:
            found.problem("columns", finding.text, finding.mend)


def _report_rows(found, number, dq, index, options):
    text = f"{len(index):,} of {number:,} rows to fit"
    if reasons := reasons_text(count_reasons(dq)):
        text += f"; not fitted: {reasons}"
    if len(index):
        found.ok("rows", text)
    else:
        found.problem("rows", text, "correct the redshifts and errors, or give a lower --snr-min")
