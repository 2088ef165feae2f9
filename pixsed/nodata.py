"""Detection of values that are not measurements.

A band with such a value counts as missing in that pixel or row. The limits apply to fluxes in nJy,
in cubes and tables; some depend on the other bands. Limits for images in their own units are in
`pixsed.io.fill` and `pixsed.images.informative`.
"""

import warnings

import numpy as np

from pixsed.errors import PixsedWarning

#: Reasons why a value is taken as missing: code -> text. Code 0: the value is used, or NaN.
REASONS = {
    1: "an error of 0 or less",
    2: "an error too large to tell anything",
    3: "a flux that no galaxy has",
}
# A band is left out if it is not detected (flux below 3 errors) and its error exceeds flux + 5
# errors of every band with a smaller error. On simulated photometry such a band degrades the
# posteriors of the shipped models, because it is rare in their training set. The error of a deep
# non-detection is far below this limit.
_DETECTION, _LIMIT = 3.0, 5.0
#: Undetected bands with errors above this limit (1 Jy in nJy) are always left out.
MAX_ERR = 1e9
# Brighter than any galaxy and nearly any star: AB magnitude 1.4 in nJy.
_MAX_FLUX = 1e12
# Noise does not produce such a negative S/N, but the code -99 with a real error does.
_MIN_SNR = -10.0
# The same limit for fluxes whose digits are a code: -99 or -999 times a power of ten.
_MIN_SNR_CODE = -3.0


def usable(flux, err, error_floor=0.0):
    """Return float32 copies of fluxes and errors, NaN in both where a value is not a measurement.

    A value is missing if

    - its flux or error is NaN or infinite, or its error is 0 or less;
    - its error is so large that the band adds nothing to the other bands;
    - its flux is below -10 errors or above 1e12 nJy;
    - its digits are two or more nines (99, 999), and it equals its error or is below -3 errors.

    Parameters
    ----------
    flux, err : array-like, shape (B, ...)
        Fluxes and 1-sigma errors in nJy.
    error_floor : float, optional
        Fraction of the flux added to the errors in quadrature.

    Returns
    -------
    flux, err : `~numpy.ndarray`, shape (B, ...), float32
    bare : `~numpy.ndarray`, shape (B, ...), float32
        Errors without `error_floor`; `err` itself if that is 0.
    code : `~numpy.ndarray`, shape (B, ...), uint8
        Reason, a key of `REASONS`. 0 where the value is used, where flux or error are NaN, and
        where the error is infinite.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        infinite = np.isinf(err)  # the usual mark of "no data" in an error map
        flux, err = np.array(flux, dtype=np.float32), np.array(err, dtype=np.float32)
        code = _single(flux, err)
        code[infinite] = 0
        bad = (code > 0) | ~(np.isfinite(flux) & np.isfinite(err))
        flux[bad] = err[bad] = np.nan
        useless = _useless(flux, err)
        code[useless] = 2
        flux[useless] = err[useless] = np.nan
        if not error_floor:
            return flux, err, err, code
        return flux, np.hypot(err, np.float32(error_floor) * flux), err, code


def is_no_measurement(flux, err):
    """Return a mask of values that are not measurements, without comparing bands.

    Parameters
    ----------
    flux, err : `~numpy.ndarray`, same shape
        Fluxes and errors in nJy. NaN is not a measurement either.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        flux, err = np.asarray(flux, dtype=np.float32), np.asarray(err, dtype=np.float32)
        return (_single(flux, err) > 0) | ~(np.isfinite(flux) & np.isfinite(err))


def _single(flux, err):
    """Return the codes of values that are not measurements by themselves."""
    given = ~(np.isnan(flux) | np.isnan(err))
    code = np.zeros(flux.shape, dtype=np.uint8)
    snr = flux / err
    code[given & ((snr < _MIN_SNR) | (np.abs(flux) > _MAX_FLUX))] = 3
    # Few values can be codes; only their digits are examined.
    doubt = np.flatnonzero(given & ((np.abs(flux) == err) | (snr < _MIN_SNR_CODE)))
    code.flat[doubt[are_nines(flux.flat[doubt])]] = 3
    code[given & (err > MAX_ERR) & ~(snr >= _DETECTION)] = 2
    code[given & (err <= 0)] = 1
    return code


def are_nines(values):
    """Return a mask of values with two or more nines as digits, such as 99 or 9.9 (not 9)."""
    size = np.abs(values.astype(float))
    size[~(np.isfinite(size) & (size > 0))] = 1.0
    mantissa = size / 10.0 ** np.floor(np.log10(size) + 1e-7)
    digits = np.array([9.9, 9.99, 9.999, 9.9999])
    return (np.abs(mantissa[:, None] - digits) < 3e-6).any(axis=1)


def _useless(flux, err):
    """Return a mask of errors that exceed the upper limits of all bands with smaller errors."""
    detected = flux >= _DETECTION * err
    limit = np.nan_to_num(np.maximum(flux, 0.0) + np.float32(_LIMIT) * err, nan=-np.inf)
    least = np.nan_to_num(err, nan=np.inf).min(axis=0)
    kept = detected | (err <= least)
    while True:
        reference = np.where(kept, limit, -np.inf).max(axis=0)
        more = kept | (err <= reference)
        if (more == kept).all():
            return np.isfinite(err) & ~kept
        kept = more


def count_codes(code, bands, where=None):
    """Return the number of missing values by band and reason.

    Parameters
    ----------
    code : `~numpy.ndarray`, shape (B, ...)
        Codes from `usable`.
    bands : sequence of str
        Names of the B bands.
    where : `~numpy.ndarray` of bool, shape (...), optional
        Pixels or rows to count.

    Returns
    -------
    dict of str to int
        Band and code, such as ``"F115W:1"``, -> number. Zeros are left out.
    """
    if where is not None:
        code = code[:, where]
    if not code.any():
        return {}
    return {
        f"{band}:{reason}": int(number)
        for band, row in zip(bands, code, strict=True)
        for reason in REASONS
        if (number := (row == reason).sum())
    }


def warn_of_codes(counts, name, unit):
    """Warn once of all values that are taken as missing.

    Parameters
    ----------
    counts : dict of str to int
        Counts from `count_codes`.
    name : str
        File name.
    unit : str
        Name of what was counted, such as ``"rows"``.
    """
    if not counts:
        return
    parts = []
    for reason, text in REASONS.items():
        of = [
            f"{key.split(':')[0]} {number}"
            for key, number in counts.items()
            if key.endswith(f":{reason}")
        ]
        if of:
            parts.append(f"{text} ({', '.join(of)} {unit})")
    warnings.warn(
        f"{name}: bands taken as missing where they have {'; '.join(parts)}",
        PixsedWarning,
        stacklevel=3,
    )
