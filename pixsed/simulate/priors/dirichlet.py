"""Prior on Dense Basis histories."""

import numpy as np

from pixsed.cosmology import age
from pixsed.simulate.priors.base import COMMON, DERIVED, Prior, parameters_with
from pixsed.simulate.priors.coordinates import ROUNDING, Stick, Uniform
from pixsed.sps.sfh import GPHistory

_TIMES = ("T25", "T50", "T75")


class DirichletPrior(Prior):
    """Dense Basis histories (Iyer+19; Iglesias-Navarro+25, Table 2, right).

    The four parts into which t25, t50 and t75 divide the age of the Universe are distributed
    as Dirichlet(1, 1, 1, 1), drawn by stick-breaking without rejection. LOGSSFR is the present
    rate, a parameter of the history; LOGSFR is the mean over the last 100 Myr, which follows
    from the history.
    """

    NAME = "dirichlet"
    COORDINATES = (
        *COMMON,
        Uniform("LOGSSFR", -11.5, -7.5, "dex(yr-1)", "log10 of present SFR over mass formed"),
        *(Stick(name, 3 - i, *DERIVED[name]) for i, name in enumerate(_TIMES)),
    )
    PARAMETERS = parameters_with({name: DERIVED[name] for name in _TIMES})

    def values(self, z, unit):
        """Return the coordinates in physical units; times are fractions of the Universe's age."""
        values, done = {}, np.zeros(len(unit))
        for i, coordinate in enumerate(self.COORDINATES):
            value = coordinate.from_unit(unit[:, i])
            if coordinate.name in _TIMES:
                done = value = done + (1.0 - done) * value
            values[coordinate.name] = value
        return values

    def history(self, z, unit):
        """Return the star-formation histories, `~pixsed.sps.sfh.GPHistory`."""
        values = self.values(z, unit)
        times = np.stack([values[name] for name in _TIMES], axis=1)
        return GPHistory(values["LOGSSFR"], times, age(z))

    def _coordinates_density(self, values, at_z):
        total = sum(c.log_density(values[c.name], at_z) for c in self.COORDINATES[:4])
        t25, t50, t75 = (values[name] for name in _TIMES)
        cuts = (0.0 - t25, t25 - t50, t50 - t75, t75 - 1.0)
        ordered = np.all([cut <= ROUNDING for cut in cuts], axis=0)
        return np.where(ordered, total + np.log(6.0), -np.inf)
