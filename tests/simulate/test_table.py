import gzip
from dataclasses import fields, replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.errors import PixsedError
from pixsed.io.writers.table_blocks import part_path
from pixsed.simulate.options import SimulateOptions
from pixsed.simulate.table import read_simulations, row_dtype, simulations_writer
from pixsed.sps.own_filters import OwnFilter

BANDS = ["F150W", "F444W"]
SSP_CARDS = {"LIBRARY": "BC03", "SSPSHA": "0123"}
META = {"LIBRARY": "BC03", "ATTENUAT": "smc", "IGM": "none", "SEED": 4}
OPTIONS = SimulateOptions("tau", BANDS, 9, attenuation="smc", igm="none", seed=4, batch=4)
DTYPE = row_dtype(OPTIONS)


def made(n, seed=1):
    rng = np.random.default_rng(seed)
    rows = np.empty(n, dtype=DTYPE)
    for name in DTYPE.names:
        rows[name] = rng.random(rows[name].shape)
    return rows


def write(path, rows, **options):
    settings = replace(OPTIONS, number=len(rows))
    with simulations_writer(path, settings, SSP_CARDS, **options) as writer:
        for start in range(writer.done, len(rows), settings.batch):
            writer.append(rows[start : start + settings.batch])
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
    for name in ("LOGMFORM", "REDSHIFT", "TAU"):
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
        assert table.header["TCOMM1"] == "log10 of the mass in stars and remnants / solMass"
        assert table.header["TCOMM3"].endswith("/ (solMass / yr)")
        assert not table.columns["REDSHIFT"].unit
    fitsverify(path)


def test_overwrite(written):
    path, rows = written
    with pytest.raises(PixsedError, match="exists"):
        write(path, rows)
    write(path, rows[:5], overwrite=True)
    assert len(read_simulations(path)) == 5


#: Another value of every option.
OTHER = {
    "prior": "dirichlet",
    "bands": ("F150W", "F356W"),
    "number": 10,
    "attenuation": "calzetti",
    "igm": "madau95",
    "seed": 5,
    "batch": 3,
    "library": 0.5,
    "filters": (OwnFilter("F150W", 1.5, 0.1, "f150w.dat", "0" * 32),),
    "jobs": 2,
    "scheduler": "tcp://127.0.0.1:1",
}


@pytest.mark.parametrize("name", [option.name for option in fields(SimulateOptions)])
def test_options_that_change_the_rows_forbid_resuming(tmp_path, name):
    """Change each field in turn: a stopped table is resumed only if the rows stay the same."""
    changes_data = SimulateOptions.__dataclass_fields__[name].metadata["changes_data"]
    path, rows = tmp_path / "sims.fits", made(9)
    with (
        pytest.raises(PixsedError, match="kept in"),
        simulations_writer(path, OPTIONS, SSP_CARDS) as writer,
    ):
        writer.append(rows[:4])
        raise PixsedError("stopped")
    assert part_path(path).exists()
    if name == "library":
        pytest.skip("tested with the prior broad, which alone has it")
    other = replace(OPTIONS, **{name: OTHER[name]})
    assert (other.cards() == OPTIONS.cards()) is not changes_data
    if changes_data:
        with pytest.raises(PixsedError, match="sims.fits.part"):
            simulations_writer(path, other, SSP_CARDS, resume=True)
    else:
        with simulations_writer(path, other, SSP_CARDS, resume=True) as writer:
            assert writer.done == 4
            writer.append(rows[4:8])
            writer.append(rows[8:])
        np.testing.assert_array_equal(read_simulations(path).flux, rows["FLUX"])


def test_another_grid_forbids_resuming(tmp_path):
    path = tmp_path / "sims.fits"
    with pytest.raises(PixsedError), simulations_writer(path, OPTIONS, SSP_CARDS) as writer:
        writer.append(made(4))
        raise PixsedError("stopped")
    with pytest.raises(PixsedError, match="SSPSHA"):
        simulations_writer(path, OPTIONS, SSP_CARDS | {"SSPSHA": "4567"}, resume=True)


def test_compressed(written, tmp_path):
    path, rows = written
    (tmp_path / "sims.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(read_simulations(tmp_path / "sims.fits.gz").unit, rows["UNIT"])


def test_file_can_be_removed_after_reading(written):
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
    with pytest.raises(PixsedError, match="cut.fits is truncated"):
        read_simulations(tmp_path / "cut.fits")


@pytest.mark.parametrize(
    ("column", "change", "match"),
    [
        ("METAL", lambda values: np.stack([values] * 2, axis=1), r"1 dimensions, got a column of"),
        ("METAL", lambda values: values.astype("S4"), r"column METAL must have numbers"),
        ("FLUX", lambda values: values[:, 0], r"FLUX must have numbers of 2 dimensions"),
        ("UNIT", None, r"column UNIT must have numbers of 2 dimensions, got no column; make it"),
    ],
)
def test_columns_of_another_kind(tmp_path, written, column, change, match):
    with fits.open(written[0]) as hdulist:
        header = hdulist["SIMS"].header
        kept = {key: header[key] for key in ("SIMULATD", "PRIOR", "BAND1", "BAND2", "EXTNAME")}
        arrays = {name: hdulist["SIMS"].data[name] for name in DTYPE.names}
    values = arrays.pop(column)
    if change:
        arrays[column] = change(np.asarray(values))
    table = fits.table_to_hdu(Table(arrays))
    table.header.update(kept)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "other.fits")
    with pytest.raises(PixsedError, match=match):
        read_simulations(tmp_path / "other.fits")


def test_a_table_without_rows(tmp_path, written):
    with fits.open(written[0]) as hdulist:
        hdulist["SIMS"].data = hdulist["SIMS"].data[:0]
        hdulist.writeto(tmp_path / "none.fits", checksum=True)
    with pytest.raises(PixsedError, match="none.fits has no rows; make simulations with"):
        read_simulations(tmp_path / "none.fits")
