import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.simulate.table import read_simulations, write_simulations


def made(rows, start=0):
    rng = np.random.default_rng(start)
    columns = {"LOGMFORM": rng.uniform(4, 12, rows), "REDSHIFT": rng.random(rows)}
    return columns, rng.random((rows, 5)), rng.random((rows, 2)).astype(np.float32)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "sims.fits"
    parts = [made(6, 1), made(3, 2)]
    write_simulations(
        iter(parts), path, prior="tau", bands=["F150W", "F444W"], n=9, units={"LOGMFORM": "dex"},
        meta={"LIBRARY": "BC03", "SEED": 4},
    )  # fmt: skip
    return path, parts


def test_round_trip(written):
    path, parts = written
    back = read_simulations(path)
    assert len(back) == 9 and back.prior == "tau" and back.bands == ["F150W", "F444W"]
    assert back.meta == {"LIBRARY": "BC03", "SEED": 4}
    for key in ("LOGMFORM", "REDSHIFT"):
        np.testing.assert_array_equal(back.columns[key], np.concatenate([p[0][key] for p in parts]))
    np.testing.assert_array_equal(back.unit, np.concatenate([p[1] for p in parts]))
    np.testing.assert_array_equal(back.flux, np.concatenate([p[2] for p in parts]))
    assert back.flux.dtype == np.float32 and back.flux.dtype.isnative


def test_header(written, fitsverify):
    path, _ = written
    with fits.open(path) as hdus:
        table = hdus["SIMS"]
        assert table.header["SIMULATD"] is True and table.header["PRIOR"] == "tau"
        assert [table.header["BAND1"], table.header["BAND2"]] == ["F150W", "F444W"]
        assert table.columns["FLUX"].unit == "nJy" and table.columns["LOGMFORM"].unit == "dex"
        assert not table.columns["REDSHIFT"].unit
    fitsverify(path)


def test_units_without_fitsverify(written):
    with fits.open(written[0]) as hdus:
        assert hdus["SIMS"].columns["FLUX"].unit == "nJy"
        assert hdus["SIMS"].header["SIMULATD"] is True


def test_overwrite(written):
    path, parts = written
    args = dict(prior="tau", bands=["F150W", "F444W"], n=9, units={}, meta={})
    with pytest.raises(PixsedError, match="exists"):
        write_simulations(iter(parts), path, **args)
    write_simulations(iter(parts), path, overwrite=True, **args)


def test_no_simulations(tmp_path):
    with pytest.raises(PixsedError, match="no such file; make one with 'pixsed simulate'"):
        read_simulations(tmp_path / "none.fits")
    fits.PrimaryHDU().writeto(tmp_path / "image.fits")
    with pytest.raises(PixsedError, match="image.fits holds no simulations"):
        read_simulations(tmp_path / "image.fits")
