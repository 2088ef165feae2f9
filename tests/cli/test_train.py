import sys

import pytest

from pixsed.errors import PixsedError


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="training needs torch")


def test_train(torch, run_cli, simulations_file, ssp_file, few_bands, tmp_path):
    path = tmp_path / "tau.ckpt"
    args = ["train", simulations_file, "--ssp", ssp_file, "--noise", "depth", "--epochs", 1,
            "--batch", 1024, "--jobs", 1, "-o", path]  # fmt: skip
    result = run_cli(*args)
    assert result.exit_code == 0, result.output
    assert "epoch 1: train" in result.stderr and "trained for 1 epochs" in result.stderr
    saved = torch.load(path, weights_only=True)
    assert saved["epoch"] == 1 and saved["bands"] == few_bands
    assert saved["noise"]["name"] == "depth"

    again = run_cli(*args)
    assert isinstance(again.exception, PixsedError) and "exists" in str(again.exception)

    args[args.index("--epochs") + 1] = 2
    resumed = run_cli(*args, "--resume", path, "--overwrite")
    assert resumed.exit_code == 0, resumed.output
    assert "epoch 2: train" in resumed.stderr and "epoch 1:" not in resumed.stderr
    assert torch.load(path, weights_only=True)["epoch"] == 2


def test_no_simulations(torch, run_cli, ssp_file, tmp_path):
    result = run_cli("train", ssp_file, "--ssp", ssp_file, "-o", tmp_path / "m.ckpt")
    assert isinstance(result.exception, PixsedError)
    assert "holds no simulations; make some with 'pixsed simulate'" in str(result.exception)


def test_no_grid(torch, run_cli, simulations_file, tmp_path):
    result = run_cli("train", simulations_file, "--ssp", simulations_file,
                     "-o", tmp_path / "m.ckpt")  # fmt: skip
    assert "is not an SSP grid" in str(result.exception)


def test_without_torch(run_cli, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [n for n in sys.modules if n.startswith("pixsed.train.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("pixsed.train.fit", raising=False)
    result = run_cli("train", "sims.fits", "--ssp", "g.fits", "-o", tmp_path / "m.ckpt")
    assert isinstance(result.exception, PixsedError)
    assert "training needs torch, which is not installed; try: pip install 'pixsed[train]'" in str(
        result.exception
    )
