"""Search for FSPS's data folder (SPS_HOME), and check that it is complete."""

import os
from pathlib import Path

from pixsed.errors import PixsedError

#: Length of the longest path that FSPS can store.
_LONGEST = 250
#: Files that mark a stand-in for FSPS's data.
_STANDIN = ("STANDIN.json", "NOT_FOR_SCIENCE.txt")
_HOT = (
    "ipagb.teff ipagb_solar.spec ipagb_halo.spec CMFGEN_WN.teff CMFGEN_WC.teff "
    "CMFGEN_WN_Zall.spec CMFGEN_WC_Zall.spec WMBASIC.teff WMBASIC_zlegend.dat"
)
_AGB = "Orich.teff Orich.spec Crich.teff Crich.spec Crich_Aringer.teff Crich_Aringer.spec"
_DUST = (
    "dusty/Orich_dusty.spec dusty/Crich_dusty.spec alldirty_h.dat alldirty_c.dat "
    "Gordon03_table4.dat Nenkova08_y010_torusg_n10_q2.0.dat"
)
#: Files that FSPS opens with all libraries.
_ALWAYS = (
    *(f"SPECTRA/Hot_spectra/{name}" for name in _HOT.split()),
    *(f"SPECTRA/AGB_spectra/{name}" for name in _AGB.split()),
    *("SPECTRA/A0V_KURUCZ_92.SED", "SPECTRA/SUN_STScI.SED", "SPECTRA/xrb/xsp.lambda"),
    *(f"dust/{name}" for name in _DUST.split()),
)


def find_sps_home(folder=None):
    """Return the absolute path of FSPS's data folder.

    Parameters
    ----------
    folder : path-like, optional
        Replaces the environment variable SPS_HOME.

    Returns
    -------
    `~pathlib.Path`

    Raises
    ------
    PixsedError
        If neither is given, or the folder does not exist or holds no FSPS data.
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
            "SPS_HOME is the folder that holds ISOCHRONES, SPECTRA, nebular, dust and data"
        )
    if len(os.fsencode(home)) > _LONGEST - 2:
        raise PixsedError(
            f"{home}: FSPS truncates paths after {_LONGEST} characters; link it to a shorter one"
        )
    return home


def is_standin(home):
    """Return whether an SPS_HOME is marked as a stand-in with made-up data."""
    return any((Path(home) / name).exists() for name in _STANDIN)


def missing_files(home, isochrones, spectra, dust):
    """Return the missing files among those that FSPS opens.

    Parameters
    ----------
    home : path-like
    isochrones, spectra, dust : str
        FSPS's names of its libraries: mist, pdva or prsc; miles, c3k_lr or c3k_hr; DL07 or
        THEMIS.

    Returns
    -------
    list of str
        Paths below `home`. The single files of isochrones other than MIST and of spectra
        other than C3K and MILES are not checked.
    """
    home = Path(home)
    names = list(_ALWAYS)
    sizes = 7 if dust == "DL07" else 11
    names += [f"dust/dustem/{dust}_MW3.1_{i}0.dat" for i in range(sizes)]
    names += [f"nebular/ZAU_ND_{isochrones}.{kind}" for kind in ("cont", "lines")]
    names += ["data/allfilters.dat"]

    def words(name, column):
        """Return a column of a table of metallicities, which is itself one of the files."""
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
