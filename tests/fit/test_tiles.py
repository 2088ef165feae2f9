"""Tiles do not change the results."""

import fakes
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pixsed.fit.cube import fit_cube
from pixsed.fit.options import FitOptions
from pixsed.fit.tiles import TileFitter, tiles
from pixsed.io.formats.cube import write_cube
from pixsed.io.formats.cube_file import CubeFile


@pytest.mark.parametrize("options", [{"tile": (5, 7)}, {"jobs": 3}, {"tile": (3, 20), "jobs": 2}])
def test_results_do_not_depend_on_tiles_or_jobs(model, tmp_path, options):
    cube = fakes.make_cube(redshift_err=0.1)
    whole = fit_cube(cube, model, FitOptions(samples=50))
    write_cube(cube, tmp_path / "cube.fits")
    tile = options.pop("tile", cube.shape)
    with CubeFile(tmp_path / "cube.fits") as source:
        fitter = TileFitter(source, model, FitOptions(samples=50, snr_min=5.0), **options)
        assert fitter.names == list(whole.planes)
        for where in tiles(cube.shape, tile):
            found = fitter.fit(where)
            for name, plane in whole.planes.items():
                assert_array_equal(found.plane(name), plane[where], err_msg=name)


def test_tiles_cover_once():
    count = np.zeros((7, 10), int)
    for where in tiles(count.shape, (3, 4)):
        count[where] += 1
    assert (count == 1).all()
