import numpy as np
import pytest

from pixsed.errors import PixsedError
from pixsed.infer.ood import chi_square, survival

TABLE = {"nbands": [4, 10], "probability": [1.0, 0.1, 0.01, 1e-4],
         "value": [[0.0, 2.0, 4.0, 100.0], [0.0, 1.5, 3.0, 100.0]]}  # fmt: skip


def test_chi_square():
    flux = np.array([[1.0, 5.0, np.nan], [np.nan, np.nan, np.nan]], dtype=np.float32)
    err = np.where(np.isfinite(flux), 2.0, np.nan)
    found = chi_square(flux, err, np.array([[3.0, 5.0, 9.0], [1.0, 1.0, 1.0]]))
    np.testing.assert_allclose(found, [0.5, np.nan])


def test_survival():
    chi2 = np.array([0.0, 2.0, 3.0, 1e9, np.nan, 1.5])
    found = survival({"chi2": TABLE}, "m", chi2, np.array([4, 4, 4, 4, 4, 29]))
    np.testing.assert_allclose(found[:4], [1.0, 0.1, np.sqrt(1e-3), 1e-4], rtol=1e-6)
    assert np.isnan(found[4])
    np.testing.assert_allclose(found[5], 0.1)  # the table of 10 bands is the nearest
    assert np.isnan(survival({}, "m", chi2, np.full(6, 4))).all()


def test_a_table_that_cannot_be_read():
    bad = {"chi2": {"nbands": [4], "probability": [1.0], "value": [[1.0, 2.0]]}}
    with pytest.raises(PixsedError, match="m.onnx: its calibration table cannot be read"):
        survival(bad, "m.onnx", np.ones(1), np.ones(1))
