"""Curves of own filters, added to simulations that were read from a file."""

import numpy as np
import pytest

from pixsed.errors import PixsedError
from pixsed.simulate.table import Simulations
from pixsed.sps.own_filters import OwnFilter, read_own_filter
from pixsed.train.filter_curves import add_curves


@pytest.fixture
def made(tmp_path):
    """A filter with its curve, and simulations with its description alone."""
    path = tmp_path / "own.dat"
    wave = np.linspace(9000.0, 11000.0, 50)
    np.savetxt(path, np.column_stack([wave, np.exp(-0.5 * ((wave - 1e4) / 300.0) ** 2)]))
    given = read_own_filter("OWN_Y", str(path), 1.0)
    recorded = OwnFilter("OWN_Y", given.pivot_um, 2.5, given.source, given.digest)
    empty = np.zeros((0, 1))
    return given, Simulations("broad", ["OWN_Y"], {}, empty, empty, {}, [recorded])


def test_curve_is_added_and_the_depth_kept(made):
    given, simulations = made
    add_curves(simulations, [given])
    (found,) = simulations.filters
    assert found.curve is given.curve and found.depth == 2.5


def test_other_curves_and_names_are_errors(made):
    given, simulations = made
    other = OwnFilter("OWN_Y", 1.0, 1.0, "b.dat", "abc", given.curve)
    with pytest.raises(PixsedError, match="OWN_Y: the curve must be that of .* give the same file"):
        add_curves(simulations, [other])
    other = OwnFilter("OWN_Z", 1.0, 1.0, "b.dat", given.digest, given.curve)
    with pytest.raises(
        PixsedError, match="OWN_Z: the simulations have no such filter .* give only"
    ):
        add_curves(simulations, [other])


def test_broad_needs_the_curve(made):
    pytest.importorskip("torch", reason="training needs torch")
    from pixsed.train.network.decoders import check_decodable

    given, simulations = made
    with pytest.raises(PixsedError, match="needs the curve of OWN_Y; give --filter OWN_Y=FILE"):
        check_decodable(simulations, [object()])
    add_curves(simulations, [given])
    check_decodable(simulations, [object()])
