"""Checks of the arguments of the public functions and of the options classes."""

import math
import numbers
import os

from pixsed.errors import PixsedError

#: Largest number of posterior draws per pixel.
MAX_SAMPLES = 20_000
#: Largest seed.
MAX_SEED = 2**63 - 1


def check_number(
    name, value, least=-math.inf, most=math.inf, *, whole=False, above=None, finite=True
):
    """Return a number as Python's own type; raise if it is not one in a range.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : int, float, numpy scalar, or None
        None is returned unchanged.
    least, most : float, optional
        Bounds of the range, both included.
    whole : bool, optional
        Accept whole numbers only.
    above : float, optional
        Lower bound that is not included.
    finite : bool, optional
        Refuse infinity and NaN.

    Raises
    ------
    PixsedError
        If it is not such a number.
    """
    if value is None:
        return None
    value = value.item() if hasattr(value, "item") and not hasattr(value, "unit") else value
    kind = numbers.Integral if whole else numbers.Real
    if isinstance(value, bool) or not isinstance(value, kind):
        raise PixsedError(f"{name} must be a {'whole ' if whole else ''}number, got {value!r}")
    if not finite and not math.isfinite(value):
        return value
    inside = math.isfinite(value) and least <= value <= most
    if not inside or (above is not None and value <= above):
        raise PixsedError(f"{name} must be {_range_text(least, most, above)}, got {value!r}")
    return value


def _range_text(least, most, above):
    if above is not None:
        return f"above {above:g}" + (f" and at most {most:g}" if most < math.inf else "")
    if most < math.inf:
        return f"between {least} and {most}"
    return "finite" if least == -math.inf else f"{least} or more"


def check_numbers(options, ranges):
    """Check fields of a frozen dataclass, and replace numpy scalars by Python's numbers.

    Parameters
    ----------
    options : dataclass instance
    ranges : dict of str to dict
        Name of a field -> keyword arguments of `check_number`.
    """
    for name, limits in ranges.items():
        object.__setattr__(options, name, check_number(name, getattr(options, name), **limits))


def check_path(name, value, other=""):
    """Return a path as text.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : str or path-like
    other : str, optional
        What else the argument may be, as ``" or a Cube"``.

    Raises
    ------
    PixsedError
        If it is neither.
    """
    if not isinstance(value, str | os.PathLike):
        raise PixsedError(f"{name} must be a path{other}, got {type(value).__name__}")
    return os.fspath(value)
