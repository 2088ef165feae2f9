"""One step of training: the gradient, clipped, the optimiser, and the average of the weights."""

import copy
from collections import deque

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pixsed.train.loss import loss_terms, total

_CLIP = 5.0
#: Steps that wait on a graphics card at the most; more would hold memory, and the clock of the
#: learning rate would run ahead of them.
_WAITING = 4
#: Steps made one operation at a time before the card's graph is recorded.
_TRIALS = 3


class Trainer:
    """Steps of a network and its running average.

    A step is some two thousand small operations, which a graphics card does faster than Python
    asks for them: there they are recorded once, as a CUDA graph, and replayed. Batches must then
    be of one size.

    Parameters
    ----------
    network : `~pixsed.train.network.flow.PixelFlow`
        On the device it trains on.
    mixed : bool
        Residual networks in bfloat16.
    device : str
        "cpu" or "cuda".

    Attributes
    ----------
    average : `~pixsed.train.network.flow.PixelFlow`
    optimiser : `~torch.optim.AdamW`
        Its two groups are the encoder and the flow.
    """

    def __init__(self, network, mixed, device):
        self.network, self.mixed = network, mixed
        self.average = copy.deepcopy(network)
        # The encoder, then the flow: each has a learning rate, and its gradient is clipped, of
        # its own.
        flow = (network.trunk, network.conditioners)
        self._parts = [
            list(network.encoder.parameters()),
            [p for part in flow for p in part.parameters()],
        ]
        self._recorded = device == "cuda"
        self.optimiser = torch.optim.AdamW(
            [{"params": part} for part in self._parts],
            weight_decay=1e-4,
            fused=self._recorded,
            capturable=self._recorded,
        )
        if self._recorded:
            for group in self.optimiser.param_groups:
                group["lr"] = torch.zeros((), device=device)
            self._side, self._waiting = torch.cuda.Stream(), deque()
            self._graphs, self._trials, self._held = {}, {}, None
        self._pair = list(self.average.parameters()), list(network.parameters())

    def set_rates(self, encoder, flow):
        """Set the learning rates of the next steps."""
        for group, rate in zip(self.optimiser.param_groups, (encoder, flow), strict=True):
            if self._recorded:
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def step(self, seen, with_flow, number):
        """Learn from a batch.

        Parameters
        ----------
        seen : dict of tensor
            As of `~pixsed.train.batches.Observer.batch`, on the device.
        with_flow : bool
        number : int
            Steps of the stage before this one.

        Returns
        -------
        tensor, shape ()
            The loss; where it, or its gradient, is not finite, nothing was learned.
        """
        if self._recorded:
            loss = self._replay(seen, with_flow)
        else:
            loss = self._learn(seen, with_flow)
        decay = min(0.999, (number + 1) / (number + 10))
        get_ema_multi_avg_fn(decay)(*self._pair, number)
        return loss

    def _learn(self, seen, with_flow):
        loss = total(loss_terms(self.network, seen, with_flow, self.mixed))
        self.optimiser.zero_grad()
        loss.backward()
        norms = [torch.nn.utils.clip_grad_norm_(part, _CLIP) for part in self._parts]
        lost = ~torch.isfinite(loss + sum(norms))
        if self._recorded:
            # The fused optimiser leaves everything as it is where this is one, and nothing has
            # to wait for the answer.
            self.optimiser.found_inf = lost.float()
            self.optimiser.step()
        elif not lost:
            self.optimiser.step()
        return loss.detach()

    def _replay(self, seen, with_flow):
        if self._held is None:
            self._held = {key: torch.empty_like(values) for key, values in seen.items()}
        for key, values in self._held.items():
            values.copy_(seen[key], non_blocking=True)
        if with_flow not in self._graphs:
            tried = self._trials.setdefault(with_flow, 0)
            if tried < _TRIALS:
                self._trials[with_flow] += 1
                return self._beside(lambda: self._learn(self._held, with_flow).clone())
            graph = torch.cuda.CUDAGraph()
            self.optimiser.zero_grad()
            torch.cuda.synchronize()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                loss = self._learn(self._held, with_flow)
            self._graphs[with_flow] = graph, loss
        graph, loss = self._graphs[with_flow]
        graph.replay()
        done = torch.cuda.Event()
        done.record()
        self._waiting.append(done)
        if len(self._waiting) > _WAITING:
            self._waiting.popleft().synchronize()
        return loss.clone()

    def _beside(self, what):
        """Do something on a stream that is not the default one, as a recording asks for."""
        self._side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._side):
            found = what()
        torch.cuda.current_stream().wait_stream(self._side)
        return found
