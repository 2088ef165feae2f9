"""Clock of a final stage of the training: what it may take, and what it says of it."""

import time

#: Steps after which the duration of a stage is estimated.
_TRIED = 20


class Stage:
    """Clock of a stage.

    Parameters
    ----------
    name : str
        Name of the stage, for the reports.
    seconds : float, optional
        Time after which it ends, whatever is left to do.
    report : callable, optional
        Called with a text: how long the stage will take, once that can be told.
    """

    def __init__(self, name="", *, seconds=None, report=None):
        self.name, self._seconds, self._report = name, seconds, report
        self._start, self._first, self._said = time.monotonic(), None, report is None

    @property
    def elapsed(self):
        """Seconds since the stage began."""
        return time.monotonic() - self._start

    def spent(self, fraction):
        """Return whether a fraction of the time of the stage is over; False without a limit."""
        return self._seconds is not None and self.elapsed >= fraction * self._seconds

    def progress(self, step, steps):
        """Return the fraction that is done, by steps or by the clock; the stage ends at 1.

        Without a limit it depends on the steps alone, so that results can be repeated.
        """
        now = time.monotonic()
        if self._first is None:
            self._first = now
        done = step / steps
        if self._seconds is not None:
            left = self._start + self._seconds - self._first
            done = max(done, (now - self._first) / left if left > 0 else 1.0)
        if not self._said and step >= _TRIED:
            self._said = True
            remaining = (now - self._first) * (1.0 - done) / done
            self._report(f"{self.name}: about {remaining:.0f} s left")
        return done
