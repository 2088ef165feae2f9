"""Prior on tau-delayed histories."""

from pixsed.cosmology import age
from pixsed.simulate.priors.base import COMMON, Prior, parameters_with
from pixsed.simulate.priors.coordinates import Uniform, UniformToAge
from pixsed.sps.sfh import TauDelayed


class TauPrior(Prior):
    """Tau-delayed histories (Iglesias-Navarro+25, Table 2, left)."""

    NAME = "tau"
    COORDINATES = (
        *COMMON,
        Uniform("TAU", -2.0, 2.0, "Gyr", "time scale of the tau-delayed history", log=True),
        UniformToAge("TSTART", "Gyr", "cosmic time at which star formation begins"),
    )
    PARAMETERS = parameters_with({c.name: (c.unit, c.description) for c in COORDINATES[3:]})

    def history(self, z, unit):
        """Return the star-formation histories, `~pixsed.sps.sfh.TauDelayed`."""
        values = self.values(z, unit)
        return TauDelayed(values["TAU"], values["TSTART"], age(z))
