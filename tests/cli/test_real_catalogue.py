"""`pixsed fit TABLE` of a table with all the peculiarities of real catalogues at once."""

import os
import warnings

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Column, MaskedColumn, Table

from pixsed.dq import DQ
from pixsed.errors import PixsedError

IDS = 2**53 + np.arange(1, 7)
BANDS = ["F115W", "F200W", "F277W", "F356W", "F444W"]
# nJy, one row per galaxy.
FLUX = np.outer([1, 2, 4, 8, 16, 32], [60.0, 80, 100, 120, 140])
ERR = FLUX / 20
# Row and band of missing values: F115W is in nJy, F277W in magnitudes.
MISSING = {(0, "F115W"), (1, "F277W"), (2, "F444W"), (2, "F115W")}
NO_REDSHIFT = 4


def catalogue(names):
    """Return six galaxies with columns of shape (N, 1), codes, masks, p(z), places and text.

    F277W is in AB magnitudes, F444W has no unit, and names are in upper, lower and mixed case.
    """
    column = {
        "F115W": "F115W",
        "F200W": "f200w",
        "F277W": "F277W",
        "F356W": "F356W",
        "F444W": "F444w",
    }
    table = Table({"Id": IDS, "ra": Column(np.full((6, 1), 53.1), unit="deg")})
    mask = np.arange(6) == NO_REDSHIFT
    table["zBest"] = MaskedColumn(np.where(mask, -99.0, 1.5)[:, None], mask=mask[:, None])
    table["pz"] = np.random.default_rng(1).random((6, 40)).astype("f4")
    for number, band in enumerate(BANDS):
        flux, err, unit = FLUX[:, number].copy(), ERR[:, number].copy(), "nJy"
        if band == "F277W":
            flux, err, unit = 31.4 - 2.5 * np.log10(flux), np.full(6, 2.5 / np.log(10) / 20), "mag"
        for row, missing in MISSING:
            if missing == band:
                flux[row] = err[row] = -99
        unit = None if band == "F444W" else unit
        table[column[band]] = Column(flux[:, None].astype("f8"), unit=unit)
        table[f"{column[band]}_err"] = Column(err[:, None].astype("f8"), unit=unit)
    table["coord"] = SkyCoord(np.full(6, 53.1), np.full(6, -27.8), unit="deg")
    table["flag"] = MaskedColumn(np.arange(6, dtype="i2"), mask=np.arange(6) == 3)
    table["LOGMSTAR_P50"] = np.full(6, 99.0)  # from an earlier code
    for name, value in names.items():
        table[name] = value
    return table


@pytest.fixture
def fit(tmp_path, monkeypatch, run_cli):
    monkeypatch.chdir(tmp_path)
    model = fakes.fake_model(tmp_path / "fake.onnx")

    def run(path, output, *options):
        return run_cli(
            "fit", path, "--model", model, "--samples", 64, "--jobs", 1, "-o", output, *options
        )

    return run


def write(table, path):
    if path.endswith(".fits"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table.write(path)
        with fits.open(path) as hdulist:
            assert "coord.ra" in hdulist[1].columns.names  # a SkyCoord, as astropy writes it
    else:
        table.write(path)


OPTIONS = ("--z-col", "zbest", "--unit", "nJy", "--unit", "F277W=mag(AB)")


@pytest.mark.parametrize(
    ("path", "output", "names"),
    [
        ("t.fits", "o.fits", {}),
        ("t.fits", "o.ecsv", {}),
        ("t.ecsv", "o.fits", {}),
        ("t.ecsv", "o.ecsv", {"größe": 1.0, "note": ["é", "b", "", "d", "ñ", "f"]}),
    ],
)
def test_the_rows_are_right(fit, path, output, names):
    write(catalogue(names), path)
    result = fit(path, output, *OPTIONS)
    assert result.exit_code == 0, (result.stderr, result.exception)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Table.read(output)

    assert found["Id"].tolist() == IDS.tolist()
    given = np.array([[(row, band) not in MISSING for band in BANDS] for row in range(6)])
    assert found["NBANDS"].tolist() == given.sum(axis=1).tolist()
    # The mass of the fake model: from the mean flux of the bands with data.
    mass = np.log10(np.where(given, FLUX, 0).sum(axis=1) / given.sum(axis=1)) + 7.8
    fitted = np.arange(6) != NO_REDSHIFT
    logm = np.ma.filled(np.ma.asarray(found["LOGMSTAR_P50"]), np.nan)
    np.testing.assert_allclose(logm[fitted], mass[fitted], atol=0.02)
    assert np.isnan(logm[NO_REDSHIFT])
    assert ((found["DQ"] & DQ.NO_REDSHIFT) > 0).tolist() == (~fitted).tolist()
    np.testing.assert_allclose(found["SNR"][fitted], 20, rtol=1e-5)
    assert found["LOGMSTAR_P50_IN"].tolist() == [99.0] * 6

    said = " ".join(result.warned)
    assert (
        f"1 of 6 rows are not fitted, with no redshift, or one too small for a distance: ID "
        f"{IDS[NO_REDSHIFT]}" in said
    )
    assert "LOGMSTAR_P50_IN" in said
    assert "an error of 0 or less (F115W 2, F444W 1 rows)" in said
    assert found["pz"].shape == (6, 40)
    assert found["flag"].mask.tolist() == [False, False, False, True, False, False]
    if output.endswith(".fits"):
        assert found["coord_dec"].unit == u.deg
        np.testing.assert_allclose(found["coord_dec"], -27.8)
    for name, value in names.items():
        assert list(np.ma.filled(found[name], "")) == list(np.broadcast_to(value, 6))


@pytest.mark.parametrize(
    ("path", "output", "names", "options", "match"),
    [
        ("t.fits", "o.csv", {}, OPTIONS, "column 'pz' cannot be written as CSV"),
        (
            "t.ecsv",
            "o.fits",
            {"größe": 1.0},
            OPTIONS,
            "FITS cannot hold the name of column 'größe'",
        ),
        ("t.ecsv", "o.fits", {"n": "é"}, OPTIONS, "column 'n' cannot be written as FITS"),
        ("t.fits", "o.fits", {}, OPTIONS[2:], "no column REDSHIFT; .* --z-col"),
        ("t.fits", "o.fits", {}, OPTIONS[:2], "column F277W is in mag without a system"),
        ("t.fits", "o.fits", {}, (*OPTIONS[:2], *OPTIONS[4:]), "column F444w has no unit"),
        ("t.ecsv", "o.fits", {"ID": IDS}, OPTIONS, "except for upper and lower case, which FITS"),
        (
            "t.ecsv",
            "o.ecsv",
            {"f444W": 1.0},
            OPTIONS,
            "F444w, f444W are all F444W but for upper and",
        ),
    ],
)
def test_one_clear_line(fit, tmp_path, path, output, names, options, match):
    write(catalogue(names), path)
    with pytest.raises(PixsedError, match=match):
        raise fit(path, output, *options).exception
    assert not (tmp_path / output).exists()


def test_a_locale_without_such_letters(tmp_path, run_pixsed):
    catalogue({"größe": 1.0, "note": ["é", "b", "", "d", "ñ", "f"]}).write(tmp_path / "t.ecsv")
    fakes.fake_model(tmp_path / "fake.onnx")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = run_pixsed(
        "fit",
        "t.ecsv",
        "--model",
        "fake.onnx",
        "--samples",
        16,
        "-o",
        "ö.ecsv",
        *OPTIONS,
        cwd=tmp_path,
        env=os.environ | plain,
    )
    assert result.returncode == 0, result.stderr
    assert list(Table.read(tmp_path / "ö.ecsv")["note"])[4] == "ñ"
