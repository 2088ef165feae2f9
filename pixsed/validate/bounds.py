"""Test of draws against the bounds of the prior."""

import numpy as np

from pixsed.cosmology import age

#: Fraction of the range by which a bound is widened, since draws are float32.
ROUNDING = 2e-6
#: log10 of the time in years over which a rate is averaged.
_LOG_SFR_TIME = {"LOGSFR": 8.0, "LOGSFR10": 7.0}


def outside(draws, redshift, metadata):
    """Return a mask of the draws that are outside the prior in a model's metadata.

    The coordinates of the prior and the redshifts must be within their ranges. Times must be
    ordered and before the age of the Universe. The surviving mass must be less than the mass
    formed. Rates must be between the floor and the rate that forms all of the mass within
    100 Myr, or 10 Myr for LOGSFR10. Values that are infinite or NaN are outside.

    Parameters
    ----------
    draws : dict of str to `~numpy.ndarray`, shape (N, S)
    redshift : `~numpy.ndarray`, shape (N, 1) or (N, S)
        Redshift of each draw.
    metadata : dict
        JSON metadata of the model.

    Returns
    -------
    dict of str to `~numpy.ndarray` of bool, shape (N, S)
        Same keys as `draws`.
    """
    prior = metadata.get("prior", {})
    at_z = age(np.asarray(redshift, dtype=float))
    values = {name: np.asarray(v, dtype=float) for name, v in draws.items()}
    found = {name: ~np.isfinite(v) for name, v in values.items()}

    def limit(name, value, low, high):
        margin = ROUNDING * (high - low)
        found[name] |= ~((value >= low - margin) & (value <= high + margin))

    for item in prior.get("coordinates", ()):
        name = item["name"]
        if name not in values or "low" not in item:
            continue
        value = values[name]
        if item.get("log10"):
            with np.errstate(divide="ignore", invalid="ignore"):
                value = np.log10(value)
        scale = at_z if item.get("over_age_at_z") else 1.0
        limit(name, value, item["low"] * scale, item["high"] * scale)
    for name in ("AGE", "T50LB"):
        if name in values:
            limit(name, values[name], 0.0, at_z)
    last = None
    for name in ("T25", "T50", "T75"):
        if name in values:
            limit(name, values[name], 0.0 if last is None else np.minimum(last, 1.0), 1.0)
            last = values[name]
    formed = values.get("LOGMFORM")
    if formed is not None and "LOGMSTAR" in values:
        found["LOGMSTAR"] |= ~(values["LOGMSTAR"] < formed + 1e-5)
    for name, log_time in _LOG_SFR_TIME.items():
        if formed is not None and name in values and "log_ssfr_floor" in prior:
            # Both are float32 near 10: allow for the rounding of their difference.
            rate = values[name] - formed
            found[name] |= ~((rate > prior["log_ssfr_floor"] - 1e-5) & (rate < -log_time + 1e-5))
    if "REDSHIFT" in values and "redshift" in prior:
        limit("REDSHIFT", values["REDSHIFT"], *map(float, prior["redshift"]))
    return found
