import numpy as np
import pytest

from pixsed.sps.dust import calzetti


def test_unity_in_v():
    assert calzetti(5500.0) == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize(
    "micron, k",
    # Calzetti+00, equation 4, worked out by hand.
    [(0.15, 10.33), (0.22, 8.40), (0.44, 5.06), (0.55, 4.05), (0.70, 3.06), (1.25, 1.33),
     (2.2, 0.37)],
)  # fmt: skip
def test_published_values(micron, k):
    assert 4.05 * calzetti(micron * 1e4) == pytest.approx(k, abs=0.04)


def test_monotone_and_never_negative():
    curve = calzetti(np.geomspace(100, 1e7, 20000))
    # The two published pieces differ by 0.7 % where they meet, at 6300 Angstrom.
    assert np.all(np.diff(curve) <= 7e-3) and curve.min() == 0
    assert calzetti(3.2e4) == 0


def test_continuous_at_its_joints():
    for joint in (1200.0, 6300.0):
        low, high = calzetti(np.array([joint * (1 - 1e-9), joint * (1 + 1e-9)]))
        assert low == pytest.approx(high, rel=0.008)
    assert calzetti(600.0) / calzetti(1200.0 * (1 - 1e-12)) == pytest.approx(2**0.77)
