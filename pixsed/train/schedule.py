"""When the flow joins the encoder, how the learning rates fall, and when training ends."""

import sys
import time

import numpy as np

from pixsed.train.descent import rate_at

#: Share of the training in which the encoder learns alone, from marginal quantiles.
ENCODER_SHARE = 1 / 3
#: The encoder's learning rate over the flow's, once both learn.
ENCODER_RATE = 0.4
_WARM_STEPS = 500


class Schedule:
    """Two stages, the encoder's and the one with the flow, by epochs or by the clock.

    Parameters
    ----------
    epochs : int
        Of both stages together.
    encoder_share : float, optional
        What part of it is the first stage.
    minutes : float, optional
        In place of epochs: the stages end by the clock, in the midst of an epoch.
    since : float, optional
        When those began, of `time.monotonic`; now by default.
    patience : int, optional
        A stage ends after so many epochs without a better held-out loss.

    Attributes
    ----------
    ends : list of int
        Epochs done when the stages end; patience, or the clock, brings them forward.
    """

    def __init__(
        self, epochs, encoder_share=ENCODER_SHARE, *, minutes=None, since=None, patience=None
    ):
        self.encoder_share, self.patience = encoder_share, patience
        self.seconds = None if minutes is None else 60.0 * minutes
        self.ends = [round(encoder_share * epochs), epochs]
        if minutes is not None:
            self.ends = [sys.maxsize, sys.maxsize]
        self._began = time.monotonic() if since is None else since
        self._flow_began = 0.0

    def _clock(self):
        return (time.monotonic() - self._began) / self.seconds

    def over(self, epoch):
        """Whether nothing is left to do after so many epochs."""
        return epoch >= self.ends[1]

    def begin(self, epoch):
        """Return whether the flow learns in the epoch that begins now."""
        if self.seconds is not None and self.ends[0] > epoch:
            now = self._clock()
            if now >= self.encoder_share:
                self.ends[0], self._flow_began = epoch, now
        return epoch >= self.ends[0]

    def progress(self, epoch, share):
        """Return what share of the stage is behind, `share` of the epoch done."""
        with_flow = epoch >= self.ends[0]
        if self.seconds is None:
            first, last = self.first(epoch), self.ends[int(with_flow)]
            return (epoch - first + share) / (last - first)
        now = self._clock()
        if with_flow:
            return (now - self._flow_began) / (1.0 - self._flow_began)
        return now / self.encoder_share

    def first(self, epoch):
        """Return the first epoch of the stage that an epoch is of."""
        return self.ends[0] if epoch >= self.ends[0] else 0

    def rates(self, rate, step, progress, with_flow):
        """Return the learning rates of encoder and flow.

        A rise over the first steps of a stage, then half a cosine down to nothing.
        """
        warm = min(1.0, (step + 1) / _WARM_STEPS)
        rate = rate_at(rate, progress, warm)
        return rate * (ENCODER_RATE if with_flow else 1.0), rate

    def end_epoch(self, history):
        """End the stage now if its time is up, or if it has been fruitless for too long."""
        done = len(history)
        if self.seconds is not None:
            if self._clock() >= 1.0:
                self.ends = [min(self.ends[0], done), done]
            return
        losses = [row["held_out"] for row in history[self.first(done - 1) :]]
        if self.patience is None or len(losses) - 1 - int(np.argmin(losses)) < self.patience:
            return
        if done < self.ends[0]:
            self.ends = [done, self.ends[1] - (self.ends[0] - done)]
        else:
            self.ends[1] = done
