"""Values of a band that are no measurement: the band is then missing in that pixel or row.

Limits in nJy and from the other bands, for pixels of cubes and rows of tables alike. Before, images
in their own units have limits of their own: `pixsed.io.fill`, `pixsed.images.informative`.
"""

import warnings

import numpy as np

from pixsed.errors import PixsedWarning

#: Why a value is taken as missing: code -> text. Code 0 is a value that is used, or NaN.
REASONS = {
    1: "an error of 0 or less",
    2: "an error too large to tell anything",
    3: "a flux that no galaxy has",
}
# A band is left out where it is not detected (flux below 3 errors) and its error exceeds flux +
# 5 errors of every band with a smaller error. In simulated photometry such a band makes the
# posteriors of the shipped models worse than they are without it, since they were trained with
# few like it. The error of a deep non-detection is far below the limit.
_DETECTION, _LIMIT = 3.0, 5.0
#: A band that is not detected is left out above this error whatever the others are, nJy: 1 Jy.
MAX_ERR = 1e9
# Brighter than any galaxy and nearly any star, nJy: AB magnitude 1.4.
_MAX_FLUX = 1e12
# Noise does not give such a negative S/N; -99 beside the error of a good measurement does.
_MIN_SNR = -10.0
# The same for a flux whose digits are a code: -99, -999, times any power of ten.
_MIN_SNR_CODE = -3.0


def usable(flux, err, error_floor=0.0):
    """Return float32 copies of flux and err, NaN in both where they are no measurement.

    A value is missing if its flux or error is NaN or infinite; if its error is 0 or less; if the
    error is so large that the band tells nothing beside the others; if the flux is below
    -10 errors or above 1e12 nJy; or if it is a code of two or more nines (99, 999), with the
    same error, or negative and below -3 errors.

    Parameters
    ----------
    flux, err : array-like, shape (B, ...)
        nJy.
    error_floor : float, optional
        Fraction of the flux added to the errors in quadrature.

    Returns
    -------
    flux, err : `~numpy.ndarray`, shape (B, ...), float32
    bare : `~numpy.ndarray`, shape (B, ...), float32
        The errors without `error_floor`; `err` itself where there is none.
    code : `~numpy.ndarray`, shape (B, ...), uint8
        Of `REASONS`; 0 where the value is used, where flux or error are NaN, and where the
        error is infinite.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        infinite = np.isinf(err)  # an error map's own way to say "no data"
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
    """Return where a value is no measurement by itself, whatever the other bands are.

    Parameters
    ----------
    flux, err : `~numpy.ndarray`
        nJy, of one shape; NaN is none either.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        flux, err = np.asarray(flux, dtype=np.float32), np.asarray(err, dtype=np.float32)
        return (_single(flux, err) > 0) | ~(np.isfinite(flux) & np.isfinite(err))


def _single(flux, err):
    """Return the codes of values that tell nothing by themselves."""
    given = ~(np.isnan(flux) | np.isnan(err))
    code = np.zeros(flux.shape, dtype=np.uint8)
    snr = flux / err
    code[given & ((snr < _MIN_SNR) | (np.abs(flux) > _MAX_FLUX))] = 3
    # Digits are looked at only where a code is possible, which is at few values.
    doubt = np.flatnonzero(given & ((np.abs(flux) == err) | (snr < _MIN_SNR_CODE)))
    code.flat[doubt[are_nines(flux.flat[doubt])]] = 3
    code[given & (err > MAX_ERR) & ~(snr >= _DETECTION)] = 2
    code[given & (err <= 0)] = 1
    return code


def are_nines(values):
    """Return whether the digits of values are nines, two or more: 99, 999, 9.9, but not 9."""
    size = np.abs(values.astype(float))
    size[~(np.isfinite(size) & (size > 0))] = 1.0
    mantissa = size / 10.0 ** np.floor(np.log10(size) + 1e-7)
    digits = np.array([9.9, 9.99, 9.999, 9.9999])
    return (np.abs(mantissa[:, None] - digits) < 3e-6).any(axis=1)


def _useless(flux, err):
    """Return where an error exceeds the upper limits of all bands with smaller errors."""
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
    """Return how many values of each band are taken as missing, by the reason.

    Parameters
    ----------
    code : `~numpy.ndarray`, shape (B, ...)
        Of `usable`.
    bands : sequence of str
    where : `~numpy.ndarray` of bool, shape (...), optional
        Those that count.

    Returns
    -------
    dict of str to int
        ``"F115W:1"``, band and code, -> number; those that are 0 are left out.
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
    """Warn once of values that are taken as missing.

    Parameters
    ----------
    counts : dict of str to int
        Of `count_codes`.
    name : str
        The file.
    unit : str
        What was counted, as ``"rows"``.
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
