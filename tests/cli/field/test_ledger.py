"""Record of the steps of a field."""

import json
import os
import threading
from types import SimpleNamespace

import pytest

from pixsed.cli.field.ledger import NAME, Ledger
from pixsed.errors import PixsedError


def step(name):
    return SimpleNamespace(name=name, line=lambda: f"pixsed {name}")


def test_what_is_recorded(tmp_path):
    ledger = Ledger(tmp_path)
    assert ledger.command(step("fit")) is ledger.files(step("fit")) is None
    ledger.write(step("fit"), None)
    ledger.write(step("cutout"), ["1.fits"])
    for found in (ledger, Ledger(tmp_path)):
        assert found.command(step("fit")) == "pixsed fit" and found.files(step("fit")) is None
        assert found.files(step("cutout")) == ["1.fits"]
    assert os.listdir(tmp_path) == [NAME]


def test_two_runs_at_once_lose_no_entry(tmp_path, monkeypatch):
    """Both are to be between reading and writing at the same time."""
    pytest.importorskip("fcntl", reason="files are locked on POSIX systems alone")
    both = threading.Barrier(2)
    real = Ledger._read

    def read(self):
        found = real(self)
        try:
            both.wait(0.2)  # the other one must not come so far
        except threading.BrokenBarrierError:
            both.reset()
        return found

    ledgers = [Ledger(tmp_path), Ledger(tmp_path)]
    monkeypatch.setattr(Ledger, "_read", read)
    threads = [
        threading.Thread(target=ledger.write, args=(step(f"bkg F{number}"), []))
        for number, ledger in enumerate(ledgers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    steps = json.loads((tmp_path / NAME).read_text())["steps"]
    assert set(steps) == {"bkg F0", "bkg F1"}
    assert os.listdir(tmp_path) == [NAME]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"steps": {"fit": {}}}', "\xff"])
def test_a_damaged_record(tmp_path, text):
    (tmp_path / NAME).write_text(text, "latin-1")
    with pytest.raises(PixsedError, match="steps.json, the record of the steps, cannot be read"):
        Ledger(tmp_path)


def test_a_folder_that_cannot_be_written_to(tmp_path):
    ledger = Ledger(tmp_path / "none")
    with pytest.raises(PixsedError, match="none/steps.json: no such folder"):
        ledger.write(step("fit"), None)
