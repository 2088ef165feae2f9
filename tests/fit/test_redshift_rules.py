"""Redshifts that cannot be fitted: NaN, a bit of DQ and a warning that names them."""

import warnings

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from pixsed.dq import DQ, NOT_FITTED
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.fit.galaxy_row import galaxy_row
from pixsed.fit.options import FitOptions
from pixsed.fit.select import select
from pixsed.fit.table import fit_table, table_text
from pixsed.io.formats.cube import write_cube

NONE, BAD, RANGE = DQ.NO_REDSHIFT, DQ.BAD_REDSHIFT_ERR, DQ.REDSHIFT_RANGE
# Redshift, error, and bits (the fake model: 0 to 7.5, errors to 0.1 (1 + z)).
ROWS = [
    (1.0, 0.0, 0),
    (7.5, 0.0, 0),
    (2.0, 0.3, 0),
    (0.01, 0.0, 0),
    (1e-9, 0.0, NONE),
    (0.0, 0.0, NONE),
    (-99.0, -99.0, NONE),
    (-1.0, 0.1, NONE),
    (np.nan, 0.1, NONE),
    (np.inf, 0.0, NONE),
    (1.0, np.nan, BAD),
    (1.0, -99.0, BAD),
    (1.0, np.inf, BAD),
    (14.18, 0.0, RANGE),
    (7.6, 0.0, RANGE),
    (2.0, 0.31, RANGE),
    (99.0, 0.0, RANGE),
]
Z, ZERR, BITS = (np.array(column) for column in zip(*ROWS, strict=True))


def rows_fitted(result):
    """Return how many rows of a table were fitted."""
    return int(((result["DQ"] & NOT_FITTED) == 0).sum())


def make_table(**columns):
    table = Table({"ID": np.arange(101, 101 + len(Z))} | columns)
    for band in fakes.make_cube().bands:
        table[band] = np.full(len(table), 10.0) * u.nJy
        table[f"{band}_ERR"] = np.full(len(table), 1.0) * u.nJy
    return table


@pytest.mark.parametrize("kind", ["f8", "f4", "masked", "no ID"])
def test_rows_of_a_table(model, kind):
    table = make_table(REDSHIFT=Z, REDSHIFT_ERR=ZERR)
    if kind == "f4":
        for name in ("REDSHIFT", "REDSHIFT_ERR"):
            table[name] = table[name].astype("f4")
        table["REDSHIFT_ERR"][2] = 0.29
    if kind == "masked":
        for name in ("REDSHIFT", "REDSHIFT_ERR"):
            table[name] = MaskedColumn(table[name], mask=np.isnan(table[name]))
    if kind == "no ID":
        del table["ID"]
    with pytest.warns(PixsedWarning) as caught:
        found = fit_table(table, model, FitOptions(samples=20))
    np.testing.assert_array_equal(found["DQ"] & (NONE | BAD | RANGE), BITS)
    assert rows_fitted(found) == (BITS == 0).sum()
    for name in ("LOGMSTAR_P50", "AGE_P16", "AV_STD", "OOD"):
        np.testing.assert_array_equal(np.isfinite(found[name]), BITS == 0, err_msg=name)
    told = sorted(str(w.message) for w in caught)
    rows = {bits: np.flatnonzero(BITS == bits) for bits in (NONE, BAD, RANGE)}
    for bits, text in (
        (NONE, "no redshift"),
        (BAD, "redshift error that is NaN"),
        (RANGE, "outside the range of model tau"),
    ):
        (message,) = [line for line in told if text in line]
        first = rows[bits][0]
        label = f"row {first + 1}" if kind == "no ID" else f"ID {first + 101}"
        assert f"{len(rows[bits])} of {len(Z)} rows" in message and f"{label}, " in message
    assert "and 1 more" in told[1] or "and 1 more" in " ".join(told)
    text = table_text(found)
    assert text.startswith(f"4 of {len(Z)} rows fitted, ")
    assert "6 without a usable redshift, 3 with a redshift error that is NaN" in text


def test_without_a_column_of_errors_all_are_exact(model):
    found = fit_table(make_table(REDSHIFT=np.full(len(Z), 1.0)), model, FitOptions(samples=20))
    assert rows_fitted(found) == len(Z) and not (found["DQ"] & BAD).any()
    assert "REDSHIFT_P50" not in found.colnames


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"redshift": 0.0}, "redshift 0 gives no distance"),
        ({"redshift": 1e-6}, "redshift 1e-06 gives no distance"),
        ({"redshift": np.nan}, "redshift nan gives no distance"),
        ({"redshift": np.inf}, "redshift inf gives no distance"),
        ({"redshift": -1.0}, "redshift -1 gives no distance"),
        ({"redshift": 14.18}, r"14.18 \+- 0 is outside the range of model tau \(z 0.001 to 7.5"),
        (
            {"redshift": 1.0, "redshift_err": np.nan},
            "redshift error nan must be a number of 0 or more",
        ),
        ({"redshift": 1.0, "redshift_err": np.inf}, "redshift error inf must be"),
        ({"redshift": 1.0, "redshift_err": -1.0}, "redshift error -1 must be"),
        ({"redshift_err": np.nan}, "redshift error nan must be a number of 0 or more"),
        ({"redshift_err": np.inf}, "redshift error inf must be"),
        ({"redshift": 1.0, "redshift_err": 0.5}, r"1 \+- 0.5 is outside the range"),
    ],
)
def test_options(model, run_cli, model_path, tmp_path, options, match):
    with pytest.raises(PixsedError, match=match):
        fit_table(make_table(REDSHIFT=Z), model, FitOptions(**options))
    if min(options.values()) < 0:
        return  # a usage error
    write_cube(fakes.make_cube(), tmp_path / "c.fits")
    names = {"redshift": "--redshift", "redshift_err": "--redshift-err"}
    args = [f"{names[name]}={value}" for name, value in options.items()]
    make_table(REDSHIFT=np.ones(len(Z))).write(tmp_path / "t.ecsv")
    for name in ("c.fits", "t.ecsv"):
        result = run_cli(
            "fit", tmp_path / name, *args, "--model", model_path, "-o", tmp_path / "o.fits"
        )
        assert result.exit_code != 0 and not (tmp_path / "o.fits").exists()
        assert isinstance(result.exception, PixsedError | SystemExit)


@pytest.mark.parametrize("redshift", [0.0, 1e-6, 14.18])
def test_cubes(run_cli, model, model_path, tmp_path, redshift):
    good, bad = tmp_path / "good.fits", tmp_path / "bad.fits"
    cube = fakes.make_cube(redshift=redshift)
    write_cube(fakes.make_cube(), good)
    write_cube(cube, bad)
    args = ("--model", model_path, "--samples", 20, "--jobs", 1)
    result = run_cli("fit", bad, *args, "-o", tmp_path / "o.fits")
    assert result.exit_code == 1 and f"bad.fits: redshift {redshift:g}" in str(result.exception)
    assert not (tmp_path / "o.fits").exists()
    result = run_cli("fit", bad, good, *args, "-o", tmp_path / "maps")
    assert result.exit_code == 1 and "1 of 2 cubes could not be fitted" in str(result.exception)
    assert f"bad.fits: redshift {redshift:g}" in result.stderr
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["good_maps.fits"]
    # Another redshift can be fitted; a mass has a flag.
    assert run_cli("fit", bad, "--redshift", 1, *args, "-o", tmp_path / "o.fits").exit_code == 0
    with pytest.warns(PixsedWarning, match=f"redshift {redshift:g} "):
        row = galaxy_row(cube, model, select(cube, model), FitOptions(samples=500))
    assert row["FLAG"] == 32 | 1 and np.isnan(row["RES_LOGMSTAR_P50"])


def test_a_cube_with_an_invalid_redshift_error(run_cli, model_path, tmp_path):
    path = tmp_path / "c.fits"
    write_cube(fakes.make_cube(), path)
    for value in (-99.0, "none", True):
        fits.setval(path, "ZERR", value=value)
        result = run_cli("fit", path, "--model", model_path, "-o", tmp_path / "o.fits")
        assert result.exit_code == 1 and isinstance(result.exception, PixsedError)


@pytest.fixture
def field(tmp_path, wcs_header):
    """Mosaics of two galaxies; return the arguments of fit, and the segmentation map."""
    y, x = np.mgrid[:30, :60]
    segmap = np.zeros((30, 60), np.int32)
    segmap[np.hypot(y - 15, x - 15) < 5] = 3
    segmap[np.hypot(y - 15, x - 45) < 5] = 4
    args = []
    for band in fakes.make_cube().bands:
        hdus = [fits.PrimaryHDU()]
        hdus += [
            fits.ImageHDU(data.astype("f4"), wcs_header(BUNIT="nJy"), name=name)
            for name, data in (("SCI", 10.0 + 0 * x), ("ERR", 1.0 + 0 * x))
        ]
        fits.HDUList(hdus).writeto(tmp_path / f"{band}.fits")
        args.append(f"{band}={tmp_path}/{band}.fits")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(segmap, wcs_header(), name="SEG")]).writeto(
        tmp_path / "seg.fits"
    )
    return args, segmap


# Redshift, error and bits of the second galaxy.
@pytest.mark.parametrize(("z", "redshift_err", "bits"), [row for row in ROWS if row[2]])
@pytest.mark.parametrize("source", ["catalog", "map"])
def test_mosaics(field, run_cli, model_path, tmp_path, wcs_header, z, redshift_err, bits, source):
    args, segmap = field
    if source == "catalog":
        Table({"id": [3, 4], "z": [1.0, z], "z_err": [0.1, redshift_err]}).write(
            tmp_path / "z.ecsv"
        )
        args += ["--segmap", tmp_path / "seg.fits", "--catalog", tmp_path / "z.ecsv"]
    else:
        planes = [
            np.select([segmap == 3, segmap == 4], pair, 0.0)
            for pair in ([1.0, z], [0.1, redshift_err])
        ]
        fits.HDUList(
            [fits.PrimaryHDU(), *(fits.ImageHDU(p, wcs_header()) for p in planes)]
        ).writeto(tmp_path / "z.fits")
        args += ["--segmap", tmp_path / "seg.fits", "--redshift-map", tmp_path / "z.fits"]
    result = run_cli(
        "fit", *args, "--model", model_path, "--samples", 20, "--jobs", 1, "-o", tmp_path / "o.fits"
    )
    assert result.exit_code == 0, result.exception
    with fits.open(tmp_path / "o.fits") as hdulist:
        dq, mass = hdulist["DQ"].data, hdulist["LOGMSTAR_P50"].data
    np.testing.assert_array_equal(np.isfinite(mass), segmap == 3)
    assert (dq[segmap == 4] & (NONE | BAD | RANGE) == bits).all()
    assert (dq[segmap == 3] & (NONE | BAD | RANGE) == 0).all()
    told = " ".join(result.warned)
    if source == "catalog":
        assert "id 4" in told
    elif bits != NONE:
        assert f"{(segmap == 4).sum()} pixels are not fitted" in told


def test_a_catalogue_of_bad_errors_names_the_remedy(field, run_cli, model_path, tmp_path):
    args, _ = field
    args += [
        "--segmap",
        tmp_path / "seg.fits",
        "--catalog",
        tmp_path / "z.csv",
        "--model",
        model_path,
        "-o",
        tmp_path / "o.fits",
    ]
    Table({"id": [3, 4], "z": [1.0, 2.0], "z_err": [-99.0, -99.0]}).write(tmp_path / "z.csv")
    result = run_cli("fit", *args)
    assert "no redshift has an error of 0 or more in column 'z_err'; set it to 0" in str(
        result.exception
    )
    cut = run_cli("cutout", *args[:-4], "--id", 3, "-o", tmp_path / "c.fits")
    assert "no redshift has an error of 0 or more" in str(cut.exception)
    Table({"id": [3, 4, 5], "z": [1.0, 2.0, 3.0], "z_err": [-99.0, -1, 0.1]}).write(
        tmp_path / "z.csv", overwrite=True
    )
    result = run_cli("fit", *args)
    assert "they have a redshift error that is NaN, infinite or negative" in str(result.exception)
    cut = run_cli("cutout", *args[:-4], "--id", 3, "-o", tmp_path / "c.fits")
    assert "no redshift of id 3, or one with a bad error" in str(cut.exception)


def test_cutouts_omit_objects_without_redshift(field, run_cli, tmp_path):
    args, _ = field
    Table({"id": [3, 4], "z": [1.0, 2.0], "z_err": [0.1, np.nan]}).write(tmp_path / "z.ecsv")
    result = run_cli(
        "cutout",
        *args,
        "--segmap",
        tmp_path / "seg.fits",
        "--catalog",
        tmp_path / "z.ecsv",
        "--all",
        "-o",
        f"{tmp_path}/cubes/",
    )
    assert result.exit_code == 0, result.exception
    assert [path.name for path in (tmp_path / "cubes").iterdir()] == ["3.fits"]
    assert any("1 of 2 galaxies have a redshift error that is NaN" in t for t in result.warned)
    result = run_cli(
        "cutout",
        *args,
        "--segmap",
        tmp_path / "seg.fits",
        "--id",
        3,
        "--redshift",
        1e-6,
        "-o",
        tmp_path / "c.fits",
    )
    assert "redshift 1e-06 gives no distance" in str(result.exception)


def test_a_model_that_infers_redshifts_ignores_the_columns(tmp_path):
    from pixsed.fit.model import Model

    path = fakes.fake_model(tmp_path / "b.onnx", infer_redshift=True, redshift_range=[3.5, 4.0])
    blind = Model(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit_table(make_table(REDSHIFT=Z, REDSHIFT_ERR=ZERR), blind, FitOptions(samples=20))
    assert rows_fitted(found) == len(Z) and not (found["DQ"] & (NONE | BAD | RANGE)).any()
