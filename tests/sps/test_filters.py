import sys

import numpy as np
import pytest

from pixsed.bands import BANDS
from pixsed.errors import PixsedError
from pixsed.sps.filters import cumulative_average, load_curve, transmission_matrix


def test_average_of_a_linear_function_is_exact():
    x = np.sort(np.random.default_rng(0).uniform(0, 10, 30))
    x[0], x[-1] = 0, 10
    edges = np.array([0.0, 0.1, 0.11, 3.0, 3.7, 9.9, 10.0])
    found = cumulative_average(x, np.stack([2 + 3 * x, 5 - x]), edges)
    middle = 0.5 * (edges[1:] + edges[:-1])
    np.testing.assert_allclose(found, [2 + 3 * middle, 5 - middle], rtol=1e-12)


def test_average_of_pieces_conserves_flux():
    rng = np.random.default_rng(2)
    x, y = np.cumsum(rng.random(50)), rng.random(50)
    edges = np.linspace(x[0] - 3, x[-1] + 3, 17)
    found = cumulative_average(x, y, edges)
    assert (found * np.diff(edges)).sum() == pytest.approx(np.trapezoid(y, x), rel=1e-12)
    assert cumulative_average(x, y, np.array([-9.0, -8.0])) == [0]


@pytest.fixture
def curves():
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")


def test_pivot_wavelengths(curves):
    for band in BANDS:
        wave, transmission = load_curve(band.name)
        pivot = np.sqrt(
            np.trapezoid(transmission * wave, wave) / np.trapezoid(transmission / wave, wave)
        )
        assert pivot / 1e4 == pytest.approx(band.pivot_um, rel=1e-3), band.name


def test_columns_add_up_to_one(curves):
    names = [band.name for band in BANDS]
    matrix = transmission_matrix(names, np.arange(np.log(2200), np.log(100000), 0.002))
    np.testing.assert_allclose(matrix.sum(axis=0), 1, rtol=1e-12)
    # A flat f_nu has the same AB magnitude in every band, a power law that of its integral.
    centre = np.exp(np.arange(np.log(2200), np.log(100000), 0.002)[:-1] + 0.001)
    for column, name in zip(matrix.T, names, strict=True):
        wave, transmission = load_curve(name)
        expected = np.trapezoid(transmission, wave) / np.trapezoid(transmission / wave, wave)
        assert column @ centre == pytest.approx(expected, rel=1e-4)


def test_unknown_band():
    with pytest.raises(PixsedError, match="no filter curve of F999W"):
        load_curve("F999W")


def test_without_sedpy(monkeypatch):
    load_curve.cache_clear()
    monkeypatch.setitem(sys.modules, "sedpy.observate", None)
    monkeypatch.setitem(sys.modules, "sedpy", None)
    with pytest.raises(PixsedError, match="astro-sedpy, which is not installed"):
        load_curve("F444W")
