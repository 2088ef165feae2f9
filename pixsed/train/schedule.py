"""Stages and learning rates of the training."""

import sys
import time

import numpy as np

from pixsed.train.minimise import cosine_rate
from pixsed.train.options import ENCODER_FRACTION

#: Learning rate of the encoder over that of the flow, when both learn.
ENCODER_RATE = 0.4
_WARM_STEPS = 500


class Schedule:
    """Two training stages, limited by epochs or by time: the encoder alone, then with the flow.

    Parameters
    ----------
    epochs : int
        Number of epochs of both stages together.
    encoder_fraction : float, optional
        Fraction of the training that the first stage takes.
    minutes : float, optional
        Duration that replaces `epochs`: the stages then end by the clock, within an epoch.
    since : float, optional
        Start of that duration, as returned by `time.monotonic`; default: now.
    patience : int, optional
        Number of epochs without a smaller held-out loss after which a stage ends.

    Attributes
    ----------
    ends : list of int
        Number of epochs at which the stages end. Patience or the clock may reduce it.
    """

    def __init__(
        self, epochs, encoder_fraction=ENCODER_FRACTION, *, minutes=None, since=None, patience=None
    ):
        self.encoder_fraction, self.patience = encoder_fraction, patience
        self.seconds = None if minutes is None else 60.0 * minutes
        self.ends = [round(encoder_fraction * epochs), epochs]
        if minutes is not None:
            self.ends = [sys.maxsize, sys.maxsize]
        self._began = time.monotonic() if since is None else since
        self._flow_began = 0.0

    def _elapsed_fraction(self):
        return (time.monotonic() - self._began) / self.seconds

    def is_over(self, epoch):
        """Return whether the training is complete after this number of epochs."""
        return epoch >= self.ends[1]

    def begin_epoch(self, epoch):
        """Return whether the flow learns in the epoch that begins now."""
        if self.seconds is not None and self.ends[0] > epoch:
            now = self._elapsed_fraction()
            if now >= self.encoder_fraction:
                self.ends[0], self._flow_began = epoch, now
        return epoch >= self.ends[0]

    def progress(self, epoch, fraction):
        """Return the fraction of the stage that is done, given that of the present epoch."""
        with_flow = epoch >= self.ends[0]
        if self.seconds is None:
            first, last = self.first_epoch(epoch), self.ends[int(with_flow)]
            return (epoch - first + fraction) / (last - first)
        now = self._elapsed_fraction()
        if with_flow:
            return (now - self._flow_began) / (1.0 - self._flow_began)
        return now / self.encoder_fraction

    def first_epoch(self, epoch):
        """Return the first epoch of the stage to which an epoch belongs."""
        return self.ends[0] if epoch >= self.ends[0] else 0

    def rates(self, rate, step, progress, with_flow):
        """Return the learning rates of encoder and flow.

        They rise over the first steps of a stage, then fall as half a cosine.
        """
        warm = min(1.0, (step + 1) / _WARM_STEPS)
        rate = cosine_rate(rate, progress, warm)
        return rate * (ENCODER_RATE if with_flow else 1.0), rate

    def end_epoch(self, history):
        """End the stage if its time is over, or if the patience is exhausted."""
        done = len(history)
        if self.seconds is not None:
            if self._elapsed_fraction() >= 1.0:
                self.ends = [min(self.ends[0], done), done]
            return
        losses = [row["held_out"] for row in history[self.first_epoch(done - 1) :]]
        if self.patience is None or len(losses) - 1 - int(np.argmin(losses)) < self.patience:
            return
        if done < self.ends[0]:
            self.ends = [done, self.ends[1] - (self.ends[0] - done)]
        else:
            self.ends[1] = done
