"""Inputs and outputs of the paper's network, in training and in use."""

import numpy as np

from pixsed.bands import PAPER_BANDS
from pixsed.dq import MIN_BANDS
from pixsed.errors import PixsedError

#: AB magnitude of 1 nJy.
ZERO_POINT = 31.4
#: Magnitude of a flux below the depth.
UNDETECTED = 100.0
_COMMON = ("LOGMSTAR", "LOGMFORM", "LOGSFR", "METAL", "AV")
#: Parameters of the joint posterior, by prior.
OUTPUTS = {
    "tau": (*_COMMON, "TAU", "TSTART"),
    "dirichlet": (*_COMMON, "T25", "T50", "T75"),
}


def paper_bands(bands):
    """Return the elements of `bands` that are bands of the paper, in the given order.

    Raises
    ------
    PixsedError
        If there are too few.
    """
    chosen = [band for band in bands if band in PAPER_BANDS]
    if len(chosen) < MIN_BANDS:
        raise PixsedError(
            f"the paper's network needs {MIN_BANDS} of the paper's bands or more, got "
            f"{len(chosen)}; simulate with --bands {','.join(PAPER_BANDS)}"
        )
    return chosen


def network_input(flux, flux_err, redshift, depth, bands):
    """Return the input of the network: magnitudes, their errors, and the redshift.

    A flux below the 1-sigma depth, including a negative flux, is a non-detection: its magnitude
    is `UNDETECTED` and its error is the depth in magnitudes (Iglesias-Navarro et al. 2025,
    section 3.2).

    Parameters
    ----------
    flux, flux_err : `~numpy.ndarray`, shape (N, B)
        nJy, without NaN: the network does not support missing bands.
    redshift : `~numpy.ndarray`, shape (N,)
    depth : `~numpy.ndarray`, shape (B,)
        1-sigma depths, nJy.
    bands : sequence of str
        Names of the B bands, for messages.

    Returns
    -------
    `~numpy.ndarray`, shape (N, 2 * B + 1), float32
        AB magnitudes, errors in magnitudes (2.5 / ln 10 times error over flux), redshift.

    Raises
    ------
    PixsedError
        If a band is missing in any row.
    """
    flux, flux_err = np.asarray(flux, dtype=float), np.asarray(flux_err, dtype=float)
    missing = np.isnan(flux) | np.isnan(flux_err)
    if missing.any():
        names = [band for band, any_ in zip(bands, missing.any(axis=0), strict=True) if any_]
        raise PixsedError(
            f"the paper's network needs every band that it was trained on, but {' '.join(names)} "
            "is missing in some rows; select rows with all bands, or use a model of --net default"
        )
    depth = np.asarray(depth, dtype=float)
    detected = flux >= depth
    measured = np.where(detected, flux, depth)
    magnitude = ZERO_POINT - 2.5 * np.log10(measured)
    error = 2.5 / np.log(10.0) * flux_err / measured
    # For a non-detection, `magnitude` is the magnitude of the depth.
    return np.concatenate(
        [
            np.where(detected, magnitude, UNDETECTED),
            np.where(detected, error, magnitude),
            np.asarray(redshift, dtype=float)[:, None],
        ],
        axis=1,
    ).astype(np.float32)
