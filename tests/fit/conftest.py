"""Fixtures of the tests of inference: the fake model."""

import fakes
import pytest

from pixsed.fit.model import Model


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return fakes.fake_model(tmp_path_factory.mktemp("model") / "fake.onnx")


@pytest.fixture(scope="module")
def model(model_path):
    return Model(model_path)
