"""Forms of the flow: held-out likelihood and time per draw.

    python tests/benchmarks/networks.py tau.ckpt train.fits test.fits

Each form is trained behind the unchanged encoder of the checkpoint, on the same batches. The
paper's masked autoregressive flow is then trained through sbi, from magnitudes, for
--maf-minutes of CPU time. The problem is that of the paper: its 19 bands, the noise `depth`,
redshifts without errors, mean S/N > 1. All densities are over the coordinates of pixsed's
flow (`pixsed.train.network.spaces`), so that they can be compared, in nats per parameter; larger
is better. Draws are timed in torch, in CPU time of one thread, with 500 draws per pixel, the
encoder included.

Needs the packages of pixsed[train].
"""

import argparse
import math
import time
from types import SimpleNamespace
from unittest import mock

import numpy as np
import torch

from pixsed.bands import PAPER_BANDS
from pixsed.simulate.noise import DEPTH, depths
from pixsed.simulate.observe import observe
from pixsed.simulate.table import read_simulations
from pixsed.train.batches import space_of
from pixsed.train.checkpoint import load_network, read_checkpoint
from pixsed.train.maf_paper import network_input
from pixsed.train.maf_paper.checkpoint import build_network
from pixsed.train.maf_paper.options import PaperOptions
from pixsed.train.minimise import cosine_rate
from pixsed.train.network import conditioner, flow, spline
from pixsed.train.options import NetworkSizes
from pixsed.validate.cases import row_snr

FORMS = {
    "splines of 10 bins, hidden 64": {},
    "same, offsets of pixels only": {"gains": False},
    "same without the flow's trunk": {"trunk": False},
    "splines of 6 bins, hidden 32": {"bins": 6, "hidden": 32},
    "affine, hidden 64": {"bins": 0},
}
SAMPLES, REPEATS = 500, 3
#: Number of pixels of each network; the paper's takes seconds for a few.
OURS, THEIRS = 64, 2
_LOG_2PI = math.log(2 * math.pi)

#: The splines of pixsed, and the identity for zero bins.
SPLINES = SimpleNamespace(
    parameter_count=lambda bins: spline.parameter_count(bins) if bins else 0,
    forward=lambda x, raw, bins: spline.forward(x, raw, bins) if bins else x,
    inverse=lambda y, raw, bins: spline.inverse(y, raw, bins) if bins else (y, 0.0 * y),
)


class Offsets(conditioner.Conditioner):
    """Conditioner in which pixels set the offsets of the first layer only."""

    def modulation(self, context):
        hidden = self.second.in_features
        first = self.from_known(context)[:, :hidden]
        same = self.from_known.bias[hidden:].expand(len(context), -1)
        gain, second, second_gain, out, slope = torch.split(same, self.sizes[1:], dim=1)
        return first, 1.0 + gain, second, 1.0 + second_gain, out, 0.0 * slope


class Form(flow.PixelFlow):
    """New flow behind the encoder of a trained network."""

    def __init__(self, trained, sizes, *, trunk=True, gains=True, **changes):
        sizes = NetworkSizes(**(sizes | changes))
        super().__init__(
            trained.bands,
            trained.space,
            sizes,
            mass_offset=trained.mass_offset,
            infer_redshift=trained.infer_redshift,
        )
        self.encoder, self.with_trunk = trained.encoder, trunk
        if not (trunk and gains):
            hidden = self.conditioners[0].second.in_features
            size = self.encoder.output_size
            context = self.conditioners[0].from_known.in_features if trunk else size
            kind = conditioner.Conditioner if gains else Offsets
            self.conditioners = torch.nn.ModuleList(
                kind(context, d, hidden, self.bins) for d in range(self.space.dim)
            )

    def context(self, encoded, mixed=False):
        return super().context(encoded, mixed) if self.with_trunk else encoded[0]

    def own(self):
        """Return the parameters that are trained."""
        trunk = self.trunk.parameters() if self.with_trunk else ()
        return [*trunk, *self.conditioners.parameters()]


class Batches:
    """Photometry in the bands of the paper, and coordinates, of simulations."""

    def __init__(self, simulations, bands):
        self.simulations = simulations
        self.mask = np.isin(bands, PAPER_BANDS)
        self.coordinates = space_of(simulations.prior).coordinates(simulations).astype(np.float32)

    def __call__(self, rows, rng):
        """Return flux, flux_err (n, B), z (n,) and coordinates (n, D - 1) of rows with S/N > 1."""
        bands = self.simulations.bands
        true = self.simulations.flux[rows].astype(float)
        mask = np.tile(self.mask, (len(rows), 1))
        flux, err = observe(true, bands, DEPTH, mask, rng)
        keep = row_snr(flux, err, bands) > 1
        z = self.simulations.columns["REDSHIFT"][rows].astype(np.float32)
        return [torch.from_numpy(a[keep]) for a in (flux, err, z, self.coordinates[rows])]

    def magnitudes(self, flux, err, z):
        """Return the input of the paper's network."""
        bands = [b for b, here in zip(self.simulations.bands, self.mask, strict=True) if here]
        seen = (a.numpy()[:, self.mask] for a in (flux, err))
        return torch.from_numpy(network_input(*seen, z.numpy(), depths(bands), bands))


def log_density(form, encoded, coordinates, z, recalibrated=False):
    """Return the log densities (n,) of the coordinates after the redshift."""
    whole = torch.cat([torch.zeros_like(z)[:, None], coordinates], dim=1)
    latent, slope = form.latents(whole, form.context(encoded), encoded[3], z, 0.0 * z)
    if recalibrated:
        parameters = form.recalibration(form.recalibration_inputs(encoded))
        latent, stretch = form.recalibration.inverse(latent, parameters)
        slope = slope - stretch
    return (-0.5 * latent**2 - 0.5 * _LOG_2PI + slope)[:, 1:].sum(dim=1)


def train_forms(trained, forms, batches, given):
    """Train all forms, each with its own likelihood; return the CPU seconds of each."""
    optimisers = [torch.optim.AdamW(f.own(), lr=given.rate, weight_decay=1e-4) for f in forms]
    rng = np.random.default_rng(given.seed)
    seconds, running = np.zeros(len(forms)), np.zeros(len(forms))
    for step in range(given.steps):
        rate = cosine_rate(given.rate, step / given.steps, min(1.0, (step + 1) / 200))
        rows = rng.integers(0, len(batches.coordinates), given.batch)
        flux, err, z, coordinates = batches(rows, rng)
        with torch.no_grad():
            encoded = trained.encode(flux, err, z, 0.0 * z, mixed=True)
        for i, (form, optimiser) in enumerate(zip(forms, optimisers, strict=True)):
            start = time.process_time()
            optimiser.param_groups[0]["lr"] = rate
            loss = -log_density(form, encoded, coordinates, z).mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(form.own(), 5.0)
            optimiser.step()
            running[i] += float(loss.detach())
            seconds[i] += time.process_time() - start
        if (step + 1) % 250 == 0:
            print(
                f"step {step + 1}: losses {np.round(running / 250, 3)}, seconds "
                f"{np.round(seconds)}",
                flush=True,
            )
            running[:] = 0.0
    return seconds


def train_maf(batches, given):
    """Train the paper's network for a CPU time; return it and the number of rows."""
    rng = np.random.default_rng(given.seed)
    *seen, theta = batches(np.arange(min(20_000, len(batches.coordinates))), rng)
    torch.manual_seed(given.seed)
    network = build_network(theta, batches.magnitudes(*seen))
    optimiser = torch.optim.Adam(network.parameters(), lr=PaperOptions.rate)
    start, rows = time.process_time(), 0
    while time.process_time() - start < 60 * given.maf_minutes:
        # Batches have the size of the paper after the cut in S/N.
        some = rng.integers(0, len(batches.coordinates), 2 * PaperOptions.batch)
        *seen, theta = (a[: PaperOptions.batch] for a in batches(some, rng))
        loss = network.loss(theta, condition=batches.magnitudes(*seen)).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        rows += len(theta)
    return network.eval(), rows


@torch.no_grad()
def time_of(call, draws):
    """Return the smallest CPU time of a few calls, microseconds per draw."""
    call()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        times.append((time.process_time() - start) / draws)
    return 1e6 * min(times)


def line(name, weights, rows, nats, microseconds):
    print(
        f"{name:36s}{weights / 1e3:9.0f}{rows:>12s}{np.mean(nats):9.3f} +- "
        f"{np.std(nats) / len(nats) ** 0.5:.3f}{microseconds:10.1f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("simulations", help="to train on")
    parser.add_argument("test", help="fresh simulations")
    parser.add_argument("-n", dest="number", type=int, default=400_000, help="simulations read")
    parser.add_argument("--held", type=int, default=40_000, help="fresh simulations read")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=1400, help="before the cut in S/N")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--maf-minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = read_checkpoint(given.checkpoint)
    trained = load_network(checkpoint).float()
    trained.requires_grad_(False)
    sizes = dict(checkpoint["sizes"])
    sizes.pop("infer_redshift")
    torch.manual_seed(given.seed)
    with mock.patch.object(flow, "spline", SPLINES):
        forms = [Form(trained, sizes, **changes) for changes in FORMS.values()]
        batches = Batches(read_simulations(given.simulations, given.number), checkpoint["bands"])
        seconds = train_forms(trained, forms, batches, given)
        print(f"CPU seconds of training: {np.round(seconds)}")
        fresh = Batches(read_simulations(given.test, given.held), checkpoint["bands"])
        *seen, theta = fresh(np.arange(given.held), np.random.default_rng(given.seed + 1))
        flux, err, z = seen
        count = theta.shape[1]
        few = [a[:OURS] for a in seen]
        rng = torch.Generator().manual_seed(given.seed)
        base = torch.randn(OURS, SAMPLES, trained.space.dim, generator=rng)
        print(
            f"\n{len(z)} rows held out, {count} parameters\n{'form':36s}{'weights/k':>9s}"
            f"{'rows seen':>12s}{'nats per parameter':>20s}{'us per draw':>12s}"
        )
        said = f"{given.steps * given.batch * len(z) / given.held:,.0f}"
        known = {"the checkpoint's own, as trained": trained}
        for name, form in (known | dict(zip(FORMS, forms, strict=True))).items():
            own = (
                sum(p.numel() for p in (*form.trunk.parameters(), *form.conditioners.parameters()))
                if form is trained
                else sum(p.numel() for p in form.own())
            )
            nats = []
            with torch.no_grad():
                for rows in torch.arange(len(z)).split(4096):
                    encoded = trained.encode(flux[rows], err[rows], z[rows], 0.0 * z[rows])
                    nats.append(log_density(form, encoded, theta[rows], z[rows], form is trained))
            spent = time_of(lambda form=form: form.draw(*few, 0.0 * few[2], base), OURS * SAMPLES)
            rows = "" if form is trained else said
            line(name, own, rows, torch.cat(nats).numpy() / count, spent)
    if given.maf_minutes > 0:
        network, rows = train_maf(batches, given)
        x = fresh.magnitudes(*seen)
        with torch.no_grad():
            nats = [
                -network.loss(t, condition=c)
                for t, c in zip(theta.split(2048), x.split(2048), strict=True)
            ]
        spent = time_of(lambda: network.sample((SAMPLES,), condition=x[:THEIRS]), THEIRS * SAMPLES)
        weights = sum(p.numel() for p in network.parameters())
        nats = torch.cat(nats).numpy() / count
        line("the paper's, through sbi", weights, f"{rows:,}", nats, spent)


if __name__ == "__main__":
    main()
