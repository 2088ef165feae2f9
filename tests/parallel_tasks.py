"""Tasks for the tests of `pixsed.parallel`, in a module that worker processes import."""

import contextlib
import logging
import os
import signal
import time
import warnings

import pytest

from pixsed.errors import PixsedError, PixsedWarning


@contextlib.contextmanager
def dask_cluster(workers):
    """Yield the address of a Dask cluster of processes on this machine; skip without Dask."""
    distributed = pytest.importorskip("distributed", reason="--scheduler needs dask[distributed]")
    with distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    ) as cluster:
        yield cluster.scheduler_address


class Adder:
    """State of a worker: a number, the process, and the number of times it was set up there."""

    made = 0

    def __init__(self, number):
        Adder.made += 1
        self.number = number


def add(state, task):
    return state.number + task, os.getpid(), Adder.made


def warn(state, task):
    warnings.warn(f"task {task}", PixsedWarning, stacklevel=2)
    warnings.warn(f"numpy's {task}", RuntimeWarning, stacklevel=2)
    return task


def slow_first(state, task):
    time.sleep(1.0 if task == 0 else 0.0)
    return task


def threads(state, task):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {name: os.environ.get(name) for name in names}


def fail(state, task):
    if task == 2:
        raise PixsedError("task 2 cannot be done")
    return task


class Unpicklable(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def fail_oddly(state, task):
    raise Unpicklable("one", "two")


def die(state, task):
    if task == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def die_once(path, task):
    """End the process that is the first to do task 2."""
    if task == 2 and not os.path.exists(path):
        with open(path, "w"):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def broken_setup():
    raise PixsedError("this cannot be set up")


def large(state, task):
    return bytes(task)


def note(folder, task):
    """Write a file that shows a test which tasks were begun."""
    with open(os.path.join(folder, str(task)), "w"):
        return task


def forever(state, task):
    time.sleep(0.2)
    return task


def echo(state, task):
    return task


def deaf(state, task):
    """Return the process of the first task; then go on and ignore all signals."""
    if task == 0:
        return os.getpid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)


def end_itself(state, task):
    if task == 2:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    return task
