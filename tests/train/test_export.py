# ruff: noqa: E402
import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="export needs torch")
pytest.importorskip("onnx", reason="export needs onnx")
pytest.importorskip("onnxscript", reason="export needs onnxscript")

from pixsed import __version__
from pixsed.errors import PixsedError
from pixsed.simulate.table import read_simulations
from pixsed.train import export as module
from pixsed.train.checkpoint import load_network
from pixsed.train.export import INPUTS, LARGEST, TOLERANCE, WithQuantiles, compare, export
from pixsed.train.network.base_decoder import DRAWS
from pixsed.train.network.quantiles import load_marginals
from pixsed.train.network.spaces import TauSpace

DIM, OUTPUTS = 6, TauSpace.OUTPUTS


@pytest.fixture(scope="module")
def checkpoint(checkpoint_file):
    return torch.load(checkpoint_file, weights_only=True)


def pixels(n, s, seed=0):
    rng = np.random.default_rng(seed)
    flux = (10 ** rng.uniform(-1, 3, (n, 1)) * rng.uniform(0.3, 3, (n, 9))).astype(np.float32)
    err = (0.05 * flux + 0.1).astype(np.float32)
    flux[rng.random(flux.shape) < 0.3] = np.nan
    z = rng.uniform(0.02, 7.4, n).astype(np.float32)
    z_err = np.where(rng.random(n) < 0.5, 0, 0.05 * (1 + z)).astype(np.float32)
    return flux, err, z, z_err, rng.standard_normal((n, s, DIM)).astype(np.float32)


def test_agrees_with_torch(model_file, checkpoint):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(model_file, providers=["CPUExecutionProvider"])
    net = load_network(checkpoint)
    whole = WithQuantiles(net, [load_marginals(checkpoint, net)])
    most, largest = compare(whole, model_file)
    assert most <= TOLERANCE == 1e-4 and largest <= LARGEST == 1e-2
    # Any number of pixels and samples.
    for n, s in ((1, 1), (1, 40), (33, 1), (20, 30)):
        inputs = pixels(n, s, seed=n)
        feed = dict(zip(INPUTS, inputs, strict=True))
        found, predicted = session.run(["samples", "flux_model"], feed)
        with torch.no_grad():
            expected = [v.numpy() for v in net(*(torch.from_numpy(v) for v in inputs))]
        assert found.shape == (n, s, len(OUTPUTS)) and predicted.shape == (n, 9)
        off = np.abs(found - expected[0]) / np.maximum(1, np.abs(expected[0]))
        assert np.quantile(off, 0.999) <= 1e-4 and off.max() <= 1e-2
        np.testing.assert_allclose(predicted, expected[1], rtol=1e-3)


def test_the_exporter_says_nothing_of_torchvision(monkeypatch):
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    assert logger.isEnabledFor(logging.WARNING)

    def fail(*args, **options):
        assert not logger.isEnabledFor(logging.WARNING)
        raise KeyError

    monkeypatch.setattr(module, "_example", lambda *args: ())
    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(KeyError):
        module._as_onnx(None, {})
    assert logger.isEnabledFor(logging.WARNING)


def test_runs_with_onnxruntime_and_numpy_alone(model_file, tmp_path):
    np.savez(tmp_path / "in.npz", **dict(zip(INPUTS, pixels(12, 9), strict=True)))
    code = """
import sys
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
samples, flux_model = session.run(["samples", "flux_model"], dict(np.load(sys.argv[2])))
assert samples.shape == (12, 9, 8) and np.isfinite(samples).all(), samples.shape
assert np.isfinite(flux_model).all()
assert not {"torch", "pixsed", "onnx"} & set(sys.modules)
print(len(session.get_modelmeta().custom_metadata_map["pixsed"]))
"""
    result = subprocess.run(
        [sys.executable, "-c", code, model_file, str(tmp_path / "in.npz")],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 500


def test_metadata(model_file, few_bands):
    onnx = pytest.importorskip("onnx")
    proto = onnx.load(model_file)
    description = json.loads({p.key: p.value for p in proto.metadata_props}["pixsed"])
    assert description["format"] == 2 and description["name"] == "small"
    assert description["pixsed_version"] == __version__
    assert description["bands"] == few_bands and description["base_dim"] == 6
    assert [p["name"] for p in description["parameters"]] == list(OUTPUTS)
    assert {p["name"]: p["unit"] for p in description["parameters"]}["TAU"] == "Gyr"
    assert description["cosmology"] == "FlatLambdaCDM(H0=70, Om0=0.3)"
    assert description["prior"]["log_ssfr_floor"] == -14 and description["prior"]["redshift"] == [
        0,
        7.5,
    ]
    bounds = {c["name"]: (c["low"], c["high"]) for c in description["prior"]["coordinates"]}
    assert bounds == {
        "LOGMFORM": (4, 12),
        "AV": (0, 4),
        "METAL": (-2.3, 0.4),
        "TAU": (-2, 2),
        "TSTART": (0, 1),
    }
    over = [c["name"] for c in description["prior"]["coordinates"] if c["over_age_at_z"]]
    assert over == ["TSTART"]
    assert description["sps"]["IMF"] == "none" and description["noise"]["name"] == "depth"
    assert description["redshift_err_max"] == 0.5


def test_file_contains_no_local_path(model_file):
    content = Path(model_file).read_bytes()
    assert b"site-packages" not in content and b".py" not in content
    assert str(Path(module.__file__).parent).encode() not in content


def test_calibration_of_the_score(model_file):
    onnx = pytest.importorskip("onnx")
    proto = onnx.load(model_file)
    table = json.loads({p.key: p.value for p in proto.metadata_props}["pixsed"])["calibration"]
    table = table["score"]
    assert len(table["nbands"]) >= 2 and np.all(np.diff(table["nbands"]) > 0)
    assert len(table["snr"]) >= 5 and np.all(np.diff(table["snr"]) > 0)
    assert np.all(np.diff(table["probability"]) < 0)
    value = np.array(table["value"])
    assert value.shape == tuple(
        len(table[k]) for k in ("redshift_err", "nbands", "snr", "probability")
    )
    assert np.all(np.diff(value) >= 0)


def test_a_band_that_is_off_lowers_the_score(model_file, checkpoint, simulations_file):
    from pixsed.fit.draws import base_normals
    from pixsed.fit.model import Model

    model, sims = Model(model_file), read_simulations(simulations_file)
    assert model.metadata["flux_model"]["draws"] == DRAWS
    assert model.metadata["flux_model"]["error"] == load_network(checkpoint).decoder.error
    bright = np.flatnonzero((sims.flux.min(axis=1) > 1) & (sims.columns["REDSHIFT"] < 3))[:200]
    rng = np.random.default_rng(0)
    flux = sims.flux[bright] * (1 + 0.02 * rng.standard_normal((len(bright), 9)))
    err, z = 0.02 * flux, sims.columns["REDSHIFT"][bright]
    base = base_normals(0, 0 * bright, bright, 64, DIM)

    def score(flux, err):
        predicted = model.sample(flux, err, z, 0 * z, base)[1]
        return model.score(flux, err, predicted, z, 0 * z)

    chi2, ood = score(flux, err)
    off = np.where(np.arange(9) == 5, 10**0.4, 1.0)
    chi2_off, ood_off = score(flux * off, err * off)
    assert np.mean(chi2_off > chi2) > 0.8
    assert np.median(ood_off) < 0.5 * np.median(ood)


def test_pixsed_reads_it(model_file, few_bands):
    from pixsed.fit.model import Model

    model = Model(model_file)
    assert model.bands == few_bands and list(model.parameters) == list(OUTPUTS)


def test_quantiles_in_the_graph(model_file, checkpoint):
    from pixsed.fit.model import Model

    model = Model(model_file)
    assert model.engines == ("flow", "quantile")
    seen = pixels(40, 1, seed=3)[:4]
    found = model.quantiles(*seen)
    assert found.shape == (40, 11, 9) and np.all(np.diff(found, axis=2) >= 0)
    head = load_marginals(checkpoint, load_network(checkpoint))
    with torch.no_grad():
        expected = head(*(torch.from_numpy(v) for v in seen)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    # The weights of the encoder are stored once for both precisions, its matrices in float16.
    onnx = pytest.importorskip("onnx")
    kept = onnx.load(model_file).graph.initializer
    large = [t.raw_data for t in kept if len(t.raw_data) > 4096]
    assert len(set(large)) == len(large)
    first = checkpoint["average"]["encoder.trunk.first.weight"]
    assert tuple(first.shape) in {
        tuple(t.dims) for t in kept if t.data_type == onnx.TensorProto.FLOAT16
    }


@pytest.mark.parametrize("engine", ["flow", "quantile"])
def test_a_pixel_gets_the_same_bytes_in_any_batch(model_file, engine):
    from pixsed.fit.model import Model
    from pixsed.fit.options import FitOptions
    from pixsed.fit.posterior import Rows, summarise

    model = Model(model_file)
    seen = Rows(*pixels(300, 1, seed=4)[:4], *np.random.default_rng(1).integers(0, 500, (2, 300)))
    options = FitOptions(samples=32, seed=1, engine=engine)

    def fit(rows, jobs=1):
        return summarise(model, seen[rows], options, jobs=jobs, pixel_area=0.0009)

    whole = fit(np.arange(300), jobs=2)
    for rows in (np.arange(300)[::-1], np.arange(7, 90, 3), np.array([123])):
        part = fit(rows)
        for key in whole:
            np.testing.assert_array_equal(part[key], whole[key][rows], err_msg=key)


def test_one_file(model_file):
    folder = Path(model_file).parent
    names = {p.name for p in folder.iterdir()} - {"said.txt"}  # of the fixture
    assert names == {"small.onnx"}


def test_other_bands_are_refused(checkpoint, simulations_file, tmp_path):
    sims = read_simulations(simulations_file)
    sims.bands = sims.bands[::-1]
    with pytest.raises(PixsedError, match="other bands than the checkpoint"):
        export(checkpoint, tmp_path / "m.onnx", simulations=sims)


@pytest.mark.slow
@pytest.mark.parametrize("found, allowed", [((0.5, 0.5), "0.0001"), ((1e-6, 0.5), "0.01")])
def test_nothing_is_written_if_results_differ(checkpoint, tmp_path, monkeypatch, found, allowed):
    monkeypatch.setattr(module, "compare", lambda *args: found)
    with pytest.raises(PixsedError, match=f"differ by 0.5, more than {allowed}; nothing was wr"):
        export(checkpoint, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
