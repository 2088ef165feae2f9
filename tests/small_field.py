"""A small field: a part of the mock field of data/ with a field file, for tests of `pixsed run`."""

import shutil
from pathlib import Path

from astropy.io import fits

DATA = Path(__file__).parents[1] / "data"
BANDS = ("F150W", "F277W", "F444W")
# Galaxy 3, and parts of 1 and 2.
X, Y = slice(80, 144), slice(60, 132)

TOML = """
output = "out"
segmap = "mock_seg.fits"
catalog = "mock_catalog.ecsv"
model = "tau"
target = "F444W"
images = "F*=mock_F*.fits[SCI]"
psfs = "F*=mock_psf_F*.fits"

[bkg]
box = 32

[fit]
snr-min = 20
samples = 16

[sum-mass]
snr-min = 20
samples = 16
"""


def small_field(folder, bands=BANDS, toml=TOML):
    """Make a small field in a folder, and return the path of its field file."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"mock_{band}.fits" for band in bands]
    for name in (*names, "mock_seg.fits"):
        with fits.open(DATA / name) as hdus:
            for hdu in hdus[1:]:
                hdu.data = hdu.data[Y, X]
                hdu.header["CRPIX1"] -= X.start
                hdu.header["CRPIX2"] -= Y.start
            hdus.writeto(folder / name, checksum=True)
    for name in (*(f"mock_psf_{band}.fits" for band in bands), "mock_catalog.ecsv"):
        shutil.copy(DATA / name, folder / name)
    path = folder / "field.toml"
    path.write_text(toml)
    return path
