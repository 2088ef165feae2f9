"""Simulated populations in batches: the same rows for the same seed, whatever does the work."""

from dataclasses import fields
from functools import partial
from hashlib import sha256

import numpy as np

from pixsed.parallel import run_tasks
from pixsed.simulate.priors import PRIORS
from pixsed.sps.filters import load_curve

#: Rows that share one stream of random numbers; part of what a seed means.
BATCH = 50_000


def row_dtype(prior, bands):
    """Return the layout of a row of simulations, big-endian as in the file.

    Parameters
    ----------
    prior : str
        A name in `pixsed.simulate.priors.PRIORS`.
    bands : sequence of str

    Returns
    -------
    `~numpy.dtype`
        A float64 field a column of the prior, then UNIT (float64, a coordinate an element)
        and FLUX (float32, a band an element).
    """
    prior = PRIORS[prior]
    columns = [(name, ">f8") for name in prior.columns()]
    vectors = [("UNIT", ">f8", (len(prior.COORDINATES),)), ("FLUX", ">f4", (len(bands),))]
    return np.dtype(columns + vectors)


def ssp_digest(ssp):
    """Return the SHA-256 of an `~pixsed.sps.ssp.SSPGrid`'s numbers and cards.

    Its first 32 characters, which a header card holds beside a comment.
    Two files of the same grid, made at different times, give the same.
    """
    digest = sha256()
    for field in fields(ssp):
        value = getattr(ssp, field.name)
        if isinstance(value, np.ndarray):
            # Read from a file or just built, a grid is the same.
            value = np.ascontiguousarray(value, dtype=np.float32)
            digest.update(f"{field.name} {value.shape}".encode())
            digest.update(value)
        else:
            digest.update(f"{field.name} {sorted(value.items())}".encode())
    return digest.hexdigest()[:32]


class BatchMaker:
    """What makes batches: a prior and a model of photometry.

    Parameters
    ----------
    ssp : `~pixsed.sps.ssp.SSPGrid`
    prior : str
        A name in `pixsed.simulate.priors.PRIORS`.
    bands : sequence of str
    attenuation, igm, curves : optional
        As `~pixsed.sps.photometry.PhotometryModel` takes them.
    """

    def __init__(self, ssp, prior, bands, *, attenuation="calzetti", igm="inoue14", curves=None):
        from pixsed.sps.photometry import PhotometryModel

        self.dtype = row_dtype(prior, bands)
        self.prior = PRIORS[prior]()
        self.model = PhotometryModel(
            ssp,
            bands,
            z_max=self.prior.Z_RANGE[1] + 0.1,
            av_max=self.prior.AV_MAX,
            attenuation=attenuation,
            igm=igm,
            curves=curves,
        )

    def make(self, seed, number, rows, batch=BATCH):
        """Return the first `rows` of batch `number`, a structured array of `row_dtype`.

        Its random numbers depend on `seed`, `number` and `batch` alone.
        """
        rng = np.random.Generator(
            np.random.Philox(np.random.SeedSequence(seed, spawn_key=(number,)))
        )
        z, unit = self.prior.draw(batch, rng)
        z, unit = z[:rows], unit[:rows]
        history = self.prior.history(z, unit)
        weights = history.weights(self.model.ssp.age_edges)
        values = self.prior.values(z, unit)
        fluxes = self.model.fluxes(z, weights, values["METAL"], values["AV"])
        surviving = self.model.surviving(weights, values["METAL"])
        columns = self.prior.parameters(z, unit, history, surviving)
        fluxes *= 10.0 ** columns["LOGMFORM"][:, None]
        result = np.empty(rows, dtype=self.dtype)
        for name, values in (columns | {"UNIT": unit, "FLUX": fluxes}).items():
            result[name] = values
        return result


def _make(maker, task):
    return maker.make(*task)


def simulate(
    ssp,
    prior,
    bands,
    n,
    *,
    seed=42,
    jobs=1,
    scheduler=None,
    start=0,
    batch=BATCH,
    attenuation="calzetti",
    igm="inoue14",
):
    """Yield batches of simulated populations, in order.

    Parameters
    ----------
    ssp : `~pixsed.sps.ssp.SSPGrid`
    prior : str
        A name in `pixsed.simulate.priors.PRIORS`.
    bands : sequence of str
    n : int
        Populations in all.
    seed : int, optional
    jobs : int, optional
        Processes.
    scheduler : str, optional
        Address of a Dask scheduler, in place of `jobs`.
    start : int, optional
        Populations to leave out at the beginning, a multiple of `batch`.
    batch : int, optional
        Populations a batch; other values give other rows.
    attenuation, igm : str, optional
        As `~pixsed.sps.photometry.PhotometryModel` takes them.

    Yields
    ------
    `~numpy.ndarray`, shape (rows,)
        Structured, of `row_dtype`: parameters in physical units; UNIT, their cumulative
        prior probabilities; FLUX, noiseless, nJy.

    Notes
    -----
    With ``jobs=1`` numpy works in this process with as many threads as it was imported
    with; one is the fastest, and what other processes use: the last bit of a flux can
    depend on it. `pixsed.cores.one_thread` sets it.
    """
    tasks = [(seed, at // batch, min(batch, n - at), batch) for at in range(start, n, batch)]
    # Read once, here: sedpy's reader takes a quarter of a second for these bands.
    curves = {band: load_curve(band) for band in bands}
    setup = partial(
        BatchMaker, ssp, prior, list(bands), attenuation=attenuation, igm=igm, curves=curves
    )
    yield from run_tasks(_make, tasks, setup=setup, jobs=jobs, scheduler=scheduler)
