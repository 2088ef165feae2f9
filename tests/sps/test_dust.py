import numpy as np
import pytest
from astropy import units as u

from pixsed.errors import PixsedError
from pixsed.sps.dust import ATTENUATION, attenuation_law, calzetti, charlot_fall, salim, smc


def test_unity_in_v():
    assert calzetti(5500.0) == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize(
    "micron, k",
    # Calzetti+00, equation 4, worked out by hand.
    [
        (0.15, 10.33),
        (0.22, 8.40),
        (0.44, 5.06),
        (0.55, 4.05),
        (0.70, 3.06),
        (1.25, 1.33),
        (2.2, 0.37),
    ],
)
def test_published_values(micron, k):
    assert 4.05 * calzetti(micron * 1e4) == pytest.approx(k, abs=0.04)


def test_monotone_and_never_negative():
    curve = calzetti(np.geomspace(100, 1e7, 20000))
    # The two published pieces differ by 0.7 % where they meet, at 6300 Angstrom.
    assert np.all(np.diff(curve) <= 7e-3) and curve.min() == 0
    assert calzetti(3.2e4) == 0


def test_continuous_at_the_joints():
    for joint in (1200.0, 6300.0):
        low, high = calzetti(np.array([joint * (1 - 1e-9), joint * (1 + 1e-9)]))
        assert low == pytest.approx(high, rel=0.008)
    assert calzetti(600.0) / calzetti(1200.0 * (1 - 1e-12)) == pytest.approx(2**0.77)


@pytest.mark.parametrize(
    "micron, ratio",
    # Gordon+03, table 4, SMC Bar: the observed average curve, good to some per cent.
    [
        (0.1159, 6.992),
        (0.1231, 6.297),
        (0.1311, 5.795),
        (0.1404, 5.272),
        (0.1509, 4.776),
        (0.1633, 4.243),
        (0.1778, 3.866),
        (0.1951, 3.489),
        (0.2162, 3.161),
        (0.2424, 2.661),
        (0.2759, 2.220),
        (0.2963, 2.000),
        (0.37, 1.672),
        (0.44, 1.374),
        (0.55, 1.0),
        (0.65, 0.801),
        (0.81, 0.567),
        (1.65, 0.169),
    ],
)
def test_smc_published_values(micron, ratio):
    assert smc(micron * 1e4) == pytest.approx(ratio, rel=0.06)


def test_smc_against_another_implementation():
    averages = pytest.importorskip("dust_extinction.averages", reason="needs dust_extinction")
    x = np.linspace(0.31, 9.99, 3000)
    found, expected = smc(1e4 / x), averages.G03_SMCBar()(x / u.micron)
    np.testing.assert_allclose(found[x > 3.71], expected[x > 3.71], rtol=1e-6)
    # Their spline has no point at infinite wavelength.
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_smc_everywhere():
    wave = np.geomspace(90, 1e7, 5000)
    curve = smc(wave)
    assert np.all(curve >= 0) and np.all(np.diff(curve) <= 1e-9)
    assert smc(500.0) == smc(912.0) and smc(1e6) < 2e-3
    joint = 2700.0
    assert smc(joint * (1 - 1e-7)) == pytest.approx(smc(joint * (1 + 1e-7)), rel=1e-5)


def test_charlot_fall():
    """Charlot & Fall, equation 3: slope -0.7, and 0.3 of the depth in the diffuse medium."""
    wave = np.array([1500.0, 5500.0, 22000.0])
    np.testing.assert_allclose(charlot_fall(wave), [2.4831, 1.0, 0.3789], rtol=1e-4)
    assert ATTENUATION["charlot-fall"].young == pytest.approx(1 / 0.3)


def test_names():
    assert attenuation_law("calzetti").curve is calzetti
    birth_clouds = {name: law.has_birth_clouds for name, law in ATTENUATION.items()}
    assert birth_clouds == {"calzetti": False, "charlot-fall": True, "smc": False, "salim": True}
    with pytest.raises(PixsedError, match="one of calzetti, charlot-fall, smc, salim, got 'mw'"):
        attenuation_law("mw")


def test_salim_is_calzetti_without_slope_and_bump():
    wave = np.geomspace(500.0, 30000.0, 200)
    found = salim(wave, np.zeros(1), np.zeros(1))[0]
    np.testing.assert_allclose(found, calzetti(wave), rtol=1e-12)


def test_salim_published_values():
    """Salim+18, equations 2 to 4: the ratio R_V, and B in units of A(2175) / E(B - V)."""
    wave = np.array([2175.0, 5500.0, 4400.0])
    slope = np.array([-0.2, -0.2])
    plain, bumpy = salim(wave, slope, np.array([0.0, 3.0]))
    assert plain[1] == pytest.approx(1.0, abs=2e-3)
    ratio = 4.05 / (5.05 * (4400 / 5500) ** -0.2 - 4.05)
    assert (bumpy - plain)[0] == pytest.approx(3.0 / ratio, rel=1e-6)
    # E(B - V) / A_V is 1 / R_V by construction.
    assert plain[2] - plain[1] == pytest.approx(1 / ratio, rel=0.02)
