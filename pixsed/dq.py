"""Quality bits: DQ of pixels and rows, FLAG of masses, each with its meaning."""

from enum import IntFlag

import numpy as np

#: Fewest bands that a pixel or a row is fitted with.
MIN_BANDS = 3
#: Below this probability the model cannot explain the photometry.
OOD_LIMIT = 1e-3


class Bits(IntFlag):
    """An `~enum.IntFlag` whose members have a description: ``NAME = value, "description"``."""

    def __new__(cls, value, description=""):
        member = int.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member

    @classmethod
    def cards(cls, prefix):
        """Return header cards, ``DQBIT3`` -> ``8: description``, one for each bit."""
        return {f"{prefix}{bit.bit_length() - 1}": f"{bit.value}: {bit.description}" for bit in cls}


class DQ(Bits):
    """Quality of a pixel of maps, or of a row of a table."""

    OUTSIDE = 1, "outside the galaxy's segment"
    LOW_SNR = 2, "mean S/N below the cut"
    NO_DATA = 4, "no data: no band has any, or in no bin"
    OUT_OF_DISTRIBUTION = 8, f"out of distribution: OOD < {OOD_LIMIT:g}"
    BAND_MISSING = 16, "a band missing here"
    REDSHIFT_RANGE = 32, "redshift or its error outside the trained range: not fitted"
    NO_REDSHIFT = 64, "no redshift, or one too small for a distance: not fitted"
    FEW_BANDS = 128, f"fewer than {MIN_BANDS} bands with data"
    NO_SNR = 256, "no band for the S/N cut has data"
    NO_INFORMATION = 512, "a band's value or error tells nothing: taken as missing"
    BAD_REDSHIFT_ERR = 1024, "redshift error is NaN, infinite or negative: not fitted"


class Flag(Bits):
    """Quality of the mass of a galaxy; 0 is good."""

    NO_PIXEL = 1, "no pixel fitted: no mass"
    PIXELS_OOD = 2, f"more than 5 % of the pixels with OOD < {OOD_LIMIT:g}"
    SUM_OOD = 4, f"the summed photometry has OOD < {OOD_LIMIT:g}"
    BAND_LEFT_OUT = 8, "a band left out of the sum, for pixels without data"
    FEW_BANDS = 16, f"fewer than {MIN_BANDS} bands in the sum: no integrated mass"
    REDSHIFT = 32, "redshift or its error missing or out of range: no mass"
    NO_OOD = 64, "the model has no OOD: bits 2 and 4 cannot be set"


#: Bits of DQ of a pixel or a row that is not fitted.
NOT_FITTED = (
    DQ.OUTSIDE
    | DQ.LOW_SNR
    | DQ.NO_DATA
    | DQ.REDSHIFT_RANGE
    | DQ.NO_REDSHIFT
    | DQ.FEW_BANDS
    | DQ.NO_SNR
    | DQ.BAD_REDSHIFT_ERR
)
#: Bits that say that a redshift cannot be fitted.
REDSHIFT_BITS = DQ.REDSHIFT_RANGE | DQ.NO_REDSHIFT | DQ.BAD_REDSHIFT_ERR

# Why a pixel or a row is not fitted. It is counted once, under the first reason that holds.
_REASONS = (
    (DQ.NO_REDSHIFT, "no_redshift", "without a usable redshift"),
    (
        DQ.BAD_REDSHIFT_ERR,
        "bad_redshift_err",
        "with a redshift error that is NaN, infinite or negative",
    ),
    (DQ.REDSHIFT_RANGE, "out_of_range", "with a redshift or its error outside the model's range"),
    (DQ.NO_DATA, "no_data", "without data"),
    (DQ.FEW_BANDS, "few_bands", f"with data in fewer than {MIN_BANDS} bands"),
    (DQ.NO_SNR, "no_snr", "without data in a band of the S/N cut"),
    (DQ.LOW_SNR, "low_snr", "with a mean S/N below the cut"),
)


def count_reasons(dq):
    """Return how many pixels or rows are not fitted, by the reason.

    Parameters
    ----------
    dq : `~numpy.ndarray` of int, any shape
        Those outside the segment are not counted.

    Returns
    -------
    dict of str to int
        Each pixel or row once, under its first reason.
    """
    left = np.asarray(dq)
    left = left[(left & DQ.OUTSIDE) == 0]
    found = {}
    for bit, name, _ in _REASONS:
        here = (left & bit) > 0
        found[name] = int(here.sum())
        left = left[~here]
    return found


def reasons_text(counts):
    """Return the reasons of `count_reasons` as text, empty where everything is fitted.

    As ``12 without a usable redshift, 3 with a mean S/N below the cut``.
    """
    return ", ".join(f"{counts[name]} {text}" for _, name, text in _REASONS if counts.get(name))


def ood_text(scored, odd):
    """Return how many of those fitted are out of distribution; empty where none is scored.

    Parameters
    ----------
    scored : int
        Pixels or rows with an OOD that is not NaN.
    odd : int
        Of those, below `OOD_LIMIT`.
    """
    return f"{odd} of them out of distribution" if scored else "OOD not known"
