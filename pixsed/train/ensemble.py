"""Several networks trained alike, from other seeds, as one model."""

import torch
from torch import nn

from pixsed.errors import PixsedError


class Ensemble(nn.Module):
    """Every member draws an equal share of the samples: the mixture of their posteriors.

    Parameters
    ----------
    members : sequence of `~pixsed.train.flow.PixelFlow`
        Of one space and of the same bands.
    """

    def __init__(self, members):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.space, self.bands = members[0].space, members[0].bands

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
        return torch.cat(samples, dim=1), torch.stack(predicted).mean(dim=0)


def check_members(checkpoints):
    """Raise `PixsedError` unless checkpoints can be members of one ensemble."""
    for key in ("bands", "prior", "sps", "noise"):
        if any(one[key] != checkpoints[0][key] for one in checkpoints):
            raise PixsedError(
                f"the checkpoints differ in {key}; an ensemble is of networks trained alike, "
                "with other seeds"
            )
