import numpy as np
import pytest

from pixsed.cosmology import age
from pixsed.simulate.priors import PRIORS
from pixsed.validate.bounds import outside

TAU = {
    "prior": {
        "redshift": [0.0, 7.5],
        "log_ssfr_floor": -14.0,
        "coordinates": [
            {"name": "LOGMFORM", "low": 4.0, "high": 12.0, "log10": False, "over_age_at_z": False},
            {"name": "AV", "low": 0.0, "high": 4.0, "log10": False, "over_age_at_z": False},
            {"name": "TAU", "low": -2.0, "high": 2.0, "log10": True, "over_age_at_z": False},
            {"name": "TSTART", "low": 0.0, "high": 1.0, "log10": False, "over_age_at_z": True},
            {"name": "T25", "distribution": "Stick"},
        ],
    }
}
Z = np.array([[2.0]])


def leaks(**draws):
    found = outside({k: np.array([v]) for k, v in draws.items()}, Z, TAU)
    return {name: np.flatnonzero(v[0]).tolist() for name, v in found.items()}


def test_each_bound():
    at_z = float(age(2.0))
    assert leaks(
        LOGMFORM=[4, 12, 3.99, 12.01],
        AV=[0, 4, -0.01, np.nan],
        TAU=[0.01, 100, 0.009, -1],
        TSTART=[0, at_z, at_z * 1.001, -0.01],
        AGE=[0, at_z, at_z * 1.001, np.inf],
        T50LB=[0, at_z, at_z + 0.01, -0.01],
        REDSHIFT=[0, 7.5, -0.01, 7.6],
    ) == dict.fromkeys("LOGMFORM AV TAU TSTART AGE T50LB REDSHIFT".split(), [2, 3])


def test_masses_and_rates():
    found = leaks(
        LOGMFORM=[8.0] * 4,
        LOGMSTAR=[7.9, 8, 8.1, 7.5],
        LOGSFR=[0, -6, 0.1, -6.1],
        LOGSFR10=[1, -6, 1.1, -6.1],
    )
    assert found == {"LOGMFORM": [], "LOGMSTAR": [2], "LOGSFR": [2, 3], "LOGSFR10": [2, 3]}


def test_times_in_order():
    found = leaks(T25=[0.1, 0.5, -0.1, 0.3], T50=[0.2, 0.4, 0.5, 0.3], T75=[0.3, 0.6, 1.1, 0.3])
    assert found == {"T25": [2], "T50": [1], "T75": [2]}


def test_a_bound_in_float32_is_inside():
    edges = np.array([0.01, 100.0, np.nextafter(np.float32(100), np.float32(200))], np.float32)
    assert leaks(TAU=edges)["TAU"] == []


@pytest.mark.parametrize("name", ["tau", "dirichlet"])
def test_the_prior_itself_is_inside(name):
    prior = PRIORS[name]()
    z, unit = prior.draw(2000, np.random.default_rng(0))
    history = prior.history(z, unit)
    columns = prior.parameters(z, unit, history, np.full(2000, 0.7))
    draws = {k: v[:, None].astype(np.float32) for k, v in columns.items()}
    for key, found in outside(draws, z[:, None], TAU).items():
        assert not found.any(), key
