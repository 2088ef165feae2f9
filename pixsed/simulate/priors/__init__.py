"""Priors of stellar populations, by name."""

from pixsed.simulate.priors.base import Prior
from pixsed.simulate.priors.broad import BroadPrior
from pixsed.simulate.priors.continuity import ContinuityPrior
from pixsed.simulate.priors.dirichlet import DirichletPrior
from pixsed.simulate.priors.powerlaw import DoublePowerLawPrior, PowerLawPrior
from pixsed.simulate.priors.tau import TauPrior

_ALL = (
    TauPrior,
    DirichletPrior,
    ContinuityPrior,
    PowerLawPrior,
    DoublePowerLawPrior,
    BroadPrior,
)
PRIORS = {prior.NAME: prior for prior in _ALL}

__all__ = ["PRIORS", "Prior", *(prior.__name__ for prior in _ALL)]
