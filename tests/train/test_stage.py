"""Clock of a final stage."""

import pytest

from pixsed.train import stage as module
from pixsed.train.stage import Stage, Stages


@pytest.fixture
def clock(monkeypatch):
    """Seconds of a clock that stands still unless it is set."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_without_a_limit_the_steps_alone_count(clock):
    stage = Stage("s")
    for step in range(10):
        clock[0] += 1000.0
        assert stage.progress(step, 10) == step / 10
    assert not stage.spent(0.0) and stage.elapsed == 10_000.0


def test_by_the_clock(clock):
    stage = Stage("s", seconds=100.0)
    clock[0] += 40.0  # of preparation
    assert stage.spent(0.4) and not stage.spent(0.5)
    assert stage.progress(0, 1000) == 0.0
    clock[0] += 30.0
    assert stage.progress(1, 1000) == 0.5
    assert stage.progress(900, 1000) == 0.9  # done before the time is over
    clock[0] += 30.0
    assert stage.progress(2, 1000) == 1.0


def test_no_time_at_all(clock):
    stage = Stage("s", seconds=0.0)
    assert stage.progress(0, 1000) == 1.0 and stage.spent(1.0)


def test_the_estimate_is_said_once(clock):
    said = []
    stage = Stage("decoder", report=said.append)
    for step in range(50):
        stage.progress(step, 100)
        clock[0] += 2.0
    assert said == ["decoder: about 160 s left"]


def test_stages_are_announced(clock):
    said = []
    stages = Stages(2, said.append)
    with stages.next("conversion, which takes a minute"):
        clock[0] += 61.0
    with stages.next("comparison") as stage:
        clock[0] += 2.0
        assert stage.elapsed == 2.0
    assert said == [
        "stage 1 of 2: conversion, which takes a minute",
        "conversion: took 61 s",
        "stage 2 of 2: comparison",
        "comparison: took 2 s",
    ]


def test_stages_share_the_time_that_is_left(clock):
    stages, shares = Stages(3, until=clock[0] + 90.0), []
    for seconds in (10.0, 100.0, 0.0):
        with stages.next("one") as stage:
            shares.append(stage._seconds)
            clock[0] += seconds
    assert shares == [30.0, 40.0, 0.0]
