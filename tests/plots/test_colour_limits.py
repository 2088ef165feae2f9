"""Limits of colour scales, and what is said of them."""

import numpy as np
import pytest

from pixsed.plots.colour_limits import colour_limits
from pixsed.plots.labels import LABELS, colours

VALUES = np.linspace(1.0, 2.0, 1001)


@pytest.mark.parametrize(
    ("plane", "settings", "limits", "extend", "note"),
    [
        (VALUES, {}, (1.01, 1.99), "both", "1-99 %"),
        (VALUES, {"from_zero": True}, (0.0, 1.99), "max", "up to 99 %"),
        (VALUES, {"fixed": (0.0, 3.0)}, (0.0, 3.0), "neither", ""),
        (VALUES, {"fixed": (1.5, 3.0)}, (1.5, 3.0), "min", ""),
        (np.full(9, 4.0), {}, (3.5, 4.5), "neither", ""),
        (np.full(9, np.nan), {}, (0.0, 1.0), "neither", ""),
        (np.array([np.nan, *VALUES]), {}, (1.01, 1.99), "both", "1-99 %"),
        (np.repeat([0.0, 1.0], [1, 999]), {}, (0.5, 1.5), "min", "from 1 %"),
    ],
)
def test_limits(plane, settings, limits, extend, note):
    found = colour_limits(plane, **settings)
    assert (found.low, found.high) == pytest.approx(limits)
    assert (found.extend, found.note) == (extend, note)


def test_amounts_have_maps_that_rise_in_lightness():
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    for name in LABELS:
        rgb = matplotlib.colormaps[colours(name)](np.linspace(0, 1, 64))[:, :3]
        luminance = np.where(rgb < 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ (
            np.array([0.2126, 0.7152, 0.0722])
        )
        assert np.all(np.diff(luminance) > -1e-3), name
