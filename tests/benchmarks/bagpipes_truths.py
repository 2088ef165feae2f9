"""Galaxies of Bagpipes with known properties, as a table for `pixsed validate`.

    python tests/benchmarks/bagpipes_truths.py -o truths.fits
    python tests/benchmarks/bagpipes_truths.py -n 500 --redshift 7 12 --seed 8151 -o truths_z12.fits
    pixsed validate tau truths.fits --by FAMILY --by DUSTSLOPE:-0.7,0 -o report.fits

Unmodified Bagpipes makes the light: its BC03 spectra, CLOUDY gas, attenuation law "Salim", birth
clouds of 10 Myr, dust emission, Inoue+14 absorption, and its own histories. Nothing of pixsed's
photometry is used. The table has the 19 bands of the paper and the truths as columns
``<PROPERTY>_TRUE``, and FAMILY, the family of the history. Four families have the same number of
galaxies each:

LOGNORMAL   time of the maximum uniform in 0.1 to 1.5 ages of the Universe, full width at half
            maximum log-uniform in 0.1 to 3 times this time
DPL         double power law; both slopes log-uniform in 0.1 to 300, turnover uniform in 0.1 to 1
            ages of the Universe
BURST       delayed exponential that began 0.3 to 1 ages of the Universe ago, timescale log-uniform
            in 0.05 to 5 Gyr; and a burst 1 to 300 Myr ago (log-uniform) with 1 to 30 % of the mass
            (log-uniform)
CONSTANT    constant until now, since a time uniform in 0.03 to 1 ages of the Universe

Everything else is uniform: redshift, [M/H] -2.3 to 0.4, A_V 0 to 2.5 mag, slope of the dust law
-1.1 to 0.35, its bump 0 to 4, A_V of birth clouds over that of other stars 1 to 3, log U -3.8 to
-1.2. A_V ends at 2.5 mag because birth clouds then have up to 7.5 mag; pixels with more are not
seen. Distributions are uniform, as the models' priors are, so that the truths test physics and
histories rather than priors.

Masses are scaled so that the mean S/N of F277W, F356W and F444W under the sky noise alone is
log-uniform in 5 to 100, with at least 1e5 Msun formed. The noise has the depths of the paper with
a scatter of 0.25 in ln, and 3 % of the flux. Galaxies below a measured S/N of 5 are observed
again, with another mass.

Definitions are those of pixsed. Masses and rates are on a Chabrier IMF (--imf kroupa: that of
Bagpipes' spectra): the formed mass times 0.63 / 0.67 (Madau & Dickinson 2014). LOGMSTAR has the
remnants, which Bagpipes' stellar mass lacks: Renzini & Ciotti (1993), through the living fractions.
log10 SFR / formed mass is at least -14. METAL is relative to Zsun = 0.02. AV is of the diffuse
medium. AGE is weighted by mass. T50LB is the time since half the mass had formed.

Needs bagpipes and the packages of pixsed[sps]. One core makes about 100 galaxies in a second.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import types
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

FAMILIES = "LOGNORMAL", "DPL", "BURST", "CONSTANT"
SSFR_FLOOR = -14.0
SNR_SKY = (5.0, 100.0)
LEAST_FORMED = 5.0
#: Largest redshift of the spectra, beyond Bagpipes' 10.
Z_MAX = 13.0


def log_uniform(rng, low, high):
    """Return a number with a log-uniform distribution."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def history(family, at_z, metal, rng):
    """Return the components of a history of 1 Msun in Bagpipes' terms; `at_z` in Gyr."""
    common = {"massformed": 0.0, "metallicity": 10.0**metal}
    if family == "LOGNORMAL":
        peak = at_z * rng.uniform(0.1, 1.5)
        width = peak * log_uniform(rng, 0.1, 3.0)
        return {"lognormal": common | {"tmax": peak, "fwhm": width}}
    if family == "DPL":
        slopes = {key: log_uniform(rng, 0.1, 300.0) for key in ("alpha", "beta")}
        return {"dblplaw": common | slopes | {"tau": at_z * rng.uniform(0.1, 1.0)}}
    if family == "CONSTANT":
        begun = 0.999 * at_z * rng.uniform(0.03, 1.0)
        return {"constant": common | {"age_min": 0.0, "age_max": begun}}
    begun, fraction = 0.999 * at_z * rng.uniform(0.3, 1.0), log_uniform(rng, 0.01, 0.3)
    old = {"age": begun, "tau": log_uniform(rng, 0.05, 5.0)}
    burst = {"age": log_uniform(rng, 1e-3, min(0.3, 0.8 * begun))}
    return {
        "delayed": common | old | {"massformed": np.log10(1 - fraction)},
        "burst": common | burst | {"massformed": np.log10(fraction)},
    }


def draw(family, redshift, rng):
    """Return the parameters of one galaxy in Bagpipes' terms."""
    from pixsed.cosmology import age

    z, metal = float(rng.uniform(*redshift)), float(rng.uniform(-2.3, 0.4))
    dust = {
        "type": "Salim",
        "Av": float(rng.uniform(0.0, 2.5)),
        "delta": float(rng.uniform(-1.1, 0.35)),
        "B": float(rng.uniform(0.0, 4.0)),
        "eta": float(rng.uniform(1.0, 3.0)),
    }
    return {
        "redshift": z,
        "t_bc": 0.01,
        "nebular": {"logU": float(rng.uniform(-3.8, -1.2))},
        "dust": dust,
        **history(family, float(age(z)), metal, rng),
    }


def run(galaxies, resolution, jobs):
    """Return what Bagpipes gives for each galaxy, in the same order, as a dict of arrays."""
    from pixsed.bands import PAPER_BANDS
    from pixsed.sps.filters import load_curve

    with tempfile.TemporaryDirectory() as folder:
        for i, band in enumerate(PAPER_BANDS):
            np.savetxt(Path(folder, f"{i:02d}.dat"), np.column_stack(load_curve(band)))
        processes = []
        for part in range(jobs):
            Path(folder, f"{part}.json").write_text(json.dumps(galaxies[part::jobs]))
            command = [sys.executable, str(Path(__file__).resolve()), "--inside"]
            processes.append(
                subprocess.Popen(
                    [*command, str(len(PAPER_BANDS)), str(part), str(resolution)],
                    cwd=folder,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                    env=dict(os.environ, MPLBACKEND="Agg", OMP_NUM_THREADS="1"),
                )
            )
        for process in processes:
            _, errors = process.communicate()
            if process.returncode:
                raise SystemExit(f"Bagpipes failed: {errors[-1500:]}")
        found = {}
        for part in range(jobs):
            with np.load(Path(folder, f"{part}.npz")) as out:
                for key in out.files:
                    shape = out[key].shape
                    if key == "LIVING":
                        found[key] = out[key]
                        continue
                    whole = found.setdefault(key, np.empty((len(galaxies), *shape[1:])))
                    whole[part::jobs] = out[key]
    return found


def inside(bands, part, resolution):
    """Run Bagpipes; the work of a child process in a folder of its own, where it writes."""
    warnings.simplefilter("ignore")
    sys.modules.setdefault("pymultinest", types.ModuleType("pymultinest"))
    import bagpipes
    from bagpipes.models.making.igm_inoue2014 import get_Inoue14_trans
    from bagpipes.models.star_formation_history import star_formation_history

    config = bagpipes.config
    config.R_phot = resolution
    # Its table of absorption ends at z = 10. The rows beyond are from its own function.
    more = np.arange(config.igm_redshifts[-1] + 0.01, Z_MAX + 0.02, 0.01)
    rows = [get_Inoue14_trans(config.igm_wavelengths, z) for z in more]
    config.igm_redshifts = np.append(config.igm_redshifts, more)
    config.raw_igm_grid = np.vstack([config.raw_igm_grid, *rows])
    config.max_redshift = Z_MAX
    curves = [f"{i:02d}.dat" for i in range(bands)]
    galaxy, found = None, []
    for parts in json.loads(Path(f"{part}.json").read_text()):
        if galaxy is None:
            galaxy = bagpipes.model_galaxy(parts, filt_list=curves, phot_units="mujy")
            galaxy._calculate_uvj_mags = lambda: None
        galaxy.sfh = star_formation_history(parts)  # another family has other components
        galaxy.update(parts)
        found.append(_derived(galaxy.sfh) | {"FLUX": 1e3 * galaxy.photometry})
    columns = {key: np.array([row[key] for row in found]) for key in found[0]}
    np.savez(f"{part}.npz", **columns, LIVING=galaxy.sfh.live_frac_grid)


def _derived(history):
    """Return properties of a history of Bagpipes; rates are per year and solar mass formed."""
    mass = history.sfh * history.age_widths
    total = mass.sum()
    half = np.interp(0.5, np.cumsum(mass) / total, history.age_lhs[1:])
    rates = {}
    for name, time in (("SFR100", 1e8), ("SFR10", 1e7)):
        young = history.ages < time
        rates[name] = mass[young].sum() / history.age_widths[young].sum() / total
    return rates | {
        "AGE": history.mass_weighted_age,
        "T50LB": half / 1e9,
        "FORMED": history.ceh.grid,
        "BAD": float(history.unphysical or not np.isfinite(total)),
    }


def surviving(formed, living, imf):
    """Return the mass in stars and remnants per solar mass formed, shape (N,).

    Parameters
    ----------
    formed : `~numpy.ndarray`, shape (N, Z, A)
        Mass formed by metallicity and age.
    living : `~numpy.ndarray`, shape (Z, A)
        Fraction of the mass in living stars, on a Kroupa IMF.
    imf : {"chabrier", "kroupa"}
    """
    from pixsed.sps.imf import living_fraction, remnant_fraction, turnoff_mass

    turnoff = turnoff_mass(living, "kroupa")
    left = living_fraction(turnoff, imf) + remnant_fraction(turnoff, imf)
    return (formed * left).sum(axis=(1, 2)) / formed.sum(axis=(1, 2))


def observed(light, rng):
    """Return noisy fluxes and errors (N, B) in nJy, and log10 of the mass formed (N,).

    Parameters
    ----------
    light : `~numpy.ndarray`, shape (N, B)
        nJy for one solar mass formed, as Bagpipes counts it.
    rng : `~numpy.random.Generator`
    """
    from pixsed.bands import PAPER_BANDS, SNR_BANDS
    from pixsed.simulate.noise import DEPTH, depths
    from pixsed.simulate.observe import observe
    from pixsed.validate.cases import row_snr

    noise = replace(DEPTH, name="depth, 3 %", fraction_low=0.03, fraction_high=0.03)
    here = np.isin(PAPER_BANDS, SNR_BANDS)
    of_one = (light / depths(PAPER_BANDS))[:, here].mean(axis=1)
    flux, err = np.full(light.shape, np.nan), np.full(light.shape, np.nan)
    formed = np.full(len(light), np.nan)
    left = np.arange(len(light))
    while len(left):
        target = np.exp(rng.uniform(*np.log(SNR_SKY), len(left)))
        least = LEAST_FORMED + rng.random(len(left))
        mass = np.log10(target / of_one[left])
        mass = np.where(mass < LEAST_FORMED, least, mass)
        true = light[left] * 10.0 ** mass[:, None]
        formed[left] = mass
        flux[left], err[left] = observe(
            true, PAPER_BANDS, noise, np.ones(true.shape, dtype=bool), rng
        )
        left = left[row_snr(flux[left], err[left], PAPER_BANDS) <= SNR_SKY[0]]
    return flux, err, formed


def table_of(galaxies, families, found, imf, rng):
    """Return the `~astropy.table.Table` of photometry and truths."""
    from astropy.table import Table

    from pixsed.bands import PAPER_BANDS
    from pixsed.properties import unit_and_description
    from pixsed.sps.imf import CHABRIER_OVER_KROUPA

    flux, err, formed = observed(found["FLUX"], rng)
    formed = formed + (np.log10(CHABRIER_OVER_KROUPA) if imf == "chabrier" else 0.0)
    star = formed + np.log10(surviving(found["FORMED"], found["LIVING"], imf))
    rates = [np.log10(np.maximum(found[key], 10.0**SSFR_FLOOR)) for key in ("SFR100", "SFR10")]

    def of(*keys):
        values = galaxies
        for key in keys:
            values = [value[key] for value in values]
        return np.array(values)

    first = [
        next(v for v in g.values() if isinstance(v, dict) and "metallicity" in v) for g in galaxies
    ]
    truths = {
        "LOGMSTAR": star,
        "LOGMFORM": formed,
        "LOGSFR": formed + rates[0],
        "LOGSFR10": formed + rates[1],
        "METAL": np.log10([part["metallicity"] for part in first]),
        "AV": of("dust", "Av"),
        "DUSTSLOPE": of("dust", "delta"),
        "LOGU": of("nebular", "logU"),
        "AGE": found["AGE"],
        "T50LB": found["T50LB"],
        "BUMP": of("dust", "B"),
        "BIRTH": of("dust", "eta"),
    }
    table = Table({"ID": np.arange(1, len(formed) + 1), "FAMILY": families})
    table["REDSHIFT"] = of("redshift")
    for i, band in enumerate(PAPER_BANDS):
        for name, values in ((band, flux), (f"{band}_ERR", err)):
            table[name] = values[:, i].astype(np.float32)
            table[name].unit = "nJy"
    for name, values in truths.items():
        table[f"{name}_TRUE"] = values
        unit, text = unit_and_description(name)
        table[f"{name}_TRUE"].unit = unit or None
        table[f"{name}_TRUE"].description = text
    return table


def main():
    """Draw the galaxies, run Bagpipes and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=2000, help="galaxies in each family")
    parser.add_argument("--redshift", type=float, nargs=2, default=(0.2, 7.0))
    parser.add_argument("--imf", choices=("chabrier", "kroupa"), default="chabrier")
    parser.add_argument("--resolution", type=float, default=100.0, help="Bagpipes' R_phot")
    parser.add_argument("--seed", type=int, default=8150)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("-o", "--output", required=True)
    given = parser.parse_args()
    from pixsed.io.writers.tables import write_table

    rng = np.random.default_rng(given.seed)
    families = np.repeat(FAMILIES, given.n)
    families = families[rng.permutation(len(families))]
    galaxies = [draw(family, given.redshift, rng) for family in families]
    found = run(galaxies, given.resolution, given.jobs)
    good = (found["BAD"] == 0) & np.isfinite(found["FLUX"]).all(axis=1)
    print(f"{good.sum()} of {len(good)} galaxies; the others have no valid history")
    found = {key: v if key == "LIVING" else v[good] for key, v in found.items()}
    galaxies = [galaxy for galaxy, kept in zip(galaxies, good, strict=True) if kept]
    table = table_of(galaxies, families[good], found, given.imf, rng)
    low, high = given.redshift
    cards = {
        "TRUTHS": f"Bagpipes, z {low:g} to {high:g}",
        "SEED": given.seed,
        "IMF": given.imf.capitalize(),
        "ZSUN": 0.02,
        "LIBRARY": "BC03, by Bagpipes",
        "SIMULATD": (True, "simulated, not observed"),
    }
    write_table(table, given.output, overwrite=True, inputs=[], history=[], name="TRUTHS", **cards)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
    else:
        main()
