"""Maps of a cube in memory; tests/fit/test_to_file.py tests cubes in files."""

import subprocess
import sys

import fakes
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pixsed.dq import NOT_FITTED
from pixsed.errors import PixsedError
from pixsed.fit.cube import fit_cube
from pixsed.fit.model import Model
from pixsed.fit.options import FitOptions
from pixsed.io.formats.cube import Cube
from pixsed.io.headers import shifted_header


def test_planes_and_nan_policy(model):
    cube = fakes.make_cube()
    maps = fit_cube(cube, model, FitOptions(samples=50))
    assert maps.properties[0] == "LOGMSTAR"
    assert set(maps.properties) == set(
        "LOGMSTAR LOGMFORM LOGSIGMA LOGSFR METAL AV TAU TSTART AGE T50LB".split()
    )
    dq = maps.planes["DQ"]
    fitted = (dq & NOT_FITTED) == 0
    assert fitted.sum() == maps.nfit > 50
    for name, plane in maps.planes.items():
        assert plane.shape == cube.shape
        if name not in ("SNR", "NBANDS", "DQ"):
            assert plane.dtype == np.float32
            assert_array_equal(np.isfinite(plane), fitted, err_msg=name)
    p16, p50, p84 = (maps.planes[f"LOGMFORM_P{q}"][fitted] for q in (16, 50, 84))
    assert (p16 < p50).all() and (p50 < p84).all()
    # The fake model: the mean flux, with a scatter of 0.1 dex.
    expected = np.log10(np.nanmean(cube.flux[:, fitted], axis=0)) + 8
    np.testing.assert_allclose(p50, expected, atol=0.01)
    np.testing.assert_allclose(maps.planes["LOGMFORM_STD"][fitted], 0.1, rtol=0.15)


def test_a_cutout_gives_the_same_values(model):
    cube = fakes.make_cube()
    x0, y0 = 7, 4
    part = np.s_[y0 : y0 + 9, x0 : x0 + 11]
    cut = Cube(
        bands=cube.bands,
        flux=cube.flux[:, *part],
        err=cube.err[:, *part],
        header=shifted_header(cube.header, x0, y0),
        redshift=2.0,
        object_id="531",
        segmap=cube.segmap[part],
    )
    whole, small = (fit_cube(c, model, FitOptions(samples=50)) for c in (cube, cut))
    for name, plane in small.planes.items():
        assert_array_equal(plane, whole.planes[name][part], err_msg=name)


def test_seed_changes_the_draws(model):
    cube = fakes.make_cube()
    a, b = (
        fit_cube(cube, model, FitOptions(samples=50, seed=seed)).planes["AV_P50"] for seed in (1, 2)
    )
    assert not np.array_equal(a, b, equal_nan=True)


def test_redshift_where_it_has_an_error(model):
    maps = fit_cube(fakes.make_cube(redshift_err=0.1), model, FitOptions(samples=200))
    fitted = (maps.planes["DQ"] & NOT_FITTED) == 0
    assert maps.properties[-1] == "REDSHIFT"
    np.testing.assert_allclose(maps.planes["REDSHIFT_P50"][fitted], 2.0, atol=0.01)
    np.testing.assert_allclose(maps.planes["REDSHIFT_STD"][fitted], 0.1, rtol=0.15)


def test_without_predicted_fluxes_nothing_is_out_of_distribution(tmp_path):
    model = Model(fakes.fake_model(tmp_path / "m.onnx", flux_model=False))
    maps = fit_cube(fakes.make_cube(), model, FitOptions(samples=20))
    assert np.isnan(maps.planes["CHI2"]).all()
    assert np.isnan(maps.planes["OOD"]).all()
    assert not (maps.planes["DQ"] & 8).any()


def test_nothing_to_fit(model):
    maps = fit_cube(fakes.make_cube(), model, FitOptions(snr_min=1e6))
    assert maps.nfit == 0
    assert np.isnan(maps.planes["LOGMSTAR_P50"]).all()


def test_no_torch():
    code = (
        "import sys, pixsed.cli.fit, pixsed.cli.sum_mass, pixsed.cli.models, pixsed.fit.cube, "
        "pixsed.fit.model, pixsed.fit.sum_mass, pixsed.fit.table, onnxruntime; "
        "print(sorted({'torch', 'sbi', 'onnx'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_standard_output_is_no_output(model):
    with pytest.raises(PixsedError, match="output must be a file, got standard output"):
        fit_cube(fakes.make_cube(), model, output="-")
