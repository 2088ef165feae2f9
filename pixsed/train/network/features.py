"""What the network is shown of a pixel's photometry."""

import math

import torch
from torch import nn

from pixsed.train.network import physics


class Features(nn.Module):
    """Photometry and redshift as numbers of order one.

    For each band: whether it is there; its signal-to-noise; its flux over the pixel's
    overall brightness (in ln, through arcsinh, so that negative fluxes keep their meaning);
    its error over that brightness; its colour against the next bluer band present. Then
    the brightness, the redshift and its error.
    """

    #: The last columns: brightness, total S/N, number of bands, redshift and its error.
    SUMMARY = 8

    def __init__(self, bands):
        super().__init__()
        self.bands = bands
        self.size = 5 * bands + self.SUMMARY
        self.distance = physics.LogDistance()

    def brightness(self, flux, err, here):
        """ln of the error-weighted root-mean-square flux, nJy, shape (N, 1)."""
        weight = here / (err * err)
        power = (flux * flux + err * err) * weight
        mean = power.sum(dim=1, keepdim=True) / weight.sum(dim=1, keepdim=True).clamp(min=1e-30)
        return 0.5 * torch.log(mean.clamp(min=1e-30))

    def log_mass(self, bright, z):
        """log10 of brightness times the square of the distance: mass, but for a constant."""
        return bright / math.log(10.0) + 2.0 * self.distance(z) - torch.log10(1.0 + z)

    def clean(self, flux, flux_err):
        """Fill missing bands; return flux, err and a 0/1 mask, each (N, B)."""
        good = (flux == flux) & (flux_err == flux_err) & (flux_err > 0)
        here = good.to(flux.dtype)
        return (
            torch.where(good, flux, torch.zeros_like(flux)),
            torch.where(good, flux_err, torch.ones_like(flux)),
            here,
        )

    def forward(self, flux, err, here, z, z_err):
        bright = self.brightness(flux, err, here)
        ratio = flux / err
        magnitude = physics.asinh(0.5 * ratio) + torch.log(2.0 * err) - bright
        magnitude = torch.clamp(magnitude, -15.0, 15.0)
        signal = physics.asinh(ratio) * 0.3
        relative = torch.clamp(torch.log(err) - bright, -8.0, 8.0)
        # The colour against the last band present to the blue: the one with as many bands present
        # up to itself as there are before this one.
        upto = torch.cumsum(here, dim=1)
        pair = (upto.unsqueeze(1) == (upto - here).unsqueeze(2)).to(here.dtype)
        last = (pair * (here * magnitude).unsqueeze(1)).sum(dim=2)
        colour = (magnitude - last) * here * (upto > here).to(here.dtype)
        colour = torch.clamp(colour, -4.0, 4.0)
        # An observed redshift with a large error may lie far beyond the prior.
        z = torch.clamp(z, 0.0, 2.0 * physics.Z_MAX)
        zp1 = 1.0 + z
        count = here.sum(dim=1, keepdim=True)
        total = torch.log(1.0 + ((ratio * here) ** 2).sum(dim=1, keepdim=True))
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
            [here, signal * here, magnitude * 0.5 * here, relative * 0.3 * here, colour, *extra],
            dim=1,
        )
