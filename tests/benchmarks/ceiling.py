"""Largest possible R^2: a direct regression of the properties, compared with a model.

    python tests/benchmarks/ceiling.py tau train.fits test.fits --start tau.ckpt

A network with the shape of the encoder is trained with the squared error. Its outputs are the
posterior means, and no estimate has a larger R^2. Its inputs are those of `pixsed validate` in
the case `paper`: the 19 bands of the paper, the noise `depth`, redshifts without errors, mean
S/N > 1. R^2 is printed for the same test rows: of the regression, and of the posterior means and
the medians of the model. Medians do not maximise R^2.

With --bands, both use only these bands of the paper. The regression is then trained for
these bands, whereas the model supports any.

With --start, the training begins with the encoder of a checkpoint and converges soon; without
it, the training takes as long as that of the encoder. One thread, 10 minutes.
Needs the packages of pixsed[train].
"""

import argparse
import time

import numpy as np
import torch

from pixsed.bands import PAPER_BANDS, SNR_BANDS
from pixsed.fit.draws import base_normals
from pixsed.fit.model import Model
from pixsed.fit.posterior import run_batches
from pixsed.models import resolve
from pixsed.simulate.noise import DEPTH
from pixsed.simulate.observe import observe
from pixsed.simulate.table import read_simulations
from pixsed.train.checkpoint import load_network, read_checkpoint
from pixsed.train.minimise import cosine_rate
from pixsed.train.network.encoder import Trunk
from pixsed.train.network.features import Features
from pixsed.validate.cases import CASES, observe_case, row_snr, with_t50lb
from pixsed.validate.sampling import ModelSampler
from pixsed.validate.statistics import r_squared

MASSES = "LOGMSTAR", "LOGMFORM", "LOGSFR"
WARM = 200


class Regression(torch.nn.Module):
    """Residual network with one output per property; masses are relative to the brightness."""

    def __init__(self, bands, names, width=320, blocks=4):
        super().__init__()
        self.features = Features(bands)
        self.trunk = Trunk(self.features.size, width, blocks)
        self.last = torch.nn.Linear(width, len(names))
        self.register_buffer("mass", torch.tensor([float(name in MASSES) for name in names]))

    def reference(self, flux, err, z):
        """Return the reference of the masses, (N, T); 0 for the other properties."""
        flux, err, present = self.features.clean(flux, err)
        bright = self.features.brightness(flux, err, present)
        return self.features.log_mass(bright, z[:, None]) * self.mass

    def forward(self, flux, err, z, mixed=False):
        flux, err, present = self.features.clean(flux, err)
        z = z[:, None]
        return self.last(self.trunk(self.features(flux, err, present, z, 0.0 * z), mixed))


def batch_of(simulations, truth, bands, rows, rng):
    """Return photometry, redshifts and properties of those rows with S/N > 1."""
    true = simulations.flux[rows].astype(float)
    mask = np.tile(np.isin(simulations.bands, bands), (len(rows), 1))
    flux, err = observe(true, simulations.bands, DEPTH, mask, rng)
    keep = row_snr(flux, err, simulations.bands) > 1
    z = simulations.columns["REDSHIFT"][rows].astype(np.float32)
    return [torch.from_numpy(a[keep]) for a in (flux, err, z, truth[rows])]


def train(simulations, names, given):
    """Return the averaged network, and the shift and scale of its outputs."""
    columns = with_t50lb(simulations.columns)
    truth = np.stack([columns[name] for name in names], axis=1).astype(np.float32)
    torch.manual_seed(given.seed)
    network = Regression(len(simulations.bands), names)
    if given.start:
        encoder = load_network(read_checkpoint(given.start)).float().encoder
        network.features.load_state_dict(encoder.features.state_dict())
        network.trunk.load_state_dict(encoder.trunk.state_dict())
    rng = np.random.default_rng(given.seed)
    *seen, some = batch_of(simulations, truth, given.bands, np.arange(min(50_000, len(truth))), rng)
    off = some - network.reference(*seen)
    shift, scale = off.mean(dim=0), off.std(dim=0)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998)
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=given.rate, weight_decay=1e-4)
    start, running = time.process_time(), 0.0
    for step in range(given.steps):
        rate = cosine_rate(given.rate, step / given.steps, min(1.0, (step + 1) / WARM))
        optimiser.param_groups[0]["lr"] = rate
        rows = rng.integers(0, len(truth), given.batch)
        flux, err, z, true = batch_of(simulations, truth, given.bands, rows, rng)
        wanted = (true - network.reference(flux, err, z) - shift) / scale
        loss = ((network(flux, err, z, mixed=True) - wanted) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        average.update_parameters(network)
        running += float(loss.detach())
        if (step + 1) % 500 == 0:
            print(
                f"step {step + 1}: loss {running / 500:.4f}, "
                f"{time.process_time() - start:.0f} s of CPU",
                flush=True,
            )
            running = 0.0
    return average.module.eval(), shift, scale


@torch.no_grad()
def regressed(network, shift, scale, observed):
    """Return the network's estimates (N, T)."""
    parts = []
    for start in range(0, len(observed), 4096):
        rows = slice(start, start + 4096)
        seen = observed.flux[rows], observed.flux_err[rows], observed.redshift[rows]
        seen = [torch.from_numpy(np.asarray(a, dtype=np.float32)) for a in seen]
        parts.append(network(*seen) * scale + shift + network.reference(*seen))
    return torch.cat(parts).numpy()


def inferred(sampler, observed, names, samples=512):
    """Return posterior means and medians (N, T) of a model."""
    number = np.arange(len(observed))

    def one(rows, keep):
        base = base_normals(9, np.zeros_like(rows), rows, samples, sampler.dim)
        z, z_err = observed.redshift[rows], observed.redshift_err[rows]
        draws = sampler(observed.flux[rows], observed.flux_err[rows], z, z_err, base)[0]
        draws = np.stack([np.asarray(draws[name], dtype=float)[keep] for name in names], axis=2)
        return draws.mean(axis=1), np.median(draws, axis=1)

    found = np.empty((2, len(number), len(names)))
    for rows, pair in run_batches(one, 0 * number, number):
        found[:, rows] = pair
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a path or a shipped name")
    parser.add_argument("simulations", help="to train on")
    parser.add_argument("test", help="fresh simulations")
    parser.add_argument("--start", metavar="CHECKPOINT")
    parser.add_argument("--bands", type=lambda text: text.split(","), default=PAPER_BANDS)
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--batch", type=int, default=1400, help="before the cut in S/N")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("-n", dest="number", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if not set(SNR_BANDS) <= set(given.bands) <= set(PAPER_BANDS):
        parser.error(f"--bands must be bands of the paper and include {', '.join(SNR_BANDS)}")
    torch.set_num_threads(1)
    sampler = ModelSampler(Model(resolve(given.model), threads=1))
    # The test rows of `pixsed validate`.
    observed = observe_case(given.test, DEPTH, CASES["paper"], number=given.number)
    simulations = read_simulations(given.simulations)
    other = ~np.isin(simulations.bands, given.bands)
    observed.flux[:, other] = observed.flux_err[:, other] = np.nan
    names = sampler.names(observed.truth)
    estimate = regressed(*train(simulations, names, given), observed)
    mean, median = inferred(sampler, observed, names)
    print(f"R^2 on {len(observed)} rows, mean S/N > 1, {len(given.bands)} bands, noise depth")
    print(f"{'':10s}{'regression':>12s}{'se':>8s}{'mean':>10s}{'median':>10s}")
    for i, name in enumerate(names):
        truth = np.asarray(observed.truth[name], dtype=float)
        ceiling, error = r_squared(truth, estimate[:, i].astype(float))
        r2 = [r_squared(truth, found[:, i])[0] for found in (mean, median)]
        print(f"{name:10s}{ceiling:12.4f}{error:8.4f}{r2[0]:10.4f}{r2[1]:10.4f}")


if __name__ == "__main__":
    main()
