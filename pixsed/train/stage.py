"""Clocks of the stages of training and export: what each may take, and what is said of it."""

import contextlib
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


class Stages:
    """Numbered stages of a long task, each announced, and its duration reported.

    Parameters
    ----------
    number : int
        Number of stages.
    report : callable, optional
        Called with texts.
    until : float, optional
        Time of `time.monotonic` at which the stages are to end; they share what is left.
    """

    def __init__(self, number, report=None, *, until=None):
        self._number, self._begun, self._until = number, 0, until
        self._report = report or (lambda text: None)

    @contextlib.contextmanager
    def next(self, name):
        """Run the next stage, as a context; its value is the `Stage`."""
        self._begun += 1
        self._report(f"stage {self._begun} of {self._number}: {name}")
        seconds = None
        if self._until is not None:
            left = max(0.0, self._until - time.monotonic())
            seconds = left / (self._number - self._begun + 1)
        stage = Stage(name.partition(",")[0], seconds=seconds, report=self._report)
        yield stage
        self._report(f"{stage.name}: took {stage.elapsed:.0f} s")
