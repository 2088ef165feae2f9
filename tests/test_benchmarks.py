"""The scripts of tests/benchmarks and data, which CI does not run, load and use what exists."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
SCRIPTS = sorted(path.stem for path in (HERE / "benchmarks").glob("*.py"))


@pytest.fixture
def script(monkeypatch):
    """Return a function that imports a script by name; the test is skipped without its packages."""
    for folder in (HERE / "benchmarks", HERE.parent / "data"):
        monkeypatch.syspath_prepend(str(folder))

    def load(name):
        before = set(sys.modules)
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name in SCRIPTS or error.name.startswith("pixsed"):
                raise
            pytest.skip(f"needs {error.name}")
        finally:
            for added in {*SCRIPTS, name} & (set(sys.modules) - before):
                del sys.modules[added]

    return load


@pytest.mark.parametrize("name", SCRIPTS)
def test_loads(script, name):
    assert script(name).__doc__


@pytest.mark.parametrize("prior", ["tau", "dirichlet"])
def test_forward_model_of_nested_sampling(script, ssp_grid, prior):
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    forward = script("nested_sampling").Forward(prior, ssp_grid.at_log_u(-2.0))
    z, flux, err, snr = script("nested_sampling").pixels(forward, 3, 3.0, 30.0, seed=1)
    assert flux.shape == err.shape == (3, 19) and (np.diff(snr) > 0).all()
    z, unit = forward.prior.draw(4, np.random.default_rng(0))
    found = forward.columns(np.maximum(z, 0.01), unit)
    assert {"LOGMSTAR", "LOGSFR", "T50LB"} <= found.keys()
    assert all(np.isfinite(values).all() for values in found.values())


def test_populations_of_the_mock_field(script, ssp_grid):
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    from pixsed.sps.photometry import PhotometryModel

    field = script("make_mock_field")
    galaxy = field.GALAXIES[0]
    model = PhotometryModel(ssp_grid.at_log_u(-2.0), ["F200W", "F444W"], z_max=5.0)
    images, planes = field.populate(galaxy, galaxy.parts[0], model)
    assert images.shape == (2, *field.SHAPE) and (images.max(axis=(1, 2)) > 0).all()
    assert np.log10(planes["MFORM"].sum()) == pytest.approx(galaxy.parts[0].log_mass, abs=1e-3)
    assert 0 < planes["MSTAR"].sum() < planes["MFORM"].sum()


@pytest.mark.parametrize("name", ["tau", "broad"])
def test_single_precision_is_enough(script, name):
    """Draws and medians in float32 and float64 differ by less than 1e-3 of the width."""
    pytest.importorskip("onnx", reason="the graph is converted with onnx")
    rows = list(script("double_precision").differences(name, 40, 32))
    assert len(rows) >= 8
    for _, parameter, _, draws, _, _, _, medians in rows:
        assert draws < 1e-3 and medians < 1e-3, parameter


def test_rate_of_bagpipes(script, monkeypatch, tmp_path):
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    bench = script("bench_simulate")
    monkeypatch.setattr(bench, "BAGPIPES_MODELS", 3)
    found = bench.bagpipes(tmp_path)
    if str(found).endswith("is not installed"):
        pytest.skip(found)
    assert isinstance(found, float) and found > 0, found
