"""Quality bits: DQ for pixels and rows, FLAG for masses."""

from enum import IntFlag

import numpy as np

#: Minimum number of bands needed to fit a pixel or a row.
MIN_BANDS = 3
#: A model cannot explain photometry with an OOD below this.
OOD_LIMIT = 1e-3


class Bits(IntFlag):
    """Base class for quality bits, whose members are defined as ``NAME = value, "description"``.

    Attributes
    ----------
    description : str
        Meaning of the bit, as written in headers.
    """

    def __new__(cls, value, description=""):
        member = int.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member

    def keyword(self, prefix):
        """Return the header keyword of a bit: ``DQBIT3`` for the value 8 and the prefix DQBIT."""
        return f"{prefix}{self.bit_length() - 1}"

    @classmethod
    def cards(cls, prefix):
        """Return the header cards of all bits, such as ``DQBIT3`` -> ``8: description``."""
        return {bit.keyword(prefix): f"{bit:d}: {bit.description}" for bit in cls}


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
    BIMODAL = 2048, "the posterior of [M/H] has two peaks"


class Flag(Bits):
    """Quality of the mass of a galaxy; 0 is good."""

    NO_PIXEL = 1, "no pixel fitted: no mass"
    PIXELS_OOD = 2, f"more than 5 % of the pixels with OOD < {OOD_LIMIT:g}"
    SUM_OOD = 4, f"the summed photometry has OOD < {OOD_LIMIT:g}"
    BAND_LEFT_OUT = 8, "a band left out of the sum, for pixels without data"
    FEW_BANDS = 16, f"fewer than {MIN_BANDS} bands in the sum: no integrated mass"
    REDSHIFT = 32, "redshift or its error missing or out of range: no mass"
    NO_OOD = 64, f"the model has no OOD: bits {PIXELS_OOD[0]} and {SUM_OOD[0]} cannot be set"
    LITTLE_LIGHT = 128, "less than half of the segment's light in the sums"
    PRIOR = 256, "resolved mass mostly the prior's: RES_LOGMSTAR_BOUND >= 0.3"


#: Bits of a pixel or a row that is not fitted.
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
#: Bits of a redshift that cannot be fitted.
REDSHIFT_BITS = DQ.REDSHIFT_RANGE | DQ.NO_REDSHIFT | DQ.BAD_REDSHIFT_ERR

# Reasons for which a pixel or a row is not fitted: bit, name, text. A pixel with several bits is
# counted under the first.
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
    """Return the number of pixels or rows that are not fitted, by reason.

    Parameters
    ----------
    dq : `~numpy.ndarray` of int, any shape
        Bits of `DQ`. Pixels outside the segment are not counted.

    Returns
    -------
    dict of str to int
        Reason -> number. Each pixel or row is counted once, under its first reason.
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
    """Return the counts of `count_reasons` as text, empty if everything is fitted.

    For example ``12 without a usable redshift, 3 with a mean S/N below the cut``.
    """
    return ", ".join(f"{counts[name]} {text}" for _, name, text in _REASONS if counts.get(name))


def ood_text(scored, odd):
    """Return the number of fits that are out of distribution, as text.

    Parameters
    ----------
    scored : int
        Number of fitted pixels or rows whose OOD is not NaN.
    odd : int
        Number of those with an OOD below `OOD_LIMIT`.
    """
    return f"{odd} of them out of distribution" if scored else "OOD not known"
