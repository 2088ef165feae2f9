"""SSP grids of any library: their file, and interpolation in metallicity."""

import numpy as np
import pytest
from astropy.io import fits
from synthetic_ssp import WAVE, black_body

from pixsed.errors import PixsedError
from pixsed.sps.ssp import read_ssp, write_ssp


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
    ):
        np.testing.assert_array_equal(getattr(back, name), getattr(ssp_grid, name), name)
    for name in ("lines", "living", "remnant"):
        np.testing.assert_allclose(getattr(back, name), getattr(ssp_grid, name), rtol=1e-6)
    assert back.meta == ssp_grid.meta
    with fits.open(path) as hdus:
        assert hdus["SPECTRA"].header["BUNIT"] == "solLum Angstrom-1 solMass-1"
        assert hdus["WAVE"].columns["WAVE"].unit == "Angstrom"
    with pytest.raises(PixsedError, match="exists"):
        write_ssp(ssp_grid, path)
    write_ssp(ssp_grid, path, overwrite=True)


def test_not_a_grid(tmp_path):
    with pytest.raises(PixsedError, match="no such file; make one with 'pixsed ssp"):
        read_ssp(tmp_path / "none.fits")
    fits.PrimaryHDU().writeto(tmp_path / "other.fits")
    with pytest.raises(PixsedError, match="other.fits is not an SSP grid"):
        read_ssp(tmp_path / "other.fits")


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
