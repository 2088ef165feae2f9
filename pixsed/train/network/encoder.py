"""Encoder of the photometry, which runs once per pixel."""

import torch
from torch import nn
from torch.nn.functional import silu, softplus

from pixsed.train.network.features import Features

#: Quantiles of every property that the encoder predicts.
LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)


class _Block(nn.Module):
    """Residual block with two layers."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        return x + self.second(silu(self.first(self.norm(x))))


class Trunk(nn.Module):
    """Residual network of the encoder, and of the flow.

    Parameters
    ----------
    inputs, width, blocks : int
        Number of inputs, width of the layers, number of residual blocks.
    """

    def __init__(self, inputs, width, blocks):
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, x, mixed=False):
        """Return (N, width) for inputs (N, inputs); `mixed` multiplies in bfloat16."""
        if mixed:
            # Each weight is used once, so caching the cast weights would not help.
            with torch.autocast(x.device.type, torch.bfloat16, cache_enabled=False):
                return self(x).float()
        h = self.first(x)
        for block in self.blocks:
            h = block(h)
        return self.norm(h)


class Encoder(nn.Module):
    """Residual network from photometry to a context, marginal quantiles and photometry.

    The encoder is trained on the quantiles of the properties first. If it were trained with the
    flow alone, it would fit the few pixels with the sharpest posteriors long before the others.

    Parameters
    ----------
    bands : int
        Number of bands, B.
    targets : int
        Number of properties whose quantiles are predicted, T.
    width, blocks, context : int, optional
        Sizes of the residual network and of the context.
    z_max : float, optional
        Upper bound of the redshift prior.

    Attributes
    ----------
    output_size : int
        Size of the description of a pixel: context and quantiles.
    """

    def __init__(self, bands, targets, *, width=320, blocks=4, context=128, z_max=7.5):
        super().__init__()
        self.features = Features(bands, z_max)
        self.targets = targets
        self.trunk = Trunk(self.features.size, width, blocks)
        self.to_context = nn.Linear(width, context)
        self.predict = nn.Linear(width, bands)
        self.to_quantiles = nn.Linear(width, targets * len(LEVELS))
        self.register_buffer("levels", torch.tensor(LEVELS), persistent=False)
        self.output_size = context + targets * len(LEVELS)

    def forward(self, flux, flux_err, z, z_err, mixed=False):
        """Return the description of pixels.

        Parameters
        ----------
        flux, flux_err : tensor, shape (N, B)
            nJy; NaN = band missing.
        z, z_err : tensor, shape (N,)
        mixed : bool, optional
            Argument of `Trunk.forward`; the heads stay in full precision.

        Returns
        -------
        description : tensor, shape (N, C + T * Q)
            Context and quantiles.
        quantiles : tensor, shape (N, T, Q)
            Increasing quantiles of the standardised properties.
        predicted : tensor, shape (N, B)
            Estimate of the noiseless fluxes, nJy.
        bright : tensor, shape (N, 1)
            ln of the brightness, nJy.
        features : tensor, shape (N, F)
        """
        h, bright, features = self.hidden(flux, flux_err, z, z_err, mixed)
        predicted = torch.exp(torch.clamp(self.predict(h), -20.0, 8.0) + bright)
        quantiles = self._increasing(self.to_quantiles(h))
        flat = quantiles.reshape(quantiles.shape[0], -1)
        description = torch.cat([silu(self.to_context(h)), torch.clamp(flat, -8.0, 8.0)], dim=1)
        return description, quantiles, predicted, bright, features

    def hidden(self, flux, flux_err, z, z_err, mixed=False):
        """Return the last hidden layer (N, W), `bright` and `features` of `forward`."""
        flux, err, present = self.features.clean(flux, flux_err)
        z, z_err = z.unsqueeze(1), z_err.unsqueeze(1)
        bright = self.features.brightness(flux, err, present)
        features = self.features(flux, err, present, z, z_err)
        return self.trunk(features, mixed), bright, features

    def _increasing(self, raw):
        """Return quantiles that cannot cross: the median and positive steps from it."""
        raw = raw.reshape(raw.shape[0], self.targets, len(LEVELS))
        middle = len(LEVELS) // 2
        median = raw[:, :, middle : middle + 1]
        step = softplus(raw)
        up = [median + step[:, :, middle + 1 : middle + 2]]
        up.append(up[0] + step[:, :, middle + 2 :])
        down = [median - step[:, :, middle - 1 : middle]]
        down.append(down[0] - step[:, :, middle - 2 : middle - 1])
        return torch.cat([down[1], down[0], median, *up], dim=2)
