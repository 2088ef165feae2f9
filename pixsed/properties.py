"""Properties of maps and tables: their names, units and order, and the names of quantiles."""

from decimal import Decimal
from functools import cache

import numpy as np

from pixsed.errors import PixsedError

#: Unit and description of each property, in the order of a Maps file.
PROPERTIES = {
    "LOGMSTAR": ("dex(solMass)", "log10 of the surviving stellar mass, remnants included"),
    "LOGMFORM": ("dex(solMass)", "log10 of the stellar mass formed"),
    "LOGSIGMA": ("dex(solMass kpc-2)", "log10 of the surface density of surviving mass"),
    "LOGSFR": ("dex(solMass yr-1)", "log10 of the SFR over the last 100 Myr"),
    "LOGSFR10": ("dex(solMass yr-1)", "log10 of the SFR over the last 10 Myr"),
    "METAL": ("dex", "metallicity [M/H]"),
    "AV": ("mag", "V-band attenuation"),
    "DUSTSLOPE": ("", "slope delta of the attenuation curve (Salim et al. 2018)"),
    "LOGU": ("", "log10 of the ionisation parameter of the gas"),
    "TAU": ("Gyr", "timescale of the tau-delayed history"),
    "TSTART": ("Gyr", "cosmic time at which star formation begins"),
    "T25": ("", "cosmic time of 25% of the mass formed, over the age at z"),
    "T50": ("", "cosmic time of 50% of the mass formed, over the age at z"),
    "T75": ("", "cosmic time of 75% of the mass formed, over the age at z"),
    "AGE": ("Gyr", "mass-weighted age"),
    "T50LB": ("Gyr", "lookback time at which half the mass had formed"),
    "REDSHIFT": ("", "redshift"),
}


def ordered(names):
    """Return property names sorted in the order of a Maps file, unknown names last."""
    rank = {name: i for i, name in enumerate(PROPERTIES)}
    return sorted(names, key=lambda name: rank.get(name, len(rank)))


def unit_and_description(name, model=None):
    """Return the unit and the description of a property.

    Parameters
    ----------
    name : str
    model : `~pixsed.fit.model.Model`, optional
        Its metadata describe properties that are not in `PROPERTIES`.

    Returns
    -------
    unit, description : str
        Empty if unknown.
    """
    if name in PROPERTIES or model is None:
        return PROPERTIES.get(name, ("", ""))
    return model.units.get(name, ""), model.descriptions.get(name, "")


@cache
def quantile_name(quantile):
    """Return the name of a quantile: ``P16`` for 0.16, ``P50`` for 0.5, ``P025`` for 0.025."""
    return "P" + format(Decimal(repr(float(quantile))), "f").partition(".")[2].ljust(2, "0")


def check_quantiles(quantiles):
    """Return quantiles with the median, which is added if missing, first and the others ascending.

    Parameters
    ----------
    quantiles : iterable of float

    Returns
    -------
    tuple of float

    Raises
    ------
    PixsedError
        If one is not a number between 0 and 1.
    """
    try:
        values = [float(q) for q in quantiles]
    except (TypeError, ValueError):
        raise PixsedError(
            f"quantiles must be a sequence of numbers, got {quantiles!r}; try (0.16, 0.5, 0.84)"
        ) from None
    bad = [q for q in values if not 0.0 < q < 1.0]
    if bad:
        raise PixsedError(f"quantiles must be between 0 and 1, got {bad[0]:g}; try 0.16,0.5,0.84")
    return (0.5, *sorted({q for q in values if not np.isclose(q, 0.5, rtol=0, atol=1e-12)}))
