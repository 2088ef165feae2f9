"""Out-of-distribution score: the fraction of a model's own populations with a worse fit."""

from functools import cached_property

import numpy as np

from pixsed.errors import PixsedError


def chi_square(flux, err, flux_model):
    """Return chi^2 per available band, shape (N,); NaN if no band is available.

    It is at most the largest float32, with which the maps hold it.

    Parameters
    ----------
    flux, err, flux_model : `~numpy.ndarray`, shape (N, B)
        nJy; NaN = band missing.
    """
    pulls = ((flux.astype(float) - flux_model) / err) ** 2
    present = np.isfinite(flux) & np.isfinite(err)
    with np.errstate(invalid="ignore"):
        chi2 = np.where(present, pulls, 0.0).sum(axis=1) / present.sum(axis=1)
    return np.minimum(chi2, float(np.finfo(np.float32).max))


def typical_snr(flux, err):
    """Return the median S/N of the available bands, shape (N,); 0 if no band is available.

    The median is used because one wrong band hardly changes it.

    Parameters
    ----------
    flux, err : `~numpy.ndarray`, shape (N, B)
        nJy; NaN = band missing.
    """
    ratio = np.sort(np.asarray(flux, dtype=float) / err, axis=1)  # NaN last
    count = np.isfinite(ratio).sum(axis=1)
    rows = np.arange(len(ratio))
    middle = 0.5 * (
        ratio[rows, np.maximum(count - 1, 0) // 2] + ratio[rows, count // 2 * (count > 0)]
    )
    return np.where(count > 0, middle, 0.0)


class Score:
    """Goodness of fit of photometry, and its p-value among a model's own populations.

    The metadata are not read before the first call, so a model whose table cannot be read can
    still be used with the quantile engine.

    Parameters
    ----------
    metadata : dict
        Metadata of a model. They hold its calibration and the relative errors of its predicted
        fluxes, which are added in quadrature to the errors of the fluxes.
    path : path-like
        The model, for error messages.
    """

    def __init__(self, metadata, path):
        self._metadata, self._path = metadata, path

    @cached_property
    def error(self):
        """Relative error of the predicted fluxes, shape (B,) or ()."""
        return np.asarray(self._metadata.get("flux_model", {}).get("error", 0.0))

    @cached_property
    def _calibration(self):
        return Calibration(self._metadata.get("calibration"), self._path)

    def __call__(self, flux, flux_err, flux_model, redshift_err):
        """Return chi^2 per available band, and its p-value.

        Parameters
        ----------
        flux, flux_err : `~numpy.ndarray`, shape (N, B)
            nJy; NaN in both = band missing.
        flux_model : `~numpy.ndarray`, shape (N, B), or None
            Predicted fluxes, nJy.
        redshift_err : `~numpy.ndarray`, shape (N,)
            In units of 1 + z.

        Returns
        -------
        chi2, p : `~numpy.ndarray`, shape (N,), float64
            Both are NaN without predicted fluxes; p is also NaN without a calibration.

        Raises
        ------
        PixsedError
            If the calibration cannot be read.
        """
        if flux_model is None:
            nothing = np.full(len(flux), np.nan)
            return nothing, nothing.copy()
        chi2 = chi_square(flux, np.hypot(flux_err, self.error * flux_model), flux_model)
        nbands = np.isfinite(flux).sum(axis=1)
        snr = typical_snr(flux, flux_err)
        return chi2, self._calibration.survival(chi2, nbands, snr, redshift_err)


class Calibration:
    """Quantiles of the chi^2 per band of a model's own populations.

    Parameters
    ----------
    calibration : dict or None
        From the metadata of a model. Its ``score`` holds the chi^2 per band that certain
        fractions of the populations exceed, by class of redshift error, number of bands and
        `typical_snr`.
    path : path-like
        The model, for error messages.

    Raises
    ------
    PixsedError
        If it cannot be read.
    """

    def __init__(self, calibration, path):
        table = calibration.get("score") if calibration else None
        self._table = _read_table(table, path) if table else None

    def survival(self, chi2, nbands, snr, redshift_err):
        """Return the fraction of the model's own populations with a larger chi^2.

        Parameters
        ----------
        chi2 : `~numpy.ndarray`, shape (N,)
            Per band; NaN gives NaN.
        nbands, snr, redshift_err : `~numpy.ndarray`, shape (N,)
            Number of bands; `typical_snr`; redshift error in units of 1 + z.

        Returns
        -------
        `~numpy.ndarray`, shape (N,), float64
            The logarithm of the fraction is interpolated, and constant beyond the ends of the
            table. NaN without a table.
        """
        chi2 = np.asarray(chi2, dtype=float)
        if self._table is None:
            return np.full(chi2.shape, np.nan)
        classes, counts, levels, log_p, value = self._table
        c = np.clip(np.searchsorted(classes, redshift_err, side="right") - 1, 0, None)
        i, j, down = _between(counts, np.asarray(nbands, dtype=float))
        k, m, left = _between(np.arcsinh(levels), np.arcsinh(np.asarray(snr, dtype=float)))
        low = value[c, i, k] * (1 - left)[:, None] + value[c, i, m] * left[:, None]
        high = value[c, j, k] * (1 - left)[:, None] + value[c, j, m] * left[:, None]
        # One row of edges per pixel.
        edges = low * (1 - down)[:, None] + high * down[:, None]
        at = np.clip((edges < chi2[:, None]).sum(axis=1) - 1, 0, edges.shape[1] - 2)
        rows = np.arange(len(chi2))
        step = edges[rows, at + 1] - edges[rows, at]
        past = np.clip((chi2 - edges[rows, at]) / np.where(step > 0, step, 1.0), 0.0, 1.0)
        return np.exp(log_p[at] + past * (log_p[at + 1] - log_p[at]))


def _read_table(table, path):
    """Return the nodes of a calibration table, and its values.

    Returns
    -------
    classes, counts, levels, log_p : `~numpy.ndarray`
        Lowest redshift error of each class, shape (c,); number of bands, shape (n,); S/N,
        shape (m,); ln p, shape (q,).
    value : `~numpy.ndarray`, shape (c, n, m, q)
        chi^2 per band.
    """
    try:
        classes, counts, levels, p, value = (
            np.asarray(table[key], dtype=float)
            for key in ("redshift_err", "nbands", "snr", "probability", "value")
        )
        value = value.reshape(len(classes), len(counts), len(levels), len(p))
        if not value.size or len(p) < 2 or p.ndim > 1:
            raise ValueError
        for nodes in (classes, counts, levels):
            if nodes.ndim > 1 or (np.diff(nodes) <= 0).any():
                raise ValueError
        if not all(np.isfinite(part).all() for part in (classes, counts, levels, p, value)):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise PixsedError(
            f"{path}: its calibration table cannot be read; export the model again"
        ) from None
    log_p = np.log(np.maximum(p, 1e-12))
    return classes, counts, levels, log_p, np.maximum.accumulate(value, axis=3)


def _between(nodes, x):
    """Return the nodes on either side of `x`, and the weight of the second; clamped."""
    if len(nodes) == 1:
        zero = np.zeros(len(x), dtype=int)
        return zero, zero, zero.astype(float)
    i = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, len(nodes) - 2)
    return i, i + 1, np.clip((x - nodes[i]) / (nodes[i + 1] - nodes[i]), 0.0, 1.0)
