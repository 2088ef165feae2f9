"""Comparison of models with nested sampling of the same pixels, SSPs, prior and photometry.

    python tests/benchmarks/nested_sampling.py --prior tau --ssp bc03.fits --save nested_tau.fits
    python tests/benchmarks/nested_sampling.py tau --load nested_tau.fits

The first samples the posteriors with nautilus and pixsed's own photometry as the likelihood,
ten seconds to a minute a pixel, and keeps them; cut short, it goes on where it was. They depend
on no model, so the second compares any with them, in seconds. It prints, for each property, the
mean over pixels of the difference of the medians in units of the nested posterior's sigma
(half of its 16 to 84 %), and the ratio of these widths.

The pixels are drawn from the prior and observed in the paper's 19 bands under the noise
`depth`. Between --snr-min and --snr-max there are as many bins, even in the log of the mean
S/N, as pixels: each is the first that falls in its bin, whatever its redshift.

Given --load too, the first takes each --every pixel of that file in place of new ones: with
--bagpipes they are sampled by Bagpipes as it is, with nautilus, minutes each. What takes the
place of a model may be such a file, so that Bagpipes is compared with both. Its SSPs have the
43 age bins of CLOUDY: the grid is then one of 'pixsed ssp --library bc03' without --refine ::

    python tests/benchmarks/nested_sampling.py --load nested_tau.fits --every 5 --ssp bc03_43.fits \
        --bagpipes --save bagpipes.fits
    python tests/benchmarks/nested_sampling.py tau --load bagpipes.fits
    python tests/benchmarks/nested_sampling.py nested_tau.fits --load bagpipes.fits

Needs the packages of pixsed[sps], and nautilus-sampler.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from astropy.table import Table

from pixsed.bands import PAPER_BANDS
from pixsed.cosmology import age
from pixsed.fit.draws import base_normals
from pixsed.fit.model import Model
from pixsed.io.atomic import atomic_path
from pixsed.models import resolve
from pixsed.simulate.noise import DEPTH
from pixsed.simulate.observe import observe
from pixsed.simulate.priors import PRIORS
from pixsed.sps.photometry import PhotometryModel
from pixsed.sps.ssp import read_ssp
from pixsed.validate.cases import row_snr
from pixsed.validate.sampling import ModelSampler

NAMES = "LOGMSTAR LOGMFORM LOGSFR METAL AV TAU TSTART T25 T50 T75 AGE T50LB".split()
TARGETS = 0.25, 0.20
DRAWS = 4000
#: Columns that describe a pixel.
PIXEL = "REDSHIFT FLUX FLUX_ERR SNR".split()
#: Pixels in these ranges of S/N are tabulated separately.
SNR_BINS = (0, 10), (10, 20), (20, np.inf)


class Forward:
    """Prior and photometry of the test pixels."""

    def __init__(self, prior, ssp):
        self.prior = PRIORS[prior]()
        self.photometry = PhotometryModel(ssp, PAPER_BANDS, z_max=8.0)

    def fluxes(self, z, unit):
        """Return noiseless fluxes in nJy (N, B), and the columns of the populations."""
        history = self.prior.history(z, unit)
        weights = self.photometry.weights(history)
        values = self.prior.values(z, unit)
        flux = self.photometry.fluxes(z, weights, values["METAL"], values["AV"])
        return flux * 10.0 ** values["LOGMFORM"][:, None], (history, weights, values)

    def columns(self, z, unit):
        """Return all compared properties as a dict of (N,)."""
        _, (history, weights, values) = self.fluxes(z, unit)
        surviving = self.photometry.surviving(weights, values["METAL"])
        found = self.prior.parameters(z, unit, history, surviving)
        found |= {"T50LB": (1 - found["T50"]) * age(z)}
        return {name: found[name] for name in NAMES if name in found}


def pixels(forward, number, snr_min, snr_max, seed):
    """Return redshifts, fluxes and errors of the test pixels, sorted by S/N."""
    rng = np.random.default_rng(seed)
    z, unit = forward.prior.draw(400 * number, rng)
    z = np.maximum(z, 0.01)
    true, _ = forward.fluxes(z, unit)
    flux, err = observe(true, PAPER_BANDS, DEPTH, np.ones(true.shape, dtype=bool), rng)
    snr = row_snr(flux, err, PAPER_BANDS)
    bin_ = np.searchsorted(np.geomspace(snr_min, snr_max, number + 1), snr)
    rows = [np.flatnonzero(bin_ == i + 1)[0] for i in range(number)]
    return z[rows], flux[rows].astype(float), err[rows].astype(float), snr[rows]


def nested(forward, z, flux, err, seed, live, effective):
    """Return equally weighted draws of a posterior, and the number of likelihoods."""
    from nautilus import Sampler

    def log_likelihood(unit):
        model, _ = forward.fluxes(np.full(len(unit), z), unit)
        return -0.5 * (((flux - model) / err) ** 2).sum(axis=1)

    # A likelihood takes 10 us: few bounds, small networks and many calls are the quickest.
    sampler = Sampler(
        lambda unit: unit,
        log_likelihood,
        n_dim=len(forward.prior.COORDINATES),
        n_live=live,
        n_update=4 * live,
        n_like_new_bound=40 * live,
        vectorized=True,
        n_batch=1000,
        n_networks=1,
        neural_network_kwargs={"hidden_layer_sizes": (50, 20)},
        seed=seed,
    )
    sampler.run(n_eff=effective, discard_exploration=True)
    unit, log_weight, _ = sampler.posterior()
    weight = np.exp(log_weight - log_weight.max())
    rng = np.random.default_rng(seed)
    unit = unit[rng.choice(len(unit), DRAWS, p=weight / weight.sum())]
    return forward.columns(np.full(len(unit), z), unit), sampler.n_like


def sample(given):
    """Sample the posteriors and write them, one row per pixel."""
    ssp, rows = read_ssp(given.ssp), []
    forward = Forward(given.prior, ssp)
    if given.load:
        source = load(given.load)[:: given.every]
        chosen = [np.array(source[key]) for key in PIXEL]
    else:
        chosen = pixels(forward, given.pixels, given.snr_min, given.snr_max, given.seed)
    asked = {"PRIOR": given.prior, "SAMPLER": "Bagpipes" if given.bagpipes else "nautilus"}
    path = Path(given.save)
    if path.exists():
        done = load(path)
        rows = [dict(zip(done.colnames, row, strict=True)) for row in done]
        same = len(rows) <= len(chosen[1]) and np.array_equal(done["FLUX"], chosen[1][: len(rows)])
        if not same or any(done.meta[key] != value for key, value in asked.items()):
            raise SystemExit(f"{path} holds other posteriors; give another --save")
    for number, pixel in enumerate(zip(*chosen, strict=True)):
        if number < len(rows):
            continue
        start = _seconds()
        if given.bagpipes:
            from bagpipes_posterior import posterior

            drawn, how = posterior(ssp, *pixel[:3], given.live), {}
        else:
            drawn, calls = nested(forward, *pixel[:3], given.seed, given.live, given.effective)
            how = {"NEFF": given.effective, "CALLS": calls}
        how |= {"LIVE": given.live, "SECONDS": _seconds() - start}
        drawn = {name: values.astype(np.float32) for name, values in drawn.items()}
        rows.append(dict(zip(PIXEL, pixel, strict=True)) | how | drawn)
        with atomic_path(path, True) as temporary:
            Table(rows, meta=asked).write(temporary, format="fits", overwrite=True)
        print(
            f"pixel {number}: z {pixel[0]:.3f}, S/N {pixel[3]:.1f}, {how['SECONDS']:.0f} s",
            flush=True,
        )


def _seconds():
    """Return the processor time, including processes that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def load(path):
    """Return the table of posteriors of a file."""
    return Table.read(path, format="fits", hdu=1)


def as_seen(model, flux, err):
    """Return flux and error of a pixel in the bands of a model, (2, 1, B)."""
    seen = np.full((2, 1, len(model.bands)), np.nan, dtype=np.float32)
    seen[:, 0, [model.bands.index(band) for band in PAPER_BANDS]] = flux, err
    return seen


def amortised(sampler, z, flux, err, samples, seed):
    """Return columns of the posterior of a pixel from a model."""
    seen = as_seen(sampler.model, flux, err)
    base = base_normals(seed, np.zeros(1, int), np.zeros(1, int), samples, sampler.dim)
    draws, _, _ = sampler(*seen, np.array([z]), np.zeros(1), base)
    return {name: values[0] for name, values in draws.items()}


def compare(ours, theirs):
    """Return per property: difference of the medians over sigma, and ratio of widths."""
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
        if sigma > 1e-3:  # a rate at its floor cannot be compared
            found[name] = abs(middle - median) / sigma, 0.5 * (high - low) / sigma
    return found


def in_words(found):
    """Summarise a result of `compare` in a few words."""
    off = {name: values[0] for name, values in found.items()}
    worst = max(off, key=off.get)
    return f"medians off by {np.mean(list(off.values())):.2f} sigma, {worst} by {off[worst]:.2f}"


def show(title, results):
    """Print a table of results of `compare`."""
    print(f"\n{title}, {len(results)} pixels")
    print(
        f"{'':10s}{'|median difference| / sigma':>30s}{'ratio of widths':>18s}{'16 to 84 %':>16s}"
    )
    means = []
    for name in NAMES:
        pairs = np.array([r[name] for r in results if name in r])
        if not len(pairs):
            continue
        means.append(pairs[:, 0].mean())
        ratio = np.exp(np.median(np.log(pairs[:, 1])))
        low, high = np.quantile(pairs[:, 1], (0.16, 0.84))
        good = means[-1] <= TARGETS[0] and abs(ratio - 1) <= TARGETS[1]
        print(
            f"{name:10s}{means[-1]:20.3f} +- {pairs[:, 0].std():.3f}{ratio:18.3f}"
            f"{low:9.2f}-{high:.2f}{'' if good else '  missed'}"
        )
    print(f"{'mean':10s}{np.mean(means):20.3f}")


def columns_of(row, table):
    """Return the compared columns of the posterior of a pixel in a file."""
    return {name: row[name] for name in NAMES if name in table.colnames}


def against(given):
    """Compare a model, or the posteriors of a file, with those of another."""
    table = load(given.load)
    if given.model.endswith(".fits"):
        other = load(given.model)
        prior, title = other.meta["PRIOR"], other.meta["SAMPLER"]
        kept = {row["FLUX"].tobytes(): columns_of(row, other) for row in other}
    else:
        sampler, kept = ModelSampler(Model(resolve(given.model), threads=1)), None
        prior, title = sampler.model.sfh, sampler.model.name
    if table.meta["PRIOR"] != prior:
        raise SystemExit(
            f"{given.load} is of prior {table.meta['PRIOR']}, {given.model} of {prior}"
        )
    results, snr = [], []
    for number, row in enumerate(table):
        pixel = row["REDSHIFT"], row["FLUX"], row["FLUX_ERR"]
        if kept is None:
            ours = amortised(sampler, *pixel, DRAWS, given.seed)
        elif not (ours := kept.get(row["FLUX"].tobytes())):
            continue
        results.append(compare(ours, columns_of(row, table)))
        snr.append(row["SNR"])
        print(
            f"pixel {number}: z {row['REDSHIFT']:.3f}, S/N {row['SNR']:.1f}; "
            f"{in_words(results[-1])}"
        )
    if not results:
        raise SystemExit(f"{given.model} and {given.load} have no pixel in common")
    show(f"{title} against {table.meta['SAMPLER']}", results)
    for low, high in SNR_BINS:
        some = [r for r, s in zip(results, snr, strict=True) if low <= s < high]
        if some:
            show(f"S/N {low} to {high:g}", some)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "model", nargs="?", help="to compare: a path, a shipped name or a file of posteriors"
    )
    parser.add_argument("--save", metavar="FILE", help="sample, and keep the posteriors here")
    parser.add_argument(
        "--load",
        metavar="FILE",
        help="compare with the posteriors kept here; with --save, the pixels to sample",
    )
    parser.add_argument("--every", type=int, default=1, help="take each so many of these pixels")
    parser.add_argument("--prior", default="tau")
    parser.add_argument("--ssp", help="grid of 'pixsed ssp', the one that the model learnt from")
    parser.add_argument("--pixels", type=int, default=20)
    parser.add_argument("--snr-min", type=float, default=3.0)
    parser.add_argument("--snr-max", type=float, default=50.0)
    parser.add_argument("--live", type=int, default=500)
    parser.add_argument("--effective", type=int, default=2000)
    parser.add_argument("--bagpipes", action="store_true", help="sample with Bagpipes, tau only")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if bool(given.save) == bool(given.model) or not (given.save or given.load):
        parser.error("give --ssp and --save, or a model and --load")
    if given.save and not given.ssp:
        parser.error("--ssp is needed")
    if given.bagpipes and given.prior != "tau":
        parser.error("--bagpipes is of --prior tau")
    sample(given) if given.save else against(given)


if __name__ == "__main__":
    main()
