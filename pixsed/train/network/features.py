"""Inputs of the network, computed from photometry and redshift."""

import math

import torch
from torch import nn

from pixsed.train.network import physics


class Features(nn.Module):
    """Photometry and redshift as numbers of order one.

    The inputs of each band are a flag for its presence, the S/N, the flux and the error
    relative to the brightness of the pixel, and the colour relative to the next bluer band
    that is present. Fluxes are scaled with arcsinh, which is logarithmic for bright fluxes but
    also defined for negative ones. The last inputs are the brightness, the redshift and its
    error.

    Parameters
    ----------
    bands : int
        Number of bands, B.
    z_max : float, optional
        Upper bound of the redshift prior.
    """

    #: Number of the last columns: brightness, total S/N, number of bands, redshift and error.
    SUMMARY = 8

    def __init__(self, bands, z_max=7.5):
        super().__init__()
        self.bands = bands
        self.size = 5 * bands + self.SUMMARY
        self.distance = physics.LogDistance(z_max)

    def brightness(self, flux, err, present):
        """Return ln of the error-weighted root-mean-square flux, nJy, shape (N, 1)."""
        weight = present / (err * err)
        power = (flux * flux + err * err) * weight
        mean = power.sum(dim=1, keepdim=True) / weight.sum(dim=1, keepdim=True).clamp(min=1e-30)
        return 0.5 * torch.log(mean.clamp(min=1e-30))

    def log_mass(self, bright, z):
        """Return log10 of brightness times distance squared, which is the mass plus a constant."""
        return bright / math.log(10.0) + 2.0 * self.distance(z) - torch.log10(1.0 + z)

    def clean(self, flux, flux_err):
        """Return flux and error with missing bands filled, and a 0/1 mask, each (N, B)."""
        good = (flux == flux) & (flux_err == flux_err) & (flux_err > 0)
        present = good.to(flux.dtype)
        return (
            torch.where(good, flux, torch.zeros_like(flux)),
            torch.where(good, flux_err, torch.ones_like(flux)),
            present,
        )

    def bluer(self, values, present):
        """Return the value of the next bluer band that is present, or 0, and a 0/1 mask."""
        # ONNX has no running maximum. Each step doubles the number of bands that are searched.
        found, known = ((part * present)[:, :-1] for part in (values, present))
        found, known = (nn.functional.pad(part, (1, 0)) for part in (found, known))
        step = 1
        while step < self.bands:
            before = [nn.functional.pad(part[:, :-step], (step, 0)) for part in (found, known)]
            found = found + (1.0 - known) * before[0]
            known = torch.maximum(known, before[1])
            step *= 2
        return found, known

    def forward(self, flux, err, present, z, z_err):
        """Return the inputs (N, size) of the network."""
        bright = self.brightness(flux, err, present)
        ratio = flux / err
        magnitude = physics.asinh(0.5 * ratio) + torch.log(2.0 * err) - bright
        magnitude = torch.clamp(magnitude, -15.0, 15.0)
        signal = physics.asinh(ratio) * 0.3
        relative = torch.clamp(torch.log(err) - bright, -8.0, 8.0)
        last, any_bluer = self.bluer(magnitude, present)
        colour = torch.clamp((magnitude - last) * present * any_bluer, -4.0, 4.0)
        # A photometric redshift may lie far outside the prior.
        z = torch.clamp(z, 0.0, 2.0 * self.distance.z_max)
        zp1 = 1.0 + z
        count = present.sum(dim=1, keepdim=True)
        total = torch.log(1.0 + ((ratio * present) ** 2).sum(dim=1, keepdim=True))
        extra = [
            bright * 0.3,
            total * 0.2,
            count / self.bands,
            torch.log(zp1) - 1.3,
            z * 0.3 - 1.0,
            physics.age(z) * 0.2,
            self.distance(z) - 4.0,
            torch.clamp(torch.log(z_err / zp1 + 1e-4) + 6.0, -4.0, 6.0),
        ]
        return torch.cat(
            [
                present,
                signal * present,
                magnitude * 0.5 * present,
                relative * 0.3 * present,
                colour,
                *extra,
            ],
            dim=1,
        )
