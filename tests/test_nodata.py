"""Values that are not measurements; tests/fit/test_no_information.py tests fits."""

import numpy as np
import pytest

from pixsed.errors import PixsedWarning
from pixsed.nodata import count_codes, usable, warn_of_codes

# A galaxy of S/N 20 in six bands, nJy.
FLUX = np.array([300.0, 400, 500, 800, 900, 1000])
ERR = FLUX / 20

# Flux and error of the first band, and the code of the reason; 0 gives no warning.
MISSING = [
    (np.nan, 10, 0),
    (300, np.nan, 0),
    (np.nan, np.nan, 0),
    (300, np.inf, 0),
    (0, np.inf, 0),
    (0, 0, 1),
    (300, 0, 1),
    (-99, -99, 1),
    (-1, -1, 1),
    (300, -99, 1),
    (-9999, -9999, 1),
    (99, -99, 1),
    (300, -1e-9, 1),
    (-99, 0, 1),
    (0, 2e3, 2),
    (0, 1e4, 2),
    (0, 3e4, 2),
    (0, 1e5, 2),
    (300, 1e5, 2),
    (-300, 1e6, 2),
    (0, 9.9e9, 2),
    (0, 1e30, 2),
    (0, 9.9e99, 2),
    (300, 1e30, 2),
    (1e30, 1e30, 2),
    (-99, 0.1, 3),
    (-99, 5, 3),
    (-999, 60, 3),
    (-99, 30, 3),
    (-1000, 10, 3),
    (99, 99, 3),
    (999, 999, 3),
    (-99, 99, 3),
    (9999, 9999, 3),
    (99e3, 99e3, 3),
    (9.9e-4, 9.9e-4, 3),
    (1e30, 1, 3),
    (9.9e99, 1, 3),
    (-1e30, 1, 3),
    (np.inf, 10, 3),
]
# Deep and shallow non-detections, and negative fluxes that noise makes.
DATA = [
    (0, 0.1),
    (0, 1),
    (0, 15),
    (1, 10),
    (-1, 3),
    (-5, 1),
    (-9, 1),
    (0, 500),
    (-200, 300),
    (300, 200),
    (1e5, 5e3),
    (9, 9),
    (50, 50),
    (-99, 50),
    (-99, 80),
    (1, 1),
]


def photometry(flux, err):
    table = np.array([FLUX, ERR])
    table[:, 0] = flux, err
    return table[:, :, None]


@pytest.mark.parametrize("dtype", ["f8", "f4", ">f4"])
@pytest.mark.parametrize(("flux", "err", "why"), MISSING)
def test_missing(flux, err, why, dtype):
    with np.errstate(over="ignore"):
        given = photometry(flux, err).astype(dtype)
    if dtype != "f8" and np.isinf(given[1, 0, 0]):
        why = 0  # unchanged
    f, e, _, code = usable(*given)
    assert np.isnan(f[0]) and np.isnan(e[0])
    np.testing.assert_array_equal(code[:, 0], [why, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(f[1:, 0], FLUX[1:])
    np.testing.assert_allclose(e[1:, 0], ERR[1:])
    assert f.dtype == e.dtype == np.float32


@pytest.mark.parametrize(("flux", "err"), DATA)
def test_data(flux, err):
    f, e, _, code = usable(*photometry(flux, err))
    assert (f[0, 0], e[0, 0]) == (np.float32(flux), np.float32(err))
    assert not code.any()


@pytest.mark.parametrize("size", [1e4, 1e9, 1e30])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_several_bands_of_no_information(size, count):
    """Bands are not compared with bands of the same or a larger error."""
    flux, err = FLUX[:, None].copy(), ERR[:, None].copy()
    flux[:count], err[:count, 0] = 0, size * 2.0 ** np.arange(count)
    f, _, _, code = usable(flux, err)
    assert np.isnan(f[:count]).all() and (f[count:] == flux[count:]).all()
    assert (code[:count] == 2).all()


def test_a_detection_in_a_shallow_band_is_kept():
    """A red galaxy is detected only in F444W, which has 20 times the error of the other bands."""
    flux, err = np.array([[0.1], [-0.2], [0.0], [200.0]]), np.array([[0.3], [0.3], [0.3], [10.0]])
    assert np.isfinite(usable(flux, err)[0]).all()
    flux[3] = 12.0  # S/N 1.2, where every other band is below 2 nJy
    assert np.isnan(usable(flux, err)[0][3])


def test_faint_pixels_of_normal_depths_keep_every_band():
    """S/N about 1 to 5, and bands with up to twenty times the depth of others."""
    from pixsed.bands import BANDS

    # Channels of IRAC are shallower, and are fitted in catalogues only.
    depth = np.array([band.depth for band in BANDS if band.instrument != "IRAC"])[:, None]
    rng = np.random.default_rng(1)
    sed = np.linspace(0.2, 1, len(depth))[:, None] * rng.uniform(0.2, 2, 5000)
    flux = sed + depth * rng.normal(size=(len(depth), 5000))
    missing = np.isnan(usable(flux, np.broadcast_to(depth, flux.shape))[0])
    assert missing.mean() < 1e-3


def test_an_error_floor_is_beside_the_bare_errors():
    f, e, bare, _ = usable(*photometry(300, 15), error_floor=0.1)
    np.testing.assert_allclose(bare[:, 0], ERR)
    np.testing.assert_allclose(e[:, 0], np.hypot(ERR, 0.1 * FLUX), rtol=1e-6)


def test_one_warning_counts_by_band_and_reason():
    code = np.zeros((2, 5), np.uint8)
    code[0, :3], code[1, 3:] = 1, 3
    counts = count_codes(code, ["F115W", "F444W"])
    assert counts == {"F115W:1": 3, "F444W:3": 2}
    assert count_codes(code, ["F115W", "F444W"], np.arange(5) > 3) == {"F444W:3": 1}
    text = r"t.fits: bands taken as missing .* 0 or less \(F115W 3 rows\); .* has \(F444W 2 rows\)"
    with pytest.warns(PixsedWarning, match=text) as caught:
        warn_of_codes(counts, "t.fits", "rows")
    assert len(caught) == 1
    warn_of_codes({}, "t.fits", "rows")
