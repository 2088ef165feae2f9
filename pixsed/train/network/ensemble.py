"""Ensemble of networks that differ only in their seeds, exported as one model."""

import torch
from torch import nn

from pixsed.errors import PixsedError


class Ensemble(nn.Module):
    """Equal-weight mixture of posteriors: each member draws the same number of samples.

    Parameters
    ----------
    members : sequence of `~pixsed.train.network.flow.PixelFlow`
        Networks of the same prior and bands.
    """

    def __init__(self, members):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.space, self.bands = members[0].space, members[0].bands
        self.decoder = members[0].decoder

    def forward(self, flux, flux_err, redshift, redshift_err, base):
        """Return samples and predicted fluxes; the samples of the first member come first."""
        count, number = base.shape[1], len(self.members)
        samples, predicted = [], []
        for i, member in enumerate(self.members):
            own = base[:, count * i // number : count * (i + 1) // number]
            drawn, fluxes = member(flux, flux_err, redshift, redshift_err, own)
            samples.append(drawn)
            predicted.append(fluxes)
        predicted = torch.stack(predicted)
        if self.members[0].decoder is None:
            return torch.cat(samples, dim=1), predicted.mean(dim=0)
        # Choose the draw with the smallest chi^2 among the best draws of the members.
        off = (flux - predicted) / flux_err
        chi2 = torch.where(off == off, off * off, torch.zeros_like(off)).sum(dim=2)
        best = (chi2 <= chi2.min(dim=0, keepdim=True).values).to(flux.dtype).unsqueeze(2)
        return torch.cat(samples, dim=1), (predicted * best).sum(dim=0) / best.sum(dim=0)


def check_members(checkpoints):
    """Check that checkpoints can be members of one ensemble.

    Raises
    ------
    PixsedError
        If they differ in more than their seeds, or only some have a decoder.
    """
    for key in ("bands", "filters", "prior", "sps", "noise"):
        if any(one.get(key) != checkpoints[0].get(key) for one in checkpoints):
            raise PixsedError(
                f"the checkpoints differ in {key}; the members of an ensemble must differ in "
                "their seeds only"
            )
    if len({"decoder" in one for one in checkpoints}) > 1:
        raise PixsedError(
            "only some of the checkpoints have a decoder; add it to all, see 'train --finish'"
        )
