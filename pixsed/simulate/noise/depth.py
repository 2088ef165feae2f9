"""The depth table: the noise of empty sky, of the bands that pixsed knows."""

from dataclasses import dataclass

import numpy as np

from pixsed.bands import BY_NAME
from pixsed.errors import PixsedError


def depths(bands):
    """Return the nominal 1-sigma depth of each band, nJy, shape (B,).

    Raises
    ------
    PixsedError
        If a band is not one of `pixsed.bands.BANDS`.
    """
    unknown = [band for band in bands if band not in BY_NAME]
    if unknown:
        raise PixsedError(
            f"the depth of {' '.join(unknown)} is not known; measure it with 'pixsed noise'"
        )
    return np.array([BY_NAME[band].depth for band in bands])


def total_error(flux, sky, fraction):
    """Return the error of fluxes from its two parts: of the sky, and a fraction of the flux."""
    return np.hypot(sky, fraction * flux)


class OfTwoParts:
    """Base of noise models: errors as their `parts` say, added in quadrature."""

    def draw(self, flux, bands, rng):
        """Draw the error of every flux, (N, B), nJy, above 0; parameters as of `parts`."""
        return total_error(flux, *self.parts(flux, bands, rng))


@dataclass(frozen=True)
class DepthTable(OfTwoParts):
    """sigma = the nominal depth (Table 1 of Iglesias-Navarro+25), whatever the flux."""

    name: str = "depths"

    def parts(self, flux, bands, rng):
        """Return sigma, nJy, the shape of `flux` (N, B), and no fraction of the flux.

        No random number is drawn.
        """
        return np.broadcast_to(depths(bands), np.shape(flux)), 0.0

    def noise_corr(self, bands):
        """Return 1 a band: pixels taken as independent."""
        return np.ones(len(bands))

    def describe(self):
        """Return the form's name, for a model's metadata."""
        return {"form": "depths", "name": self.name}
