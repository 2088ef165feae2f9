"""A model against nested sampling: python tests/benchmarks/nested_sampling.py [MODEL].

The same pixels, SSPs, prior and photometry; nautilus with pixsed's own photometry as the
likelihood, in batches. With --bagpipes K also Bagpipes as it is, with nautilus, for the
first K pixels: minutes each. Needs the packages of pixsed[sps], and nautilus-sampler.

Prints, for each parameter, the mean over pixels of the difference of the medians in units
of the nested posterior's sigma (half of its 16 to 84 %), and the ratio of these widths.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import types
import warnings
from pathlib import Path

import numpy as np

import pixsed
from pixsed.bands import PAPER_BANDS
from pixsed.cosmology import age
from pixsed.infer.draws import base_normals
from pixsed.infer.model import Model
from pixsed.models import resolve
from pixsed.simulate.noise import DEPTH
from pixsed.simulate.observe import observe
from pixsed.simulate.priors import PRIORS
from pixsed.sps.sfh import TauDelayed
from pixsed.validate.cases import row_snr
from pixsed.validate.sampling import ModelSampler

NAMES = "LOGMSTAR LOGMFORM LOGSFR METAL AV TAU TSTART T25 T50 T75 AGE T50LB".split()
TARGETS = 0.25, 0.20


class Forward:
    """The prior and the photometry of the test pixels."""

    def __init__(self, prior, ssp):
        from pixsed.sps.photometry import PhotometryModel

        self.prior = PRIORS[prior]()
        self.photometry = PhotometryModel(ssp, PAPER_BANDS, z_max=8.0)

    def fluxes(self, z, unit):
        """Noiseless fluxes, nJy (N, B), and the columns of the populations."""
        history = self.prior.history(z, unit)
        weights = history.weights(self.photometry.ssp.age_edges)
        values = self.prior.values(z, unit)
        flux = self.photometry.fluxes(z, weights, values["METAL"], values["AV"])
        return flux * 10.0 ** values["LOGMFORM"][:, None], (history, weights, values)

    def columns(self, z, unit):
        """All that is compared, as dict of (N,)."""
        _, (history, weights, values) = self.fluxes(z, unit)
        surviving = self.photometry.surviving(weights, values["METAL"])
        found = self.prior.parameters(z, unit, history, surviving)
        return found | {"T50LB": (1 - found["T50"]) * age(z)}


def pixels(forward, number, snr_min, seed):
    """Redshifts, fluxes and errors of the test pixels."""
    rng = np.random.default_rng(seed)
    z, unit = forward.prior.draw(40 * number, rng)
    z = np.maximum(z, 0.01)
    true, _ = forward.fluxes(z, unit)
    flux, err = observe(true, PAPER_BANDS, DEPTH, np.ones(true.shape, dtype=bool), rng)
    rows = np.flatnonzero(row_snr(flux, err, PAPER_BANDS) > snr_min)[:number]
    return z[rows], flux[rows].astype(float), err[rows].astype(float)


def nested(forward, z, flux, err, seed, live, effective):
    """Equally weighted columns of the posterior of a pixel, and the number of likelihoods."""
    from nautilus import Sampler

    def log_likelihood(unit):
        model, _ = forward.fluxes(np.full(len(unit), z), unit)
        return -0.5 * (((flux - model) / err) ** 2).sum(axis=1)

    sampler = Sampler(
        lambda unit: unit, log_likelihood, n_dim=len(forward.prior.COORDINATES), n_live=live,
        vectorized=True, n_batch=500, n_networks=1, seed=seed,
    )
    sampler.run(n_eff=effective, discard_exploration=True)
    unit, log_weight, _ = sampler.posterior()
    weight = np.exp(log_weight - log_weight.max())
    rng = np.random.default_rng(seed)
    unit = unit[rng.choice(len(unit), 4000, p=weight / weight.sum())]
    return forward.columns(np.full(len(unit), z), unit), sampler.n_like


def amortised(sampler, z, flux, err, samples, seed):
    """Columns of the model's posterior of a pixel."""
    bands = sampler.model.bands
    seen = np.full((2, 1, len(bands)), np.nan, dtype=np.float32)
    seen[:, 0, [bands.index(band) for band in PAPER_BANDS]] = flux, err
    base = base_normals(seed, np.zeros(1, int), np.zeros(1, int), samples, sampler.dim)
    draws, _, _ = sampler(*seen, np.array([z]), np.zeros(1), base)
    return {name: values[0] for name, values in draws.items()}


def compare(ours, theirs):
    """Per property: difference of the medians over sigma, and ratio of widths."""
    found = {}
    for name in NAMES:
        if name not in ours or name not in theirs:
            continue
        pair = [np.asarray(d[name], dtype=float) for d in (ours, theirs)]
        if name == "TAU":  # its prior is even in the logarithm
            pair = [np.log10(values) for values in pair]
        (low, middle, high), (first, median, last) = (
            np.quantile(v, (0.15865, 0.5, 0.84135)) for v in pair
        )
        sigma = 0.5 * (last - first)
        if sigma > 1e-3:  # of a rate at its floor there is nothing to compare
            found[name] = abs(middle - median) / sigma, 0.5 * (high - low) / sigma
    return found


def show(title, results):
    """Print the table of a list of what `compare` returned."""
    print(f"\n{title}, {len(results)} pixels")
    print(f"{'':10s}{'|median difference| / sigma':>30s}{'ratio of widths':>18s}"
          f"{'16 to 84 %':>16s}")  # fmt: skip
    for name in NAMES:
        pairs = np.array([r[name] for r in results if name in r])
        if not len(pairs):
            continue
        ratio = np.exp(np.median(np.log(pairs[:, 1])))
        low, high = np.quantile(pairs[:, 1], (0.16, 0.84))
        good = pairs[:, 0].mean() <= TARGETS[0] and abs(ratio - 1) <= TARGETS[1]
        print(f"{name:10s}{pairs[:, 0].mean():20.3f} +- {pairs[:, 0].std():.3f}{ratio:18.3f}"
              f"{low:9.2f}-{high:.2f}{'' if good else '  missed'}")  # fmt: skip


def bagpipes(forward, z, flux, err, live):
    """Columns of Bagpipes' own posterior of a pixel, in a process of its own."""
    from pixsed.sps.filters import load_curve

    with tempfile.TemporaryDirectory() as folder:
        curves = {}
        for i, band in enumerate(PAPER_BANDS):
            curves[f"wave_{i}"], curves[f"transmission_{i}"] = load_curve(band)
        np.savez(Path(folder, "in.npz"), z=z, age=age(z), flux=flux, err=err, live=live, **curves)
        place = str(Path(pixsed.__file__).parents[1])
        done = subprocess.run(
            [sys.executable, str(Path(__file__).resolve()), "--inside", "in.npz", "out.npz"],
            cwd=folder, capture_output=True, text=True,
            env=dict(os.environ, MPLBACKEND="Agg", PYTHONPATH=place),
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"Bagpipes failed: {done.stderr[-1500:]}")
        with np.load(Path(folder, "out.npz")) as out:
            found = {name: out[name] for name in out.files}
    start = np.clip(age(z) - found.pop("LOOKBACK"), 0, age(z))
    history = TauDelayed(found["TAU"], start, np.full(len(start), float(age(z))))
    weights = history.weights(forward.photometry.ssp.age_edges)
    surviving = forward.photometry.surviving(weights, found["METAL"])
    t50 = history.formation_time(0.5)
    return found | {
        "TSTART": start, "LOGMSTAR": found["LOGMFORM"] + np.log10(surviving),
        "LOGSFR": found["LOGMFORM"] + history.log_sfr(), "AGE": history.mass_weighted_age(),
        "T50LB": (1 - t50) * age(z),
    }  # fmt: skip


def inside(source, target):
    """What the process of Bagpipes does."""
    warnings.simplefilter("ignore")
    sys.modules.setdefault("pymultinest", types.ModuleType("pymultinest"))
    import bagpipes as pipes

    given = np.load(source)
    names = []
    for i in range(len(given["flux"])):
        names.append(f"{i}.dat")
        np.savetxt(names[-1], np.column_stack([given[f"wave_{i}"], given[f"transmission_{i}"]]))
    photometry = np.column_stack([given["flux"], given["err"]]) * 1e-3  # uJy

    galaxy = pipes.galaxy("1", lambda _: photometry, filt_list=names, spectrum_exists=False,
                          phot_units="mujy")  # fmt: skip
    wanted = {
        "redshift": float(given["z"]), "t_bc": 0.01, "nebular": {"logU": -2.0001},
        "delayed": {"age": (1e-3, float(given["age"])), "tau": (0.01, 100.0),
                    "tau_prior": "log_10", "massformed": (4.0, 12.0),
                    "metallicity": (10**-2.3, 10**0.4), "metallicity_prior": "log_10"},
        "dust": {"type": "Calzetti", "Av": (0.0, 4.0)},
    }  # fmt: skip
    fit = pipes.fit(galaxy, wanted, n_posterior=2000)
    fit.fit(sampler="nautilus", n_live=int(given["live"]), n_networks=1)
    columns = dict(zip(fit.fitted_model.params, fit.results["samples2d"].T, strict=True))
    np.savez(
        target, LOGMFORM=columns["delayed:massformed"], AV=columns["dust:Av"],
        METAL=np.log10(columns["delayed:metallicity"]), TAU=columns["delayed:tau"],
        LOOKBACK=columns["delayed:age"],
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="tau")
    parser.add_argument("--pixels", type=int, default=20)
    parser.add_argument("--snr-min", type=float, default=5.0)
    parser.add_argument("--live", type=int, default=1000)
    parser.add_argument("--effective", type=int, default=2000)
    parser.add_argument("--bagpipes", type=int, default=0, metavar="K")
    parser.add_argument("--bagpipes-live", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    from pixsed.sps import bc03

    sampler = ModelSampler(Model(resolve(given.model), threads=1))
    forward = Forward(sampler.model.sfh, bc03.build()[0])
    results, theirs, between = [], [], []
    chosen = zip(*pixels(forward, given.pixels, given.snr_min, given.seed), strict=True)
    for number, (z, flux, err) in enumerate(chosen):
        ours = amortised(sampler, z, flux, err, 4000, given.seed)
        start = time.perf_counter()
        sampled, calls = nested(forward, z, flux, err, given.seed, given.live, given.effective)
        results.append(compare(ours, sampled))
        snr = row_snr(flux[None], err[None], PAPER_BANDS)[0]
        off = {name: v[0] for name, v in results[-1].items()}
        worst = max(off, key=off.get)
        print(f"pixel {number}: z {z:.3f}, S/N {snr:.1f}, {calls} likelihoods, "
              f"{time.perf_counter() - start:.0f} s; worst median {worst}, {off[worst]:.2f} sigma",
              flush=True)  # fmt: skip
        if number < given.bagpipes:
            start = time.perf_counter()
            other = bagpipes(forward, z, flux, err, given.bagpipes_live)
            theirs.append(compare(ours, other))
            between.append(compare(sampled, other))
            print(f"  Bagpipes {time.perf_counter() - start:.0f} s", flush=True)
    show(f"{sampler.model.name} against nautilus", results)
    if theirs:
        show(f"{sampler.model.name} against Bagpipes with nautilus", theirs)
        show("nautilus with pixsed's photometry against Bagpipes", between)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(*sys.argv[2:])
    else:
        main()
