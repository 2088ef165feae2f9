# ruff: noqa: E402
"""Coordinates of the prior `broad`, compared with the simulations from which they are made."""

import numpy as np
import pytest
from synthetic_ssp import synthetic_ssp

torch = pytest.importorskip("torch", reason="the graph is made with torch")

from pixsed import cosmology
from pixsed.simulate.priors import PRIORS
from pixsed.simulate.table import Simulations
from pixsed.sps.sfh import Binned
from pixsed.train.network import broad
from pixsed.train.network.broad import BroadSpace, SurvivingByBin, surviving_by_bin

PRIOR = PRIORS["broad"]()


@pytest.fixture(scope="module")
def grids():
    """Two grids whose stars lose mass at different rates; the second is finer in [M/H]."""
    first, second = synthetic_ssp(), synthetic_ssp()
    second.living = second.living**1.3
    second.meta = second.meta | {"ZINTERP": "linear"}
    return first, second


@pytest.fixture(scope="module")
def simulations(grids):
    """2000 simulations without photometry, with exact surviving masses."""
    z, unit = PRIOR.draw(2000, np.random.default_rng(3))
    values, history = PRIOR.values(z, unit), PRIOR.history(z, unit)
    library = values["LIBRARY"]
    left = 0.0
    for grid, part in zip(grids, (1.0 - library, library), strict=True):
        metals = grid.metallicity_weights(values["METAL"])
        weights = history.weights(grid.age_edges)
        left = left + part * (metals * (weights @ grid.surviving.T)).sum(axis=1)
    columns = PRIOR.parameters(z, unit, history, left)
    return Simulations("broad", [], columns, unit, np.zeros((len(z), 0)), {})


@pytest.fixture(scope="module")
def space(simulations, grids):
    return BroadSpace.fit(simulations, grids, 1)


def decoded(space, coordinates, z):
    with torch.no_grad():
        found = space.decoded(
            torch.as_tensor(coordinates[:, None], dtype=torch.float32),
            torch.as_tensor(z[:, None], dtype=torch.float32),
        )
    return dict(zip(space.DECODED, found[:, 0].numpy().T, strict=True))


def test_coordinates_give_the_columns_back(space, simulations):
    own = space.coordinates(simulations)
    assert own.shape == (2000, 17) and np.isfinite(own).all() and space.dim == 18
    coordinates = np.column_stack([np.zeros(len(own)), own])
    columns = simulations.columns
    found = decoded(space, coordinates, columns["REDSHIFT"])
    assert set(found) == set(columns)
    tolerance = {"LOGMSTAR": 1e-3, "LOGSFR": 2e-3}
    for name, values in found.items():
        np.testing.assert_allclose(
            values, columns[name], atol=tolerance.get(name, 5e-5), err_msg=name
        )
    parameters = space.parameters(
        torch.as_tensor(coordinates[:, None], dtype=torch.float32),
        torch.as_tensor(columns["REDSHIFT"][:, None], dtype=torch.float32),
    )
    assert parameters.shape == (2000, 1, len(space.OUTPUTS))


@pytest.mark.parametrize("value", [-10.0, 10.0])
def test_no_coordinate_leaves_the_prior(space, value):
    z = np.array([0.0, 1e-3, 0.5, 3.0, 15.0])
    rng = np.random.default_rng(0)
    for signs in (np.ones(18), rng.choice([-1.0, 1.0], 18), rng.choice([-1.0, 1.0], 18)):
        found = decoded(space, np.tile(value * signs, (len(z), 1)), z)
        for one in PRIOR.COORDINATES:
            assert (found[one.name] >= one.low).all(), one.name
            assert (found[one.name] <= one.high).all(), one.name
        age = cosmology.age(z) * (1 + 1e-5)
        for name in ("AGE", "T50LB"):
            assert (found[name] > 0).all() and (found[name] <= age).all(), name
        specific = {name: found[name] - found["LOGMFORM"] for name in ("LOGSFR", "LOGSFR10")}
        assert (specific["LOGSFR"] >= -14 - 1e-5).all() and (specific["LOGSFR"] <= -8 + 1e-5).all()
        assert (specific["LOGSFR10"] >= -14 - 1e-5).all()
        assert (specific["LOGSFR10"] <= -7 + 1e-5).all()
        assert (found["LOGMSTAR"] < found["LOGMFORM"]).all()
        total = sum(found[name] for name in space.HISTORY)
        np.testing.assert_allclose(total, 1.0, atol=1e-6)


def test_surviving_mass_at_any_redshift_and_metallicity(grids):
    rng = np.random.default_rng(7)
    n = 3000
    z, metal, library = rng.uniform(0, 15, n), rng.uniform(-2.3, 0.4, n), rng.random(n)
    formed = rng.dirichlet(np.full(10, 0.3), n)
    at_z = cosmology.age(z)
    history = Binned(broad.bin_edges(at_z), formed, at_z)
    left = 0.0
    for grid, part in zip(grids, (1.0 - library, library), strict=True):
        by_age = grid.metallicity_weights(metal) @ grid.surviving
        left = left + part * (by_age * history.weights(grid.age_edges)).sum(axis=1)
    module = SurvivingByBin(surviving_by_bin(grids))
    found = module(*(torch.as_tensor(v, dtype=torch.float32) for v in (formed, metal, library, z)))
    assert np.abs(np.log10(found.numpy() / left)).max() < 1e-3


def test_one_grid_stands_for_both(grids):
    table = surviving_by_bin(grids[0])
    assert table.shape == surviving_by_bin(grids).shape and (table[:, :, 0] == table[:, :, 1]).all()


def test_redshift_of_a_probability(space):
    z = np.linspace(0.0, 15.0, 50)
    probability = torch.as_tensor(PRIOR.redshift_probability(z))
    np.testing.assert_allclose(space.redshift_from(probability).numpy(), z, atol=1e-12)


def test_description_restores_the_space(space, simulations):
    again = BroadSpace.from_description(space.describe())
    again.load_state_dict(space.state_dict())
    coordinates = np.random.default_rng(1).standard_normal((40, 18))
    z = simulations.columns["REDSHIFT"][:40]
    for a, b in zip(
        decoded(space, coordinates, z).values(),
        decoded(again, coordinates, z).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
