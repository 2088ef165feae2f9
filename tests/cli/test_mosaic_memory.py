"""Memory does not grow with the mosaic; benchmarks/bench_mosaic.py measures a large one."""

import pytest
from benchmarks.bench_mosaic import bench

pytestmark = pytest.mark.machine

pytest.importorskip("resource", reason="peak memory is measured on POSIX systems alone")


def test_memory_does_not_grow_with_the_image(tmp_path):
    peak = {}
    for height in (1200, 4000):
        folder = tmp_path / str(height)
        folder.mkdir()
        peak[height] = {
            step: mb
            for step, (mb, _) in bench(folder, (height, 4000), galaxies=12, bands=1).items()
        }
    for step, mb in peak[4000].items():
        # The additional rows take 45 MB per plane, as float32.
        assert mb < peak[1200][step] + 25, (step, peak)
