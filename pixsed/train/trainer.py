"""Training steps: gradient, optimiser, and running average of the weights."""

import copy
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pixsed.train.loss import loss_terms, total

#: Largest norm of the gradient of the encoder, and of the gradient of the flow.
_CLIP = 5.0
#: Largest number of steps queued on the GPU. More would use memory, and the learning rate would
#: run ahead of them.
_QUEUED = 4
#: Steps executed normally before the CUDA graph is recorded.
_TRIALS = 3
#: Smallest number of rows of a part of a batch.
_PART = 400


def parts_of(batch, threads, device):
    """Return the number of parts of a batch that threads process at the same time.

    The threads of torch share each operation, and most operations of a step are too small to
    gain from that. On the CPU, a batch is therefore divided.
    """
    return 1 if device == "cuda" else max(1, min(threads, batch // _PART))


class Trainer:
    """Optimiser steps of a network, with a running average of its weights.

    A step consists of about two thousand small operations, which a GPU executes faster than
    Python launches them. On cuda they are therefore recorded once as a CUDA graph and replayed;
    this requires that all batches have the same size.

    Parameters
    ----------
    network : `~pixsed.train.network.flow.PixelFlow`
        On the device of the training.
    mixed : bool
        Evaluate the residual networks in bfloat16.
    device : str
        "cpu" or "cuda".
    parts : int, optional
        Number of parts of each batch, processed in as many threads; on the CPU only.

    Attributes
    ----------
    average : `~pixsed.train.network.flow.PixelFlow`
        Network with averaged weights.
    optimiser : `~torch.optim.AdamW`
        Its two parameter groups are the encoder and the flow.
    """

    def __init__(self, network, mixed, device, parts=1):
        self.network, self.mixed = network, mixed
        self.average = copy.deepcopy(network)
        # Encoder and flow have separate learning rates, and their gradients are clipped
        # separately.
        flow = (network.trunk, network.conditioners)
        self._parts = [
            list(network.encoder.parameters()),
            [p for part in flow for p in part.parameters()],
        ]
        self._recorded = device == "cuda"
        self._count = parts
        self._pool = ThreadPoolExecutor(parts) if parts > 1 else None
        self.optimiser = torch.optim.AdamW(
            [{"params": part} for part in self._parts],
            weight_decay=1e-4,
            fused=True,
            capturable=self._recorded,
        )
        if self._recorded:
            for group in self.optimiser.param_groups:
                group["lr"] = torch.zeros((), device=device)
            self._side, self._queue = torch.cuda.Stream(), deque()
            self._graphs, self._trials, self._inputs = {}, {}, None
        self._pair = list(self.average.parameters()), list(network.parameters())

    def set_rates(self, encoder, flow):
        """Set the learning rates of the next steps."""
        for group, rate in zip(self.optimiser.param_groups, (encoder, flow), strict=True):
            if self._recorded:
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def step(self, batch, with_flow, number):
        """Take one step and return its loss.

        Parameters
        ----------
        batch : dict of tensor
            Returned by `~pixsed.train.batches.Observer.batch`, on the device.
        with_flow : bool
            Train the flow too.
        number : int
            Number of previous steps in this stage.

        Returns
        -------
        tensor, shape ()
            The loss. The step is skipped if the loss or its gradient is not finite.
        """
        update = self._replay if self._recorded else self._update
        loss = update(batch, with_flow)
        decay = min(0.999, (number + 1) / (number + 10))
        get_ema_multi_avg_fn(decay)(*self._pair, number)
        return loss

    def _update(self, batch, with_flow):
        if self._pool is None:
            loss = total(loss_terms(self.network, batch, with_flow, self.mixed))
            self.optimiser.zero_grad()
            loss.backward()
        else:
            loss = self._loss_in_parts(batch, with_flow)
        norms = [torch.nn.utils.clip_grad_norm_(part, _CLIP) for part in self._parts]
        not_finite = ~torch.isfinite(loss + sum(norms))
        if self._recorded:
            # The fused optimiser skips the step if this is 1, without a synchronisation.
            self.optimiser.found_inf = not_finite.float()
            self.optimiser.step()
        elif not not_finite:
            self.optimiser.step()
        return loss.detach()

    def _loss_in_parts(self, batch, with_flow):
        """Return the loss of a batch, after computing the gradients of its parts in threads."""
        rows, parameters = len(batch["z"]), sum(self._parts, [])

        def run(part):
            loss = total(loss_terms(self.network, part, with_flow, self.mixed))
            loss = loss * (len(part["z"]) / rows)
            return loss.detach(), torch.autograd.grad(loss, parameters, allow_unused=True)

        chunks = {key: values.tensor_split(self._count) for key, values in batch.items()}
        parts = [
            dict(zip(chunks, part, strict=True)) for part in zip(*chunks.values(), strict=True)
        ]
        losses, gradients = zip(*self._pool.map(run, parts), strict=True)
        for parameter, *own in zip(parameters, *gradients, strict=True):
            parameter.grad = None if own[0] is None else sum(own)
        return sum(losses)

    def _replay(self, batch, with_flow):
        if self._inputs is None:
            self._inputs = {key: torch.empty_like(values) for key, values in batch.items()}
        for key, values in self._inputs.items():
            values.copy_(batch[key], non_blocking=True)
        if with_flow not in self._graphs:
            tried = self._trials.setdefault(with_flow, 0)
            if tried < _TRIALS:
                self._trials[with_flow] += 1
                return self._on_side_stream(lambda: self._update(self._inputs, with_flow).clone())
            graph = torch.cuda.CUDAGraph()
            self.optimiser.zero_grad()
            torch.cuda.synchronize()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                loss = self._update(self._inputs, with_flow)
            self._graphs[with_flow] = graph, loss
        graph, loss = self._graphs[with_flow]
        graph.replay()
        done = torch.cuda.Event()
        done.record()
        self._queue.append(done)
        if len(self._queue) > _QUEUED:
            self._queue.popleft().synchronize()
        return loss.clone()

    def _on_side_stream(self, function):
        """Call a function on a side stream, which the recording of a graph requires."""
        self._side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._side):
            found = function()
        torch.cuda.current_stream().wait_stream(self._side)
        return found
