"""Recalibration: a map of the base normals, fitted in the first final stage of the training."""

import copy

import numpy as np
import torch
from scipy.special import ndtri

from pixsed.simulate.noise import nominal
from pixsed.train.batches import Observer
from pixsed.train.loss import pinball
from pixsed.train.minimise import minimise
from pixsed.train.stage import Stage

#: Number of simulations and of steps, rows per step, and learning rate.
ROWS, STEPS, BATCH, RATE = 500_000, 1000, 8192, 2e-3
#: Quantiles of the latents that are fitted.
LEVELS = (0.025, 0.16, 0.25, 0.5, 0.75, 0.84, 0.975)
#: Number of simulations observed at once.
_BLOCK = 4096


def recalibrate(network, simulations, noise, *, seed=42, rows=ROWS, steps=STEPS, stage=None):
    """Fit `PixelFlow.recalibration` to simulations; the rest of the network does not change.

    A correct flow maps each truth to independent standard normals. The map is fitted to the
    quantiles of these latents by quantile regression. Half of the simulations are observed with
    the training noise, half with its nominal version, which most pixels have.

    Parameters
    ----------
    network : `~pixsed.train.network.flow.PixelFlow`
        Trained network; not modified.
    simulations : `~pixsed.simulate.table.Simulations`
        Preferably not the training set, for which the network is overconfident.
    noise : noise model of `pixsed.simulate.noise`
    seed : int, optional
    rows, steps : int, optional
        Number of simulations and of steps.
    stage : `~pixsed.train.stage.Stage`, optional
        Clock that may end it earlier.

    Returns
    -------
    dict
        State of the recalibration, for a checkpoint. It does not depend on the number of
        threads.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the order of a sum affects its last digits
    try:
        network = copy.deepcopy(network).float().requires_grad_(False)
        return _fit(network, simulations, noise, seed, rows, steps, stage or Stage())
    finally:
        torch.set_num_threads(threads)


def _fit(network, simulations, noise, seed, rows, steps, stage):
    rng = np.random.default_rng([seed, 77])
    chosen = rng.permutation(len(simulations))[:rows]
    inputs, latent = _observe(network, simulations, noise, chosen, rng, stage)
    module = network.recalibration.requires_grad_(True)
    count = len(latent)

    def loss():
        rows = torch.from_numpy(rng.integers(0, count, min(BATCH, count)))
        return quantile_loss(latent[rows], module, module(inputs[rows]))

    steps = min(steps, max(100, count // 100))  # fewer steps for few simulations
    minimise(module.parameters(), loss, steps, RATE, stage=stage)
    return module.state_dict()


@torch.no_grad()
def _observe(network, simulations, noise, chosen, rng, stage):
    """Observe simulations once; return the inputs of the map (n, K) and the latents (n, D)."""
    observer = Observer(simulations, noise, np.arange(len(simulations)), network.infer_redshift)
    nominal_observer = copy.copy(observer)
    nominal_observer.noise = nominal(noise)
    inputs, latents = [], []
    halves = zip((observer, nominal_observer), np.array_split(chosen, 2), (0.25, 0.5), strict=True)
    for one, rows, share in halves:
        for start in range(0, len(rows), _BLOCK):
            if start and stage.spent(share):
                break
            batch = one.batch(rows[start : start + _BLOCK], rng)
            z, z_err = batch["z"], batch["z_err"]
            encoded = network.encode(batch["flux"], batch["flux_err"], z, z_err)
            context, bright = network.context(encoded), encoded[3]
            latent, _ = network.latents(batch["coordinates"], context, bright, z, z_err)
            inputs.append(network.recalibration_inputs(encoded))
            latents.append(latent)
    return torch.cat(inputs), torch.cat(latents)


def quantile_loss(latent, module, parameters):
    """Return the pinball loss of latents at `LEVELS`, each given the previous ones.

    Unlike a variance or a likelihood, quantiles are not dominated by tails and bounds.

    Parameters
    ----------
    latent : tensor, shape (N, D)
    module : `~pixsed.train.network.recalibration.Recalibration`
    parameters : tuple of tensor
        Returned by `module`.
    """
    shift, log_scale, mixing, skew, log_tail = parameters
    levels = latent.new_tensor(LEVELS)
    # The fit of the previous latents does not depend on this one.
    previous = module.unmix(latent, parameters).detach()
    off = latent - shift - (mixing @ previous.unsqueeze(2)).squeeze(2)
    normal = latent.new_tensor(ndtri(LEVELS))
    quantiles = module.sinh_arcsinh(normal, skew.unsqueeze(2), log_tail.unsqueeze(2))
    return pinball(torch.exp(log_scale).unsqueeze(2) * quantiles, off, levels).mean()
