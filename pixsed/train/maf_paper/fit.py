"""Training of the paper's network.

sbi's own `train` keeps the optimiser, the split and the patience in memory only, so that an
interrupted training cannot be resumed. The loop here takes the same steps with the density
estimator's `loss`, and writes a checkpoint after each epoch.
"""

import copy
import time
from importlib.metadata import version

import numpy as np
import torch

from pixsed import __version__
from pixsed.errors import PixsedError
from pixsed.simulate.noise import depths
from pixsed.simulate.observe import measure
from pixsed.train.checkpoint import warn_of_noise, write_checkpoint
from pixsed.train.maf_paper.checkpoint import FORMAT, build_network, read_checkpoint
from pixsed.train.maf_paper.inputs import OUTPUTS, network_input, paper_bands
from pixsed.train.maf_paper.options import PaperOptions
from pixsed.train.saved_file import reading_checkpoint

#: Fraction of the simulations that is held out.
_HELD_OUT = 0.1
#: Largest norm of the gradient. Not in the paper: sbi's default.
_CLIP = 5.0
#: Smallest number of simulations.
_MIN_SIMULATIONS = 100
_OBSERVED_AT_ONCE = 1 << 16


def observe_once(simulations, noise, seed):
    """Observe simulations once, as in the paper, and return the input of the network.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
    noise : noise model of `pixsed.simulate.noise`
    seed : int

    Returns
    -------
    theta : `~numpy.ndarray`, shape (N, P), float32
    x : `~numpy.ndarray`, shape (N, 2 * B + 1), float32
    """
    bands = paper_bands(simulations.bands)
    columns = [simulations.bands.index(band) for band in bands]
    depth = depths(bands)
    z = simulations.columns["REDSHIFT"]
    x = np.empty((len(simulations), 2 * len(bands) + 1), dtype=np.float32)
    for start in range(0, len(simulations), _OBSERVED_AT_ONCE):
        rows = slice(start, start + _OBSERVED_AT_ONCE)
        rng = np.random.default_rng([seed, start])
        true = simulations.flux[rows][:, columns].astype(float)
        flux, sigma = measure(true, bands, noise, rng)
        x[rows] = network_input(flux, sigma, z[rows], depth, bands)
    names = OUTPUTS[simulations.prior]
    return np.stack([simulations.columns[name] for name in names], axis=1).astype(np.float32), x


def train(simulations, noise, output, options=None, *, resume=None, report=None, threads=None):
    """Train the paper's network and write a checkpoint after each epoch.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
        Simulations under the prior tau or dirichlet. They are observed once, in the bands of
        the paper; a tenth is held out.
    noise : noise model of `pixsed.simulate.noise`
    output : path-like
        Checkpoint, replaced after each epoch.
    options : `PaperOptions`, optional
    resume : path-like, optional
        Checkpoint of the same training to continue.
    report : callable, optional
        Called with a dict after each epoch.
    threads : int, optional
        Threads of torch.

    Returns
    -------
    dict
        The checkpoint; ``best`` holds the weights of the best epoch.

    Raises
    ------
    PixsedError
        If the paper has no network for the prior, there are too few simulations or bands, the
        device does not exist, the loss is not finite, or `resume` belongs to another training.

    Warns
    -----
    PixsedWarning
        If `resume` was trained under other noise.
    """
    options = options or PaperOptions()
    _check_trainable(simulations, options)
    saved = None
    if resume is not None:
        saved = _read_resumed(resume, simulations, noise, options)
    if threads:
        torch.set_num_threads(threads)
    training = _Training(simulations, noise, options)
    if saved is not None:
        with reading_checkpoint(resume):
            training.restore(saved)
    checkpoint = None
    while not training.is_over():
        row = training.run_epoch()
        if not np.isfinite(row["held_out"]):
            raise PixsedError(
                f"the loss of epoch {row['epoch']} is not finite; try a smaller --rate, or "
                f"continue from {output} with --continue"
            )
        checkpoint = training.checkpoint()
        write_checkpoint(checkpoint, output)
        # Report after the file is complete, so that an error in the report loses nothing.
        if report:
            report(row)
    return checkpoint


def _check_trainable(simulations, options):
    """Check that simulations and device suffice for a training."""
    if simulations.prior not in OUTPUTS:
        raise PixsedError(
            f"the paper has no network for the prior {simulations.prior!r}; train on simulations "
            f"made with --prior {' or '.join(OUTPUTS)}"
        )
    paper_bands(simulations.bands)
    if len(simulations) < _MIN_SIMULATIONS:
        raise PixsedError(
            f"{len(simulations)} simulations are too few to hold any out; "
            f"simulate {_MIN_SIMULATIONS} or more"
        )
    if options.device != "cpu" and not torch.cuda.is_available():
        raise PixsedError(f"there is no device {options.device}; try --device cpu")


def _read_resumed(path, simulations, noise, options):
    """Return the checkpoint of a training to continue, after checking that it is the same."""
    saved = read_checkpoint(path)
    if (saved["bands"], saved["prior"]) != (paper_bands(simulations.bands), simulations.prior):
        raise PixsedError(f"{path} was trained on other bands or another prior; train again")
    options.check_resumable(saved["options"], path)
    if saved["training"]["simulations"] != len(simulations):
        raise PixsedError(
            f"{path} was trained with {saved['training']['simulations']} simulations, not "
            f"{len(simulations)}; give the same simulations, or train again"
        )
    if saved["epochs_without_gain"] >= saved["patience"]:
        raise PixsedError(
            f"{path} has ended: {saved['patience']} epochs brought no smaller held-out loss; "
            "use it as it is"
        )
    if options.epochs is not None and saved["epoch"] >= options.epochs:
        raise PixsedError(
            f"{path} already has {saved['epoch']} epochs; give the epochs of the whole training"
        )
    warn_of_noise(saved, noise, path)
    return saved


class _Training:
    """State of a training between epochs."""

    def __init__(self, simulations, noise, options):
        self.simulations, self.noise, self.options = simulations, noise, options
        inputs = observe_once(simulations, noise, options.seed)
        theta, x = (torch.from_numpy(array) for array in inputs)
        held = round(_HELD_OUT * len(simulations))
        order = np.random.default_rng(options.seed).permutation(len(simulations))
        self.rows, held_out = order[held:], torch.from_numpy(order[:held])
        self.batch = min(options.batch, len(self.rows))
        torch.manual_seed(options.seed)
        self.network = build_network(theta[self.rows], x[self.rows], options.sizes)
        self.network.to(options.device)
        self.theta, self.x = theta.to(options.device), x.to(options.device)
        self.held_out = held_out.to(options.device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=options.rate)
        self.epoch, self.epochs_without_gain, self.history = 0, 0, []
        self.best, self.best_loss = None, np.inf

    def restore(self, saved):
        """Continue from a checkpoint."""
        self.network.load_state_dict(saved["network"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.epoch, self.history = saved["epoch"], saved["history"]
        self.epochs_without_gain = saved["epochs_without_gain"]
        self.best, self.best_loss = saved["best"], saved["best_loss"]

    def is_over(self):
        """Return whether the patience is exhausted or all epochs are done."""
        options = self.options
        if options.epochs is not None and self.epoch >= options.epochs:
            return True
        return self.epochs_without_gain >= options.patience

    def run_epoch(self):
        """Train for one epoch and return its row of the history."""
        began = time.monotonic()
        mean_loss = self._run_steps()
        held_out = self._held_out_loss()
        self.epoch += 1
        if held_out < self.best_loss:
            self.best, self.best_loss = copy.deepcopy(self.network.state_dict()), held_out
            self.epochs_without_gain = 0
        else:
            self.epochs_without_gain += 1
        row = {
            "epoch": self.epoch,
            "train": mean_loss,
            "held_out": held_out,
            "epochs_without_gain": self.epochs_without_gain,
            "seconds": time.monotonic() - began,
        }
        self.history.append(row)
        return row

    def _run_steps(self):
        """Take the steps of an epoch; return their mean loss."""
        # Each epoch has its own random numbers, so that a resumed training gets the same batches.
        rng = np.random.default_rng([self.options.seed, self.epoch])
        shuffled = torch.from_numpy(rng.permutation(self.rows))
        self.network.train()
        total = 0.0
        steps = len(self.rows) // self.batch
        for step in range(steps):
            rows = shuffled[step * self.batch : (step + 1) * self.batch].to(self.options.device)
            loss = self.network.loss(self.theta[rows], condition=self.x[rows]).mean()
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP)
            self.optimiser.step()
            total += loss.detach()
        return float(total) / steps

    @torch.no_grad()
    def _held_out_loss(self):
        """Return the mean loss of the held-out simulations."""
        self.network.eval()
        parts = [
            self.network.loss(self.theta[rows], condition=self.x[rows]).double().sum()
            for rows in self.held_out.split(4096)
        ]
        return float(sum(parts)) / len(self.held_out)

    def checkpoint(self):
        """Return the present state as a checkpoint."""
        options, simulations = self.options, self.simulations
        bands = paper_bands(simulations.bands)
        return {
            "format": FORMAT,
            "net": "maf-paper",
            "pixsed": __version__,
            "sbi": version("sbi"),
            "epoch": self.epoch,
            "epochs_without_gain": self.epochs_without_gain,
            "patience": options.patience,
            "best": self.best,
            "best_loss": self.best_loss,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
            "options": options.key(),
            "sizes": options.key()["sizes"],
            "bands": bands,
            "depth": depths(bands).tolist(),
            "prior": simulations.prior,
            "outputs": list(OUTPUTS[simulations.prior]),
            "sps": simulations.meta,
            "noise": self.noise.describe(),
            "training": {
                "simulations": len(simulations),
                "batch": options.batch,
                "rate": options.rate,
                "seed": options.seed,
            },
        }
