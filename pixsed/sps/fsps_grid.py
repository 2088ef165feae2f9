"""The SSP grid from FSPS, through python-fsps and the user's SPS_HOME.

FSPS runs in a child process (`pixsed.sps.fsps_worker`); this module starts it, finds
out what went wrong where it ends early, and averages its populations over bins of age.

References
----------
Conroy, Gunn & White 2009; Conroy & Gunn 2010 (FSPS); Choi+16 (MIST); Byler+17 (nebular
emission); Villaume, Conroy & Johnson 2015 (dust around AGB stars); Draine & Li 2007;
Chabrier 2003; Renzini & Ciotti 1993 (remnants).
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path

import numpy as np

import pixsed
from pixsed.cosmology import age
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.sps import fsps_worker
from pixsed.sps.ssp import SSPGrid

_C_ANGSTROM = 2.99792458e18  # per second
#: FSPS's own, erg/s.
LSUN = 3.839e33
#: FSPS's number of each initial mass function.
IMFS = {"salpeter": 0, "chabrier": 1, "kroupa": 2}
_ISOCHRONES = {"mist": "MIST", "pdva": "Padova 2007", "prsc": "PARSEC"}
#: Ionisation parameters of FSPS's CLOUDY tables; beyond, FSPS takes the nearest unasked.
LOG_U = (-4.0, -1.0)
#: The length of a path that FSPS can hold.
_LONGEST = 250
#: Files by which a stand-in for FSPS's data gives itself away.
_STANDIN = ("STANDIN.json", "NOT_FOR_SCIENCE.txt")


def age_bin_edges():
    """Return the edges of the age bins, Gyr.

    A tenth of a dex to 100 Myr, half of it to 300 Myr, a sixtieth of a dex from there to
    the age of the Universe: bursts shorter than a bin are old ones, since most galaxies
    are. The first bin reaches down to 0; 10 Myr is an edge.
    """
    young, middle = 10.0 ** np.arange(-3, -1, 0.1), 10.0 ** np.arange(-1, -0.5, 0.05)
    old = 10.0 ** np.arange(-0.5, 1.13, 1 / 60)
    return np.concatenate([[0.0], young, middle, old, [float(age(0.0))]])


def log_average_matrix(nodes, edges):
    """Return the matrix that turns values at ages `nodes` into averages over bins.

    The values are taken as linear in log age between nodes, as FSPS does when it adds up a
    history (Conroy & Gunn 2010; sfh_weight.f90), and constant beyond them. Each age within
    a bin counts alike, as for a constant star-formation rate.

    Parameters
    ----------
    nodes : `~numpy.ndarray`, shape (K,)
        Gyr, above 0.
    edges : `~numpy.ndarray`, shape (A + 1,)
        Gyr, from 0 upwards.

    Returns
    -------
    `~numpy.ndarray`, shape (A, K)
        Rows add up to 1.
    """
    fine = np.union1d(nodes, edges)
    log_nodes = np.log(nodes)
    with np.errstate(divide="ignore", invalid="ignore"):
        integral = np.where(fine > 0, fine * (np.log(fine) - 1), 0.0)  # of log t dt
    step = np.diff(fine)
    mean_log = np.diff(integral) / step
    # The mean over a step of a line is its value at the mean of log t.
    values = np.stack([np.interp(mean_log, log_nodes, column) for column in np.eye(len(nodes))], 1)
    cumulative = np.zeros((len(fine), len(nodes)))
    np.cumsum(step[:, None] * values, axis=0, out=cumulative[1:])
    return np.diff(cumulative[np.searchsorted(fine, edges)], axis=0) / np.diff(edges)[:, None]


def find_sps_home(folder=None):
    """Return FSPS's data folder, absolute.

    Parameters
    ----------
    folder : path-like, optional
        In place of the environment variable SPS_HOME.

    Raises
    ------
    PixsedError
        If it is not said, is no folder, or holds no FSPS data.
    """
    named = folder or os.environ.get("SPS_HOME")
    if not named:
        raise PixsedError(
            "FSPS's data folder is not known; set the environment variable SPS_HOME, or add "
            "--sps-home (the data are FSPS's own git repository)"
        )
    home = Path(named).absolute()
    if not home.is_dir():
        raise PixsedError(f"{home}: no such folder; SPS_HOME must be FSPS's own folder")
    if not (home / "data" / "emlines_info.dat").is_file():
        raise PixsedError(
            f"{home} has no data/emlines_info.dat, so it is not FSPS's folder; "
            "SPS_HOME is the one that holds ISOCHRONES, SPECTRA, nebular, dust and data"
        )
    if len(os.fsencode(home)) > _LONGEST - 2:
        raise PixsedError(
            f"{home}: FSPS cuts a path after {_LONGEST} letters; link it to a shorter one"
        )
    return home


def is_standin(home):
    """Return whether an SPS_HOME says of itself that its data are made up."""
    return any((Path(home) / name).exists() for name in _STANDIN)


def missing_files(home, isochrones, spectra, dust):
    """Return which of the files that FSPS opens are not there.

    Parameters
    ----------
    home : path-like
    isochrones, spectra, dust : str
        FSPS's names of its libraries: mist, pdva, prsc; miles, c3k_lr, c3k_hr; DL07, THEMIS.

    Returns
    -------
    list of str
        Paths below `home`. Isochrones other than MIST and spectra other than C3K and
        MILES are not looked for one by one.
    """
    home = Path(home)
    hot = (
        "ipagb.teff ipagb_solar.spec ipagb_halo.spec CMFGEN_WN.teff CMFGEN_WC.teff "
        "CMFGEN_WN_Zall.spec CMFGEN_WC_Zall.spec WMBASIC.teff WMBASIC_zlegend.dat"
    )
    agb = "Orich.teff Orich.spec Crich.teff Crich.spec Crich_Aringer.teff Crich_Aringer.spec"
    names = [f"SPECTRA/Hot_spectra/{name}" for name in hot.split()]
    names += [f"SPECTRA/AGB_spectra/{name}" for name in agb.split()]
    names += ["SPECTRA/A0V_KURUCZ_92.SED", "SPECTRA/SUN_STScI.SED", "SPECTRA/xrb/xsp.lambda"]
    names += [
        f"dust/{name}"
        for name in (
            "dusty/Orich_dusty.spec",
            "dusty/Crich_dusty.spec",
            "alldirty_h.dat",
            "alldirty_c.dat",
            "Gordon03_table4.dat",
            "Nenkova08_y010_torusg_n10_q2.0.dat",
        )
    ]
    sizes = 7 if dust == "DL07" else 11
    names += [f"dust/dustem/{dust}_MW3.1_{i}0.dat" for i in range(sizes)]
    names += [f"nebular/ZAU_ND_{isochrones}.{kind}" for kind in ("cont", "lines")]
    names += ["data/allfilters.dat"]

    def words(name, column):
        """A column of a table of metallicities, which is itself one of the files."""
        names.append(name)
        path = home / name
        lines = path.read_text().splitlines() if path.is_file() else []
        return [line.split()[column] for line in lines if line.split()]

    if isochrones == "mist":
        folder = "ISOCHRONES/MIST"
        for metal in words(f"{folder}/zlegend.dat", 0):
            names.append(f"{folder}/isoc_feh_{metal}_afe_p0_vvcrit0.4_full.dat")
    if spectra.startswith("c3k"):
        folder = f"SPECTRA/C3K/{spectra}"
        names += [f"{folder}/{spectra}.{kind}" for kind in ("lambda", "res")]
        names += [f"{folder}/{name}.dat" for name in ("logt", "logg")]
        for metal in words(f"{folder}/{spectra}_zlegend.dat", 0):
            names.append(f"{folder}/{spectra}_feh{metal}_afe+0.0.spec.bin")
    elif spectra == "miles":
        folder = "SPECTRA/MILES"
        names += [
            f"{folder}/{name}" for name in ("miles.lambda", "miles.res", "logt.dat", "logg.dat")
        ]
        for metal in words(f"{folder}/zlegend.dat", 0):
            names.append(f"{folder}/imiles_z{float(metal):.4f}.spectra.bin")
    return [name for name in names if not (home / name).is_file()]


def _why(said, errors, status, home, libraries):
    """The one line that says why FSPS ended early."""
    lacking = missing_files(home, *libraries) if libraries else []
    if lacking:
        more = f" (and {len(lacking) - 1} more files)" if len(lacking) > 1 else ""
        return (
            f"{home / lacking[0]} is missing{more}, without which FSPS stops; "
            "complete the SPS_HOME folder"
        )
    spoken = [line.strip() for line in said if line.strip() and not line.startswith("pixsed-")]
    if unread := re.search(r"file = '([^']*)'", "\n".join(errors)):
        return f"FSPS could not read {unread[1]}; is it whole? Fetch it again"
    last = (errors and errors[-1].strip()) or (spoken and spoken[-1]) or f"status {status}"
    fault = next((line for line in spoken if "ERROR" in line), last)
    return f"FSPS stopped before its end, with {home}: {fault}; check that the folder is complete"


def _check_isochrones(name):
    if name not in _ISOCHRONES:
        raise PixsedError(
            f"this fsps is compiled with the {name} isochrones, for which FSPS has no choice of "
            f"IMF or no nebular emission; pixsed reads {', '.join(_ISOCHRONES.values())}"
        )


def _run(home, options, progress):
    """Run the child process; return what it saved, and the libraries' names."""
    if importlib.util.find_spec("fsps") is None:
        raise PixsedError(
            "FSPS is not installed; try: pip install 'pixsed[sps]' (or --library bc03)"
        )
    root = str(Path(pixsed.__file__).parents[1])
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    env = dict(os.environ, SPS_HOME=str(home), PYTHONPATH=os.pathsep.join([*path, root]))
    said, errors, libraries = [], [], ()
    with tempfile.TemporaryDirectory(prefix="pixsed-fsps-") as folder:
        output = Path(folder) / "ssp.npz"
        child = subprocess.Popen(
            [sys.executable, "-m", fsps_worker.__name__, str(output), json.dumps(options)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=env,
            cwd=folder,
        )
        drain = threading.Thread(target=lambda: errors.extend(child.stderr), daemon=True)
        try:
            drain.start()
            for line in child.stdout:
                said.append(line)
                word, *rest = line.split() or [""]
                if word == fsps_worker.LIBRARIES:
                    libraries = tuple(rest)
                    _check_isochrones(libraries[0])
                elif word == fsps_worker.PROGRESS and progress is not None:
                    progress(*map(int, rest))
            status = child.wait()
            drain.join()
        finally:
            child.kill()
            child.wait()
            drain.join()
            child.stdout.close()
            child.stderr.close()
        # FSPS ends a process with status 0 when it lacks a file: the last line tells.
        if not said or said[-1].strip() != fsps_worker.DONE or not output.is_file():
            raise PixsedError(_why(said, errors, status, home, libraries))
        with np.load(output) as saved:
            return {name: saved[name] for name in saved.files}, libraries


def _list(values):
    return " ".join(f"{value:.4g}" for value in values)


def _warn_of_spectra(spectra, result):
    """Warn of stellar spectra that are not the paper's, or not of their metallicity."""
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
    """Build the `~pixsed.sps.ssp.SSPGrid`.

    At the metallicities of FSPS's isochrones, with nebular emission of gas of the stars'
    metallicity from stars below 20 Myr. Wavelengths are in vacuum.

    Parameters
    ----------
    sps_home : path-like, optional
        FSPS's data folder; default: the environment variable SPS_HOME.
    imf : {"chabrier", "kroupa", "salpeter"}, optional
        0.08 to 120 Msun.
    log_u : float, optional
        Ionisation parameter, -4 to -1.
    agb_dust : bool, optional
        Dust shells around AGB stars (Villaume+15).
    nebular : bool, optional
        Nebular continuum and lines; without them the stars' ionising light remains.
    zinterp : {"log", "linear"}, optional
        How users of the grid shall interpolate in metallicity; FSPS does in log Z.
    qpah, umin, gamma : float, optional
        Draine & Li (2007) dust emission.
    progress : callable, optional
        Called with the number of steps done and of all steps.

    Returns
    -------
    grid : `~pixsed.sps.ssp.SSPGrid`
    inputs : list of `~pathlib.Path`
        The data folder.

    Raises
    ------
    PixsedError
        If fsps or its data are not there, or not complete; if an option is out of range.

    Warns
    -----
    PixsedWarning
        If the stellar library is not MILES, if its spectra are not those of their
        metallicities, or if the data are a stand-in.
    """
    if imf not in IMFS:
        raise PixsedError(f"the IMF must be one of {' '.join(IMFS)}, got {imf}")
    if not LOG_U[0] <= log_u <= LOG_U[1]:
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
        log_u=float(log_u),
        qpah=qpah,
        umin=umin,
        gamma=gamma,
    )
    result, (isochrones, spectra_name, dust_name) = _run(home, options, progress)
    _warn_of_spectra(spectra_name, result)

    edges = age_bin_edges()
    average = log_average_matrix(10.0 ** (result["log_age"] - 9), edges)
    wave = result["wave"]
    to_angstrom = _C_ANGSTROM / wave**2
    spectra = np.stack([average @ nodes for nodes in result["spectra"]]) * to_angstrom
    living = result["living"] @ average.T
    # FSPS balances the energy by the trapezoidal rule in frequency.
    emitted = np.flatnonzero(result["dust"])
    dust = result["dust"] / -np.trapezoid(result["dust"], _C_ANGSTROM / wave)
    dust = (dust * to_angstrom)[emitted[0] : emitted[-1] + 1]
    meta = {
        "LIBRARY": "FSPS stand-in, NOT FOR SCIENCE" if standin else "FSPS",
        "ISOCHRO": _ISOCHRONES[isochrones],
        "SPECLIB": f"{spectra_name.upper()}{', NOT FOR SCIENCE' if standin else ''}",
        "IMF": imf.capitalize(),
        "ZSUN": round(float(result["zsun"]), 6),
        "LOGU": float(log_u),
        "LSUN": LSUN,
        "ZINTERP": zinterp,
        "NEBULAR": "CLOUDY of FSPS, no grains, stars below 20 Myr, fesc = 0" if nebular else "none",
        "DUSTEM": f"{dust_name} qPAH={qpah} Umin={umin} gamma={gamma}",
        "REMNANTS": "Renzini & Ciotti 1993, by FSPS",
        "AGBDUST": "Villaume+15" if agb_dust else "none",
        "FSPSVERS": str(result["version"]),
    }
    if result["copied"].any():
        meta["ZCOPIED"] = _list(result["nodes"][result["copied"]])
    if result["mixed"].any():
        meta["ZMIXED"] = _list(result["nodes"][result["mixed"]])
    grid = SSPGrid(
        wave=wave,
        age_edges=edges,
        metallicity=result["nodes"],
        spectra=spectra.astype(np.float32),
        line_wave=result["line_wave"],
        lines=np.stack([average @ nodes for nodes in result["lines"]]),
        living=living,
        remnant=result["surviving"] @ average.T - living,
        dust_wave=wave[emitted[0] : emitted[-1] + 1],
        dust_spectrum=dust,
        meta=meta,
    )
    return grid, [home]
