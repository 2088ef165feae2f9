"""Damaged checkpoints, and checkpoints with another content, give one clear line."""

from pathlib import Path

import pytest

from pixsed.errors import PixsedError

torch = pytest.importorskip("torch", reason="training needs torch")


def refused(path, match):
    from pixsed.train.checkpoint import read_checkpoint

    with pytest.raises(PixsedError, match=match) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture
def content(checkpoint_file):
    return Path(checkpoint_file).read_bytes()


def test_damage(content, tmp_path):
    path = tmp_path / "m.ckpt"
    middle = len(content) // 2
    for changed in (
        content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        content[:middle] + bytes(3000) + content[middle + 3000 :],
        content + b"more",
    ):
        path.write_bytes(changed)
        refused(path, "m.ckpt is damaged: its sums do not verify; copy it again")
    for changed in (content[:middle], b"nothing", bytes(100)):
        path.write_bytes(changed)
        refused(path, r"m.ckpt is not a checkpoint of 'pixsed train' \(")


def test_torch_does_not_compare_the_sums(content, tmp_path):
    """The reason for own checks of them."""
    middle = len(content) // 2
    path = tmp_path / "m.ckpt"
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    torch.load(path, weights_only=True)


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("format", 4, "is not a checkpoint of this version of 'pixsed train'"),
        ("bands", 5, r"cannot be read as a checkpoint \(bands is not there, or of another type\)"),
        ("average", None, r"\(average is not there"),
        (
            "prior",
            "nothing",
            "no network supports the histories of the prior 'nothing'",
        ),
        ("history", [5], r"cannot be read as a checkpoint \(TypeError"),
        ("average", {}, r"cannot be read as a checkpoint \(RuntimeError: .*Missing key"),
        ("sizes", {"width": "x"}, r"cannot be read as a checkpoint \(KeyError: 'infer_redshift'"),
        ("training", {}, r"cannot be read as a checkpoint \(KeyError"),
        ("noise", {"name": "x", "y": 1}, r"cannot be read as a checkpoint \(TypeError: NoiseModel"),
        ("noise", {"name": "x", "form": "binned"}, r"cannot be read as a checkpoint \(KeyError"),
        ("filters", 5.0, r"cannot be read as a checkpoint \(TypeError: 'float' object is not"),
        ("filters", [5.0], "filters of its metadata must be a list of filters"),
        ("sps", {"tensor": torch.ones(2)}, r"cannot be read .* \(TypeError: Object of type Tensor"),
        ("quantiles", 5.0, r"cannot be read as a checkpoint \(TypeError: 'float' object is not"),
        ("quantiles", {"state": {}}, r"cannot be read as a checkpoint \(KeyError: 'first.bias'"),
        ("decoder", {"state": {}}, r"cannot be read as a checkpoint \(KeyError: 'sizes'"),
    ],
)
def test_another_content(checkpoint_file, tmp_path, key, value, match):
    saved = torch.load(checkpoint_file, weights_only=True)
    saved[key] = value
    torch.save(saved, tmp_path / "m.ckpt")
    refused(tmp_path / "m.ckpt", match)
