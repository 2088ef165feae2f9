"""The last stage of training: a map of the base normals by pixel, fitted on simulations."""

import copy
import math

import numpy as np
import torch
from scipy.special import ndtri

from pixsed.simulate.noise import nominal
from pixsed.train.batches import Observer
from pixsed.train.descent import descend, pinball

#: Simulations observed, and steps of the fit to latents and of the one to properties.
ROWS, STEPS, MARGINAL_STEPS = 500_000, 1000, 1500
#: Rows of a step of each.
BATCH, _MARGINAL_BATCH = 8192, 1024
#: Draws of each row of such a step: the truth is but one, and more rows tell more.
_DRAWS = 8
#: Quantiles of the latents that are fitted.
_LEVELS = (0.025, 0.16, 0.25, 0.5, 0.75, 0.84, 0.975)
#: Draws of each row that make the scale of its properties, and their quantiles that do.
_SCALE_DRAWS, _WITHIN = 32, (0.16, 0.5, 0.84)
#: Rounds at the end, simulations, draws of each and steps of one.
_ROUNDS, _ROUND_ROWS, _ROUND_DRAWS, _ROUND_STEPS = 3, 250_000, 48, 300
#: Shares of the truths within intervals about the median that a round fits; and their weights.
_SHARES, _WEIGHTS = (0.5, 0.6827, 0.95), (1.0, 0.75, 0.2)
#: Whatever is further out than so many widths is no further out: a few must not rule the rest.
_LIMIT = 4.0
#: Added to the width of a property: what is known exactly must not count above all.
_LEAST_WIDTH = 1e-4
#: Weight of the latents beside the properties: they alone tell of the joint posterior.
_LATENT_WEIGHT = 0.1
_RATE = 2e-3
#: Simulations whose draws are made at once.
_PART = 256


def recalibrate(
    network, simulations, noise, *, seed=42, rows=ROWS, steps=STEPS, marginal_steps=MARGINAL_STEPS
):
    """Fit `PixelFlow.recalibration` to simulations, all else kept.

    A flow that is right carries every truth to independent standard normals: the map is fitted
    to the quantiles of these latents first. With each right given the coordinates before, the
    posterior of a property that follows from several can still come out narrow: tau, known
    through t_i; or the SFR. So the network's own draws are then followed to the properties
    and back: their continuous ranked probability scores, which are least where the posterior
    of each property by itself is right at every level, are descended through the flow itself.
    Such a score hardly feels the last percent of a width: rounds at the end fit shifts and
    scales to where the truths lie among many draws, to first order.
    Half of the simulations are seen under the training noise, half under the nominal one (the
    depths, or the measured noise as it is), where most pixels are.

    Parameters
    ----------
    network : `~pixsed.train.network.flow.PixelFlow`
        Trained; kept as it is.
    simulations : `~pixsed.simulate.table.Simulations`
        Best of all such that the network was not trained on: it is surer of those it was.
    noise : noise model of `pixsed.simulate.noise`
    seed, rows, steps, marginal_steps : int, optional

    Returns
    -------
    dict
        State of the recalibration, for a checkpoint; the same whatever the number of threads.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would differ in their last digits
    try:
        network = copy.deepcopy(network).float().requires_grad_(False)
        network.recalibration.requires_grad_(True)
        return _recalibrate(network, simulations, noise, seed, rows, (steps, marginal_steps))
    finally:
        torch.set_num_threads(threads)


def _recalibrate(network, simulations, noise, seed, rows, steps):
    rng = np.random.default_rng([seed, 77])
    generator = torch.Generator().manual_seed(seed)
    module = network.recalibration
    chosen = rng.permutation(len(simulations))[:rows]
    seen = _observed(network, simulations, noise, chosen, rng)
    # Few simulations, few steps.
    most = max(100, len(seen["z"]) // 100)
    steps = [min(count, most) for count in steps]

    def of_latents():
        pick = _pick(len(seen["z"]), BATCH, rng)
        return _miss(seen["latent"][pick], module, module(seen["seen"][pick]))

    descend(module.parameters(), of_latents, steps[0], _RATE)
    seen |= _scales(network, seen, generator)

    def of_both():
        pick = _pick(len(seen["z"]), _MARGINAL_BATCH, rng)
        some = {key: values[pick] for key, values in seen.items()}
        base = _normals(network, some, _DRAWS, generator)
        drawn = _properties(network, some, _draws(network, some, base))
        drawn = _standardised(drawn, some)
        return _score(drawn, some["truth"]).mean() + _LATENT_WEIGHT * of_latents()

    descend(module.parameters(), of_both, steps[1], _RATE)
    for _ in range(_ROUNDS):
        rows = torch.from_numpy(rng.permutation(len(seen["z"]))[:_ROUND_ROWS])
        found = _ranks(network, {key: values[rows] for key, values in seen.items()}, generator)
        _round(module, *found, of_latents, rng, min(_ROUND_STEPS, most))
    return module.state_dict()


@torch.no_grad()
def _observed(network, simulations, noise, chosen, rng):
    """Observe simulations once; return of those kept what the fits need, a dict of tensors.

    What `PixelFlow.draw_known` takes (known, seen, bright, the redshift and its error), the true
    coordinates and their latents.
    """
    observer = Observer(simulations, noise, np.arange(len(simulations)), network.infer_redshift)
    as_nominal = copy.copy(observer)
    as_nominal.noise = nominal(noise)
    parts = []
    for one, group in zip((observer, as_nominal), np.array_split(chosen, 2), strict=True):
        for start in range(0, len(group), 4096):
            batch = one.batch(group[start : start + 4096], rng)
            z, z_err, truth = batch["z"], batch["z_err"], batch["coordinates"]
            encoded = network.encode(batch["flux"], batch["flux_err"], z, z_err)
            known, bright = network.context(encoded), encoded[3]
            latent, _ = network.latents(truth, known, bright, z, z_err)
            parts.append(
                {
                    "known": known,
                    "seen": network.seen(encoded),
                    "bright": bright,
                    "z": z,
                    "z_err": z_err,
                    "coordinates": truth,
                    "latent": latent,
                }
            )
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


def _pick(count, batch, rng):
    return torch.from_numpy(rng.integers(0, count, min(batch, count)))


def _in_parts(seen):
    for start in range(0, len(seen["z"]), _PART):
        yield {key: values[start : start + _PART] for key, values in seen.items()}


def _normals(network, some, count, generator):
    return torch.randn(len(some["z"]), count, network.space.dim, generator=generator)


def _draws(network, some, base):
    """Return draws of the coordinates of each row, (n, S, D), for normals of that shape."""
    pixels = (some[key] for key in ("known", "seen", "bright", "z", "z_err"))
    return network.draw_known(*pixels, base)


def _properties(network, some, coordinates):
    """Return the properties (n, P, S) of coordinates (n, S, D), tau as its logarithm."""
    found = network.parameters_from(coordinates, some["z"], some["z_err"]).transpose(1, 2)
    logs = torch.tensor([float(name == "TAU") for name in network.space.OUTPUTS])[:, None]
    return torch.where(logs > 0, torch.log10(torch.clamp(found, min=1e-6)), found)


@torch.no_grad()
def _scales(network, seen, generator):
    """Return of each row's properties the median and half the width, (n, P, 1), and the truth.

    Of draws that serve for nothing else: a scale that went with the draws would favour the
    narrow ones. The truth is `_standardised`.
    """
    levels = torch.tensor(_WITHIN)
    parts = []
    for some in _in_parts(seen):
        base = _normals(network, some, _SCALE_DRAWS, generator)
        drawn = _properties(network, some, _draws(network, some, base))
        low, centre, high = torch.quantile(drawn, levels, dim=2).unsqueeze(3)
        scale = {"centre": centre, "width": 0.5 * (high - low)}
        truth = _properties(network, some, some["coordinates"].unsqueeze(1))
        parts.append(scale | {"truth": _standardised(truth, scale)})
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


def _standardised(values, scale):
    """Return properties (n, P, S) over their width, about their centre.

    So that narrow posteriors count as much as wide ones; a weight that depends on the data
    alone moves no quantile.
    """
    off = (values - scale["centre"]) / (scale["width"] + _LEAST_WIDTH)
    return torch.clamp(off, -_LIMIT, _LIMIT)


def _score(drawn, truth):
    """Return the ranked probability scores (n, P) of draws (n, P, S) for truths (n, P, 1).

    Mean distance of the draws from the truth, less half of that among themselves: the integral
    of the pinball losses of all quantiles, whose mean no number of draws shifts.
    """
    count = drawn.shape[2]
    rank = torch.arange(1.0, count + 1.0) * 2.0 - (count + 1.0)
    among = (torch.sort(drawn, dim=2).values * rank).sum(dim=2) / (count * (count - 1.0))
    return torch.abs(drawn - truth).mean(dim=2) - among


def _miss(latent, module, parts):
    """Return the loss of quantile regression of latents (n, D), at `_LEVELS`.

    Each against its quantiles given those before, whose own fit that leaves alone. Where so
    many of them lie decides: a variance, or a likelihood, would let tails and bounds do so.
    """
    shift, log_scale, mixing, skew, log_tail = parts
    levels = latent.new_tensor(_LEVELS)
    before = module.unmix(latent, parts).detach()
    off = latent - shift - (mixing @ before.unsqueeze(2)).squeeze(2)
    normal = latent.new_tensor(ndtri(_LEVELS))
    bent = module.bent(normal, skew.unsqueeze(2), log_tail.unsqueeze(2))
    return pinball(torch.exp(log_scale).unsqueeze(2) * bent, off, levels).mean()


@torch.no_grad()
def _ranks(network, seen, generator):
    """Compare truths with draws, property by property.

    Returns
    -------
    pixels : tensor, shape (n, K)
        What the recalibration sees.
    score : tensor, shape (n, P)
        Normal quantile of each truth's rank among the draws.
    counts : tensor, shape (n, P)
        0 for a redshift that is exact, else 1.
    slope : tensor, shape (n, P, D)
        Correlations of the properties, as normal quantiles of their ranks, with the base normals.
    """
    parts = []
    for some in _in_parts(seen):
        base = _normals(network, some, _ROUND_DRAWS, generator)
        drawn = _properties(network, some, _draws(network, some, base))
        truth = _properties(network, some, some["coordinates"].unsqueeze(1))
        # Anywhere in its place among the draws: uniform for a right posterior, however few.
        below, same = (drawn < truth).sum(dim=2), (drawn == truth).sum(dim=2)
        chance = torch.rand(below.shape, generator=generator)
        score = _normal((below + chance * (same + 1)) / (_ROUND_DRAWS + 1))
        place = torch.argsort(torch.argsort(drawn, dim=2), dim=2)
        transformed = _normal((place + 0.5) / _ROUND_DRAWS)
        spread = transformed[:1, :1].std() * base.std(dim=1, keepdim=True)
        slope = transformed @ ((base - base.mean(dim=1, keepdim=True)) / spread)
        counts = torch.ones_like(score)
        if not network.infer_redshift:
            exact = some["z_err"] == 0
            counts[exact, network.space.OUTPUTS.index("REDSHIFT")] = 0.0
            slope[exact, :, 0] = 0.0
        parts.append((some["seen"], score, counts, slope / (_ROUND_DRAWS - 1)))
    return tuple(torch.cat(values) for values in zip(*parts, strict=True))


def _normal(share):
    """Return the normal quantile of shares."""
    return torch.clamp(math.sqrt(2.0) * torch.erfinv(2.0 * share - 1.0), -_LIMIT, _LIMIT)


def _round(module, pixels, score, counts, slope, of_latents, rng, steps):
    """Fit shifts and scales to scores of draws that were made with the module as it is."""
    with torch.no_grad():
        shift, log_scale = module(pixels)[:2]
    # To first order a property moves by the correlations, and its variance by their squares.
    share = slope**2 / (slope**2).sum(dim=2, keepdim=True)

    def both():
        pick = _pick(len(pixels), BATCH, rng)
        new_shift, new_scale = module(pixels[pick])[:2]
        moved = ((new_shift - shift[pick]) * torch.exp(-log_scale[pick])).unsqueeze(2)
        wider = (new_scale - log_scale[pick]).unsqueeze(2)
        off = score[pick] - (slope[pick] @ moved).squeeze(2)
        found = counts[pick] * _within(off, (share[pick] @ wider).squeeze(2))
        return found.mean() + _LATENT_WEIGHT * of_latents()

    descend(module.last.parameters(), both, steps, _RATE)


def _within(off, log_scale):
    """Return the loss of normals that lie `off` a median, both (n, P).

    Least where half of them lie on each side, and `_SHARES` within as many scales.
    """
    shares, weights = off.new_tensor(_SHARES), off.new_tensor(_WEIGHTS)
    half = off.new_tensor(ndtri(0.5 + 0.5 * np.array(_SHARES)))
    reach = torch.exp(log_scale).unsqueeze(-1) * half
    missed = pinball(reach, torch.abs(off).detach(), shares)
    return 0.5 * torch.abs(off) + (weights * missed).sum(dim=-1)
