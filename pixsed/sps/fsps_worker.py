"""Child process that runs FSPS; the only module of pixsed that imports fsps.

All FSPS objects of a process share one Fortran state. A missing data file ends the process
with status 0 and no exception, and some switches are fixed for the life of the process.
FSPS therefore runs once, in a separate process, and the parent process
(`pixsed.sps.fsps_process`) checks the last line of its output.

Run as ``python -m pixsed.sps.fsps_worker OUTPUT.npz OPTIONS``, where OPTIONS is a JSON
object: imf (FSPS's imf_type), agb_dust, nebular, log_u (a list), qpah, umin, gamma.
"""

import json
import os
import sys

import numpy as np

#: First words of lines on standard output.
LIBRARIES, PROGRESS, DONE = "pixsed-libraries", "pixsed-progress", "pixsed-done"
#: FSPS writes zeros as 1e-70.
_NOTHING = 1e-60
# Largest log age [yr] of stars that FSPS gives gas, 20 Myr, and the limit of the light it takes.
_GAS_AGE, _LYMAN_LIMIT = 7.3010301, 912.0


def _print(*words):
    print(*words, flush=True)


def _stars(sp, folder, library, nodes):
    """Return the metallicities for which FSPS has no stellar spectra of their own.

    They are found from the spectra of a star of 6000 K, at a point of the library's grid.

    Returns
    -------
    copied : `~numpy.ndarray` of bool, shape (Z,)
        True where the spectrum is that of the previous or next metallicity.
    mixed : `~numpy.ndarray` of bool, shape (Z,)
        True where the spectrum differs from the one in the library's file of that metallicity.
    """
    logt, logg, files = 3.778, 4.5, None
    if library.startswith("c3k"):
        folder = os.path.join(folder, "SPECTRA", "C3K", library)
        logts, loggs = (
            np.loadtxt(os.path.join(folder, f"log{x}.dat"), ndmin=2)[:, 0] for x in "tg"
        )
        t, g = np.argmin(np.abs(logts - logt)), np.argmin(np.abs(loggs - logg))
        logt, logg = logts[t], loggs[g]
        files = [os.path.join(folder, f"{library}_feh{z:+.2f}_afe+0.0.spec.bin") for z in nodes]
    light = 10.0 ** (4 * logt - logg) / 4.13e10  # FSPS's constant: g from M, L and T
    use = sp.wavelengths > 2000
    stars = [
        sp._get_stellar_spectrum(1.0, logt, light, logg, 0, 0.5, zmet=1 + i, peraa=False)[use]
        for i in range(len(nodes))
    ]
    pairs = zip(stars[:-1], stars[1:], strict=True)
    differ = np.flatnonzero([not np.allclose(a, b, rtol=1e-6, atol=0) for a, b in pairs])
    # Beyond its ends the library repeats its last spectrum. Of these equal spectra, the innermost
    # is at its true metallicity.
    copied = np.zeros(len(nodes), dtype=bool)
    if len(differ):
        copied[: differ[0]] = copied[differ[-1] + 2 :] = True
    mixed = np.zeros(len(nodes), dtype=bool)
    for i, name in enumerate(files or []):
        if copied[i] or not os.path.isfile(name):
            continue
        whole = np.memmap(name, dtype=np.float32, mode="r")
        ratio = stars[i] / whole.reshape(len(loggs), len(logts), -1)[g, t][use]
        mixed[i] = np.percentile(np.abs(ratio / np.median(ratio) - 1), 99) > 1e-3
    return copied, mixed


def _dust_emission(sp, zmet):
    """Return the spectrum of dust emission, as the difference of spectra with and without it."""
    # Use only a trace of dust, so that it does not absorb its own emission.
    sp.params["dust2"] = 0.01
    dark = sp.get_spectrum(zmet=zmet, tage=0.01, peraa=False)[1]
    sp.params["add_dust_emission"] = True
    dust = sp.get_spectrum(zmet=zmet, tage=0.01, peraa=False)[1] - dark
    sp.params["add_dust_emission"], sp.params["dust2"] = False, 0.0
    return np.maximum(dust, 0.0)


class _Progress:
    """Count of the steps done, printed for the parent process."""

    def __init__(self, total):
        self.done, self.total = -1, total
        self.step()

    def step(self):
        self.done += 1
        _print(PROGRESS, self.done, self.total)


def _populations(sp, nodes, progress):
    """Return spectra without gas, and surviving masses, at FSPS's ages, by metallicity."""
    spectra, surviving = [], []
    for i in range(len(nodes)):
        spectra.append(sp.get_spectrum(zmet=1 + i, tage=0.0, peraa=False)[1])
        surviving.append(sp.stellar_mass)
        progress.step()
    return np.array(spectra), np.array(surviving)


def _living(sp, nodes, progress):
    """Return spectra without gas and dust, and the mass of living stars, by metallicity."""
    sp.params["add_stellar_remnants"] = False
    # FSPS is faster without it. It changes neither the mass nor the gas, which is of young stars.
    sp.params["add_agb_dust_model"] = False
    spectra, living = [], []
    for i in range(len(nodes)):
        spectra.append(sp.get_spectrum(zmet=1 + i, tage=0.0, peraa=False)[1])
        living.append(sp.stellar_mass)
        progress.step()
    return np.array(spectra), np.array(living)


def _gas(sp, nodes, log_u, bare, progress):
    """Return the continuum and lines of gas (U, Z, K, ...), at the first K ages, that have it.

    The continuum is the difference from the spectra `bare` (Z, ages, W) of stars without gas,
    and below the Lyman limit, where the gas takes all light of the stars, the whole.
    """
    young = np.flatnonzero(sp.ssp_ages <= _GAS_AGE)
    above = sp.wavelengths > _LYMAN_LIMIT
    shape = (len(log_u), len(nodes), len(young))
    continuum = np.empty((*shape, len(sp.wavelengths)))
    lines = np.empty((*shape, len(sp.emline_wavelengths)))
    sp.params["add_neb_emission"] = True
    for u, value in enumerate(log_u):
        sp.params["gas_logu"] = value
        for i, node in enumerate(nodes):
            sp.params["gas_logz"] = node
            both = sp.get_spectrum(zmet=1 + i, tage=0.0, peraa=False)[1]
            continuum[u, i] = both[young] - bare[i, young] * above
            lines[u, i] = sp.emline_luminosity[young]
            progress.step()
    return np.where(continuum > _NOTHING, continuum, 0.0), np.where(lines > _NOTHING, lines, 0.0)


def main(output, options):
    """Make the SSPs at FSPS's own ages and metallicities, and save them."""
    from fsps._fsps import driver

    libraries = [name.decode().strip() for name in driver.get_libraries()]
    _print(LIBRARIES, *libraries)
    import fsps

    sp = fsps.StellarPopulation(
        compute_vega_mags=False,
        zcontinuous=0,
        sfh=0,
        imf_type=options["imf"],
        vactoair_flag=False,
        cloudy_dust=False,
        add_agb_dust_model=options["agb_dust"],
        add_stellar_remnants=True,
        add_neb_emission=False,
        nebemlineinspec=False,
        add_dust_emission=False,
        dust_type=2,
        dust2=0.0,
        duste_qpah=options["qpah"],
        duste_umin=options["umin"],
        duste_gamma=options["gamma"],
    )
    nodes = np.log10(sp.zlegend / sp.solar_metallicity)
    log_u = options["log_u"] if options["nebular"] else []
    progress = _Progress((2 + len(log_u)) * len(nodes))
    spectra, surviving = _populations(sp, nodes, progress)
    dust = _dust_emission(sp, len(nodes))
    copied, mixed = _stars(sp, os.environ["SPS_HOME"], libraries[1], nodes)
    bare, living = _living(sp, nodes, progress)  # from here on, the switches of `sp` change
    gas, lines = _gas(sp, nodes, log_u, bare, progress)
    if options["nebular"]:
        spectra[:, : gas.shape[2], sp.wavelengths <= _LYMAN_LIMIT] = 0.0
    np.savez(
        output,
        nodes=nodes,
        zsun=sp.solar_metallicity,
        log_age=sp.ssp_ages,
        wave=sp.wavelengths,
        line_wave=sp.emline_wavelengths,
        spectra=np.where(spectra > _NOTHING, spectra, 0.0),
        gas=gas,
        lines=lines,
        surviving=surviving,
        living=living,
        dust=dust,
        copied=copied,
        mixed=mixed,
        version=fsps.__version__,
    )
    _print(DONE)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
