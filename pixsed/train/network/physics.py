"""Physics inside the exported graph, from coordinates of the flow to parameters.

All functions use only operations that exist in ONNX. The tests compare each function with its
float64 counterpart in `pixsed.sps`, `pixsed.cosmology` or `pixsed.simulate`.
"""

import math

import numpy as np
import torch
from torch import nn

from pixsed import cosmology
from pixsed.sps.sfh import LOG_SSFR_FLOOR, SFR_TIME

_LN10 = math.log(10.0)
Z_FLOOR = 1e-3
#: Largest redshift of the distances over that of the prior; they are constant beyond it.
Z_MARGIN = 1.2


def normal_cdf(x):
    """Return the standard normal cumulative probability, clipped to the inside of (0, 1).

    The margin exceeds float32 rounding, so that parameters never reach the bounds of their
    prior; in particular, t_i never reaches the age of the Universe.
    """
    return torch.clamp(0.5 * (1.0 + torch.erf(x / math.sqrt(2.0))), 2e-6, 1.0 - 2e-6)


def asinh(x):
    """Return the inverse hyperbolic sine, which onnxruntime lacks for float64."""
    size = torch.abs(x)
    return torch.sign(x) * torch.log(size + torch.sqrt(size * size + 1.0))


def age(z):
    """Return the age of the Universe, Gyr."""
    ode0 = 1.0 - cosmology.OM0
    factor = float(cosmology.age(0.0)) / math.asinh(math.sqrt(ode0 / cosmology.OM0))
    x = math.sqrt(ode0 / cosmology.OM0) * (1.0 + z) ** -1.5
    return factor * torch.log(x + torch.sqrt(x * x + 1.0))


def _delayed_formed(x):
    """Return 1 - (1 + x) exp(-x)."""
    series = x * x * (1 / 2 - x * (1 / 3 - x * (1 / 8 - x * (1 / 30 - x * (1 / 144 - x / 840)))))
    exact = 1.0 - (1.0 + x) * torch.exp(-x)
    return torch.where(x < 0.5, series, exact)


def log_sfr_tau(tau, span):
    """Return log10 of the 100-Myr SFR of a tau-delayed history that formed 1 Msun.

    Parameters
    ----------
    tau, span : tensor
        Time scale, and time since the beginning of the history, Gyr.

    Returns
    -------
    tensor
        log10 of the SFR over the formed mass, 1/yr.
    """
    later = torch.clamp(span - SFR_TIME, min=0.0)
    x1 = torch.clamp(later / tau, max=300.0)
    x2 = torch.clamp(span / tau, max=1e6)
    total = torch.clamp(_delayed_formed(torch.clamp(x2, max=60.0)), min=1e-12)
    # Use upper tails, or lower tails near zero, so that no digits cancel.
    gap = torch.clamp(x2 - x1, max=80.0)
    bracket = (1.0 + x1) - (1.0 + x2) * torch.exp(-gap)
    tails = -x1 + torch.log(torch.clamp(bracket, min=1e-12))
    heads = torch.log(torch.clamp(total - _delayed_formed(x1), min=1e-12))
    log_fraction = torch.where(x2 > 0.5, tails, heads) - torch.log(total)
    log_fraction = torch.where(span <= SFR_TIME, torch.zeros_like(log_fraction), log_fraction)
    log = torch.clamp(log_fraction, max=0.0) / _LN10 - math.log10(SFR_TIME * 1e9)
    return torch.clamp(log, min=LOG_SSFR_FLOOR)


class LogDistance(nn.Module):
    """log10 of the luminosity distance, Mpc: a polynomial in ln(1 + z) plus log10 z.

    Parameters
    ----------
    z_max : float, optional
        Largest redshift of the prior. The distance is constant beyond `Z_MARGIN` times this.
    degree : int, optional
        Degree of the polynomial.
    """

    def __init__(self, z_max=7.5, degree=10):
        super().__init__()
        self.z_max = z_max = Z_MARGIN * z_max
        z = np.expm1(np.linspace(np.log1p(1e-4), np.log1p(z_max), 3000))
        x = np.log1p(z) / np.log1p(z_max)
        y = np.log10(cosmology.luminosity_distance(z) / z)
        self.scale = 1.0 / np.log1p(z_max)
        coefficients = np.polynomial.Polynomial.fit(x, y, degree, domain=[0, 1], window=[0, 1]).coef
        self.coefficients = [float(c) for c in coefficients]

    def forward(self, z):
        """Return log10 of the luminosity distance at redshifts of any shape."""
        z = torch.clamp(z, Z_FLOOR, self.z_max)
        x = torch.log(1.0 + z) * self.scale
        value = torch.full_like(x, self.coefficients[-1])
        for c in self.coefficients[-2::-1]:
            value = value * x + c
        return value + torch.log10(z)


class Surviving(nn.Module):
    """log10 of the surviving mass fraction, interpolated linearly in a table.

    Parameters
    ----------
    table : `~numpy.ndarray`, shape (spans, taus, metals)
        log10 of the fraction.
    log_span, log_tau : sequence of float
        Evenly spaced nodes, log10 Gyr.
    metal : sequence of float
        Nodes of [M/H].
    """

    def __init__(self, table, log_span, log_tau, metal):
        super().__init__()
        self.register_buffer("table", torch.as_tensor(np.asarray(table), dtype=torch.float32))
        self.register_buffer("metal", torch.as_tensor(np.asarray(metal), dtype=torch.float32))
        self.span0, self.dspan = float(log_span[0]), float(log_span[1] - log_span[0])
        self.tau0, self.dtau = float(log_tau[0]), float(log_tau[1] - log_tau[0])

    @staticmethod
    def _cell(x, nodes):
        """Return the node before x, and the distance from it, 0 to 1."""
        x = torch.clamp(x, 0.0, nodes - 1.0)
        low = torch.clamp(torch.floor(x), max=nodes - 2.0)
        return low.to(torch.int64), x - low

    def forward(self, span, tau, metal):
        """Return log10 of the fraction for a time span and tau, Gyr, and [M/H]."""
        spans, taus, metals = self.table.shape
        log_span = torch.log10(torch.clamp(span, min=1e-6))
        i, fi = self._cell((log_span - self.span0) / self.dspan, spans)
        j, fj = self._cell((torch.log10(tau) - self.tau0) / self.dtau, taus)
        k = (metal.unsqueeze(-1) >= self.metal[1:-1]).to(torch.int64).sum(dim=-1)
        m0, m1 = self.metal[k], self.metal[k + 1]
        fk = torch.clamp((metal - m0) / (m1 - m0), 0.0, 1.0)
        flat = self.table.reshape(-1)
        base = (i * taus + j) * metals + k

        def pair(offset):
            return (1 - fk) * flat[base + offset] + fk * flat[base + offset + 1]

        low = (1 - fj) * pair(0) + fj * pair(metals)
        high = (1 - fj) * pair(taus * metals) + fj * pair(taus * metals + metals)
        return (1 - fi) * low + fi * high


def surviving_table(ssp, metal_range=(-2.3, 0.4), spans=121, taus=81):
    """Return the arguments of `Surviving` for tau-delayed histories on an SSP grid.

    Parameters
    ----------
    ssp : `~pixsed.sps.ssp.SSPGrid`
    metal_range : tuple of float, optional
        Bounds of [M/H].
    spans, taus : int, optional
        Number of nodes in time span and tau.
    """
    from pixsed.sps.sfh import TauDelayed

    log_span = np.linspace(-3.5, np.log10(float(cosmology.age(0.0))), spans)
    log_tau = np.linspace(-2.0, 2.0, taus)
    inner = ssp.metallicity[(ssp.metallicity > metal_range[0]) & (ssp.metallicity < metal_range[1])]
    metal = np.concatenate([metal_range[:1], inner, metal_range[1:]])
    span, tau = np.meshgrid(10.0**log_span, 10.0**log_tau, indexing="ij")
    zero = np.zeros(span.size)
    weights = TauDelayed(tau.ravel(), zero, span.ravel()).weights(ssp.age_edges)
    by_metal = ssp.metallicity_weights(metal) @ ssp.surviving
    table = np.log10(weights @ by_metal.T).reshape(spans, taus, len(metal))
    return table, log_span, log_tau, metal
