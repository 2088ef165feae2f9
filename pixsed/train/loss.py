"""Loss of the default network."""

import math

import torch

#: Weight of the predicted photometry in the loss.
PREDICTION_WEIGHT = 0.05
#: Fraction of the flow's gradient that reaches the encoder.
FLOW_TO_ENCODER = 0.05


def pinball(quantiles, targets, level):
    """Return the pinball loss, whose mean is smallest at the quantiles of the targets.

    Parameters
    ----------
    quantiles : tensor, shape (..., Q)
    targets : tensor, shape (...)
    level : tensor, shape (Q,)

    Returns
    -------
    tensor, shape (..., Q)
    """
    off = targets.unsqueeze(-1) - quantiles
    return torch.maximum(level * off, (level - 1.0) * off)


def loss_terms(network, batch, with_flow=True, mixed=False):
    """Return the terms of the loss.

    Parameters
    ----------
    network : `~pixsed.train.network.flow.PixelFlow`
    batch : dict of tensor
        Returned by `~pixsed.train.batches.Observer.batch`.
    with_flow : bool, optional
    mixed : bool, optional
        Evaluate the residual networks in bfloat16.

    Returns
    -------
    density : tensor, shape (D,)
        Mean negative log density per coordinate; zeros without the flow.
    quantiles : tensor, shape (T,)
        Mean pinball loss per property.
    prediction : tensor, shape ()
        Loss of the predicted photometry.
    """
    flux, err, z, z_err = (batch[key] for key in ("flux", "flux_err", "z", "z_err"))
    encoded = network.encode(flux, err, z, z_err, mixed)
    description, quantiles, predicted, bright, features = encoded
    true = batch["true_flux"]
    good = err == err
    sigma = torch.where(good, err, torch.ones_like(err))
    residual = torch.where(good, (predicted - true) / sigma, torch.zeros_like(err))
    # This loss grows logarithmically, so that bright rows with large residuals do not dominate.
    miss = torch.log1p(residual * residual).sum(dim=1) / good.sum(dim=1)
    targets = network.standardise(batch["targets"], bright, z, z_err)
    by_property = pinball(quantiles, targets, network.encoder.levels).mean(dim=(0, 2))
    density = flux.new_zeros(network.space.dim)
    if with_flow:
        # The gradients of the sharpest posteriors are a hundred times steeper than the others.
        # They are scaled down, because the encoder must work for all pixels.
        description = description.detach() + FLOW_TO_ENCODER * (description - description.detach())
        context = network.context((description, quantiles, predicted, bright, features), mixed)
        latent, log_slope = network.latents(batch["coordinates"], context, bright, z, z_err, mixed)
        normal = -0.5 * latent * latent - 0.5 * math.log(2 * math.pi)
        density = -(normal + log_slope).mean(dim=0)
    return density, by_property, miss.mean()


def total(terms):
    """Return the weighted sum of `loss_terms`, which the training minimises."""
    density, by_property, prediction = terms
    return density.sum() + by_property.sum() + PREDICTION_WEIGHT * prediction


@torch.no_grad()
def held_out_terms(network, batch, with_flow, rows=4096):
    """Return the means of `loss_terms` over blocks of `rows` rows of a large batch."""
    parts = [
        loss_terms(network, {key: v[i : i + rows] for key, v in batch.items()}, with_flow)
        for i in range(0, len(batch["z"]), rows)
    ]
    return tuple(torch.stack(terms).mean(dim=0) for terms in zip(*parts, strict=True))
