"""The autocorrelation of the noise in a cube."""

import fakes
import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.images.noise.covariance import gaussian_autocorrelation
from pixsed.io.formats.cube import read_cube, write_cube


def correlated_cube():
    rho = np.full((5, 5, 5), np.nan)
    rho[1:3] = gaussian_autocorrelation([0.3, 0.7])[:, 3:8, 3:8]
    return fakes.make_cube(autocorrelation=rho)


def test_round_trip(tmp_path):
    cube = correlated_cube()
    write_cube(cube, tmp_path / "cube.fits")
    found = read_cube(tmp_path / "cube.fits").autocorrelation
    np.testing.assert_array_equal(found, cube.autocorrelation)
    with fits.open(tmp_path / "cube.fits") as hdulist:
        header = hdulist["NOISECOR"].header
        assert (header["NAXIS1"], header["CRPIX1"], header["NAXIS3"]) == (5, 3, 5)
    write_cube(fakes.make_cube(), tmp_path / "plain.fits")
    assert read_cube(tmp_path / "plain.fits").autocorrelation is None


def test_it_is_sorted_with_the_bands():
    rho = np.full((5, 1, 1), np.nan)
    rho[0] = 1.0
    bands = ("F444W", "F200W", "F277W", "F356W", "F115W")
    cube = fakes.make_cube(bands=bands, autocorrelation=rho)
    assert np.isfinite(cube.autocorrelation[:, 0, 0]).tolist() == [False] * 4 + [True]


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.ones((4, 3, 3)), r"of shape \(5, 2 n \+ 1, 2 n \+ 1\), got \(4, 3, 3\)"),
        (np.ones((5, 4, 4)), r"got \(5, 4, 4\)"),
        (np.zeros((5, 3, 3)), "must be 1 in the middle of each band"),
    ],
)
def test_what_is_no_autocorrelation(values, match):
    with pytest.raises(PixsedError, match=match):
        fakes.make_cube(autocorrelation=values)
