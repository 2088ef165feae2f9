"""Write an effective PSF: the image, its curve of growth, and the table of its stars."""

import numpy as np
from astropy.io import fits

from pixsed.images.psf.from_stars import REASONS, summary
from pixsed.io.atomic import write_hdulist
from pixsed.io.bandnames import instrument_name
from pixsed.io.cards import fits_card, fits_text
from pixsed.io.provenance import stamp

_COMMENTS = {
    "ID": "as in the table of stars, else its row from 1",
    "X": "centre, from 0",
    "REASON": "why it was not used",
    "SNR": "within 4 pixels, over the noise of the sky",
    "FLUX": "within 4 pixels, in the image's unit",
}


def write_psf(image, psf, path, *, overwrite=False, inputs=()):
    """Write PSF (float32), COG (RADIUS, EE) and STARS (ID, X, Y, USED, REASON, SNR, FLUX).

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
        Image that the PSF was made from.
    psf : `~pixsed.images.psf.from_stars.EmpiricalPsf`
    path, overwrite, inputs
        As for `pixsed.io.formats.cube.write_cube`.
    """
    primary = fits.PrimaryHDU()
    stamp(primary.header, inputs=inputs, history=[f"psf: {summary(psf.stars)}"])
    header = fits.Header()
    if band := image.band_or_none:
        header["FILTER"] = fits_card(band, "band")
        if name := instrument_name(band, image.header):
            header["INSTRUME"] = name
    header["PIXSCALE"] = (psf.scale, "[arcsec] step of the values")
    header["PSFPIX"] = (psf.pixel, "[arcsec] side of the pixel each is the light of")
    header["OVERSAMP"] = (psf.oversampling, "values a pixel")
    header["FWHM"] = (round(psf.fwhm, 6), "[arcsec] of a circle with the area above half")
    header["NSTARS"] = (sum(not s.reason for s in psf.stars), "stars used")
    image_hdu = fits.ImageHDU(psf.data.astype(np.float32), header, name="PSF")
    growth = fits.BinTableHDU.from_columns(
        [
            fits.Column("RADIUS", "E", unit="arcsec", array=psf.radii),
            fits.Column("EE", "E", array=psf.energy),
        ],
        name="COG",
    )
    growth.header.comments["TTYPE2"] = "fraction of the light in the square of the PSF"
    write_hdulist(fits.HDUList([primary, image_hdu, growth, _stars(psf.stars)]), path, overwrite)


def _stars(stars):
    ids = [fits_text(star.id) for star in stars]
    columns = [
        fits.Column("ID", f"{max(1, *map(len, ids))}A", array=ids),
        fits.Column("X", "D", unit="pix", array=[star.x for star in stars]),
        fits.Column("Y", "D", unit="pix", array=[star.y for star in stars]),
        fits.Column("USED", "L", array=[not star.reason for star in stars]),
        fits.Column("REASON", f"{max(map(len, REASONS))}A", array=[s.reason for s in stars]),
        fits.Column("SNR", "E", array=[star.snr for star in stars]),
        fits.Column("FLUX", "E", array=[star.flux for star in stars]),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="STARS")
    for number, column in enumerate(columns, 1):
        if comment := _COMMENTS.get(column.name):
            hdu.header.comments[f"TTYPE{number}"] = comment
    for reason, meaning in REASONS.items():
        hdu.header.add_comment(f"{reason}: {meaning}")
    return hdu
