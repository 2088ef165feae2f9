import shutil

import click.testing
import fakes
import pytest

import pixsed.models
from pixsed.cli.models import command
from pixsed.errors import PixsedError
from pixsed.models import DEFAULT, card, resolve, shipped


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Replace the package data by one model with a card and one without."""
    model = fakes.fake_model(tmp_path / "tau.onnx")
    shutil.copy(model, tmp_path / "bare.onnx")
    (tmp_path / "tau.md").write_text("# tau\nA card.\n")
    monkeypatch.setattr(pixsed.models, "_folder", lambda: tmp_path)
    return tmp_path


def run(*args):
    return click.testing.CliRunner().invoke(command, args, catch_exceptions=False)


def test_list(folder):
    lines = run().stdout.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("tau: 29 bands F435W to F480M; LOGMSTAR LOGMFORM ")
    assert "IMF Kroupa" in lines[1]
    assert lines[1].endswith("MB")


def test_card(folder):
    assert run("tau").stdout == "# tau\nA card.\n"
    with pytest.raises(PixsedError, match="bare lacks its card bare.md"):
        card("bare")
    with pytest.raises(PixsedError, match=r"model x is not shipped \(shipped: bare, tau\)"):
        run("x")


def test_resolve(folder):
    assert resolve("tau") == folder / "tau.onnx"
    assert resolve(folder / "bare.onnx") == folder / "bare.onnx"
    with pytest.raises(PixsedError, match=r"no such shipped model \(shipped: bare, tau\)"):
        resolve("dirichlet")


def test_none_is_shipped(tmp_path, monkeypatch):
    monkeypatch.setattr(pixsed.models, "_folder", lambda: tmp_path)
    assert shipped() == {}
    assert "no model is shipped" in run().stderr
    with pytest.raises(PixsedError, match="shipped: none"):
        resolve("tau")


def test_models_of_the_package():
    found = shipped()
    assert {DEFAULT, "tau", "dirichlet"} <= found.keys()
    assert all(card(name).startswith("# ") for name in found)
