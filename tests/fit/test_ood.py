import numpy as np
import pytest

from pixsed.errors import PixsedError
from pixsed.fit.ood import Calibration, Score, chi_square, typical_snr

_VALUE = np.array([[0.0, 2.0, 4.0, 100.0], [0.0, 1.5, 3.0, 100.0]])
# Twice the chi^2 at ten times the S/N, and ten times where redshifts have errors of 10 %.
_GRID = np.stack([_VALUE, 2 * _VALUE], axis=1)
TABLE = {
    "redshift_err": [0.0, 0.1],
    "nbands": [4, 10],
    "snr": [1.0, 10.0],
    "probability": [1.0, 0.1, 0.01, 1e-4],
    "value": np.array([_GRID, 10 * _GRID]).tolist(),
}


def survival(calibration, path, *pixels):
    return Calibration(calibration, path).survival(*pixels)


def test_chi_square():
    flux = np.array([[1.0, 5.0, np.nan], [np.nan, np.nan, np.nan]], dtype=np.float32)
    err = np.where(np.isfinite(flux), 2.0, np.nan)
    found = chi_square(flux, err, np.array([[3.0, 5.0, 9.0], [1.0, 1.0, 1.0]]))
    np.testing.assert_allclose(found, [0.5, np.nan])


def test_typical_snr_is_the_median():
    rng = np.random.default_rng(0)
    flux = rng.normal(3, 5, (200, 9))
    flux[rng.random(flux.shape) < 0.4] = np.nan
    flux[:, 0] = 7.0
    np.testing.assert_allclose(
        typical_snr(flux, np.full(flux.shape, 2.0)), np.nanmedian(flux / 2.0, axis=1)
    )
    assert typical_snr(np.full((1, 3), np.nan), np.ones((1, 3)))[0] == 0


def test_survival_of_one_class():
    """With a single node of redshift error and of S/N, the result depends on neither."""
    table = TABLE | {"redshift_err": [0.0], "snr": [0.0], "value": _VALUE.tolist()}
    chi2 = np.array([0.0, 2.0, 3.0, 1e9, np.nan, 1.5])
    snr = np.array([1, 1, 100, -3, 0, 5])
    nbands = np.array([4, 4, 4, 4, 4, 29])
    found = survival({"score": table}, "m", chi2, nbands, snr, 0.1 * chi2)
    np.testing.assert_allclose(found[:4], [1.0, 0.1, np.sqrt(1e-3), 1e-4], rtol=1e-6)
    assert np.isnan(found[4])
    np.testing.assert_allclose(found[5], 0.1)


def test_survival_without_a_table():
    one = np.ones(3)
    for calibration in ({}, None, {"score": {}}):
        assert np.isnan(survival(calibration, "m", one, 4 * one, one, one)).all()


def test_survival_by_bands_and_signal_to_noise():
    def at(chi2, nbands, snr, error=0.0):
        given = (np.array([v]) for v in (chi2, nbands, snr, error))
        return survival({"score": TABLE}, "m", *given)[0]

    # At the nodes, beyond them, and half way between.
    assert at(2.0, 4, 1.0) == pytest.approx(0.1) and at(1.5, 10, 0.2) == pytest.approx(0.1)
    assert at(4.0, 4, 10.0) == pytest.approx(0.1) and at(3.0, 29, 99.0) == pytest.approx(0.1)
    assert at(20.0, 4, 1.0, 0.2) == pytest.approx(0.1) and at(2.0, 4, 1.0, 0.09) < 0.11
    assert at(1.75, 7, 1.0) == pytest.approx(0.1)
    half = np.sinh(0.5 * (np.arcsinh(1.0) + np.arcsinh(10.0)))
    assert at(3.0, 4, half) == pytest.approx(0.1)
    assert at(1e9, 7, half) == pytest.approx(1e-4) and at(0.0, 7, half) == 1


def test_the_error_of_the_prediction_counts():
    flux, err = np.full((1, 4), 110.0), np.full((1, 4), 10.0)
    plain = Score({}, "m")(flux, err, np.full((1, 4), 100.0), np.zeros(1))
    assert plain[0][0] == pytest.approx(1) and np.isnan(plain[1][0])
    metadata = {"flux_model": {"error": [0.1, 0.1, 0.0, 0.0]}}
    found = Score(metadata, "m")(flux, err, np.full((1, 4), 100.0), np.zeros(1))
    assert found[0][0] == pytest.approx(0.75)


@pytest.mark.parametrize(
    "changes",
    [
        {"value": [[1.0, 2.0]]},
        {"snr": "high"},
        {"snr": TABLE["snr"][::-1]},
        {"nbands": None},
        {"redshift_err": [[value] for value in TABLE["redshift_err"]]},
        {"probability": [[value] for value in TABLE["probability"]]},
    ],
)
def test_a_table_that_cannot_be_read(changes):
    with pytest.raises(PixsedError, match="m.onnx: its calibration table cannot be read"):
        survival({"score": TABLE | changes}, "m.onnx", *np.ones((4, 1)))


def test_a_table_that_lacks_a_key():
    table = {key: value for key, value in TABLE.items() if key != "snr"}
    with pytest.raises(PixsedError, match="m.onnx: its calibration table cannot be read"):
        survival({"score": table}, "m.onnx", *np.ones((4, 1)))


def test_the_table_is_read_once(monkeypatch):
    from pixsed.fit import ood

    read, times = ood._read_table, []
    monkeypatch.setattr(ood, "_read_table", lambda *given: times.append(1) or read(*given))
    found = ood.Score({"calibration": {"score": TABLE}}, "m")
    batch = np.full((2, 4), 110.0), np.full((2, 4), 10.0), np.full((2, 4), 100.0), np.zeros(2)
    assert not times  # a model whose table cannot be read can still fit by quantiles
    np.testing.assert_array_equal(found(*batch), found(*batch))
    assert len(times) == 1
