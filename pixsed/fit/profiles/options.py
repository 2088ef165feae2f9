"""Options of a radial profile: centre, shape and radii of the annuli."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixsed.checks import check_choice, check_numbers, plain_number
from pixsed.errors import PixsedError

#: Units of radii.
UNITS = ("arcsec", "kpc", "reff", "psf")
#: Ways of finding the centre.
CENTRES = ("mass", "light")
#: Definitions of the effective radius.
EFFECTIVE = ("light", "mass")
_RANGES: dict[str, dict[str, Any]] = {
    "axis_ratio": {"above": 0, "most": 1},
    "pa": {},
    "width": {"above": 0},
    "psf_fwhm": {"above": 0},
}


@dataclass(frozen=True)
class ProfileOptions:
    """Options of `pixsed.profile`: centre, shape and radii of the annuli.

    Parameters
    ----------
    centre : {"mass", "light"} or (float, float), optional
        The most massive pixel of the map of medians, the centroid of the light of the segment, or
        RA and Dec in degrees.
    axis_ratio : float, optional
        Minor over major axis. By default it is measured on the light of the segment, as
        `photutils.segmentation.SourceCatalog` does, and so is `pa`.
    pa : float, optional
        Position angle of the major axis in degrees, east of north.
    radii : sequence of float, optional
        Semi-major axes of the edges of the annuli, ascending, in `unit`.
    width : float, optional
        Width of annuli from the centre on, in `unit`, in place of `radii`. By default two pixels.
        The last annulus is the last one of which at least half is fitted.
    unit : {"arcsec", "kpc", "reff", "psf"}, optional
        Unit of `radii` and `width`; ``reff`` is the effective radius, ``psf`` the FWHM of the PSF.
    reff : {"light", "mass"} or float, optional
        Effective radius, a semi-major axis: that of the ellipse with half of the light of the
        segment in the reference bands, or half of the mass of the fitted pixels, or a value in
        arcsec.
    psf_fwhm : float, optional
        FWHM of the PSF in arcsec; by default PSFFWHM in the header of the cube's file, if it has
        one.
    normalise : bool, optional
        Add columns relative to the pixel at the centre, draw by draw.

    Raises
    ------
    PixsedError
        If a value is out of range, or both `radii` and `width` are given.

    Examples
    --------
    >>> from pixsed.fit.profiles.options import ProfileOptions
    >>> ProfileOptions(radii=(0, 0.5, 1), unit="reff").radii
    (0.0, 0.5, 1.0)
    """

    centre: str | tuple[float, float] = "mass"
    axis_ratio: float | None = None
    pa: float | None = None
    radii: Sequence[float] | None = None
    width: float | None = None
    unit: str = "arcsec"
    reff: str | float = "light"
    psf_fwhm: float | None = None
    normalise: bool = False

    def __post_init__(self) -> None:
        check_numbers(self, _RANGES)
        check_choice("unit", self.unit, UNITS)
        if self.radii is not None and self.width is not None:
            raise PixsedError("radii and width cannot both be given; give one of them")
        object.__setattr__(self, "centre", _checked_centre(self.centre))
        object.__setattr__(self, "radii", _checked_radii(self.radii))
        object.__setattr__(self, "reff", _checked_reff(self.reff))
        object.__setattr__(self, "normalise", bool(self.normalise))


def _checked_centre(centre):
    if isinstance(centre, str):
        check_choice("centre", centre, CENTRES)
        return centre
    try:
        ra, dec = (float(value) for value in centre)
    except (TypeError, ValueError):
        raise PixsedError(
            f"centre must be 'mass', 'light', or RA and Dec in degrees, got {centre!r}"
        ) from None
    return ra, dec


def _checked_radii(radii):
    if radii is None:
        return None
    try:
        values = tuple(float(value) for value in radii)
    except (TypeError, ValueError):
        raise PixsedError(f"radii must be a sequence of numbers, got {radii!r}") from None
    good = len(values) > 1 and np.isfinite(values).all() and values[0] >= 0
    if not (good and (np.diff(values) > 0).all()):
        shown = ", ".join(f"{value:g}" for value in values)
        raise PixsedError(
            f"radii must be two or more ascending edges, from 0 on, got {shown}; try 0,0.1,0.2"
        )
    return values


def _checked_reff(reff):
    if isinstance(reff, str):
        check_choice("reff", reff, EFFECTIVE)
        return reff
    value = plain_number("reff", reff)
    if value is None or not (np.isfinite(value) and value > 0):
        raise PixsedError(f"reff must be 'light', 'mass', or a radius above 0 arcsec, got {reff!r}")
    return float(value)
