"""The out-of-distribution score: how often a model's own populations fit so badly."""

from functools import cached_property

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


def typical_snr(flux, err):
    """Return the median S/N of the bands present, shape (N,); 0 without bands.

    One band that is off moves it little.
    """
    ratio = np.sort(np.asarray(flux, dtype=float) / err, axis=1)  # NaN last
    count = np.isfinite(ratio).sum(axis=1)
    rows = np.arange(len(ratio))
    middle = 0.5 * (
        ratio[rows, np.maximum(count - 1, 0) // 2] + ratio[rows, count // 2 * (count > 0)]
    )
    return np.where(count > 0, middle, 0.0)


class Score:
    """How well photometry is explained, and how often simulations are explained worse.

    What the metadata hold is read when first needed, and once: a fit asks for every batch.

    Parameters
    ----------
    metadata : dict
        Of a model: its calibration, and the relative errors of what it predicts, which are
        added to those of the fluxes in quadrature.
    path : path-like
        Of the model, for error messages.
    """

    def __init__(self, metadata, path):
        self._metadata, self._path = metadata, path

    @cached_property
    def _error(self):
        return np.asarray(self._metadata.get("flux_model", {}).get("error", 0.0))

    @cached_property
    def _calibration(self):
        return Calibration(self._metadata.get("calibration"), self._path)

    def __call__(self, flux, flux_err, flux_model, redshift_err):
        """Return chi^2 per band present and its p-value.

        Parameters
        ----------
        flux, flux_err : `~numpy.ndarray`, shape (N, B)
            nJy; NaN in both = band missing.
        flux_model : `~numpy.ndarray`, shape (N, B), or None
            What the model predicts.
        redshift_err : `~numpy.ndarray`, shape (N,)
            Over 1 + z.

        Returns
        -------
        chi2, p : `~numpy.ndarray`, shape (N,), float64
            NaN where the model cannot tell.

        Raises
        ------
        PixsedError
            If the calibration is not one that pixsed can read.
        """
        if flux_model is None:
            nothing = np.full(len(flux), np.nan)
            return nothing, nothing.copy()
        chi2 = chi_square(flux, np.hypot(flux_err, self._error * flux_model), flux_model)
        nbands = np.isfinite(flux).sum(axis=1)
        snr = typical_snr(flux, flux_err)
        return chi2, self._calibration.survival(chi2, nbands, snr, redshift_err)


def score(metadata, path, *photometry):
    """Return what `Score` gives for one batch; the other parameters are those of its call."""
    return Score(metadata, path)(*photometry)


class Calibration:
    """The chi^2 a band that a model's own populations exceed with certain probabilities.

    Parameters
    ----------
    calibration : dict or None
        Of a model's metadata: under ``score`` a table by class of redshift error, number of
        bands and `typical_snr`; under ``chi2``, in models of format 1, by number of bands
        alone.
    path : path-like
        Of the model, for error messages.

    Raises
    ------
    PixsedError
        If it is not one that pixsed can read.
    """

    def __init__(self, calibration, path):
        said = calibration if isinstance(calibration, dict) else {}
        self._table = None
        if table := said.get("score") or said.get("chi2"):
            self._table = _read_table(table, path)

    def survival(self, chi2, nbands, snr, redshift_err):
        """Return the share of the model's own populations whose chi^2 is larger.

        Parameters
        ----------
        chi2 : `~numpy.ndarray`, shape (N,)
            Per band; NaN gives NaN.
        nbands, snr, redshift_err : `~numpy.ndarray`, shape (N,)
            The last over 1 + z.

        Returns
        -------
        `~numpy.ndarray`, shape (N,), float64
            Interpolated in its logarithm, clamped at the ends of the table; NaN without
            a table.
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
        edges = low * (1 - down)[:, None] + high * down[:, None]
        # Each row has a table of its own.
        at = np.clip((edges < chi2[:, None]).sum(axis=1) - 1, 0, edges.shape[1] - 2)
        rows = np.arange(len(chi2))
        step = edges[rows, at + 1] - edges[rows, at]
        past = np.clip((chi2 - edges[rows, at]) / np.where(step > 0, step, 1.0), 0.0, 1.0)
        return np.exp(log_p[at] + past * (log_p[at + 1] - log_p[at]))


def _read_table(table, path):
    """Return the nodes of a calibration and its chi^2 (c, n, m, q).

    The least redshift error of each class (c,), nbands (n,), snr (m,) and ln p (q,).
    """
    try:
        classes = np.asarray(table.get("redshift_err", [0.0]), dtype=float)
        counts = np.asarray(table["nbands"], dtype=float)
        levels = np.asarray(table.get("snr", [0.0]), dtype=float)
        log_p = np.log(np.maximum(np.asarray(table["probability"], dtype=float), 1e-12))
        value = np.asarray(table["value"], dtype=float)
        value = value.reshape(len(classes), len(counts), len(levels), len(log_p))
    except (KeyError, TypeError, ValueError):
        raise PixsedError(
            f"{path}: its calibration table cannot be read; export the model again"
        ) from None
    return classes, counts, levels, log_p, np.maximum.accumulate(value, axis=3)


def _between(nodes, x):
    """Return the nodes on either side of `x`, and the weight of the second; clamped."""
    if len(nodes) == 1:
        zero = np.zeros(len(x), dtype=int)
        return zero, zero, zero.astype(float)
    i = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, len(nodes) - 2)
    return i, i + 1, np.clip((x - nodes[i]) / (nodes[i + 1] - nodes[i]), 0.0, 1.0)
