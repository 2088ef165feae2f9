"""What the small fits share: Adam, with a rate that falls as half a cosine; the pinball loss."""

import math

import torch


def rate_at(rate, progress, rise=1.0):
    """Return a learning rate that falls from `rate` to nothing as `progress` goes from 0 to 1.

    `rise`, up to 1, is how much of it there is yet. A little is left at the end.
    """
    return rate * rise * (0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0))) + 1e-6


def descend(parameters, loss, steps, rate, *, warm=1, limit=None):
    """Make a loss small.

    Parameters
    ----------
    parameters : iterable of `~torch.nn.Parameter`
    loss : callable
        Called once a step, without arguments; returns a tensor of one number.
    steps : int
    rate : float
        The first learning rate, of `rate_at`.
    warm : int, optional
        Steps over which it rises.
    limit : float, optional
        Largest norm of the gradient.
    """
    parameters = list(parameters)
    optimiser = torch.optim.Adam(parameters, lr=rate)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(rate, step / steps, min(1.0, (step + 1) / warm))
        found = loss()
        optimiser.zero_grad()
        found.backward()
        if limit is not None:
            torch.nn.utils.clip_grad_norm_(parameters, limit)
        optimiser.step()


def pinball(quantiles, targets, level):
    """Return the loss that is least, on average, at the quantiles of the targets.

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
