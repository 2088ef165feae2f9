import importlib.util
import sys

import numpy as np
import pytest
from scipy.integrate import quad

from pixsed.errors import PixsedError
from pixsed.sps import bc03
from pixsed.sps.igm import IGM, inoue14, madau95, transmission_table

WAVE = np.arange(300.25, 1300.0, 1.5)


@pytest.fixture(scope="module")
def reference(bc03_grid):
    """Module with another implementation of the coefficients, loaded without its package."""
    path = bc03.grid_folder().parent / "making" / "igm_inoue2014.py"
    if not path.is_file():
        pytest.skip("bagpipes has no igm_inoue2014.py here")
    spec = importlib.util.spec_from_file_location("igm_inoue2014", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "bagpipes" not in sys.modules
    return module.get_Inoue14_trans


@pytest.mark.parametrize("z", [0.3, 1.0, 1.5, 1.999, 2.5, 3.7, 4.69, 4.8, 6.0, 7.5])
def test_against_another_implementation(reference, z):
    # Its optical depth may fall below zero by rounding of the published coefficients.
    expected = np.minimum(reference(WAVE, z), 1.0)
    np.testing.assert_allclose(inoue14(WAVE, z), expected, atol=1e-10)


@pytest.mark.parametrize("z", [0.1, 3.0, 7.0])
@pytest.mark.parametrize("law", [inoue14, madau95])
def test_limits(law, z):
    found = law(WAVE, z)
    assert np.all(found[WAVE >= 1215.67] == 1)
    assert found.min() >= 0 and found.max() <= 1


def test_lyman_alpha_forest_by_hand():
    """Between Ly-beta and Ly-alpha only Ly-alpha absorbs: equations 21 and 22."""
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


def test_forest_darkens_with_redshift():
    mean = [inoue14(np.linspace(1040, 1180, 200), z).mean() for z in (0.5, 2, 3, 4, 5, 6, 7)]
    assert np.all(np.diff(mean) < 0) and mean[-1] < 0.02 and mean[0] > 0.95


#: Lyman series of FSPS's version of Madau (1995).
MADAU = {
    1215.67: 3.6e-3,
    1025.72: 1.7e-3,
    972.537: 1.1846e-3,
    949.743: 9.410e-4,
    937.803: 7.960e-4,
    930.748: 6.967e-4,
    926.226: 6.236e-4,
    923.150: 5.665e-4,
    920.963: 5.200e-4,
    919.352: 4.817e-4,
    918.129: 4.487e-4,
    917.181: 4.200e-4,
    916.429: 3.947e-4,
    915.824: 3.72e-4,
    915.329: 3.52e-4,
    914.919: 3.334e-4,
    914.576: 3.1644e-4,
}


def madau_lines(wave, z):
    """Equations 12 and 15 of Madau (1995): lines, and metals with Lyman alpha."""
    observed = wave * (1 + z)
    depth = sum(a * (observed / line) ** 3.46 for line, a in MADAU.items() if wave < line)
    return depth + (0.0017 * (observed / 1215.67) ** 1.68 if wave < 1215.67 else 0.0)


@pytest.mark.parametrize("wave", [1230.0, 1100.0, 1000.0, 930.0, 912.5])
def test_madau_lines(wave):
    found = madau95(np.array([wave]), 3.5)[0]
    assert found == pytest.approx(np.exp(-madau_lines(wave, 3.5)), rel=1e-6)


@pytest.mark.parametrize("z, wave", [(3.5, 905.0), (3.5, 890.0), (3.5, 800.0), (2.0, 850.0)])
def test_madau_continuum(z, wave):
    """Footnote 3 written out; and equation 16's integral over absorbers, some 5 % above it."""
    found = -np.log(madau95(np.array([wave]), z)[0]) - madau_lines(wave, z)
    c, e = wave * (1 + z) / 911.75, 1 + z
    forest = 0.25 * c**3 * (e**0.46 - c**0.46)
    written = (
        forest
        + 9.4 * c**1.5 * (e**0.18 - c**0.18)
        - 0.7 * c**3 * (c**-1.32 - e**-1.32)
        - 0.023 * (e**1.68 - c**1.68)
    )
    assert found == pytest.approx(written, rel=1e-6)
    column = np.logspace(17.2, 20, 4000)  # Lyman-limit systems

    def absorbers(x):
        covered = 1 - np.exp(-column * 6.3e-18 * (c / x) ** 3)
        return np.trapezoid(1.9e8 * column**-1.5 * x**0.68 * covered, column)

    whole = forest + quad(absorbers, c, e, epsrel=1e-5)[0]
    assert found == pytest.approx(whole, rel=0.06)


@pytest.mark.parametrize("name", ["inoue14", "madau95"])
def test_table_against_the_formula_at_every_wavelength(name):
    step, cells, n = 0.002, 400, 1100
    edges = np.log(1215.67) + step * (np.arange(cells + 1) - cells + 0.4)
    table = transmission_table(name, edges, n)
    assert table.shape == (n, cells) and table.dtype == np.float32
    fine = np.exp(edges[:-1, None] + step * np.arange(8) / 8)
    for i in (1, 200, 393, 871, 1099):  # z = 2.2 and 4.7 lie between
        expected = IGM[name](fine.ravel(), np.expm1(i * step)).reshape(fine.shape).mean(axis=1)
        np.testing.assert_allclose(table[i], expected, atol=1e-6)


def test_no_absorption():
    assert np.all(IGM["none"](WAVE, 5.0) == 1)
    assert np.all(transmission_table("none", np.linspace(6, 7, 11), 3) == 1)
    with pytest.raises(PixsedError, match="igm must be one of inoue14, madau95, none"):
        transmission_table("other", np.linspace(6, 7, 11), 3)
