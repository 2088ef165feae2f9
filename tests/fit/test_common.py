"""Common fraction of the variance of pixels."""

from types import SimpleNamespace

import numpy as np

from pixsed.fit.common import DEFAULT, common_fractions


def fake(**calibration):
    return SimpleNamespace(metadata={"calibration": calibration}, base_dim=4)


def test_the_default_without_a_table():
    found = common_fractions(fake(), np.array([DEFAULT["snr"][1], 1e9, np.nan]))
    assert found.shape == (3, 4)
    mass, rate = (DEFAULT[name] for name in ("LOGMSTAR", "LOGSFR"))
    np.testing.assert_allclose(found[0], [mass[1], mass[1], rate[1], rate[1]])
    np.testing.assert_allclose(found[1, [0, 3]], [mass[-1], rate[-1]])
    np.testing.assert_allclose(found[2, [0, 3]], [mass[0], rate[0]])
