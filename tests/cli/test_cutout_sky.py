"""Positions of cutouts, compared with astropy's Cutout2D and GNU Astronomy Utilities."""

import shutil
import subprocess

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

from pixsed.io.formats.cube import read_cube

NY, NX = 150, 170
# Positions of stars, in pixels from 0; none is on the border of a pixel.
STARS = [(70.2, 60.1), (24.7, 101.3), (133.8, 33.6)]
SIZE = 21


def tan(**cards):
    header = fits.Header()
    header.update(
        CTYPE1="RA---TAN",
        CTYPE2="DEC--TAN",
        CRVAL1=53.16,
        CRVAL2=-27.79,
        CRPIX1=80.5,
        CRPIX2=71.3,
        CUNIT1="deg",
        CUNIT2="deg",
        BUNIT="nJy",
        FILTER="F444W",
    )
    header.update(cards)
    return header


HEADERS = {
    "north up": tan(CDELT1=-0.03 / 3600, CDELT2=0.03 / 3600),
    # Like the JOF cutouts: rotated by 141 degrees, with a PC matrix.
    "PC": tan(
        CDELT1=0.03 / 3600,
        CDELT2=0.03 / 3600,
        PC1_1=-0.7771,
        PC1_2=-0.6293,
        PC2_1=-0.6293,
        PC2_2=0.7771,
    ),
    "CD": tan(CD1_1=-7.2e-6, CD1_2=4.1e-6, CD2_1=4.2e-6, CD2_2=7.1e-6),
    # Like a part of a larger mosaic.
    "CRPIX far outside": tan(
        CDELT1=-0.03 / 3600, CDELT2=0.03 / 3600, CRPIX1=4904.66, CRPIX2=-2049.67
    ),
}


@pytest.fixture(params=HEADERS)
def field(request, write_fits):
    """Return (path, data, header) of an image with stars."""
    header = HEADERS[request.param]
    rng = np.random.default_rng(8)
    y, x = np.mgrid[:NY, :NX]
    data = rng.normal(0, 1, (NY, NX))
    for xc, yc in STARS:
        data += 500 * np.exp(-0.5 * ((x - xc) ** 2 + (y - yc) ** 2) / 1.5**2)
    data = data.astype(np.float32)
    path = write_fits("im.fits", SCI=(data, header), ERR=(np.ones_like(data), header))
    return path, data, header


@pytest.fixture(params=STARS, ids=str)
def cutout(request, field, run_cli, tmp_path):
    """A star's (position, cube)."""
    path, _, header = field
    wcs = WCS(header)
    sky = wcs.pixel_to_world(*request.param)
    scale = np.sqrt(np.abs(np.linalg.det(wcs.pixel_scale_matrix))) * 3600
    out = tmp_path / "cube.fits"
    result = run_cli(
        "cutout",
        path,
        "--position",
        repr(float(sky.ra.deg)),
        repr(float(sky.dec.deg)),
        "--size",
        f"{(SIZE - 0.2) * scale:.6f}",
        "--redshift",
        "1",
        "-o",
        out,
    )
    assert result.exit_code == 0, result.output
    return sky, read_cube(out)


def test_astropys_cutout(field, cutout):
    _, data, header = field
    sky, cube = cutout
    theirs = Cutout2D(data, sky, SIZE, wcs=WCS(header))
    np.testing.assert_allclose(cube.flux[0], theirs.data, rtol=1e-6)
    corners = [0, SIZE - 1, 0], [0, 0, SIZE - 1]
    mine = WCS(cube.header).pixel_to_world(*corners)
    assert mine.separation(theirs.wcs.pixel_to_world(*corners)).max() < 1e-6 * u.arcsec


def test_astcrop(field, cutout, tmp_path):
    if shutil.which("astcrop") is None:
        pytest.skip("astcrop, of GNU Astronomy Utilities, is not installed")
    path, _, _ = field
    sky, cube = cutout
    out = tmp_path / "crop.fits"
    subprocess.run(
        [
            "astcrop",
            path,
            "--hdu=SCI",
            "--mode=wcs",
            "--quiet",
            f"--center={sky.ra.deg:.12f},{sky.dec.deg:.12f}",
            f"--width={SIZE},{SIZE}",
            "--widthinpix",
            f"--output={out}",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    with fits.open(out) as hdulist:
        theirs = hdulist[1]
        np.testing.assert_allclose(cube.flux[0], theirs.data, rtol=1e-6)
        corners = [0, SIZE - 1, 0], [0, 0, SIZE - 1]
        mine = WCS(cube.header).pixel_to_world(*corners)
        # It writes the WCS with fewer digits.
        separation = mine.separation(WCS(theirs.header).pixel_to_world(*corners))
        assert separation.max() < 1e-3 * u.arcsec


def test_the_star_is_at_its_place(cutout):
    """The WCS of the cube gives the position of the star."""
    sky, cube = cutout
    light = np.where(cube.flux[0] > 10, cube.flux[0], 0)
    y, x = np.indices(light.shape)
    found = WCS(cube.header).pixel_to_world(*((light * v).sum() / light.sum() for v in (x, y)))
    assert found.separation(SkyCoord(sky)).arcsec < 0.03 * 0.05
