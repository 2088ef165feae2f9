"""Positions on the sky, as the command line gives them."""

import click


def sky_position(position, option):
    """Return RA and Dec in degrees.

    Parameters
    ----------
    position : tuple of str
        RA and Dec in degrees, or in hours and degrees with colons or letters.
    option : str
        Name of the option, for messages.

    Raises
    ------
    click.BadParameter
        If they are no position.
    """
    ra, dec = (
        _angle(text, unit, position, option)
        for text, unit in zip(position, ("hourangle", "deg"), strict=True)
    )
    if not -180 <= ra <= 360 or not -90 <= dec <= 90:
        swapped = "; RA comes first, then Dec" if -90 <= ra <= 90 else ""
        raise click.BadParameter(
            f"{' '.join(position)!r} is RA {ra:g}, Dec {dec:g}: they must be within 0 to 360 and "
            f"-90 to 90 degrees{swapped}",
            param_hint=option,
        )
    return ra, dec


def _angle(text, unit, position, option):
    """Return an angle in degrees, given as a number or with colons or letters in `unit`."""
    import math
    import warnings

    try:
        value = float(text)
    except ValueError:
        from astropy.coordinates import Angle

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # astropy warns of 60 seconds
                value = float(Angle(text, unit).deg)
        except (ValueError, TypeError):
            value = math.nan
    if not math.isfinite(value):
        raise click.BadParameter(
            f"{' '.join(position)!r} must be two numbers in degrees, or as 3:32:26 -27:51:34",
            param_hint=option,
        )
    return value
