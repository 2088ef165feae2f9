"""Several networks trained alike, from other seeds, as one model."""

import torch
from torch import nn

from pixsed.errors import PixsedError


class Ensemble(nn.Module):
    """Every member draws an equal share of the samples: the mixture of their posteriors.

    Parameters
    ----------
    members : sequence of `~pixsed.train.network.flow.PixelFlow`
        Of one space and of the same bands.
    """

    def __init__(self, members):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.space, self.bands = members[0].space, members[0].bands
        self.decoder = members[0].decoder

    def predict(self, flux, flux_err, z, z_err):
        """Return predicted fluxes (N, B), the mean of the members'."""
        return torch.stack([m.predict(flux, flux_err, z, z_err) for m in self.members]).mean(dim=0)

    def forward(self, flux, flux_err, redshift, redshift_err, base):
        """The graph of the exported model; the first samples are the first member's."""
        count, number = base.shape[1], len(self.members)
        samples, predicted = [], []
        for i, member in enumerate(self.members):
            share = base[:, count * i // number : count * (i + 1) // number]
            drawn, fluxes = member(flux, flux_err, redshift, redshift_err, share)
            samples.append(drawn)
            predicted.append(fluxes)
        predicted = torch.stack(predicted)
        if self.members[0].decoder is None:
            return torch.cat(samples, dim=1), predicted.mean(dim=0)
        # Each member's best draw; of them the one that explains the pixel best.
        off = (flux - predicted) / flux_err
        chi2 = torch.where(off == off, off * off, torch.zeros_like(off)).sum(dim=2)
        best = (chi2 <= chi2.min(dim=0, keepdim=True).values).to(flux.dtype).unsqueeze(2)
        return torch.cat(samples, dim=1), (predicted * best).sum(dim=0) / best.sum(dim=0)


def check_members(checkpoints):
    """Raise `PixsedError` unless checkpoints can be members of one ensemble."""
    for key in ("bands", "prior", "sps", "noise"):
        if any(one[key] != checkpoints[0][key] for one in checkpoints):
            raise PixsedError(
                f"the checkpoints differ in {key}; an ensemble is of networks trained alike, "
                "with other seeds"
            )
    if len({"decoder" in one for one in checkpoints}) > 1:
        raise PixsedError("some of the checkpoints have a decoder and some none; give all one")
