"""Posterior predictive checks: photometry predicted by posterior draws, and the data."""

from dataclasses import dataclass, field

import numpy as np

from pixsed.errors import PixsedError
from pixsed.fit.draws import base_normals

#: Quantiles of the predicted fluxes.
LEVELS = (0.16, 0.5, 0.84)
#: Origins of the predicted photometry.
GRID, DECODER, BEST = "SSP grid", "decoder of the model", "best draw of the model"
#: Number of draws whose spectra are computed.
SPECTRA = 60
_ROWS = 256  # of one draw each, in one call of the model


@dataclass
class Prediction:
    """Data and predicted photometry of one pixel, region, galaxy or row.

    Attributes
    ----------
    label : str
    source : str
        `GRID`, `DECODER` or `BEST`.
    bands : list of str
        The B bands with data, in order of wavelength.
    pivots : `~numpy.ndarray`, shape (B,)
        Micron; NaN if not known.
    flux, err : `~numpy.ndarray`, shape (B,)
        nJy, as fitted: with zero points and error floors.
    draws : `~numpy.ndarray`, shape (S, B)
        Predicted fluxes without noise, nJy.
    own_error : `~numpy.ndarray`, shape (B,)
        Relative error of the predicted fluxes.
    redshift : float
        Median of the draws where it is uncertain; NaN if not known.
    wave, spectra : `~numpy.ndarray`, shapes (W,) and (K, W), or None
        Observed wavelength in Angstrom, and spectra of some draws in nJy.
    """

    label: str
    source: str
    bands: list
    pivots: np.ndarray
    flux: np.ndarray
    err: np.ndarray
    draws: np.ndarray = field(repr=False)
    own_error: np.ndarray = field(repr=False)
    redshift: float = np.nan
    wave: np.ndarray | None = field(default=None, repr=False)
    spectra: np.ndarray | None = field(default=None, repr=False)

    @property
    def quantiles(self):
        """Quantiles of the predicted fluxes at `LEVELS`, shape (3, B)."""
        return np.quantile(self.draws, LEVELS, axis=0)

    @property
    def residual(self):
        """(Data - median of the prediction) over the error, shape (B,)."""
        return self._off(np.median(self.draws, axis=0)[None])[0]

    @property
    def chi2_of_draws(self):
        """chi^2 of each draw, shape (S,)."""
        return (self._off(self.draws) ** 2).sum(axis=1)

    @property
    def chi2(self):
        """chi^2 per band of the draw that fits best."""
        return float(self.chi2_of_draws.min() / len(self.bands))

    @property
    def pvalue(self):
        """Posterior predictive p-value of chi^2.

        The probability that new data, made from a draw of the posterior, are further from this
        draw than the data are (Gelman, Meng & Stern 1996, equation 8, for Gaussian errors).
        """
        from scipy.stats import chi2

        return float(chi2.sf(self.chi2_of_draws, len(self.bands)).mean())

    def _off(self, predicted):
        """Return the data minus predicted fluxes (S, B), over the error."""
        return (self.flux - predicted) / np.hypot(self.err, self.own_error * predicted)


def predict(posterior, model, options, forward=None):
    """Return the photometry that the draws of a posterior predict, in the bands with data.

    Parameters
    ----------
    posterior : `~pixsed.fit.select_draws.Posterior`
        With its row of photometry.
    model : `~pixsed.fit.model.Model`
        The model of the draws.
    options : `~pixsed.fit.options.FitOptions`
        Those of the draws; samples and seed are used.
    forward : `~pixsed.fit.forward.ForwardModel`, optional
        Compute spectra of some draws on its SSP grid, and the photometry if it is exact.
        Otherwise the model predicts the photometry of each draw, of which it knows the colours
        alone: the amplitude is drawn from its posterior at these colours.

    Returns
    -------
    `Prediction`

    Raises
    ------
    PixsedError
        If the model predicts no fluxes and there is no grid, or the grid does not suit it.
    """
    rows = posterior.rows
    if model.infers_redshift:
        rows = rows.at_middle_redshift(model)
    there = np.flatnonzero(np.isfinite(rows.flux[0]) & (rows.err[0] > 0))
    there = there[np.argsort(np.asarray(model.pivots)[there], kind="stable")]
    bands = [model.bands[i] for i in there]
    flux, err = rows.flux[0, there].astype(float), rows.err[0, there].astype(float)
    own_error = np.array([model.flux_model_error[band] for band in bands])
    wave = spectra = None
    if forward is not None and forward.exact:
        source, own_error = GRID, np.zeros(len(bands))
        draws = forward.photometry(posterior, bands)
    elif model.has_flux_model:
        source, shapes = _decoded(model, rows, options)
        draws = shapes[:, there]
        if source == DECODER:
            rng = np.random.default_rng([options.seed, abs(int(rows.key_x[0]))])
            draws = _with_amplitudes(draws, flux, err, own_error, rng)
    else:
        raise PixsedError(
            f"model {model.name} ({model.path}) predicts no fluxes; give --ssp, or export the "
            "model again"
        )
    if forward is not None and source != BEST:
        wave, spectra = _spectra(forward, posterior, bands, draws)
    redshift = np.median(posterior.samples.get("REDSHIFT", posterior.redshift))
    pivots = np.asarray(model.pivots)[there]
    return Prediction(
        posterior.label,
        source,
        bands,
        pivots,
        flux,
        err,
        draws,
        own_error,
        float(redshift),
        wave,
        spectra,
    )


def _decoded(model, rows, options):
    """Return the origin of predicted fluxes, and the fluxes of each draw, (S, bands of model).

    The graph predicts the fluxes of the best of its draws. With one draw per row, this is the
    draw itself. A model that makes several draws of one set of normal numbers has no such rows,
    and only the prediction of the best draw is known.
    """
    base = base_normals(options.seed, rows.key_y, rows.key_x, options.samples, model.base_dim)[0]
    found = []
    for start in range(0, len(base), _ROWS):
        one = base[start : start + _ROWS, None]
        repeated = (
            np.repeat(values, len(one), axis=0)
            for values in (rows.flux, rows.err, rows.redshift, rows.redshift_err)
        )
        samples, fluxes = model.sample(*repeated, one)
        if samples.shape[1] != 1:
            values = rows.flux, rows.err, rows.redshift, rows.redshift_err
            return BEST, model.sample(*values, base[None])[1].astype(float)
        found.append(fluxes)
    return DECODER, np.concatenate(found).astype(float)


def _spectra(forward, posterior, bands, draws):
    """Return wavelengths and the spectra of some draws, or None twice if none can be computed.

    Their amplitudes are those of the predicted fluxes (S, B).
    """
    chosen = np.arange(min(len(draws), 4 * SPECTRA))
    chosen = forward.describing(posterior, chosen)[:SPECTRA]
    if not len(chosen):
        return None, None
    wave, spectra = forward.spectra(posterior, bands, chosen)
    if not forward.exact:
        own = forward.photometry(posterior, bands, chosen)
        spectra = spectra * np.median(draws[chosen] / own, axis=1)[:, None]
    return wave, spectra


def _with_amplitudes(draws, flux, err, own_error, rng):
    """Return fluxes (S, B) with amplitudes drawn from their posterior at the colours of each draw.

    The graph scales the colours to fit the data best. For Gaussian errors the amplitude is normal
    about this scale.
    """
    snr2 = (draws**2 / (err**2 + (own_error * flux) ** 2)).sum(axis=1)
    width = 1.0 / np.sqrt(np.maximum(snr2, 1.0))
    return draws * np.maximum(1.0 + width * rng.standard_normal(len(draws)), 0.0)[:, None]
