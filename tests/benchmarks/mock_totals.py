"""Coverage of the totals of mock galaxies of known mass.

    python tests/benchmarks/mock_totals.py --ssp fsps.fits --model tau -n 60 --seed 11
    python tests/benchmarks/mock_totals.py --ssp fsps.fits --model tau --model dirichlet --seed 11

The galaxies are those of mock_galaxies.py, with the PSF of F444W in all bands. The noise of a band
is white noise through the kernel of drizzling and a Gaussian that matches the band to F444W, and
the cube carries its autocorrelation. The resolved totals are of at most --pixels pixels, chosen at
random among those above the S/N cut, and so are the true ones: errors of a total depend little on
the number of its pixels, because most of them are common. With --single, all pixels of a galaxy
have one population, as the histories of the model have: a test of the integrated fit.

Prints, for log M* and log SFR, below and above z = 3 and a median S/N of 10, the number of
galaxies, the median offset and the rms from the truth [dex], half the 68 % interval [dex], and the
coverage of the 68 and 95 % intervals. Then, below and above z = 3, the median of the resolved minus
the integrated log mass of each model, less that of the truths (they differ because the resolved
masses are of --pixels pixels), and of the second model minus the first.

Needs the packages of pixsed[sps].
"""

import argparse
import dataclasses

import mock_galaxies as mock
import numpy as np
from scipy.ndimage import label
from scipy.signal import fftconvolve

from pixsed.bands import BY_NAME, PAPER_BANDS
from pixsed.fit.model import load_model
from pixsed.fit.options import FitOptions
from pixsed.fit.posterior import draw
from pixsed.fit.select import select
from pixsed.fit.summed import row_of_sum, summed_photometry
from pixsed.fit.total import total_draws
from pixsed.io.formats.cube import Cube, bands_table
from pixsed.snr import mean_snr

LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)
NAMES = ("LOGMSTAR", "LOGSFR")


def noise_kernel(band):
    """Return the kernel through which white noise passes: that of drizzling and of matching."""
    drizzle = mock.DRIZZLE / np.sqrt((mock.DRIZZLE**2).sum())
    more = mock.fwhm_of("F444W") ** 2 - mock.fwhm_of(band) ** 2
    sigma = np.sqrt(max(more, 0.0)) / 2.355 / mock.PIXEL
    if sigma < 0.2:
        return drizzle
    offsets = np.arange(-int(np.ceil(4 * sigma)), int(np.ceil(4 * sigma)) + 1)
    gauss = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2))
    return fftconvolve(drizzle, gauss / gauss.sum())


def correlations(kernels, reach=11):
    """Return the autocorrelations (B, 23, 23) of white noise through kernels."""
    found = np.zeros((len(kernels), 2 * reach + 1, 2 * reach + 1))
    for plane, kernel in zip(found, kernels, strict=True):
        own = fftconvolve(kernel, kernel[::-1, ::-1])
        half = min(len(own) // 2, reach)
        middle = slice(len(own) // 2 - half, len(own) // 2 + half + 1)
        plane[reach - half : reach + half + 1, reach - half : reach + half + 1] = own[
            middle, middle
        ]
        plane /= plane[reach, reach]
    return found


def make_cube(galaxy, number, kernels, rng):
    """Return the cube of a galaxy, and its true mass and SFR in each pixel, (2, S, S)."""
    bands, psf = list(PAPER_BANDS), mock.moffat(mock.fwhm_of("F444W"))
    seen = np.stack([fftconvolve(plane, psf, mode="same") for plane in galaxy.flux])
    flux, err = np.empty_like(seen), np.empty_like(seen)
    for i, (band, kernel) in enumerate(zip(bands, kernels, strict=True)):
        white = rng.standard_normal(tuple(mock.STAMP + n - 1 for n in kernel.shape))
        depth = BY_NAME[band].depth
        flux[i] = seen[i] + depth * fftconvolve(white, kernel, mode="valid")
        err[i] = depth * np.sqrt((kernel**2).sum())
    snr = mean_snr(seen, err, bands)
    parts, _ = label(snr > 1.0)
    own = parts == parts[np.unravel_index(np.argmax(snr), snr.shape)]
    rho = correlations(kernels)
    cube = Cube(
        bands,
        flux,
        err,
        mock.wcs_header(snr.shape)[0],
        redshift=galaxy.redshift,
        object_id=str(number),
        segmap=np.where(own, number, 0),
        table=bands_table(bands, noise_corr=np.sqrt(rho.sum(axis=(1, 2)))),
        autocorrelation=rho,
    )
    return cube, [fftconvolve(galaxy.amounts[name], psf, mode="same") for name in ("MSTAR", "SFR")]


def measure(cube, true, model, given, rng):
    """Return the quantiles, truths and S/N of a galaxy, or None without enough pixels."""
    options = FitOptions(samples=given.samples, snr_min=given.snr_min)
    whole = select(cube, model, options)
    y, x = np.nonzero(whole.chosen)
    if len(y) < 5:
        return None
    some = rng.permutation(len(y))[: given.pixels]
    chosen = np.zeros_like(whole.chosen)
    chosen[y[some], x[some]] = True
    subset = dataclasses.replace(whole, chosen=chosen)
    draws = total_draws(cube, model, subset, options, noise=given.noise).draws
    row = row_of_sum(*summed_photometry(cube, whole), cube, model, whole, cube.object_id)
    one = draw(model, row, options)
    return {
        "z": cube.redshift,
        "snr": np.median(whole.snr[chosen]),
        "resolved": [np.quantile(draws[name], LEVELS) for name in NAMES],
        "resolved_true": [np.log10(plane[chosen].sum()) for plane in true],
        "integrated": [np.quantile(one[name][0], LEVELS) for name in NAMES],
        "integrated_true": [np.log10(plane[whole.chosen].sum()) for plane in true],
    }


def report(rows):
    """Print the coverage."""
    z, snr = (np.array([row[key] for row in rows]) for key in ("z", "snr"))
    cuts = {"all": z > 0, "z < 3": z < 3, "z > 3": z >= 3, "S/N < 10": snr < 10}
    cuts["S/N > 10"] = snr >= 10
    for kind in ("resolved", "integrated"):
        for i, name in enumerate(NAMES):
            found = np.array([row[kind][i] for row in rows])
            off = found - np.array([row[f"{kind}_true"][i] for row in rows])[:, None]
            for cut, use in cuts.items():
                if use.any():
                    low, left, middle, right, high = off[use].T
                    print(
                        f"{kind:10} {name:8} {cut:8} {use.sum():4d} {np.median(middle):+.3f} "
                        f"{np.sqrt(np.mean(middle**2)):.3f} {np.median(right - left) / 2:.3f} "
                        f"{np.mean((left < 0) & (right > 0)):.2f} "
                        f"{np.mean((low < 0) & (high > 0)):.2f}"
                    )


def report_offsets(rows):
    """Print the resolved minus the integrated mass of each model, and between models.

    Parameters
    ----------
    rows : dict of str to list of dict
        Results of `measure` by model, for the same galaxies.
    """
    masses = {}
    for name, found in rows.items():
        z = np.array([row["z"] for row in found])
        off = {
            kind: np.array([row[kind][0][2] - row[f"{kind}_true"][0] for row in found])
            for kind in ("resolved", "integrated")
        }
        masses[name] = off
        _print_offset(f"{name}: resolved - integrated", z, off["resolved"] - off["integrated"])
    if len(masses) == 2:
        first, second = masses
        for kind in ("resolved", "integrated"):
            off = masses[second][kind] - masses[first][kind]
            _print_offset(f"{second} - {first}, {kind}", z, off)


def _print_offset(label, z, off):
    """Print medians below and above z = 3, and the number of offsets above 1 dex."""
    low, high = (np.median(off[use]) for use in (z < 3, z >= 3))
    print(f"{label:40} {low:+.3f} {high:+.3f}, above 1 dex: {(np.abs(off) > 1).sum()}")


def main():
    """Make galaxies and measure them."""
    from pixsed.simulate.priors import PRIORS
    from pixsed.sps.ssp import read_ssp

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ssp", required=True)
    parser.add_argument("--prior", default="tau", choices=list(PRIORS))
    parser.add_argument("--model", action="append", help="default: tau; a second one to compare")
    parser.add_argument("-n", type=int, default=60)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--gradient", type=float, default=0.1)
    parser.add_argument("--single", action="store_true")
    parser.add_argument("--pixels", type=int, default=120)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--snr-min", type=float, default=5.0)
    parser.add_argument("--noise", default="correlated")
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    models = {name: load_model(name) for name in given.model or ["tau"]}
    prior, grid = PRIORS[given.prior](), read_ssp(given.ssp)
    if not any(c.name == "LOGU" for c in prior.COORDINATES) and len(grid.log_u) > 1:
        grid = grid.at_log_u(prior.LOG_U)
    if given.single:
        several = mock.units_of_galaxy
        mock.units_of_galaxy = lambda *arguments: several(*arguments)[[0, 0, 0, 0]]
    populations = mock.Populations(prior, grid, list(PAPER_BANDS))
    kernels = [noise_kernel(band) for band in PAPER_BANDS]
    psf, rows = mock.moffat(mock.fwhm_of("F444W")), {name: [] for name in models}
    for number, z in enumerate(rng.uniform(0.3, 6.5, given.n), 1):
        galaxy = mock.make_galaxy(populations, z, given.gradient, rng)
        galaxy = mock.scaled(galaxy, list(PAPER_BANDS), psf, rng)
        cube, true = make_cube(galaxy, number, kernels, rng)
        state = rng.bit_generator.state
        for name, model in models.items():
            rng.bit_generator.state = state  # the same pixels
            if (row := measure(cube, true, model, given, rng)) is not None:
                rows[name].append(row)
    for name, found in rows.items():
        print(name)
        report(found)
    report_offsets(rows)


if __name__ == "__main__":
    main()
