"""Priors of stellar populations, by name."""

from pixsed.simulate.priors.base import Prior
from pixsed.simulate.priors.dirichlet import DirichletPrior
from pixsed.simulate.priors.tau import TauPrior

PRIORS = {prior.NAME: prior for prior in (TauPrior, DirichletPrior)}

__all__ = ["PRIORS", "DirichletPrior", "Prior", "TauPrior"]
