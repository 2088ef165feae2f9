"""The out-of-distribution score: how often a model's own populations fit so badly."""

import numpy as np

from pixsed.errors import PixsedError


def chi_square(flux, err, flux_model):
    """Return chi^2 per band present, shape (N,); NaN without bands.

    Parameters
    ----------
    flux, err, flux_model : `~numpy.ndarray`, shape (N, B)
        nJy; NaN = band missing.
    """
    pulls = ((flux.astype(float) - flux_model) / err) ** 2
    present = np.isfinite(flux) & np.isfinite(err)
    with np.errstate(invalid="ignore"):
        return np.where(present, pulls, 0.0).sum(axis=1) / present.sum(axis=1)


def score(calibration, path, flux, flux_err, flux_model):
    """Return how well photometry is explained, and how often simulations are explained worse.

    Parameters
    ----------
    calibration : dict
        Of a model's metadata.
    path : path-like
        Of the model, for error messages.
    flux, flux_err : `~numpy.ndarray`, shape (N, B)
        nJy; NaN in both = band missing.
    flux_model : `~numpy.ndarray`, shape (N, B), or None
        What the model predicts.

    Returns
    -------
    chi2, p : `~numpy.ndarray`, shape (N,), float64
        chi^2 per band present and its p-value; NaN where the model cannot tell.

    Raises
    ------
    PixsedError
        If the calibration is not one that pixsed can read.
    """
    if flux_model is None:
        nothing = np.full(len(flux), np.nan)
        return nothing, nothing.copy()
    chi2 = chi_square(flux, flux_err, flux_model)
    return chi2, survival(calibration, path, chi2, np.isfinite(flux).sum(axis=1))


def survival(calibration, path, chi2, nbands):
    """Return the share of the model's own populations whose chi^2 is larger.

    Parameters
    ----------
    calibration, path
        As of `score`.
    chi2 : `~numpy.ndarray`, shape (N,)
        Per band; NaN gives NaN.
    nbands : `~numpy.ndarray`, shape (N,)
        Bands that went in; the nearest column of the calibration table is taken.

    Returns
    -------
    `~numpy.ndarray`, shape (N,), float64
        Interpolated in its logarithm, clamped at the ends of the table; NaN without
        a table.
    """
    chi2, nbands = np.asarray(chi2, dtype=float), np.asarray(nbands)
    result = np.full(chi2.shape, np.nan)
    table = calibration.get("chi2") if isinstance(calibration, dict) else None
    if not table:
        return result
    try:
        counts = np.asarray(table["nbands"], dtype=float)
        log_p = np.log(np.maximum(np.asarray(table["probability"], dtype=float), 1e-12))
        values = np.asarray(table["value"], dtype=float)
        fits = values.shape == (len(counts), len(log_p))
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise PixsedError(f"{path}: its calibration table cannot be read; export the model again")
    nearest = np.abs(nbands[:, None] - counts).argmin(axis=1)
    for row in np.unique(nearest):
        at = (nearest == row) & np.isfinite(chi2)
        order = np.argsort(values[row], kind="stable")
        result[at] = np.exp(np.interp(chi2[at], values[row][order], log_p[order]))
    return result
