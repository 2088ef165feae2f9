"""Validation of redshifts from tables, catalogues, cubes, maps and options."""

import numpy as np

from pixsed.dq import DQ
from pixsed.errors import PixsedError

#: Redshifts up to this value give no distance: peculiar velocities (300 km/s) are comparable, and
#: the shipped models do not cover smaller distances.
NO_DISTANCE = 1e-3
# Relative tolerance of the limits: a redshift map is float32.
_ROUNDING = 1e-6


def given_redshift(redshift, redshift_err, given, given_err):
    """Return the redshift and error of a galaxy, with those that a user gives in their place.

    Parameters
    ----------
    redshift, redshift_err : float
        From the file.
    given, given_err : float or None
        From the user. The error in the file belongs to the redshift in the file, so a given
        redshift without an error is exact.
    """
    if given is not None:
        redshift, redshift_err = given, 0.0
    return redshift, redshift_err if given_err is None else given_err


def redshift_dq(redshift, redshift_err, model=None):
    """Return the DQ bits of redshifts; 0 where a redshift can be fitted.

    Parameters
    ----------
    redshift : array-like
        Redshifts. NaN, infinite, negative (-99) and values up to `NO_DISTANCE` count as missing.
    redshift_err : array-like
        1-sigma errors; 0 = exact. They must be finite and not negative.
    model : `~pixsed.fit.model.Model`, optional
        Model whose trained range is checked too. A model that infers redshifts sets no bit.

    Returns
    -------
    `~numpy.ndarray`, int32
        NO_REDSHIFT, BAD_REDSHIFT_ERR and REDSHIFT_RANGE of `~pixsed.dq.DQ`.
    """
    redshift, redshift_err = np.broadcast_arrays(
        np.asarray(redshift, dtype=float), np.asarray(redshift_err, dtype=float)
    )
    dq = np.zeros(redshift.shape, dtype=np.int32)
    if model is not None and model.infers_redshift:
        return dq
    known = np.isfinite(redshift) & (redshift > NO_DISTANCE)
    good = np.isfinite(redshift_err) & (redshift_err >= 0)
    dq[~known] |= DQ.NO_REDSHIFT
    dq[known & ~good] |= DQ.BAD_REDSHIFT_ERR
    if model is not None:
        low, high = model.redshift_range
        with np.errstate(invalid="ignore"):
            beyond = (redshift < low - _ROUNDING) | (redshift > high * (1 + _ROUNDING))
            beyond |= redshift_err > model.redshift_err_max * (1 + redshift) * (1 + _ROUNDING)
        dq[known & good & beyond] |= DQ.REDSHIFT_RANGE
    return dq


def range_text(model):
    """Return the trained range of redshifts of a model as text."""
    low, high = model.redshift_range
    return (
        f"the range of model {model.name} (z {max(low, NO_DISTANCE):g} to {high:g}, error "
        f"{model.redshift_err_max:g} (1+z) at most)"
    )


def trouble_text(dq, redshift, redshift_err, model=None):
    """Return the fault of one redshift and what to try, as texts; (None, None) if it is good."""
    dq = int(dq)
    if dq & DQ.NO_REDSHIFT:
        return (
            f"redshift {redshift:g} gives no distance: it must be a number above {NO_DISTANCE:g}",
            "give another with --redshift",
        )
    if dq & DQ.BAD_REDSHIFT_ERR:
        return (
            f"redshift error {redshift_err:g} must be a number of 0 or more",
            "give another with --redshift-err, 0 for an exact redshift",
        )
    if dq & DQ.REDSHIFT_RANGE:
        return (
            f"redshift {redshift:g} +- {redshift_err:g} is outside {range_text(model)}: nothing "
            "can be fitted at it",
            "give another --redshift or --redshift-err, or another --model",
        )
    return None, None


def check_redshift(redshift, redshift_err, model, name, otherwise=""):
    """Raise `PixsedError` if one redshift cannot be fitted.

    Parameters
    ----------
    redshift, redshift_err : float
    model : `~pixsed.fit.model.Model` or None
        If None, check only the limits that apply to every model.
    name : str
        File or options that gave the redshift, for the message.
    otherwise : str, optional
        Further advice where there is no redshift.
    """
    dq = redshift_dq(redshift, redshift_err, model)
    trouble, advice = trouble_text(dq, redshift, redshift_err, model)
    if dq & DQ.NO_REDSHIFT:
        advice += otherwise
    if trouble:
        raise PixsedError(f"{name}: {trouble}; {advice}")


def exact_text(name, columns):
    """Return the warning that redshifts are taken as exact although some columns look like errors.

    Parameters
    ----------
    name : str
        File name.
    columns : str
        Names of the columns that look like errors.
    """
    return (
        f"{name}: the redshifts are taken as exact: {columns} not read; where a column holds "
        "1-sigma errors, name it with --zerr-col"
    )
