"""Ordered map over an executor with few tasks in flight, and the work of one worker."""

import pickle
import threading
from collections import deque

from pixsed.signals import postponed

#: Tasks submitted per worker: while one is computed, the next is already with the worker.
AHEAD = 2


def ordered_map(executor, function, tasks, ahead):
    """Yield ``function(task)`` for every task, in order, with few tasks in flight.

    `concurrent.futures.Executor.map` submits all tasks at once (`buffersize` came with
    Python 3.14): a slow first task would fill the memory with the results of the others.

    Parameters
    ----------
    executor : `concurrent.futures.Executor`
        It is not shut down; tasks that are running when the generator is closed go on.
    function : callable
    tasks : iterable
        Read as far as needed.
    ahead : int or callable
        Largest number of tasks that are submitted but not yet yielded, at least 1. For
        executors that grow, a function without arguments that returns this number.

    Yields
    ------
    object
        Results. Exceptions of `function` are raised here, in the order of the tasks. Pending
        tasks are cancelled when the generator is closed or fails.
    """
    most = ahead if callable(ahead) else lambda: ahead
    pending = deque()
    try:
        for task in tasks:
            with postponed():
                pending.append(executor.submit(function, task))
            while len(pending) >= max(most(), 1):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


_states = {}
_states_lock = threading.Lock()


def work(key, message, task):
    """Do a task in a worker, which is set up by its first task.

    Parameters
    ----------
    key : str
        Key of the message, because a Dask worker may serve several commands.
    message : bytes
        The pickled function and setup.
    task : object
    """
    with _states_lock:
        if key not in _states:
            _states.clear()
            function, setup = pickle.loads(message)
            _states[key] = function, setup()
        function, state = _states[key]
    return function(state, task)
