"""Batches of rows, and the summaries of their draws."""

import fakes
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pixsed.errors import PixsedError
from pixsed.fit.cube import fit_cube
from pixsed.fit.draws import base_normals, global_indices
from pixsed.fit.options import FitOptions
from pixsed.fit.posterior import plan_batches, run_batches


def test_quantiles_against_numpy(model):
    cube = fakes.make_cube()
    maps = fit_cube(cube, model, FitOptions(samples=64, quantiles=(0.025, 0.9)))
    assert maps.quantiles == (0.5, 0.025, 0.9)
    row, column = global_indices(cube.header, cube.shape)
    y, x = 10, 12
    flux = np.full((1, 29), np.nan, np.float32)
    err = flux.copy()
    for i, band in enumerate(cube.bands):
        flux[0, model.bands.index(band)] = cube.flux[i, y, x]
        err[0, model.bands.index(band)] = cube.err[i, y, x]
    base = base_normals(42, row[[y]], column[[x]], 64, 6)
    draws, _ = model.sample(flux, err, [2.0], [0.0], base)
    for i, name in enumerate(model.parameters[:7]):
        values = draws[0, :, i].astype(float)
        # The mean of the quantiles around, up to 0.05 away, or a fraction of 0.3 of the way to
        # the end; half a draw at least.
        for q, label, half in ((0.025, "P025", 0.5 / 64), (0.5, "P50", 0.05), (0.9, "P90", 0.03)):
            around = np.linspace(q - half, q + half, 4001)
            expected = np.quantile(values, around, method="hazen").mean()
            np.testing.assert_allclose(
                maps.planes[f"{name}_{label}"][y, x], expected, rtol=1e-5, atol=2e-5 * values.std()
            )
        np.testing.assert_allclose(maps.planes[f"{name}_STD"][y, x], values.std(), rtol=1e-5)


@pytest.mark.parametrize("jobs", [1, 3])
def test_batches_hold_each_row_once_and_errors_get_out(jobs):
    y, x = (a.ravel() for a in np.mgrid[-4:6, 3:20])
    done = []
    found = list(run_batches(lambda rows, keep: rows[keep], y, x, jobs, done.append))
    rows = np.concatenate([rows for rows, _ in found])
    assert_array_equal(np.sort(rows), np.arange(170))
    assert all(np.array_equal(rows, result) for rows, result in found)
    assert sum(done) == 170
    assert len(found) <= 7  # 170 / 32 is 5.3: few places are empty

    def fail(rows, keep):
        raise PixsedError("no")

    with pytest.raises(PixsedError, match="no"):
        list(run_batches(fail, y, x, jobs))


def test_a_pixel_has_its_place_in_a_batch():
    y, x = (a.ravel() for a in np.mgrid[-4:6, 3:20])

    def places(y, x):
        batches = plan_batches(y, x)
        return {
            (y[row], x[row]): i % 16 for batch in batches for i, row in enumerate(batch) if row >= 0
        }

    whole = places(y, x)
    part = np.random.default_rng(0).permutation(170)[:60]
    small = places(y[part], x[part])
    assert len(small) == 60
    assert all(whole[pixel] == place for pixel, place in small.items())
    assert plan_batches(y[:0], x[:0]).shape == (0, 32)
