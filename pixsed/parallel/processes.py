"""Execution of tasks by worker processes on this machine."""

import contextlib
import os
import pickle
import signal
import threading
import time
import traceback
import warnings
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext, SpawnProcess

from pixsed.cores import one_thread
from pixsed.environment import variables
from pixsed.errors import PixsedError, PixsedWarning, Stopped
from pixsed.parallel.ordered import AHEAD, ordered_map, work
from pixsed.signals import stopping

#: Seconds that a process that must end has for cleaning up after its task, and then for sending
#: its last result.
_GRACE, _SEND = 5, 0.5
#: Largest number of processes; Windows cannot wait for more.
_MOST = 61 if os.name == "nt" else 10_000

# Variables of a worker process.
_message = None  # the function and the setup, pickled
_working = threading.Lock()  # held during a task
_ending = False  # True once the process must end


def _begin(message):
    """Initialise a worker process."""
    global _message
    _message = message
    # A terminal sends these signals to all of its processes, but the parent ends this one.
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_soon)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    warnings.simplefilter("ignore")  # the parent repeats the warnings of pixsed


def _end_soon(*_):
    """End this worker after its task has cleaned up, without starting another task.

    The worker does not end at once, because the executor would wait for the rest of a result
    that is being sent.
    """
    global _ending
    if not _ending:
        _ending = True
        threading.Thread(target=_end_after_task, daemon=True).start()


def _end_after_task():
    _working.acquire(timeout=_GRACE)
    time.sleep(_SEND)  # the executor usually ends the process in the meantime
    os._exit(128 + signal.SIGTERM)


def _end_with_parent():
    """End this worker when its parent has ended, even in the middle of a task."""
    parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(2 * _GRACE)
    os._exit(1)


def _work(task):
    """Do a task in a worker process.

    Returns
    -------
    stopped : bool
        True if the process must end; there is no result in this case.
    result : object
    error : Exception or None
        Exception that the task raised.
    warned : list of str
        Warnings.
    """
    result = error = None
    with _working, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PixsedWarning)
        try:
            with stopping(["SIGTERM"]):
                result = None if _ending else work("", _message, task)
        except Stopped:
            _end_soon()
        except Exception as raised:
            error = _portable(raised)
    return _ending, result, error, [str(warning.message) for warning in caught]


def _portable(error):
    """Return an exception that can be sent, with its traceback as a note."""
    try:
        error.add_note("In a worker process:\n" + traceback.format_exc())
        pickle.loads(pickle.dumps(error))
    except Exception:
        # An exception that cannot be unpickled would break the executor.
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


@contextlib.contextmanager
def _starting():
    """Make processes that are started inside use one thread and ignore Ctrl-C.

    The process that `multiprocessing` starts to remove semaphores does not warn about the
    semaphores of a parent that was killed.
    """
    filters = [os.environ.get("PYTHONWARNINGS"), "ignore:resource_tracker:UserWarning"]
    with one_thread(), variables(PYTHONWARNINGS=",".join(filter(None, filters))):
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


class _Worker(SpawnProcess):
    def start(self):
        with _starting():
            super().start()


class _Context(SpawnContext):
    """Context that keeps a list of the processes that an executor starts.

    The executor has no public list of them, and before Python 3.14 it cannot end them in the
    middle of a task. Processes are spawned, because forking is unsafe while onnxruntime has
    threads.
    """

    def __init__(self):
        super().__init__()
        self.processes = []

    def Process(self, *args, **kwargs):  # noqa: N802 (the name that executors call)
        self.processes.append(_Worker(*args, **kwargs))
        return self.processes[-1]

    def started(self):
        """Return the processes that were started."""
        return [process for process in self.processes if process.pid is not None]


@contextlib.contextmanager
def _pool(jobs, message):
    """Yield an executor of processes, and its context; end the processes afterwards."""
    context = _Context()
    with _starting():
        pool = ProcessPoolExecutor(
            jobs, mp_context=context, initializer=_begin, initargs=(message,)
        )
    try:
        yield pool, context
    finally:
        for process in context.started():
            process.terminate()
        thread = getattr(pool, "_executor_manager_thread", None)  # there is no public name
        # Do not wait for its thread here: a generator may be closed as late as the exit of Python.
        pool.shutdown(wait=False, cancel_futures=True)
        _end(context.started())
        # Nor leave it to the exit of Python, which writes to a pipe that the thread may just be
        # closing: "Bad file descriptor".
        if thread is not None and thread is not threading.current_thread():
            thread.join(_GRACE)


def _end(processes):
    """Wait for processes that must end; kill those that do not end in time."""
    until = time.monotonic() + _GRACE + 2 * _SEND
    for process in processes:
        process.join(max(0, until - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def in_processes(function, tasks, setup, jobs):
    """Yield ``function(state, task)`` for every task; see `pixsed.parallel.run_tasks`."""
    jobs = min(jobs, _MOST)
    with _pool(jobs, pickle.dumps((function, setup))) as (pool, context):
        try:
            for stopped, result, error, warned in ordered_map(pool, _work, tasks, AHEAD * jobs):
                for message in warned:
                    warnings.warn(message, PixsedWarning, stacklevel=2)
                if error is not None:
                    raise error
                if stopped:
                    raise _died(-signal.SIGTERM)
                yield result
        except BrokenExecutor:
            raise _died(_killed_by(context.started())) from None


def _killed_by(processes):
    """Return the signal, below 0, or the status that ended one of the processes first."""
    _end(processes)
    until = time.monotonic() + 1
    # The executor's thread may have waited for a process without having stored its code yet.
    while None in (codes := [process.exitcode for process in processes]):
        if time.monotonic() > until:
            break
        time.sleep(0.01)
    # The executor ended the other processes, by SIGTERM or normally (status 0). The code of a
    # signal is lower than any status.
    others = None, -signal.SIGTERM, 128 + signal.SIGTERM
    return min((code for code in codes if code not in others), default=-signal.SIGTERM)


def _died(code):
    """Return the error of a worker process that ended unexpectedly."""
    why = f"signal {-code}" if code < 0 else f"status {code}"
    return PixsedError(
        f"a worker process ended by itself ({why}); if memory is short, try fewer --jobs"
    )
