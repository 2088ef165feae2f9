"""Network that makes the spline of one coordinate."""

import torch
from torch import nn
from torch.nn.functional import linear, silu

from pixsed.train.network import spline


class Conditioner(nn.Module):
    """Spline parameters of one coordinate, given the pixel and the previous coordinates.

    The importance of the previous coordinates differs by orders of magnitude between faint and
    bright pixels, more than one small network can follow. Each pixel therefore sets gains and
    offsets of both hidden layers (feature-wise linear modulation, Perez et al. 2018), an offset
    of the output, and slopes of the spline's centre with the previous latents.

    Parameters
    ----------
    context : int
        Size of the description of a pixel.
    previous : int
        Number of previous coordinates.
    hidden : int
        Width of the two hidden layers.
    bins : int
        Number of bins of the spline.
    """

    def __init__(self, context, previous, hidden, bins):
        super().__init__()
        outputs = spline.parameter_count(bins) + 2
        self.sizes = [hidden, hidden, hidden, hidden, outputs, previous]
        self.from_known = nn.Linear(context, sum(self.sizes))
        self.from_before = nn.Linear(2 * previous + 2, hidden, bias=False)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, outputs, bias=False)
        nn.init.zeros_(self.last.weight)
        with torch.no_grad():  # unit gains; all other terms zero except the first layer's offsets
            self.from_known.weight[hidden:] = 0.0
            self.from_known.bias[hidden:] = 0.0

    def modulation(self, context, rounded=None):
        """Return the gains, offsets and slopes of pixels.

        Parameters
        ----------
        context : tensor, shape (N, K)
        rounded : tensor, shape (N, K), bfloat16, optional
            The same in less precision, for the gains and offsets of the hidden layers. The
            offset of the output sets the position of the narrowest posteriors and needs the
            precision of `context`.

        Returns
        -------
        first, gain, second, second_gain : tensor, shape (N, H)
            Offsets and gains of the hidden layers.
        out : tensor, shape (N, O)
            Offset of the output.
        slope : tensor, shape (N, d)
            Slopes of the spline's centre with the previous latents.
        """
        weight, bias = self.from_known.weight, self.from_known.bias
        if rounded is None:  # the layer has its own precision, see `PixelFlow.refine`
            values = self.from_known(context.to(weight.dtype)).to(context.dtype)
        else:
            inner = sum(self.sizes[:4])
            w, b = (part[:inner].to(rounded.dtype) for part in (weight, bias))
            hidden = linear(rounded, w, b).to(context.dtype)
            values = torch.cat([hidden, linear(context, weight[inner:], bias[inner:])], dim=1)
        first, gain, second, second_gain, out, slope = torch.split(values, self.sizes, dim=1)
        return first, 1.0 + gain, second, 1.0 + second_gain, out, slope

    def forward(self, modulation, previous):
        """Return the spline parameters of one draw per pixel.

        Parameters
        ----------
        modulation : tuple of tensor
            Returned by `modulation`.
        previous : tensor, shape (N, I)
            Previous latents and coordinates, and the redshift.

        Returns
        -------
        parameters : tensor, shape (N, O)
        centre : tensor, shape (N,)
            Contribution of the slopes to the spline's centre.
        """
        first, gain, second, second_gain, out, slope = modulation
        h = silu(first + gain * self.from_before(previous))
        g = silu(second + second_gain * self.second(h))
        return self.last(h + g) + out, (slope * previous[:, : slope.shape[1]]).sum(dim=1)

    def forward_draws(self, modulation, previous):
        """Return the spline parameters of many draws per pixel.

        This is `forward` with pixels and draws along the last axes, which is faster.

        Parameters
        ----------
        modulation : tuple of tensor
            Returned by `modulation`.
        previous : tensor, shape (I, N, S)

        Returns
        -------
        parameters : tensor, shape (O, N * S)
        centre : tensor, shape (N, S)
        """
        count, pixels, draws = previous.shape
        first, gain, second, second_gain, out, slope = (t.T.unsqueeze(-1) for t in modulation)

        def layer(weight, values, times, plus):
            # A product of two-dimensional arrays is fastest; the terms of each pixel follow.
            return (weight @ values.reshape(-1, pixels * draws)).reshape(
                -1, pixels, draws
            ) * times + plus

        h = silu(layer(self.from_before.weight, previous, gain, first))
        # The gain applies to the layer's own bias too.
        bias = self.second.bias[:, None, None] * second_gain + second
        g = silu(layer(self.second.weight, h, second_gain, bias))
        last = layer(self.last.weight, h + g, 1.0, out)
        return last.reshape(-1, pixels * draws), (slope * previous[: slope.shape[0]]).sum(dim=0)
