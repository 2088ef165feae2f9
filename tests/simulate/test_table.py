import gzip

import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.simulate.table import read_simulations, simulations_writer

BANDS = ["F150W", "F444W"]
DTYPE = np.dtype(
    [("LOGMFORM", ">f8"), ("REDSHIFT", ">f8"), ("UNIT", ">f8", (5,)), ("FLUX", ">f4", (2,))]
)
META = {"LIBRARY": "BC03", "SEED": 4, "ATTENUAT": "smc", "IGM": "none"}


def made(n, seed=1):
    rng = np.random.default_rng(seed)
    rows = np.empty(n, dtype=DTYPE)
    for name in DTYPE.names:
        rows[name] = rng.random(rows[name].shape)
    return rows


def write(path, rows, block=4, **options):
    settings = dict(
        prior="tau",
        bands=BANDS,
        meta=META,
        units={"LOGMFORM": "dex", "REDSHIFT": ""},
        descriptions={"LOGMFORM": "mass formed"},
    )
    writer = simulations_writer(path, DTYPE, len(rows), block=block, **settings | options)
    with writer:
        for start in range(writer.done, len(rows), block):
            writer.append(rows[start : start + block])
    return path


@pytest.fixture
def written(tmp_path):
    rows = made(9)
    return write(tmp_path / "sims.fits", rows), rows


def test_round_trip(written):
    path, rows = written
    back = read_simulations(path)
    assert len(back) == 9 and back.prior == "tau" and back.bands == BANDS
    assert back.meta == META
    for name in ("LOGMFORM", "REDSHIFT"):
        np.testing.assert_array_equal(back.columns[name], rows[name])
        assert back.columns[name].dtype == float
    np.testing.assert_array_equal(back.unit, rows["UNIT"])
    np.testing.assert_array_equal(back.flux, rows["FLUX"])
    assert back.flux.dtype == np.float32 and back.unit.dtype == float
    for array in (back.flux, back.unit, *back.columns.values()):
        assert array.dtype.isnative and array.flags.c_contiguous and array.flags.writeable


def test_some_rows(written):
    path, rows = written
    np.testing.assert_array_equal(read_simulations(path, 4).flux, rows["FLUX"][:4])
    np.testing.assert_array_equal(read_simulations(path, slice(2, 8, 2)).unit, rows["UNIT"][2:8:2])
    assert len(read_simulations(path, 100)) == 9 and len(read_simulations(path, 0)) == 0


def test_header(written, fitsverify):
    path, _ = written
    with fits.open(path) as hdus:
        table = hdus["SIMS"]
        assert table.header["SIMULATD"] is True and table.header["PRIOR"] == "tau"
        assert [table.header["BAND1"], table.header["BAND2"]] == BANDS
        assert table.columns["FLUX"].unit == "nJy" and table.columns["LOGMFORM"].unit is None
        assert table.header["TCOMM1"] == "mass formed [dex]"
        assert not table.columns["REDSHIFT"].unit
    fitsverify(path)


def test_units_without_fitsverify(written):
    with fits.open(written[0]) as hdus:
        assert hdus["SIMS"].columns["FLUX"].unit == "nJy"
        assert hdus["SIMS"].header["SIMULATD"] is True


def test_overwrite(written):
    path, rows = written
    with pytest.raises(PixsedError, match="exists"):
        write(path, rows)
    write(path, rows[:5], overwrite=True)
    assert len(read_simulations(path)) == 5


def test_tables_of_older_versions(written, tmp_path):
    """Written in one piece by astropy, without the cards that came later."""
    rows = written[1]
    table = fits.BinTableHDU(rows, name="SIMS")
    table.header.update({"SIMULATD": True, "PRIOR": "tau", "BAND1": "F150W", "BAND2": "F444W"})
    table.header["LIBRARY"] = "BC03"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "old.fits", checksum=True)
    back = read_simulations(tmp_path / "old.fits")
    assert back.meta == {"LIBRARY": "BC03"}
    np.testing.assert_array_equal(back.flux, rows["FLUX"])


def test_compressed(written, tmp_path):
    path, rows = written
    (tmp_path / "sims.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(read_simulations(tmp_path / "sims.fits.gz").unit, rows["UNIT"])


def test_the_file_can_go_once_it_is_read(written):
    path, rows = written
    back = read_simulations(path)
    path.write_bytes(bytes(path.stat().st_size))
    np.testing.assert_array_equal(back.unit, rows["UNIT"])


def test_no_simulations(tmp_path, written):
    with pytest.raises(PixsedError, match="no such file; make some with 'pixsed simulate'"):
        read_simulations(tmp_path / "none.fits")
    fits.PrimaryHDU().writeto(tmp_path / "image.fits")
    with pytest.raises(PixsedError, match="image.fits holds no simulations"):
        read_simulations(tmp_path / "image.fits")
    written[0].rename(tmp_path / "half.fits.part")
    with pytest.raises(PixsedError, match="half.fits is not finished.*simulate --resume"):
        read_simulations(tmp_path / "half.fits")
    whole = (tmp_path / "half.fits.part").read_bytes()
    (tmp_path / "cut.fits").write_bytes(whole[:-2880])
    with pytest.raises(PixsedError, match="cut.fits cannot be read as FITS"):
        read_simulations(tmp_path / "cut.fits")
