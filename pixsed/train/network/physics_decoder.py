"""Photometry of draws of the prior `broad`, computed from tables in the exported graph.

The light of stars older than 10 Myr, and that of younger stars with their gas, are sums of a few
basis spectra. Tables hold the light of the basis spectra through each band, at a few
wavelengths, by redshift. Dust attenuates it at these wavelengths, with the curve of each draw.
Nothing is trained: see `pixsed.train.network.physics_tables`.
"""

import math

import torch

from pixsed.simulate.priors.mixture import N_BINS
from pixsed.train.network.base_decoder import BaseDecoder
from pixsed.train.network.broad import BroadSpace

_DIMMING = 0.4 * math.log(10.0)
#: Kinds of light, in the names of tables.
KINDS = ("old", "young")


class PhysicsDecoder(BaseDecoder):
    """Relative fluxes of populations with the parameters `BroadSpace.DECODED`.

    Parameters
    ----------
    bands : int
        Number of bands, B.
    shapes : dict
        Shapes of the tables, by name:

        * metal, log_u: nodes of [M/H] and log U.
        * old_mix, young_mix: coefficients of the basis spectra of old light, by ln(1 + z) and
          [M/H], and of young light, by [M/H] and log U. Both are for two libraries, and old
          light for all time bins but the youngest.
        * old_0, young_0, ...: light of each basis spectrum at each node of a group of bands, by
          ln(1 + z), as int8. Groups differ in the step of ln(1 + z). Their units are those in
          old_0_unit, by ln(1 + z) and node, times those in old_0_factor, by basis spectrum.
        * emission: emission of dust in each band per absorbed energy, by ln(1 + z).
        * node_wave, sums: observed wavelength [Angstrom] and band (0 or 1) of each node.
        * cell_wave, old_energy, young_energy: rest-frame wavelength of cells, and energy of the
          basis spectra in them.
    z_max : float
        Redshift of the last row of the tables.
    error : sequence of float, optional
        Root-mean-square relative error of each band.
    """

    def __init__(self, bands, shapes, z_max, error=()):
        super().__init__(bands, error)
        self.top = math.log1p(z_max)
        self.names, self.z_max = BroadSpace.DECODED, z_max
        self.shapes = {name: list(shape) for name, shape in shapes.items()}
        for name, shape in shapes.items():
            light = name.split("_")[0] in KINDS and name[-1].isdigit()
            kind = torch.int8 if light else torch.float32
            self.register_buffer(name, torch.zeros(*shape, dtype=kind))
        self.groups = sum(name.startswith("old_") and name[-1].isdigit() for name in shapes)

    def describe(self):
        """Return the constructor arguments of a decoder of the same sizes."""
        return {
            "bands": self.bands,
            "shapes": self.shapes,
            "z_max": self.z_max,
            "error": self.error,
        }

    def place(self, table, x):
        """Return the row of a table before x = ln(1 + z), and the distance from it, (R, 1)."""
        last = table.shape[0] - 1
        low, past = _cell(x * (last / self.top), last)
        return low, past.unsqueeze(-1)

    def light(self, kind, coefficients, x):
        """Return the light (R, nodes) of a kind for coefficients (R, K) and x = ln(1 + z)."""
        found = []
        for number in range(self.groups):
            name = f"{kind}_{number}"
            table, unit = getattr(self, name), getattr(self, f"{name}_unit")
            own = (coefficients * getattr(self, f"{name}_factor")).unsqueeze(2)
            low, past = self.place(table, x)

            def at(row, table=table, unit=unit, own=own):
                values = table[row].to(own.dtype).reshape(len(row), -1, own.shape[1])
                return torch.matmul(values, own).squeeze(2) * unit[row]

            found.append((1.0 - past) * at(low) + past * at(low + 1))
        return torch.cat(found, dim=1)

    def mixtures(self, c, x):
        """Return the coefficients of the basis spectra of old and young light, (R, K) each."""
        metals = self.metal.shape[0]
        k, past_m = _between(c["METAL"], self.metal)
        past_m = past_m.unsqueeze(-1)
        # Old light: bilinear in ln(1 + z) and [M/H].
        nodes = self.old_mix.shape[0]
        i, past_z = _cell(x * ((nodes - 1) / self.top), nodes - 1)
        past_z = past_z.unsqueeze(-1)
        flat = self.old_mix.reshape(nodes * metals, -1)
        row = i * metals + k
        low = (1.0 - past_m) * flat[row] + past_m * flat[row + 1]
        high = (1.0 - past_m) * flat[row + metals] + past_m * flat[row + metals + 1]
        table = ((1.0 - past_z) * low + past_z * high).reshape(len(x), 2 * (N_BINS - 1), -1)
        blend = torch.stack([1.0 - c["LIBRARY"], c["LIBRARY"]], dim=-1)
        formed = torch.stack([c[name] for name in BroadSpace.HISTORY], dim=-1)
        parts = (blend.unsqueeze(2) * formed[:, 1:].unsqueeze(1)).reshape(len(x), 1, -1)
        old = torch.matmul(parts, table).squeeze(1)
        # Young light: bilinear in [M/H] and log U.
        values = self.log_u.shape[0]
        j, past_u = _between(c["LOGU"], self.log_u)
        past_u = past_u.unsqueeze(-1)
        flat = self.young_mix.reshape(metals * values, -1)
        row = k * values + j
        low = (1.0 - past_u) * flat[row] + past_u * flat[row + 1]
        high = (1.0 - past_u) * flat[row + values] + past_u * flat[row + values + 1]
        table = ((1.0 - past_m) * low + past_m * high).reshape(len(x), 2, -1)
        parts = (blend * formed[:, :1]).unsqueeze(1)
        return old, torch.matmul(parts, table).squeeze(1)

    def forward(self, parameters):
        """Return the relative fluxes (..., B) of parameters (..., P); their sum is 1."""
        shape = parameters.shape[:-1]
        values = parameters.reshape(-1, len(self.names))
        c = {name: values[:, i] for i, name in enumerate(self.names)}
        x = torch.log(1.0 + torch.clamp(c["REDSHIFT"], 0.0, self.z_max))
        old, young = self.mixtures(c, x)

        light_old, light_young = self.light("old", old, x), self.light("young", young, x)
        depth = self.depth(self.node_wave * torch.exp(-x).unsqueeze(1), c)
        birth = c["BIRTH"].unsqueeze(1)
        seen = light_old * torch.exp(-depth) + light_young * torch.exp(-birth * depth)
        depth = self.depth(self.cell_wave.unsqueeze(0), c)
        taken = (torch.matmul(old, self.old_energy) * (1.0 - torch.exp(-depth))).sum(dim=1)
        own = torch.matmul(young, self.young_energy) * (1.0 - torch.exp(-birth * depth))
        energy = torch.clamp(taken + own.sum(dim=1), min=0.0).unsqueeze(1)
        low, past = self.place(self.emission, x)
        dust = (1.0 - past) * self.emission[low] + past * self.emission[low + 1]
        light = torch.clamp(torch.matmul(seen, self.sums) + energy * dust, min=0.0)
        light = light / torch.clamp(light.sum(dim=1, keepdim=True), min=1e-30)
        return light.reshape(*shape, self.bands)

    @staticmethod
    def depth(wave, c):
        """Return the optical depth of the diffuse medium at rest-frame wavelengths, (R, W)."""
        return _DIMMING * c["AV"].unsqueeze(1) * salim(wave, c["DUSTSLOPE"], c["BUMP"])


def _cell(x, last):
    """Return the node before x (0 to `last`), and the distance from it, 0 to 1."""
    low = torch.clamp(torch.floor(x), 0.0, last - 1.0)
    return low.to(torch.int64), torch.clamp(x - low, 0.0, 1.0)


def _between(x, nodes):
    """Return the node before x among uneven nodes, and the distance from it, 0 to 1."""
    low = (x.unsqueeze(-1) >= nodes[1:-1]).to(torch.int64).sum(dim=-1)
    first, second = nodes[low], nodes[low + 1]
    return low, torch.clamp((x - first) / (second - first), 0.0, 1.0)


def salim(wave, slope, bump):
    """Return the attenuation curve of `pixsed.sps.dust.salim`.

    Parameters
    ----------
    wave : tensor, shape (R, W) or (1, W)
        Rest-frame wavelength, Angstrom.
    slope, bump : tensor, shape (R,)

    Returns
    -------
    tensor, shape (R, W)
        A(lambda) / A_V.
    """
    x = 1e4 / wave
    blue = 2.659 * (-2.156 + x * (1.509 - x * (0.198 - 0.011 * x))) + 4.05
    red = 2.659 * (-1.857 + 1.040 * x) + 4.05
    y = 1.0 / 0.12
    edge = 2.659 * (-2.156 + y * (1.509 - y * (0.198 - 0.011 * y))) + 4.05
    far = edge * torch.exp(0.77 * torch.log(x * 0.12))
    curve = torch.where(wave < 1200.0, far, torch.where(wave < 6300.0, blue, red))
    curve = torch.clamp(curve, min=0.0) / 4.05
    tilt = torch.exp(slope.unsqueeze(1) * torch.log(wave / 5500.0))
    short = wave * 0.01  # in 100 Angstrom, so that the numbers stay small
    square = (3.5 * short) ** 2
    profile = square / ((short * short - 21.75**2) ** 2 + square)
    over = (5.05 * torch.exp(slope * math.log(0.8)) - 4.05) / 4.05
    return curve * tilt + (bump * over).unsqueeze(1) * profile
