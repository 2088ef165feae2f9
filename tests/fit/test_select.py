"""Selection of pixels and bands."""

import fakes
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pixsed.dq import DQ
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.fit.cube import fit_cube
from pixsed.fit.options import FitOptions
from pixsed.fit.select import select


def test_an_error_floor_is_added_in_quadrature(model):
    cube = fakes.make_cube()
    bare, floored = (
        select(cube, model, FitOptions(snr_min=5, error_floor=floor)) for floor in (0.0, 0.5)
    )
    good = np.isfinite(bare.err)
    np.testing.assert_allclose(
        floored.err[good], np.sqrt(bare.err[good] ** 2 + 0.25 * bare.flux[good] ** 2), rtol=1e-5
    )
    assert_array_equal(np.isfinite(floored.err), good)
    assert_array_equal(floored.flux, bare.flux)
    # The cut applies to the errors that are fitted.
    assert np.nanmax(floored.snr) <= 2 < np.nanmax(bare.snr)


def test_quality_bits(model):
    cube = fakes.make_cube()
    cube.flux[2:, 10, 13] = np.nan
    cube.err[0, 10, 11] = 0.0
    with pytest.warns(PixsedWarning, match="missing where they have an error of 0"):
        selection = select(cube, model, FitOptions(snr_min=5))
    assert_array_equal((selection.dq & 1) > 0, cube.segmap != 531)
    seen = np.isfinite(cube.flux[2:]).any(axis=0)
    snr = cube.flux[2:, seen].mean(axis=0) / 0.5
    np.testing.assert_allclose(selection.snr[seen], snr, rtol=1e-5)
    assert selection.snr_bands == ["F277W", "F356W", "F444W"]
    assert_array_equal((selection.dq & DQ.LOW_SNR) > 0, selection.snr < 5)
    assert selection.dq[10, 13] == DQ.FEW_BANDS | DQ.BAND_MISSING
    assert selection.nbands[10, 13] == 2
    assert selection.dq[10, 11] == DQ.BAND_MISSING | DQ.NO_INFORMATION
    assert selection.nbands[10, 11] == 4
    assert selection.dq[9, 12] == 16
    assert selection.nbands.dtype == np.int16
    with pytest.warns(PixsedWarning, match="missing where they have an error of 0"):
        maps = fit_cube(cube, model, FitOptions(samples=20))
    assert_array_equal((maps.planes["DQ"] & 8) > 0, maps.planes["OOD"] < 1e-3)
    assert maps.planes["DQ"].dtype == np.int32


def test_all_pixels(model):
    cube = fakes.make_cube()
    selection = select(cube, model, FitOptions(snr_min=-np.inf, all_pixels=True))
    assert selection.chosen.all()


def test_a_segmap_without_the_object(model):
    cube = fakes.make_cube(object_id="galaxy")
    with pytest.warns(PixsedWarning, match="does not hold OBJECT 'galaxy'"):
        selection = select(cube, model)
    assert not (selection.dq & 1).any()


def test_redshift_outside_the_range(model):
    for changes in (dict(redshift=9.0), dict(redshift_err=0.5)):
        with pytest.warns(PixsedWarning, match="outside the range of model tau"):
            selection = select(fakes.make_cube(**changes), model)
        assert (selection.dq & DQ.REDSHIFT_RANGE).all() and not selection.chosen.any()


def test_bands(model):
    cube = fakes.make_cube(bands=("F115W", "F277W", "F356W", "F444W", "MIRI_F770W"))
    with pytest.warns(PixsedWarning, match="does not know MIRI_F770W; not used") as caught:
        selection = select(cube, model)
    assert len(caught) == 1
    assert selection.bands == ["F115W", "F277W", "F356W", "F444W"]
    with pytest.raises(PixsedError, match="no band in common with model tau; it has UVIS_F336W"):
        select(fakes.make_cube(bands=("UVIS_F336W", "MIRI_F770W")), model)
