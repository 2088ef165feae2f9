"""Train the default network: the encoder first, then the flow too; a checkpoint each epoch."""

import math
import time
import warnings

import numpy as np
import torch

from pixsed import __version__, cosmology
from pixsed.dq import MIN_BANDS
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.atomic import atomic_path
from pixsed.train.batches import NOMINAL_SHARE, PHOTO_Z_MAX, PHOTO_Z_SHARE, Observer, space_of
from pixsed.train.checkpoint import CHECKPOINT_FORMAT, read_checkpoint
from pixsed.train.finish import finish
from pixsed.train.loss import held_out
from pixsed.train.network import spline
from pixsed.train.network.flow import NEUTRAL, PixelFlow
from pixsed.train.schedule import ENCODER_SHARE, Schedule
from pixsed.train.step import Trainer

#: Seconds between checkpoints of a run by the clock.
_BETWEEN_WRITES = 20.0


def build(simulations, ssp, sizes, seed=42):
    """Return an untrained `PixelFlow` for a set of simulations and the SSP grid they came from."""
    space_class = space_of(simulations.prior)
    network = PixelFlow(len(simulations.bands), space_class.fit(simulations, ssp, seed), **sizes)
    # Typical mass over brightness, so that the mass starts near its place.
    part = slice(0, min(len(simulations), 20000))
    flux = np.median(simulations.flux[part], axis=1).astype(float)
    z = simulations.columns["REDSHIFT"][part]
    ok = (flux > 0) & (z > 0.05)
    guess = _log_mass(flux[ok], z[ok])
    masses = simulations.columns["LOGMFORM"][part][ok]
    network.mass_offset = float(np.median(masses - guess))
    targets = space_class.targets(simulations.columns)[part][ok]
    shown = np.full(ok.sum(), NEUTRAL) if network.infer_redshift else z[ok]
    for i, name in enumerate(space_class.TARGETS):
        if name in ("LOGMSTAR", "LOGMFORM", "LOGSFR"):
            targets[:, i] -= _log_mass(flux[ok], shown) + network.mass_offset
    network.target_mean.copy_(torch.from_numpy(targets.mean(axis=0)))
    network.target_std.copy_(torch.from_numpy(targets.std(axis=0)))
    return network


def _log_mass(flux, z):
    """log10 of brightness times the square of the distance."""
    distance = cosmology.luminosity_distance(z)
    return np.log10(flux) + 2 * np.log10(distance) - np.log10(1 + z)


def _read_resumed(path, simulations, run):
    """Read the checkpoint of a run that shall go on, and check that it is that run."""
    saved = read_checkpoint(path)
    if (saved["bands"], saved["prior"]) != (simulations.bands, simulations.prior):
        raise PixsedError(f"{path} was trained on other bands or another prior; train anew")
    for key, value in run.items():
        if saved["run"][key] != value and not (key == "epochs" and value > saved["run"][key]):
            raise PixsedError(
                f"{path} is of a run with other {key} ({saved['run'][key]}, not {value}); "
                "give the same, or train anew"
            )
    if run["epochs"] > saved["run"]["epochs"]:  # asked to train on
        saved["ends"][1] = run["epochs"]
    if saved["epoch"] >= saved["ends"][1]:
        raise PixsedError(f"{path} has {saved['epoch']} epochs already; nothing is left to do")
    return saved


def _begin_with(network, path, simulations):
    """Take over a checkpoint's weights; return what to say of its training."""
    saved = read_checkpoint(path)
    if (saved["bands"], saved["prior"]) != (simulations.bands, simulations.prior):
        raise PixsedError(f"{path} was trained on other bands or another prior; train anew")
    # The tables and the emulator of the space are those of the new simulations.
    kept = ("space.", "recalibration.")
    weights = {k: v for k, v in saved["average"].items() if not k.startswith(kept)}
    mine = network.state_dict()
    flow = ("trunk.", "conditioners.")
    other = {k for k, v in weights.items() if k not in mine or mine[k].shape != v.shape}
    alone = bool(other) and all(key.startswith(flow) for key in other)
    if other and not alone:
        raise PixsedError(f"{path} is of a network of another shape; train anew")
    if alone:
        warnings.warn(
            f"{path} has a flow of another shape; its encoder alone is begun with",
            PixsedWarning,
            stacklevel=3,
        )
        weights = {key: v for key, v in weights.items() if not key.startswith(flow)}
    network.load_state_dict(weights, strict=False)
    network.mass_offset = saved["mass_offset"]
    before = saved["training"]
    last = {key: before[key] for key in ("simulations", "epochs", "seed")}
    return [*before.get("started_from", []), last | ({"encoder_alone": True} if alone else {})]


def train(
    simulations,
    ssp,
    noise,
    output,
    *,
    epochs=24,
    batch=1024,
    rate=1e-3,
    seed=42,
    sizes=None,
    resume=None,
    start=None,
    report=None,
    threads=None,
    device="cpu",
    mixed=None,
    minutes=None,
    encoder_share=ENCODER_SHARE,
    patience=None,
    infer_redshift=False,
):
    """Train on simulations and write a checkpoint after each epoch.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
        Each population is observed anew in every epoch; a fiftieth, 20 000 at the most, is
        held out.
    ssp : `~pixsed.sps.ssp.SSPGrid`
    noise : noise model of `pixsed.simulate.noise`
    output : path-like
        The checkpoint; replaced after each epoch, or with `minutes` every twenty seconds.
    epochs, batch, rate, seed : optional
    sizes : dict, optional
        Sizes of `PixelFlow`.
    resume : path-like, optional
        A checkpoint of the same run to go on from.
    start : path-like, optional
        A checkpoint of other simulations of the same prior, whose weights to begin with.
    report : callable, optional
        Called with a dict after each epoch.
    threads : int, optional
        On cuda, threads that observe ahead.
    device : str, optional
        "cpu" or "cuda".
    mixed : bool, optional
        Residual networks in bfloat16; by default on cuda alone.
    minutes : float, optional
        Train for so long in place of `epochs`, what comes before the first included and what
        comes after the last not: the learning rate falls with the clock. Such a run depends
        on the machine, and is not gone on with.
    encoder_share : float, optional
        In what part of it the encoder learns alone; 0 where `start` has a flow to go on with.
    patience : int, optional
        A stage ends after so many epochs without a better held-out loss.
    infer_redshift : bool, optional
        Train a network that is not shown the redshift, and gives it.

    Returns
    -------
    dict
        The checkpoint.

    Raises
    ------
    PixsedError
        If the prior has no space yet, there are too few simulations or bands,
        `resume` is of another run, or `start` has an encoder of another shape.

    Warns
    -----
    PixsedWarning
        If `resume` was trained under other noise: a run may well change it, knowingly. If
        `start` has a flow of another shape: of it the encoder alone is taken.
    """
    started_at = time.monotonic()
    sizes = dict(sizes or {}) | ({"infer_redshift": True} if infer_redshift else {})
    space_of(simulations.prior)
    if len(simulations.bands) < MIN_BANDS:
        raise PixsedError(f"a model needs {MIN_BANDS} bands or more, got {len(simulations.bands)}")
    if len(simulations) < 50:
        raise PixsedError(
            f"{len(simulations)} simulations are too few to hold any out; simulate 50 or more"
        )
    run = {
        "epochs": epochs,
        "batch": batch,
        "rate": rate,
        "seed": seed,
        "sizes": sizes,
        "simulations": len(simulations),
    }
    saved = _read_resumed(resume, simulations, run) if resume is not None else None
    if saved is not None and saved["noise"] != noise.describe():
        warnings.warn(
            f"{resume} was trained under other noise ({saved['noise']['name']}); it goes on "
            f"under {noise.name}",
            PixsedWarning,
            stacklevel=2,
        )
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    if device == "cuda" and not torch.cuda.is_available():
        raise PixsedError("there is no device cuda; try --device cpu")
    mixed = device == "cuda" if mixed is None else mixed
    network = build(simulations, ssp, sizes, seed)
    started = []
    if start is not None:
        started = _begin_with(network, start, simulations)
    trainer = Trainer(network.to(device), mixed, device)
    average, optimiser = trainer.average, trainer.optimiser
    held = min(len(simulations) // 50, 20000)
    order = np.random.default_rng(seed).permutation(len(simulations))
    observer = Observer(simulations, noise, order[held:], infer_redshift)
    fixed = observer.batch(order[:held], np.random.default_rng(seed + 1))
    fixed = {key: values.to(device) for key, values in fixed.items()}
    steps = math.ceil(len(observer.rows) / batch)
    schedule = Schedule(epochs, encoder_share, minutes=minutes, since=started_at, patience=patience)
    history, written = [], -math.inf
    if saved is not None:
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        history, schedule.ends = saved["history"], list(saved["ends"])
        started = saved["training"]["started_from"]
    checkpoint = saved
    while not schedule.over(len(history)):
        epoch = len(history)
        began, running = time.monotonic(), []
        with_flow = schedule.begin(epoch)
        # A stream of its own for each epoch, so that a resumed run sees the same batches.
        shuffled = np.random.default_rng([seed, epoch]).permutation(observer.rows)
        network.train()
        ahead = torch.get_num_threads() if device == "cuda" else 0
        batches = observer.stream(shuffled, batch, [seed, epoch], ahead=ahead, device=device)
        for step, (share, seen) in enumerate(batches):
            progress = schedule.progress(epoch, share)
            if minutes and running and progress >= 1.0:
                break
            now = (epoch - schedule.first(epoch)) * steps + step
            trainer.set_rates(*schedule.rates(rate, now, progress, with_flow))
            running.append(trainer.step(seen, with_flow, now))
        average.eval()
        density, by_property, miss = held_out(average, fixed, with_flow)
        losses = torch.stack(running) if running else torch.full((1,), math.nan)
        row = {
            "epoch": epoch + 1,
            "train": float(losses[torch.isfinite(losses)].mean()),
            "held_out": float(density.sum() + by_property.sum()),
            "by_coordinate": [round(float(t), 4) for t in density] if with_flow else [],
            "quantiles": [round(float(t), 4) for t in by_property],
            "prediction": float(miss),
            "seconds": time.monotonic() - began,
        }
        history.append(row)
        if report:
            report(row)
        schedule.end_epoch(history)
        # By the clock, epochs may be shorter than writing one: then it is not gone on with.
        ended = schedule.over(len(history))
        if minutes and not ended and time.monotonic() - written < _BETWEEN_WRITES:
            continue
        written = time.monotonic()
        checkpoint = {
            "format": CHECKPOINT_FORMAT,
            "pixsed": __version__,
            "epoch": epoch + 1,
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimiser": optimiser.state_dict(),
            "history": history,
            "ends": schedule.ends,
            "run": run,
            "sizes": sizes,
            "mass_offset": network.mass_offset,
            "bands": simulations.bands,
            "prior": simulations.prior,
            "sps": simulations.meta,
            "noise": noise.describe(),
            "spline": spline.constants(),
            "space": network.space.describe(),
            "training": {
                "simulations": len(simulations),
                "epochs": epoch + 1,
                "batch": batch,
                "rate": rate,
                "seed": seed,
                "photo_z_share": PHOTO_Z_SHARE,
                "photo_z_max": PHOTO_Z_MAX,
                "nominal_share": NOMINAL_SHARE,
                "encoder_epochs": schedule.ends[0],
                "mixed": mixed,
                "device": device,
                "minutes": minutes,
                "started_from": started,
            },
        }
        with atomic_path(output, overwrite=True) as temporary:
            torch.save(checkpoint, temporary)
    finish(checkpoint, simulations, noise, seed=seed)
    with atomic_path(output, overwrite=True) as temporary:
        torch.save(checkpoint, temporary)
    return checkpoint
