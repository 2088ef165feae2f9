"""Checks of the arguments of the public functions and of the options classes."""

import math
import numbers
import os

from pixsed.errors import PixsedError

#: Largest number of posterior draws per pixel: a batch of pixels has to fit in memory.
MAX_SAMPLES = 20_000
#: Largest seed.
MAX_SEED = 2**63 - 1


def is_whole(value):
    """Return whether a value of a header or of JSON is a whole number; True and False are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite(value):
    """Return whether a value of a header or of JSON is a finite number; True and False are not."""
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return real and math.isfinite(value)


def plain_number(name, value, *, whole=False):
    """Return a number as Python's own type; raise if it is not one.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : int, float, numpy scalar, or None
        None is returned unchanged.
    whole : bool, optional
        Accept whole numbers only.

    Raises
    ------
    PixsedError
        If it is not such a number.
    """
    value = value.item() if hasattr(value, "item") and not hasattr(value, "unit") else value
    kind = numbers.Integral if whole else numbers.Real
    if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
        raise PixsedError(f"{name} must be a {'whole ' if whole else ''}number, got {value!r}")
    return value


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
        Refuse infinity too; NaN is always refused.

    Raises
    ------
    PixsedError
        If it is not such a number.
    """
    value = plain_number(name, value, whole=whole)
    if value is None:
        return None
    inside = least <= value <= most and (math.isfinite(value) or not finite)
    if not inside or (above is not None and value <= above):
        text = _range_text(least, most, above) if finite else "a number"
        raise PixsedError(f"{name} must be {text}, got {value!r}")
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


def check_choice(name, value, choices):
    """Raise `PixsedError` if the value of an argument is not one of the choices."""
    if value not in choices:
        raise PixsedError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


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
