"""Monotone rational-quadratic splines on [-BOUND, BOUND], the identity outside.

See Durkan et al. (2019, arXiv:1906.04032), equations 4 to 8. Bins are located by comparisons,
because ONNX has no operator for `searchsorted`.
"""

import math

import torch
from torch.nn.functional import softmax, softplus

BOUND = 4.0
# Smallest bin as a fraction of the range. Narrower bins may be so steep that float32 rounding
# matters.
MIN_BIN = 0.02
MIN_SLOPE = 1e-3
# A raw slope of zero stands for a slope of one.
_SLOPE_SHIFT = math.log(math.expm1(1 - MIN_SLOPE))


def constants():
    """Return the constants on which trained splines depend, for the checkpoint."""
    return {"bound": BOUND, "min_bin": MIN_BIN, "min_slope": MIN_SLOPE}


def parameter_count(bins):
    """Return the number of parameters of a spline: widths, heights and inner slopes."""
    return 3 * bins - 1


def _knots(raw):
    """Return the knots of raw widths or heights."""
    bins = raw.shape[-1]
    sizes = MIN_BIN + (1 - MIN_BIN * bins) * softmax(raw, dim=-1)
    inner = torch.cumsum(sizes[..., :-1], dim=-1) * (2 * BOUND) - BOUND
    edge = torch.full_like(inner[..., :1], BOUND)
    return torch.cat([-edge, inner, edge], dim=-1)


def _bin(y, raw, bins):
    """Return the bin that contains y: its left knot and width in x and in y, and its slopes."""
    xs, ys = _knots(raw[..., :bins]), _knots(raw[..., bins : 2 * bins])
    # The outer slopes are one, i.e. their raw slopes are zero.
    zero = torch.zeros_like(raw[..., :1])
    slopes = torch.cat([zero, raw[..., 2 * bins :], zero], dim=-1)
    index = (y.unsqueeze(-1) >= ys[..., 1:-1]).to(torch.int64).sum(dim=-1, keepdim=True)

    def take(values, shift):
        shape = (*y.shape, values.shape[-1])
        return torch.gather(values.expand(shape), -1, index + shift).squeeze(-1)

    # Evaluate softplus only for the two selected slopes.
    d0, d1 = (MIN_SLOPE + softplus(take(slopes, i) + _SLOPE_SHIFT) for i in (0, 1))
    x0, y0 = take(xs, 0), take(ys, 0)
    return x0, take(xs, 1) - x0, y0, take(ys, 1) - y0, d0, d1


def _selectors(bins):
    """Return the matrices and the offset of `forward` for splines of B bins.

    Returns
    -------
    knots : tensor, shape (4 * B, 2 * B)
        Maps widths and heights to the left knots and sizes of the bins, x first, then y.
    least : tensor, shape (4 * B, 1)
        Offset of that map.
    sides : tensor, shape (2 * B, B - 1)
        Maps the inner slopes to the raw slopes left and right of each bin; the outermost are 0.
    """
    below = torch.tril(torch.ones(bins, bins, dtype=torch.float64), -1)
    pair = torch.cat([below, torch.eye(bins, dtype=torch.float64)])
    knots = torch.block_diag(pair, pair)
    least = MIN_BIN * torch.cat([torch.arange(bins), torch.ones(bins)]).double()
    inner = torch.eye(bins - 1, dtype=torch.float64)
    edge = torch.zeros(1, bins - 1, dtype=torch.float64)
    return knots, least.repeat(2)[:, None], torch.cat([edge, inner, inner, edge])


def forward(x, raw, bins):
    """Return the spline's value at x.

    The draws are along the last axis. Every step is then a small matrix product or an
    elementwise operation along the draws, which processors vectorise. With another layout, the
    cumulative sums and the selection of knots cost more than the rest of the flow.

    Parameters
    ----------
    x : tensor, shape (R,)
    raw : tensor, shape (3 * bins - 1, R)
        Unconstrained parameters.
    bins : int

    Returns
    -------
    tensor, shape (R,)
    """
    knots, least, sides = (t.to(raw.dtype) for t in _selectors(bins))
    u = (torch.clamp(x, -BOUND, BOUND) + BOUND) / (2 * BOUND)
    # Networks stay within these limits; the exponential cannot overflow.
    sizes = torch.exp(torch.clamp(raw[: 2 * bins], -60.0, 60.0)).reshape(2, bins, -1)
    sizes = sizes * ((1 - MIN_BIN * bins) / sizes.sum(dim=1, keepdim=True))
    bins_of = torch.addmm(least, knots, sizes.reshape(2 * bins, -1)).reshape(4, bins, -1)
    past = (u >= bins_of[0, 1:]).to(raw.dtype)
    one = torch.ones_like(past[:1])
    inside = torch.cat([one, past]) - torch.cat([past, one * 0])
    slopes = (sides @ raw[2 * bins :]).reshape(2, bins, -1)
    x0, w, y0, h = (bins_of * inside).sum(dim=1).unbind(0)
    # Evaluate softplus only for the two selected slopes, as a logarithm, which is faster.
    taken = torch.clamp((slopes * inside).sum(dim=1) + _SLOPE_SHIFT, max=60.0)
    d0, d1 = (MIN_SLOPE + torch.log(1.0 + torch.exp(taken))).unbind(0)
    slope = h / w
    t = (u - x0) / w
    mixed = t * (1 - t)
    value = y0 + h * (slope * t * t + d0 * mixed) / (slope + (d0 + d1 - 2 * slope) * mixed)
    return torch.where((x > -BOUND) & (x < BOUND), 2 * BOUND * value - BOUND, x)


def inverse(y, raw, bins):
    """Return x with forward(x) = y, and the log of dx/dy.

    Parameters
    ----------
    y : tensor, shape (N,)
    raw : tensor, shape (N, 3 * bins - 1)
    bins : int

    Returns
    -------
    x, log_slope : tensor, shape (N,)
    """
    inside = torch.clamp(y, -BOUND, BOUND)
    x0, w, y0, h, d0, d1 = _bin(inside, raw, bins)
    slope = h / w
    dy = inside - y0
    curvature = d0 + d1 - 2 * slope
    a = h * (slope - d0) + dy * curvature
    b = h * d0 - dy * curvature
    c = -slope * dy
    root = torch.sqrt(torch.clamp(b * b - 4 * a * c, min=1e-12))
    t = torch.clamp(2 * c / (-b - root), 0.0, 1.0)
    mixed = t * (1 - t)
    denominator = slope + curvature * mixed
    log_slope = (
        2 * torch.log(slope)
        + torch.log(d1 * t * t + 2 * slope * mixed + d0 * (1 - t) ** 2 + 1e-12)
        - 2 * torch.log(denominator)
    )
    within = (y > -BOUND) & (y < BOUND)
    x = torch.where(within, x0 + t * w, y)
    return x, torch.where(within, -log_slope, torch.zeros_like(y))
