"""Monotone rational-quadratic splines on [-BOUND, BOUND], the identity outside.

See Durkan et al. (2019, arXiv:1906.04032), equations 4 to 8. Bins are located by comparisons,
because ONNX has no operator for `searchsorted`.
"""

import math

import torch

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


def _bins(raw, bins, selectors):
    """Return the bins of splines: left knots and sizes in x, then in y, (4, B, R), 0 to 1."""
    knots, least, _ = selectors
    # Networks stay within these limits; the exponential cannot overflow.
    sizes = torch.exp(torch.clamp(raw[: 2 * bins], -60.0, 60.0)).reshape(2, bins, -1)
    sizes = sizes * ((1 - MIN_BIN * bins) / sizes.sum(dim=1, keepdim=True))
    return torch.addmm(least, knots, sizes.reshape(2 * bins, -1)).reshape(4, bins, -1)


def _select(value, knots, found, raw, sides):
    """Return the bin of a value: left knot and size in x and in y, and the slopes at its ends.

    Parameters
    ----------
    value : tensor, shape (R,)
    knots : tensor, shape (B, R)
        Left knots of the coordinate of `value`.
    found : tensor, shape (4, B, R)
        Returned by `_bins`.
    raw : tensor, shape (3 * B - 1, R)
    sides : tensor
        Returned by `_selectors`.
    """
    bins = found.shape[1]
    past = (value >= knots[1:]).to(raw.dtype)
    one = torch.ones_like(past[:1])
    inside = torch.cat([one, past]) - torch.cat([past, one * 0])
    slopes = (sides @ raw[2 * bins :]).reshape(2, bins, -1)
    x0, w, y0, h = (found * inside).sum(dim=1).unbind(0)
    # Evaluate softplus only for the two selected slopes, as a logarithm, which is faster.
    taken = torch.clamp((slopes * inside).sum(dim=1) + _SLOPE_SHIFT, max=60.0)
    d0, d1 = (MIN_SLOPE + torch.log(1.0 + torch.exp(taken))).unbind(0)
    return x0, w, y0, h, d0, d1


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
    selectors = [t.to(raw.dtype) for t in _selectors(bins)]
    u = (torch.clamp(x, -BOUND, BOUND) + BOUND) / (2 * BOUND)
    found = _bins(raw, bins, selectors)
    x0, w, y0, h, d0, d1 = _select(u, found[0], found, raw, selectors[2])
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
    # Draws along the last axis: see `forward`.
    selectors = [t.to(device=raw.device, dtype=raw.dtype) for t in _selectors(bins)]
    raw = raw.T.contiguous()
    v = (torch.clamp(y, -BOUND, BOUND) + BOUND) / (2 * BOUND)
    found = _bins(raw, bins, selectors)
    x0, w, y0, h, d0, d1 = _select(v, found[2], found, raw, selectors[2])
    slope = h / w
    dy = v - y0
    curvature = d0 + d1 - 2 * slope
    a = h * (slope - d0) + dy * curvature
    b = h * d0 - dy * curvature
    c = -slope * dy
    root = torch.sqrt(torch.clamp(b * b - 4 * a * c, min=1e-14))
    t = torch.clamp(2 * c / (-b - root), 0.0, 1.0)
    mixed = t * (1 - t)
    denominator = slope + curvature * mixed
    log_slope = (
        2 * torch.log(slope)
        + torch.log(d1 * t * t + 2 * slope * mixed + d0 * (1 - t) ** 2 + 1e-12)
        - 2 * torch.log(denominator)
    )
    within = (y > -BOUND) & (y < BOUND)
    x = torch.where(within, 2 * BOUND * (x0 + t * w) - BOUND, y)
    return x, torch.where(within, -log_slope, torch.zeros_like(y))
