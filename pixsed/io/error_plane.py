"""Kinds of error planes: standard deviations, variances or weights."""

import re

import numpy as np
from astropy import units as u

from pixsed.errors import PixsedError
from pixsed.io.fill import HUGE
from pixsed.io.sky import robust_rms
from pixsed.io.units import parse_unit

#: Kinds of values in an error plane.
KINDS = ("sigma", "variance", "weight")
_WORDS = {
    **dict.fromkeys(
        "ERR ERROR ERRORS ERRS UNC UNCERT UNCERTAINTY SIGMA SIG RMS NOISE STD STDDEV".split(),
        "sigma",
    ),
    **dict.fromkeys("VAR VARIANCE VARIANCES STAT".split(), "variance"),
    **dict.fromkeys("WHT WT WGT WEIGHT WEIGHTS IVM IVAR INVVAR".split(), "weight"),
    **dict.fromkeys(
        "EXP EXPTIME EXPOSURE TEXP NEXP CON CTX CONTEXT COV COVERAGE DQ MASK "
        "MSK FLAG FLAGS SEG BKG BACKGROUND BKGRMS KERNEL".split(),
        "other",
    ),
}
# Names that are trusted even if the errors are far from the scatter of the sky.
_PLAIN = ("ERR", "WHT")
#: Power of the image's unit -> kind of an error plane in that unit.
POWERS = {1: "sigma", 2: "variance", -2: "weight"}
# Fewest pixels of sky for a comparison with the scatter.
_MIN_PIXELS = 300
# The sky contradicts a kind if its scatter over the errors of that kind is off by more than the
# factor `_OFF`, and by less than `_FITS` for another.
_OFF = {"sigma": 25.0, "variance": 10.0, "weight": 10.0}
_FITS = 3.0
# If neither name nor unit tells a kind, another kind must fit better by this factor.
_BETTER = 1.1


def kind_by_name(*names):
    """Return the kind of a plane from its names, and whether the name is exactly ERR or WHT.

    Parameters
    ----------
    *names : str
        Name of the extension, stem of the file name; the first that tells the kind counts.

    Returns
    -------
    kind : str or None
        One of `KINDS`, ``"other"`` for a plane without errors, or None if no name tells.
    plain : bool
        Whether the name is ERR or WHT.
    """
    for name in names:
        words = re.split(r"[^A-Z0-9]+", name.upper())
        words = [word for word in (w.removesuffix("MAP") for w in words) if word in _WORDS]
        if words:
            kind = _WORDS[words[-1]]
            if kind == "variance" and re.search(r"INV", name.upper()):
                kind = "weight"
            return kind, words[-1] in _PLAIN
    return None, False


def power_of_unit(text, image_unit):
    """Return the power of the image's unit, 1, 2 or -2, that a plane's BUNIT is equivalent to.

    None if there is no such power.
    """
    unit, own = parse_unit(text), parse_unit(image_unit)
    if None in (unit, own) or u.dimensionless_unscaled in (unit, own):
        return None
    for power in POWERS:
        try:
            if unit.is_equivalent(own**power):
                return power
        except (ValueError, TypeError, AttributeError):  # a logarithm has no powers
            return None
    return None


def unit_ratio(text, image_unit, power):
    """Return the unit of the errors over that of the image, for a power of `power_of_unit`."""
    return float((parse_unit(text) ** (1 / power)).to(parse_unit(image_unit)))


def to_sigma(values, kind):
    """Return 1-sigma errors, float64, NaN where they are not finite and above 0.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Values of the error plane.
    kind : str
        Their kind, one of `KINDS`.
    """
    values = np.asarray(values, dtype=np.float64)
    with np.errstate(all="ignore"):
        sigma = {"sigma": values, "variance": np.sqrt(values), "weight": 1 / np.sqrt(values)}[kind]
        good = np.isfinite(values) & (values > 0) & (sigma > 0) & (sigma < HUGE)
    return np.where(good, sigma, np.nan)


def scatter_ratios(data, values, scale=None):
    """Return the scatter of the sky over the errors, for each kind that the errors may be.

    Parameters
    ----------
    data, values : `~numpy.ndarray`, same shape
        Sample of the image, NaN = no data, and of the error plane.
    scale : dict of str to float, optional
        Kind -> unit of the errors over that of the image.

    Returns
    -------
    dict of str to float
        Empty if there is too little sky, or no scatter.
    """
    found = {}
    for kind in KINDS:
        sigma = to_sigma(values, kind) * (scale or {}).get(kind, 1.0)
        good = np.isfinite(data) & np.isfinite(sigma)
        if good.sum() < _MIN_PIXELS:
            return {}
        level = np.median(data[good])
        scaled = (data[good] - level) / sigma[good]
        found[kind] = robust_rms(scaled)
    return found if all(0 < value < np.inf for value in found.values()) else {}


def decide_kind(named, power, ratios, plain=False):
    """Return the kind of an error plane, one of `KINDS`.

    Parameters
    ----------
    named : str or None
        Kind by the name (`kind_by_name`).
    power : int or None
        Power by the unit (`power_of_unit`).
    ratios : dict
        Scatter of the sky over the errors (`scatter_ratios`).
    plain : bool, optional
        Whether the name is ERR or WHT. If true, the errors are not compared with the scatter of
        the sky, which may be very different in real mosaics.

    Raises
    ------
    PixsedError
        If these disagree. The caller puts the name of the plane before the message.
    """
    if named == "other":
        raise PixsedError("by its name it holds no errors; give others with --err")
    said = POWERS[power] if power in (2, -2) else None
    kind = said or named or "sigma"
    evidence = [f"its name says {named}"] * bool(named) + [f"BUNIT {said}"] * bool(said)
    clear = not (named and said and named != said)
    if ratios and not plain:
        off = {key: abs(np.log(value)) for key, value in ratios.items()}
        best = min(off, key=off.get)
        limit = np.log(_OFF[kind])
        if power == 1 and kind != "sigma":
            limit = np.log(_FITS)  # BUNIT is a copy of the image's, or the name is wrong
        elif named is None and power is None:
            limit = off[best] + np.log(_BETTER)
        if best != kind and off[kind] > limit and off[best] < np.log(_FITS):
            evidence.append(f"the scatter of the sky {best}")
            clear = False
    if not clear:
        raise PixsedError(
            f"the kind of its values is not clear ({', '.join(evidence)}); give it with --err-kind "
            "sigma, variance or weight"
        )
    return kind
