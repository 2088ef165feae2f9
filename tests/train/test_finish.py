# ruff: noqa: E402
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from pixsed.simulate.noise import from_description
from pixsed.simulate.table import read_simulations
from pixsed.train.finish import STAGES, finish


def test_what_a_checkpoint_lacks_is_added_and_what_it_has_is_kept(
    checkpoint_file, simulations_file
):
    saved = torch.load(checkpoint_file, weights_only=True)
    assert set(STAGES) <= saved.keys()  # training ends with all of them
    before = saved.pop("quantiles")
    kept = {key: saved[key] for key in STAGES if key in saved}
    told = []
    sims = read_simulations(simulations_file)
    finish(saved, sims, from_description(saved["noise"]), report=told.append)
    assert told == ["quantiles"]
    assert all(saved[key] is value for key, value in kept.items())
    assert saved["quantiles"]["properties"] == before["properties"]


def test_a_stage_is_fitted_anew_from_its_beginning(checkpoint_file, simulations_file):
    sims = read_simulations(simulations_file)
    states = []
    for times in (1, 2):
        saved = torch.load(checkpoint_file, weights_only=True)
        kept, told = saved["decoder"], []
        for _ in range(times):
            finish(
                saved,
                sims,
                from_description(saved["noise"]),
                seed=3,
                again=["recalibration"],
                report=told.append,
            )
        assert told == ["recalibration"] * times and saved["decoder"] is kept
        states.append(saved["recalibration"])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
