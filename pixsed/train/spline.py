"""Monotone rational-quadratic splines on [-BOUND, BOUND], the identity outside.

Durkan+19, equations 4 to 8. Bins are found by comparing and gathered, since
`searchsorted` has no ONNX operator.
"""

import math

import torch
from torch.nn.functional import softmax, softplus

BOUND = 4.0
# A share of the range; narrower bins could be so steep that float32 rounding shows.
MIN_BIN = 0.02
MIN_SLOPE = 1e-3
# A raw slope of zero means a slope of one.
_SLOPE_SHIFT = math.log(math.expm1(1 - MIN_SLOPE))


def constants():
    """What a trained network's splines depend on beside its weights, for its checkpoint."""
    return {"bound": BOUND, "min_bin": MIN_BIN, "min_slope": MIN_SLOPE}


def parameter_count(bins):
    """Numbers a spline of `bins` bins takes: widths, heights and inner slopes."""
    return 3 * bins - 1


def _knots(raw):
    bins = raw.shape[-1]
    sizes = MIN_BIN + (1 - MIN_BIN * bins) * softmax(raw, dim=-1)
    inner = torch.cumsum(sizes[..., :-1], dim=-1) * (2 * BOUND) - BOUND
    edge = torch.full_like(inner[..., :1], BOUND)
    return torch.cat([-edge, inner, edge], dim=-1)


def _bin(x, raw, bins, which):
    """The knots, slopes and sizes of the bin that holds x, by its `which` coordinate."""
    xs, ys = _knots(raw[..., :bins]), _knots(raw[..., bins : 2 * bins])
    # The outer slopes are one, which a raw zero stands for.
    zero = torch.zeros_like(raw[..., :1])
    slopes = torch.cat([zero, raw[..., 2 * bins :], zero], dim=-1)
    knots = xs if which == "x" else ys
    index = (x.unsqueeze(-1) >= knots[..., 1:-1]).to(torch.int64).sum(dim=-1, keepdim=True)

    def take(values, shift):
        shape = (*x.shape, values.shape[-1])
        return torch.gather(values.expand(shape), -1, index + shift).squeeze(-1)

    # Softplus of the two slopes taken, not of all.
    d0, d1 = (MIN_SLOPE + softplus(take(slopes, i) + _SLOPE_SHIFT) for i in (0, 1))
    x0, y0 = take(xs, 0), take(ys, 0)
    return x0, take(xs, 1) - x0, y0, take(ys, 1) - y0, d0, d1


def forward(x, raw, bins):
    """Return the spline's value at x.

    Parameters
    ----------
    x : tensor, shape (...)
    raw : tensor, shape (..., 3 * bins - 1)
        Unconstrained parameters; broadcast against x.
    """
    inside = torch.clamp(x, -BOUND, BOUND)
    x0, w, y0, h, d0, d1 = _bin(inside, raw, bins, "x")
    slope = h / w
    t = (inside - x0) / w
    mixed = t * (1 - t)
    value = y0 + h * (slope * t * t + d0 * mixed) / (slope + (d0 + d1 - 2 * slope) * mixed)
    return torch.where((x > -BOUND) & (x < BOUND), value, x)


def inverse(y, raw, bins):
    """Return x with forward(x) = y, and the log of dx/dy."""
    inside = torch.clamp(y, -BOUND, BOUND)
    x0, w, y0, h, d0, d1 = _bin(inside, raw, bins, "y")
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
