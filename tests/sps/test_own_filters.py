"""Filters of a user's own."""

import json

import numpy as np
import pytest
from astropy.io import fits

from pixsed.bands import BANDS, BY_NAME
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.sps.own_filters import (
    OwnFilter,
    interpolated_depth,
    load_curves,
    read_own_filter,
    with_filters,
)

WAVE = np.linspace(9000.0, 11000.0, 201)
THROUGH = np.exp(-0.5 * ((WAVE - 1e4) / 300.0) ** 2)


@pytest.fixture
def curve(tmp_path):
    path = tmp_path / "hsc y.dat"
    np.savetxt(path, np.column_stack([WAVE, THROUGH]))
    return str(path)


def test_filter(curve, tmp_path):
    own = read_own_filter("hsc_y", curve, 0.3)
    assert (own.name, own.depth, own.source, own.path) == ("HSC_Y", 0.3, "hsc y.dat", curve)
    # The pivot wavelength of a Gaussian of small width s at m: m (1 - s^2 / 2 m^2).
    assert own.pivot_um == pytest.approx(1 - 0.5 * 0.03**2, rel=1e-4)
    np.testing.assert_array_equal(own.curve[0], WAVE)
    # Neither the unit nor the scale of the transmission changes the digest; the shape does.
    other = tmp_path / "other.dat"
    np.savetxt(other, np.column_stack([WAVE / 1e4, 40 * THROUGH]))
    assert read_own_filter("HSC_Y", str(other), 0.3).digest == own.digest
    np.savetxt(other, np.column_stack([WAVE, THROUGH**2]))
    assert read_own_filter("HSC_Y", str(other), 0.3).digest != own.digest


def test_round_trips(curve):
    own = read_own_filter("HSC_Y", curve, 0.3)
    header = fits.Header({"BAND12": "HSC_Y", "BAND1": "F444W"})
    header.update({key: (value, comment) for key, value, comment in own.cards(12)})
    again = OwnFilter.from_header(fits.Header.fromstring(header.tostring()), 12)
    assert again == own and again.curve is None
    assert OwnFilter.from_header(header, 1) is None
    assert json.loads(json.dumps(own.describe()))["sha256"] == own.digest


@pytest.mark.parametrize(
    "name, depth, message",
    [
        ("F444W", 1.0, "--filter F444W=.*: F444W is a band of pixsed; give it another name"),
        ("uvis_f275w", 1.0, "UVIS_F275W is a band of pixsed"),
        ("REDSHIFT", 1.0, "REDSHIFT is a name in pixsed's files; give it another name"),
        ("HSC Y", 1.0, "--filter='HSC Y' must have only letters, digits, _ and -"),
        ("HSC_ERR", 1.0, "--filter='HSC_ERR' must have only letters"),
        ("HSC_Y", 0.0, "--depth HSC_Y must be above 0 nJy, got 0"),
        ("HSC_Y", np.nan, "--depth HSC_Y must be above 0 nJy, got nan"),
    ],
)
def test_names_and_depths_that_are_refused(curve, name, depth, message):
    with pytest.raises(PixsedError, match=message):
        read_own_filter(name, curve, depth)


def test_beyond_the_wavelengths_of_pixsed(tmp_path):
    np.savetxt(tmp_path / "far.dat", np.column_stack([WAVE * 10.4, THROUGH]))
    with pytest.raises(PixsedError, match="FAR must lie between 1900 and 110000 Angstrom, its "):
        read_own_filter("FAR", str(tmp_path / "far.dat"), 1.0)


def test_depth_from_other_bands(curve):
    with pytest.warns(PixsedWarning, match="HSC_Y has no depth: .* nJy is interpolated .*--depth"):
        own = read_own_filter("HSC_Y", curve)
    # Between F850LP and F115W.
    assert BY_NAME["F115W"].depth < own.depth < BY_NAME["F850LP"].depth
    assert interpolated_depth(4.4017) == pytest.approx(BY_NAME["F444W"].depth, rel=0.01)
    assert interpolated_depth(0.2) == BY_NAME["UVIS_F275W"].depth
    assert interpolated_depth(9.9) == BY_NAME["MIRI_F770W"].depth


def test_curves(curve):
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    own = read_own_filter("HSC_Y", curve, 0.3)
    curves = load_curves(["F444W", "HSC_Y"], [own])
    assert list(curves) == ["F444W", "HSC_Y"] and curves["HSC_Y"] is own.curve
    with pytest.raises(PixsedError, match="pixsed has no filter curve of HSC_Y"):
        load_curves(["F444W", "HSC_Y"])


def test_order_of_bands(curve):
    own = read_own_filter("HSC_Y", curve, 0.3)
    names = [band.name for band in BANDS]
    found = with_filters(names, [own])
    place = found.index("HSC_Y")
    assert found[:place] + found[place + 1 :] == names
    assert BY_NAME[found[place - 1]].pivot_um < own.pivot_um < BY_NAME[found[place + 1]].pivot_um
    assert with_filters(["F444W", "HSC_Y", "F090W"], [own]) == ["F444W", "HSC_Y", "F090W"]
    assert with_filters(["F090W"], [own]) == ["F090W", "HSC_Y"]
    redder = OwnFilter("K_S", 2.1, 1.0, "k.dat", "0")
    assert with_filters(["F444W"], [redder, own]) == ["HSC_Y", "K_S", "F444W"]
