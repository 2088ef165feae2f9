"""Artefacts made from simulations, to test the out-of-distribution score.

No galaxy looks like an artefact, so the scores of artefacts should be small.
"""

import numpy as np

from pixsed.fit.draws import base_normals
from pixsed.fit.posterior import run_batches
from pixsed.io.bandnames import pivot_um
from pixsed.simulate.observe import measure
from pixsed.validate.bins import in_bin
from pixsed.validate.cases import row_snr
from pixsed.validate.statistics import uniformity

#: Mean S/N of the artefacts.
SNR_RANGE = (5.0, 50.0)
#: h c / k in micron K, rounded. With the value of `astropy.constants` the fluxes of the stars
#: would differ in the seventh digit.
HC_OVER_K = 14387.77
KINDS = {
    "STAR": "blackbody of 3000 to 6000 K, with the total flux of the galaxy",
    "SPIKE": "one band negative, 5 to 50 sigma",
    "ZEROPOINT": "half of the bands 0.3 mag brighter or fainter, all in the same sense",
    "BAND": "one band 0.5 mag brighter or fainter",
}


def make(kind, observed, bands, noise, rng):
    """Return fluxes and errors of an artefact made from rows of a test set.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    observed : `~pixsed.validate.cases.Observed`
    bands : sequence of str
        Bands of `pixsed.bands`.
    noise : noise model of `pixsed.simulate.noise`
        Noise of the stars; the other artefacts keep the errors of their rows.
    rng : `~numpy.random.Generator`

    Returns
    -------
    flux, flux_err : `~numpy.ndarray`, shape (N, B)
        nJy; NaN = band missing.
    """
    flux, err = observed.flux.astype(float), observed.flux_err.astype(float)
    present = np.isfinite(flux)
    n = len(flux)
    if kind == "STAR":
        wave = np.array([pivot_um(band) for band in bands])
        x = HC_OVER_K / (wave * rng.uniform(3000.0, 6000.0, (n, 1)))
        light = wave**-3.0 / np.expm1(x)  # F_nu
        scale = np.nansum(flux, axis=1) / np.where(present, light, 0.0).sum(axis=1)
        true = light * np.maximum(scale, 0.0)[:, None]
        flux, err = np.full(true.shape, np.nan), np.full(true.shape, np.nan)
        here = present.any(axis=0)
        names = [band for band, seen in zip(bands, here, strict=True) if seen]
        flux[:, here], err[:, here] = measure(true[:, here], names, noise, rng)
        return np.where(present, flux, np.nan), np.where(present, err, np.nan)
    # Put the bands that are present in random order; change the first one, or half of them.
    key = np.where(present, rng.random(flux.shape), 2.0)
    rank = np.argsort(np.argsort(key, axis=1), axis=1)
    if kind == "SPIKE":
        depth = np.exp(rng.uniform(np.log(5.0), np.log(50.0), (n, 1)))
        return np.where(rank == 0, -depth * err, flux), err
    fraction, step = {"ZEROPOINT": (0.5, 0.3), "BAND": (0.0, 0.5)}[kind]
    off = rank < np.maximum(fraction * present.sum(axis=1), 1)[:, None]
    factor = 10.0 ** (0.4 * step * rng.choice((-1.0, 1.0), (n, 1)))
    factor = np.where(off, factor, 1.0)
    return flux * factor, err * factor


def scores(sampler, flux, flux_err, z, z_err, *, jobs=1):
    """Return the p-value of each row of photometry under the model, shape (N,)."""
    number = np.arange(len(flux))
    found = np.empty(len(flux))

    def one(rows, keep):
        base = base_normals(0, np.zeros_like(rows), rows, sampler.score_draws, sampler.dim)
        return sampler(flux[rows], flux_err[rows], z[rows], z_err[rows], base)[2][keep]

    for rows, ood in run_batches(one, 0 * number, number, jobs):
        found[rows] = ood
    return found


def row_of(kind, case, ood, snr, low, high):
    """Return a row of the table OOD: the distribution of scores in a bin of mean S/N."""
    some = ood[(snr >= low) & (snr < high)]
    head = {"KIND": kind, "CASE": case, "SNR_LOW": low, "SNR_HIGH": high, "N": len(some)}
    some = some[np.isfinite(some)]
    if len(some) < 2:
        keys = ("OOD_P05", "OOD_P50", "OOD_P95", "BELOW01", "BELOW001", "KS_D", "KS_P")
        return head | dict.fromkeys(keys, np.nan)
    levels = np.quantile(some, (0.05, 0.5, 0.95))
    tests = uniformity(some)
    return head | {
        **dict(zip(("OOD_P05", "OOD_P50", "OOD_P95"), levels, strict=True)),
        "BELOW01": float(np.mean(some < 0.01)),
        "BELOW001": float(np.mean(some < 0.001)),
        "KS_D": tests["KS_D"],
        "KS_P": tests["KS_P"],
    }


def of_simulations(result, case):
    """Return the rows of the table OOD for simulations, whose scores should be uniform."""
    table = []
    for bin_ in result.kinds:
        if bin_[0] in ("ALL", "SNR"):
            rows = in_bin(result, bin_)
            ood, snr = result.ood[rows], result.snr[rows]
            table.append(row_of("SIMULATIONS", case, ood, snr, *bin_[1:]))
    return table


def of_artefacts(observed, bands, noise, sampler, case, *, seed=3, jobs=1):
    """Return the rows of the table OOD for all artefacts, made from rows with S/N 5 to 50.

    Parameters
    ----------
    observed : `~pixsed.validate.cases.Observed`
    bands : sequence of str
    noise : noise model of `pixsed.simulate.noise`
    sampler : `~pixsed.validate.sampling.ModelSampler`
    case : str
    seed, jobs : int, optional
    """
    low, high = SNR_RANGE
    chosen = observed.rows(in_bin(observed, observed.kinds[0]))
    chosen = chosen.rows((chosen.snr >= low) & (chosen.snr < high))
    table = []
    for i, kind in enumerate(KINDS):
        flux, err = make(kind, chosen, bands, noise, np.random.default_rng([seed, i]))
        flux, err = flux.astype(np.float32), err.astype(np.float32)
        ood = scores(sampler, flux, err, chosen.redshift, chosen.redshift_err, jobs=jobs)
        # Stars have new noise; the other artefacts have the S/N of their galaxy.
        snr = row_snr(flux, err, bands) if kind == "STAR" else chosen.snr
        for edge in ((low, high), (low, 10.0), (10.0, high)):
            table.append(row_of(kind, case, ood, snr, *edge))
    return table
