"""Coordinates of the flow and outputs of a model: base class of the spaces of the priors.

Each coordinate of the flow is a function of a parameter that has no bounds: the logit of the
cumulative prior probability of the mass, and normal quantiles of bounded quantities. Therefore
no draw can lie outside the prior.
"""

import numpy as np
import torch
from scipy.special import ndtri
from torch import nn

from pixsed.cosmology import age
from pixsed.simulate.priors import PRIORS
from pixsed.simulate.priors.base import COMMON
from pixsed.train.network import physics
from pixsed.train.options import NetworkSizes

#: Outputs that are proportional to the brightness, in log10.
MASSES = ("LOGMSTAR", "LOGMFORM", "LOGSFR", "LOGSFR10")
_EDGE = 1e-7


def probit(u):
    """Return normal quantiles, clipped."""
    return ndtri(np.clip(u, _EDGE, 1 - _EDGE))


def logit(u):
    """Return logits, clipped."""
    u = np.clip(u, _EDGE, 1 - _EDGE)
    return np.log(u) - np.log1p(-u)


class Space(nn.Module):
    """Base class of the coordinates and outputs under a prior, and of their relation.

    Attributes
    ----------
    ORDER : tuple of str
        Coordinates after the redshift, in the order of the flow; the mass is the first.
    OUTPUTS : tuple of str
        Parameters that the method `parameters` returns.
    TARGETS : tuple of str
        Properties whose marginal quantiles the encoder learns. ``LOG_X`` is log10 of X,
        ``X_FRACTION`` is X over the age of the Universe at the redshift.
    DECODED : tuple of str
        Parameters from which a decoder computes fluxes: `OUTPUTS`, and possibly parameters that
        are not among the samples of a model.
    SIZES : `~pixsed.train.options.NetworkSizes`
        Default sizes of the network.
    """

    PRIOR = ""
    ORDER = ()
    OUTPUTS = ()
    TARGETS = ()
    DECODED = ()
    SIZES = NetworkSizes()

    def __init_subclass__(cls):
        cls.DECODED = cls.DECODED or cls.OUTPUTS

    @property
    def dim(self):
        """Number of coordinates, including the redshift."""
        return 1 + len(self.ORDER)

    @classmethod
    def coordinates(cls, simulations):
        """Return the coordinates of simulations after the redshift, shape (N, D - 1), float64."""
        names = [c.name for c in PRIORS[cls.PRIOR].COORDINATES]
        columns = [
            (logit if name == "LOGMFORM" else probit)(cls.probability(simulations, name, names))
            for name in cls.ORDER
        ]
        return np.stack(columns, axis=1)

    @classmethod
    def probability(cls, simulations, name, names):
        """Return the cumulative prior probability of a coordinate, shape (N,)."""
        return simulations.unit[:, names.index(name)]

    @classmethod
    def targets(cls, columns):
        """Return the properties `TARGETS` of simulations, shape (N, T), float64."""
        at_z = age(columns["REDSHIFT"])
        found = []
        for name in cls.TARGETS:
            if name.startswith("LOG_"):
                found.append(np.log10(columns[name[4:]]))
            elif name.endswith("_FRACTION"):
                found.append(columns[name.removesuffix("_FRACTION")] / at_z)
            else:
                found.append(columns[name])
        return np.stack(found, axis=1)

    @property
    def z_max(self):
        """Upper bound of the redshift prior."""
        return PRIORS[self.PRIOR].Z_RANGE[1]

    def redshift_from(self, probability):
        """Return the redshift of a cumulative prior probability, for tensors of any shape."""
        return self.z_max * probability

    def decoded(self, coordinates, z):
        """Return the parameters `DECODED`, which begin with those of the method `parameters`."""
        return self.parameters(coordinates, z)

    def parameters(self, coordinates, z):
        """Return physical parameters, in the order of `OUTPUTS`.

        Parameters
        ----------
        coordinates : tensor, shape (N, S, D)
        z : tensor, shape (N, S)
            True redshifts.

        Returns
        -------
        tensor, shape (N, S, P)
        """
        raise NotImplementedError

    @staticmethod
    def common(mass, av, metal):
        """Return formed mass, A_V and [M/H] within the bounds that all priors have in common."""
        mass = torch.clamp(torch.sigmoid(mass), 0.0, 1.0 - 1e-6)
        probabilities = {
            "LOGMFORM": mass,
            "AV": physics.normal_cdf(av),
            "METAL": physics.normal_cdf(metal),
        }
        return tuple(c.from_unit(probabilities[c.name]) for c in COMMON)
