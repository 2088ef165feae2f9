"""Ordered maps with few tasks in flight: in this process, threads, processes or Dask workers."""

from functools import partial

from pixsed.parallel.ordered import ordered_map

__all__ = ["ordered_map", "run_tasks"]


def run_tasks(function, tasks, *, setup, jobs=1, scheduler=None):
    """Yield ``function(state, task)`` for every task, in order.

    Parameters
    ----------
    function : callable
        Defined in a module that workers can import, not in a script.
    tasks : iterable
        They must be picklable.
    setup : callable
        Called once per worker, without arguments; returns the state. It must be picklable, such
        as a `functools.partial` of a function of a module and its arguments.
    jobs : int, optional
        Number of processes. With 1, or with a single task, no process is started.
    scheduler : str, optional
        Address of a Dask scheduler, such as ``tcp://host:8786``, whose workers replace the
        processes. The tasks of a lost worker are repeated by another.

    Yields
    ------
    object
        Results. At most two tasks per worker are in flight.

    Raises
    ------
    PixsedError
        If a process ends unexpectedly; if Dask is not installed, or its cluster cannot be
        reached, has no workers, or has another version of pixsed. Exceptions of `function` and
        `setup` are raised here too.
    """
    tasks = list(tasks)
    if scheduler is not None:
        from pixsed.parallel.dask import on_dask

        return on_dask(function, tasks, setup, scheduler)
    if jobs == 1 or len(tasks) <= 1:
        return _here(function, tasks, setup)
    from pixsed.parallel.processes import in_processes

    return in_processes(function, tasks, setup, min(jobs, len(tasks)))


def _here(function, tasks, setup):
    if tasks:
        yield from map(partial(function, setup()), tasks)
