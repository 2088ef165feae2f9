"""`pixsed psf`: make the effective PSF of an image from its stars."""

import click

from pixsed.cli.mosaics import image_errors
from pixsed.cli.options import FiniteFloat, examples, hdu, output, quiet_verbose

EPILOG = examples(
    "pixsed psf F200W_bkg.fits --stars stars.ecsv -o psf_F200W.fits",
    "pixsed psf F606W_sci.fits --stars gaia.fits --ra-col RA_ICRS --dec-col DE_ICRS "
    "--saturation 50 -o psf_F606W.fits",
)

_COLUMNS = ("ra_col", "dec_col", "x_col", "y_col", "id_col")


@click.command(epilog=EPILOG)
@click.argument("image", metavar="[BAND=]IMAGE")
@click.option(
    "--stars",
    required=True,
    metavar="TABLE",
    help="Table of stars, with RA and Dec or with x and y.",
)
@click.option("--ra-col", metavar="COL", help="Column of right ascensions.")
@click.option("--dec-col", metavar="COL", help="Column of declinations.")
@click.option("--x-col", metavar="COL", help="Column of x, in pixels from 0.")
@click.option("--y-col", metavar="COL", help="Column of y, in pixels from 0.")
@click.option("--id-col", metavar="COL", help="Column of the ids.")
@click.option(
    "--side",
    "size",
    type=click.IntRange(15, 2001),
    default=101,
    show_default=True,
    metavar="PIXELS",
    help="Side of the PSF in pixels, odd.",
)
@click.option(
    "--oversampling",
    type=click.IntRange(1, 4),
    default=2,
    show_default=True,
    help="Values of the PSF per pixel of the image, each way; time grows with its cube.",
)
@click.option(
    "--saturation",
    type=FiniteFloat(),
    metavar="VALUE",
    help="Leave out stars with a pixel at least as bright, in the unit of the image.",
)
@click.option(
    "--snr-min",
    "min_snr",
    type=FiniteFloat(),
    default=50.0,
    show_default=True,
    help="Leave out stars with a lower S/N within 4 pixels of the centre.",
)
@click.option(
    "--max-stars",
    type=click.IntRange(1, 10**6),
    default=50,
    show_default=True,
    help="Number of stars to use, the brightest first.",
)
@image_errors
@hdu
@output()
@quiet_verbose
def command(image, stars, size, err, err_kind, fill, hdu, output, overwrite, **options):
    """Make the effective PSF of an image from its stars.

    Stars that are saturated, blended, at the edge, faint, off their positions or broader
    than the others are left out; the table STARS lists them with the reason. The extension
    PSF, which psfmatch reads, and the table COG, its curve of growth, are written.
    """
    if size % 2 == 0:
        raise click.BadParameter(f"{size} is not odd", param_hint="--side")

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
        columns = {name: options.pop(name) for name in _COLUMNS}
        listed = read_stars(stars, source.wcs, **columns)
        psf = make_psf(source, listed, size=size, **options)
        write_psf(
            source,
            psf,
            output,
            overwrite=overwrite,
            inputs=[*source.files, parse_location(stars).path],
        )
    say(f"{output}: FWHM {psf.fwhm:.3f} arcsec; stars: {summary(psf.stars)}")
