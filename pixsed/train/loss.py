"""What the default network's training makes small."""

import math

import torch

from pixsed.train.descent import pinball

#: Weight of the predicted photometry in the loss.
PREDICTION_WEIGHT = 0.05
#: How much of the flow's gradient reaches the encoder.
FLOW_TO_ENCODER = 0.05


def loss_terms(network, batch, with_flow=True, mixed=False):
    """Return the terms of the loss.

    Parameters
    ----------
    network : `~pixsed.train.network.flow.PixelFlow`
    batch : dict of tensor
        As `~pixsed.train.batches.Observer.batch` gives it.
    with_flow : bool, optional
    mixed : bool, optional
        Run the residual networks in bfloat16.

    Returns
    -------
    density : tensor, shape (D,)
        Mean negative log density by coordinate; zeros without the flow.
    quantiles : tensor, shape (T,)
        Mean pinball loss by property.
    miss : tensor
        Of the predicted photometry.
    """
    flux, err, z, z_err = (batch[key] for key in ("flux", "flux_err", "z", "z_err"))
    known, quantiles, predicted, bright, features = network.encode(flux, err, z, z_err, mixed)
    true = batch["true_flux"]
    good = err == err
    sigma = torch.where(good, err, torch.ones_like(err))
    residual = torch.where(good, (predicted - true) / sigma, torch.zeros_like(err))
    # Grows like a logarithm: bright rows far off must not own the gradient.
    miss = torch.log1p(residual * residual).sum(dim=1) / good.sum(dim=1)
    targets = network.standardise(batch["targets"], bright, z, z_err)
    by_property = pinball(quantiles, targets, network.encoder.levels).mean(dim=(0, 2))
    density = flux.new_zeros(network.space.dim)
    if with_flow:
        # The sharpest posteriors have the steepest gradients, a hundred times the others'; the
        # encoder is to serve all pixels.
        known = known.detach() + FLOW_TO_ENCODER * (known - known.detach())
        context = network.context((known, quantiles, predicted, bright, features), mixed)
        latent, log_slope = network.latents(batch["coordinates"], context, bright, z, z_err)
        normal = -0.5 * latent * latent - 0.5 * math.log(2 * math.pi)
        density = -(normal + log_slope).mean(dim=0)
    return density, by_property, miss.mean()


def total(terms):
    """Return the one number that is made small."""
    density, by_property, miss = terms
    return density.sum() + by_property.sum() + PREDICTION_WEIGHT * miss


@torch.no_grad()
def held_out(network, batch, with_flow, rows=4096):
    """Return `loss_terms` over a batch of any size, in parts."""
    parts = [
        loss_terms(network, {key: v[i : i + rows] for key, v in batch.items()}, with_flow)
        for i in range(0, len(batch["z"]), rows)
    ]
    return tuple(torch.stack(terms).mean(dim=0) for terms in zip(*parts, strict=True))
