"""The key of --resume has every option that changes the data of maps, and no other."""

import dataclasses

import fakes
import pytest

from pixsed.cli.fit_options import Run
from pixsed.io.formats.cube import write_cube

FIELDS = {option.name: option.metadata["data"] for option in dataclasses.fields(Run)}
# Another value of each option, of the flow.
OTHER = dict(
    samples=64,
    quantiles=(0.1, 0.9),
    engine="quantile",
    provider="cuda",
    snr_min=4.0,
    error_floor=0.1,
    all_pixels=True,
    redshift=1.0,
    redshift_err=0.1,
    seed=7,
    id_col="a",
    z_col="b",
    zerr_col="c",
    errors=("ERR",),
    err_kinds=("sigma",),
    fills=("0",),
    units=("uJy",),
    rescale_errors=True,
    hdu="SCI",
)


def asked(**changes):
    values = dict.fromkeys(FIELDS) | dict(engine="flow", samples=128, seed=42, snr_min=5.0)
    return Run(**(values | changes))


def test_every_option_says_whether_it_changes_the_data():
    assert set(FIELDS.values()) == {True, False, "flow", "elsewhere"}
    assert {name for name, data in FIELDS.items() if data in (True, "flow")} == set(OTHER)


@pytest.mark.parametrize("name", FIELDS)
def test_the_key(name):
    before, after = asked().data_options, asked(**{name: OTHER.get(name, "other")}).data_options
    assert (before != after) == (FIELDS[name] in (True, "flow"))


def test_draws_do_not_count_without_draws():
    a, b = (asked(engine="quantile", seed=seed, samples=seed).data_options for seed in (1, 2))
    assert a == b


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return fakes.fake_model(tmp_path_factory.mktemp("m") / "m.onnx", quantiles=True)


# Options of a cube: whether a run with them is another.
CHANGES = [
    (["--samples", 30], True),
    (["--quantiles", "0.1,0.9"], True),
    (["--engine", "quantile"], True),
    (["--snr-min", 4], True),
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
