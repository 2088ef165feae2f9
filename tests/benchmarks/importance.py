"""Models compared with exact posteriors of hundreds of pixels, by importance sampling.

    python tests/benchmarks/importance.py tau --ssp bc03.fits --pixels 200
    python tests/benchmarks/importance.py tau --ssp bc03.fits --load nested_tau.fits

The draws of a model, weighted by the exact likelihood over their own density, are draws of the
exact posterior, in one second per pixel. The density follows from the derivatives of the
exported graph by its base normals. The effective fraction of the draws measures the accuracy of
the model: it is 1 for the exact posterior. If too few effective draws remain, as in bright
pixels, nautilus samples the posterior.

As in `nested_sampling.py`, the output is the difference of the medians of model and exact
posterior over the sigma of the latter, and the ratio of their widths. The pixels are chosen in
the same way, or read from its file with --load; the weighted draws are then compared with those
in the file too.

All coordinates of the prior must be parameters of the model, as for tau.
Needs the packages of pixsed[sps], and nautilus-sampler.
"""

import argparse

import numpy as np
from nested_sampling import (
    PIXEL,
    SNR_BINS,
    Forward,
    as_seen,
    columns_of,
    compare,
    in_words,
    load,
    nested,
    pixels,
    show,
)

from pixsed.cosmology import age
from pixsed.fit.draws import independent_normals
from pixsed.fit.model import Model
from pixsed.models import resolve
from pixsed.sps.ssp import read_ssp

#: Step of the base normals for the derivatives of the graph.
STEP = 0.02


def units(model, prior, samples, z):
    """Return the cumulative prior probabilities (S, D) of samples (S, P) of a pixel."""
    columns = []
    for coordinate in prior.COORDINATES:
        value = samples[:, model.parameters.index(coordinate.name)].astype(float)
        value = value / age(z) if coordinate.name == "TSTART" else value
        value = np.log10(value) if coordinate.log else value
        columns.append((value - coordinate.low) / (coordinate.high - coordinate.low))
    return np.stack(columns, axis=1)


def drawn(model, prior, pixel, number, seed):
    """Return the prior probabilities (S, D) of draws of a pixel, and their log density (S,).

    The first base normal belongs to the redshift, which is known; it affects no other
    coordinate.
    """
    z, flux, err = pixel
    seen = as_seen(model, flux, err)
    base = independent_normals(seed, np.zeros(1, int), np.zeros(1, int), number, model.base_dim)

    def sample(normals):
        samples, _ = model.sample(*seen, np.array([z]), np.zeros(1), normals)
        return units(model, prior, samples[0], z)

    slopes = []
    for i in range(1, model.base_dim):
        step = np.zeros(model.base_dim, dtype=np.float32)
        step[i] = STEP
        slopes.append((sample(base + step) - sample(base - step)) / (2 * STEP))
    _, log_volume = np.linalg.slogdet(np.stack(slopes, axis=2))
    log_normal = -0.5 * (base[0, :, 1:].astype(float) ** 2 + np.log(2 * np.pi)).sum(axis=1)
    # Draws with a clipped coordinate have no density.
    good = np.isfinite(log_volume)
    return sample(base)[good], (log_normal - log_volume)[good]


def weigh(forward, pixel, unit, log_density):
    """Return the weights of draws under the exact posterior, and their effective number."""
    z, flux, err = pixel
    exact, _ = forward.fluxes(np.full(len(unit), z), unit)
    log_weight = -0.5 * (((flux - exact) / err) ** 2).sum(axis=1) - log_density
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    return weight, 1.0 / (weight**2).sum()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a path or a shipped name")
    parser.add_argument("--ssp", required=True, help="grid of 'pixsed ssp', the model's own")
    parser.add_argument(
        "--load", metavar="FILE", help="file of nested_sampling.py whose pixels are used"
    )
    parser.add_argument("--pixels", type=int, default=200)
    parser.add_argument("--snr-min", type=float, default=3.0)
    parser.add_argument("--snr-max", type=float, default=50.0)
    parser.add_argument("--samples", type=int, default=12_000)
    parser.add_argument("--enough", type=int, default=500, help="effective draws")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    model = Model(resolve(given.model), threads=1)
    forward = Forward(model.sfh, read_ssp(given.ssp))
    missing = {c.name for c in forward.prior.COORDINATES} - set(model.parameters)
    if missing:
        parser.error(f"{given.model} does not give {' '.join(sorted(missing))}")
    table = load(given.load) if given.load else None
    if table:
        chosen = [np.array(table[key]) for key in PIXEL]
    else:
        chosen = pixels(forward, given.pixels, given.snr_min, given.snr_max, given.seed)
    snr, rng = chosen[3], np.random.default_rng(given.seed)
    ours, theirs, fractions, sampled = [], [], [], 0
    for number, pixel in enumerate(zip(*chosen[:3], strict=True)):
        unit, log_density = drawn(model, forward.prior, pixel, given.samples, given.seed)
        weight, effective = weigh(forward, pixel, unit, log_density)
        fractions.append(effective / given.samples)
        found = forward.columns(np.full(len(unit), pixel[0]), unit)
        if effective >= given.enough:
            chance = rng.choice(len(unit), len(unit), p=weight)
            exact, how = {name: values[chance] for name, values in found.items()}, "weighted"
        elif table:
            exact, how = columns_of(table[number], table), "nautilus"
        else:
            exact, how = nested(forward, *pixel, given.seed, 500, 2000)[0], "nautilus"
        sampled += how == "nautilus"
        ours.append(compare(found, exact))
        if table and how == "weighted":
            theirs.append(compare(exact, columns_of(table[number], table)))
        print(
            f"pixel {number}: z {pixel[0]:.3f}, S/N {snr[number]:.1f}; effective fraction "
            f"{fractions[-1]:.4f}, {how}; {in_words(ours[-1])}",
            flush=True,
        )
    if theirs:
        show("weighted draws against nautilus", theirs)
    show(f"{model.name} against the exact posterior, {sampled} by nautilus", ours)
    fractions = np.array(fractions)
    for low, high in SNR_BINS:
        here = np.flatnonzero((low <= snr) & (snr < high))
        if len(here):
            show(f"S/N {low} to {high:g}", [ours[i] for i in here])
            few, half, many = np.quantile(fractions[here], (0.16, 0.5, 0.84))
            print(f"effective fraction of the draws {half:.3f}, 16 to 84 % {few:.3f}-{many:.3f}")


if __name__ == "__main__":
    main()
