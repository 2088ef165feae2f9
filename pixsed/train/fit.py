"""Train a flow: the encoder first, then both; weights averaged, checkpoints each epoch."""

import copy
import math
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from pixsed import __version__, cosmology
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.atomic import atomic_path
from pixsed.simulate.observe import MIN_BANDS
from pixsed.train import spline
from pixsed.train.data import NOMINAL_SHARE, PHOTO_Z_MAX, PHOTO_Z_SHARE, Observer, space_of
from pixsed.train.encoder import pinball
from pixsed.train.flow import PixelFlow
from pixsed.train.recalibrate import recalibrate

#: Weight of the predicted photometry in the loss.
PREDICTION_WEIGHT = 0.05
#: Upper end of the redshifts.
Z_MAX = 7.5
#: Share of the epochs in which the encoder learns alone, from marginal quantiles.
ENCODER_SHARE = 0.5
#: How much of the flow's gradient reaches the encoder, and the encoder's learning rate then.
FLOW_TO_ENCODER, ENCODER_RATE = 0.05, 0.4
CHECKPOINT_FORMAT = 2


def loss_terms(network, batch, with_flow=True):
    """Return the terms of the loss.

    Returns
    -------
    density : tensor, shape (D,)
        Mean negative log density by coordinate; zeros without the flow.
    quantiles : tensor, shape (T,)
        Mean pinball loss by property.
    miss : tensor
        Of the predicted photometry.
    """
    flux, err, z, z_err = (batch[key] for key in ("flux", "flux_err", "z", "z_err"))
    encoded = network.encode(flux, err, z, z_err)
    known, quantiles, predicted, bright, _ = encoded
    true = batch["true_flux"]
    good = err == err
    sigma = torch.where(good, err, torch.ones_like(err))
    residual = torch.where(good, (predicted - true) / sigma, torch.zeros_like(err))
    # Grows like a logarithm: bright rows far off must not own the gradient.
    miss = torch.log1p(residual * residual).sum(dim=1) / good.sum(dim=1)
    by_property = pinball(quantiles, network.standardise(batch["targets"], bright, z, z_err))
    density = torch.zeros(network.space.dim)
    if with_flow:
        # The sharpest posteriors have the steepest gradients, a hundred times the others'; the
        # encoder is to serve all pixels.
        known = known.detach() + FLOW_TO_ENCODER * (known - known.detach())
        latent, log_slope = network.latents(batch["coordinates"], known, bright, z, z_err)
        normal = -0.5 * latent * latent - 0.5 * math.log(2 * math.pi)
        density = -(normal + log_slope).mean(dim=0)
    return density, by_property, miss.mean()


def build(simulations, ssp, sizes, seed=42):
    """Return an untrained `PixelFlow` for a set of simulations and the SSP grid they came from."""
    space_class = space_of(simulations.prior)
    network = PixelFlow(
        len(simulations.bands), space_class.fit(simulations, ssp, seed), z_max=Z_MAX, **sizes
    )
    # Typical mass over brightness, so that the mass starts near its place.
    part = slice(0, min(len(simulations), 20000))
    flux = np.median(simulations.flux[part], axis=1).astype(float)
    z = simulations.columns["REDSHIFT"][part]
    ok = (flux > 0) & (z > 0.05)
    distance = cosmology.luminosity_distance(z[ok])
    guess = np.log10(flux[ok]) + 2 * np.log10(distance) - np.log10(1 + z[ok])
    masses = simulations.columns["LOGMFORM"][part][ok]
    network.mass_offset = float(np.median(masses - guess))
    targets = space_class.targets(simulations.columns)[part][ok]
    for i, name in enumerate(space_class.TARGETS):
        if name in ("LOGMSTAR", "LOGMFORM", "LOGSFR"):
            targets[:, i] -= guess + network.mass_offset
    network.target_mean.copy_(torch.from_numpy(targets.mean(axis=0)))
    network.target_std.copy_(torch.from_numpy(targets.std(axis=0)))
    return network


def read_checkpoint(path):
    """Read what `train` wrote.

    Raises
    ------
    PixsedError
        If the file is not a checkpoint.
    """
    if not Path(path).is_file():
        raise PixsedError(f"{path}: no such file; make one with 'pixsed train'")
    try:
        saved = torch.load(path, weights_only=True)
    except Exception as error:  # torch raises many kinds for a file of another format
        raise PixsedError(
            f"{path} is not a checkpoint of 'pixsed train' ({type(error).__name__})"
        ) from None
    if not isinstance(saved, dict) or saved.get("format") != CHECKPOINT_FORMAT:
        raise PixsedError(f"{path} is not a checkpoint of this version of 'pixsed train'")
    return saved


def _read_resumed(path, simulations, sizes, epochs):
    saved = read_checkpoint(path)
    if (saved["bands"], saved["prior"]) != (simulations.bands, simulations.prior):
        raise PixsedError(f"{path} was trained on other bands or another prior; train anew")
    if saved["sizes"] != sizes:
        raise PixsedError(f"{path} is of a network of other sizes; train anew")
    if saved["epoch"] >= epochs:
        raise PixsedError(
            f"{path} has {saved['epoch']} epochs already; give the epochs of the whole run"
        )
    return saved


def train(simulations, ssp, noise, output, *, epochs=12, batch=2048, rate=1e-3, seed=42,
          sizes=None, resume=None, report=None, threads=None):  # fmt: skip
    """Train on simulations and write a checkpoint after each epoch.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
        Each population is observed anew in every epoch; a fiftieth, 20 000 at the most, is
        held out.
    ssp : `~pixsed.sps.ssp.SSPGrid`
    noise : noise model of `pixsed.simulate.noise`
    output : path-like
        The checkpoint; replaced after each epoch.
    epochs, batch, rate, seed : optional
    sizes : dict, optional
        Sizes of `PixelFlow`.
    resume : path-like, optional
        A checkpoint of the same run to go on from.
    report : callable, optional
        Called with a dict after each epoch.
    threads : int, optional

    Returns
    -------
    dict
        The checkpoint.

    Raises
    ------
    PixsedError
        If the prior has no space yet, there are too few simulations or bands, or
        `resume` is of another run.

    Warns
    -----
    PixsedWarning
        If `resume` was trained under other noise: a run may well change it, knowingly.
    """
    sizes = dict(sizes or {})
    space_of(simulations.prior)
    if len(simulations.bands) < MIN_BANDS:
        raise PixsedError(f"a model needs {MIN_BANDS} bands or more, got {len(simulations.bands)}")
    if len(simulations) < 50:
        raise PixsedError(
            f"{len(simulations)} simulations are too few to hold any out; simulate 50 or more"
        )
    saved = _read_resumed(resume, simulations, sizes, epochs) if resume is not None else None
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
    network = build(simulations, ssp, sizes, seed)
    average = copy.deepcopy(network)
    encoder = list(network.encoder.parameters())
    flow = list(network.conditioners.parameters())
    optimiser = torch.optim.AdamW([{"params": encoder}, {"params": flow}], lr=rate,
                                  weight_decay=1e-4)  # fmt: skip
    held = min(len(simulations) // 50, 20000)
    order = np.random.default_rng(seed).permutation(len(simulations))
    observer = Observer(simulations, noise, order[held:])
    held_batch = Observer(simulations, noise, order[:held]).batch(
        order[:held], np.random.default_rng(seed + 1)
    )
    steps = math.ceil(len(observer.rows) / batch)
    alone = round(ENCODER_SHARE * epochs)
    history, start_epoch = [], 0
    if saved is not None:
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        history, start_epoch = saved["history"], saved["epoch"]
    checkpoint = None
    for epoch in range(start_epoch, epochs):
        began, running = time.monotonic(), []
        # A stream of its own for each epoch, so that a resumed run sees the same batches.
        rng = np.random.default_rng([seed, epoch])
        shuffled = rng.permutation(observer.rows)
        network.train()
        with_flow = epoch >= alone
        first, last = (alone, epochs) if with_flow else (0, alone)
        for step in range(steps):
            now, total = (epoch - first) * steps + step, (last - first) * steps
            warm = min(1.0, (now + 1) / 500)
            now_rate = rate * warm * (0.5 + 0.5 * math.cos(math.pi * now / total)) + 1e-6
            optimiser.param_groups[0]["lr"] = now_rate * (ENCODER_RATE if with_flow else 1.0)
            optimiser.param_groups[1]["lr"] = now_rate
            density, by_property, miss = loss_terms(
                network, observer.batch(shuffled[step * batch : (step + 1) * batch], rng),
                with_flow,
            )
            loss = density.sum() + by_property.sum() + PREDICTION_WEIGHT * miss
            if not torch.isfinite(loss):
                continue
            optimiser.zero_grad()
            loss.backward()
            for part in (encoder, flow):
                torch.nn.utils.clip_grad_norm_(part, 5.0)
            optimiser.step()
            running.append(float(loss.detach()))
            decay = min(0.999, (now + 1) / (now + 10))
            with torch.no_grad():
                for a, b in zip(average.parameters(), network.parameters(), strict=True):
                    a.lerp_(b, 1 - decay)
        average.eval()
        with torch.no_grad():
            parts = [
                loss_terms(average, {k: v[i : i + 4096] for k, v in held_batch.items()}, with_flow)
                for i in range(0, len(held_batch["z"]), 4096)
            ]
        density, by_property, miss = (torch.stack(terms).mean(dim=0) for terms in
                                      zip(*parts, strict=True))  # fmt: skip
        row = {
            "epoch": epoch + 1,
            "train": float(np.mean(running)),
            "held_out": float(density.sum() + by_property.sum()),
            "by_coordinate": [round(float(t), 4) for t in density] if with_flow else [],
            "quantiles": [round(float(t), 4) for t in by_property],
            "prediction": float(miss),
            "seconds": time.monotonic() - began,
        }
        history.append(row)
        if report:
            report(row)
        checkpoint = {
            "format": CHECKPOINT_FORMAT, "pixsed": __version__, "epoch": epoch + 1,
            "network": network.state_dict(), "average": average.state_dict(),
            "optimiser": optimiser.state_dict(), "history": history, "sizes": sizes,
            "mass_offset": network.mass_offset, "bands": simulations.bands,
            "prior": simulations.prior, "sps": simulations.meta, "noise": noise.describe(),
            "spline": spline.constants(),
            "space": network.space.describe(),
            "training": {"simulations": len(simulations), "epochs": epoch + 1, "batch": batch,
                         "rate": rate, "seed": seed, "photo_z_share": PHOTO_Z_SHARE,
                         "photo_z_max": PHOTO_Z_MAX,
                         "nominal_share": NOMINAL_SHARE, "encoder_epochs": alone},
        }  # fmt: skip
        with atomic_path(output, overwrite=True) as temporary:
            torch.save(checkpoint, temporary)
    checkpoint["recalibration"] = recalibrate(
        load_network(checkpoint), simulations, noise, seed=seed
    )
    with atomic_path(output, overwrite=True) as temporary:
        torch.save(checkpoint, temporary)
    return checkpoint


def load_network(checkpoint):
    """Return the averaged `PixelFlow` of a checkpoint, ready for use.

    Parameters
    ----------
    checkpoint : dict
        What `train` returned or `torch.load` read.
    """
    trained = checkpoint.get("spline", spline.constants())
    if trained != spline.constants():
        raise PixsedError(
            f"the checkpoint was trained with other spline constants ({trained}) than this pixsed "
            f"has; use pixsed {checkpoint['pixsed']}, or train again"
        )
    network = PixelFlow(
        len(checkpoint["bands"]), space_of(checkpoint["prior"]).from_description(
            checkpoint["space"]
        ), mass_offset=checkpoint["mass_offset"], z_max=Z_MAX, **checkpoint["sizes"],
    )  # fmt: skip
    network.load_state_dict(checkpoint["average"])
    network.recalibration.load_state_dict(
        checkpoint.get("recalibration", network.recalibration.state_dict())
    )
    return network.refine().eval()
