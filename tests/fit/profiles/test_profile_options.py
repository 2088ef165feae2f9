"""Options of profiles: defaults, conversions and faults."""

import numpy as np
import pytest

from pixsed.errors import PixsedError
from pixsed.fit.profiles.options import ProfileOptions


def test_defaults_and_plain_numbers():
    options = ProfileOptions()
    assert (options.centre, options.unit, options.reff) == ("mass", "arcsec", "light")
    options = ProfileOptions(
        centre=np.array([53.1, -27.8]), axis_ratio=np.float32(0.5), radii=np.arange(3), reff=1
    )
    assert options.centre == (53.1, -27.8) and type(options.axis_ratio) is float
    assert options.radii == (0.0, 1.0, 2.0) and options.reff == 1.0


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"centre": "middle"}, "centre must be one of mass, light, got 'middle'"),
        ({"centre": 5}, "centre must be 'mass', 'light', or RA and Dec in degrees, got 5"),
        ({"centre": (1, 2, 3)}, "or RA and Dec in degrees"),
        ({"centre": (1, "x")}, "or RA and Dec in degrees"),
        ({"axis_ratio": 0}, "axis_ratio must be above 0 and at most 1, got 0"),
        ({"axis_ratio": 1.5}, "axis_ratio must be above 0 and at most 1"),
        ({"pa": np.inf}, "pa must be finite"),
        ({"width": 0}, "width must be above 0"),
        ({"psf_fwhm": -1}, "psf_fwhm must be above 0"),
        ({"unit": "pc"}, "unit must be one of arcsec, kpc, reff, psf, got 'pc'"),
        ({"reff": "flux"}, "reff must be one of light, mass, got 'flux'"),
        ({"reff": 0}, "reff must be 'light', 'mass', or a radius above 0 arcsec, got 0"),
        ({"reff": None}, "or a radius above 0 arcsec, got None"),
        ({"radii": (1,)}, "radii must be two or more ascending edges, from 0 on, got 1;"),
        ({"radii": (0, 2, 1)}, "ascending edges, from 0 on, got 0, 2, 1; try 0,0.1,0.2"),
        ({"radii": (-1, 2)}, "ascending edges"),
        ({"radii": (0, np.nan)}, "ascending edges"),
        ({"radii": 3}, "radii must be a sequence of numbers, got 3"),
        ({"radii": (0, 1), "width": 1}, "radii and width cannot both be given"),
    ],
)
def test_faults(values, match):
    with pytest.raises(PixsedError, match=match):
        ProfileOptions(**values)
