"""Run tasks in order: in this process, over processes of this machine, or on a Dask cluster.

A worker is set up once, then given one task after the other. However many there are,
results come in the order of the tasks, and few are in flight at a time.
"""

import contextlib
import logging
import os
import pickle
import re
import signal
import threading
import time
import traceback
import warnings
from collections import deque
from hashlib import sha256

from pixsed.cores import one_thread
from pixsed.errors import PixsedError, PixsedWarning, Stopped
from pixsed.signals import stopping

#: Tasks given to a worker at once: the next one waits there while a result is fetched.
_AHEAD = 2
#: Seconds to wait for a Dask scheduler, and for its first worker.
_CONNECT, _FIRST_WORKER = 10, 60
#: Seconds that a worker has to end in order before it is killed.
_GRACE = 5


def run_tasks(function, tasks, *, setup, jobs=1, scheduler=None):
    """Yield ``function(state, task)`` for every task, in order.

    Parameters
    ----------
    function : callable
        Of a module, not of a script: workers import it.
    tasks : sequence
        Small, picklable.
    setup : callable
        Called once in every worker, without arguments; returns the state. Picklable: a
        `functools.partial` of a module's function and what it needs.
    jobs : int, optional
        Processes. With 1, or a single task, all is done in this one.
    scheduler : str, optional
        Address of a Dask scheduler, as ``tcp://host:8786``, whose workers then do the
        work; a task of a worker that is lost is done by another.

    Yields
    ------
    object
        Results are held until their turn, at most two or so a worker.

    Raises
    ------
    PixsedError
        If a process ends by itself; if Dask is not installed, or its cluster cannot be
        reached, has no workers, or has another version of pixsed. What `function` and
        `setup` raise comes through.
    """
    tasks = list(tasks)
    if scheduler is not None:
        return _on_dask(function, tasks, setup, scheduler)
    if jobs == 1 or len(tasks) <= 1:
        return _here(function, tasks, setup)
    return _in_processes(function, tasks, setup, min(jobs, len(tasks)))


def _here(function, tasks, setup):
    if tasks:
        state = setup()
        for task in tasks:
            yield function(state, task)


def ordered_map(executor, function, tasks, ahead):
    """Yield ``function(task)`` for every task, in order, with few tasks in flight.

    `concurrent.futures.Executor.map` submits all tasks at once (`buffersize` came with
    Python 3.14): a slow first task would fill the memory with the results of the others.

    Parameters
    ----------
    executor : `concurrent.futures.Executor`
    function : callable
    tasks : iterable
        Read as far as needed.
    ahead : int
        Largest number of tasks submitted and not yet yielded, at least 1.
    """
    pending = deque()
    try:
        for task in tasks:
            pending.append(executor.submit(function, task))
            while len(pending) >= max(ahead, 1):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


# Processes.


def _portable(error):
    """Return an exception that can be sent, with its traceback as a note."""
    try:
        error.add_note("In a worker process:\n" + traceback.format_exc())
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _work(connection):
    """Do tasks in a worker process until its pipe is closed, by the parent or by its end."""
    # These reach every process of a terminal; the parent ends this one.
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    warnings.simplefilter("ignore")  # what pixsed warns of is told by the parent
    try:
        with stopping(["SIGTERM"]), contextlib.suppress(EOFError, OSError):
            _serve(connection)
    except Stopped as stopped:
        raise SystemExit(128 + stopped.signal) from None


def _end_with_parent():
    """End this worker when its parent is no more, even in the middle of a task."""
    import multiprocessing

    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os._exit(1)


def _serve(connection):
    message = connection.recv_bytes()
    try:
        function, setup = pickle.loads(message)
        state = setup()
    except Exception as error:
        connection.send((False, _portable(error), []))
        return
    while True:
        message = connection.recv_bytes()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", PixsedWarning)
            try:
                ok, value = True, function(state, pickle.loads(message))
            except Exception as error:
                ok, value = False, _portable(error)
        connection.send((ok, value, [str(warning.message) for warning in caught]))


@contextlib.contextmanager
def _no_interrupt():
    """Start processes that never hear Ctrl-C, not even while they begin."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Process:
    """A worker process, its pipe, and the numbers of the tasks that it has."""

    def __init__(self, context):
        self.pipe, there = context.Pipe()
        self.process = context.Process(target=_work, args=(there,), daemon=True)
        with one_thread(), _no_interrupt():
            self.process.start()
        there.close()
        self.numbers = deque()

    def _died(self):
        self.process.join(5)
        code = self.process.exitcode
        why = f"signal {-code}" if code and code < 0 else f"status {code}"
        return PixsedError(
            f"a worker process ended by itself ({why}); where memory is short try fewer --jobs"
        )

    def send(self, message):
        try:
            self.pipe.send_bytes(message)
        except OSError:
            raise self._died() from None

    def receive(self):
        try:
            ok, value, warned = self.pipe.recv()
        except (EOFError, OSError):
            raise self._died() from None
        for message in warned:
            warnings.warn(message, PixsedWarning, stacklevel=3)
        if not ok:
            raise value
        return self.numbers.popleft(), value


def _end(workers):
    """End worker processes: ask all of them, then kill those that do not heed it."""
    for worker in workers:
        worker.pipe.close()
        worker.process.terminate()
    until = time.monotonic() + _GRACE
    for worker in workers:
        worker.process.join(max(0, until - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _in_processes(function, tasks, setup, jobs):
    from multiprocessing import get_context
    from multiprocessing.connection import wait

    context = get_context("spawn")
    workers = []
    try:
        for _ in range(jobs):
            workers.append(_Process(context))
        message = pickle.dumps((function, setup))
        for worker in workers:
            worker.send(message)
        owner = {worker.pipe: worker for worker in workers}
        done, given = {}, 0
        for turn in range(len(tasks)):
            while turn not in done:
                # Not far beyond the turn: a slow task must not fill the memory with others.
                while given < min(len(tasks), turn + _AHEAD * jobs):
                    worker = min(workers, key=lambda worker: len(worker.numbers))
                    if len(worker.numbers) == _AHEAD:
                        break
                    worker.numbers.append(given)
                    worker.send(pickle.dumps(tasks[given]))
                    given += 1
                for pipe in wait([worker.pipe for worker in workers if worker.numbers]):
                    number, value = owner[pipe].receive()
                    done[number] = value
            yield done.pop(turn)
    finally:
        _end(workers)


# A Dask cluster.

_states = {}
_states_lock = threading.Lock()


def _hold(message):
    """Be the task whose result is what every worker needs: Dask can make it anew."""
    return message


def _on_worker(message, key, task):
    """Do a task on a Dask worker, which is set up the first time."""
    with _states_lock:
        if key not in _states:
            _states.clear()
            function, setup = pickle.loads(message)
            _states[key] = function, setup()
        function, state = _states[key]
    return function(state, task)


def _connect(address):
    """Return a `distributed.Client` of a cluster that can do the work."""
    try:
        from distributed import Client
    except ImportError:
        raise PixsedError(
            "--scheduler needs Dask, which is not installed; try: pip install 'pixsed[dask]'"
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
    except BaseException:
        client.close()
        raise
    return client


def _on_dask(function, tasks, setup, address):
    if not tasks:
        return
    client = _connect(address)
    from distributed import CancelledError
    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker

    futures = deque()
    # What becomes of the connection is said once, by the error raised here.
    logger = logging.getLogger("distributed.client")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        message = pickle.dumps((function, setup))
        key = sha256(message).hexdigest()
        with warnings.catch_warnings():
            # That the grid is large: the user could do nothing about it.
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            held = client.submit(_hold, message, key=f"pixsed-setup-{key}", retries=3)
        given = 0
        for turn in range(len(tasks)):
            ahead = _AHEAD * max(sum(client.nthreads().values()), 1)
            while given < min(len(tasks), turn + ahead):
                futures.append(client.submit(_on_worker, held, key, tasks[given], pure=False))
                given += 1
            yield futures.popleft().result()
    except (CancelledError, CommClosedError, KilledWorker, TimeoutError) as error:
        raise PixsedError(
            f"the Dask cluster at {address} lost the work "
            f"({' '.join(str(error).split()) or type(error).__name__}); look at its logs"
        ) from error
    finally:
        for future in futures:
            future.cancel()
        client.close()
        logger.setLevel(level)
