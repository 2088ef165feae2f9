"""Common fractions in the metadata of a model."""

from types import SimpleNamespace

import fakes
import numpy as np
import pytest

from pixsed.bands import BY_NAME, PAPER_BANDS
from pixsed.errors import PixsedError
from pixsed.fit.model import Model


def test_a_file_gets_its_table(tmp_path, monkeypatch):
    common = pytest.importorskip("pixsed.train.common")
    rng = np.random.default_rng(1)
    depth = np.array([BY_NAME[band].depth for band in PAPER_BANDS])
    simulations = SimpleNamespace(
        bands=list(PAPER_BANDS),
        flux=10 * depth * rng.uniform(0.5, 2, (300, 1)),
        columns={"REDSHIFT": rng.uniform(0.2, 7, 300)},
    )
    monkeypatch.setattr(common, "read_simulations", lambda path, rows: simulations)
    old = Model(fakes.fake_model(tmp_path / "old.onnx"))
    common.add_common_to_file(old.path, "sims.fits", tmp_path / "new.onnx")
    new = Model(tmp_path / "new.onnx")
    table = new.metadata["calibration"].pop("common")
    assert len(table["snr"]) == len(table["LOGMSTAR"]) == len(table["LOGSFR"]) > 2
    assert all(0 <= f <= 1 for f in table["LOGMSTAR"] + table["LOGSFR"])
    assert new.metadata == old.metadata
    with pytest.raises(PixsedError, match="exists"):
        common.add_common_to_file(old.path, "sims.fits", tmp_path / "new.onnx")
