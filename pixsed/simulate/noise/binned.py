"""The measured noise: a Gaussian of errors a band and bin of flux (Iglesias-Navarro+25)."""

import numpy as np
from scipy.special import ndtr, ndtri

from pixsed.errors import PixsedError
from pixsed.io.formats.noise_table import BandNoise, NoiseTable
from pixsed.simulate.noise.depth import OfTwoParts

#: No drawn error is below this share of its bin's mean.
LEAST = 0.1


class BinnedNoise(OfTwoParts):
    """sigma from the Gaussian of the bin of flux, as `pixsed noise` measured it.

    Fluxes below the first bin take the first, those above the last the last: sigma then
    no longer grows with flux, as in the paper. With `floor` it does: a share of the flux is
    added in quadrature.

    The Gaussian is cut at a tenth of its mean: values below are never drawn, the others in
    proportion to its density. With scatters under a fifth of the mean that changes nothing.

    Parameters
    ----------
    table : `~pixsed.io.formats.noise_table.NoiseTable`
    floor : float, optional
        Error of the calibration over the flux.
    """

    def __init__(self, table, *, floor=0.0):
        if not 0 <= floor < np.inf:
            raise PixsedError(f"floor must be a share of the flux, 0 or more, got {floor}")
        self.table = table
        self.floor = float(floor)

    @property
    def name(self):
        """The file of the table."""
        return self.table.name

    def check_bands(self, bands):
        """Raise `PixsedError` naming the bands that the table lacks."""
        lacking = [band for band in bands if band not in self.table.bands]
        if lacking:
            raise PixsedError(
                f"{self.name} has no noise of {' '.join(lacking)}; simulate with --bands "
                f"{','.join(self.table.bands)}, or measure the others with 'pixsed noise'"
            )

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
            What the bins say, nJy, above 0.
        fraction : float
            The floor; both add in quadrature.

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
        # By the inverse of the cumulative distribution: one random number an error.
        share = ndtr(np.divide(mean - least, std, out=np.full(flux.shape, np.inf), where=std > 0))
        sigma = mean - std * ndtri((1.0 - rng.random(flux.shape)) * share)
        return np.maximum(sigma, least), self.floor

    def noise_corr(self, bands):
        """Return the factor by which the noise of a sum exceeds that of independent pixels.

        Shape (B,).
        """
        self.check_bands(bands)
        return np.array([self.table.bands[band].noise_corr for band in bands])

    def describe(self):
        """Return the whole table as a dict fit for JSON; NaN as None."""

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
        """Return the model that `describe` described."""
        bands = {
            band: BandNoise(**{k: np.nan if v is None else v for k, v in values.items()})
            for band, values in said["bands"].items()
        }
        return cls(NoiseTable(bands, said["name"]), floor=said["floor"])
