"""Density of the priors, compared with their draws."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import t

from pixsed.cosmology import age
from pixsed.simulate.priors import PRIORS

#: Priors whose density has a closed form, with parameters of the history as coordinates.
CLOSED = [name for name in PRIORS if name != "broad"]

#: ln of the density of LOGMFORM, AV, METAL and REDSHIFT.
COMMON = -np.log(8 * 4 * 2.7 * 7.5)


def at(name, n=1, **values):
    """Return columns with the common parameters at the middle of their ranges."""
    columns = {"LOGMFORM": 8.0, "AV": 1.0, "METAL": -1.0, "REDSHIFT": 2.0} | values
    return {key: np.full(n, value, dtype=float) for key, value in columns.items()}


def density(name, **values):
    return PRIORS[name]().log_density(at(name, **values))[0]


def test_tau():
    at_z = float(age(2.0))
    expected = COMMON - np.log(0.3 * np.log(1e4)) - np.log(at_z)
    assert density("tau", TAU=0.3, TSTART=1.0) == pytest.approx(expected)


def test_dirichlet():
    assert density("dirichlet", LOGSSFR=-9, T25=0.2, T50=0.3, T75=0.9) == pytest.approx(
        COMMON - np.log(4) + np.log(6)
    )
    assert density("dirichlet", LOGSSFR=-9, T25=0.2, T50=0.1, T75=0.9) == -np.inf
    assert density("dirichlet", LOGSSFR=-9, T25=0.2, T50=0.3, T75=1.1) == -np.inf


def test_continuity():
    ratios = dict(zip([f"LOGRATIO{i}" for i in range(1, 7)], (-3, 0, 0.1, 0.5, 2, 9), strict=True))
    law = t(2, scale=0.3)
    inside = law.cdf(10) - law.cdf(-10)
    expected = COMMON + law.logpdf(list(ratios.values())).sum() - 6 * np.log(inside)
    assert density("continuity", **ratios) == pytest.approx(expected)
    assert density("continuity", **ratios | {"LOGRATIO3": 10.1}) == -np.inf


def test_power_law():
    expected = COMMON - np.log(2 * np.log(100)) - np.log(age(2.0))
    assert density("powerlaw", GROWTH=2, TSTART=1) == pytest.approx(expected)


def test_double_power_law():
    expected = COMMON - np.log(5 * 70 * np.log(1e4) ** 2) - np.log(age(2.0) - 0.1)
    assert density("dpl", ALPHA=5, BETA=70, TAU=1) == pytest.approx(expected)


@pytest.mark.parametrize(
    "name, own",
    [
        ("tau", {"TAU": 0.3, "TSTART": 1.0}),
        ("dirichlet", {"LOGSSFR": -9, "T25": 0.2, "T50": 0.3, "T75": 0.9}),
        ("powerlaw", {"GROWTH": 2.0, "TSTART": 1.0}),
        ("dpl", {"ALPHA": 5, "BETA": 70, "TAU": 1}),
    ],
)
def test_density_is_zero_outside(name, own):
    assert np.isfinite(density(name, **own))
    at_z = float(age(2.0))
    outside = {"LOGMFORM": 12.1, "AV": -0.1, "METAL": 0.5, "REDSHIFT": 8.0}
    outside |= {key: at_z * 1.001 for key in ("TSTART", "TAU") if key in own and name != "tau"}
    outside |= {"tau": {"TSTART": at_z * 1.001}, "dpl": {"ALPHA": -1}}.get(name, {})
    for key, value in outside.items():
        assert density(name, **own | {key: value}) == -np.inf, key


def test_nan_stays_nan():
    assert np.isnan(density("tau", TAU=np.nan, TSTART=1.0))
    assert np.isnan(density("tau", TAU=1.0, TSTART=1.0, REDSHIFT=np.nan))


@pytest.mark.parametrize("name", CLOSED)
def test_density_is_that_of_the_draws(name):
    """ln p is -ln |det J| of the map from the unit cube, whose density is 1."""
    prior = PRIORS[name]()
    z, unit = prior.draw(300, np.random.default_rng(7))
    unit = np.clip(unit, 1e-3, 1 - 1e-3)
    names = [c.name for c in prior.COORDINATES]
    jacobian = np.empty((len(z), len(names), len(names)))
    step = 1e-6
    for j in range(len(names)):
        low, high = unit.copy(), unit.copy()
        low[:, j] -= step
        high[:, j] += step
        low, high = prior.values(z, low), prior.values(z, high)
        for i, key in enumerate(names):
            jacobian[:, i, j] = (high[key] - low[key]) / (2 * step)
    expected = -np.log(np.abs(np.linalg.det(jacobian))) - np.log(7.5)
    found = prior.log_density(prior.values(z, unit) | {"REDSHIFT": z})
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("name", CLOSED)
def test_float32_columns_stay_inside(name):
    prior = PRIORS[name]()
    z, unit = prior.draw(5000, np.random.default_rng(8))
    own = unit.shape[1]
    unit[:own] = np.where(np.eye(own, dtype=bool), 1 - 1e-9, unit[:own])
    unit[own : 2 * own] = np.where(np.eye(own, dtype=bool), 1e-9, unit[own : 2 * own])
    columns = prior.values(z, unit) | {"REDSHIFT": z}
    rounded = {key: value.astype(np.float32) for key, value in columns.items()}
    assert np.isfinite(prior.log_density(rounded)).all()


def test_histogram_of_tau_draws():
    """Counts in a narrow range of redshift give p(TSTART, TAU)."""
    prior = PRIORS["tau"]()
    z, unit = prior.draw(400_000, np.random.default_rng(9))
    values = prior.values(z, unit)
    some = np.abs(z - 2.0) < 0.5
    fraction = values["TSTART"] / age(z)
    inside = some & (fraction > 0.3) & (fraction < 0.5) & (values["TAU"] > 1) & (values["TAU"] < 3)
    at_z = float(age(2.0))
    # Integral over the box of the density, with the range of redshift over 7.5 left out.
    tau = quad(lambda x: np.exp(density("tau", TAU=x, TSTART=1.0) - COMMON) * at_z, 1, 3)[0]
    expected = some.sum() * 0.2 * tau
    assert inside.sum() == pytest.approx(expected, abs=5 * np.sqrt(expected))
