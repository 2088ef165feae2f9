"""Models that infer the redshift."""

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from pixsed.errors import PixsedError
from pixsed.fit.cube import fit_cube
from pixsed.fit.model import Model
from pixsed.fit.options import FitOptions
from pixsed.fit.select import select
from pixsed.fit.table import fit_table
from pixsed.fit.total import mass_row


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "blind.onnx"
    return Model(fakes.fake_model(path, infer_redshift=True, redshift_range=[3.5, 4.0]))


def test_every_pixel_has_its_own_redshift(blind, model):
    # A redshift far out of range is ignored: no warning, no bit of DQ.
    cube = fakes.make_cube()
    cube.redshift = 11.0
    maps = fit_cube(cube, blind, FitOptions(samples=50))
    assert "REDSHIFT" in maps.properties and maps.nfit > 50
    assert not (maps.planes["DQ"] & 32).any()
    fitted = np.isfinite(maps.planes["REDSHIFT_P50"])
    assert fitted.sum() == maps.nfit
    # The fake model returns its input redshift, here the middle of its range.
    middle = maps.planes["REDSHIFT_P50"][fitted]
    np.testing.assert_allclose(middle, 3.75, atol=0.3)
    assert "REDSHIFT" not in fit_cube(fakes.make_cube(), model, FitOptions(samples=50)).properties


def test_a_table_needs_no_redshift(blind, model):
    table = Table({"ID": ["a", "b"]})
    for band in ("F115W", "F277W", "F444W"):
        table[band] = [10.0, 20.0] * u.nJy
        table[f"{band}_ERR"] = [1.0, 1.0] * u.nJy
    found = fit_table(table, blind, FitOptions(samples=50))
    assert len(found) == 2 and np.isfinite(found["REDSHIFT_P50"]).all()
    with pytest.raises(PixsedError, match="no column REDSHIFT; add one, or give --redshift"):
        fit_table(table, model, FitOptions(samples=50))


def test_masses_are_not_summed_over_redshifts(blind):
    cube = fakes.make_cube()
    with pytest.raises(PixsedError, match="infers a redshift for each pixel"):
        mass_row(cube, blind, select(cube, blind), FitOptions(samples=500))
