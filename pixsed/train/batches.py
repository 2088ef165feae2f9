"""Training batches: simulations with random bands, errors and noise."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from pixsed.errors import PixsedError
from pixsed.parallel import ordered_map
from pixsed.simulate.noise import nominal
from pixsed.simulate.observe import draw_masks, draw_redshift_error, observe
from pixsed.simulate.priors import PRIORS
from pixsed.train.network.space import probit
from pixsed.train.network.spaces import SPACES

#: Fraction of rows with a photometric redshift, and the largest error over 1 + z.
PHOTO_Z_FRACTION = 0.3
PHOTO_Z_MAX = 0.5
#: Fraction of rows with the nominal noise, which most pixels of a survey have.
NOMINAL_FRACTION = 0.5


def space_of(prior):
    """Return the class of `pixsed.train.network.spaces` for a prior.

    Raises
    ------
    PixsedError
        If no network supports the prior.
    """
    if prior not in SPACES:
        raise PixsedError(
            f"no network supports the histories of the prior {prior!r} yet; train on "
            f"simulations made with --prior {' or '.join(SPACES)}"
        )
    return SPACES[prior]


class Observer:
    """Source of training batches.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
    noise : noise model of `pixsed.simulate.noise`
    rows : `~numpy.ndarray`
        Indices of the simulations to use.
    infer_redshift : bool, optional
        Make batches for a network that infers the redshift.
    """

    def __init__(self, simulations, noise, rows, infer_redshift=False):
        self.infer_redshift = infer_redshift
        self.prior = PRIORS[simulations.prior]
        space = space_of(simulations.prior)
        self.bands = simulations.bands
        self.noise = noise
        self.rows = rows
        self.flux = simulations.flux
        self.z = simulations.columns["REDSHIFT"]
        self.coordinates = space.coordinates(simulations).astype(np.float32)
        self.targets = space.targets(simulations.columns).astype(np.float32)

    def batch(self, rows, rng, keep_faint=0.2):
        """Observe simulations once.

        Only a fraction `keep_faint` of the rows without a detection is kept. The selection
        depends only on the noisy data, so it does not change the posterior given the data.

        Parameters
        ----------
        rows : `~numpy.ndarray`, shape (n,)
            Indices of simulations, in random order.
        rng : `~numpy.random.Generator`
        keep_faint : float, optional

        Returns
        -------
        dict of tensor
            flux, flux_err, true_flux (n, B), z, z_err (n,), coordinates (n, D) and
            targets (n, T), float32. Fluxes are in nJy; NaN = band missing.
        """
        true = self.flux[rows].astype(np.float64)
        mask = draw_masks(self.bands, len(rows), rng)
        # The rows are in random order.
        first = round(NOMINAL_FRACTION * len(rows))
        parts = ((nominal(self.noise), slice(first)), (self.noise, slice(first, None)))
        seen = [observe(true[part], self.bands, kind, mask[part], rng) for kind, part in parts]
        flux, err = (np.concatenate(arrays) for arrays in zip(*seen, strict=True))
        z_obs, z_err = draw_redshift_error(self.z[rows], PHOTO_Z_FRACTION, PHOTO_Z_MAX, rng)
        power = np.nansum((flux / err) ** 2, axis=1)
        count = mask.sum(axis=1)
        keep = (power > count + 4 * np.sqrt(2 * count)) | (rng.random(len(rows)) < keep_faint)
        exact = z_err == 0
        with np.errstate(divide="ignore", invalid="ignore"):
            deviation = np.where(
                exact, rng.standard_normal(len(rows)), (self.z[rows] - z_obs) / z_err
            )
        if self.infer_redshift:
            deviation = probit(self.prior.redshift_probability(self.z[rows]))
        coordinates = np.column_stack([deviation, self.coordinates[rows]])

        def tensor(values):
            return torch.from_numpy(np.ascontiguousarray(values[keep], dtype=np.float32))

        return {
            "flux": tensor(flux),
            "flux_err": tensor(err),
            "true_flux": tensor(true),
            "z": tensor(z_obs),
            "z_err": tensor(z_err),
            "coordinates": tensor(coordinates),
            "targets": tensor(self.targets[rows]),
        }

    def stream(self, rows, batch, seed, *, ahead=0, device="cpu"):
        """Yield the batches of one pass over `rows`, on a device.

        Each batch has its own random numbers, so the result does not depend on the number of
        threads. On cuda all batches have the same number of rows: rows that `batch` drops are
        replaced by rows of the next batch, and an incomplete last batch is dropped.

        Parameters
        ----------
        rows : `~numpy.ndarray`
        batch : int
            Rows per batch.
        seed : sequence of int
            Seed of the pass.
        ahead : int, optional
            Number of threads that make batches ahead of time.
        device : str, optional

        Yields
        ------
        fraction : float
            Fraction of the pass that is done after this batch.
        batch : dict of tensor
            Returned by the method `batch`.
        """
        steps = -(-len(rows) // batch)

        def observed(step):
            rng = np.random.default_rng([*seed, step])
            seen = self.batch(rows[step * batch : (step + 1) * batch], rng)
            if device == "cuda":
                seen = {key: values.pin_memory() for key, values in seen.items()}
            return (step + 1) / steps, seen

        found = map(observed, range(steps)) if not ahead else _ahead(observed, steps, ahead)
        yield from found if device == "cpu" else _even(found, batch, device)


def _ahead(make, count, threads):
    """Yield ``make(0)``, ``make(1)`` and so on, computed ahead by threads."""
    with ThreadPoolExecutor(threads) as pool:
        yield from ordered_map(pool, make, range(count), 2 * threads)


def _even(batches, size, device):
    """Yield batches of one size, on a device, with the rows in the same order."""
    rest = None
    for fraction, seen in batches:
        seen = {key: values.to(device, non_blocking=True) for key, values in seen.items()}
        if rest is not None:
            seen = {key: torch.cat([rest[key], values]) for key, values in seen.items()}
        if len(seen["z"]) >= size:
            yield fraction, {key: values[:size] for key, values in seen.items()}
            seen = {key: values[size:] for key, values in seen.items()}
        rest = seen
