"""`pixsed rgb`: draw an RGB image of a cube or of three images."""

import click

from pixsed.cli.options import FiniteRange, Names, examples, output, psf_fwhm, quiet_verbose
from pixsed.cli.pictures import check_picture, dpi, write_picture

EPILOG = examples(
    "pixsed rgb 531.fits -o rgb.png",
    "pixsed rgb 531.fits --bands F444W,F277W,F150W --psf-fwhm 0.16 -o rgb.pdf",
    "pixsed rgb --red f444w.fits --green f277w.fits --blue f150w.fits -o rgb.png",
)


def _image(colour):
    return click.option(
        f"--{colour}", metavar="[BAND=]IMAGE[EXT]", help=f"Image shown as {colour}, without a cube."
    )


@click.command(epilog=EPILOG)
@click.argument("cube", required=False, metavar="[CUBE]")
@_image("red")
@_image("green")
@_image("blue")
@click.option(
    "--bands",
    type=Names(upper=True),
    metavar="R,G,B",
    help="Bands of the cube shown as red, green and blue.  [default: the reddest, middle and "
    "bluest in which the galaxy is detected]",
)
@click.option(
    "--stretch",
    type=FiniteRange(min=0, min_open=True),
    metavar="NJY",
    help="Linear stretch; smaller is brighter.  [default: 12 times the scatter of the sky]",
)
@click.option(
    "--q",
    type=FiniteRange(min=0, min_open=True),
    default=8.0,
    show_default=True,
    help="Softening of the asinh; larger shows more of the faint parts.",
)
@click.option(
    "--scale",
    type=FiniteRange(min=0, min_open=True),
    nargs=3,
    default=None,
    metavar="R G B",
    help="Factors of the red, green and blue fluxes.  [default: a source with a flat nu f_nu is "
    "white]",
)
@click.option("--bare", is_flag=True, help="Only the pixels, without axes, as .png.")
@psf_fwhm
@dpi
@output("Output picture: .png, .pdf or .svg; - for a PNG on standard output.")
@quiet_verbose
def command(cube, red, green, blue, bands, bare, psf_fwhm, dpi, output, overwrite, **mapping):
    """Draw an RGB image of a cube or of three images.

    Colours are those of Lupton et al. (2004). The picture has RA, Dec, scale bars in arcsec
    and kpc, and a circle with the FWHM of the PSF if the cube or --psf-fwhm gives it. None of them
    lies on the galaxy. Pixels without data are grey.
    Needs matplotlib: pip install matplotlib.
    """
    from pixsed.cli.options import say
    from pixsed.io.atomic import atomic_path
    from pixsed.io.formats.cube import read_cube
    from pixsed.plots.lupton import composite_of_cube, composite_of_images
    from pixsed.plots.rgb import draw_rgb, write_pixels

    kind = check_picture(output, overwrite)
    _check_inputs(cube, (red, green, blue), bands)
    if bare and kind != "png":
        raise click.UsageError("--bare writes .png; choose another -o.")
    if cube:
        composite = composite_of_cube(read_cube(cube), bands, name=cube, **mapping)
    else:
        composite = composite_of_images(red, green, blue, **mapping)
    if bare:
        with atomic_path(output, overwrite) as temporary:
            write_pixels(composite, temporary)
    else:
        figure = draw_rgb(composite, psf_fwhm=psf_fwhm)
        write_picture(figure, output, kind, overwrite=overwrite, dpi=dpi)
    factors = ", ".join(f"{factor:.3g}" for factor in composite.scale)
    say(
        f"{output}: {composite.text}, times {factors}; stretch {composite.stretch:.3g} nJy, "
        f"Q {composite.q:g}"
    )


def _check_inputs(cube, images, bands):
    """Raise `click.UsageError` unless there is either a cube or three images."""
    given = sum(image is not None for image in images)
    if bool(cube) == bool(given) or given not in (0, 3):
        raise click.UsageError("give either a CUBE, or all of --red, --green and --blue.")
    if bands is not None and given:
        raise click.UsageError("--bands is for a CUBE; images are named by --red, --green, --blue.")
    if bands is not None and len(bands) != 3:
        raise click.UsageError(f"--bands must have three bands, got {len(bands)}.")
