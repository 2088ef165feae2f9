"""Execution of tasks by the workers of a Dask cluster."""

import contextlib
import logging
import pickle
import re
import warnings
from concurrent.futures import CancelledError
from functools import partial
from hashlib import sha256

from pixsed.errors import PixsedError
from pixsed.extras import install_advice
from pixsed.parallel.ordered import AHEAD, ordered_map, work

#: Seconds to wait for a scheduler, and for its first worker.
_CONNECT, _FIRST_WORKER = 10, 60


def _hold(message):
    """Return the message. Dask can recompute it if it is the result of a task."""
    return message


def _dask_work(key, given):
    """Do a task; Dask replaces a future by the message itself, but only one level deep."""
    return work(key, *given)


def _connect(address):
    """Return a `distributed.Client` of a cluster that can do the work."""
    try:
        from distributed import Client
    except ImportError:
        raise PixsedError(
            f"--scheduler needs Dask, which is not installed; try: {install_advice('dask')}"
        ) from None
    if not re.search(r":\d+/?$", address):
        raise PixsedError(
            f"no Dask scheduler at {address}: it must be an address and a port, as tcp://host:8786"
        )
    try:
        client = Client(address, timeout=_CONNECT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise PixsedError(
            f"no Dask scheduler at {address} ({' '.join(str(error).split()) or 'no answer'}); "
            "check the address, as tcp://host:8786, and that it runs"
        ) from None
    try:
        _check_workers(client, address)
    except BaseException:
        client.close()
        raise
    return client


def _check_workers(client, address):
    """Raise `PixsedError` unless a cluster has workers, with this version of pixsed."""
    try:
        client.wait_for_workers(1, timeout=_FIRST_WORKER)
    except TimeoutError:
        raise PixsedError(
            f"the Dask scheduler at {address} has no workers; start some with: dask worker "
            f"{address}"
        ) from None
    versions = client.get_versions(packages=["pixsed"])
    mine = versions["client"]["packages"]["pixsed"]
    for worker, found in versions["workers"].items():
        theirs = found["packages"]["pixsed"]
        if theirs != mine:
            raise PixsedError(
                f"the Dask worker {worker} has pixsed {theirs or 'not installed'}, this is "
                f"{mine}; install the same there"
            )


@contextlib.contextmanager
def _quiet_client():
    """Silence the log of Dask's client, which would repeat the error that is raised."""
    logger = logging.getLogger("distributed.client")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def on_dask(function, tasks, setup, address):
    """Yield ``function(state, task)`` for every task; see `pixsed.parallel.run_tasks`."""
    if not tasks:
        return
    client = _connect(address)
    from distributed import CancelledError as DaskCancelledError
    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker

    lost = CancelledError, DaskCancelledError, CommClosedError, KilledWorker, TimeoutError

    with _quiet_client(), contextlib.closing(client):
        try:
            message = pickle.dumps((function, setup))
            key = sha256(message).hexdigest()
            with warnings.catch_warnings():
                # Ignore the warning that the graph is large: users cannot do anything about it.
                warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
                held = client.submit(_hold, message, key=f"pixsed-setup-{key}", retries=3)
            yield from ordered_map(
                client.get_executor(pure=False),
                partial(_dask_work, key),
                ((held, task) for task in tasks),
                lambda: AHEAD * sum(client.nthreads().values()),
            )
        except lost as error:
            raise PixsedError(
                f"the Dask cluster at {address} lost the work "
                f"({' '.join(str(error).split()) or type(error).__name__}); look at its logs"
            ) from error
