"""Posteriors of a test set, computed in batches, and their comparison with the truth."""

from dataclasses import dataclass

import numpy as np

from pixsed.fit.derived import derive
from pixsed.fit.draws import base_normals, independent_normals
from pixsed.fit.posterior import run_batches
from pixsed.properties import PROPERTIES
from pixsed.validate.bins import BINS, rows_in
from pixsed.validate.bounds import outside
from pixsed.validate.tarp import closer_fraction, place_among


class ModelSampler:
    """Sampler of the posteriors of a model, with derived properties.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    """

    def __init__(self, model):
        self.model = model
        self.dim = model.base_dim
        #: Number of draws for the out-of-distribution score.
        self.score_draws = model.metadata.get("flux_model", {}).get("draws", 1)

    def names(self, truth, *, photo_z=False, same_prior=True):
        """Return the properties that both model and truth have, in the order of the model.

        With another prior than the model's, only those of `pixsed.properties` count: coordinates
        of priors may have one name and several meanings.
        """
        ones = {p: np.ones((1, 1)) for p in self.model.parameters}
        names = [*self.model.parameters, *derive(ones, self.model.sfh, np.ones((1, 1)))]
        free = photo_z or self.model.infers_redshift
        names = [n for n in dict.fromkeys(names) if n in truth and (free or n != "REDSHIFT")]
        return names if same_prior else [n for n in names if n in PROPERTIES]

    def joint_names(self, names):
        """Return the free properties among `names`, for joint tests.

        These are the coordinates of the prior. If the model lacks one of them, LOGSFR replaces
        it.
        """
        prior = self.model.metadata.get("prior", {})
        coordinates = [c["name"] for c in prior.get("coordinates", ())]
        rate = "LOGSFR" if set(coordinates) - set(names) else ""
        return [n for n in names if n in (*coordinates, rate, "REDSHIFT")]

    def __call__(self, flux, flux_err, z, z_err, base):
        """Return draws (dict of (n, S)), their redshifts (n, 1) or (n, S), and OOD scores (n,)."""
        drawn, predicted = self.model.sample(flux, flux_err, z, z_err, base)
        found = {name: drawn[..., i] for i, name in enumerate(self.model.parameters)}
        redshift = np.asarray(z, dtype=float)[:, None]
        if self.model.infers_redshift:
            redshift = found["REDSHIFT"].astype(float)
        elif "REDSHIFT" in found and np.any(z_err > 0):
            redshift = np.where(np.asarray(z_err)[:, None] > 0, found["REDSHIFT"], redshift)
        found |= derive(found, self.model.sfh, redshift)
        return found, redshift, self.model.score(flux, flux_err, predicted, z, z_err)[1]


@dataclass
class Result:
    """Summary of the posteriors of N rows.

    Attributes
    ----------
    values : dict of str to dict of `~numpy.ndarray`, shape (N,)
        For each property: truth (NaN where it is not known), median, std, iqr (75 % minus 25 %
        quantile), half (half of 84 % minus 16 %), rank (fraction of the independent draws that
        are smaller) and leak (fraction of draws outside the prior).
    joint : `~numpy.ndarray`, shape (N,)
        Joint rank, as returned by `pixsed.validate.tarp.closer_fraction`.
    ood, snr, redshift : `~numpy.ndarray`, shape (N,)
    bins : `~numpy.ndarray`, shape (N, len(kinds)), bool, optional
    kinds : sequence of tuple, optional
        Both as in `~pixsed.validate.cases.Observed`.
    """

    values: dict
    joint: np.ndarray
    ood: np.ndarray
    snr: np.ndarray
    redshift: np.ndarray
    bins: np.ndarray | None = None
    kinds: tuple = BINS

    def __post_init__(self):
        if self.bins is None:
            self.bins = rows_in(self.kinds, self.snr, self.redshift)

    def __len__(self):
        return len(self.snr)


def assess(
    observed, sampler, names, cube, *, samples=256, seed=9, jobs=1, metadata=None, progress=None
):
    """Sample the posterior of every row and compare it with the truth.

    Half of the draws are made as in `pixsed fit`, quasi-random and keyed by row. They give the
    most precise medians and widths. The other half are independent and give the ranks: the rank
    of the truth under a correct posterior is uniform only among independent draws
    (simulation-based calibration, Talts+18). Among S evenly spread points, the truth falls below
    the first one with probability 1 / 2S instead of 1 / (S + 1), so that 95 % intervals would
    seem to contain up to 1 / S too many truths.

    Parameters
    ----------
    observed : `~pixsed.validate.cases.Observed`
    sampler : callable
        Object like `ModelSampler`, called with (flux, flux_err, z, z_err, base); ``dim`` is the
        last axis of `base`.
    names : sequence of str
        Properties to compare, keys of the draws and of the truth.
    cube : `~pixsed.validate.tarp.UnitCube`
        Map of the properties that are tested jointly; without any, joint ranks are NaN.
    samples : int, optional
        Number of draws per row, both halves together.
    seed : int, optional
    jobs : int, optional
        Number of threads; results do not depend on it.
    metadata : dict, optional
        Metadata of the model, for the bounds of its prior.
    progress : callable, optional
        Called with the number of rows just done.

    Returns
    -------
    `Result`
    """
    n, spread = len(observed), samples // 2
    rng = np.random.default_rng(seed)
    chance = rng.random((len(names) + 1, n))
    reference = rng.random((n, len(cube.names)))
    truth = {name: np.asarray(observed.truth[name], dtype=float) for name in names}
    jointly = bool(cube.names)
    place = cube({name: observed.truth[name] for name in cube.names}) if jointly else None
    number = np.arange(n)

    def one(rows, keep):
        keys = seed, np.zeros_like(rows), rows
        base = np.concatenate(
            [
                base_normals(*keys, spread, sampler.dim),
                independent_normals(*keys, samples - spread, sampler.dim),
            ],
            axis=1,
        )
        z, z_err = observed.redshift[rows], observed.redshift_err[rows]
        draws, redshift, ood = sampler(observed.flux[rows], observed.flux_err[rows], z, z_err, base)
        draws = {name: np.asarray(draws[name], dtype=float)[keep] for name in draws}
        redshift, rows = redshift[keep], rows[keep]
        leaks = outside(draws, redshift, metadata or {})
        found = {}
        for i, name in enumerate(names):
            values, others = draws[name][:, :spread], draws[name][:, spread:]
            levels = (0.16, 0.25, 0.5, 0.75, 0.84)
            p16, low, median, high, p84 = np.quantile(values, levels, axis=1)
            rank = place_among(truth[name][rows][:, None], others, chance[i, rows])
            widths = values.std(axis=1), high - low, 0.5 * (p84 - p16)
            found[name] = median, *widths, rank, leaks[name].mean(axis=1)
        joint = np.full(len(rows), np.nan)
        if jointly:
            others = {name: draws[name][:, spread:] for name in cube.names}
            joint = closer_fraction(place[rows], cube(others), reference[rows], chance[-1, rows])
        return found, joint, ood[keep]

    keys = ("median", "std", "iqr", "half", "rank", "leak")
    values = {name: {key: np.empty(n) for key in keys} | {"truth": truth[name]} for name in names}
    joint, oods = np.empty(n), np.empty(n)
    for rows, (found, fractions, ood) in run_batches(one, 0 * number, number, jobs, progress):
        for name in names:
            for key, column in zip(keys, found[name], strict=True):
                values[name][key][rows] = column
        joint[rows], oods[rows] = fractions, ood
    rest = observed.snr, observed.redshift, observed.bins, observed.kinds
    return Result(values, joint, oods, *rest)
