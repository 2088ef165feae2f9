import pickle
import shutil

import fakes
import numpy as np
import pytest

from pixsed.errors import PixsedError
from pixsed.fit.model import Model, load_model


def test_attributes(model, model_path):
    import hashlib

    assert model.name == "tau"
    assert model.bands[:2] == ["F435W", "F606W"]
    assert model.parameters[0] == "LOGMSTAR"
    assert model.base_dim == 6
    assert model.sfh == "tau"
    assert model.redshift_range == (0.0, 7.5)
    assert model.text("sps.imf", "sps.IMF") == "Kroupa"
    assert model.text("nothing.at.all") == "unknown"
    assert model.sha256 == hashlib.sha256(model_path.read_bytes()).hexdigest()


def test_sample(model):
    flux = np.full((3, 29), np.nan)
    flux[:, :4] = 100.0
    base = np.zeros((3, 7, 6))
    samples, flux_model = model.sample(flux, flux / 10, np.ones(3), np.zeros(3), base)
    assert samples.shape == (3, 7, 8)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples[..., 1], 10.0, rtol=1e-6)
    np.testing.assert_allclose(flux_model, 100.0, rtol=1e-6)


def test_a_model_without_predicted_fluxes(tmp_path):
    model = Model(fakes.fake_model(tmp_path / "m.onnx", flux_model=False, calibration=False))
    one = np.ones((1, 29))
    samples, flux_model = model.sample(one, one, np.ones(1), np.zeros(1), np.zeros((1, 2, 6)))
    assert flux_model is None
    assert np.isnan(model.score(one, one, flux_model, np.ones(1), np.ones(1))).all()


def test_files_that_are_not_models(tmp_path):
    with pytest.raises(PixsedError, match="cannot be read"):
        Model(tmp_path / "none.onnx")
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"not a model")
    with pytest.raises(PixsedError, match="not an ONNX model"):
        Model(junk)
    # A name of an output without its bytes, and a node that is no message.
    whole = fakes.fake_model(tmp_path / "q.onnx", quantiles=True).read_bytes()
    for place, byte in ((whole.rindex(b"\n\tquantiles"), 0x10), (whole.index(b"\n\x04flux"), 0x0F)):
        junk.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
        with pytest.raises(PixsedError, match="not an ONNX model"):
            Model(junk)
    with pytest.raises(PixsedError, match="no metadata"):
        Model(fakes.fake_model(tmp_path / "a.onnx", metadata=False))
    for other in (1, 3, None):
        with pytest.raises(PixsedError, match=f"format must be 2, got {other}; update pixsed, or"):
            Model(fakes.fake_model(tmp_path / "b.onnx", format=other))
    with pytest.raises(PixsedError, match="parameters of its metadata must be a list of different"):
        Model(fakes.fake_model(tmp_path / "c.onnx", parameters=["x"]))
    with pytest.raises(PixsedError, match="lack LOGMSTAR"):
        Model(fakes.fake_model(tmp_path / "d.onnx", parameters=[{"name": "AV"}]))


def test_load_model(model_path):
    model = load_model(model_path)
    assert isinstance(model, Model) and model.path == model_path
    assert load_model("tau").name == "tau" and load_model("tau").engines == ("flow", "quantile")
    with pytest.raises(PixsedError, match="no such file, and no such shipped model"):
        load_model("none")
    with pytest.raises(PixsedError, match="provider must be one of cpu, cuda"):
        load_model("tau", provider="tpu")


def test_quantiles(tmp_path):
    flux = np.full((3, 29), 100.0)
    inputs = flux, flux / 10, np.ones(3), np.zeros(3)
    model = Model(fakes.fake_model(tmp_path / "q.onnx", quantiles=True))
    found = model.quantiles(*inputs)
    assert found.shape == (3, len(model.quantile_properties), len(model.quantile_levels))
    assert found.dtype == np.float32 and np.all(np.diff(found, axis=2) > 0)
    np.testing.assert_allclose(found[..., 2], 10.0, rtol=1e-6)
    model = Model(fakes.fake_model(tmp_path / "f.onnx"))
    assert model.engines == ("flow",) and model.quantile_properties == []
    with pytest.raises(PixsedError, match="has no marginal quantiles; try --engine flow"):
        model.quantiles(*inputs)


def test_provider(model_path, monkeypatch):
    import onnxruntime

    assert Model(model_path, provider="cpu").provider == "CPUExecutionProvider"
    with pytest.raises(PixsedError, match="provider must be one of cpu, cuda, got 'tpu'"):
        Model(model_path, provider="tpu")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(PixsedError, match="pip install onnxruntime-gpu in place of onnxruntime"):
        Model(model_path, provider="cuda")


def test_sent_by_its_path(model_path, monkeypatch, tmp_path):
    path = shutil.copy(model_path, tmp_path / "sent.onnx")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    sent = pickle.dumps(Model("sent.onnx", threads=2))
    assert len(sent) < 1000
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = pickle.loads(sent)
    assert found.path == path and found.sha256 == Model(model_path).sha256
    path.unlink()
    with pytest.raises(PixsedError, match="cannot be read"):
        pickle.loads(sent)
