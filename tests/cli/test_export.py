import re
import sys
from pathlib import Path

import pytest

from pixsed.errors import PixsedError


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="export needs torch")


def test_export(model_file, few_bands):
    from pixsed.fit.model import Model

    model = Model(model_file)
    assert model.name == "small" and model.bands == few_bands
    said = (Path(model_file).parent / "said.txt").read_text()
    assert re.findall(r"^stage (\d of \d): (.*?)(?:,.*)?$", said, re.M) == [
        ("1 of 4", "calibration of OOD"),
        ("2 of 4", "conversion to ONNX"),
        ("3 of 4", "common fractions of the variance"),
        ("4 of 4", "comparison with torch"),
    ]
    assert len(re.findall(r": took \d+ s$", said, re.M)) == 4


@pytest.mark.parametrize(
    "given, output, name",
    [
        ((), "mine.onnx", "mine"),
        ((), "tau-z8.v2.onnx", "tau-z8.v2"),
        ((), "folder/other.onnx", "other"),
        (("--name", "called"), "mine.onnx", "called"),
        ((), "-", "tau"),
    ],
)
def test_name(given, output, name, torch, run_cli, checkpoint_file, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript", reason="export needs onnxscript")
    from pixsed.train import export

    names = []

    class Stop(Exception):
        pass

    def metadata(checkpoint, name):
        names.append(name)
        raise Stop

    monkeypatch.setattr(export, "metadata", metadata)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    result = run_cli("export", checkpoint_file, *given, "-o", output)
    assert isinstance(result.exception, Stop) and names == [name]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"meta": {"ATTENUAT": "smc"}}, "another kind .*ATTENUAT smc, not calzetti.; calibrate"),
        ({"meta": {"IGM": "madau95"}}, "another kind .*IGM madau95, not inoue14"),
        ({"prior": "dirichlet"}, "another kind .*prior dirichlet, not tau"),
    ],
)
def test_sims_of_another_kind(changes, message, torch, checkpoint_file, simulations_file, tmp_path):
    pytest.importorskip("onnxscript", reason="export needs onnxscript")
    from dataclasses import replace

    from pixsed.simulate.table import read_simulations
    from pixsed.train.checkpoint import read_checkpoint
    from pixsed.train.export import export

    sims = read_simulations(simulations_file)
    changes = {**changes, "meta": sims.meta | changes.get("meta", {})}
    with pytest.raises(PixsedError, match=message):
        export(
            read_checkpoint(checkpoint_file),
            tmp_path / "m.onnx",
            simulations=replace(sims, **changes),
        )


def test_overwrite(model_file, checkpoint_file, run_cli):
    result = run_cli("export", checkpoint_file, "-o", model_file)
    assert isinstance(result.exception, PixsedError) and "exists" in str(result.exception)


def test_no_checkpoint(torch, run_cli, run_pixsed, tmp_path):
    result = run_pixsed("export", tmp_path / "none.ckpt", "-o", tmp_path / "m.onnx")
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1
    assert "none.ckpt: no such file; make one with 'pixsed train'" in result.stderr


def test_another_file(torch, run_cli, tmp_path):
    other = tmp_path / "other.ckpt"
    other.write_text("SIMPLE = T")
    result = run_cli("export", other, "-o", tmp_path / "m.onnx")
    assert isinstance(result.exception, PixsedError)
    assert "other.ckpt is not a checkpoint of 'pixsed train'" in str(result.exception)
    assert not (tmp_path / "m.onnx").exists()


def test_sims_are_not_simulations(torch, run_cli, checkpoint_file, ssp_file, tmp_path):
    result = run_cli("export", checkpoint_file, "--sims", ssp_file, "-o", tmp_path / "m.onnx")
    assert "holds no simulations" in str(result.exception)


def test_without_torch(run_cli, tmp_path, monkeypatch):
    (tmp_path / "c.ckpt").write_text("not empty")
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [n for n in sys.modules if n.startswith("pixsed.train.")]:
        monkeypatch.delitem(sys.modules, name)
    result = run_cli("export", tmp_path / "c.ckpt", "-o", tmp_path / "m.onnx")
    assert isinstance(result.exception, PixsedError)
    assert "export needs torch, which is not installed" in str(result.exception)
