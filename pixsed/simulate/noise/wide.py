"""Noise widened: surveys deeper and shallower, error maps that are wrong, bright pixels.

A real error map is a sky level that differs from survey to survey, the photons
of the source, and a calibration floor. The training noise draws each over a
range wider than observed, so that one model serves deep and shallow mosaics,
summed photometry, and error maps that are wrong by a factor.
"""

from dataclasses import dataclass, replace

import numpy as np

from pixsed.simulate.noise.depth import DepthTable, OfTwoParts


@dataclass(frozen=True)
class NoiseModel(OfTwoParts):
    """sigma^2 = (base x scale x scatter x odd)^2 + (fraction x flux)^2, in nJy.

    Attributes
    ----------
    scale_low, scale_high : float
        The noise of a survey over that of `base`, log-uniform, one for all bands. Sky and
        photon noise both fall as the root of the exposure time.
    scatter : float
        Scatter between bands, ln.
    odd_rows, odd_share, odd_low, odd_high : float
        In this share of the pixels, this share of bands has errors off by a further factor,
        log-uniform between the two (error maps that are wrong; bands much shallower or
        deeper than their survey).
    fraction_low, fraction_high, fraction_scatter : float
        Error of a bright pixel over its flux: log-uniform, one for all bands, with a
        scatter between them, ln.
    base : noise model
        What is widened: any object with parts, noise_corr and describe. By default the
        nominal depths.
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
    base: object = DepthTable()

    def parts(self, flux, bands, rng):
        """Draw the error of every flux, in its two parts.

        Parameters
        ----------
        flux : `~numpy.ndarray`, shape (N, B)
            Noiseless, nJy.
        bands : sequence of str
        rng : `~numpy.random.Generator`

        Returns
        -------
        sky : `~numpy.ndarray`, shape (N, B)
            nJy, above 0.
        fraction : `~numpy.ndarray`, shape (N, B)
            Error over flux; both add in quadrature.
        """
        n, count = flux.shape

        def log_uniform(low, high, shape):
            return np.exp(rng.uniform(np.log(low), np.log(high), shape))

        sky, floor = self.base.parts(flux, bands, rng)
        sky = sky * log_uniform(self.scale_low, self.scale_high, (n, 1))
        sky = sky * np.exp(self.scatter * rng.standard_normal((n, count)))
        if self.odd_share:
            odd = (rng.random((n, count)) < self.odd_share) & (rng.random((n, 1)) < self.odd_rows)
            sky = np.where(odd, sky * log_uniform(self.odd_low, self.odd_high, (n, count)), sky)
        fraction = log_uniform(self.fraction_low, self.fraction_high, (n, 1))
        fraction = fraction * np.exp(self.fraction_scatter * rng.standard_normal((n, count)))
        return sky, np.hypot(floor, fraction)

    def noise_corr(self, bands):
        """Return that of `base`, shape (B,)."""
        return self.base.noise_corr(bands)

    def describe(self):
        """Return the numbers as a dict fit for JSON; ``base`` only where it is measured."""
        said = {key: value for key, value in vars(self).items() if key != "base"}
        if not isinstance(self.base, DepthTable):
            said["base"] = self.base.describe()
        return said


#: Depths of the paper's Table 1 with a scatter of 0.25 in ln, and 2 % of the flux.
DEPTH = NoiseModel("depth", scatter=0.25)
#: What the shipped models are trained under.
WIDE = NoiseModel(
    "wide",
    scale_low=0.1,
    scale_high=30.0,
    scatter=0.35,
    odd_rows=0.5,
    odd_share=0.15,
    odd_low=0.3,
    odd_high=20.0,
    fraction_low=0.01,
    fraction_high=0.1,
    fraction_scatter=0.3,
)


def widen(base, **changes):
    """Return `base` widened as `WIDE` widens the nominal depths.

    Parameters
    ----------
    base : noise model
    **changes
        Attributes of `NoiseModel` other than those of `WIDE`.
    """
    return replace(WIDE, **({"name": f"wide {base.name}", "base": base} | changes))
