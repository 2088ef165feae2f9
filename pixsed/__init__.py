"""Maps of stellar mass, star formation, age, metallicity and dust from telescope images.

The public API is listed below. Each name is imported on first use.

Examples
--------
>>> import pixsed
>>> cube = pixsed.read_cube("531.fits")  # doctest: +SKIP
>>> maps = pixsed.fit_cube(cube, "tau", pixsed.FitOptions(snr_min=3))  # doctest: +SKIP
>>> masses = pixsed.sum_mass(cube, "tau")  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING

from pixsed.errors import PixsedError, PixsedWarning

if TYPE_CHECKING:
    from typing import Any

    from pixsed.fit.cube import fit_cube as fit_cube
    from pixsed.fit.model import load_model as load_model
    from pixsed.fit.options import FitOptions as FitOptions
    from pixsed.fit.profiles.options import ProfileOptions as ProfileOptions
    from pixsed.fit.profiles.profile import profile as profile
    from pixsed.fit.sum_mass import sum_mass as sum_mass
    from pixsed.fit.table import fit_table as fit_table
    from pixsed.fit.table_input import TableColumns as TableColumns
    from pixsed.images.background import BackgroundOptions as BackgroundOptions
    from pixsed.images.background import subtract_background as subtract_background
    from pixsed.images.binning.bin_cube import bin_cube as bin_cube
    from pixsed.images.cutout import CutoutOptions as CutoutOptions
    from pixsed.images.cutout import cutout as cutout
    from pixsed.images.psf.match import match_psf as match_psf
    from pixsed.images.psf.match_plan import MatchOptions as MatchOptions
    from pixsed.io.formats.cube import read_cube as read_cube
    from pixsed.io.formats.maps import read_maps as read_maps

__version__ = "0.1.0"

# Public name -> the module that defines it.
_HOMES = {
    "BackgroundOptions": "pixsed.images.background",
    "CutoutOptions": "pixsed.images.cutout",
    "FitOptions": "pixsed.fit.options",
    "MatchOptions": "pixsed.images.psf.match_plan",
    "ProfileOptions": "pixsed.fit.profiles.options",
    "TableColumns": "pixsed.fit.table_input",
    "bin_cube": "pixsed.images.binning.bin_cube",
    "cutout": "pixsed.images.cutout",
    "fit_cube": "pixsed.fit.cube",
    "fit_table": "pixsed.fit.table",
    "load_model": "pixsed.fit.model",
    "match_psf": "pixsed.images.psf.match",
    "profile": "pixsed.fit.profiles.profile",
    "read_cube": "pixsed.io.formats.cube",
    "read_maps": "pixsed.io.formats.maps",
    "subtract_background": "pixsed.images.background",
    "sum_mass": "pixsed.fit.sum_mass",
}

__all__ = [
    "BackgroundOptions",
    "CutoutOptions",
    "FitOptions",
    "MatchOptions",
    "PixsedError",
    "PixsedWarning",
    "ProfileOptions",
    "TableColumns",
    "__version__",
    "bin_cube",
    "cutout",
    "fit_cube",
    "fit_table",
    "load_model",
    "match_psf",
    "profile",
    "read_cube",
    "read_maps",
    "subtract_background",
    "sum_mass",
]


def __getattr__(name: str) -> "Any":
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
