# ruff: noqa: E402
"""Coordinates of each space, compared with the simulations from which they are made."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the graph is made with torch")

from scipy.stats import kstest

from pixsed.cosmology import age
from pixsed.simulate.priors import PRIORS
from pixsed.simulate.table import Simulations
from pixsed.train.network.emulator import Emulator
from pixsed.train.network.physics import Surviving
from pixsed.train.network.spaces import SPACES, DirichletSpace, TauSpace


def made(n, prior, seed=0):
    """Simulations without photometry."""
    rng = np.random.default_rng(seed)
    prior = PRIORS[prior]()
    z, unit = prior.draw(n, rng)
    columns = prior.parameters(z, unit, prior.history(z, unit), np.full(n, 0.7))
    return Simulations(prior.NAME, [], columns, unit, np.zeros((n, 0)), {})


def parameters(space, sims):
    coordinates = np.column_stack([np.zeros(len(sims.unit)), space.coordinates(sims)])
    z = torch.as_tensor(sims.columns["REDSHIFT"], dtype=torch.float32)[:, None]
    with torch.no_grad():
        found = space.parameters(torch.as_tensor(coordinates[:, None], dtype=torch.float32), z)
    return dict(zip(space.OUTPUTS, found[:, 0].numpy().T, strict=True))


def test_outputs_are_columns_of_the_priors():
    for name, space in SPACES.items():
        columns = PRIORS[name].columns()
        assert set(PRIORS[name].PARAMETERS) <= set(space.OUTPUTS) <= set(columns)
        assert space.DECODED[: len(space.OUTPUTS)] == space.OUTPUTS
        assert set(space.DECODED) <= set(columns)
        assert space.ORDER[0] == "LOGMFORM"


def test_tau_coordinates_give_the_parameters_back():
    sims = made(3000, "tau")
    space = TauSpace(Surviving(np.zeros((2, 2, 2)), [-3.0, 1.0], [-2.0, 2.0], [-2.3, 0.4]))
    found = parameters(space, sims)
    np.testing.assert_allclose(found["TAU"], sims.columns["TAU"], rtol=1e-4)
    for name, tolerance in (
        ("LOGMFORM", 1e-4),
        ("AV", 1e-4),
        ("METAL", 1e-4),
        ("LOGSFR", 0.02),
        ("TSTART", 1e-4),
        ("REDSHIFT", 1e-5),
    ):
        # The difference of nearly equal times has few digits in float32.
        well = sims.unit[:, 4] < 0.999
        np.testing.assert_allclose(
            found[name][well], sims.columns[name][well], atol=tolerance, err_msg=name
        )


def test_dirichlet_coordinates_give_the_parameters_back():
    sims = made(2000, "dirichlet")
    emulator = Emulator(8, 1)
    emulator.width.fill_(1.0)
    found = parameters(DirichletSpace(emulator), sims)
    for name in ("LOGMFORM", "AV", "METAL", "LOGSFR", "T25", "T50", "T75", "AGE", "REDSHIFT"):
        np.testing.assert_allclose(found[name], sims.columns[name], atol=2e-4, err_msg=name)


@pytest.mark.parametrize("prior", SPACES)
def test_distribution_of_coordinates(prior):
    x = SPACES[prior].coordinates(made(5000, prior))
    assert x.shape == (5000, len(SPACES[prior].ORDER)) and np.isfinite(x).all()
    assert kstest(x[:, 0], "logistic").pvalue > 1e-3
    for name, column in zip(SPACES[prior].ORDER[1:], x.T[1:], strict=True):
        # Others are not coordinates of the prior.
        if name not in ("LOGSFR", "AGE", "T75", "T50", "T25") and not name.startswith("SFH"):
            assert kstest(column, "norm").pvalue > 1e-3, name


@pytest.mark.parametrize("prior", SPACES)
def test_targets(prior):
    sims = made(100, prior)
    space, c = SPACES[prior], sims.columns
    found = dict(zip(space.TARGETS, space.targets(c).T, strict=True))
    np.testing.assert_allclose(found["AGE_FRACTION"], c["AGE"] / age(c["REDSHIFT"]))
    if prior == "broad":
        np.testing.assert_allclose(found["T50LB_FRACTION"], c["T50LB"] / age(c["REDSHIFT"]))
    else:
        np.testing.assert_allclose(found["T50"], c["T50"])
    if prior == "tau":
        np.testing.assert_allclose(found["LOG_TAU"], np.log10(c["TAU"]))


def test_emulator_learns_and_can_be_loaded():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (20000, 3))
    y = np.stack([np.sin(2 * x[:, 0]) * x[:, 1], x[:, 2] ** 2], axis=1)
    emulator = Emulator.fit(x, y, seed=1, steps=1500)
    assert max(emulator.error) < 0.02
    again = Emulator(**emulator.describe())
    again.load_state_dict(emulator.state_dict())
    wild = torch.as_tensor(rng.uniform(-5, 5, (500, 3)), dtype=torch.float32)
    with torch.no_grad():
        assert torch.equal(again(wild), emulator(wild))
        # Outputs stay within the range of the training set.
        assert again(wild).min() >= y.min() - 1e-6 and again(wild).max() <= y.max() + 1e-6
