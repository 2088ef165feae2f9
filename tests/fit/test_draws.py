import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from scipy.stats import norm

from pixsed.fit.draws import (
    _mix,
    _sobol,
    base_normals,
    global_indices,
    independent_normals,
    key_of_name,
)

Y, X = (a.ravel() for a in np.mgrid[-3:5, 100:108])


def test_shape_type_and_moments():
    for draw in (base_normals, independent_normals):
        found = draw(42, Y, X, 500, 6)
        assert found.shape == (64, 500, 6)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found.mean(axis=(0, 1)), 0, atol=0.025)
        np.testing.assert_allclose(found.std(axis=(0, 1)), 1, atol=0.02)


def test_quasi_random_means_are_steadier():
    quasi = base_normals(1, Y, X, 500, 6).mean(axis=1)
    plain = independent_normals(1, Y, X, 500, 6).mean(axis=1)
    assert quasi.std() < 0.2 * plain.std()


def test_each_pixels_draws_stay_even():
    # Each of 128 equal intervals of an axis has one of 128 points, shifted or not.
    found = norm.cdf(base_normals(1, Y, X, 128, 6))
    cells = np.sort((found * 128).astype(int), axis=1)
    np.testing.assert_array_equal(cells, np.broadcast_to(np.arange(128)[:, None], cells.shape))


def test_draws_depend_on_seed_and_pixel_only():
    for draw in (base_normals, independent_normals):
        whole = draw(42, Y, X, 100, 3)
        np.testing.assert_array_equal(draw(42, Y[9:11], X[9:11], 100, 3), whole[9:11])
        order = np.random.default_rng(0).permutation(len(Y))
        np.testing.assert_array_equal(draw(42, Y[order], X[order], 100, 3), whole[order])
        assert not (draw(43, Y, X, 100, 3) == whole).any(axis=(1, 2)).all()
        assert len(np.unique(whole[:, 0, 0])) == len(Y)


def test_independent_draws_are_uncorrelated_across_pixels():
    found = independent_normals(42, Y, X, 2000, 4)
    for part in (found[:, :, 0], found[:, :, 3]):
        off = np.corrcoef(part) - np.eye(len(Y))
        assert np.abs(off).max() < 5 / np.sqrt(2000)
    # The variance of a sum is the sum of the variances, as the total mass needs.
    assert abs(found.sum(axis=0).var() / len(Y) - 1) < 0.1


def test_indices_of_a_cutout_equal_those_of_the_mosaic():
    mosaic = fits.Header({"CRPIX1": 50.5, "CRPIX2": 12.3})
    y, x = global_indices(mosaic, (30, 60))
    assert len(np.unique(x)) == 60
    for x0, y0 in ((7, 5), (51, 20)):
        cut = fits.Header({"CRPIX1": 50.5 - x0 + 1e-10, "CRPIX2": 12.3 - y0 - 1e-10})
        y2, x2 = global_indices(cut, (5, 6))
        np.testing.assert_array_equal(y2, y[y0 : y0 + 5])
        np.testing.assert_array_equal(x2, x[x0 : x0 + 6])


def test_indices_without_wcs_are_array_indices():
    y, x = global_indices(fits.Header(), (3, 4))
    assert list(y) == [0, 1, 2]
    assert list(x) == [0, 1, 2, 3]


def test_mix_is_splitmix64():
    """The first outputs of splitmix64 for the seed 0, as published."""
    steps = np.array([0, 0x9E3779B97F4A7C15], dtype=np.uint64)
    assert _mix(steps).tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_key_of_name_is_stable():
    assert key_of_name(" 531") == key_of_name("531")
    assert key_of_name("531") != key_of_name("532")
    assert -(2**63) <= key_of_name("a") < 2**63


@pytest.mark.parametrize("dim", [1, 6, 9, 13, 14])
def test_sobol_points_are_those_of_scipy(dim):
    from scipy.stats import qmc

    theirs = qmc.Sobol(dim, scramble=False, bits=30).random_base2(10) * 2**30
    np.testing.assert_array_equal(_sobol(1000, dim), theirs[:1000].astype(np.uint32))


def test_drawing_needs_no_scipy_stats():
    code = "import sys, pixsed.fit.to_file; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
