"""Measured noise: a Gaussian of errors per band and flux bin (Iglesias-Navarro+25)."""

import numpy as np
from scipy.special import ndtr, ndtri

from pixsed.errors import PixsedError
from pixsed.io.formats.noise_table import BandNoise, NoiseTable
from pixsed.simulate.noise.depth import OfTwoParts

#: Smallest error that is drawn, as a fraction of the mean of its bin.
LEAST = 0.1


class BinnedNoise(OfTwoParts):
    """Noise drawn from the Gaussian of the flux bin, as `pixsed noise` measured it.

    Fluxes beyond the first or last bin use that bin, as in the paper. The error therefore does
    not grow with flux above the last bin, unless `floor` is given: this fraction of the flux is
    added in quadrature.

    The Gaussian is truncated at a tenth of its mean, which has no effect for standard deviations
    below a fifth of the mean.

    Parameters
    ----------
    table : `~pixsed.io.formats.noise_table.NoiseTable`
    floor : float, optional
        Calibration error over the flux.
    """

    def __init__(self, table, *, floor=0.0):
        if not 0 <= floor < np.inf:
            raise PixsedError(f"floor must be a fraction of the flux, 0 or more, got {floor}")
        self.table = table
        self.floor = float(floor)

    @property
    def name(self):
        """Name of the file of the table."""
        return self.table.name

    def check_bands(self, bands):
        """Raise `PixsedError` if the table lacks some of `bands`."""
        lacking = [band for band in bands if band not in self.table.bands]
        if lacking:
            raise PixsedError(
                f"{self.name} has no noise of {' '.join(lacking)}; simulate with --bands "
                f"{','.join(self.table.bands)}, or measure the others with 'pixsed noise'"
            )

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
            Error from the flux bins, nJy, above 0.
        fraction : float
            The floor; the two parts add in quadrature.

        Raises
        ------
        PixsedError
            If the table lacks a band.
        """
        self.check_bands(bands)
        flux = np.asarray(flux, dtype=float)
        mean, std = np.empty(flux.shape), np.empty(flux.shape)
        for i, band in enumerate(bands):
            noise = self.table.bands[band]
            inside = np.searchsorted(noise.edges[1:-1], flux[:, i], side="right")
            mean[:, i], std[:, i] = noise.mean[inside], noise.std[inside]
        least = LEAST * mean
        # Invert the cumulative distribution, which takes one random number per error.
        fraction = ndtr(
            np.divide(mean - least, std, out=np.full(flux.shape, np.inf), where=std > 0)
        )
        sigma = mean - std * ndtri((1.0 - rng.random(flux.shape)) * fraction)
        return np.maximum(sigma, least), self.floor

    def noise_corr(self, bands):
        """Return the noise of a sum of pixels over that of independent pixels, shape (B,)."""
        self.check_bands(bands)
        return np.array([self.table.bands[band].noise_corr for band in bands])

    def describe(self):
        """Return the table as a dict for JSON, with None for NaN."""

        def number(value):
            return float(value) if np.isfinite(value) else None

        return {
            "form": "binned",
            "name": self.name,
            "floor": self.floor,
            "bands": {
                band: {
                    "edges": noise.edges.tolist(),
                    "mean": noise.mean.tolist(),
                    "std": noise.std.tolist(),
                    "npix": noise.npix.tolist(),
                    "noise_corr": number(noise.noise_corr),
                    "noise_corr_err": number(noise.noise_corr_err),
                    "corr_from": noise.corr_from,
                    "depth": number(noise.depth),
                    "psfmatch": noise.psfmatch,
                }
                for band, noise in self.table.bands.items()
            },
        }

    @classmethod
    def from_description(cls, said):
        """Return the model, given the dict that `describe` returned."""
        bands = {
            band: BandNoise(**{k: np.nan if v is None else v for k, v in values.items()})
            for band, values in said["bands"].items()
        }
        return cls(NoiseTable(bands, said["name"]), floor=said["floor"])
