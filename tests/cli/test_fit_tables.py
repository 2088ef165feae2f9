"""`pixsed fit TABLE` and `pixsed merge` of tables, as users call them."""

import os
import re
import shutil
import warnings
from pathlib import Path

import fakes
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Column, MaskedColumn, Table, join
from click.testing import CliRunner

from pixsed.cli.fit import command
from pixsed.cli.fit_options import KINDS_OF
from pixsed.cli.main import cli
from pixsed.errors import PixsedError
from pixsed.io.formats.cube import write_cube

BANDS = "F115W", "F277W", "F444W"


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return fakes.fake_model(tmp_path_factory.mktemp("model") / "fake.onnx")


@pytest.fixture
def fit(run_cli, model_path, tmp_path, monkeypatch):
    """Fit a table or a file; return click's result and the table written."""
    monkeypatch.chdir(tmp_path)

    def run(table, *options, output="o.ecsv"):
        if isinstance(table, Table):
            table.write("t.ecsv", overwrite=True)
            table = "t.ecsv"
        result = run_cli(
            "fit",
            table,
            "--model",
            model_path,
            "--samples",
            16,
            "--jobs",
            1,
            "--overwrite",
            "-o",
            output,
            *options,
        )
        if result.exit_code:
            assert isinstance(result.exception, PixsedError | SystemExit), result.exception
            return result, None
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return result, Table.read(output)

    return run


def photometry(rows=2, unit="nJy", **columns):
    table = Table({"ID": np.arange(1, rows + 1), "REDSHIFT": np.full(rows, 1.0)})
    for band in BANDS:
        for suffix, value in (("", 100.0), ("_ERR", 5.0)):
            table[band + suffix] = Column(np.full(rows, value), unit=unit)
    for name, values in columns.items():
        table[name] = values
    return table


def said(result):
    return " ".join((result.stderr + str(result.exception)).split())


def test_magnitudes_give_the_same_as_fluxes(fit):
    _, expected = fit(photometry())
    table = photometry(unit="mag(AB)")
    for band in BANDS:
        table[band][:] = 31.4 - 5.0
        table[f"{band}_ERR"][:] = 0.05 * 2.5 / np.log(10)
    for name in ("t.ecsv", "t.csv"):
        table.write(name, overwrite=True)
        options = ("--unit", "mag(AB)") if name == "t.csv" else ()
        result, found = fit(name, *options)
        np.testing.assert_allclose(found["LOGMFORM_P50"], expected["LOGMFORM_P50"], atol=1e-4)
        np.testing.assert_allclose(found["SNR"], 20, rtol=1e-4)
        assert not result.warned
    result, _ = fit("t.csv")
    assert "column F115W has no unit" in said(result)
    result, found = fit(photometry(), "--unit", "uJy")
    assert "--unit uJy was not used" in result.warned[0]
    np.testing.assert_array_equal(found["LOGMFORM_P50"], expected["LOGMFORM_P50"])
    result, _ = fit(photometry(), "--unit", "F999W=uJy")
    assert "F999W of --unit is not a fitted band" in said(result)


@pytest.mark.parametrize("none", ["-", "--", "", "nan", "None", "null", "N/A", "..."])
def test_text_for_no_redshift(fit, none):
    _, found = fit(photometry(REDSHIFT=["1.0", none]))
    assert np.isfinite(found["LOGMSTAR_P50"][0]) and np.isnan(found["LOGMSTAR_P50"][1])


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"REDSHIFT": ["1.0", "high"]}, "column 'REDSHIFT' .* row 2 has 'high'.*--z-col"),
        (
            {"F444W": Column(np.ones((2, 3)), unit="nJy")},
            "'F444W' must have one value per row, got 3",
        ),
        ({"F444W": Column(["1", "bad"], unit="nJy")}, "'F444W' .* row 2 has 'bad'"),
        ({"F444W": Column([True, False], unit="nJy")}, "'F444W' must hold numbers"),
        ({"F444W": Column([1.0, 2], unit="MJy/sr")}, "surface brightness"),
        ({"REDSHIFT": Column([1.0, 2], unit="km/s")}, "redshifts have no unit"),
        ({"ID": Column([[1, 2], [3, 4]])}, "'ID' must have one value per row, got 2"),
    ],
)
def test_columns_that_are_refused(fit, columns, match):
    result, _ = fit(photometry(**columns))
    assert result.exit_code == 1
    assert re.search(match, said(result)), said(result)


@pytest.mark.parametrize("output", ["o.fits", "o.ecsv", "o.csv"])
def test_habits_of_catalogues(fit, output):
    """Columns of shape (N, 1), codes, masks and text, in FITS."""
    table = photometry(4)
    for name in table.colnames:
        table[name] = Column(np.asarray(table[name])[:, None], unit=table[name].unit)
    table["F277W"][1] = np.nan
    table["flag"] = MaskedColumn([1, 2, 3, 999999], mask=[False, True, False, False])
    table["name"] = ["a", "b", "", "d"]
    table.write("t.fits")
    _, found = fit("t.fits", output=output)
    assert len(found) == 4 and np.isfinite(found["LOGMSTAR_P50"][[0, 2, 3]]).all()
    assert list(np.ravel(found["NBANDS"])) == [3, 2, 3, 3]


@pytest.mark.parametrize(
    ("value", "output", "refused"),
    [
        (["não", "b"], "o.fits", True),
        (["não", "b"], "o.ecsv", False),
        (["é", "b"], "o.csv", False),
        (np.ones((2, 5)), "o.csv", True),
        (np.ones((2, 5)), "o.fits", False),
        (MaskedColumn([True, False], mask=[True, False]), "o.fits", True),
    ],
)
def test_columns_that_the_output_cannot_hold(fit, value, output, refused):
    result, found = fit(photometry(extra=value), output=output)
    if refused:
        assert "column 'extra' cannot be written" in said(result)
        assert not os.path.exists(output)
    else:
        assert "extra" in found.colnames


@pytest.mark.parametrize(
    "name", ["SNR", "snr", "NBANDS", "OOD", "CHI2", "DQ", "LOGMSTAR_P50", "Av_std", "T25_P16"]
)
def test_columns_of_a_users_own(fit, name):
    result, found = fit(photometry(**{name: [123.0, 4.0], f"{name}_IN": [1.0, 2.0]}))
    assert f"they are kept as {name}_IN2" in result.warned[0]
    assert list(found[f"{name}_IN2"]) == [123, 4] and list(found[f"{name}_IN"]) == [1, 2]
    assert list(found["SNR"]) == [20, 20]


def test_columns_that_are_named(fit):
    table = photometry()
    table.rename_columns(["ID", "REDSHIFT"], ["NUMBER", "z"])
    table["ez"] = [0.1, 0.0]
    result, _ = fit(table)
    assert (
        "no column REDSHIFT; add one, or give --redshift or --z-col, or --model broad-z, which "
        "infers it; it has NUMBER, z" in said(result)
    )
    _, found = fit(table, "--z-col", "z", "--zerr-col", "ez", "--id-col", "NUMBER")
    assert found.meta["ZCOL"] == "z" and found.meta["IDCOL"] == "NUMBER"
    table.rename_columns(["NUMBER", "z", "ez"], ["ID", "REDSHIFT", "REDSHIFT_ERR"])
    _, expected = fit(table)
    for prop in ("LOGMSTAR_P16", "REDSHIFT_P84"):
        np.testing.assert_array_equal(found[prop], expected[prop])
    result, _ = fit(table, "--z-col", "zz")
    assert "t.ecsv has no column 'zz'; it has ID, REDSHIFT" in said(result)


@pytest.mark.parametrize("change", [str.lower, str.title, lambda name: name[:-4] + "_err"])
def test_names_in_any_case(fit, change):
    table = photometry(REDSHIFT_ERR=[0.1, 0.05])
    _, expected = fit(table)
    for name in table.colnames:
        if change in (str.lower, str.title) or name.endswith("_ERR"):
            table.rename_column(name, change(name))
    table.write("t.fits")
    result, found = fit("t.fits")
    assert not result.warned
    for prop in ("LOGMSTAR_P16", "REDSHIFT_P84", "SNR"):
        np.testing.assert_array_equal(found[prop], expected[prop])
    assert set(table.colnames) <= set(found.colnames)


@pytest.mark.parametrize("name", ["ZERR", "z_err", "redshift_error", "z_lo", "e_redshift"])
def test_errors_of_redshifts_that_are_not_read(fit, name):
    result, found = fit(photometry(**{name: [0.1, 0.1]}))
    assert "REDSHIFT_P50" not in found.colnames
    assert result.warned == [
        f"t.ecsv: the redshifts are taken as exact: {name} not read; where a "
        "column holds 1-sigma errors, name it with --zerr-col"
    ]
    for options in (("--zerr-col", name), ("--redshift-err", "0"), ("--redshift", "1")):
        assert not fit(photometry(**{name: [0.1, 0.1]}), *options)[0].warned


@pytest.mark.parametrize(
    "ids",
    [
        Column([7, 8]),
        Column(["7", "8"]),
        Column([7.0, 8.0]),
        Column(np.array([7, 8], ">i2")),
        Column([[7], [8]]),
    ],
)
def test_draws_of_an_id(fit, ids):
    table = photometry(ID=[7, 8])
    _, expected = fit(table)
    table["ID"] = ids
    table.write("t.fits", overwrite=True)
    _, found = fit("t.fits", output="o.fits")
    np.testing.assert_array_equal(found["AV_P16"], expected["AV_P16"])
    assert found["ID"].dtype.kind == {"U": "S"}.get(ids.dtype.kind, ids.dtype.kind)
    if ids.ndim == 1 and ids.dtype.kind == "i":
        assert len(join(table, found["ID", "LOGMSTAR_P50"], keys="ID")) == 2


# Options.


VALUES = {
    "errors": "ERR",
    "units": "nJy",
    "tile": "5",
    "part": "1/2",
    "hdu": "1",
    "scheduler": "tcp://a:1",
}


def cases():
    options = {option.name: option for option in command.params}
    for name, kinds in KINDS_OF.items():
        if name not in options:
            continue  # of pixsed check alone
        for kind in ("cube", "table"):
            # For a cube, --hdu selects an image.
            if kind not in kinds and (name, kind) != ("hdu", "cube"):
                yield pytest.param(kind, options[name], id=f"{kind} {options[name].opts[0]}")


@pytest.mark.parametrize(("kind", "option"), list(cases()))
@pytest.mark.parametrize("how", ["command line", "environment"])
def test_options_of_other_kinds(fit, monkeypatch, kind, option, how):
    value = "1" if option.is_flag else VALUES.get(option.name, "a")
    arguments = []
    if how == "environment":
        monkeypatch.setenv(f"PIXSED_FIT_{option.name.upper()}", value)
    else:
        arguments = [option.opts[0], *([] if option.is_flag else [value])]
    given = photometry()
    if kind == "cube":
        given = "cube.fits"
        write_cube(fakes.make_cube(), given)
    result, _ = fit(given, *arguments, output="o.fits")
    assert result.exit_code == 2
    assert f"{option.opts[0]} goes with" in said(result)


@pytest.mark.parametrize(
    "options",
    [
        ("--redshift", "1", "--z-col", "a"),
        ("--redshift", "1", "--zerr-col", "a"),
        ("--redshift-err", "0.1", "--zerr-col", "a"),
    ],
)
def test_options_that_contradict(fit, options):
    result, _ = fit(photometry(), *options)
    assert result.exit_code == 2 and f"give {options[0]} or {options[2]}" in said(result)


def test_redshift_options_of_a_model_that_infers_it(run_cli, tmp_path):
    model = fakes.fake_model(tmp_path / "blind.onnx", infer_redshift=True)
    photometry().write(tmp_path / "t.ecsv")
    for option in ("--redshift", "--redshift-err", "--z-col", "--zerr-col"):
        result = run_cli(
            "fit", tmp_path / "t.ecsv", "--model", model, option, "1", "-o", tmp_path / "o.ecsv"
        )
        assert result.exit_code == 2 and f"{option} goes with models" in said(result)


def test_a_cut_of_rows(fit):
    table = photometry()
    table["F444W"][1] = table["F277W"][1] = 1.0
    _, found = fit(table)
    assert np.isfinite(found["LOGMSTAR_P50"]).all()
    _, found = fit(table, "--snr-min", "5")
    assert np.isfinite(found["LOGMSTAR_P50"]).tolist() == [True, False]
    assert found.meta["SNRMIN"] == 5


@pytest.mark.parametrize("output", ["o.vot", "o.dat", "o.txt", "o", "o.fits.bz2", "o.csv.gz"])
def test_endings_of_the_output(fit, run_cli, output):
    result, _ = fit(photometry(), output=output)
    assert "a table is written as .fits, .fits.gz, .ecsv or .csv" in said(result)
    write_cube(fakes.make_cube(), "cube.fits")
    for arguments in (["sum-mass", "cube.fits"], ["merge", "cube.csv"]):
        Path("cube.csv").write_text("a,b\n1,2\n")
        result = run_cli(*arguments, "-o", output)
        assert "a table is written as .fits, .fits.gz, .ecsv or .csv" in said(result)


def test_one_table_at_a_time(fit, tmp_path):
    result, _ = fit(photometry(), "t.ecsv", output="o.ecsv")
    assert "tables are fitted one at a time" in said(result)
    result, _ = fit(photometry(), output=tmp_path)
    assert "is a folder; give a file name" in said(result)


def test_the_extension_of_a_table(fit):
    hdus = [fits.PrimaryHDU(), fits.table_to_hdu(Table({"a": [1]}))]
    hdus += [fits.table_to_hdu(photometry(rows)) for rows in (1, 3)]
    hdus[1].name, hdus[2].name, hdus[3].name = "INFO", "CAT", "CAT"
    hdus[3].ver = 2
    fits.HDUList(hdus).writeto("t.fits")
    for text, rows in (("t.fits[CAT,2]", 3), ("t.fits[2]", 1), ("t.fits[cat,1]", 1)):
        assert len(fit(text)[1]) == rows
    assert len(fit("t.fits", "--hdu", "CAT,2")[1]) == 3
    assert "which table is it? There are 2 (CAT), 3 (CAT)" in said(fit("t.fits")[0])
    assert "no such extension" in said(fit("t.fits[9]")[0])
    fits.HDUList(hdus[:3]).writeto("u.fits")
    assert len(fit("u.fits")[1]) == 1


def test_names_of_bands(fit):
    table = photometry(f150w=[1.0, 2.0], F200W=[1.0, 2.0])
    result, _ = fit(table)
    assert any("f150w, F200W left out" in text for text in result.warned)
    for band in BANDS:
        table.rename_columns([band, f"{band}_ERR"], [f"FLUX_{band}", f"FLUXERR_{band}"])
    result, _ = fit(table)
    assert "no column <BAND> with <BAND>_ERR beside it; it has ID, REDSHIFT, FLUX_F115W" in said(
        result
    )


# Merging.


@pytest.fixture(scope="module")
def fitted(model_path, tmp_path_factory):
    """A folder of fitted tables: rows 1 to 3 (a), 4 to 6 (b), and b with other options."""
    folder = tmp_path_factory.mktemp("fitted")
    b = photometry(3, ID=[4, 5, 6])
    b["F444W"][:] = 50.0
    photometry(3).write(folder / "a_in.ecsv")
    b.write(folder / "b_in.ecsv")
    for suffix in ("fits", "ecsv", "csv"):
        for name, *options in (
            ("a",),
            ("b",),
            ("seed", "--seed", 7),
            ("z", "--redshift", 2),
            ("snr", "--snr-min", 3),
        ):
            table = folder / ("a_in.ecsv" if name == "a" else "b_in.ecsv")
            arguments = [
                "fit",
                table,
                "--model",
                model_path,
                "--samples",
                16,
                *options,
                "-o",
                folder / f"{name}.{suffix}",
            ]
            CliRunner().invoke(cli, list(map(str, arguments)), catch_exceptions=False)
    return folder


@pytest.fixture
def parts(fit, fitted, tmp_path):
    shutil.copytree(fitted, tmp_path, dirs_exist_ok=True)
    return fit


@pytest.fixture
def merge(parts, run_cli):
    return lambda *names, output="m.fits": run_cli("merge", *names, "-o", output, "--overwrite")


def test_merge(merge):
    for suffix in ("fits", "ecsv"):
        output = f"m.{suffix}"
        assert merge(f"a.{suffix}", f"b.{suffix}", output=output).exit_code == 0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert list(Table.read(output)["ID"]) == [1, 2, 3, 4, 5, 6]
    header = fits.getheader("m.fits", 1)
    assert "log10 of the surviving stellar mass, remnants included / solMass" in header.values()


@pytest.mark.few(9)
@pytest.mark.parametrize(
    ("names", "match"),
    [
        (("a.fits", "seed.fits"), "SEED = 7"),
        (("a.ecsv", "seed.ecsv"), "SEED = 7"),
        (("a.csv", "seed.csv"), "a.csv is a table without a record of its fit"),
        (("a.ecsv", "seed.csv"), "seed.csv is a table without a record"),
        (("a.fits", "z.fits"), "REDSHIFT = 2"),
        (("a.ecsv", "snr.ecsv"), "SNRMIN = 3"),
        (("a.fits", "a.fits"), "given twice"),
        (("a.fits", "./a.fits"), "given twice"),
        (("a.fits", "link.fits"), "given twice"),
        (("a.fits", "copy.fits"), "ID 1 of copy.fits is"),
        (("a.ecsv", "copy.ecsv"), "ID 1 of copy.ecsv is in a.ecsv too"),
        (("cube.fits", "cube2.fits"), "cube.fits is a cube; merge takes tables"),
        (("a.fits", "cube.fits"), "cube.fits is a cube"),
        (("image.fits", "a.fits"), "is an image"),
        (("noise.fits", "a.fits"), "noise.fits is a noise table"),
        (("sims.fits",), "is simulations"),
        (("ssp.fits",), "is an SSP grid"),
        (("psf.fits",), "is a PSF"),
        (("maps.fits",), "not a part of"),
        (("a.fits", "maps.fits"), "maps.fits is maps"),
        (("table.fits",), "table.fits is a table;"),
        (("empty.fits",), "a FITS file without a table"),
        (("none.fits",), "no such file"),
        (("a_in.ecsv", "a.ecsv"), "without a record of its fit"),
        (("vector.fits", "b.fits"), "'LOGMSTAR_P50' must have one value per row"),
        (("lengths.fits", "b.fits"), "LOGSFR_P50 has rows of several lengths; fit it again"),
        (("a.fits", "flags.fits"), "different types of values in LOGSFR_P50"),
    ],
)
def test_what_is_not_merged(merge, names, match):
    os.symlink("a.fits", "link.fits")
    shutil.copy("a.fits", "copy.fits")
    shutil.copy("a.ecsv", "copy.ecsv")
    table = fits.table_to_hdu(Table({"x": [1]}))
    image = fits.ImageHDU(np.zeros((2, 2)), name="PSF")
    for name, extensions in (
        ("image", []),
        ("noise", ["NOISE", "BANDS"]),
        ("sims", ["SIMS"]),
        ("ssp", ["WAVE", "METAL"]),
        ("psf", ["COG"]),
        ("maps", ["MAPS"]),
        ("table", ["TABLE"]),
        ("empty", None),
    ):
        hdus = [fits.PrimaryHDU()] + ([image] if extensions is not None else [])
        for extension in extensions or []:
            hdus.append(table.copy())
            hdus[-1].name = extension
        fits.HDUList(hdus).writeto(f"{name}.fits")
    for name in ("cube.fits", "cube2.fits"):
        write_cube(fakes.make_cube(), name)
    for name, part, column, values in (
        ("vector.fits", "a.fits", "LOGMSTAR_P50", np.ones((2, 3))),
        ("flags.fits", "b.fits", "LOGSFR_P50", np.ones(2, bool)),
        ("lengths.fits", "a.fits", "LOGSFR_P50", np.array([[1.0], [1.0, 2.0]], dtype=object)),
    ):
        with fits.open(part) as hdulist:
            table = Table.read(hdulist["POSTERIOR"])
            table[column] = np.resize(values, (len(table), *values.shape[1:]))
            changed = fits.table_to_hdu(table)
            changed.name = "POSTERIOR"
            hdulist["POSTERIOR"] = changed
            hdulist.writeto(name, checksum=True)
    result = merge(*names)
    assert isinstance(result.exception, PixsedError)
    assert match in str(result.exception)
    assert not os.path.exists("m.fits")


def test_ids_that_are_in_two_tables(merge, parts):
    other = photometry(3)
    other["F444W"][:] = 7.0
    parts(other, output="c.fits")
    result = merge("a.fits", "c.fits")
    assert result.exit_code == 0
    assert result.warned == ["c.fits: ID 1, 2, 3 in a.fits too, with other values; both are kept"]
    parts(photometry(2, ID=["x", "y"]), output="text.fits")
    assert merge("a.fits", "text.fits").exit_code == 0
    assert list(Table.read("m.fits")["ID"]) == ["1", "2", "3", "x", "y"]


# Cards that every command writes.


def test_tables_that_are_written_read_back_without_a_warning(fit, run_cli, model_path):
    write_cube(fakes.make_cube(), "cube.fits")
    write_cube(fakes.binned_cube(), "binned.fits")
    write_cube(fakes.make_cube(object_id="gal A"), "named.fits")
    for arguments in (
        ("fit", "cube.fits", "--model", model_path, "--samples", 16, "-o", "maps.fits"),
        ("noise", "cube.fits", "-o", "noise.fits"),
        ("sum-mass", "cube.fits", "--model", model_path, "--samples", 16, "-o", "mass.fits"),
        (
            "sum-mass",
            "cube.fits",
            "named.fits",
            "--model",
            model_path,
            "--samples",
            16,
            "-o",
            "masses.ecsv",
        ),
    ):
        assert run_cli(*arguments).exit_code == 0, arguments
    fit(photometry(), output="table.fits")
    fit(photometry(), output="table.ecsv")
    checked = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("maps", "noise", "mass", "table", "cube", "binned"):
            with fits.open(f"{name}.fits") as hdulist:
                hdulist.verify("exception")
                for number, hdu in enumerate(hdulist):
                    if isinstance(hdu, fits.BinTableHDU):
                        assert len(Table.read(f"{name}.fits", hdu=number))
                        checked += 1
        assert Table.read("mass.fits")["ID"].dtype.kind == "i"
        assert list(Table.read("masses.ecsv")["ID"]) == ["531", "gal A"]
        Table.read("table.ecsv")
    assert checked == 8
