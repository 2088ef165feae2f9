"""Simulated populations in batches: the same rows for the same seed, whatever the jobs."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from pixsed.simulate.priors import PRIORS

#: Rows that share one stream of random numbers; part of what a seed means.
BATCH = 50_000
_worker = {}


def _start(ssp_path, prior, bands):
    from pixsed.sps.photometry import PhotometryModel
    from pixsed.sps.ssp import read_ssp

    prior = PRIORS[prior]()
    _worker["prior"] = prior
    _worker["model"] = PhotometryModel(read_ssp(ssp_path), bands, z_max=prior.Z_RANGE[1] + 0.5)


def _batch(task):
    seed, number, rows = task
    prior, model = _worker["prior"], _worker["model"]
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(number,))))
    z, unit = prior.draw(BATCH, rng)
    z, unit = z[:rows], unit[:rows]
    history = prior.history(z, unit)
    weights = history.weights(model.ssp.age_edges)
    metal, av = (prior.COORDINATES[i].from_unit(unit[:, i]) for i in (2, 1))
    fluxes = model.fluxes(z, weights, metal, av)
    columns = prior.parameters(z, unit, history, model.surviving(weights, metal))
    fluxes *= 10.0 ** columns["LOGMFORM"][:, None]
    return columns, unit, fluxes.astype(np.float32)


def simulate(ssp_path, prior, bands, n, *, seed=42, jobs=1):
    """Yield batches of simulated populations, in order.

    Parameters
    ----------
    ssp_path : path-like
        An SSP grid, read once in every process.
    prior : str
        A name in `pixsed.simulate.priors.PRIORS`.
    bands : sequence of str
    n : int
        Populations in all.
    seed, jobs : int, optional

    Yields
    ------
    columns : dict of `~numpy.ndarray`, shape (rows,)
        Parameters in physical units.
    unit : `~numpy.ndarray`, shape (rows, D)
        Their cumulative prior probabilities.
    fluxes : `~numpy.ndarray`, shape (rows, B), float32
        Noiseless, nJy.
    """
    tasks = [
        (seed, number, min(BATCH, n - start)) for number, start in enumerate(range(0, n, BATCH))
    ]
    if jobs == 1 or len(tasks) == 1:
        _start(ssp_path, prior, bands)
        yield from map(_batch, tasks)
        return
    with ProcessPoolExecutor(
        min(jobs, len(tasks)), mp_context=get_context("spawn"),
        initializer=_start, initargs=(ssp_path, prior, bands),
    ) as pool:  # fmt: skip
        yield from pool.map(_batch, tasks)
