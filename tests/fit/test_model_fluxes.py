"""Predicted fluxes of maps and tables: those of CHI2."""

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.fit.cube import fit_cube
from pixsed.fit.model import Model, load_model
from pixsed.fit.options import FitOptions
from pixsed.fit.table import fit_table
from pixsed.fit.table_input import TableColumns
from pixsed.io.formats.cube import write_cube
from pixsed.io.formats.maps import read_maps
from pixsed.nodata import usable

BANDS = "F115W F200W F277W F356W F444W".split()
NAMES = [f"{band}_MODEL" for band in BANDS]


@pytest.fixture(scope="module")
def shipped():
    return load_model("tau")


def recomputed(flux, err, predicted, relative):
    """Return chi^2 per band, from fluxes, their errors and the predicted fluxes, (B, ...)."""
    relative = np.reshape(relative, (-1, *[1] * (flux.ndim - 1)))
    pull = (flux.astype(float) - predicted) ** 2 / (err**2.0 + (relative * predicted) ** 2)
    return np.nansum(pull, axis=0) / np.maximum(np.isfinite(flux).sum(axis=0), 1)


@pytest.mark.parametrize("floor", [0.0, 0.1])
@pytest.mark.parametrize("make", [fakes.make_cube, fakes.binned_cube])
def test_chi2_of_maps_follows_from_the_planes(shipped, tmp_path, make, floor):
    cube = make()
    options = FitOptions(snr_min=1, error_floor=floor, model_fluxes=True)
    fit_cube(cube, shipped, options, output=tmp_path / "maps.fits")
    maps = read_maps(tmp_path / "maps.fits")
    predicted = np.stack([maps.planes[name] for name in NAMES])
    fitted = np.isfinite(maps.planes["CHI2"])
    assert fitted.sum() == maps.nfit > 50
    # A prediction where a band is missing too.
    assert (np.isfinite(predicted) == fitted).all() and (predicted[:, fitted] > 0).all()
    with fits.open(tmp_path / "maps.fits") as hdulist:
        relative = [hdulist[name].header["RELERR"] for name in NAMES]
        assert hdulist[0].header["MODFLUX"] is True
    assert all(0 < value < 0.1 for value in relative)
    flux, err, _, _ = usable(cube.flux, cube.err, floor)
    count = 1
    if cube.binning is not None:  # fluxes of the bin, divided among its pixels
        count = cube.binning.npix
    expected = recomputed(flux * count, err * count, predicted * count, relative)
    np.testing.assert_allclose(expected[fitted], maps.planes["CHI2"][fitted], rtol=1e-4)


def test_other_planes_stay_the_same(model):
    cube = fakes.make_cube()
    plain = fit_cube(cube, model, FitOptions(samples=30))
    with_fluxes = fit_cube(cube, model, FitOptions(samples=30, model_fluxes=True))
    assert [name for name in with_fluxes.planes if name not in plain.planes] == NAMES
    names = list(with_fluxes.planes)
    assert names[names.index("F115W_MODEL") - 1] == f"{plain.properties[-1]}_STD"
    assert names[names.index("F444W_MODEL") + 1] == "SNR"
    assert with_fluxes.properties == plain.properties
    for name, plane in plain.planes.items():
        np.testing.assert_array_equal(with_fluxes.planes[name], plane, err_msg=name)


def photometry():
    table = Table({"ID": [1, 2, 3], "REDSHIFT": [1.0, 2.0, 3.0]})
    for i, band in enumerate(BANDS):
        table[band] = np.array([10.0, 20.0, np.nan]) * (1 + 0.2 * i) * u.nJy
        table[f"{band}_ERR"] = np.array([1.0, 1.0, 1.0]) * u.nJy
    table["F200W"][1] = np.nan
    return table


def test_chi2_of_rows_follows_from_the_columns(shipped, tmp_path):
    table = photometry()
    options = FitOptions(error_floor=0.05, model_fluxes=True)
    found = fit_table(table, shipped, options, output=tmp_path / "o.fits")
    assert found.colnames[-10:-5] == NAMES
    assert found["F444W_MODEL"].unit == u.nJy
    predicted = np.stack([np.asarray(found[name]) for name in NAMES])
    assert np.isfinite(predicted[:, :2]).all() and np.isnan(predicted[:, 2]).all()
    flux, err, _, _ = usable(
        np.stack([table[b].value for b in BANDS]),
        np.stack([table[f"{b}_ERR"].value for b in BANDS]),
        0.05,
    )
    relative = [shipped.flux_model_error[band] for band in BANDS]
    chi2 = recomputed(flux[:, :2], err[:, :2], predicted[:, :2], relative)
    np.testing.assert_allclose(chi2, found["CHI2"][:2], rtol=1e-4)
    words = [found[name].description.split("; relative error ") for name in NAMES]
    assert words[0][0] == "predicted flux in F115W, of the draw closest to the photometry"
    np.testing.assert_allclose([float(last) for _, last in words], relative, rtol=1e-3)
    back = Table.read(tmp_path / "o.fits", hdu="POSTERIOR")
    assert back["F115W_MODEL"].unit == u.nJy
    plain = fit_table(table, shipped, FitOptions(error_floor=0.05))
    assert [name for name in found.colnames if name not in plain.colnames] == NAMES


def test_columns_left_from_an_earlier_fit(model):
    first = fit_table(photometry(), model, FitOptions(samples=30, model_fluxes=True))
    first.keep_columns([*photometry().colnames, "F444W_MODEL"])
    first.rename_column("F444W_MODEL", "f444w_model")
    for fluxes in (True, False):
        with pytest.warns(PixsedWarning, match="they are kept as f444w_model_IN"):
            again = fit_table(first, model, FitOptions(samples=30, model_fluxes=fluxes))
        assert ("F444W_MODEL" in again.colnames) == fluxes


def test_a_model_that_predicts_no_fluxes(tmp_path):
    blind = Model(fakes.fake_model(tmp_path / "m.onnx", flux_model=False))
    options = FitOptions(model_fluxes=True)
    for fit in (
        lambda: fit_cube(fakes.make_cube(), blind, options),
        lambda: fit_table(photometry(), blind, options, columns=TableColumns()),
    ):
        with pytest.raises(PixsedError, match=r"\(.*m.onnx\) predicts no fluxes; omit --model-fl"):
            fit()


def test_command(run_cli, model_path, tmp_path):
    write_cube(fakes.make_cube(), tmp_path / "c.fits")

    def fit(output, *options):
        return run_cli(
            "fit",
            tmp_path / "c.fits",
            "--model",
            model_path,
            "-q",
            "-o",
            tmp_path / output,
            *options,
        )

    assert fit("m.fits", "--model-fluxes").exit_code == 0
    for number in (1, 2):
        assert fit(f"{number}.fits", "--model-fluxes", "--part", f"{number}/2").exit_code == 0
    parts = tmp_path / "1.fits", tmp_path / "2.fits"
    assert run_cli("merge", *parts, "-q", "-o", tmp_path / "whole.fits").exit_code == 0
    whole, merged = read_maps(tmp_path / "m.fits"), read_maps(tmp_path / "whole.fits")
    assert [name for name in whole.planes if name.endswith("_MODEL")] == NAMES
    for name, plane in whole.planes.items():
        np.testing.assert_array_equal(merged.planes[name], plane)
    # With --resume, maps of the same fit are finished, and those without fluxes are another fit.
    again = fit("m.fits", "--model-fluxes", "--resume")
    assert again.exit_code == 0
    result = fit("m.fits", "--resume")
    assert result.exit_code == 1
    assert "made with MODFLUX = True, now it is none" in str(result.exception)
    result = fit("q.fits", "--model-fluxes", "--engine", "quantile")
    assert result.exit_code == 2
    assert "--model-fluxes goes with --engine flow" in result.output + result.stderr
