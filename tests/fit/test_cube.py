import subprocess
import sys

import fakes
import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_array_equal

from pixsed.dq import DQ, NOT_FITTED
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.fit.cube import fit_cube
from pixsed.fit.draws import base_normals, global_indices
from pixsed.fit.model import Model
from pixsed.fit.options import FitOptions
from pixsed.fit.posterior import Rows, plan_batches, run_batches, summarise
from pixsed.fit.select import select
from pixsed.fit.table import fit_table
from pixsed.fit.table_input import TableColumns
from pixsed.fit.tiles import TileFitter, tiles
from pixsed.io.formats.cube import Cube, write_cube
from pixsed.io.formats.cube_file import CubeFile
from pixsed.io.headers import shifted_header
from pixsed.properties import check_quantiles, ordered, quantile_name
from pixsed.snr import mean_snr, snr_bands


def test_planes_and_nan_policy(model):
    cube = fakes.make_cube()
    maps = fit_cube(cube, model, FitOptions(samples=50))
    assert maps.properties[0] == "LOGMSTAR"
    assert set(maps.properties) == set(
        "LOGMSTAR LOGMFORM LOGSIGMA LOGSFR METAL AV TAU TSTART AGE T50LB".split()
    )
    dq = maps.planes["DQ"]
    fitted = (dq & NOT_FITTED) == 0
    assert fitted.sum() == maps.nfit > 50
    for name, plane in maps.planes.items():
        assert plane.shape == cube.shape
        if name not in ("SNR", "NBANDS", "DQ"):
            assert plane.dtype == np.float32
            assert_array_equal(np.isfinite(plane), fitted, err_msg=name)
    p16, p50, p84 = (maps.planes[f"LOGMFORM_P{q}"][fitted] for q in (16, 50, 84))
    assert (p16 < p50).all() and (p50 < p84).all()
    # The fake model: the mean flux, with a scatter of 0.1 dex.
    expected = np.log10(np.nanmean(cube.flux[:, fitted], axis=0)) + 8
    np.testing.assert_allclose(p50, expected, atol=0.01)
    np.testing.assert_allclose(maps.planes["LOGMFORM_STD"][fitted], 0.1, rtol=0.15)


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
    assert np.nanmax(floored.snr) <= 2 < np.nanmax(bare.snr)  # and the cut is on what is fitted


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


def test_mean_snr_falls_back_on_the_reddest():
    flux, err = np.ones((4, 2)), np.full((4, 2), 0.5)
    flux[3] = [4.0, np.nan]
    bands = ["F435W", "F606W", "F814W", "F115W"]
    assert snr_bands(bands) == ["F606W", "F814W", "F115W"]
    np.testing.assert_allclose(mean_snr(flux, err, bands), [4.0, 2.0])
    bands = ["F435W", "F606W", "F814W", "F444W"]
    assert snr_bands(bands) == ["F444W"]
    assert np.isnan(mean_snr(flux * np.nan, err, bands)).all()
    # Without data in F444W the three reddest that have.
    np.testing.assert_allclose(mean_snr(flux, err, bands), [8.0, 2.0])


def test_bands(model):
    cube = fakes.make_cube(bands=("F115W", "F277W", "F356W", "F444W", "MIRI_F770W"))
    with pytest.warns(PixsedWarning, match="does not know MIRI_F770W: left out") as caught:
        selection = select(cube, model)
    assert len(caught) == 1
    assert selection.bands == ["F115W", "F277W", "F356W", "F444W"]
    with pytest.raises(PixsedError, match="no band in common with model tau; it has UVIS_F336W"):
        select(fakes.make_cube(bands=("UVIS_F336W", "MIRI_F770W")), model)


def _same(a, b):
    assert list(a.planes) == list(b.planes)
    for name in a.planes:
        assert_array_equal(a.planes[name], b.planes[name], err_msg=name)


@pytest.mark.parametrize("options", [{"tile": (5, 7)}, {"jobs": 3}, {"tile": (3, 20), "jobs": 2}])
def test_results_do_not_depend_on_tiles_or_jobs(model, tmp_path, options):
    cube = fakes.make_cube(redshift_err=0.1)
    whole = fit_cube(cube, model, FitOptions(samples=50))
    write_cube(cube, tmp_path / "cube.fits")
    tile = options.pop("tile", cube.shape)
    with CubeFile(tmp_path / "cube.fits") as source:
        fitter = TileFitter(source, model, FitOptions(samples=50, snr_min=5.0), **options)
        assert fitter.names == list(whole.planes)
        for where in tiles(cube.shape, tile):
            found = fitter.fit(where)
            for name, plane in whole.planes.items():
                assert_array_equal(found.plane(name), plane[where], err_msg=name)


def test_a_cutout_gives_the_same_values(model):
    cube = fakes.make_cube()
    x0, y0 = 7, 4
    part = np.s_[y0 : y0 + 9, x0 : x0 + 11]
    cut = Cube(
        bands=cube.bands,
        flux=cube.flux[:, *part],
        err=cube.err[:, *part],
        header=shifted_header(cube.header, x0, y0),
        redshift=2.0,
        object_id="531",
        segmap=cube.segmap[part],
    )
    whole, small = (fit_cube(c, model, FitOptions(samples=50)) for c in (cube, cut))
    for name, plane in small.planes.items():
        assert_array_equal(plane, whole.planes[name][part], err_msg=name)


def test_the_seed_counts(model):
    cube = fakes.make_cube()
    a, b = (
        fit_cube(cube, model, FitOptions(samples=50, seed=seed)).planes["AV_P50"] for seed in (1, 2)
    )
    assert not np.array_equal(a, b, equal_nan=True)


def test_quantiles_against_numpy(model):
    cube = fakes.make_cube()
    maps = fit_cube(cube, model, FitOptions(samples=64, quantiles=(0.025, 0.9)))
    assert maps.quantiles == (0.5, 0.025, 0.9)
    row, column = global_indices(cube.header, cube.shape)
    y, x = 10, 12
    flux = np.full((1, 29), np.nan, np.float32)
    err = flux.copy()
    for i, band in enumerate(cube.bands):
        flux[0, model.bands.index(band)] = cube.flux[i, y, x]
        err[0, model.bands.index(band)] = cube.err[i, y, x]
    base = base_normals(42, row[[y]], column[[x]], 64, 6)
    draws, _ = model.sample(flux, err, [2.0], [0.0], base)
    for i, name in enumerate(model.parameters[:7]):
        values = draws[0, :, i].astype(float)
        # The mean of the quantiles around, up to 0.05 away, or a fraction of 0.3 of the way to
        # the end; half a draw at least.
        for q, label, half in ((0.025, "P025", 0.5 / 64), (0.5, "P50", 0.05), (0.9, "P90", 0.03)):
            around = np.linspace(q - half, q + half, 4001)
            expected = np.quantile(values, around, method="hazen").mean()
            np.testing.assert_allclose(
                maps.planes[f"{name}_{label}"][y, x], expected, rtol=1e-5, atol=2e-5 * values.std()
            )
        np.testing.assert_allclose(maps.planes[f"{name}_STD"][y, x], values.std(), rtol=1e-5)


def test_redshift_where_it_has_an_error(model):
    maps = fit_cube(fakes.make_cube(redshift_err=0.1), model, FitOptions(samples=200))
    fitted = (maps.planes["DQ"] & NOT_FITTED) == 0
    assert maps.properties[-1] == "REDSHIFT"
    np.testing.assert_allclose(maps.planes["REDSHIFT_P50"][fitted], 2.0, atol=0.01)
    np.testing.assert_allclose(maps.planes["REDSHIFT_STD"][fitted], 0.1, rtol=0.15)


def test_without_predicted_fluxes_nothing_is_out_of_distribution(tmp_path):
    model = Model(fakes.fake_model(tmp_path / "m.onnx", flux_model=False))
    maps = fit_cube(fakes.make_cube(), model, FitOptions(samples=20))
    assert np.isnan(maps.planes["CHI2"]).all()
    assert np.isnan(maps.planes["OOD"]).all()
    assert not (maps.planes["DQ"] & 8).any()


def test_nothing_to_fit(model):
    maps = fit_cube(fakes.make_cube(), model, FitOptions(snr_min=1e6))
    assert maps.nfit == 0
    assert np.isnan(maps.planes["LOGMSTAR_P50"]).all()


def _sums(cube):
    """Return the bins' numbers, first pixels, npix, and summed flux and err of the cube."""
    binmap = cube.binning.binmap
    labels, index = np.unique(binmap, return_index=True)
    labels, index = labels[labels > 0], index[labels > 0]
    y, x = np.unravel_index(index, binmap.shape)
    npix = np.bincount(binmap.ravel())[labels]
    flux, err = (plane[:, y, x].T * npix[:, None] for plane in (cube.flux, cube.err))
    return labels, y, x, npix, flux, err


def test_bins_are_fitted_once_on_their_sum(model):
    cube = fakes.binned_cube()
    maps = fit_cube(cube, model, FitOptions(samples=200, snr_min=0))
    binmap = cube.binning.binmap
    labels, y, x, npix, flux, err = _sums(cube)
    assert maps.nbins == len(labels)
    assert maps.nfit == (binmap > 0).sum() == npix.sum()
    wide = np.full((2, len(labels), len(model.bands)), np.nan, np.float32)
    columns = [model.bands.index(band) for band in cube.bands]
    wide[0][:, columns], wide[1][:, columns] = flux, err
    row_key, column_key = global_indices(cube.header, cube.shape)
    z = np.full(len(labels), 2.0)
    direct = summarise(
        model,
        Rows(*wide, z, 0 * z, row_key[y], column_key[x]),
        FitOptions(samples=200),
        pixel_area=cube.pixar_a2,
    )
    for name in ("LOGMSTAR_P50", "LOGMFORM_P16", "LOGSFR_P84", "LOGSIGMA_P50"):
        np.testing.assert_allclose(
            maps.planes[name][y, x], direct[name] - np.log10(npix), atol=1e-5, err_msg=name
        )
    for name in ("AV_P50", "TAU_P16", "METAL_P84", "AGE_P50", "LOGMSTAR_STD", "CHI2", "OOD"):
        np.testing.assert_allclose(maps.planes[name][y, x], direct[name], rtol=1e-5, err_msg=name)
    # Every pixel of a bin has what its bin has, the others nothing.
    for name, plane in maps.planes.items():
        if name in ("NBANDS", "DQ", "BINMAP"):
            continue
        assert np.isfinite(plane[binmap > 0]).all() and np.isnan(plane[binmap == 0]).all(), name
        for label, value in zip(labels, plane[y, x], strict=True):
            assert (plane[binmap == label] == value).all()
    assert_array_equal(maps.planes["BINMAP"], binmap)
    # The mass of all pixels is that of all bins.
    mass = 10.0 ** maps.planes["LOGMSTAR_P50"][binmap > 0].astype(float)
    np.testing.assert_allclose(
        mass.sum(), (10.0 ** direct["LOGMSTAR_P50"].astype(float)).sum(), rtol=1e-5
    )


def test_bins_against_a_table_of_their_photometry(model):
    cube = fakes.binned_cube()
    maps = fit_cube(cube, model, FitOptions(samples=500, snr_min=0))
    _, y, x, npix, flux, err = _sums(cube)
    table = Table({"REDSHIFT": np.full(len(npix), 2.0)})
    for i, band in enumerate(cube.bands):
        table[band], table[f"{band}_ERR"] = flux[:, i], err[:, i]
    found = fit_table(table, model, FitOptions(samples=500), columns=TableColumns(units="nJy"))
    # Other draws, of the same posterior.
    for name in ("LOGMSTAR_P50", "LOGMFORM_P84", "LOGSFR_P16"):
        np.testing.assert_allclose(maps.planes[name][y, x] + np.log10(npix), found[name], atol=0.01)
    np.testing.assert_allclose(maps.planes["AV_P50"][y, x], found["AV_P50"], atol=0.02)
    for name in ("SNR", "CHI2", "NBANDS"):
        np.testing.assert_allclose(maps.planes[name][y, x], found[name], rtol=1e-5)


def test_bins_below_the_cut_or_in_no_bin(model):
    cube = fakes.binned_cube()
    snr = np.asarray(cube.binning.table["snr"])
    cut = float(np.median(snr))
    selection = select(cube, model, FitOptions(snr_min=cut))
    maps = fit_cube(cube, model, FitOptions(samples=20, snr_min=cut))
    fitted = np.isfinite(maps.planes["AV_P50"])
    binmap = cube.binning.binmap
    assert_array_equal(fitted, (binmap > 0) & (np.append(np.nan, snr)[binmap] >= cut))
    assert maps.nbins == (snr >= cut).sum()
    assert (selection.dq[binmap == 0] & 4).all()
    assert_array_equal(maps.planes["BINMAP"], binmap)
    everything = select(cube, model, FitOptions(snr_min=-np.inf, all_pixels=True))
    assert_array_equal(everything.chosen, binmap > 0)


def test_bins_do_not_depend_on_jobs(model):
    cube = fakes.binned_cube(redshift_err=0.1)
    _same(
        fit_cube(cube, model, FitOptions(samples=50)),
        fit_cube(cube, model, FitOptions(samples=50), jobs=3),
    )


def test_tiles_cover_once():
    count = np.zeros((7, 10), int)
    for where in tiles(count.shape, (3, 4)):
        count[where] += 1
    assert (count == 1).all()


@pytest.mark.parametrize("jobs", [1, 3])
def test_batches_hold_each_row_once_and_errors_get_out(jobs):
    y, x = (a.ravel() for a in np.mgrid[-4:6, 3:20])
    done = []
    found = list(run_batches(lambda rows, keep: rows[keep], y, x, jobs, done.append))
    rows = np.concatenate([rows for rows, _ in found])
    assert_array_equal(np.sort(rows), np.arange(170))
    assert all(np.array_equal(rows, result) for rows, result in found)
    assert sum(done) == 170
    assert len(found) <= 7  # 170 / 32 is 5.3: little is computed in vain

    def fail(rows, keep):
        raise PixsedError("no")

    with pytest.raises(PixsedError, match="no"):
        list(run_batches(fail, y, x, jobs))


def test_a_pixel_has_its_place_in_a_batch():
    y, x = (a.ravel() for a in np.mgrid[-4:6, 3:20])

    def places(y, x):
        batches = plan_batches(y, x)
        return {
            (y[row], x[row]): i % 16 for batch in batches for i, row in enumerate(batch) if row >= 0
        }

    whole = places(y, x)
    part = np.random.default_rng(0).permutation(170)[:60]
    small = places(y[part], x[part])
    assert len(small) == 60
    assert all(whole[pixel] == place for pixel, place in small.items())
    assert plan_batches(y[:0], x[:0]).shape == (0, 32)


def test_names_of_quantiles():
    names = {
        0.16: "P16",
        0.5: "P50",
        0.84: "P84",
        0.025: "P025",
        0.975: "P975",
        0.05: "P05",
        0.1: "P10",
        1e-5: "P00001",
    }
    assert {q: quantile_name(q) for q in names} == names
    assert check_quantiles([0.84, 0.16]) == (0.5, 0.16, 0.84)
    with pytest.raises(PixsedError, match="between 0 and 1, got 16"):
        check_quantiles([16])
    assert ordered(["X", "AGE", "LOGMSTAR"]) == ["LOGMSTAR", "AGE", "X"]


def test_no_torch():
    code = (
        "import sys, pixsed.cli.fit, pixsed.cli.sum_mass, pixsed.cli.models, pixsed.fit.cube, "
        "pixsed.fit.model, pixsed.fit.sum_mass, pixsed.fit.table, onnxruntime; "
        "print(sorted({'torch', 'sbi', 'onnx'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
