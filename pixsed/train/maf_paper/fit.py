"""Train the paper's network, resumably.

sbi's own `train` keeps what a resumed run needs (optimiser, split, patience) in the memory
of the process alone, so a killed run could not go on; the loop here is its equal, over
the density estimator's `loss`, with a checkpoint after each epoch.
"""

import copy
import time
import warnings
from importlib.metadata import version

import numpy as np
import torch
from sbi.neural_nets import posterior_nn

from pixsed import __version__
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.atomic import atomic_path
from pixsed.io.inputs import check_input
from pixsed.simulate.noise import depths
from pixsed.simulate.observe import measure
from pixsed.train.maf_paper.inputs import OUTPUTS, network_input, paper_bands

FORMAT = "maf-paper-1"
#: The paper's network; in sbi's words (Iglesias-Navarro+25, section 3.3).
SIZES = {"hidden_features": 500, "num_transforms": 15, "num_blocks": 2}
RATE, HELD_SHARE, PATIENCE = 5e-4, 0.1, 20
#: Not in the paper: sbi's defaults.
BATCH, CLIP = 200, 5.0
_OBSERVED_AT_ONCE = 1 << 16


def build(theta, x, sizes=None):
    """Return sbi's masked autoregressive flow, untrained.

    Parameters
    ----------
    theta : tensor, shape (N, P)
        Parameters; their means and standard deviations become the flow's.
    x : tensor, shape (N, 2 B + 1)
        Inputs; likewise.
    sizes : dict, optional
        Arguments of `sbi.neural_nets.posterior_nn` in place of those of `SIZES`.
    """
    return posterior_nn("maf", **(SIZES | dict(sizes or {})))(theta, x)


def observed(simulations, noise, seed):
    """Observe simulations once, as the paper does, and return the network's view of them.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
    noise : noise model of `pixsed.simulate.noise`
    seed : int

    Returns
    -------
    theta : `~numpy.ndarray`, shape (N, P), float32
    x : `~numpy.ndarray`, shape (N, 2 B + 1), float32
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


def read_checkpoint(path):
    """Read what `train` wrote, onto the CPU.

    Raises
    ------
    PixsedError
        If the file is not a checkpoint of this network.
    """
    check_input(path, "a checkpoint", "make one with 'pixsed train --net maf-paper'")
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu")
    except Exception:  # torch raises many kinds for a file of another format
        saved = None
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise PixsedError(f"{path} is not a checkpoint of 'pixsed train --net maf-paper'")
    return saved


def load_network(checkpoint):
    """Return the network of a checkpoint with the weights of its best epoch, ready for use."""
    inputs = 2 * len(checkpoint["bands"]) + 1
    generator = torch.Generator().manual_seed(0)
    # sbi takes the shapes from data; their moments are then replaced by those saved.
    network = build(
        torch.randn(16, len(checkpoint["outputs"]), generator=generator),
        torch.randn(16, inputs, generator=generator),
        checkpoint["sizes"],
    )
    network.load_state_dict(checkpoint["best"])
    return network.eval()


def _read_resumed(path, simulations, sizes, training, epochs):
    saved = read_checkpoint(path)
    if (saved["bands"], saved["prior"]) != (paper_bands(simulations.bands), simulations.prior):
        raise PixsedError(f"{path} was trained on other bands or another prior; train anew")
    if saved["sizes"] != sizes:
        raise PixsedError(f"{path} is of a network of other sizes; train anew")
    other = [key for key, value in training.items() if saved["training"][key] != value]
    if other:
        raise PixsedError(f"{path} was trained with another {' and '.join(other)}; train anew")
    if saved["fruitless"] >= saved["patience"]:
        raise PixsedError(
            f"{path} has ended: {saved['patience']} epochs were no better on the simulations "
            "held out; use it as it is"
        )
    if epochs is not None and saved["epoch"] >= epochs:
        raise PixsedError(
            f"{path} has {saved['epoch']} epochs already; give the epochs of the whole run"
        )
    return saved


def train(
    simulations,
    noise,
    output,
    *,
    epochs=None,
    batch=BATCH,
    rate=RATE,
    patience=PATIENCE,
    seed=42,
    sizes=None,
    resume=None,
    report=None,
    threads=None,
    device="cpu",
):
    """Train on simulations and write a checkpoint after each epoch.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
        Of prior tau or dirichlet. Observed once; a tenth is held out. Of their bands those of
        the paper are used.
    noise : noise model of `pixsed.simulate.noise`
    output : path-like
        The checkpoint; replaced after each epoch.
    epochs : int, optional
        The most; none by default.
    batch, rate, patience, seed : optional
        `patience`: epochs without a better held-out likelihood after which it ends.
    sizes : dict, optional
        As of `build`.
    resume : path-like, optional
        A checkpoint of the same run to go on from.
    report : callable, optional
        Called with a dict after each epoch.
    threads : int, optional
    device : str, optional
        ``"cpu"`` or ``"cuda"``.

    Returns
    -------
    dict
        The checkpoint: ``best`` has the weights of the best epoch.

    Raises
    ------
    PixsedError
        If the prior is another, there are too few simulations or bands, the device is not
        there, the loss is not finite, or `resume` is of another run.

    Warns
    -----
    PixsedWarning
        If `resume` was trained under other noise.
    """
    sizes = SIZES | dict(sizes or {})
    if simulations.prior not in OUTPUTS:
        raise PixsedError(
            f"the paper has no network for the prior {simulations.prior!r}; train on simulations "
            f"made with --prior {' or '.join(OUTPUTS)}"
        )
    bands = paper_bands(simulations.bands)
    held = round(HELD_SHARE * len(simulations))
    if len(simulations) < 100:
        raise PixsedError(
            f"{len(simulations)} simulations are too few to hold any out; simulate 100 or more"
        )
    if device != "cpu" and not torch.cuda.is_available():
        raise PixsedError(f"there is no device {device}; try --device cpu")
    training = {"simulations": len(simulations), "batch": batch, "rate": rate, "seed": seed}
    saved = None
    if resume is not None:
        saved = _read_resumed(resume, simulations, sizes, training, epochs)
        if saved["noise"] != noise.describe():
            warnings.warn(
                f"{resume} was trained under other noise ({saved['noise']['name']}); it goes on "
                f"under {noise.name}",
                PixsedWarning,
                stacklevel=2,
            )
    if threads:
        torch.set_num_threads(threads)
    theta, x = (torch.from_numpy(array) for array in observed(simulations, noise, seed))
    order = np.random.default_rng(seed).permutation(len(simulations))
    kept, aside = order[held:], torch.from_numpy(order[:held])
    batch = min(batch, len(kept))
    torch.manual_seed(seed)
    network = build(theta[kept], x[kept], sizes)
    network.to(device)
    theta, x = theta.to(device), x.to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    epoch, fruitless, history, best, best_loss = 0, 0, [], None, np.inf
    if saved is not None:
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        epoch, fruitless, history = saved["epoch"], saved["fruitless"], saved["history"]
        best, best_loss = saved["best"], saved["best_loss"]
    checkpoint = None
    while fruitless < patience and (epochs is None or epoch < epochs):
        began = time.monotonic()
        # A stream of its own for each epoch, so that a resumed run sees the same batches.
        shuffled = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(kept))
        network.train()
        running = 0.0
        steps = len(kept) // batch
        for step in range(steps):
            rows = shuffled[step * batch : (step + 1) * batch].to(device)
            loss = network.loss(theta[rows], condition=x[rows]).mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimiser.step()
            running += loss.detach()
        network.eval()
        with torch.no_grad():
            parts = [
                network.loss(theta[rows], condition=x[rows]).double().sum()
                for rows in aside.to(device).split(4096)
            ]
        held_loss, epoch = float(sum(parts)) / held, epoch + 1
        if not np.isfinite(held_loss):
            raise PixsedError(
                f"the loss of epoch {epoch} is not finite; try a smaller --rate, or go on from "
                f"{output} with --resume"
            )
        if held_loss < best_loss:
            best, best_loss, fruitless = copy.deepcopy(network.state_dict()), held_loss, 0
        else:
            fruitless += 1
        row = {
            "epoch": epoch,
            "train": float(running) / steps,
            "held_out": held_loss,
            "fruitless": fruitless,
            "seconds": time.monotonic() - began,
        }
        history.append(row)
        checkpoint = {
            "format": FORMAT,
            "net": "maf-paper",
            "pixsed": __version__,
            "sbi": version("sbi"),
            "epoch": epoch,
            "fruitless": fruitless,
            "patience": patience,
            "best": best,
            "best_loss": best_loss,
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "history": history,
            "sizes": sizes,
            "bands": bands,
            "depth": depths(bands).tolist(),
            "prior": simulations.prior,
            "outputs": list(OUTPUTS[simulations.prior]),
            "sps": simulations.meta,
            "noise": noise.describe(),
            "training": training,
        }
        # Through a handle: torch refuses names like the temporary one's without a suffix.
        with atomic_path(output, overwrite=True) as temporary, open(temporary, "wb") as handle:
            torch.save(checkpoint, handle)
        # After the file is safe: a report that fails loses nothing.
        if report:
            report(row)
    return checkpoint
