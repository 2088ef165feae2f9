"""Minimisation of a loss with Adam."""

import math

import torch

from pixsed.train.stage import Stage


def cosine_rate(rate, progress, rise=1.0):
    """Return a learning rate that falls from `rate` as half a cosine.

    Parameters
    ----------
    rate : float
        Learning rate at the start.
    progress : float
        Fraction of the training that is done. For 1 and above, the rate is 1e-6.
    rise : float, optional
        Factor of the warm-up, 0 to 1.
    """
    return rate * rise * (0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0))) + 1e-6


def minimise(parameters, loss, steps, rate, *, warm=1, clip=None, stage=None):
    """Minimise a loss with Adam and a learning rate that falls as half a cosine.

    Parameters
    ----------
    parameters : iterable of `~torch.nn.Parameter`
    loss : callable
        Called once per step without arguments; returns a scalar tensor.
    steps : int
    rate : float
        Learning rate at the start.
    warm : int, optional
        Number of steps over which the rate rises.
    clip : float, optional
        Largest norm of the gradient.
    stage : `~pixsed.train.stage.Stage`, optional
        Clock that may end it before all steps are done. One step is taken in any case.
    """
    stage = stage or Stage()
    parameters = list(parameters)
    optimiser = torch.optim.Adam(parameters, lr=rate)
    for step in range(steps):
        progress = stage.progress(step, steps)
        if step and progress >= 1.0:
            break
        for group in optimiser.param_groups:
            group["lr"] = cosine_rate(rate, progress, min(1.0, (step + 1) / warm))
        value = loss()
        optimiser.zero_grad()
        value.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimiser.step()
