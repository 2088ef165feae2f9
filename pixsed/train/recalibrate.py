"""The last stage of training: shift and scale of the base normals, fitted on simulations."""

import copy
import math

import numpy as np
import torch

from pixsed.simulate.noise import nominal
from pixsed.train.data import Observer

#: Simulations observed, and steps of the fit; seconds on one core.
ROWS, STEPS, BATCH = 400_000, 3000, 8192
#: Share of a standard normal within one.
_LEVEL = 0.6827
#: Rows, draws and rounds of the last check of each coordinate's own interval.
_CHECK_ROWS, _DRAWS, _ROUNDS = 12_000, 200, 3


def recalibrate(network, simulations, noise, *, seed=42, rows=ROWS, steps=STEPS):
    """Fit `PixelFlow.recalibration` to the latents of simulations, all else kept.

    A flow that is right carries every truth to a standard normal. Half of the simulations
    are seen under the training noise, half under the nominal one (the depths, or the
    measured noise as it is), where most pixels are.

    Parameters
    ----------
    network : `~pixsed.train.flow.PixelFlow`
        Trained; its recalibration is replaced.
    simulations : `~pixsed.simulate.table.Simulations`
    noise : noise model of `pixsed.simulate.noise`
    seed, rows, steps : int, optional

    Returns
    -------
    dict
        State of the recalibration, for a checkpoint.
    """
    rng = np.random.default_rng([seed, 77])
    torch.manual_seed(seed)
    chosen = rng.permutation(len(simulations))[:rows]
    latents, known = [], []
    halves = chosen[: len(chosen) // 2], chosen[len(chosen) // 2 :]
    for kind, half in zip((noise, nominal(noise)), halves, strict=True):
        observer = Observer(simulations, kind, chosen, network.infer_redshift)
        for start in range(0, len(half), 4096):
            seen = observer.batch(half[start : start + 4096], rng)
            with torch.no_grad():
                z, z_err = seen["z"], seen["z_err"]
                encoded = network.encode(seen["flux"], seen["flux_err"], z, z_err)
                latent, _ = network.latents(
                    seen["coordinates"], network.context(encoded), encoded[3], z, z_err
                )
            latents.append(latent)
            known.append(network.seen(encoded))
    # A few truths lie far outside; they must not set the widths of the others.
    latent = torch.clamp(torch.cat(latents), -4.0, 4.0)
    known = torch.cat(known)
    module = copy.deepcopy(network.recalibration).float()
    optimiser = torch.optim.Adam(module.parameters(), lr=2e-3)
    steps = min(steps, max(100, len(latent) // 100))  # few simulations, few steps
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * (0.5 + 0.5 * math.cos(math.pi * step / steps)) + 1e-6
        pick = torch.from_numpy(rng.integers(0, len(latent), min(BATCH, len(latent))))
        shift, log_scale = module(known[pick])
        # Quantile regression: the shift is the median of the latents, the scale where 68 % of
        # them lie; their variance would let tails and bounds decide.
        off = latent[pick] - shift
        over = torch.abs(off.detach()) - torch.exp(log_scale)
        pinball = torch.maximum(_LEVEL * over, (_LEVEL - 1.0) * over)
        loss = (0.5 * torch.abs(off) + pinball).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.recalibration, checks = module, []
    for kind in (noise, nominal(noise)):
        observer = Observer(simulations, kind, chosen, network.infer_redshift)
        part = observer.batch(chosen[-_CHECK_ROWS // 2 :], rng)
        checks.append(part)
    _widen(network, {key: torch.cat([c[key] for c in checks]) for key in checks[0]})
    return module.state_dict()


@torch.no_grad()
def _widen(network, seen):
    """Scale each coordinate's normals until 68 % of the truths lie in its own 68 % interval.

    With each width right given the coordinates before, the interval of one that is known
    through them can still come out narrow: tau, through t_i. One factor a coordinate.
    """
    generator = torch.Generator().manual_seed(0)
    last = network.recalibration.last
    dim = network.space.dim
    truth = seen["coordinates"]
    for _ in range(_ROUNDS):
        scores = []
        for start in range(0, len(truth), 500):
            flux, err, z, z_err = (
                seen[key][start : start + 500] for key in ("flux", "flux_err", "z", "z_err")
            )
            base = torch.randn(len(z), _DRAWS, dim, generator=generator)
            drawn, _ = network.draw(flux, err, z, z_err, base)
            below = (drawn < truth[start : start + 500, None]).float().mean(dim=1)
            # The normal quantile of the rank, half a draw inside the ends.
            share = (below * _DRAWS + 0.5) / (_DRAWS + 1)
            scores.append(math.sqrt(2.0) * torch.erfinv(2.0 * share - 1.0))
        factor = torch.quantile(torch.cat(scores).abs(), _LEVEL, dim=0)
        # The redshift's coordinate means nothing where the redshift is exact.
        first = 0 if network.infer_redshift else 1
        last.bias[dim + first :] += torch.log(factor[first:])
