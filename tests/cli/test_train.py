import sys

import pytest

from pixsed.errors import PixsedError


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="training needs torch")


def test_train(torch, run_cli, simulations_file, ssp_file, few_bands, tmp_path):
    path = tmp_path / "tau.ckpt"
    args = [
        "train",
        simulations_file,
        "--ssp",
        ssp_file,
        "--noise",
        "depth",
        "--epochs",
        1,
        "--batch",
        1024,
        "--jobs",
        1,
        "-o",
        path,
    ]
    result = run_cli(*args)
    assert result.exit_code == 0, result.output
    assert "epoch 1: train" in result.stderr and "trained for 1 epochs" in result.stderr
    saved = torch.load(path, weights_only=True)
    assert saved["epoch"] == 1 and saved["bands"] == few_bands
    assert saved["noise"]["name"] == "depth"

    again = run_cli(*args)
    assert isinstance(again.exception, PixsedError) and "exists" in str(again.exception)

    args[args.index("--epochs") + 1] = 2
    resumed = run_cli(*args, "--continue", path, "--overwrite")
    assert resumed.exit_code == 0, resumed.output
    assert "epoch 2: train" in resumed.stderr and "epoch 1:" not in resumed.stderr
    assert torch.load(path, weights_only=True)["epoch"] == 2


def test_resuming_what_is_done(
    torch, run_cli, simulations_file, ssp_file, checkpoint_file, tmp_path
):
    args = ["train", simulations_file, "--ssp", ssp_file, "--jobs", 1, "-o", tmp_path / "m.ckpt"]
    result = run_cli(*args, "--continue", checkpoint_file)
    assert isinstance(result.exception, PixsedError)
    assert "was trained with batch 256, not 1024; give the same" in str(result.exception)
    result = run_cli(*args, "--continue", simulations_file)
    assert "is not a checkpoint of 'pixsed train'" in str(result.exception)
    result = run_cli(*args, "--continue", tmp_path / "none.ckpt")
    assert "none.ckpt: no such file; make one with 'pixsed train'" in str(result.exception)
    assert not (tmp_path / "m.ckpt").exists()


def test_by_the_clock_alone(torch, run_cli, simulations_file, tmp_path):
    args = ["train", simulations_file, "--ssp", simulations_file, "--minutes", 1]
    for other in (["--epochs", 2], ["--patience", 2], ["--continue", "m.ckpt"]):
        result = run_cli(*args, *other, "-o", tmp_path / "m.ckpt")
        assert result.exit_code == 2 and "--minutes excludes" in result.output


def test_recalibrating(torch, run_cli, simulations_file, checkpoint_file, tmp_path):
    path = tmp_path / "m.ckpt"
    args = [
        "train",
        simulations_file,
        "--noise",
        "wide",
        "--recalibrate",
        "--jobs",
        1,
        "--seed",
        9,
        "-o",
        path,
    ]
    result = run_cli(*args, "--ssp", simulations_file)
    assert result.exit_code == 2
    assert "--recalibrate needs --finish; give the checkpoint with --finish." in result.output
    result = run_cli(*args, "--finish", checkpoint_file)
    assert result.exit_code == 0, result.output
    assert "recalibration" in result.stderr and "decoder" not in result.stderr
    old, new = (torch.load(f, weights_only=True)["recalibration"] for f in (checkpoint_file, path))
    assert not torch.equal(old["last.weight"], new["last.weight"])


@pytest.mark.parametrize(
    "number, bands, message",
    [
        (49, "F150W,F277W,F444W", "49 simulations are too few"),
        (60, "F150W,F444W", "3 bands or more"),
    ],
)
def test_too_little(torch, run_cli, ssp_file, simulations_file, tmp_path, number, bands, message):
    sims = tmp_path / "s.fits"
    run_cli(
        "simulate", "--ssp", ssp_file, "--prior", "tau", "-n", number, "--bands", bands, "-o", sims
    )
    result = run_cli("train", sims, "--ssp", ssp_file, "-o", tmp_path / "m.ckpt")
    assert isinstance(result.exception, PixsedError) and message in str(result.exception)


def test_no_simulations(torch, run_cli, ssp_file, tmp_path):
    result = run_cli("train", ssp_file, "--ssp", ssp_file, "-o", tmp_path / "m.ckpt")
    assert isinstance(result.exception, PixsedError)
    assert "holds no simulations; make some with 'pixsed simulate'" in str(result.exception)


def test_no_grid(torch, run_cli, simulations_file, tmp_path):
    result = run_cli(
        "train", simulations_file, "--ssp", simulations_file, "-o", tmp_path / "m.ckpt"
    )
    assert "is not an SSP grid" in str(result.exception)


def test_without_torch(run_cli, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [n for n in sys.modules if n.startswith("pixsed.train.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("pixsed.train.train", raising=False)
    result = run_cli("train", "sims.fits", "--ssp", "g.fits", "-o", tmp_path / "m.ckpt")
    assert isinstance(result.exception, PixsedError)
    message = (
        "training needs torch, which is not installed; try: pip install onnx onnxscript sbi torch"
    )
    assert message in str(result.exception)
