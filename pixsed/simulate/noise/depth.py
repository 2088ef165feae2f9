"""Noise of empty sky, from the nominal depths of the bands of pixsed."""

from dataclasses import dataclass

import numpy as np

from pixsed.bands import BY_NAME
from pixsed.errors import PixsedError


def depths(bands, own=()):
    """Return the nominal 1-sigma depth of each band, nJy, shape (B,).

    Parameters
    ----------
    bands : sequence of str
    own : dict or sequence of pairs, optional
        Depths of bands that are not in `pixsed.bands`.

    Raises
    ------
    PixsedError
        If a band is neither one of `pixsed.bands.BANDS` nor in `own`.
    """
    own = dict(own)
    unknown = [band for band in bands if band not in BY_NAME and band not in own]
    if unknown:
        raise PixsedError(
            f"the depth of {' '.join(unknown)} is not known; measure it with 'pixsed noise'"
        )
    return np.array([own[band] if band in own else BY_NAME[band].depth for band in bands])


def total_error(flux, sky, fraction):
    """Return the error of fluxes: the sky error and a fraction of the flux, in quadrature."""
    grown = fraction * flux
    # Faster than hypot; the squares do not overflow in float64.
    return np.sqrt(np.square(sky, dtype=float) + np.square(grown, dtype=float))


class OfTwoParts:
    """Base class of noise models whose errors are two `parts` added in quadrature."""

    def draw(self, flux, bands, rng):
        """Draw the error of every flux, shape (N, B), nJy, above 0; parameters as in `parts`."""
        return total_error(flux, *self.parts(flux, bands, rng))


@dataclass(frozen=True)
class DepthTable(OfTwoParts):
    """Noise equal to the nominal depth at any flux (Table 1 of Iglesias-Navarro+25).

    Attributes
    ----------
    name : str
    own : tuple of (str, float)
        Depths of bands that are not in `pixsed.bands`; a dict is converted.
    """

    name: str = "depths"
    own: tuple = ()

    def __post_init__(self):
        object.__setattr__(self, "own", tuple(sorted(dict(self.own).items())))

    def parts(self, flux, bands, rng):
        """Return the depths in nJy, with the shape (N, B) of `flux`, and a fraction of 0.

        No random number is drawn.
        """
        return np.broadcast_to(depths(bands, self.own), np.shape(flux)), 0.0

    def noise_corr(self, bands):
        """Return 1 for each band: pixels are independent."""
        return np.ones(len(bands))

    def describe(self):
        """Return a description for the metadata of a model."""
        own = {"own": dict(self.own)} if self.own else {}
        return {"form": "depths", "name": self.name} | own
