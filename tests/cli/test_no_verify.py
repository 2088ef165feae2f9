"""Commands refuse damaged files, and read them with --no-verify."""

import fakes
import numpy as np
import pytest
from astropy.io import fits

from pixsed.io.formats.cube import write_cube


@pytest.fixture
def damaged(tmp_path):
    """A cube in which a bit of a flux is flipped, and a model."""
    write_cube(fakes.make_cube(), tmp_path / "cube.fits")
    with fits.open(tmp_path / "cube.fits") as hdulist:
        at = hdulist[1].fileinfo()["datLoc"]
    content = bytearray((tmp_path / "cube.fits").read_bytes())
    content[at + 3] ^= 1
    (tmp_path / "cube.fits").write_bytes(content)
    return tmp_path / "cube.fits", fakes.fake_model(tmp_path / "model.onnx")


@pytest.mark.parametrize("command", ["fit", "sum-mass", "noise --bins 1", "bin", "profile"])
def test_a_damaged_cube(damaged, run_cli, command):
    cube, model = damaged
    given = [] if command.split()[0] in ("noise", "bin") else ["--model", model, "--samples", 8]
    arguments = (*command.split(), cube, *given, "-q", "-o", cube.parent / "out.fits")
    result = run_cli(*arguments)
    assert result.exit_code == 1
    said = f"{result.exception}\n{result.stderr}"
    assert "DATASUM and CHECKSUM of HDU 1" in said
    assert not (cube.parent / "out.fits").exists()
    assert run_cli(*arguments, "--no-verify").exit_code == 0
    assert (cube.parent / "out.fits").exists()
    assert run_cli(*arguments, "--overwrite").exit_code == 1


def test_damaged_parts_are_not_merged(damaged, run_cli, tmp_path):
    cube, model = damaged
    write_cube(fakes.make_cube(), cube, overwrite=True)
    for part in (1, 2):
        common = ("fit", cube, "--model", model, "--snr-min", 0, "-q")
        result = run_cli(*common, "--part", f"{part}/2", "-o", tmp_path / f"{part}.fits")
        assert result.exit_code == 0, result.stderr
    with fits.open(tmp_path / "2.fits") as hdulist:
        at = hdulist[3].fileinfo()["datLoc"]
        assert np.isfinite(hdulist[3].data).any()
    content = bytearray((tmp_path / "2.fits").read_bytes())
    content[at + 2] ^= 8
    (tmp_path / "2.fits").write_bytes(content)
    result = run_cli("merge", tmp_path / "1.fits", tmp_path / "2.fits", "-o", tmp_path / "m.fits")
    assert result.exit_code == 1 and "does not verify" in str(result.exception)
    assert not (tmp_path / "m.fits").exists()
