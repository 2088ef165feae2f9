import numpy as np
import pytest

from pixsed.cosmology import age
from pixsed.simulate import batches
from pixsed.simulate.batches import simulate
from pixsed.simulate.priors import TauPrior
from pixsed.sps.sfh import TauDelayed

BANDS = ["F606W", "F150W", "F444W"]


@pytest.fixture(scope="module")
def path(ssp_file):
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    return ssp_file


def gather(*args, **kwargs):
    columns, unit, flux = zip(*simulate(*args, **kwargs), strict=True)
    joined = {key: np.concatenate([c[key] for c in columns]) for key in columns[0]}
    return joined, np.concatenate(unit), np.concatenate(flux)


@pytest.fixture
def small_batches(monkeypatch):
    """Batches of 80 rows in this process.

    Processes started afresh draw a whole batch of 50 000 and keep the first 80, which are
    the same rows: the property that a test of the jobs needs, tested below.
    """
    monkeypatch.setattr(batches, "BATCH", 80)


def test_rows_do_not_depend_on_jobs(path, small_batches):
    one = gather(path, "tau", BANDS, 200, seed=7, jobs=1)
    two = gather(path, "tau", BANDS, 200, seed=7, jobs=2)
    np.testing.assert_array_equal(one[1], two[1])
    for key in one[0]:
        np.testing.assert_array_equal(one[0][key], two[0][key], key)
    np.testing.assert_allclose(one[2], two[2], rtol=1e-5)
    assert one[2].shape == (200, 3) and len(one[0]["AV"]) == 200


def test_a_longer_run_begins_as_a_shorter_one(path, small_batches):
    short, long = (gather(path, "tau", BANDS, n, seed=7) for n in (100, 170))
    np.testing.assert_array_equal(short[1], long[1][:100])
    np.testing.assert_allclose(short[2], long[2][:100], rtol=1e-4)
    # Batches have streams of their own.
    assert not np.isin(long[1][80:160], long[1][:80]).any()


def test_a_batch_begins_alike_whatever_its_size():
    few, many = (TauPrior().draw(n, np.random.Generator(np.random.Philox(3))) for n in (80, 5000))
    np.testing.assert_array_equal(few[0], many[0][:80])
    np.testing.assert_array_equal(few[1], many[1][:80])


def test_seed(path):
    a, b, c = (gather(path, "tau", BANDS, 40, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(a[2], b[2])
    assert not np.isin(c[1], a[1]).any()


def test_what_is_simulated(path, ssp_grid):
    from pixsed.sps.photometry import PhotometryModel

    columns, unit, flux = gather(path, "tau", BANDS, 60, seed=3)
    z = columns["REDSHIFT"]
    assert flux.dtype == np.float32 and unit.shape == (60, 5)
    history = TauDelayed(columns["TAU"], columns["TSTART"], age(z))
    weights = history.weights(ssp_grid.age_edges)
    model = PhotometryModel(ssp_grid, BANDS, z_max=8.0)
    expected = model.fluxes(z, weights, columns["METAL"], columns["AV"])
    expected *= 10 ** columns["LOGMFORM"][:, None]
    np.testing.assert_allclose(flux, expected, rtol=1e-3)
    share = 10 ** (columns["LOGMSTAR"] - columns["LOGMFORM"])
    np.testing.assert_allclose(share, model.surviving(weights, columns["METAL"]), rtol=1e-5)
    assert share.min() > 0.4 and share.max() <= 1
    np.testing.assert_allclose(columns["LOGSFR"] - columns["LOGMFORM"], history.log_sfr())
