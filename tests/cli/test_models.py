import hashlib
import shutil

import click.testing
import fakes
import pytest

import pixsed.models
from pixsed.cli.models import command
from pixsed.errors import PixsedError
from pixsed.models import DEFAULT, card, check_shipped, resolve, shipped


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


def test_shipped_models_are_those_of_the_table():
    from pixsed.models import _SUMS, _folder

    lines = [line.split() for line in (_folder() / _SUMS).read_text().splitlines()]
    found = {name: hashlib.sha256((_folder() / name).read_bytes()).hexdigest() for _, name in lines}
    assert found == {name: digest for digest, name in lines}
    assert found.keys() == {path.name for path in _folder().glob("*.onnx")}


def test_a_shipped_model_that_was_changed(folder, monkeypatch):
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  tau.onnx\n")
    path = resolve("tau")
    with pytest.raises(PixsedError, match="not the model that pixsed ships .*install pixsed again"):
        check_shipped(path, "1" * 64)
    check_shipped(path, "0" * 64)
    check_shipped(folder / "mine.onnx", "1" * 64)
    check_shipped(folder.parent / "tau.onnx", "1" * 64)
    monkeypatch.setenv("PIXSED_NO_VERIFY", "1")
    check_shipped(path, "1" * 64)
