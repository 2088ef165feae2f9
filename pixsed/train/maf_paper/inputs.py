"""What the paper's network is shown, in training and in use; and what it gives."""

import numpy as np

from pixsed.bands import PAPER_BANDS
from pixsed.dq import MIN_BANDS
from pixsed.errors import PixsedError

#: AB magnitude of 1 nJy.
ZERO_POINT = 31.4
#: The magnitude that stands for a flux below the depth.
UNDETECTED = 100.0
_COMMON = ("LOGMSTAR", "LOGMFORM", "LOGSFR", "METAL", "AV")
#: Parameters whose joint posterior the network gives, by prior.
OUTPUTS = {
    "tau": (*_COMMON, "TAU", "TSTART"),
    "dirichlet": (*_COMMON, "T25", "T50", "T75"),
}


def paper_bands(bands):
    """Return which of `bands` the network takes: those of the paper, in their order.

    Raises
    ------
    PixsedError
        If they are too few.
    """
    chosen = [band for band in bands if band in PAPER_BANDS]
    if len(chosen) < MIN_BANDS:
        raise PixsedError(
            f"the paper's network needs {MIN_BANDS} of the paper's bands or more, got "
            f"{len(chosen)}; simulate with --bands {','.join(PAPER_BANDS)}"
        )
    return chosen


def network_input(flux, flux_err, redshift, depth, bands):
    """Return the network's input: magnitudes, their errors, redshift.

    A flux below the 1-sigma depth, a negative one too, is no detection: its magnitude becomes
    `UNDETECTED` and its error the depth in magnitudes (Iglesias-Navarro+25, section 3.2).

    Parameters
    ----------
    flux, flux_err : `~numpy.ndarray`, shape (N, B)
        nJy; no NaN: the network knows no missing band.
    redshift : `~numpy.ndarray`, shape (N,)
    depth : `~numpy.ndarray`, shape (B,)
        1-sigma depths, nJy.
    bands : sequence of str
        Names of the B bands, for messages.

    Returns
    -------
    `~numpy.ndarray`, shape (N, 2 B + 1), float32
        B AB magnitudes, B errors in magnitudes (2.5 / ln 10 times error over flux), redshift.

    Raises
    ------
    PixsedError
        If a band is missing in any row.
    """
    flux, flux_err = np.asarray(flux, dtype=float), np.asarray(flux_err, dtype=float)
    lacking = np.isnan(flux) | np.isnan(flux_err)
    if lacking.any():
        names = [band for band, none in zip(bands, lacking.any(axis=0), strict=True) if none]
        raise PixsedError(
            f"the paper's network needs every band that it was trained on, but {' '.join(names)} "
            "is missing in some rows; take rows with all bands, or a model of --net default"
        )
    depth = np.asarray(depth, dtype=float)
    detected = flux >= depth
    measured = np.where(detected, flux, depth)
    magnitude = ZERO_POINT - 2.5 * np.log10(measured)
    error = 2.5 / np.log(10.0) * flux_err / measured
    # At the depth itself `magnitude` is the depth.
    return np.concatenate(
        [
            np.where(detected, magnitude, UNDETECTED),
            np.where(detected, error, magnitude),
            np.asarray(redshift, dtype=float)[:, None],
        ],
        axis=1,
    ).astype(np.float32)
