"""Widened noise, for deep and shallow surveys, wrong error maps and bright pixels.

A real error map contains a sky level that differs between surveys, the photon noise of
the source, and a calibration floor. The training noise draws each from a range wider
than observed, so that one model is valid for deep and shallow mosaics, summed
photometry, and error maps that are wrong by a factor.
"""

from dataclasses import dataclass, replace

import numpy as np

from pixsed.simulate.noise.depth import DepthTable, OfTwoParts


def _normals(rng, shape):
    """Return standard normals in float32, which are drawn faster."""
    return rng.standard_normal(shape, dtype=np.float32)


def _uniform(rng, ends, shape):
    """Return float32 numbers uniform between two ends."""
    low, high = np.float32(ends)
    return low + (high - low) * rng.random(shape, dtype=np.float32)


@dataclass(frozen=True)
class NoiseModel(OfTwoParts):
    """Noise with random scales and fractions of the flux.

    sigma^2 = (base x scale x scatter x odd)^2 + (fraction x flux)^2, in nJy.

    Attributes
    ----------
    scale_low, scale_high : float
        Range of the noise of a survey over that of `base`: log-uniform, one value for all
        bands. Sky and photon noise both fall as the square root of the exposure time.
    scatter : float
        Scatter between bands, in ln.
    odd_rows, odd_share, odd_low, odd_high : float
        In a fraction `odd_rows` of the pixels, a fraction `odd_share` of the bands has errors
        that are wrong by a further factor, log-uniform from `odd_low` to `odd_high`. They stand
        for wrong error maps and for bands much shallower or deeper than their survey. The names
        are fixed by the metadata of the shipped models.
    fraction_low, fraction_high, fraction_scatter : float
        Error of a bright pixel divided by its flux: log-uniform, one value for all bands, with
        a scatter between bands, in ln.
    base : noise model
        Model that is widened; default: the nominal depths.
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
        """Draw the two parts of the error of every flux.

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
            Error over flux; the two parts add in quadrature.
        """
        n = len(flux)
        sky, floor = self.base.parts(flux, bands, rng)
        log_sky = self.scatter * _normals(rng, flux.shape)
        log_sky += _uniform(rng, np.log([self.scale_low, self.scale_high]), (n, 1))
        if self.odd_share:
            odd = rng.random(flux.shape, dtype=np.float32) < self.odd_share
            odd &= rng.random((n, 1)) < self.odd_rows
            log_sky[odd] += _uniform(rng, np.log([self.odd_low, self.odd_high]), odd.sum())
        fraction = self.fraction_scatter * _normals(rng, flux.shape)
        fraction += _uniform(rng, np.log([self.fraction_low, self.fraction_high]), (n, 1))
        return sky * np.exp(log_sky), np.hypot(floor, np.exp(fraction))

    def noise_corr(self, bands):
        """Return the factors of `base`, shape (B,)."""
        return self.base.noise_corr(bands)

    def describe(self):
        """Return the attributes as a dict for JSON; ``base`` only if it is not the default."""
        said = {key: value for key, value in vars(self).items() if key != "base"}
        if self.base != DepthTable():
            said["base"] = self.base.describe()
        return said


#: Depths of Table 1 of Iglesias-Navarro+25 with a scatter of 0.25 in ln, and 2 % of the flux.
DEPTH = NoiseModel("depth", scatter=0.25)
#: Noise with which the shipped models are trained.
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
    """Return `base` widened like the nominal depths in `WIDE`.

    Parameters
    ----------
    base : noise model
    **changes
        Attributes of `NoiseModel` that differ from those of `WIDE`.
    """
    return replace(WIDE, **({"name": f"wide {base.name}", "base": base} | changes))
