"""Whether a model's medians and error bars can be believed: tests on simulations.

Nothing here knows which runtime samples: a model is a callable. No torch is imported.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import kstest

from pixsed.bands import PAPER_BANDS, SNR_BANDS
from pixsed.errors import PixsedError
from pixsed.simulate.observe import drop_bands, observe

#: Columns of the report, with FITS units.
LEVELS = (0.50, 0.68, 0.95)


@dataclass
class Observed:
    """Simulations as a survey would see them; arrays of N rows, NaN = band missing."""

    flux: np.ndarray
    flux_err: np.ndarray
    redshift: np.ndarray
    snr: np.ndarray
    truth: dict


def band_set(name, bands):
    """Return which of `bands` a set holds: "all", "paper", or names with commas between."""
    if name == "all":
        chosen = set(bands)
    elif name == "paper":
        chosen = set(PAPER_BANDS)
    else:
        chosen = {band.strip() for band in name.split(",")}
    unknown = chosen - set(bands)
    if unknown and name not in ("all", "paper"):
        raise PixsedError(f"bands not among the simulations': {' '.join(sorted(unknown))}")
    return np.array([band in chosen for band in bands])


def observe_test_set(simulations, noise, *, bands="paper", drop=(0, 0), snr_min=1.0,
                     number=10_000, seed=5):  # fmt: skip
    """Observe simulations once, and keep the first `number` above a mean S/N.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
    noise : noise model of `pixsed.simulate.noise`
    bands : str
        As of `band_set`.
    drop : tuple of int
        Fewest and most bands that each row loses at random, after the cut in S/N.
    snr_min : float
        Cut on the mean S/N over F277W, F356W and F444W (of noisy fluxes).
    number, seed : int

    Returns
    -------
    `Observed`
    """
    rng = np.random.default_rng(seed)
    names = simulations.bands
    mask = np.tile(band_set(bands, names), (len(simulations), 1))
    true = simulations.flux.astype(float)
    flux, err = observe(true, names, noise, np.ones_like(mask), rng)
    lacking = [band for band in SNR_BANDS if band not in names]
    if lacking:
        raise PixsedError(
            f"the simulations lack {' '.join(lacking)}, over which the mean S/N is taken"
        )
    snr = np.mean([flux[:, names.index(b)] / err[:, names.index(b)] for b in SNR_BANDS], axis=0)
    rows = np.flatnonzero(snr > snr_min)[:number]
    if len(rows) < number:
        raise PixsedError(
            f"only {len(rows)} of {len(simulations)} simulations have a mean S/N above "
            f"{snr_min:g}, fewer than {number}; simulate more, or give a smaller -n"
        )
    mask = drop_bands(mask[rows], rng.integers(drop[0], drop[1] + 1, len(rows)), rng)
    flux, err = flux[rows], err[rows]
    flux[~mask], err[~mask] = np.nan, np.nan
    truth = {key: values[rows] for key, values in simulations.columns.items()}
    return Observed(flux, err, truth["REDSHIFT"], snr[rows], truth)


def ranks_of(truth, samples, rng):
    """Return each truth's share of smaller samples, ties broken at random, shape (N,)."""
    below = (samples < truth[:, None]).sum(axis=1)
    equal = (samples == truth[:, None]).sum(axis=1)
    return (below + rng.random(len(truth)) * (equal + 1)) / (samples.shape[1] + 1)


def assess(observed, sampler, derived, *, samples=500, dim=6, seed=9, batch=256, progress=None):
    """Sample every row's posterior and compare with the truth.

    Parameters
    ----------
    observed : `Observed`
    sampler : callable
        (flux, flux_err, z, z_err, base) -> dict of parameter to (n, S) arrays.
    derived : sequence of str
        Parameters of the sampler's dict to report, each a key of the truth too.
    samples, dim, seed, batch : int, optional
    progress : callable, optional
        Called with the rows done.

    Returns
    -------
    dict of str to dict of `~numpy.ndarray`, shape (N,)
        For each parameter ``median``, ``std``, ``rank``, ``truth``.
    """
    rng = np.random.default_rng(seed)
    total = len(observed.redshift)
    result = {
        name: {key: np.empty(total) for key in ("median", "std", "rank")} for name in derived
    }
    for start in range(0, total, batch):
        rows = slice(start, min(start + batch, total))
        n = rows.stop - rows.start
        base = rng.standard_normal((n, samples, dim)).astype(np.float32)
        z = observed.redshift[rows].astype(np.float32)
        draws = sampler(observed.flux[rows], observed.flux_err[rows], z, np.zeros_like(z), base)
        for name in derived:
            values = np.asarray(draws[name], dtype=float)
            result[name]["median"][rows] = np.median(values, axis=1)
            result[name]["std"][rows] = values.std(axis=1)
            result[name]["rank"][rows] = ranks_of(observed.truth[name][rows], values, rng)
        if progress:
            progress(n)
    for name in derived:
        result[name]["truth"] = observed.truth[name]
    return result


def r_squared(truth, median):
    """Coefficient of determination of the medians (footnote 3 of Iglesias-Navarro+25)."""
    return 1.0 - np.sum((truth - median) ** 2) / np.sum((truth - truth.mean()) ** 2)


def summarise(result, rows=slice(None)):
    """Return a list of dicts, a parameter each: R^2, bias, coverage and rank statistics.

    Coverage is of central intervals, from the ranks; SBC_P is the p-value of a
    Kolmogorov-Smirnov test of the ranks against uniform. Fewer than two rows give NaN.
    """
    table = []
    for name, values in result.items():
        truth, median, rank = (values[key][rows] for key in ("truth", "median", "rank"))
        if len(truth) < 2:
            row = {"PARAMETER": name, "N": len(truth)}
            keys = ("R2", "BIAS", "WIDTH", *(f"COV{round(100 * x)}" for x in LEVELS), "SBC_P")
            table.append(row | dict.fromkeys(keys, np.nan))
            continue
        row = {
            "PARAMETER": name,
            "N": len(truth),
            "R2": r_squared(truth, median),
            "BIAS": float(np.median(median - truth)),
            "WIDTH": float(np.mean(values["std"][rows]) / truth.std()),
        }
        for level in LEVELS:
            row[f"COV{round(100 * level)}"] = float(np.mean(np.abs(rank - 0.5) < level / 2))
        row["SBC_P"] = float(kstest(rank, "uniform").pvalue)
        table.append(row)
    return table


#: The cases that `pixsed validate` runs: label, bands, fewest and most dropped.
CASES = (
    ("paper", "paper", (0, 0)),
    ("paper-drop", "paper", (3, 10)),
    ("all", "all", (0, 0)),
    ("all-drop", "all", (3, 10)),
)
