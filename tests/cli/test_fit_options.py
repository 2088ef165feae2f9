"""Options of `pixsed fit`: --resume accepts only options that give the same maps."""

import fakes
import pytest

from pixsed.cli.fit import command
from pixsed.cli.fit_options import KINDS_OF
from pixsed.fit.options import ExecutionOptions, FitOptions
from pixsed.io.formats.cube import write_cube


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return fakes.fake_model(tmp_path_factory.mktemp("m") / "m.onnx", quantiles=True)


# Options of a cube, and whether they change the maps.
CHANGES = [
    (["--samples", 30], True),
    (["--quantiles", "0.1,0.9"], True),
    (["--quantiles", "0.84,0.16"], False),
    (["--engine", "quantile"], True),
    (["--snr-min", 4], True),
    (["--snr-min", 5], False),
    (["--error-floor", 0.1], True),
    (["--all-pixels"], True),
    (["--redshift", 1], True),
    (["--redshift-err", 0.1], True),
    (["--seed", 7], True),
    (["--jobs", 2], False),
    (["--tile", 7], False),
    (["-q"], False),
    (["-v"], False),
    (["--provider", "cpu"], False),
]


@pytest.mark.parametrize(("options", "another"), CHANGES)
def test_resume(run_cli, model_path, tmp_path, options, another):
    write_cube(fakes.make_cube(), tmp_path / "c.fits")
    args = ("fit", tmp_path / "c.fits", "--model", model_path, "-o", tmp_path / "m.fits")
    assert run_cli(*args, "--samples", 20, "--jobs", 1).exit_code == 0
    if options[0] not in ("--samples", "--engine"):
        options = ["--samples", 20, *options]
    result = run_cli(*args, *options, "--resume")
    if not another:
        assert result.exit_code == 0
    else:
        assert result.exit_code == 1 and "add --overwrite" in str(result.exception)


def test_every_option_has_a_place():
    """An option of the command that no dataclass takes would be ignored."""
    names = {option.name for option in command.params} - {"verbose", "quiet", "no_verify", "log"}
    library = {*FitOptions.__dataclass_fields__, *ExecutionOptions.__dataclass_fields__}
    reading = {name for name, kinds in KINDS_OF.items() if "image" in kinds}
    assert names - library - reading == {"inputs", "model", "output"}
    assert library - names == {"command"}
