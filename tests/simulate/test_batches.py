import multiprocessing

import numpy as np
import parallel_tasks
import pytest

from pixsed.cosmology import age
from pixsed.simulate.batches import BatchMaker, grids_of, simulate, ssp_digest
from pixsed.simulate.options import SimulateOptions
from pixsed.simulate.priors import PRIORS, TauPrior
from pixsed.simulate.table import row_dtype
from pixsed.sps.sfh import TauDelayed

BANDS = ["F606W", "F150W", "F444W"]


@pytest.fixture(scope="module")
def grid(ssp_grid):
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    return ssp_grid


def gather(grid, prior, bands, number, *, start=0, **options):
    batches = list(simulate(grid, SimulateOptions(prior, bands, number, **options), start=start))
    return np.concatenate(batches, dtype=batches[0].dtype, casting="no")


@pytest.fixture(scope="module")
def few(grid):
    """Return 170 populations, in batches of 80."""
    return gather(grid, "tau", BANDS, 170, seed=7, batch=80)


def same_rows(found, expected):
    """Compare all bits of rows, except those of fluxes, which numpy's threads can change."""
    for name in set(expected.dtype.names) - {"FLUX"}:
        np.testing.assert_array_equal(found[name], expected[name], name)
    np.testing.assert_allclose(found["FLUX"], expected["FLUX"], rtol=1e-5)


def test_rows_do_not_depend_on_jobs(grid, few):
    two = gather(grid, "tau", BANDS, 170, seed=7, batch=80, jobs=2)
    three = gather(grid, "tau", BANDS, 170, seed=7, batch=80, jobs=3)
    same_rows(two, few)
    # Processes have one thread each.
    assert two.tobytes() == three.tobytes()
    assert not multiprocessing.active_children()


def test_rows_do_not_depend_on_dask(grid, few):
    with parallel_tasks.dask_cluster(2) as address:
        same_rows(gather(grid, "tau", BANDS, 170, seed=7, batch=80, scheduler=address), few)


def test_a_later_start_gives_the_later_rows(grid, few):
    late = gather(grid, "tau", BANDS, 170, seed=7, batch=80, start=80)
    assert late.tobytes() == few[80:].tobytes()
    options = SimulateOptions("tau", BANDS, 160, seed=7, batch=80)
    assert not list(simulate(grid, options, start=160))
    # All rows are done, and the last batch is not whole.
    assert not list(simulate(grid, SimulateOptions("tau", BANDS, 170, batch=80), start=170))


def test_a_longer_run_begins_as_a_shorter_one(grid, few):
    short = gather(grid, "tau", BANDS, 100, seed=7, batch=80)
    same_rows(few[:100], short)
    # Batches have streams of their own.
    assert not np.isin(few["UNIT"][80:160], few["UNIT"][:80]).any()


def test_a_batch_alone(grid, few):
    """The rows of a batch depend on the seed and its number, not on earlier batches."""
    options = SimulateOptions("tau", BANDS, 170, seed=7, batch=80)
    batch = BatchMaker(grids_of([grid], options), options).make(1)
    assert batch.tobytes() == few[80:160].tobytes()


def test_seed(grid):
    a, b, c = (gather(grid, "tau", BANDS, 40, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.isin(c["UNIT"], a["UNIT"]).any()


def test_random_numbers_of_a_batch():
    """The seed and the number of the batch key a Philox generator."""
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(42, spawn_key=(3,))))
    z, unit = TauPrior().draw(5, rng)
    expected = [5.04353964, 6.91235529, 5.83003317, 1.27473953, 4.72492276]
    np.testing.assert_allclose(z, expected, rtol=1e-8)


@pytest.mark.parametrize("prior", PRIORS)
def test_every_prior(grid, prior):
    grids = [grid] * PRIORS[prior].LIBRARIES
    rows = gather(grids, prior, BANDS, 50, seed=3)
    assert rows.dtype == row_dtype(SimulateOptions(prior, BANDS, 50))
    assert rows["FLUX"].shape == (50, 3) and rows["FLUX"].dtype == ">f4"
    for name in rows.dtype.names:
        assert np.isfinite(rows[name]).all(), name
    values = PRIORS[prior]().values(rows["REDSHIFT"].astype(float), rows["UNIT"].astype(float))
    for name in ("METAL", "AV", "LOGMFORM"):
        np.testing.assert_array_equal(rows[name], values[name])
    if prior != "broad":
        assert ((rows["T25"] <= rows["T50"]) & (rows["T50"] <= rows["T75"])).all()


@pytest.mark.parametrize("options", [{}, {"attenuation": "smc", "igm": "none"}])
def test_what_is_simulated(grid, options):
    from pixsed.sps.photometry import PhotometryModel

    rows = gather(grid, "tau", BANDS, 60, seed=3, **options)
    columns = {name: rows[name].astype(float) for name in rows.dtype.names}
    z = columns["REDSHIFT"]
    history = TauDelayed(columns["TAU"], columns["TSTART"], age(z))
    weights = history.weights(grid.age_edges)
    model = PhotometryModel(grid.at_log_u(-2.0), BANDS, z_max=8.0, **options)
    expected = model.fluxes(z, weights, columns["METAL"], columns["AV"])
    expected *= 10 ** columns["LOGMFORM"][:, None]
    np.testing.assert_allclose(rows["FLUX"], expected, rtol=1e-3)
    fraction = 10 ** (columns["LOGMSTAR"] - columns["LOGMFORM"])
    np.testing.assert_allclose(fraction, model.surviving(weights, columns["METAL"]), rtol=1e-5)
    assert fraction.min() > 0.4 and fraction.max() <= 1
    np.testing.assert_allclose(columns["LOGSFR"] - columns["LOGMFORM"], history.log_sfr())


def test_digest_of_a_grid(ssp_grid, ssp_file):
    from dataclasses import replace

    from pixsed.sps.ssp import read_ssp

    read = read_ssp(ssp_file)
    assert ssp_digest(read) == ssp_digest(read_ssp(ssp_file))
    assert len(ssp_digest(read)) == 32
    spectra = read.spectra.copy()
    spectra[3, 20, 1000] *= 1.001
    others = [
        replace(read, spectra=spectra),
        replace(read, meta=read.meta | {"ZINTERP": "linear"}),
        replace(read, remnant=read.remnant * 0.9),
    ]
    assert len({ssp_digest(grid) for grid in (read, *others)}) == 4


def test_unknown_law(grid):
    from pixsed.errors import PixsedError

    for options in ({"attenuation": "grey"}, {"igm": "thick"}):
        with pytest.raises(PixsedError, match="grey|thick"):
            gather(grid, "tau", BANDS, 5, **options)
    with pytest.raises(PixsedError, match="F123X"):
        gather(grid, "tau", ["F123X"], 170, batch=80, jobs=2)
