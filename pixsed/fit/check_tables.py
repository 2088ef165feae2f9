"""Tables of posterior predictive checks, of residuals, and of zero points."""

import numpy as np
from astropy import units as u
from astropy.table import Table

from pixsed.fit.predictions import LEVELS
from pixsed.fit.residuals import MAG
from pixsed.properties import quantile_name


def prediction_table(predictions):
    """Return data and predicted photometry as a table, one row per place and band.

    Parameters
    ----------
    predictions : list of `~pixsed.fit.predictions.Prediction`

    Returns
    -------
    `~astropy.table.Table`
        PLACE, BAND, PIVOT (micron), FLUX, ERR, MODEL_P16, MODEL_P50, MODEL_P84 (nJy), RESIDUAL
        (in errors), and of the place CHI2, PVALUE and SOURCE.
    """
    found = _Columns()
    for one in predictions:
        count = len(one.bands)
        found.add("PLACE", [one.label] * count, "pixel, region, galaxy or row")
        found.add("BAND", one.bands, "band")
        found.add("PIVOT", one.pivots, "pivot wavelength", u.um)
        found.add("FLUX", one.flux, "data, with zero points", u.nJy)
        found.add("ERR", one.err, "1-sigma error, with floors", u.nJy)
        for level, values in zip(LEVELS, one.quantiles, strict=True):
            text = f"predicted flux of the draws, quantile {level:g}"
            found.add(f"MODEL_{quantile_name(level)}", values, text, u.nJy)
        text = "data minus MODEL_P50 over the error"
        found.add("RESIDUAL", one.residual, text)
        found.add("CHI2", [one.chi2] * count, "of the place: chi^2 per band of the best draw")
        text = "of the place: probability of a larger chi^2 of new data from the draws"
        found.add("PVALUE", [one.pvalue] * count, text)
        found.add("SOURCE", [one.source] * count, "origin of the predicted fluxes")
    return found.table()


def residual_table(residuals):
    """Return the residuals of galaxies as a table, one row per galaxy and band with data.

    Parameters
    ----------
    residuals : `~pixsed.fit.residuals.Residuals`

    Returns
    -------
    `~astropy.table.Table`
        GALAXY, BAND, PIVOT (micron), FLUX, ERR, MODEL (nJy), RESIDUAL and RESIDUAL_ERR (mag).
    """
    row, band = np.nonzero(np.isfinite(residuals.flux))
    found = _Columns()
    found.add("GALAXY", [residuals.names[i] for i in row], "galaxy")
    found.add("BAND", [residuals.bands[i] for i in band], "band")
    found.add("PIVOT", residuals.pivots[band], "pivot wavelength", u.um)
    found.add("FLUX", residuals.flux[row, band], "data, with zero points", u.nJy)
    found.add("ERR", residuals.err[row, band], "1-sigma error", u.nJy)
    found.add("MODEL", residuals.predicted[row, band], "predicted flux", u.nJy)
    text = "magnitude of the data minus that of the model; NaN below S/N 5"
    found.add("RESIDUAL", residuals.mag[row, band], text, u.mag)
    found.add("RESIDUAL_ERR", residuals.mag_err[row, band], "error from ERR", u.mag)
    return found.table()


def offset_table(offsets):
    """Return offsets as a table that ``--zero-points`` reads, one row per band.

    Parameters
    ----------
    offsets : `~pixsed.fit.offsets.Offsets`

    Returns
    -------
    `~astropy.table.Table`
        BAND, PIVOT (micron), OFFSET and OFFSET_ERR (mag), FACTOR, FLOOR, RESIDUAL, LEFT and
        SCATTER (mag), NGAL. FLOOR is OFFSET_ERR as a fraction of the flux. OFFSET is 0 in a band
        without residuals, and FACTOR 1.
    """
    known = np.isfinite(offsets.offset)
    offset = np.where(known, offsets.offset, 0.0)
    floor = np.where(known & np.isfinite(offsets.error), offsets.error / MAG, 0.0)
    found = _Columns()
    found.add("BAND", offsets.bands, "band")
    found.add("PIVOT", offsets.pivots, "pivot wavelength", u.um)
    found.add("OFFSET", offset, "to be added to the observed magnitudes", u.mag)
    found.add("OFFSET_ERR", offsets.error, "error of OFFSET", u.mag)
    text = "10^(-0.4 OFFSET), to multiply the observed fluxes and errors"
    found.add("FACTOR", 10.0 ** (-0.4 * offset), text)
    found.add("FLOOR", np.minimum(floor, 1.0), "OFFSET_ERR as a fraction, to be added to errors")
    text = "median magnitude of data minus model, before the correction"
    found.add("RESIDUAL", offsets.residual, text, u.mag)
    found.add("LEFT", offsets.left, "the same, after the correction", u.mag)
    found.add("SCATTER", offsets.scatter, "scatter of the residuals between galaxies", u.mag)
    found.add("NGAL", offsets.number, "galaxies with a residual")
    return found.table()


class _Columns:
    """Columns of a table that are filled part by part."""

    def __init__(self):
        self._parts, self._about = {}, {}

    def add(self, name, values, text, unit=None):
        self._parts.setdefault(name, []).append(np.asarray(values))
        self._about[name] = text, unit

    def table(self):
        table = Table()
        for name, parts in self._parts.items():
            table[name] = np.concatenate(parts)
            if table[name].dtype.kind == "f":
                table[name] = table[name].astype(np.float32)
            table[name].description, table[name].unit = self._about[name]
        return table
