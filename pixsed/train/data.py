"""Batches for training: simulations seen through fresh bands, errors and noise each time."""

import numpy as np
import torch
from scipy.special import ndtri

from pixsed.errors import PixsedError
from pixsed.simulate.observe import draw_masks, draw_redshift_error, observe
from pixsed.simulate.priors import PRIORS
from pixsed.train.flow import ORDER

#: Share of training rows with a photometric redshift, and the largest error over 1 + z.
PHOTO_Z_SHARE = 0.35
PHOTO_Z_MAX = 0.1


def flow_coordinates(simulations):
    """Return the flow's coordinates behind the redshift, shape (N, 5), float64.

    The logit of the mass's prior probability, and the normal quantile of the others'.
    """
    if simulations.prior != "tau":
        raise PixsedError(f"no network for the prior {simulations.prior!r}; it must be tau")
    names = [c.name for c in PRIORS[simulations.prior].COORDINATES]
    u = np.clip(simulations.unit[:, [names.index(name) for name in ORDER]], 1e-7, 1 - 1e-7)
    x = ndtri(u)
    x[:, 0] = np.log(u[:, 0]) - np.log1p(-u[:, 0])
    return x


class Observer:
    """Draws training batches from simulations.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
    noise : noise model of `pixsed.simulate.noise`
    rows : `~numpy.ndarray`
        The rows to use.
    """

    def __init__(self, simulations, noise, rows):
        self.bands = simulations.bands
        self.noise = noise
        self.rows = rows
        self.flux = simulations.flux
        self.z = simulations.columns["REDSHIFT"]
        self.coordinates = flow_coordinates(simulations)

    def batch(self, rows, rng, keep_faint=0.2):
        """Observe `rows` once.

        Rows without a detection are thinned to `keep_faint`, and the choice is made from
        the noisy data alone, which leaves the posterior given the data as it is.

        Returns
        -------
        dict of tensor
            flux, flux_err, true_flux (n, B), z, z_err (n,), coordinates (n, 6).
        """
        true = self.flux[rows].astype(np.float64)
        mask = draw_masks(self.bands, len(rows), rng)
        flux, err = observe(true, self.bands, self.noise, mask, rng)
        z_obs, z_err = draw_redshift_error(self.z[rows], PHOTO_Z_SHARE, PHOTO_Z_MAX, rng)
        power = np.nansum((flux / err) ** 2, axis=1)
        count = mask.sum(axis=1)
        keep = (power > count + 4 * np.sqrt(2 * count)) | (rng.random(len(rows)) < keep_faint)
        exact = z_err == 0
        with np.errstate(divide="ignore", invalid="ignore"):
            deviation = np.where(exact, rng.standard_normal(len(rows)),
                                 (self.z[rows] - z_obs) / z_err)  # fmt: skip
        coordinates = np.column_stack([deviation, self.coordinates[rows]])

        def tensor(values):
            return torch.from_numpy(np.ascontiguousarray(values[keep], dtype=np.float32))

        return {
            "flux": tensor(flux), "flux_err": tensor(err), "true_flux": tensor(true),
            "z": tensor(z_obs), "z_err": tensor(z_err), "coordinates": tensor(coordinates),
        }  # fmt: skip
