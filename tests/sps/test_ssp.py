"""SSP grids of any library: their file, and interpolation in metallicity and log U."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from synthetic_ssp import WAVE, black_body

from pixsed.errors import PixsedError
from pixsed.simulate.batches import ssp_digest
from pixsed.sps.ssp import log_u_card, read_ssp, write_ssp


def test_the_synthetic_grid(ssp_grid):
    """Its black bodies are normalised, and its mass and energy are physical."""
    assert np.trapezoid(black_body(6000.0, WAVE), WAVE) == pytest.approx(1, abs=2e-3)
    light = np.trapezoid(ssp_grid.spectra.astype(float), ssp_grid.wave)
    assert np.all(np.diff(light, axis=1)[:, 12:] < 0)
    assert np.trapezoid(ssp_grid.dust_spectrum, ssp_grid.dust_wave) == pytest.approx(1)
    assert 0.6 < ssp_grid.surviving.min() and ssp_grid.surviving.max() < 1
    assert np.isclose(ssp_grid.age_edges, 0.01).sum() == 1


def test_file_round_trip(ssp_grid, tmp_path):
    path = tmp_path / "grid.fits"
    write_ssp(ssp_grid, path)
    back = read_ssp(path)
    for name in (
        "wave",
        "age_edges",
        "metallicity",
        "line_wave",
        "dust_wave",
        "dust_spectrum",
        "spectra",
        "log_u",
        "nebular",
    ):
        np.testing.assert_array_equal(getattr(back, name), getattr(ssp_grid, name), name)
    for name in ("lines", "living", "remnant"):
        np.testing.assert_allclose(getattr(back, name), getattr(ssp_grid, name), rtol=1e-6)
    assert back.meta == ssp_grid.meta
    with fits.open(path) as hdus:
        assert hdus["SPECTRA"].header["BUNIT"] == "solLum Angstrom-1 solMass-1"
        assert hdus["WAVE"].columns["WAVE"].unit == "Angstrom"
        assert hdus["NEBULAR"].header["AXES"] == "WAVE,AGE,METAL,LOGU"
        assert hdus["LINES"].shape == (4, 5, 11, 5)
    with pytest.raises(PixsedError, match="exists"):
        write_ssp(ssp_grid, path)
    write_ssp(ssp_grid, path, overwrite=True)


def test_not_a_grid(tmp_path):
    with pytest.raises(PixsedError, match="no such file; make one with 'pixsed ssp"):
        read_ssp(tmp_path / "none.fits")
    fits.PrimaryHDU().writeto(tmp_path / "other.fits")
    with pytest.raises(PixsedError, match="other.fits is not an SSP grid"):
        read_ssp(tmp_path / "other.fits")


def test_grid_of_an_older_pixsed(ssp_grid, tmp_path):
    write_ssp(ssp_grid, tmp_path / "new.fits")
    with fits.open(tmp_path / "new.fits") as hdus:
        del hdus["LOGU"], hdus["NEBULAR"]
        hdus.writeto(tmp_path / "old.fits")
    with pytest.raises(PixsedError, match="old.fits: an SSP grid must have .* extension LOGU, got"):
        read_ssp(tmp_path / "old.fits")


def test_digest_knows_the_gas(ssp_grid, tmp_path):
    """The digest of a grid is that of its file, and changes with the nebular emission."""
    write_ssp(ssp_grid, tmp_path / "grid.fits")
    digest = ssp_digest(ssp_grid)
    assert ssp_digest(read_ssp(tmp_path / "grid.fits")) == digest
    for change in ({"nebular": 2 * ssp_grid.nebular}, {"log_u": ssp_grid.log_u + 0.5}):
        assert ssp_digest(replace(ssp_grid, **change)) != digest


def test_gas_is_of_the_first_bins(ssp_grid):
    young = int((ssp_grid.age_edges[1:] < 0.0101).sum())
    assert ssp_grid.nebular.shape == (4, 5, young, len(WAVE))
    assert ssp_grid.lines.shape == (4, 5, young, 5)
    assert ssp_grid.nebular[0].sum() < ssp_grid.nebular[3].sum()
    blue = WAVE < 912
    assert not ssp_grid.spectra[:, :young, blue].any()
    assert ssp_grid.spectra[:, young:, blue].any()


def test_log_u_weights(ssp_grid):
    log_u = np.array([-4.0, -3.3, -2.0, -1.5, -1.0])
    weights = ssp_grid.log_u_weights(log_u)
    assert weights.shape == (5, 4) and weights.min() >= 0
    assert weights @ ssp_grid.log_u == pytest.approx(log_u)
    assert weights.sum(axis=1) == pytest.approx(1)
    assert (weights > 0).sum(axis=1).tolist() == [1, 2, 1, 2, 1]


@pytest.mark.parametrize("value", [-4.1, -0.9, np.nan])
def test_log_u_beyond_the_grid(ssp_grid, value):
    with pytest.raises(PixsedError, match="log U must be -4 to -1, as in the SSP grid, got"):
        ssp_grid.log_u_weights(np.array([-2.0, value]))


def test_log_u_of_a_grid_of_one_value(ssp_grid):
    one = replace(ssp_grid, log_u=np.array([-2.0]), nebular=ssp_grid.nebular[2:3])
    assert one.log_u_weights(np.full(3, -2.0)).tolist() == [[1.0]] * 3
    with pytest.raises(PixsedError, match="must be -2, as in .* got -1.9.* --log-u all"):
        one.log_u_weights(np.array([-2.0, -1.9]))


def test_log_u_card():
    assert log_u_card(np.array([-2.5])) == -2.5
    assert log_u_card(np.array([-4.0, -2.0, -1.0])) == "-4 to -1"


@pytest.mark.parametrize("zinterp", ["log", "linear"])
def test_metallicity_weights(ssp_grid, zinterp, monkeypatch):
    monkeypatch.setitem(ssp_grid.meta, "ZINTERP", zinterp)
    mh = np.array([-5.0, -2.3, -1.0, 0.0, 0.2, 2.0])
    weights = ssp_grid.metallicity_weights(mh)
    assert weights.sum(axis=1) == pytest.approx(1) and weights.min() >= 0
    assert (weights > 0).sum(axis=1).max() <= 2
    inside = np.clip(mh, ssp_grid.metallicity[0], ssp_grid.metallicity[-1])
    nodes, x = ssp_grid.metallicity, inside
    if zinterp == "linear":
        nodes, x = 10**nodes, 10**x
    assert weights @ nodes == pytest.approx(x)
