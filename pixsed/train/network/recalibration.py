"""Correction of the base normals, applied before the flow."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn.functional import silu

from pixsed.train.network import physics
from pixsed.train.network.features import Features

#: Largest absolute skew and log tail weight.
_TAIL_LIMIT = 0.5


class Recalibration(nn.Module):
    """Monotone map of the base normals that depends on the pixel.

    Bright pixels are rare in the training set, and the widths of the flow converge last for
    them. This small network is fitted after the flow and corrects the remaining errors. Each
    normal gets a skew
    and a tail weight from a sinh-arcsinh transformation (Jones & Pewsey 2009, Biometrika 96,
    761), scaled to keep the median and the half width of the 68 % interval. A shift, a scale
    and a mixing with the previous normals follow. An unfitted network is the identity.

    Parameters
    ----------
    context : int
        Size of the encoder's description of a pixel.
    dim : int
        Number of coordinates, D.
    hidden : int, optional
        Width of the two hidden layers.
    """

    def __init__(self, context, dim, hidden=64):
        super().__init__()
        self.dim = dim
        self.first = nn.Linear(context + Features.SUMMARY, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, 2 * dim)
        self.mixing = nn.Linear(hidden, dim * (dim - 1) // 2)
        self.tails = nn.Linear(hidden, 2 * dim)
        for layer in (self.last, self.mixing, self.tails):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, inputs):
        """Return the parameters of the map of each pixel.

        Parameters
        ----------
        inputs : tensor, shape (N, K)
            Returned by `PixelFlow.recalibration_inputs`.

        Returns
        -------
        shift, log_scale : tensor, shape (N, D)
        mixing : tensor, shape (N, D, D)
            Lower triangular with a zero diagonal.
        skew, log_tail : tensor, shape (N, D)
            Arguments of `sinh_arcsinh`.
        """
        h = silu(self.second(silu(self.first(inputs))))
        out, mixing = self.last(h), torch.clamp(self.mixing(h), -1.0, 1.0)
        tails = torch.clamp(self.tails(h), -_TAIL_LIMIT, _TAIL_LIMIT)
        # Use a matrix product: indexed assignment would add many nodes to the exported graph.
        rows, columns = np.tril_indices(self.dim, -1)
        places = torch.zeros(len(rows), self.dim * self.dim, dtype=out.dtype)
        places[torch.arange(len(rows)), torch.from_numpy(rows * self.dim + columns)] = 1.0
        mixing = (mixing @ places).reshape(-1, self.dim, self.dim)
        shift, log_scale = out[:, : self.dim], torch.clamp(out[:, self.dim :], -1.0, 1.0)
        return shift, log_scale, mixing, tails[:, : self.dim], tails[:, self.dim :]

    @staticmethod
    def sinh_arcsinh(base, skew, log_tail):
        """Return normals with a skew and a tail weight; the arguments broadcast.

        Zero maps to zero, and the images of -1 and 1 are 2 apart.
        """
        raised = torch.exp(torch.exp(log_tail) * physics.asinh(base) + skew)
        offset, width = _offset_and_width(skew, log_tail)
        return (0.5 * (raised - 1.0 / raised) - offset) / width

    @staticmethod
    def inverse_sinh_arcsinh(transformed, skew, log_tail):
        """Return the inverse of `sinh_arcsinh`, and the log of its forward derivative there."""
        offset, width = _offset_and_width(skew, log_tail)
        inner = transformed * width + offset
        raised = torch.exp((physics.asinh(inner) - skew) * torch.exp(-log_tail))
        base = 0.5 * (raised - 1.0 / raised)
        log_slope = 0.5 * torch.log((1.0 + inner * inner) / (1.0 + base * base))
        return base, log_slope + log_tail - torch.log(width)

    def apply_to(self, base, inputs):
        """Return the latents (N, S, D) of base normals (N, S, D)."""
        shift, log_scale, mixing, skew, log_tail = self(inputs)
        transformed = self.sinh_arcsinh(base, skew.unsqueeze(1), log_tail.unsqueeze(1))
        matrix = mixing + torch.diag_embed(torch.exp(log_scale))
        return shift.unsqueeze(1) + transformed @ matrix.transpose(1, 2)

    @staticmethod
    def unmix(latent, parameters):
        """Undo shift, scale and mixing of latents (N, D), given the result of `forward`."""
        shift, log_scale, mixing = parameters[:3]
        transformed = []
        for d in range(latent.shape[1]):
            rest = latent[:, d] - shift[:, d]
            for j, previous in enumerate(transformed):
                rest = rest - mixing[:, d, j] * previous
            transformed.append(rest * torch.exp(-log_scale[:, d]))
        return torch.stack(transformed, dim=1)

    @classmethod
    def inverse(cls, latent, parameters):
        """Return the base normals of latents, given the result of `forward`.

        Parameters
        ----------
        latent : tensor, shape (N, D)
        parameters : tuple of tensor

        Returns
        -------
        base, log_slope : tensor, shape (N, D)
            Base normals, and the log derivative of each latent by its own normal.
        """
        base, log_slope = cls.inverse_sinh_arcsinh(cls.unmix(latent, parameters), *parameters[3:])
        return base, log_slope + parameters[1]


def _offset_and_width(skew, log_tail):
    """Return sinh(exp(log_tail) asinh(x) + skew) at 0, and half its change from -1 to 1."""
    at_one = torch.exp(torch.exp(log_tail) * math.asinh(1.0))
    raised = torch.exp(skew)
    offset = 0.5 * (raised - 1.0 / raised)
    return offset, 0.25 * (raised + 1.0 / raised) * (at_one - 1.0 / at_one)
