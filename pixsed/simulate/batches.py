"""Simulated populations in batches; the rows depend on the seed, not on the number of workers."""

from dataclasses import fields
from functools import partial
from hashlib import sha256

import numpy as np

from pixsed.errors import PixsedError
from pixsed.parallel import run_tasks
from pixsed.simulate.priors import PRIORS
from pixsed.simulate.table import row_dtype, second
from pixsed.sps.own_filters import load_curves


def ssp_digest(ssp):
    """Return a digest of the numbers and cards of an `~pixsed.sps.ssp.SSPGrid`.

    Two files of the same grid, made at different times, have the same digest.

    Parameters
    ----------
    ssp : `~pixsed.sps.ssp.SSPGrid`

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


def ssp_cards(ssps):
    """Return the cards of SSP grids and their digests, for a table of simulations.

    Parameters
    ----------
    ssps : sequence of `~pixsed.sps.ssp.SSPGrid`

    Returns
    -------
    dict
        The keywords of the second grid end in 2.
    """
    cards = {}
    for number, ssp in enumerate(ssps, 1):
        own = ssp.meta | {"SSPSHA": ssp_digest(ssp)}
        cards |= {second(key) if number == 2 else key: value for key, value in own.items()}
    return cards


class BatchMaker:
    """Maker of batches of simulated populations, from a prior and a model of photometry.

    Parameters
    ----------
    ssps : sequence of `~pixsed.sps.ssp.SSPGrid`
    options : `~pixsed.simulate.options.SimulateOptions`
    curves : dict, optional
        Filter curves, as for `~pixsed.sps.photometry.PhotometryModel`.
    """

    def __init__(self, ssps, options, *, curves=None):
        from pixsed.sps.photometry import PhotometryModel

        self.options = options
        self.dtype = row_dtype(options)
        self.prior = PRIORS[options.prior]()
        self.model = PhotometryModel(
            ssps,
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
        weights = self.model.weights(history)
        values = self.prior.values(z, unit)
        if options.library is not None:
            values["LIBRARY"] = np.full(rows, options.library)
        metal, library = values["METAL"], values.get("LIBRARY")
        fluxes = self.model.fluxes(
            z,
            weights,
            metal,
            self.prior.dust(values),
            log_u=values.get("LOGU"),
            library=library,
        )
        surviving = self.model.surviving(weights, metal, library)
        columns = self.prior.parameters(z, unit, history, surviving)
        columns |= {"LIBRARY": library} if library is not None else {}
        fluxes *= 10.0 ** columns["LOGMFORM"][:, None]
        result = np.empty(rows, dtype=self.dtype)
        for name, values in (columns | {"UNIT": unit, "FLUX": fluxes}).items():
            result[name] = values
        return result


def grids_of(ssps, options):
    """Return the SSP grids as a prior needs them.

    Parameters
    ----------
    ssps : sequence of `~pixsed.sps.ssp.SSPGrid`
    options : `~pixsed.simulate.options.SimulateOptions`

    Returns
    -------
    list of `~pixsed.sps.ssp.SSPGrid`
        For a prior without the coordinate LOGU, a grid with an axis of log U is reduced to the
        prior's value.

    Raises
    ------
    PixsedError
        If there are too many or too few, or if their masses refer to different IMFs.
    """
    prior = PRIORS[options.prior]
    wanted = prior.LIBRARIES
    if len(ssps) != wanted:
        raise PixsedError(
            f"the prior {options.prior} needs {wanted} SSP grid{'s' * (wanted > 1)}, got "
            f"{len(ssps)}; give --ssp {wanted} time{'s' * (wanted > 1)}"
        )
    masses = [ssp.meta.get("IMF") for ssp in ssps]
    if len(set(masses)) > 1:
        raise PixsedError(
            f"the SSP grids must have one IMF, got {' and '.join(map(str, masses))}; make both "
            "with 'pixsed ssp --imf chabrier'"
        )
    if any(c.name == "LOGU" for c in prior.COORDINATES):
        return list(ssps)
    return [ssp.at_log_u(prior.LOG_U) if len(ssp.log_u) > 1 else ssp for ssp in ssps]


def simulate(ssps, options, *, start=0):
    """Yield batches of simulated populations, in order.

    Parameters
    ----------
    ssps : `~pixsed.sps.ssp.SSPGrid`, or a sequence of them
    options : `~pixsed.simulate.options.SimulateOptions`
    start : int, optional
        Number of populations to skip at the beginning: a multiple of ``options.batch``, or all.

    Yields
    ------
    `~numpy.ndarray`, shape (rows,)
        Structured array of `~pixsed.simulate.table.row_dtype`: parameters in physical units;
        UNIT, their cumulative prior probabilities; FLUX, noiseless, in nJy.

    Raises
    ------
    PixsedError
        If there is no filter curve of a band, or the grids do not suit the prior.

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
    ssps = grids_of(list(ssps) if isinstance(ssps, list | tuple) else [ssps], options)
    jobs, scheduler = options.jobs, options.scheduler
    first, end = (-(-rows // options.batch) for rows in (start, options.number))
    tasks = list(range(first, end))
    # Read the curves only once: sedpy's reader takes a quarter of a second for 29 bands.
    curves = load_curves(options.bands, options.filters)
    setup = partial(BatchMaker, ssps, options, curves=curves)
    yield from run_tasks(BatchMaker.make, tasks, setup=setup, jobs=jobs, scheduler=scheduler)
