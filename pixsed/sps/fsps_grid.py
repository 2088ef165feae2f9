"""SSP grid of FSPS, made with python-fsps and the user's SPS_HOME.

FSPS runs in a child process (`pixsed.sps.fsps_process`); this module averages its
populations over bins of age.

References
----------
Conroy, Gunn & White 2009; Conroy & Gunn 2010 (FSPS); Choi+16 (MIST); Byler+17 (nebular
emission); Villaume, Conroy & Johnson 2015 (dust around AGB stars); Draine & Li 2007;
Chabrier 2003; Renzini & Ciotti 1993 (remnants).
"""

import warnings

import numpy as np

from pixsed.cosmology import age
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.sps.constants import C_ANGSTROM
from pixsed.sps.fsps_data import find_sps_home, is_standin
from pixsed.sps.fsps_process import ISOCHRONES, run_fsps
from pixsed.sps.ssp import SSPGrid, log_u_card

#: FSPS's own solar luminosity, erg/s. The grid is in this unit, not in that of the IAU.
LSUN = 3.839e33
#: FSPS's number of each initial mass function.
IMFS = {"salpeter": 0, "chabrier": 1, "kroupa": 2}
#: Range of log U of FSPS's CLOUDY tables. Beyond it FSPS uses the nearest value without a warning.
LOG_U = (-4.0, -1.0)
#: Ionisation parameters of a grid with an axis of log U.
LOG_U_AXIS = np.arange(-4.0, -0.99, 0.5)


def age_bin_edges():
    """Return the edges of the age bins, Gyr.

    The bins are 0.1 dex wide up to 100 Myr, 0.05 dex up to 300 Myr, and 1/60 dex from there
    to the age of the Universe: bursts shorter than a bin are mostly old. The first bin
    reaches down to 0, and 10 Myr is an edge.

    Returns
    -------
    `~numpy.ndarray`, shape (A + 1,)
    """
    young, middle = 10.0 ** np.arange(-3, -1, 0.1), 10.0 ** np.arange(-1, -0.5, 0.05)
    old = 10.0 ** np.arange(-0.5, 1.13, 1 / 60)
    return np.concatenate([[0.0], young, middle, old, [float(age(0.0))]])


def log_average_matrix(nodes, edges):
    """Return the matrix that averages values at ages `nodes` over bins.

    The values are linear in log age between nodes, as in FSPS's sum over a history
    (Conroy & Gunn 2010; sfh_weight.f90), and constant beyond them. All ages within a bin
    have the same weight, as for a constant star-formation rate.

    Parameters
    ----------
    nodes : `~numpy.ndarray`, shape (K,)
        Gyr, above 0.
    edges : `~numpy.ndarray`, shape (A + 1,)
        Gyr, from 0 upwards.

    Returns
    -------
    `~numpy.ndarray`, shape (A, K)
        Each row sums to 1.
    """
    fine = np.union1d(nodes, edges)
    log_nodes = np.log(nodes)
    with np.errstate(divide="ignore", invalid="ignore"):
        integral = np.where(fine > 0, fine * (np.log(fine) - 1), 0.0)  # of log t dt
    step = np.diff(fine)
    mean_log = np.diff(integral) / step
    # The mean of a linear function over a step is its value at the mean of log t.
    values = np.stack([np.interp(mean_log, log_nodes, column) for column in np.eye(len(nodes))], 1)
    cumulative = np.zeros((len(fine), len(nodes)))
    np.cumsum(step[:, None] * values, axis=0, out=cumulative[1:])
    return np.diff(cumulative[np.searchsorted(fine, edges)], axis=0) / np.diff(edges)[:, None]


def _list(values):
    return " ".join(f"{value:.4g}" for value in values)


def _warn_of_spectra(spectra, result):
    """Warn if the stellar spectra are not MILES, or belong to other metallicities."""
    if spectra != "miles":
        warnings.warn(
            f"this fsps is compiled with the {spectra.upper()} stellar spectra, not MILES, which "
            "the paper used; for MILES compile it: FFLAGS='-DMIST=1 -DMILES=1' "
            "pip install --no-binary fsps fsps",
            PixsedWarning,
            stacklevel=3,
        )
    nodes, copied, mixed = result["nodes"], result["copied"], result["mixed"]
    for which, what in (
        (copied, "have the stellar spectra of the nearest other one"),
        (mixed, "have spectra mixed with the next lower one's"),
    ):
        if which.any():
            warnings.warn(
                f"of FSPS's metallicities, [M/H] = {_list(nodes[which])} {what}; "
                "their isochrones are their own",
                PixsedWarning,
                stacklevel=3,
            )


def _metadata(result, libraries, standin, options):
    """Return the cards of the grid."""
    isochrones, spectra, dust = libraries
    qpah, umin, gamma = (options[key] for key in ("qpah", "umin", "gamma"))
    nebular = "CLOUDY of FSPS, no grains, stars below 20 Myr, fesc = 0"
    meta = {
        "LIBRARY": "FSPS stand-in, NOT FOR SCIENCE" if standin else "FSPS",
        "ISOCHRO": ISOCHRONES[isochrones],
        "SPECLIB": f"{spectra.upper()}{', NOT FOR SCIENCE' if standin else ''}",
        "IMF": {number: name for name, number in IMFS.items()}[options["imf"]].capitalize(),
        "ZSUN": round(float(result["zsun"]), 6),
        "LOGU": log_u_card(np.array(options["log_u"])),
        "LSUN": LSUN,
        "ZINTERP": None,
        "NEBULAR": nebular if options["nebular"] else "none",
        "DUSTEM": f"{dust} qPAH={qpah} Umin={umin} gamma={gamma}",
        "REMNANTS": "Renzini & Ciotti 1993, by FSPS",
        "AGBDUST": "Villaume+15" if options["agb_dust"] else "none",
        "FSPSVERS": str(result["version"]),
    }
    if result["copied"].any():
        meta["ZCOPIED"] = _list(result["nodes"][result["copied"]])
    if result["mixed"].any():
        meta["ZMIXED"] = _list(result["nodes"][result["mixed"]])
    return meta


def _gas(result, average, log_u):
    """Return the continuum and lines of the gas of the first age bins, which contain any."""
    young = result["gas"].shape[2]
    bins = np.flatnonzero(average[:, :young].any(axis=1)).max() + 1
    if not len(result["gas"]):  # FSPS ran without gas
        shape = (len(log_u), len(result["nodes"]), bins)
        return (np.zeros((*shape, len(result[key]))) for key in ("wave", "line_wave"))
    average = average[:bins, :young]
    return (average @ result[key] for key in ("gas", "lines"))


def _grid(result, meta, log_u):
    """Return the grid: the populations averaged over age bins, per Angstrom."""
    average = log_average_matrix(10.0 ** (result["log_age"] - 9), age_bin_edges())
    wave = result["wave"]
    to_angstrom = C_ANGSTROM / wave**2
    spectra = np.stack([average @ nodes for nodes in result["spectra"]]) * to_angstrom
    nebular, lines = _gas(result, average, log_u)
    living = result["living"] @ average.T
    # FSPS balances the energy by the trapezoidal rule in frequency.
    emitted = np.flatnonzero(result["dust"])
    dust = result["dust"] / -np.trapezoid(result["dust"], C_ANGSTROM / wave)
    dust = (dust * to_angstrom)[emitted[0] : emitted[-1] + 1]
    return SSPGrid(
        wave=wave,
        age_edges=age_bin_edges(),
        metallicity=result["nodes"],
        spectra=spectra.astype(np.float32),
        log_u=np.array(log_u),
        nebular=(nebular * to_angstrom).astype(np.float32),
        line_wave=result["line_wave"],
        lines=lines,
        living=living,
        remnant=result["surviving"] @ average.T - living,
        dust_wave=wave[emitted[0] : emitted[-1] + 1],
        dust_spectrum=dust,
        meta=meta,
    )


def build(
    sps_home=None,
    *,
    imf="chabrier",
    log_u=-2.0,
    agb_dust=True,
    nebular=True,
    zinterp="log",
    qpah=2.0,
    umin=1.0,
    gamma=0.01,
    progress=None,
):
    """Build the SSP grid of FSPS.

    The metallicities are those of FSPS's isochrones. Stars younger than 20 Myr have nebular
    emission of gas of the same metallicity, so the age bins with gas reach past 20 Myr.
    Wavelengths are in vacuum.

    Parameters
    ----------
    sps_home : path-like, optional
        FSPS's data folder; default: the environment variable SPS_HOME.
    imf : {"chabrier", "kroupa", "salpeter"}, optional
        Initial mass function, 0.08 to 120 Msun.
    log_u : float or None, optional
        Ionisation parameter, -4 to -1. None: an axis of log U from -4 to -1 in steps of 0.5.
    agb_dust : bool, optional
        Include dust shells around AGB stars (Villaume+15).
    nebular : bool, optional
        Include nebular continuum and lines; without them the grid has zeros in their place, and
        the ionising light of stars remains.
    zinterp : {"log", "linear"}, optional
        Interpolation of spectra in metallicity; FSPS interpolates in log Z.
    qpah, umin, gamma : float, optional
        Parameters of the Draine & Li (2007) dust emission.
    progress : callable, optional
        Called with the number of steps done and the number of all steps.

    Returns
    -------
    grid : `~pixsed.sps.ssp.SSPGrid`
    inputs : list of `~pathlib.Path`
        The data folder.

    Raises
    ------
    PixsedError
        If fsps or its data are missing or not complete, or an option is out of range.

    Warns
    -----
    PixsedWarning
        If the stellar library is not MILES, spectra belong to other metallicities, or the data
        are a stand-in.
    """
    if imf not in IMFS:
        raise PixsedError(f"the IMF must be one of {' '.join(IMFS)}, got {imf}")
    if log_u is not None and not LOG_U[0] <= log_u <= LOG_U[1]:
        raise PixsedError(f"log U must be {LOG_U[0]:g} to {LOG_U[1]:g} for FSPS, got {log_u}")
    home = find_sps_home(sps_home)
    standin = is_standin(home)
    if standin:
        warnings.warn(
            f"{home} is a stand-in with made-up spectra: the grid is NOT FOR SCIENCE",
            PixsedWarning,
            stacklevel=2,
        )
    options = dict(
        imf=IMFS[imf],
        agb_dust=bool(agb_dust),
        nebular=bool(nebular),
        log_u=LOG_U_AXIS.tolist() if log_u is None else [float(log_u)],
        qpah=qpah,
        umin=umin,
        gamma=gamma,
    )
    result, libraries = run_fsps(home, options, progress)
    _warn_of_spectra(libraries[1], result)
    meta = _metadata(result, libraries, standin, options) | {"ZINTERP": zinterp}
    return _grid(result, meta, options["log_u"]), [home]
