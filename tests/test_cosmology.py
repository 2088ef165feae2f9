import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from pixsed import cosmology

ASTROPY = FlatLambdaCDM(H0=70, Om0=0.3)
Z = np.array([1e-4, 0.01, 0.3, 1.0, 2.5, 7.5, 12.0, 19.9])


def test_age():
    np.testing.assert_allclose(cosmology.age(Z), ASTROPY.age(Z).to_value("Gyr"), rtol=1e-6)
    assert cosmology.age(0.0) == pytest.approx(13.4670, abs=1e-4)


def test_luminosity_distance():
    expected = ASTROPY.luminosity_distance(Z).to_value("Mpc")
    np.testing.assert_allclose(cosmology.luminosity_distance(Z), expected, rtol=1e-7)
    assert cosmology.luminosity_distance(0.0) == 0


def test_kpc_per_arcsec():
    expected = ASTROPY.kpc_proper_per_arcmin(Z).to_value("kpc/arcmin") / 60
    np.testing.assert_allclose(cosmology.kpc_per_arcsec(Z), expected, rtol=1e-6)


def test_shapes_and_nan():
    z = np.array([[1.0, np.nan], [2.0, 3.0]])
    for function in (cosmology.age, cosmology.luminosity_distance, cosmology.kpc_per_arcsec):
        found = function(z)
        assert found.shape == z.shape and np.isnan(found[0, 1]) and np.isfinite(found[1]).all()
