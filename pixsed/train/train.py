"""Training of the default network: the encoder alone first, then encoder and flow."""

import math
import time
from dataclasses import asdict, replace

import numpy as np
import torch

from pixsed import __version__
from pixsed.dq import MIN_BANDS
from pixsed.errors import PixsedError
from pixsed.train.batches import (
    NOMINAL_FRACTION,
    PHOTO_Z_FRACTION,
    PHOTO_Z_MAX,
    Observer,
    space_of,
)
from pixsed.train.checkpoint import (
    CHECKPOINT_FORMAT,
    check_same_simulations,
    read_checkpoint,
    warn_of_noise,
    write_checkpoint,
)
from pixsed.train.final_stages import add_final_stages, fixed_stages
from pixsed.train.initialise import build_network, start_from
from pixsed.train.loss import held_out_terms
from pixsed.train.network import spline
from pixsed.train.network.decoders import check_decodable
from pixsed.train.options import TrainOptions, member_paths
from pixsed.train.saved_file import reading_checkpoint
from pixsed.train.schedule import Schedule
from pixsed.train.stage import Stage
from pixsed.train.trainer import Trainer, parts_of
from pixsed.train.weights import read_weights

# Fraction of the minutes of a training that its final stages may take.
_FINAL_SHARE = 0.25
#: Seconds between checkpoints of a training by the clock.
_BETWEEN_WRITES = 20.0
#: Smallest number of simulations, and largest number that is held out.
_MIN_SIMULATIONS, _MAX_HELD_OUT = 50, 20_000


def train(
    simulations,
    ssp,
    noise,
    output,
    options=None,
    *,
    resume=None,
    start=None,
    report=None,
    report_stage=None,
    threads=None,
):
    """Train the default network and write a checkpoint after each epoch.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
        Observed again, with new bands, errors and noise, in every epoch. A fiftieth, at most
        20 000, is held out.
    ssp : `~pixsed.sps.ssp.SSPGrid`, or a sequence of them
        The grids of the simulations, in their order.
    noise : noise model of `pixsed.simulate.noise`
    output : path-like
        Checkpoint, replaced after each epoch, or every twenty seconds with `minutes`.
    options : `~pixsed.train.options.TrainOptions`, optional
    resume : path-like, optional
        Checkpoint of the same training to continue.
    start : path-like, optional
        Checkpoint or model whose weights are the starting point, trained on other simulations
        of the same prior; argument of `~pixsed.train.weights.read_weights`.
    report : callable, optional
        Called with a dict after each epoch.
    report_stage : callable, optional
        Called with texts: how long the epochs of a stage will take, and what the stages before
        the first epoch and after the last do (`~pixsed.train.final_stages`).
    threads : int, optional
        Number of threads; on cuda, number of threads that observe the simulations.

    Returns
    -------
    dict
        The checkpoint.

    Raises
    ------
    PixsedError
        If the prior has no network, there are too few simulations or bands, the device does
        not exist, `resume` belongs to another training, or `start` has an encoder of another
        shape.

    Warns
    -----
    PixsedWarning
        If `resume` was trained under other noise, which is allowed, or if `start` has a flow of
        another shape, in which case only its encoder is used.
    """
    started_at = time.monotonic()
    _check_trainable(simulations)
    check_decodable(simulations, ssp)
    options = options or TrainOptions()
    weights = None if start is None else read_weights(start)
    if options.sizes is None:
        first = read_weights(resume) if resume is not None else weights
        sizes = space_of(simulations.prior).SIZES if first is None else first.sizes
        options = replace(options, sizes=sizes)
    saved = None
    if resume is not None:
        saved = _read_resumed(resume, simulations, noise, options)
    threads = threads or torch.get_num_threads()
    parts = parts_of(options.batch, threads, options.device)
    torch.set_num_threads(max(1, threads // parts))
    torch.manual_seed(options.seed)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise PixsedError("there is no device cuda; try --device cpu")
    early = {} if options.minutes is None else fixed_stages(simulations, ssp, report_stage)
    network = build_network(
        simulations,
        ssp,
        options.sizes,
        seed=options.seed,
        infer_redshift=options.infer_redshift,
    )
    started_from = [] if weights is None else start_from(network, weights, simulations)
    training = _Training(network, simulations, noise, options, started_from, started_at)
    training.start(parts, threads)
    if saved is not None:
        with reading_checkpoint(resume):
            training.restore(saved)
    checkpoint, written = saved, -math.inf
    while not training.is_over():
        row = training.run_epoch(report_stage)
        if report:
            report(row)
        training.schedule.end_epoch(training.history)
        # By the clock, an epoch may take less time than writing the checkpoint.
        recent = time.monotonic() - written < _BETWEEN_WRITES
        if options.minutes and recent and not training.is_over():
            continue
        written = time.monotonic()
        checkpoint = training.checkpoint()
        write_checkpoint(checkpoint, output)
    torch.set_num_threads(threads)
    checkpoint |= early
    add_final_stages(
        checkpoint,
        simulations,
        noise,
        ssp=ssp,
        seed=options.seed,
        report=report_stage,
        until=None if options.minutes is None else started_at + 60.0 * options.minutes,
    )
    write_checkpoint(checkpoint, output)
    return checkpoint


def train_ensemble(simulations, ssp, noise, output, options, *, members, **arguments):
    """Train several networks with consecutive seeds.

    Parameters
    ----------
    simulations, ssp, noise
        Arguments of `train`.
    output : path-like
        Checkpoint of the first network; `member_paths` names the others.
    options : `~pixsed.train.options.TrainOptions`
        `options.seed` is the seed of the first network.
    members : int
        Number of networks.
    **arguments
        Keyword arguments of `train`.

    Yields
    ------
    path : path-like
        Checkpoint file of each network.
    checkpoint : dict
    """
    for i, path in enumerate(member_paths(output, members)):
        own = replace(options, seed=options.seed + i)
        yield path, train(simulations, ssp, noise, path, own, **arguments)


def _check_trainable(simulations):
    """Check that the simulations suffice for a training."""
    space_of(simulations.prior)
    if len(simulations.bands) < MIN_BANDS:
        raise PixsedError(f"a model needs {MIN_BANDS} bands or more, got {len(simulations.bands)}")
    if len(simulations) < _MIN_SIMULATIONS:
        raise PixsedError(
            f"{len(simulations)} simulations are too few to hold any out; "
            f"simulate {_MIN_SIMULATIONS} or more"
        )


def _read_resumed(path, simulations, noise, options):
    """Return the checkpoint of a training to continue, after checking that it is the same."""
    saved = read_checkpoint(path)
    check_same_simulations(saved, simulations, path)
    options.check_resumable(saved["options"], path)
    if saved["training"]["simulations"] != len(simulations):
        raise PixsedError(
            f"{path} was trained with {saved['training']['simulations']} simulations, not "
            f"{len(simulations)}; give the same simulations, or train again"
        )
    if options.epochs > saved["options"]["epochs"]:
        saved["stage_ends"][1] = options.epochs
    if saved["epoch"] >= saved["stage_ends"][1]:
        raise PixsedError(f"{path} already has {saved['epoch']} epochs; nothing is left to do")
    warn_of_noise(saved, noise, path)
    return saved


class _Training:
    """State of a training between epochs.

    Parameters
    ----------
    network : `~pixsed.train.network.flow.PixelFlow`
    simulations : `~pixsed.simulate.table.Simulations`
    noise : noise model of `pixsed.simulate.noise`
    options : `~pixsed.train.options.TrainOptions`
    started_from : list of dict
        Trainings before this one.
    started_at : float
        Start of a training by the clock, of `time.monotonic`.
    """

    def __init__(self, network, simulations, noise, options, started_from, started_at):
        self.options, self.simulations, self.noise = options, simulations, noise
        self.started_from = started_from
        self.network = network.to(options.device)
        held = min(len(simulations) // 50, _MAX_HELD_OUT)
        order = np.random.default_rng(options.seed).permutation(len(simulations))
        self.observer = Observer(simulations, noise, order[held:], options.infer_redshift)
        held_out = self.observer.batch(order[:held], np.random.default_rng(options.seed + 1))
        self.held_out = {key: values.to(options.device) for key, values in held_out.items()}
        self.schedule = Schedule(
            options.epochs,
            options.encoder_fraction,
            minutes=options.minutes and (1.0 - _FINAL_SHARE) * options.minutes,
            since=started_at,
            patience=options.patience,
        )
        self.history = []
        self._with_flow, self._stage = None, None

    def start(self, parts, threads):
        """Make the trainer, which processes a batch in parts, and choose how batches are made."""
        options = self.options
        self.trainer = Trainer(self.network, options.resolved_mixed, options.device, parts)
        self.ahead = threads if options.device == "cuda" else int(threads > 1)

    def restore(self, saved):
        """Continue from a checkpoint."""
        self.network.load_state_dict(saved["network"])
        self.trainer.average.load_state_dict(saved["average"])
        self.trainer.optimiser.load_state_dict(saved["optimiser"])
        self.history, self.schedule.ends = saved["history"], list(saved["stage_ends"])
        self.started_from = saved["training"]["started_from"]

    def is_over(self):
        """Return whether all epochs are done."""
        return self.schedule.is_over(len(self.history))

    def run_epoch(self, report=None):
        """Train for one epoch and return its row of the history.

        Parameters
        ----------
        report : callable, optional
            Called with a text in the first epoch of a stage: how long the stage will take.
        """
        epoch, began = len(self.history), time.monotonic()
        with_flow = self.schedule.begin_epoch(epoch)
        losses = self._run_steps(epoch, with_flow, report)
        self.trainer.average.eval()
        density, by_property, prediction = held_out_terms(
            self.trainer.average, self.held_out, with_flow
        )
        losses = torch.stack(losses) if losses else torch.full((1,), math.nan)
        row = {
            "epoch": epoch + 1,
            "train": float(losses[torch.isfinite(losses)].mean()),
            "held_out": float(density.sum() + by_property.sum()),
            "by_coordinate": [round(float(t), 4) for t in density] if with_flow else [],
            "quantiles": [round(float(t), 4) for t in by_property],
            "prediction": float(prediction),
            "seconds": time.monotonic() - began,
        }
        self.history.append(row)
        return row

    def _clock(self, epoch, with_flow, report):
        """Return the clock of the stage, which reports once; by the clock its end is known."""
        if with_flow is not self._with_flow:
            self._with_flow = with_flow
            last = self.schedule.ends[int(with_flow)]
            name = "encoder and flow" if with_flow else "encoder alone"
            name += f", epochs {epoch + 1} to {last}"
            self._stage = Stage(name, report=None if self.options.minutes else report)
        return self._stage

    def _run_steps(self, epoch, with_flow, report):
        """Take the steps of an epoch; return their losses."""
        options, rows = self.options, self.observer.rows
        # Each epoch has its own random numbers, so that a resumed training gets the same batches.
        seed = [options.seed, epoch]
        shuffled = np.random.default_rng(seed).permutation(rows)
        self.network.train()
        batches = self.observer.stream(
            shuffled, options.batch, seed, ahead=self.ahead, device=options.device
        )
        steps = math.ceil(len(rows) / options.batch)
        first = (epoch - self.schedule.first_epoch(epoch)) * steps
        left = (self.schedule.ends[int(with_flow)] - epoch) * steps
        clock = self._clock(epoch, with_flow, report)
        losses = []
        for step, (fraction, batch) in enumerate(batches, first):
            clock.progress(step - first, left)
            progress = self.schedule.progress(epoch, fraction)
            if options.minutes and losses and progress >= 1.0:
                break
            rates = self.schedule.rates(options.rate, step, progress, with_flow)
            self.trainer.set_rates(*rates)
            losses.append(self.trainer.step(batch, with_flow, step))
        return losses

    def checkpoint(self):
        """Return the present state as a checkpoint."""
        options, simulations = self.options, self.simulations
        return {
            "format": CHECKPOINT_FORMAT,
            "pixsed": __version__,
            "epoch": len(self.history),
            "network": self.network.state_dict(),
            "average": self.trainer.average.state_dict(),
            "optimiser": self.trainer.optimiser.state_dict(),
            "history": self.history,
            "stage_ends": self.schedule.ends,
            "options": options.key(),
            "sizes": asdict(options.sizes) | {"infer_redshift": options.infer_redshift},
            "mass_offset": self.network.mass_offset,
            "bands": simulations.bands,
            "filters": [own.describe() for own in simulations.filters],
            "prior": simulations.prior,
            "sps": simulations.meta,
            "noise": self.noise.describe(),
            "spline": spline.constants(),
            "space": self.network.space.describe(),
            "training": {
                "simulations": len(simulations),
                "epochs": len(self.history),
                "batch": options.batch,
                "rate": options.rate,
                "seed": options.seed,
                "photo_z_share": PHOTO_Z_FRACTION,
                "photo_z_max": PHOTO_Z_MAX,
                "nominal_share": NOMINAL_FRACTION,
                "encoder_epochs": self.schedule.ends[0],
                "mixed": options.resolved_mixed,
                "device": options.device,
                "minutes": options.minutes,
                "started_from": self.started_from,
            },
        }
