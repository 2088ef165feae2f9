"""Precision of quasi-random draws: python tests/benchmarks/bench_draws.py SIMS [MODEL] [PIXELS].

Simulated pixels have a mean S/N of 3 to 200, exact redshifts, all bands, and the depths of the
paper. The rms error of P16, P50 and P84 in rank (the fraction of the posterior below the quantile,
from 16384 draws) is given as the number of independent draws with the same error. SIMS are fresh
simulations of the prior of the model, made by 'pixsed simulate'.
"""

import sys

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from pixsed.fit.derived import derive
from pixsed.fit.draws import base_normals, independent_normals
from pixsed.fit.model import Model
from pixsed.fit.quantiles import of_draws
from pixsed.models import resolve
from pixsed.simulate.noise import choose_noise
from pixsed.simulate.observe import observe
from pixsed.simulate.table import read_simulations
from pixsed.snr import mean_snr

LEVELS = (0.16, 0.5, 0.84)
TRUTH, PART = 16384, 16


def observed(path, count):
    """Return flux, err and redshift of pixels that cover the range of S/N."""
    sims = read_simulations(path)
    true = sims.flux[:4000].astype(float)
    mask = np.ones(true.shape, dtype=bool)
    noise = choose_noise("depth", sims.bands)
    flux, err = observe(true, sims.bands, noise, mask, np.random.default_rng(3))
    snr = mean_snr(flux.T, err.T, sims.bands)
    rows = np.flatnonzero((snr > 3) & (snr < 200))
    rows = rows[np.argsort(snr[rows])][:: max(1, len(rows) // count)][:count]
    return flux[rows], err[rows], sims.columns["REDSHIFT"][rows]


def properties(model, flux, err, z, base):
    """Return the sorted draws of each property, shape (N, S)."""
    parts = []
    for start in range(0, len(z), PART):
        part = slice(start, start + PART)
        drawn, _ = model.sample(flux[part], err[part], z[part], 0 * z[part], base(part))
        found = {n: drawn[..., i] for i, n in enumerate(model.parameters) if n != "REDSHIFT"}
        found |= derive(found, model.sfh, z[part, None])
        parts.append({n: np.sort(v.astype(np.float32), axis=1) for n, v in found.items()})
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def main():
    model = Model(resolve(sys.argv[2] if len(sys.argv) > 2 else "tau"), threads=1)
    flux, err, z = observed(sys.argv[1], int(sys.argv[3]) if len(sys.argv) > 3 else 192)
    number, dim = np.arange(len(z)), model.base_dim
    net = np.clip(qmc.Sobol(dim, seed=0).random(TRUTH), 1e-7, 1 - 1e-7)
    net = ndtri(net).astype(np.float32)[None]
    truth = properties(model, flux, err, z, lambda part: np.repeat(net, len(z[part]), axis=0))

    def worth(draw, count):
        """Return the equivalent numbers of independent draws, shape (properties, levels)."""
        found = properties(
            model, flux, err, z, lambda part: draw(5, number[part], number[part], count, dim)
        )
        rows = []
        for name, ordered in found.items():
            square = []
            for q, values in zip(LEVELS, of_draws(ordered, LEVELS), strict=True):
                rank = [
                    np.searchsorted(t, v) / TRUTH for t, v in zip(truth[name], values, strict=True)
                ]
                square.append(q * (1 - q) / np.mean((np.array(rank) - q) ** 2))
            rows.append(square)
        return np.array(rows)

    print(f"{model.name}: {len(z)} pixels, {', '.join(truth)}")
    print(f"{'draws':>6s} {'':12s}{'P16':>8s}{'P50':>8s}{'P84':>8s}   worst property, median, best")
    for count in (32, 64, 128, 256, 512, 1024):
        for name, draw in (("independent", independent_normals), ("quasi-random", base_normals)):
            if draw is independent_normals and count != 512:
                continue
            found = worth(draw, count)
            for what, row in (
                ("worst", found.min(axis=0)),
                ("median", np.median(found, axis=0)),
                ("best", found.max(axis=0)),
            ):
                print(f"{count:6d} {name:12s}" + "".join(f"{v:8.0f}" for v in row) + f"   {what}")


if __name__ == "__main__":
    main()
