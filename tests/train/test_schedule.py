# ruff: noqa: E402
import pytest

pytest.importorskip("torch", reason="training needs torch")

from pixsed.train import schedule
from pixsed.train.schedule import ENCODER_RATE, Schedule


@pytest.fixture
def clock(monkeypatch):
    """Settable clock, in seconds."""
    now = [100.0]
    monkeypatch.setattr(schedule.time, "monotonic", lambda: now[0])
    return now


def test_by_epochs():
    plan = Schedule(12)
    assert plan.ends == [4, 12]
    assert [plan.begin_epoch(epoch) for epoch in (0, 3, 4, 11)] == [False, False, True, True]
    assert plan.progress(3, 1.0) == 1.0 and plan.progress(4, 0.0) == 0.0
    assert plan.progress(7, 0.5) == pytest.approx(3.5 / 8)
    assert not plan.is_over(11) and plan.is_over(12)
    assert Schedule(12, 0.0).begin_epoch(0)


def test_by_the_clock(clock):
    plan = Schedule(24, 0.25, minutes=2, since=90.0)
    assert not plan.begin_epoch(0)
    assert plan.progress(0, 0.9) == pytest.approx(10 / 30)
    clock[0] = 125.0
    assert plan.progress(0, 1.0) > 1  # the time of the stage is over
    plan.end_epoch([{"held_out": 1.0}])
    assert plan.begin_epoch(1) and plan.ends[0] == 1 and plan.first_epoch(1) == 1
    assert plan.progress(1, 0.3) == pytest.approx(0.0)
    clock[0] = 167.5
    assert plan.progress(1, 0.9) == pytest.approx(0.5)
    plan.end_epoch([{"held_out": 1.0}] * 2)
    assert not plan.is_over(2)
    clock[0] = 210.0
    plan.end_epoch([{"held_out": 1.0}] * 3)
    assert plan.is_over(3) and plan.ends == [1, 3]


def test_rates():
    def rates(*of):
        return Schedule(2).rates(1e-3, *of)

    assert rates(499, 0.0, False) == pytest.approx([1e-3, 1e-3], rel=0.01)
    assert rates(249, 0.0, False) == pytest.approx([5e-4, 5e-4], rel=0.01)
    assert rates(5000, 0.5, True) == pytest.approx([ENCODER_RATE * 5e-4, 5e-4], rel=0.01)
    assert max(rates(9000, 1.2, True)) < 2e-6


def test_patience_ends_a_stage():
    def after(losses, ends, patience=2):
        plan = Schedule(20, patience=patience)
        plan.ends = ends
        plan.end_epoch([{"held_out": loss} for loss in losses])
        return plan.ends

    assert after([3, 2, 2.5, 2.4], [8, 20]) == [4, 16]  # the flow keeps its number of epochs
    assert after([3, 2, 2.5, 1.9], [8, 20]) == [8, 20]
    assert after([3, 2, 9, 8, 8.5, 8.6], [2, 20]) == [2, 6]
    assert after([3, 2, 9, 8, 8.5, 7], [2, 20]) == [2, 20]
    assert after([3, 4, 5, 6], [8, 20], None) == [8, 20]
