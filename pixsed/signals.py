"""Conversion of signals to an exception, so that workers stop and temporary files are removed."""

import contextlib
import signal
import sys
import threading
import time

from pixsed.errors import Stopped

#: Seconds within which a second signal counts as the same request.
_ONCE = 1.0
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


@contextlib.contextmanager
def stopping(names=_NAMES):
    """Raise `~pixsed.errors.Stopped` in the main thread if a signal arrives within the block.

    Parameters
    ----------
    names : sequence of str, optional
        Names of signals. Signals that the system lacks, or that are already ignored (as under
        nohup), are left alone.

    Yields
    ------
    list of int
        Signals received so far. Check it if the exception may have been replaced, for example by
        a module during its import.
    """
    came, last, left = [], [-_ONCE], threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def stop(number, frame):
        # The exception has already been raised; a second one would disturb the cleanup.
        if time.monotonic() - last[0] < _ONCE:
            return
        last[0] = time.monotonic()
        came.append(number)
        threading.Thread(target=insist, args=[number], daemon=True).start()
        raise Stopped(number)

    def insist(number):
        """Send the signal again if the block is still running, because the exception was swallowed.

        A bare ``except`` in a module that is being imported can swallow it.
        """
        while not left.wait(_ONCE + 0.1):
            if not _is_ending():
                _send(number)
                return

    def lost(unraisable):
        """Hide a `Stopped` that Python could not raise, as in a `__del__`.

        `insist` sends the signal again.
        """
        if not isinstance(unraisable.exc_value, Stopped):
            hook(unraisable)

    before, hook = {}, sys.unraisablehook
    try:
        sys.unraisablehook = lost
        for name in names:
            number = getattr(signal, name, None)
            if number is None or signal.getsignal(number) in (signal.SIG_IGN, None):
                continue
            before[number] = signal.signal(number, stop)
        yield came
    finally:
        left.set()
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def postponed(names=_NAMES):
    """Postpone signals to the end of the block.

    Use this for code in which an exception such as KeyboardInterrupt could leave a lock held.
    Signals with the system's default handling are not postponed.

    Parameters
    ----------
    names : sequence of str, optional
        Signals; those that the system lacks are left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came, before = [], {}
    try:
        for name in names:
            number = getattr(signal, name, None)
            if number is not None and callable(signal.getsignal(number)):
                before[number] = signal.getsignal(number)
                signal.signal(number, lambda number, frame: came.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def _send(number):
    """Send a signal to the main thread, to interrupt a blocking call."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident, number)
    else:  # Windows
        signal.raise_signal(number)


def _is_ending():
    """Return True while the main thread cleans up after `Stopped`, for example in a ``finally``."""
    found = sys._current_exceptions().get(threading.main_thread().ident)
    error = found[1] if isinstance(found, tuple) else found  # a tuple in Python 3.11
    while error is not None and not isinstance(error, Stopped):
        error = error.__context__
    return error is not None


def signal_name(number):
    """Return the name of a signal, such as ``SIGTERM``, from its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
