"""SSP grid of FSPS's MIST, MILES and Chabrier populations, from spectra of public emulators.

FSPS's own data are large, and python-fsps is compiled without MILES. Two public emulators have
learned its populations: that of provabgs, of stars alone by age, and that of starduster, of
stars and gas in wide bins of age. A file holds the spectra of both (`read_emulated`). The grid
has the first where it reaches, and elsewhere BC03's run with age, scaled so that each bin of the
second comes out right (`pixsed.sps.fsps_join`).

References
----------
Conroy, Gunn & White 2009; Conroy & Gunn 2010 (FSPS); Choi+16 (MIST); Hahn+23 (provabgs);
Qiu & Kang 2022 (starduster); `pixsed.sps.bc03` for the gas and for the mass in remnants.
"""

import logging
from dataclasses import dataclass

import numpy as np

from pixsed.errors import PixsedError
from pixsed.sps import bc03, imf
from pixsed.sps.constants import ANGSTROM_PER_MICRON, YR_PER_GYR
from pixsed.sps.fsps_assembly import WINDOWS, ZSUN, Assembly, linear
from pixsed.sps.fsps_grid import LSUN
from pixsed.sps.ssp import SSPGrid, log_u_card

_log = logging.getLogger("pixsed")
_EXTENSIONS = "SPECTRA AGE MH WAVE BIN_SPECTRA BIN_EDGES BIN_Z BIN_WAVE".split()


@dataclass
class Emulated:
    """Spectra of the two emulators.

    Attributes
    ----------
    wave : `~numpy.ndarray`, shape (W,)
        Angstrom in vacuum, of the second emulator.
    inside : slice
        The wavelengths of the first emulator, which are V of them.
    age : `~numpy.ndarray`, shape (T,)
        Gyr.
    metallicity : `~numpy.ndarray`, shape (Z,)
        log10(Z / 0.0142).
    spectra : `~numpy.ndarray`, shape (Z, T, V)
        Stars alone, Lsun / Angstrom / Msun formed.
    bin_edges : `~numpy.ndarray`, shape (B + 1,)
        Gyr.
    bin_rows : `~numpy.ndarray` of int, shape (X,)
        Which of the metallicities the bins have.
    bins : `~numpy.ndarray`, shape (X, B, W)
        Stars and gas of a constant star-formation rate over each bin, in the same unit.
    """

    wave: np.ndarray
    inside: slice
    age: np.ndarray
    metallicity: np.ndarray
    spectra: np.ndarray
    bin_edges: np.ndarray
    bin_rows: np.ndarray
    bins: np.ndarray


def read_emulated(path):
    """Read the spectra of the two emulators.

    Parameters
    ----------
    path : path-like
        FITS file with the images SPECTRA (Z, T, V) [Lsun / Angstrom], AGE [Gyr], MH, WAVE
        [Angstrom]; BIN_SPECTRA (wavelength, then metallicity and age in any order) [Lsun /
        micron], BIN_EDGES [yr], BIN_Z [mass fraction] and BIN_WAVE [micron].

    Returns
    -------
    `Emulated`

    Raises
    ------
    PixsedError
        If the file lacks an extension, or its axes do not fit together.
    """
    from pixsed.io.inputs import check_input
    from pixsed.io.locate import open_fits

    check_input(path, "the file of FSPS spectra")
    with open_fits(path, memmap=False) as hdus:
        lacking = [name for name in _EXTENSIONS if name not in hdus]
        if lacking:
            raise PixsedError(
                f"{path}: FSPS spectra must have the extensions {' '.join(_EXTENSIONS)}, got none "
                f"named {lacking[0]}; try: pixsed ssp --library fsps, with FSPS itself"
            )
        found = {name: np.array(hdus[name].data, dtype=float) for name in _EXTENSIONS}
    wave, first = found["BIN_WAVE"] * ANGSTROM_PER_MICRON, found["WAVE"]
    start = int(np.searchsorted(wave, first[0] * (1 - 1e-9)))
    inside = slice(start, start + len(first))
    bins = _in_order(found["BIN_SPECTRA"]) / ANGSTROM_PER_MICRON
    mh = np.log10(found["BIN_Z"] / ZSUN)
    rows = np.abs(found["MH"] - mh[:, None]).argmin(axis=1)
    same_wave = wave[inside].shape == first.shape and np.allclose(wave[inside], first, rtol=1e-6)
    shape = (len(found["MH"]), len(found["AGE"]), len(first))
    shapes = found["SPECTRA"].shape == shape
    shapes &= bins.shape == (len(mh), len(found["BIN_EDGES"]) - 1, len(wave))
    if not (same_wave and shapes and np.allclose(found["MH"][rows], mh, atol=0.01)):
        raise PixsedError(
            f"{path}: the axes of FSPS spectra must fit together, got SPECTRA "
            f"{found['SPECTRA'].shape} and BIN_SPECTRA {found['BIN_SPECTRA'].shape} with other "
            "wavelengths, ages or metallicities; try another copy of the file"
        )
    edges = found["BIN_EDGES"] / YR_PER_GYR
    ages = found["AGE"], found["MH"], found["SPECTRA"]
    return Emulated(wave, inside, *ages, bin_edges=edges, bin_rows=rows, bins=bins)


def _in_order(bins):
    """Return bins by metallicity, age and wavelength, from wavelength first.

    The light of young stars is hundreds of times that of old ones, which tells the axes apart.
    """
    bins = np.moveaxis(bins, 0, -1)
    light = bins.sum(axis=-1)
    by_age = np.abs(np.log(light[:, -1] / light[:, 0])).mean()
    by_metal = np.abs(np.log(light[-1] / light[0])).mean()
    return bins if by_age > by_metal else bins.swapaxes(0, 1)


def _report(emulated, ratio):
    """Log a table of the agreement, and return what it comes to, for the header."""
    _log.info("light over that of the second emulator, by window in micron:")
    names = " ".join(f"{low / 1e4:.3g}-{high / 1e4:.3g}".rjust(10) for low, high in WINDOWS)
    _log.info("  [M/H]  age [Gyr]      %s", names)
    edges = emulated.bin_edges
    for x, row in enumerate(emulated.bin_rows):
        for b in range(len(edges) - 1):
            values = " ".join(f"{value:10.3f}" for value in ratio[x, b])
            age = f"{edges[b]:.3g}-{edges[b + 1]:.3g}"
            _log.info("  %5.2f  %-14s %s", emulated.metallicity[row], age, values)
    apart = 100 * np.abs(ratio - 1)
    return (
        f"provabgs, starduster; the grid is within {np.median(apart):.1f} % (median), "
        f"{np.percentile(apart, 99):.1f} % (99 %) of wide age bins"
    )


def _masses(folder, edges, metallicity):
    """Return the mass in living stars and in remnants (Z, A), through BC03's turn-off masses."""
    turnoff = imf.turnoff_mass(bc03.stars(folder, edges)[2], "kroupa")
    mix = linear(np.log10(bc03.METALLICITIES), metallicity + np.log10(ZSUN / bc03.ZSUN))
    turnoff = np.exp(mix @ np.log(turnoff))
    return (
        function(turnoff, "chabrier", imf.FSPS_MASSES)
        for function in (imf.living_fraction, imf.remnant_fraction)
    )


def build(spectra, *, log_u=-2.0, zinterp="log", qpah=2.0, umin=1.0, gamma=0.01, refine=1):
    """Build the SSP grid of FSPS from the spectra of public emulators.

    Stars are FSPS's. Their gas, below 10 Myr, is that of the BC03 grids (CLOUDY), scaled so that
    its lines and its continuum are FSPS's at log U = -2. Age bins and dust emission are those of
    `pixsed.sps.bc03.build`. Wavelengths are in vacuum.

    Parameters
    ----------
    spectra : path-like
        File for `read_emulated`.
    log_u : float or None, optional
        Ionisation parameter, as for `pixsed.sps.bc03.build`.
    zinterp : {"log", "linear"}, optional
        Interpolation of spectra in metallicity.
    qpah, umin, gamma : float, optional
        Parameters of the Draine & Li (2007) dust emission.
    refine : int, optional
        Number of parts of each old age bin.

    Returns
    -------
    grid : `~pixsed.sps.ssp.SSPGrid`
    inputs : list of path-like
        The files read.

    Raises
    ------
    PixsedError
        If a file is missing or not as it must be, or `log_u` is not a value of the grids.
    """
    log_u, emulated = bc03.ionisation(log_u), read_emulated(spectra)
    folder, edges = bc03.grid_folder(), bc03.age_bin_edges(refine)
    assembly = Assembly(emulated, edges, folder)
    continuum, lines = assembly.gas(folder, log_u)
    merge, young = assembly.merge, bc03.young_bins(edges)
    of_gas = merge[:young, : assembly.young]
    living, remnant = _masses(folder, edges, emulated.metallicity)
    dust_wave, dust_spectrum = bc03.dust_emission(folder, qpah, umin, gamma)
    meta = {
        "LIBRARY": "FSPS",
        "ISOCHRO": "MIST",
        "SPECLIB": "MILES",
        "IMF": "Chabrier",
        "ZSUN": ZSUN,
        "LOGU": log_u_card(log_u),
        "LSUN": LSUN,
        "ZINTERP": zinterp,
        "NEBULAR": "CLOUDY 25, stars below 10 Myr, scaled to FSPS at log U = -2",
        "DUSTEM": f"DL07 qPAH={qpah} Umin={umin} gamma={gamma}",
        "REMNANTS": "Renzini & Ciotti 1993, turn-off mass of BC03",
        "AGBDUST": "Villaume+15",
        "EMULATOR": _report(emulated, assembly.agreement(folder)),
    }
    grid = SSPGrid(
        wave=emulated.wave,
        age_edges=edges,
        metallicity=emulated.metallicity,
        spectra=(merge @ assembly.stars).astype(np.float32),
        log_u=log_u,
        nebular=(of_gas @ continuum).astype(np.float32),
        line_wave=assembly.line_wave,
        lines=of_gas @ lines,
        living=living,
        remnant=remnant,
        dust_wave=dust_wave,
        dust_spectrum=dust_spectrum,
        meta=meta,
    )
    return grid, [spectra, *(folder / name for name in bc03.FILES)]
