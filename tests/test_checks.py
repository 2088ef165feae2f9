"""Arguments of the public functions: a wrong one is one clear error, and an input stays."""

import shutil
from pathlib import Path

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

import pixsed
from pixsed.checks import MAX_SAMPLES, check_number
from pixsed.cli.fit import command as fit_command
from pixsed.errors import PixsedError
from pixsed.io.formats.cube import write_cube

SKY = {"position": (10, 10), "size": 1, "redshift": 1.0}
WRONG = [
    ("FitOptions", {"samples": 1}, "samples must be between 2 and 20000, got 1"),
    ("FitOptions", {"samples": 2.5}, "samples must be a whole number"),
    ("FitOptions", {"samples": 10**9}, "samples must be between"),
    ("FitOptions", {"quantiles": 0.5}, "quantiles must be a sequence of numbers"),
    ("FitOptions", {"quantiles": "a"}, "quantiles must be a sequence of numbers"),
    ("FitOptions", {"seed": -1}, "seed must be between 0 and"),
    ("FitOptions", {"seed": 2**70}, "seed must be between 0 and"),
    ("FitOptions", {"seed": 1.5}, "seed must be a whole number"),
    ("FitOptions", {"error_floor": np.nan}, "error_floor must be between 0 and 1"),
    ("FitOptions", {"error_floor": "x"}, "error_floor must be a number"),
    ("FitOptions", {"snr_min": np.nan}, "snr_min must be a number"),
    ("FitOptions", {"provider": "tpu"}, "provider must be one of cpu, cuda"),
    ("FitOptions", {"redshift": "x"}, "redshift must be a number"),
    ("FitOptions", {"redshift_err": [1]}, "redshift_err must be a number"),
    ("BackgroundOptions", {"box": 2.5}, "box must be a whole number"),
    ("BackgroundOptions", {"dilate": -1}, "dilate must be between 0 and 10000"),
    ("BackgroundOptions", {"filter_size": 1001}, "filter_size must be between 1 and 999"),
    ("BackgroundOptions", {"sigma": 0}, "sigma must be above 0"),
    ("MatchOptions", {"alpha": 2}, "alpha must be between 0 and 1"),
    ("MatchOptions", {"psf_scale": -1 * u.arcsec}, "psf_scale must be between 0.0001 and 10"),
    ("MatchOptions", {"regularization": 0}, "regularization must be above 0"),
    ("MatchOptions", {"max_residual": -1}, "max_residual must be 0 or more"),
    ("CutoutOptions", SKY | {"size": 0}, "size must be above 0"),
    ("CutoutOptions", SKY | {"position": (1, 2, 3)}, "position must be a SkyCoord"),
    ("CutoutOptions", SKY | {"position": ("3:32", "-27")}, "position must be a SkyCoord"),
    ("CutoutOptions", SKY | {"position": (10, 100)}, "declination .* between -90 and 90"),
    ("CutoutOptions", SKY | {"pad": "x"}, "pad, if it is not 'full', must be a whole number"),
    ("CutoutOptions", SKY | {"ids": 2}, "ids must be a tuple"),
    ("CutoutOptions", SKY | {"redshift": 0}, "redshift must be above 0"),
]


@pytest.mark.parametrize(("name", "values", "message"), WRONG)
def test_wrong_options(name, values, message):
    with pytest.raises(PixsedError, match=message):
        getattr(pixsed, name)(**values)


def test_right_options():
    options = pixsed.FitOptions(samples=np.int64(3), redshift=np.float32(0.5))
    assert type(options.samples) is int and type(options.redshift) is float
    assert pixsed.CutoutOptions(**SKY | {"position": (10 * u.deg, 0.1 * u.rad)})
    assert pixsed.CutoutOptions(**SKY | {"position": SkyCoord(10, 10, unit="deg")})
    (samples,) = (option for option in fit_command.params if option.name == "samples")
    assert MAX_SAMPLES == samples.type.max == 20_000
    assert check_number("x", None) is None


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return fakes.fake_model(tmp_path_factory.mktemp("model") / "fake.onnx")


CALLS = [
    (lambda model: pixsed.fit_cube(np.zeros((3, 3)), model), "cube must be a path or a Cube"),
    (lambda model: pixsed.fit_cube(fakes.make_cube(), 3), "model must be a path or the name"),
    (lambda model: pixsed.fit_cube(fakes.make_cube(), model, jobs=0), "jobs must be 1 or more"),
    (lambda model: pixsed.fit_table(fakes.make_cube(), model), "table must be a path or a Table"),
    (lambda model: pixsed.fit_table(Table(), model, jobs=0), "jobs must be 1 or more"),
    (lambda model: pixsed.sum_mass([], model), "cubes must name at least one cube"),
    (lambda model: pixsed.sum_mass([3], model), "a cube must be a path or a Cube"),
    (lambda model: pixsed.load_model(None), "model must be a path or the name"),
    (lambda model: pixsed.subtract_background(np.zeros((9, 9))), "image must be a path"),
    (lambda model: pixsed.bin_cube("c.fits"), "cube must be a Cube, got str"),
    (lambda model: pixsed.bin_cube(fakes.make_cube(), bands=[]), "bands must be a list of one"),
    (lambda model: pixsed.bin_cube(fakes.make_cube(), bands="F200W"), "bands must be a list"),
]


@pytest.mark.parametrize(("call", "message"), CALLS)
def test_wrong_arguments(model, call, message):
    with pytest.raises(PixsedError, match=message) as found:
        call(model)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("kind", ["same", "link", "path", "model"])
@pytest.mark.parametrize("function", ["fit_cube", "fit_table", "sum_mass"])
def test_an_input_is_not_overwritten(tmp_path, model, function, kind):
    source = tmp_path / ("t.fits" if function == "fit_table" else "c.fits")
    if function == "fit_table":
        table = Table({"F200W": [1.0], "F200W_ERR": [0.1], "REDSHIFT": [1.0]})
        table["F200W"].unit = table["F200W_ERR"].unit = "nJy"
        table.write(source)
    else:
        write_cube(fakes.make_cube(), source)
    network = tmp_path / "m.fits"
    shutil.copy(model, network)
    before = source.read_bytes(), network.read_bytes()
    output = {"same": str(source), "path": Path(source), "model": network}.get(kind)
    if kind == "link":
        output = tmp_path / "link.fits"
        output.symlink_to(source)
    with pytest.raises(PixsedError, match="is an input too"):
        getattr(pixsed, function)(source, network, output=output, overwrite=True)
    assert (source.read_bytes(), network.read_bytes()) == before
