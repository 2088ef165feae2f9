"""Base class of the decoders: choice of the draw that fits the photometry of a pixel best."""

import torch
from torch import nn

#: Number of draws per pixel that are decoded.
DRAWS = 32
#: Flux, as a fraction of that of the brightest band, above which a band counts for its error.
DETECTED = 1e-2


class BaseDecoder(nn.Module):
    """Relative fluxes of populations, independent of mass and distance.

    Subclasses define `describe`, whose dict has their constructor arguments, and `forward`,
    which returns the relative fluxes (..., B) of parameters (..., P).

    Parameters
    ----------
    bands : int
        Number of bands, B.
    error : sequence of float
        Root-mean-square relative error of each band.
    """

    def __init__(self, bands, error):
        super().__init__()
        self.bands, self.error = bands, list(error)

    @classmethod
    def from_checkpoint(cls, saved):
        """Return the decoder of sizes and state in a checkpoint."""
        decoder = cls(**saved["sizes"])
        decoder.load_state_dict(saved["state"])
        return decoder.eval()

    def best(self, parameters, flux, flux_err):
        """Return the photometry of the draw with the smallest chi^2, scaled to the fluxes.

        The first `DRAWS` draws are compared. The error of the decoder is added to that of the
        fluxes in quadrature.

        Parameters
        ----------
        parameters : tensor, shape (N, S, P)
        flux, flux_err : tensor, shape (N, B)
            nJy; NaN = band missing.

        Returns
        -------
        tensor, shape (N, B)
            nJy, in every band.
        """
        chosen = torch.minimum(torch.arange(DRAWS), torch.full((DRAWS,), parameters.shape[1] - 1))
        light = self(parameters.index_select(1, chosen))
        good = (flux == flux) & (flux_err == flux_err) & (flux_err > 0)
        flux = torch.where(good, flux, torch.zeros_like(flux))
        own = flux * torch.tensor(self.error or [0.0], dtype=flux.dtype)
        err2 = torch.where(good, flux_err * flux_err, torch.ones_like(flux)) + own * own
        weight = torch.where(good, 1.0 / err2, torch.zeros_like(flux))
        power = torch.matmul(light * light, weight.unsqueeze(2)).squeeze(2)
        cross = torch.matmul(light, (weight * flux).unsqueeze(2)).squeeze(2)
        scale = torch.clamp(cross, min=0.0) / torch.clamp(power, min=1e-30)
        index = torch.argmax(scale * (2.0 * cross - scale * power), dim=1, keepdim=True)
        shape = torch.gather(light, 1, index.unsqueeze(2).expand(-1, -1, self.bands)).squeeze(1)
        return shape * torch.gather(scale, 1, index)


def relative_error(found, true):
    """Return the root-mean-square relative error of each band, over bright enough fluxes.

    Parameters
    ----------
    found, true : `~numpy.ndarray`, shape (N, B)
        Relative fluxes, on the same scale.

    Returns
    -------
    list of float
    """
    import numpy as np

    detected = true > DETECTED * true.max(axis=1, keepdims=True)
    off = np.where(detected, found / np.where(detected, true, 1.0) - 1.0, 0.0)
    square = (off * off).sum(axis=0) / np.maximum(detected.sum(axis=0), 1)
    return [round(float(e), 5) for e in np.sqrt(square)]
