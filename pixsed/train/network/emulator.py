"""Small network for functions of the history that have no closed form."""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import silu

from pixsed.train.minimise import minimise

#: Rows, steps and batch size of the fit; about a minute on one core.
ROWS, STEPS, BATCH = 400_000, 6000, 2048


class Emulator(nn.Module):
    """Regression network whose outputs stay within their range in the training set.

    Parameters
    ----------
    inputs, outputs : int
        Number of inputs and outputs.
    hidden : int, optional
        Width of the hidden layers.
    error : sequence of float, optional
        Root-mean-square error of each output on held-out rows.
    """

    def __init__(self, inputs, outputs, hidden=48, error=()):
        super().__init__()
        self.hidden, self.error = hidden, list(error)
        self.first = nn.Linear(inputs, hidden)
        self.second, self.third = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, outputs)
        for name, size in (
            ("centre", inputs),
            ("width", inputs),
            ("middle", outputs),
            ("spread", outputs),
            ("low", outputs),
            ("high", outputs),
        ):
            self.register_buffer(name, torch.zeros(size))

    def describe(self):
        """Return the constructor arguments of an emulator of the same sizes."""
        return {
            "inputs": self.first.in_features,
            "outputs": self.last.out_features,
            "hidden": self.hidden,
            "error": self.error,
        }

    def forward(self, x):
        """Return outputs (..., O) for inputs (..., I)."""
        h = silu(self.first((x - self.centre) / self.width))
        h = h + silu(self.second(h))
        h = h + silu(self.third(h))
        y = self.last(h) * self.spread + self.middle
        return torch.minimum(torch.maximum(y, self.low), self.high)

    @classmethod
    def fit(cls, x, y, *, seed=42, steps=STEPS, hidden=48):
        """Return an emulator fitted to a table; a twentieth of the rows is held out.

        Parameters
        ----------
        x : `~numpy.ndarray`, shape (N, I)
        y : `~numpy.ndarray`, shape (N, O)
        seed, steps, hidden : int, optional

        Returns
        -------
        `Emulator`
        """
        rng = np.random.default_rng([seed, 5])
        torch.manual_seed(seed)
        order = rng.permutation(len(x))[:ROWS]
        x, y = (torch.from_numpy(v[order].astype(np.float32)) for v in (x, y))
        held = max(1, len(x) // 20)
        network = cls(x.shape[1], y.shape[1], hidden)
        for name, values in (("centre", x), ("middle", y)):
            getattr(network, name).copy_(values.mean(dim=0))
        for name, values in (("width", x), ("spread", y)):
            getattr(network, name).copy_(values.std(dim=0).clamp(min=1e-6))
        network.low.copy_(y.min(dim=0).values)
        network.high.copy_(y.max(dim=0).values)

        def loss():
            pick = torch.from_numpy(rng.integers(held, len(x), min(BATCH, len(x))))
            off = (network(x[pick]) - y[pick]) / network.spread
            # This loss grows like |x|, so that rare histories with large errors do not dominate.
            return torch.sqrt(1e-4 + off * off).mean()

        minimise(network.parameters(), loss, min(steps, max(200, len(x) // 10)), 3e-3)
        with torch.no_grad():
            off = network(x[:held]) - y[:held]
        network.error = [round(float(e), 6) for e in off.pow(2).mean(dim=0).sqrt()]
        return network.eval()
