"""Priors on power-law and double-power-law histories."""

from pixsed.cosmology import age
from pixsed.simulate.priors.base import COMMON, Prior, parameters_with
from pixsed.simulate.priors.coordinates import Uniform, UniformToAge
from pixsed.sps.sfh import DoublePowerLaw, PowerLaw


class PowerLawPrior(Prior):
    """Power laws, SFR ~ (t - t_i)^p, whose mass grows as (t - t_i)^(1 + p).

    1 + p (GROWTH) is log-uniform from 0.1 to 10. The median is a constant rate; falling and
    rising rates are equally likely. At the ends, half of the mass forms in the first 0.1 % or in
    the last 7 % of the time since t_i.
    """

    NAME = "powerlaw"
    COORDINATES = (
        *COMMON,
        Uniform("GROWTH", -1.0, 1.0, "", "1 + p, power of time with which mass grows", log=True),
        UniformToAge("TSTART", "Gyr", "cosmic time at which star formation begins"),
    )
    PARAMETERS = parameters_with({c.name: (c.unit, c.description) for c in COORDINATES[3:]})

    def history(self, z, unit):
        """Return the star-formation histories, `~pixsed.sps.sfh.PowerLaw`."""
        values = self.values(z, unit)
        return PowerLaw(values["GROWTH"] - 1.0, values["TSTART"], age(z))


class DoublePowerLawPrior(Prior):
    """Double power laws, SFR ~ 1 / [(t / tau)^alpha + (t / tau)^-beta] (Carnall+18).

    This is the prior of Carnall+18, in which tau is uniform from 0.1 Gyr to the age of the
    Universe and both slopes are log-uniform from 0.01 to 1000. Here the slopes start at 0.1,
    because histories with smaller slopes do not differ.
    """

    NAME = "dpl"
    COORDINATES = (
        *COMMON,
        Uniform("ALPHA", -1.0, 3.0, "", "slope of the fall of the SFR after TAU", log=True),
        Uniform("BETA", -1.0, 3.0, "", "slope of the rise of the SFR before TAU", log=True),
        UniformToAge("TAU", "Gyr", "cosmic time about the peak of the SFR", start=0.1),
    )
    PARAMETERS = parameters_with({c.name: (c.unit, c.description) for c in COORDINATES[3:]})

    def history(self, z, unit):
        """Return the star-formation histories, `~pixsed.sps.sfh.DoublePowerLaw`."""
        values = self.values(z, unit)
        return DoublePowerLaw(values["ALPHA"], values["BETA"], values["TAU"], age(z))
