import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from pixsed.dq import NOT_FITTED
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.fit.options import FitOptions
from pixsed.fit.table import fit_table
from pixsed.fit.table_input import TableColumns
from pixsed.io.formats.cube import write_cube
from pixsed.io.formats.kinds import is_cube
from pixsed.io.tables import read_table
from pixsed.io.writers.tables import write_table

# The third row of `make_table` has no redshift; tests/fit/test_redshift_rules.py has the warning.
pytestmark = pytest.mark.filterwarnings("ignore:.*rows are not fitted, with no redshift")


def make_table():
    table = Table()
    table["ID"] = [11, 12, 13, 14]
    table["REDSHIFT"] = MaskedColumn([1.0, 2.0, 3.0, 4.0], mask=[False, False, True, False])
    flux = np.array([10.0, 20.0, 30.0, 40.0])
    # Not in the order of wavelength, and in several units.
    for band, unit in dict(F444W="uJy", F115W="nJy", F277W="Jy").items():
        table[band] = (flux * u.nJy).to(unit).value
        table[band].unit = unit
        table[f"{band}_ERR"] = table[band] / 10
        table[f"{band}_ERR"].unit = unit
    table["F444W"][3] = np.nan
    return table


def rows_fitted(result):
    """Return how many rows of a table were fitted."""
    return int(((result["DQ"] & NOT_FITTED) == 0).sum())


def test_fit_table(model):
    table = make_table()
    result = fit_table(table, model, FitOptions(samples=100))
    assert rows_fitted(result) == 2
    assert result.colnames[: len(table.colnames)] == table.colnames
    assert result.colnames[len(table.colnames) :][:4] == [
        "LOGMSTAR_P16",
        "LOGMSTAR_P50",
        "LOGMSTAR_P84",
        "LOGMSTAR_STD",
    ]
    assert result.colnames[-5:] == ["SNR", "NBANDS", "OOD", "CHI2", "DQ"]
    assert list(result["DQ"] & ~8) == [0, 0, 64, 128 | 16]
    assert "LOGSIGMA_P50" not in result.colnames
    np.testing.assert_allclose(result["LOGMFORM_P50"][:2], np.log10([10, 20]) + 8, atol=0.01)
    assert np.isnan(result["LOGMFORM_P50"][2:]).all()
    assert list(result["NBANDS"]) == [3, 3, 3, 2]
    np.testing.assert_allclose(result["SNR"][:2], 10, rtol=1e-5)
    assert result["LOGMSTAR_P50"].unit == u.dex(u.solMass)
    assert result["AGE_P50"].unit == u.Gyr


def test_the_order_of_rows_does_not_count(model):
    table = make_table()
    a, b = (fit_table(t, model, FitOptions(samples=50)) for t in (table, table[::-1]))
    for name in ("LOGMSTAR_P16", "AV_STD", "OOD"):
        np.testing.assert_array_equal(a[name], b[name][::-1])


def test_redshift_errors(model):
    table = make_table()
    table["REDSHIFT_ERR"] = [0.1, 0.0, np.nan, 0.0]
    result = fit_table(table, model, FitOptions(samples=100))
    assert np.isfinite(result["REDSHIFT_P50"][0])
    assert np.isnan(result["REDSHIFT_P50"][1])
    result = fit_table(table, model, FitOptions(samples=20, redshift=2.0))
    assert rows_fitted(result) == 3
    assert "REDSHIFT_P50" not in result.colnames
    with pytest.raises(PixsedError, match="redshift 9 .* is outside the range of model tau"):
        fit_table(table, model, FitOptions(samples=20, redshift=9.0))


def test_errors_of_tables(model):
    table = make_table()
    table["F115W"].unit = None
    with pytest.raises(PixsedError, match="table: column F115W has no unit.*--unit nJy"):
        fit_table(table, model)
    columns = TableColumns(units="nJy")
    assert rows_fitted(fit_table(table, model, FitOptions(samples=20), columns=columns)) == 2
    table["F115W"].unit = "km"
    with pytest.raises(PixsedError, match="in km, which is not a flux density"):
        fit_table(table, model)
    table = make_table()
    del table["REDSHIFT"]
    with pytest.raises(PixsedError, match="no column REDSHIFT; add one, or give --redshift"):
        fit_table(table, model)
    with pytest.raises(PixsedError, match="no column <BAND> with <BAND>_ERR"):
        fit_table(Table({"a": [1]}), model)
    with pytest.raises(PixsedError, match="no band in common"):
        fit_table(Table({"g": [1.0], "g_ERR": [1.0], "REDSHIFT": [1.0]}), model)


def test_columns_that_are_left_out(model):
    table = make_table()
    del table["F277W_ERR"]
    with pytest.warns(PixsedWarning, match="table: F277W left out: no F277W_ERR"):
        fit_table(table, model, FitOptions(samples=20))
    columns = TableColumns(units="nJy")
    with pytest.warns(PixsedWarning, match="--unit nJy was not used: every flux column has a"):
        fit_table(make_table(), model, FitOptions(samples=20), columns=columns)


def test_bands_that_the_model_does_not_know(model):
    table = make_table()
    for name in ("MIRI_F770W", "MIRI_F770W_ERR"):
        table[name] = [1.0] * 4
    with pytest.warns(PixsedWarning, match="does not know MIRI_F770W"):
        fit_table(table, model, FitOptions(samples=20))


@pytest.mark.parametrize("suffix", ["fits", "ecsv", "csv"])
def test_write_and_read(model, tmp_path, suffix):
    result = fit_table(make_table(), model, FitOptions(samples=20))
    path = tmp_path / f"t.{suffix}"
    write_table(result, path, inputs=["a.fits"], history=["step"], MODEL=("tau", "model"))
    back = read_table(str(path))
    assert back.colnames == result.colnames
    np.testing.assert_allclose(back["LOGMSTAR_P50"], result["LOGMSTAR_P50"], rtol=1e-6)
    with pytest.raises(PixsedError, match="exists already"):
        write_table(result, path)
    if suffix == "fits":
        with fits.open(path) as hdulist:
            assert hdulist[0].header["MODEL"] == "tau"
            units = {c.name: c.unit for c in hdulist[1].columns}
        # Units of logarithms are in the descriptions: astropy warns of dex() in a table.
        assert units["LOGMSTAR_P50"] is None and units["LOGSFR_P50"] is None
        assert units["AV_P50"] == "mag" and units["AGE_P50"] == "Gyr"
        assert back["LOGMSTAR_P50"].description.endswith("remnants included / solMass")
        assert back["LOGSFR_P50"].description.endswith("100 Myr / (solMass / yr)")
    if suffix == "ecsv":
        assert back["LOGSFR_P50"].unit == u.dex(u.solMass / u.yr)
        assert back.meta["MODEL"] == "tau"
    # A fitted table can be fitted again; its columns are kept.
    if suffix != "csv":
        with pytest.warns(PixsedWarning, match="kept as LOGMSTAR_P16_IN, .* more"):
            again = fit_table(back, model, FitOptions(samples=20))
        np.testing.assert_array_equal(again["SNR_IN"], back["SNR"])
        assert again.colnames[-4:] == result.colnames[-4:]


@pytest.mark.parametrize("name, inputs", [(None, None), ("table", "table"), ("t.fits", "t.fits")])
def test_provenance_has_the_file_whatever_its_name(model, tmp_path, monkeypatch, name, inputs):
    monkeypatch.chdir(tmp_path)
    table = make_table()
    if name is not None:
        write_table(table, "t.fits")
        (tmp_path / "t.fits").rename(name)
    fit_table(table if name is None else name, model, FitOptions(samples=30), output="out.fits")
    assert fits.getheader("out.fits").get("INFILE1") == inputs


def test_what_is_a_cube(tmp_path):
    cube, table, image = (tmp_path / name for name in ("c.fits", "t.fits", "i.fits"))
    write_cube(fakes.make_cube(), cube)
    write_table(make_table(), table)
    fits.PrimaryHDU(np.zeros((2, 2))).writeto(image)
    text = tmp_path / "t.ecsv"
    write_table(make_table(), text)
    assert is_cube(str(cube))
    assert not is_cube(str(table))
    assert not is_cube(str(text))
    assert not is_cube(f"{table}[1]")
    assert len(read_table(f"{table}[PIXSED]")) == 4
    with pytest.raises(PixsedError, match="neither a cube nor a table"):
        is_cube(str(image))
    with pytest.raises(PixsedError, match="no such file"):
        is_cube(str(tmp_path / "none"))
    with pytest.raises(PixsedError, match=r"F444W\] is not a table"):
        read_table(f"{cube}[F444W]")
    (tmp_path / "bad.ecsv").write_text("not\nan ecsv")
    with pytest.raises(PixsedError, match="cannot be read as a table"):
        read_table(str(tmp_path / "bad.ecsv"))
