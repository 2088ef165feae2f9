"""Binned cubes: a bin is fitted once, on its sum."""

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from numpy.testing import assert_array_equal

from pixsed.errors import PixsedError
from pixsed.fit.cube import fit_cube
from pixsed.fit.draws import global_indices
from pixsed.fit.model import Model
from pixsed.fit.options import FitOptions
from pixsed.fit.posterior import Rows, summarise
from pixsed.fit.select import select
from pixsed.fit.table import fit_table
from pixsed.fit.table_input import TableColumns


def _same(a, b):
    assert list(a.planes) == list(b.planes)
    for name in a.planes:
        assert_array_equal(a.planes[name], b.planes[name], err_msg=name)


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
    # Pixels of a bin have the values of the bin; pixels in no bin have NaN.
    for name, plane in maps.planes.items():
        if name in ("NBANDS", "DQ", "BINMAP"):
            continue
        assert np.isfinite(plane[binmap > 0]).all() and np.isnan(plane[binmap == 0]).all(), name
        for label, value in zip(labels, plane[y, x], strict=True):
            assert (plane[binmap == label] == value).all()
    assert_array_equal(maps.planes["BINMAP"], binmap)
    # The total mass of the pixels is that of the bins.
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
    # The draws differ, the posterior is the same.
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


def test_properties_of_a_broad_model(tmp_path):
    """Any subset of the properties, redshifts to 15; both SFRs are divided among the pixels."""
    names = "LOGMSTAR LOGMFORM LOGSFR10 METAL DUSTSLOPE AGE LOGU REDSHIFT".split()
    broad = Model(
        fakes.fake_model(
            tmp_path / "broad.onnx",
            name="broad",
            prior={"sfh": "broad"},
            redshift_range=[0.0, 15.0],
            parameters=[{"name": name, "unit": "", "description": ""} for name in names],
        )
    )
    options = FitOptions(samples=50, snr_min=0)
    maps = fit_cube(fakes.binned_cube(redshift=14.9), broad, options)
    expected = "LOGMSTAR LOGMFORM LOGSIGMA LOGSFR10 METAL DUSTSLOPE LOGU AGE"
    assert maps.properties == expected.split()
    binmap = maps.planes["BINMAP"]
    for name in maps.properties:
        np.testing.assert_array_equal(np.isfinite(maps.planes[f"{name}_P50"]), binmap > 0)
    # In the fake model both follow the same draws: mass - 9 + noise of zero mean.
    sfr = maps.planes["LOGSFR10_P50"] - (maps.planes["LOGMFORM_P50"] - 9)
    assert np.nanmax(np.abs(sfr)) < 0.1
    assert maps.quantile("LOGSFR10").unit == u.dex(u.solMass / u.yr)
    beyond = fakes.make_cube(redshift=15.1)
    with pytest.raises(PixsedError, match=r"outside the range of model broad \(z 0.001 to 15,"):
        fit_cube(beyond, broad, options)
