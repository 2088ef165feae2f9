"""The child process that runs FSPS: the only place of pixsed that imports fsps.

All objects of a process share one Fortran state, a missing data file ends the process
with status 0 and no exception, and some switches are fixed for its life. So FSPS runs
in a process of its own, once, and whoever started it looks for the last line of its
output: `pixsed.sps.fsps_grid` does.

Run as ``python -m pixsed.sps.fsps_worker OUTPUT.npz OPTIONS``, OPTIONS a JSON object:
imf (FSPS's imf_type), agb_dust, nebular, log_u, qpah, umin, gamma.
"""

import json
import os
import sys

import numpy as np

#: What the lines on standard output begin with.
LIBRARIES, PROGRESS, DONE = "pixsed-libraries", "pixsed-progress", "pixsed-done"
#: FSPS writes what is not there as 1e-70.
_NOTHING = 1e-60


def _say(*words):
    print(*words, flush=True)


def _stars(sp, folder, library, nodes):
    """Say which metallicities FSPS has no stellar spectra of its own for.

    A star of 6000 K, on a point of the library's grid, is asked for at every metallicity.

    Returns
    -------
    copied, mixed : `~numpy.ndarray` of bool, shape (Z,)
        Whether the spectrum is that of the metallicity before or after; and whether it is
        another than the one in the library's file for that metallicity.
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
    light = 10.0 ** (4 * logt - logg) / 4.13e10  # FSPS's own constant: g from M, L and T
    use = sp.wavelengths > 2000
    stars = [
        sp._get_stellar_spectrum(1.0, logt, light, logg, 0, 0.5, zmet=1 + i, peraa=False)[use]
        for i in range(len(nodes))
    ]
    pairs = zip(stars[:-1], stars[1:], strict=True)
    differ = np.flatnonzero([not np.allclose(a, b, rtol=1e-6, atol=0) for a, b in pairs])
    # Beyond its ends the library goes on with its last spectrum, whose own place is the
    # innermost of the equal ones.
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


def main(output, options):
    """Make the SSPs at FSPS's own ages and metallicities, and save them."""
    from fsps._fsps import driver

    libraries = [name.decode().strip() for name in driver.get_libraries()]
    _say(LIBRARIES, *libraries)
    import fsps

    common = dict(
        zcontinuous=0,
        sfh=0,
        imf_type=options["imf"],
        compute_vega_mags=False,
        vactoair_flag=False,
        cloudy_dust=False,
    )
    sp = fsps.StellarPopulation(
        add_agb_dust_model=options["agb_dust"],
        add_stellar_remnants=True,
        add_neb_emission=options["nebular"],
        nebemlineinspec=False,
        gas_logu=options["log_u"],
        add_dust_emission=False,
        dust_type=2,
        dust2=0.0,
        duste_qpah=options["qpah"],
        duste_umin=options["umin"],
        duste_gamma=options["gamma"],
        **common,
    )
    nodes = np.log10(sp.zlegend / sp.solar_metallicity)
    steps = 2 * len(nodes)
    _say(PROGRESS, 0, steps)

    spectra, lines, surviving = [], [], []
    for i, node in enumerate(nodes):
        sp.params["gas_logz"] = node
        spectra.append(sp.get_spectrum(zmet=1 + i, tage=0.0, peraa=False)[1])
        lines.append(sp.emline_luminosity)
        surviving.append(sp.stellar_mass)
        _say(PROGRESS, i + 1, steps)

    # A trace of dust, so that the emission is not absorbed again on its way out.
    sp.params["dust2"] = 0.01
    dark = sp.get_spectrum(zmet=len(nodes), tage=0.01, peraa=False)[1]
    sp.params["add_dust_emission"] = True
    dust = sp.get_spectrum(zmet=len(nodes), tage=0.01, peraa=False)[1] - dark
    sp.params["add_dust_emission"], sp.params["dust2"] = False, 0.0

    copied, mixed = _stars(sp, os.environ["SPS_HOME"], libraries[1], nodes)

    # The living stars alone. Without dust shells, which do not change the mass, it is quick.
    sp.params["add_stellar_remnants"] = False
    sp.params["add_agb_dust_model"] = False
    sp.params["add_neb_emission"] = False
    living = []
    for i in range(len(nodes)):
        sp.get_spectrum(zmet=1 + i, tage=0.0)
        living.append(sp.stellar_mass)
        _say(PROGRESS, len(nodes) + i + 1, steps)

    spectra, lines = np.array(spectra), np.array(lines)
    np.savez(
        output,
        nodes=nodes,
        zsun=sp.solar_metallicity,
        log_age=sp.ssp_ages,
        wave=sp.wavelengths,
        line_wave=sp.emline_wavelengths,
        spectra=np.where(spectra > _NOTHING, spectra, 0.0),
        lines=np.where(lines > _NOTHING, lines, 0.0),
        surviving=surviving,
        living=living,
        dust=np.maximum(dust, 0.0),
        copied=copied,
        mixed=mixed,
        version=fsps.__version__,
    )
    _say(DONE)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
