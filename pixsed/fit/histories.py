"""Star-formation histories recovered from posterior draws."""

from dataclasses import dataclass, field

import numpy as np

from pixsed import cosmology
from pixsed.errors import PixsedError
from pixsed.properties import quantile_name
from pixsed.sps.constants import YR_PER_GYR
from pixsed.sps.sfh import SFR_TIME, Binned, GPHistory, TauDelayed

#: Quantiles of the rates: the bands of 68 and 95 %, and the median.
LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)
#: Number of bins of lookback time.
BINS = 200
#: First bin of lookback time where the bins are logarithmic, Gyr: that of LOGSFR10.
FIRST = 0.01
# Range of log10 of the present specific SFR of the prior dirichlet, and halvings of it.
_LOG_SSFR, _HALVINGS = (-11.5, -7.5), 8
_LEAST = 1e-6  # width of a bin of a coarse history, Gyr


@dataclass(frozen=True)
class Recovered:
    """Recovered star-formation history of one pixel, region or galaxy, in K bins of time.

    Attributes
    ----------
    label : str
    redshift : float
        Median of the draws where it is uncertain.
    coarse : bool
        Whether the draws tell only a coarse history.
    edges : `~numpy.ndarray`, shape (K + 1,)
        Lookback times, Gyr, ascending from 0.
    sfr : dict of float to `~numpy.ndarray`, shape (K,)
        Quantile -> mean SFR in each bin, solMass / yr, each bin by itself.
    formed : dict of float to `~numpy.ndarray`, shape (K,)
        Quantile -> fraction of the mass formed before the younger edge of each bin.
    """

    label: str
    redshift: float
    coarse: bool
    edges: np.ndarray = field(repr=False)
    sfr: dict = field(repr=False)
    formed: dict = field(repr=False)


def history_of(samples, sfh, age):
    """Return the star-formation histories that posterior draws describe.

    Parameters
    ----------
    samples : dict of str to `~numpy.ndarray`, shape (S,)
        Draws by property.
    sfh : str
        Name of the model's prior on histories.
    age : `~numpy.ndarray`, shape (S,)
        Age of the Universe at each draw, Gyr.

    Returns
    -------
    `~pixsed.sps.sfh.History`
        For ``tau`` the history of TAU and TSTART. For ``dirichlet`` the Dense Basis history of
        T25, T50 and T75 with the present rate that gives the mean rate LOGSFR of 100 Myr, as far
        as its prior has one. For other models a coarse history (`coarse_history`).

    Raises
    ------
    PixsedError
        If the draws lack a property that the history needs.
    """
    values = {name: np.asarray(column, dtype=float) for name, column in samples.items()}
    if sfh == "tau" and {"TAU", "TSTART"} <= values.keys():
        return TauDelayed(values["TAU"], values["TSTART"], age)
    if sfh == "dirichlet" and {"T25", "T50", "T75", "LOGSFR", "LOGMFORM"} <= values.keys():
        times = np.stack([values[name] for name in ("T25", "T50", "T75")], axis=1)
        return _dense_basis(values["LOGSFR"] - values["LOGMFORM"], times, age)
    needed = "LOGMFORM", "LOGSFR", "T50LB", "AGE"
    if missing := [name for name in needed if name not in values]:
        raise PixsedError(
            f"the draws of a model with prior {sfh or 'unknown'} do not tell a history: they lack "
            f"{', '.join(missing)}; try --model tau or dirichlet"
        )
    return coarse_history(values, age)


def is_coarse(sfh):
    """Return whether the draws of a model with this prior tell only a coarse history."""
    return sfh not in ("tau", "dirichlet")


def _dense_basis(log_mean, times, age):
    """Return Dense Basis histories whose mean specific SFR of 100 Myr is 10^`log_mean` / yr.

    The present rate is found by bisection: the mean rate grows with it.
    """
    low, high = (np.full(len(age), value) for value in _LOG_SSFR)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        below = GPHistory(middle, times, age).log_sfr(SFR_TIME) < log_mean
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return GPHistory(0.5 * (low + high), times, age)


def coarse_history(values, age):
    """Return histories of constant rates between the times that summary properties tell.

    The times are 10 Myr (if LOGSFR10 is known), 100 Myr, T50LB and the beginning of star
    formation. The last is the one that gives the mass-weighted AGE, within the age of the
    Universe. Masses that contradict each other are cut: the fraction formed never falls with
    time, nor exceeds 1.

    Parameters
    ----------
    values : dict of str to `~numpy.ndarray`, shape (S,)
        Draws of LOGMFORM, LOGSFR, T50LB, AGE, and optionally LOGSFR10.
    age : `~numpy.ndarray`, shape (S,)
        Age of the Universe, Gyr.

    Returns
    -------
    `~pixsed.sps.sfh.Binned`
    """
    mass = values["LOGMFORM"]
    points = [(np.zeros_like(age), np.zeros_like(age))]  # lookback time, younger fraction
    for name, time in (("LOGSFR10", FIRST), ("LOGSFR", SFR_TIME)):
        if name in values:
            fraction = 10.0 ** (values[name] - mass) * time * YR_PER_GYR
            points.append((np.full_like(age, time), fraction))
    points.append((values["T50LB"], np.full_like(age, 0.5)))
    time, younger = (np.stack(part, axis=1) for part in zip(*points, strict=True))
    order = np.argsort(time, axis=1, kind="stable")
    time, younger = (np.take_along_axis(part, order, axis=1) for part in (time, younger))
    younger = np.minimum(np.maximum.accumulate(younger, axis=1), 1.0)
    time = np.minimum(time, age[:, None] - _LEAST)
    # The mass that is left has the mean age that completes AGE; its rate is constant.
    masses = np.diff(younger, axis=1)
    known = (masses * 0.5 * (time[:, 1:] + time[:, :-1])).sum(axis=1)
    left = np.maximum(1.0 - younger[:, -1], 1e-9)
    begin = 2.0 * (values["AGE"] - known) / left - time[:, -1]
    begin = np.clip(begin, time[:, -1], age)
    edges = np.column_stack([time, begin])
    widths = np.maximum(np.diff(edges, axis=1), _LEAST)
    edges = np.pad(np.cumsum(widths, axis=1), ((0, 0), (1, 0)))
    return Binned(edges, np.column_stack([masses, left]), age)


def time_bins(age, log=False):
    """Return the edges of bins of lookback time up to `age`, Gyr, shape (`BINS` + 1,).

    They are equal, or with `log` 10 Myr and then equal in log time.
    """
    if not log:
        return np.linspace(0.0, age, BINS + 1)
    return np.concatenate([[0.0], np.geomspace(min(FIRST, 0.5 * age), age, BINS)])


def recover(posterior, model, *, log_time=False, levels=LEVELS):
    """Return the star-formation history of a posterior, with its quantiles at each time.

    Parameters
    ----------
    posterior : `~pixsed.fit.select_draws.Posterior`
    model : `~pixsed.fit.model.Model`
    log_time : bool, optional
        Bins of lookback time that are equal in its logarithm.
    levels : sequence of float, optional
        Quantiles.

    Returns
    -------
    `Recovered`

    Raises
    ------
    PixsedError
        If the draws lack a property that the history needs.
    """
    samples = posterior.samples
    mass = np.asarray(samples["LOGMFORM"], dtype=float) if "LOGMFORM" in samples else None
    redshift = np.asarray(samples.get("REDSHIFT", posterior.redshift), dtype=float)
    age = np.broadcast_to(cosmology.age(redshift), samples["LOGMSTAR"].shape)
    history = history_of(samples, model.sfh, age)
    edges = time_bins(float(age.max()), log_time)
    younger = history.mass_younger(edges)
    younger[:, -1] = 1.0
    rates = 10.0 ** mass[:, None] * np.diff(younger, axis=1) / (np.diff(edges) * YR_PER_GYR)
    older = 1.0 - younger[:, :-1]
    return Recovered(
        posterior.label,
        float(np.median(redshift)),
        is_coarse(model.sfh),
        edges,
        *(
            dict(zip(levels, np.quantile(part, levels, axis=0), strict=True))
            for part in (rates, older)
        ),
    )


def history_table(histories):
    """Return recovered histories as a table, one row per bin of time.

    Parameters
    ----------
    histories : list of `Recovered`

    Returns
    -------
    `~astropy.table.Table`
        PLACE, LOOKBACK_LOW, LOOKBACK_HIGH and TIME (cosmic, of the middle of the bin; NaN before
        the Big Bang) in Gyr, ``SFR_P50`` and so on in solMass / yr, ``FORMED_P50`` and so on.
    """
    from astropy import units as u
    from astropy.table import Table, vstack

    parts = []
    for history in histories:
        low, high = history.edges[:-1], history.edges[1:]
        time = cosmology.age(history.redshift) - 0.5 * (low + high)
        part = Table({"PLACE": np.full(len(low), history.label)})
        for name, values, text in (
            ("LOOKBACK_LOW", low, "lookback time, younger edge of the bin"),
            ("LOOKBACK_HIGH", high, "lookback time, older edge of the bin"),
            ("TIME", np.where(time > 0, time, np.nan), "cosmic time of the middle of the bin"),
        ):
            part[name] = values
            part[name].unit, part[name].description = u.Gyr, text
        for name, found, unit, text in (
            ("SFR", history.sfr, u.solMass / u.yr, "mean star-formation rate in the bin"),
            ("FORMED", history.formed, None, "fraction of the mass formed before the bin ends"),
        ):
            for level, values in found.items():
                column = f"{name}_{quantile_name(level)}"
                part[column] = values.astype(np.float32)
                part[column].unit = unit
                part[column].description = f"{text}, quantile {level:g}"
        parts.append(part)
    return vstack(parts)
