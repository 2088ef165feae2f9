"""`pixsed psf`: an image and a list of stars in, its effective PSF out."""

import click

from pixsed.cli.mosaics import image_errors
from pixsed.cli.options import FiniteFloat, FiniteRange, examples, hdu, output, quiet_verbose

EPILOG = examples(
    "pixsed psf F200W_bkg.fits --stars stars.ecsv -o psf_F200W.fits",
    "pixsed psf F606W_sci.fits --stars gaia.fits --ra-col RA_ICRS --dec-col DE_ICRS "
    "--saturation 50 -o psf_F606W.fits",
)


@click.command(epilog=EPILOG)
@click.argument("image", metavar="[BAND=]IMAGE")
@click.option(
    "--stars", required=True, metavar="TABLE", help="Table of stars, by RA and Dec or by x and y."
)
@click.option("--ra-col", metavar="COL", help="Column of right ascensions.")
@click.option("--dec-col", metavar="COL", help="Column of declinations.")
@click.option("--x-col", metavar="COL", help="Column of x, in pixels from 0.")
@click.option("--y-col", metavar="COL", help="Column of y, in pixels from 0.")
@click.option("--id-col", metavar="COL", help="Column of names or numbers.")
@click.option(
    "--size",
    type=click.IntRange(15, 2001),
    default=101,
    show_default=True,
    metavar="PIXELS",
    help="Side of the PSF, odd.",
)
@click.option(
    "--oversampling",
    type=click.IntRange(1, 4),
    default=2,
    show_default=True,
    help="Values of the PSF a pixel of the image; time grows with its cube.",
)
@click.option(
    "--saturation",
    type=FiniteFloat(),
    metavar="VALUE",
    help="Leave out stars with a pixel as bright, in the image's unit.",
)
@click.option(
    "--min-snr",
    type=FiniteRange(min=0),
    default=50.0,
    show_default=True,
    help="Leave out fainter stars: S/N within 4 pixels of the centre.",
)
@click.option(
    "--max-stars",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Use the brightest so many.",
)
@image_errors
@hdu
@output()
@quiet_verbose
def command(
    image,
    stars,
    ra_col,
    dec_col,
    x_col,
    y_col,
    id_col,
    size,
    oversampling,
    saturation,
    min_snr,
    max_stars,
    err,
    err_kind,
    fill,
    hdu,
    output,
    overwrite,
):
    """Make the effective PSF of an image from its stars.

    Stars that are saturated, blended, at the edge, faint, off their places or broader than
    the others are left out; the table STARS says which and why. PSF, for psfmatch as it
    is, and the table COG, its curve of growth, are written.
    """
    if size % 2 == 0:
        raise click.BadParameter(f"{size} is not odd", param_hint="--size")

    from pixsed.cli.options import say
    from pixsed.images.psf.from_stars import make_psf, summary
    from pixsed.images.psf.star_table import read_stars
    from pixsed.images.psf.write import write_psf
    from pixsed.io.image import ImageFile
    from pixsed.io.locate import parse_location
    from pixsed.io.outputs import check_fits_output

    check_fits_output(output, overwrite)
    place = parse_location(image, hdu, band=True)
    with ImageFile(place, err=err, err_kind=err_kind, fill=fill, measure_sky=False) as source:
        listed = read_stars(
            stars,
            source.wcs,
            ra_col=ra_col,
            dec_col=dec_col,
            x_col=x_col,
            y_col=y_col,
            id_col=id_col,
        )
        psf = make_psf(
            source,
            listed,
            size=size,
            oversampling=oversampling,
            saturation=saturation,
            min_snr=min_snr,
            max_stars=max_stars,
        )
        write_psf(
            source,
            psf,
            output,
            overwrite=overwrite,
            inputs=[*source.files, parse_location(stars).path],
        )
    say(f"{output}: FWHM {psf.fwhm:.3f} arcsec; stars: {summary(psf.stars)}")
