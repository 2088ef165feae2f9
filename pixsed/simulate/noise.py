"""Noise of simulated pixels: what error a pixel has, given its flux.

A real error map is a sky level that differs from survey to survey, the photons
of the source, and a calibration floor. The training noise draws each over a
range wider than observed, so that one model serves deep and shallow mosaics,
summed photometry, and error maps that are wrong by a factor.
"""

from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class NoiseModel:
    """sigma^2 = (depth x scale x scatter)^2 + (fraction x flux)^2, in nJy.

    Attributes
    ----------
    scale_low, scale_high : float
        The depth of a survey over the nominal one, log-uniform, one for all bands.
    scatter : float
        Scatter of depths between bands, ln.
    odd_rows, odd_share, odd_low, odd_high : float
        In this share of the pixels, this share of bands has errors off by a further factor,
        log-uniform between the two (error maps that are wrong; bands much shallower or
        deeper than their survey).
    fraction_low, fraction_high, fraction_scatter : float
        Error of a bright pixel over its flux: log-uniform, one for all bands, with a
        scatter between them, ln.
    """

    name: str
    scale_low: float = 1.0
    scale_high: float = 1.0
    scatter: float = 0.0
    odd_rows: float = 1.0
    odd_share: float = 0.0
    odd_low: float = 1.0
    odd_high: float = 1.0
    fraction_low: float = 0.02
    fraction_high: float = 0.02
    fraction_scatter: float = 0.0

    def draw(self, flux, depth, rng):
        """Draw the error of every flux.

        Parameters
        ----------
        flux : `~numpy.ndarray`, shape (N, B)
            Noiseless, nJy.
        depth : `~numpy.ndarray`, shape (B,)
            Nominal 1-sigma depth, nJy.
        rng : `~numpy.random.Generator`

        Returns
        -------
        `~numpy.ndarray`, shape (N, B)
            sigma, nJy, above 0.
        """
        n, bands = flux.shape

        def log_uniform(low, high, shape):
            return np.exp(rng.uniform(np.log(low), np.log(high), shape))

        sky = depth * log_uniform(self.scale_low, self.scale_high, (n, 1))
        sky = sky * np.exp(self.scatter * rng.standard_normal((n, bands)))
        if self.odd_share:
            odd = (rng.random((n, bands)) < self.odd_share) & (rng.random((n, 1)) < self.odd_rows)
            sky = np.where(odd, sky * log_uniform(self.odd_low, self.odd_high, (n, bands)), sky)
        fraction = log_uniform(self.fraction_low, self.fraction_high, (n, 1))
        fraction = fraction * np.exp(self.fraction_scatter * rng.standard_normal((n, bands)))
        return np.hypot(sky, fraction * flux)

    def describe(self):
        """Return the numbers as a dict, for a model's metadata."""
        return asdict(self)


#: Depths of the paper's Table 1 with a scatter of 0.25 in ln, and 2 % of the flux.
DEPTH = NoiseModel("depth", scatter=0.25)
#: What the shipped models are trained under.
WIDE = NoiseModel(
    "wide", scale_low=0.1, scale_high=30.0, scatter=0.35, odd_rows=0.5, odd_share=0.15,
    odd_low=0.3, odd_high=20.0, fraction_low=0.01, fraction_high=0.1, fraction_scatter=0.3,
)  # fmt: skip
NOISE_MODELS = {model.name: model for model in (DEPTH, WIDE)}
