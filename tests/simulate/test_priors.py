import numpy as np
import pytest
from scipy.stats import kstest

from pixsed.cosmology import age
from pixsed.simulate.priors import PRIORS, TauPrior

N = 20000


@pytest.fixture(scope="module")
def drawn():
    prior = TauPrior()
    z, unit = prior.draw(N, np.random.default_rng(1))
    history = prior.history(z, unit)
    return prior.parameters(z, unit, history, np.full(N, 0.6)) | {"unit": unit, "history": history}


@pytest.mark.parametrize(
    "name, low, high",
    [("LOGMFORM", 4, 12), ("AV", 0, 4), ("METAL", -2.3, 0.4), ("REDSHIFT", 0, 7.5)],
)
def test_uniform_in_the_papers_range(drawn, name, low, high):
    values = drawn[name]
    assert values.min() >= low and values.max() <= high
    assert kstest(values, "uniform", args=(low, high - low)).pvalue > 1e-3


def test_tau_is_log_uniform(drawn):
    assert kstest(np.log10(drawn["TAU"]), "uniform", args=(-2, 4)).pvalue > 1e-3
    assert drawn["TAU"].min() >= 0.01 and drawn["TAU"].max() <= 100


def test_start_is_uniform_up_to_the_age_of_the_universe(drawn):
    at_z = age(drawn["REDSHIFT"])
    assert np.all(drawn["TSTART"] > 0) and np.all(drawn["TSTART"] < at_z)
    assert kstest(drawn["TSTART"] / at_z, "uniform").pvalue > 1e-3


def test_coordinates_are_independent(drawn):
    columns = np.column_stack([drawn["unit"], drawn["REDSHIFT"]])
    correlation = np.corrcoef(columns.T) - np.eye(6)
    assert np.abs(correlation).max() < 5 / np.sqrt(N)


def test_parameters(drawn):
    np.testing.assert_allclose(drawn["LOGMSTAR"], drawn["LOGMFORM"] + np.log10(0.6))
    specific = drawn["LOGSFR"] - drawn["LOGMFORM"]
    assert specific.min() >= -14 - 1e-9 and specific.max() <= -8 + 1e-9
    assert np.all(drawn["AGE"] > 0) and np.all(drawn["AGE"] < age(drawn["REDSHIFT"]))


def test_coordinates_and_history_agree(drawn):
    """Tau and t_i of the history agree with the coordinates."""
    by_name = {c.name: i for i, c in enumerate(TauPrior.COORDINATES)}
    tau = TauPrior.COORDINATES[by_name["TAU"]]
    np.testing.assert_allclose(drawn["TAU"], tau.from_unit(drawn["unit"][:, by_name["TAU"]]))
    fraction = drawn["unit"][:, by_name["TSTART"]]
    np.testing.assert_allclose(drawn["TSTART"], fraction * age(drawn["REDSHIFT"]))
    assert list(TauPrior.PARAMETERS) == [k for k in drawn if k in TauPrior.PARAMETERS]


def test_known_priors():
    assert list(PRIORS) == ["tau", "dirichlet", "continuity", "powerlaw", "dpl", "broad"]
    assert PRIORS["tau"] is TauPrior and all(PRIORS[name].NAME == name for name in PRIORS)
