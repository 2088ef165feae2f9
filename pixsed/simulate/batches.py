"""Simulated populations in batches; the rows depend on the seed, not on the number of workers."""

from dataclasses import fields
from functools import partial
from hashlib import sha256

import numpy as np

from pixsed.parallel import run_tasks
from pixsed.simulate.priors import PRIORS
from pixsed.simulate.table import row_dtype
from pixsed.sps.own_filters import load_curves


def ssp_digest(ssp):
    """Return a digest of the numbers and cards of an `~pixsed.sps.ssp.SSPGrid`.

    Two files of the same grid, made at different times, have the same digest.

    Returns
    -------
    str
        The first 32 characters of the SHA-256. The whole digest would leave no room for a
        comment in a header card.
    """
    digest = sha256()
    for field in fields(ssp):
        value = getattr(ssp, field.name)
        if isinstance(value, np.ndarray):
            # The file holds float32, and a newly built grid must have the digest of its file.
            value = np.ascontiguousarray(value, dtype=np.float32)
            digest.update(f"{field.name} {value.shape}".encode())
            digest.update(value)
        else:
            digest.update(f"{field.name} {sorted(value.items())}".encode())
    return digest.hexdigest()[:32]


class BatchMaker:
    """Maker of batches of simulated populations, from a prior and a model of photometry.

    Parameters
    ----------
    ssp : `~pixsed.sps.ssp.SSPGrid`
    options : `~pixsed.simulate.options.SimulateOptions`
    curves : dict, optional
        Filter curves, as for `~pixsed.sps.photometry.PhotometryModel`.
    """

    def __init__(self, ssp, options, *, curves=None):
        from pixsed.sps.photometry import PhotometryModel

        self.options = options
        self.dtype = row_dtype(options)
        self.prior = PRIORS[options.prior]()
        self.model = PhotometryModel(
            ssp,
            options.bands,
            z_max=self.prior.Z_RANGE[1] + 0.1,
            av_max=self.prior.AV_MAX,
            attenuation=options.attenuation,
            igm=options.igm,
            curves=curves,
        )

    def make(self, number):
        """Return batch `number`, counted from 0, as a structured array of `row_dtype`.

        Its random numbers depend only on the seed, `number` and the rows per batch. The last
        batch may be shorter: it then has the first rows of the batch of a longer simulation.
        """
        options = self.options
        rng = np.random.Generator(
            np.random.Philox(np.random.SeedSequence(options.seed, spawn_key=(number,)))
        )
        rows = min(options.batch, options.number - number * options.batch)
        z, unit = self.prior.draw(options.batch, rng)
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


def simulate(ssp, options, *, start=0):
    """Yield batches of simulated populations, in order.

    Parameters
    ----------
    ssp : `~pixsed.sps.ssp.SSPGrid`
    options : `~pixsed.simulate.options.SimulateOptions`
    start : int, optional
        Number of populations to skip at the beginning, a multiple of ``options.batch``.

    Yields
    ------
    `~numpy.ndarray`, shape (rows,)
        Structured array of `~pixsed.simulate.table.row_dtype`: parameters in physical units;
        UNIT, their cumulative prior probabilities; FLUX, noiseless, in nJy.

    Raises
    ------
    PixsedError
        If there is no filter curve of a band.

    Notes
    -----
    With ``jobs=1`` numpy runs in this process, with the number of threads that was set when it
    was imported. The last bit of a flux can depend on that number. One thread is fastest, and
    worker processes use one thread; `pixsed.cores.one_thread` sets it.

    Examples
    --------
    >>> options = SimulateOptions("tau", ["F115W", "F444W"], 200_000, jobs=4)  # doctest: +SKIP
    >>> for rows in simulate(read_ssp("bc03.fits"), options):  # doctest: +SKIP
    ...     print(rows["LOGMSTAR"].mean(), rows["FLUX"].shape)
    """
    jobs, scheduler = options.jobs, options.scheduler
    tasks = list(range(start // options.batch, -(-options.number // options.batch)))
    # Read the curves only once: sedpy's reader takes a quarter of a second for 29 bands.
    curves = load_curves(options.bands, options.filters)
    setup = partial(BatchMaker, ssp, options, curves=curves)
    yield from run_tasks(BatchMaker.make, tasks, setup=setup, jobs=jobs, scheduler=scheduler)
