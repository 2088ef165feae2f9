"""The last stage of training: an affine map of the base normals, fitted on simulations."""

import copy
import math

import numpy as np
import torch
from scipy.special import ndtri

from pixsed.simulate.noise import nominal
from pixsed.train.data import Observer

#: Simulations observed, and steps of the fit; some minutes on one core.
ROWS, STEPS, BATCH = 400_000, 2000, 8192
#: Shares of the truths that lie within intervals about the median: 50, 68 and 95 %; and their
#: weights, as one scale has to serve all and shifts the last the least.
_SHARES, _WEIGHTS = (0.5, 0.6827, 0.95), (1.0, 0.75, 0.2)
#: Simulations, draws of each and steps of a round that looks at properties one by one.
_ROUNDS, _ROUND_ROWS, _DRAWS, _ROUND_STEPS = 3, 250_000, 48, 300
#: Weight of the latents beside the properties in a round: they alone tell of the joint posterior.
_LATENT_WEIGHT = 0.1
_RATE = 2e-3
#: Simulations whose draws are made at once.
_PART = 256
#: A few truths lie far outside; they must not set the widths of the others.
_LIMIT = 4.0


def recalibrate(network, simulations, noise, *, seed=42, rows=ROWS, steps=STEPS):
    """Fit `PixelFlow.recalibration` to simulations, all else kept.

    A flow that is right carries every truth to independent standard normals: the map is fitted
    to these latents first. With each width right given the coordinates before, the interval of
    a property that is known through them can still come out narrow: tau, through t_i; or the
    SFR, which follows from several. So the shifts and scales are then fitted, in rounds, to
    where the truths lie among the network's own draws, property by property. Half of the
    simulations are seen under the training noise, half under the nominal one (the depths, or
    the measured noise as it is), where most pixels are.

    Parameters
    ----------
    network : `~pixsed.train.flow.PixelFlow`
        Trained; its recalibration is replaced.
    simulations : `~pixsed.simulate.table.Simulations`
        Best of all such that the network was not trained on: it is surer of those it was.
    noise : noise model of `pixsed.simulate.noise`
    seed, rows, steps : int, optional

    Returns
    -------
    dict
        State of the recalibration, for a checkpoint; the same whatever the number of threads.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would differ in their last digits
    try:
        return _recalibrate(network, simulations, noise, seed, rows, steps)
    finally:
        torch.set_num_threads(threads)


def _recalibrate(network, simulations, noise, seed, rows, steps):
    rng = np.random.default_rng([seed, 77])
    generator = torch.Generator().manual_seed(seed)
    observers = [
        Observer(simulations, kind, np.arange(len(simulations)), network.infer_redshift)
        for kind in (noise, nominal(noise))
    ]
    chosen = rng.permutation(len(simulations))[:rows]
    parts = [
        _latents(network, seen) for seen in _observed(observers, np.array_split(chosen, 2), rng)
    ]
    known, latent = (torch.cat(values) for values in zip(*parts, strict=True))
    module = copy.deepcopy(network.recalibration).float()
    steps = min(steps, max(100, len(latent) // 100))  # few simulations, few steps

    def of_latents():
        pick = _pick(len(latent), rng)
        shift, log_scale, mixing = found = module(known[pick])
        # A coordinate's fit leaves those before it alone.
        base = module.undo(latent[pick], found).detach()
        off = latent[pick] - shift - (mixing @ base.unsqueeze(2)).squeeze(2)
        return _miss(off, log_scale).mean()

    _fit(module.parameters(), steps, of_latents)
    network.recalibration = module
    for _ in range(_ROUNDS):
        some = rng.choice(chosen, min(_ROUND_ROWS, len(chosen)), replace=False)
        parts = [
            _scores(network, seen, generator)
            for seen in _observed(observers, np.array_split(some, 2), rng)
        ]
        found = [torch.cat(values) for values in zip(*parts, strict=True)]
        _round(module, of_latents, *found, rng, min(_ROUND_STEPS, steps))
    return module.state_dict()


def _observed(observers, groups, rng):
    """Yield batches of simulations: each group of rows as its observer sees it."""
    for observer, group in zip(observers, groups, strict=True):
        for start in range(0, len(group), 4096):
            yield observer.batch(group[start : start + 4096], rng)


def _pick(count, rng):
    return torch.from_numpy(rng.integers(0, count, min(BATCH, count)))


@torch.no_grad()
def _latents(network, seen):
    """Return what the recalibration sees of a batch, and the latents of its truths."""
    z, z_err = seen["z"], seen["z_err"]
    encoded = network.encode(seen["flux"], seen["flux_err"], z, z_err)
    latent, _ = network.latents(seen["coordinates"], network.context(encoded), encoded[3], z, z_err)
    return network.seen(encoded), torch.clamp(latent, -_LIMIT, _LIMIT)


@torch.no_grad()
def _scores(network, seen, generator):
    """Compare truths with draws, property by property of `Space.OUTPUTS`.

    Returns
    -------
    known : tensor, shape (n, K)
        What the recalibration sees.
    score : tensor, shape (n, P)
        Normal quantile of each truth's rank among the draws.
    counts : tensor, shape (n, P)
        0 for a redshift that is exact, else 1.
    slope : tensor, shape (n, P, D)
        Correlations of the properties, so transformed, with the base normals.
    """
    parts = []
    for start in range(0, len(seen["z"]), _PART):
        part = {key: values[start : start + _PART] for key, values in seen.items()}
        z, z_err, truth = part["z"], part["z_err"], part["coordinates"]
        base = torch.randn(len(z), _DRAWS, truth.shape[1], generator=generator)
        encoded = network.encode(part["flux"], part["flux_err"], z, z_err)
        drawn, _ = network.draw_encoded(encoded, z, z_err, base)
        drawn = network.parameters_from(drawn, z, z_err)
        truth = network.parameters_from(truth.unsqueeze(1), z, z_err)
        # Anywhere in its place among the draws: uniform for a right posterior, however few.
        below, same = ((drawn < truth).sum(dim=1), (drawn == truth).sum(dim=1))
        chance = torch.rand(below.shape, generator=generator)
        score = _normal((below + chance * (same + 1)) / (_DRAWS + 1))
        place = torch.argsort(torch.argsort(drawn, dim=1), dim=1)
        transformed = _normal((place + 0.5) / _DRAWS)
        spread = transformed[:1, :, :1].std() * base.std(dim=1, keepdim=True)
        slope = transformed.transpose(1, 2) @ ((base - base.mean(dim=1, keepdim=True)) / spread)
        counts = torch.ones_like(score)
        if not network.infer_redshift:
            exact = z_err == 0
            counts[exact, network.space.OUTPUTS.index("REDSHIFT")] = 0.0
            slope[exact, :, 0] = 0.0
        parts.append((network.seen(encoded), score, counts, slope / (_DRAWS - 1)))
    return tuple(torch.cat(values) for values in zip(*parts, strict=True))


def _normal(share):
    """Return the normal quantile of shares."""
    return torch.clamp(math.sqrt(2.0) * torch.erfinv(2.0 * share - 1.0), -_LIMIT, _LIMIT)


def _round(module, of_latents, known, score, counts, slope, rng, steps):
    """Fit shifts and scales to scores of draws that were made with the module as it is."""
    with torch.no_grad():
        shift, log_scale, _ = module(known)
    # To first order a property moves by the correlations, and its variance by their squares.
    share = slope**2 / (slope**2).sum(dim=2, keepdim=True)

    def both():
        pick = _pick(len(known), rng)
        new_shift, new_scale, _ = module(known[pick])
        moved = ((new_shift - shift[pick]) * torch.exp(-log_scale[pick])).unsqueeze(2)
        wider = (new_scale - log_scale[pick]).unsqueeze(2)
        off = score[pick] - (slope[pick] @ moved).squeeze(2)
        miss = counts[pick] * _miss(off, (share[pick] @ wider).squeeze(2))
        return miss.mean() + _LATENT_WEIGHT * of_latents()

    _fit(module.last.parameters(), steps, both)


def _miss(off, log_scale):
    """Return the loss of quantile regression, where normals lie `off` the median, (N, D).

    The shift is their median, the scale where 50, 68 and 95 % of them lie; their variance
    would let tails and bounds decide.
    """
    shares, weights = off.new_tensor(_SHARES), off.new_tensor(_WEIGHTS)
    within = off.new_tensor(ndtri(0.5 + 0.5 * np.array(_SHARES)))
    size = torch.abs(off)
    over = size.detach().unsqueeze(-1) - torch.exp(log_scale).unsqueeze(-1) * within
    pinball = torch.maximum(shares * over, (shares - 1.0) * over)
    return 0.5 * size + (weights * pinball).sum(dim=-1)


def _fit(parameters, steps, loss):
    parameters = list(parameters)
    optimiser = torch.optim.Adam(parameters, lr=_RATE)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = _RATE * (0.5 + 0.5 * math.cos(math.pi * step / steps)) + 1e-6
        found = loss()
        optimiser.zero_grad()
        found.backward()
        optimiser.step()
