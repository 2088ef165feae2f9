# ruff: noqa: E402
import re
import time

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from pixsed.simulate.noise import from_description
from pixsed.simulate.table import read_simulations
from pixsed.train.final_stages import STAGES, add_final_stages


def test_missing_stages_are_added_and_others_kept(checkpoint_file, simulations_file):
    saved = torch.load(checkpoint_file, weights_only=True)
    assert set(STAGES) <= saved.keys()  # added by the training
    before = saved.pop("quantiles")
    kept = {key: saved[key] for key in STAGES if key in saved}
    reported = []
    sims = read_simulations(simulations_file)
    add_final_stages(saved, sims, from_description(saved["noise"]), report=reported.append)
    assert reported[0] == "stage 1 of 1: quantiles, after the training"
    assert re.fullmatch(r"quantiles: took \d+ s", reported[-1])
    assert all(saved[key] is value for key, value in kept.items())
    assert saved["quantiles"]["properties"] == before["properties"]


def test_repeated_stage_does_not_start_from_its_previous_result(checkpoint_file, simulations_file):
    sims = read_simulations(simulations_file)
    states = []
    for times in (1, 2):
        saved = torch.load(checkpoint_file, weights_only=True)
        kept, reported = saved["decoder"], []
        for _ in range(times):
            add_final_stages(
                saved,
                sims,
                from_description(saved["noise"]),
                seed=3,
                again=["recalibration"],
                report=reported.append,
            )
        begun = [text for text in reported if "stage 1 of 1" in text]
        assert begun == ["stage 1 of 1: recalibration, after the training"] * times
        assert saved["decoder"] is kept
        states.append(saved["recalibration"])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_stages_end_in_time(checkpoint_file, simulations_file):
    """Without a limit they take several seconds; without time, one step each."""
    sims = read_simulations(simulations_file)
    saved = torch.load(checkpoint_file, weights_only=True)
    noise = from_description(saved["noise"])
    steps = []
    for seconds in (3.0, -1.0):
        start = time.monotonic()
        add_final_stages(saved, sims, noise, again=STAGES, until=start + seconds)
        steps.append(saved["quantiles"]["rows"])
        assert time.monotonic() - start < max(seconds, 0.0) + 10.0
    assert steps[0] > steps[1] > 0
