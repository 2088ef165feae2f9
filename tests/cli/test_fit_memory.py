"""Memory of `fit` does not grow with the image; benchmarks/bench_fit.py measures a large one."""

import fakes
import pytest
from benchmarks.bench_mosaic import run

from pixsed.io.formats.cube import write_cube

pytestmark = pytest.mark.machine

pytest.importorskip("resource", reason="peak memory is measured on POSIX systems alone")


def test_memory_does_not_grow_with_the_image(tmp_path):
    fakes.fake_model(tmp_path / "fake.onnx", quantiles=True)
    peak = {}
    for ny in (130, 520):
        cube = fakes.make_cube(ny=ny, nx=1000, segmap=None)
        write_cube(cube, tmp_path / "cube.fits", overwrite=True)
        peak[ny], _ = run(
            tmp_path,
            "fit",
            "cube.fits",
            "--model",
            "fake.onnx",
            "--engine",
            "quantile",
            "--snr-min",
            "-99",
            "--jobs",
            "2",
            "-q",
            "--overwrite",
            "-o",
            "maps.fits",
        )
    # The additional pixels take 81 MB in the maps and 16 MB in the cube, as float32.
    assert peak[520] < peak[130] + 15, peak
    assert peak[520] < 1500
