"""The key of --resume contains exactly the options that change the results."""

import dataclasses
import json

import fakes
import numpy as np
import pytest

from pixsed.errors import PixsedError
from pixsed.fit.options import ENGINES, ExecutionOptions, FitOptions
from pixsed.fit.record import fit_key
from pixsed.images.field_files import FieldFiles
from pixsed.io.formats.source import CubeSource
from pixsed.io.locate import Location

# Another value of each field.
OTHER = dict(
    samples=64,
    quantiles=(0.1, 0.9),
    engine="quantile",
    provider="cuda",
    snr_min=4.0,
    error_floor=0.1,
    zero_points=[("F115W", 0.1, 0.02)],
    seed=7,
    all_pixels=True,
    redshift=1.0,
    redshift_err=0.1,
    model_fluxes=True,
)
FIELDS = {option.name: option for option in dataclasses.fields(FitOptions)}


@pytest.fixture
def source():
    return CubeSource(fakes.make_cube())


# The quantile engine predicts no fluxes.
CASES = [(n, e) for n in FIELDS for e in ENGINES if (n, e) != ("model_fluxes", "quantile")]


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_a_field_is_in_the_key_if_it_changes_the_results(source, model, name, engine):
    """A new field fails here if it has no metadata, or no other value above."""
    options = FitOptions(engine=engine)
    changes = engine in FIELDS[name].metadata["changes_data"]
    value = OTHER[name] if name != "engine" else next(e for e in ENGINES if e != engine)
    other = dataclasses.replace(options, **{name: value})
    assert other != options
    assert (fit_key(source, model, other) != fit_key(source, model, options)) == changes


def test_draws_change_results_of_the_flow_only():
    metadata = {name: option.metadata["changes_data"] for name, option in FIELDS.items()}
    drawn = {name for name, engines in metadata.items() if engines == ("flow",)}
    assert drawn == {"samples", "seed", "model_fluxes"}
    assert all(metadata[name] == ENGINES for name in FIELDS if name not in drawn)


def test_model_and_pixels_are_in_the_key(source, model, tmp_path):
    from pixsed.fit.model import Model

    options = FitOptions()
    key = fit_key(source, model, options)
    other = Model(fakes.fake_model(tmp_path / "m.onnx", name="other"))
    assert fit_key(source, other, options) != key
    for changes in (dict(redshift=3.0), dict(all_pixels=True), dict(redshift_err=0.1)):
        assert fit_key(CubeSource(fakes.make_cube(), **changes), model, options) != key
    cube = fakes.make_cube()
    assert fit_key(CubeSource(cube), model, options) == key
    cube.err[2, 9, 9] *= 2
    assert fit_key(CubeSource(cube), model, options) != key


FILES = FieldFiles(images=(Location("a.fits"),), errors=(None,), units=(None,))
# Fields that are in the key through the hashes of files or through FitOptions.
ELSEWHERE = {
    "images",
    "segmap",
    "redshift_map",
    "catalog",
    "redshift",
    "redshift_err",
    "all_pixels",
}


@pytest.mark.parametrize("name", [item.name for item in dataclasses.fields(FieldFiles)])
def test_how_mosaics_are_read_is_in_the_key(name):
    other = dataclasses.replace(FILES, **{name: True})
    assert (other.key != FILES.key) == (name not in ELSEWHERE)


@pytest.mark.parametrize(
    "values, message",
    [
        (dict(samples=1), "samples must be between 2 and 20000, got 1"),
        (dict(error_floor=-0.1), "error_floor must be between 0 and 1, got -0.1"),
        (dict(error_floor=1.5), "error_floor must be between 0 and 1, got 1.5"),
        (dict(error_floor=float("nan")), "error_floor must be between 0 and 1, got nan"),
        (dict(seed=-1), "seed must be between 0 and .*, got -1"),
        (
            dict(model_fluxes=True, engine="quantile"),
            "model_fluxes goes with engine 'flow', got 'quantile', which predicts no fluxes",
        ),
    ],
)
def test_values_out_of_range(values, message):
    with pytest.raises(PixsedError, match=message):
        FitOptions(**values)


@pytest.mark.parametrize("engine", ENGINES)
def test_numbers_of_numpy_are_those_of_python(source, model, engine):
    options = FitOptions(
        samples=np.int64(8),
        quantiles=np.array([0.1, 0.9], np.float32),
        engine=engine,
        snr_min=np.float32(5),
        error_floor=np.float64(0.25),
        seed=np.int32(3),
        all_pixels=np.bool_(True),
        redshift=np.float32(2),
        redshift_err=np.array(0.5),
    )
    json.dumps(fit_key(source, model, options))
    same = dataclasses.replace(
        options, samples=8, snr_min=5.0, error_floor=0.25, seed=3, redshift=2.0, redshift_err=0.5
    )
    assert options == same and options.all_pixels is True and type(options.redshift) is float


def test_values_are_checked():
    assert FitOptions(quantiles=[0.84, 0.5, 0.16]) == FitOptions(quantiles=(0.16, 0.84))
    with pytest.raises(PixsedError, match="engine must be one of flow, quantile, got 'grid'"):
        FitOptions(engine="grid")
    with pytest.raises(PixsedError, match="quantiles must be between 0 and 1, got 2"):
        FitOptions(quantiles=(2,))
    with pytest.raises(dataclasses.FrozenInstanceError):
        FitOptions().seed = 1


def test_defaults_fill_what_is_not_given():
    options = FitOptions(samples=10).with_defaults(samples=128, snr_min=5.0)
    assert (options.samples, options.snr_min) == (10, 5.0)
    assert FitOptions(snr_min=0.0).with_defaults(snr_min=5.0).snr_min == 0.0
    assert ExecutionOptions().jobs == 1
