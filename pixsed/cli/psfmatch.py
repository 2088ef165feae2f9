"""`pixsed psfmatch`: convolve an image to a target PSF."""

import click

from pixsed.cli.field.command import FieldCommand
from pixsed.cli.mosaics import image_errors
from pixsed.cli.options import FiniteFloat, FiniteRange, examples, hdu, output, quiet_verbose

# Repeated here so that --help does not import numpy; a test compares them with the originals.
CORRELATIONS = ("auto", "none")
METHODS = ("fourier", "wiener", "laplacian", "biharmonic")
WINDOWS = ("tukey", "cosine-bell", "split-cosine-bell", "hanning", "top-hat", "none")

EPILOG = examples(
    "pixsed psfmatch jof_F200W.fits --psf psf_F200W.fits --target psf_F444W.fits "
    "-o F200W_psfm.fits",
    "pixsed psfmatch F606W_bkg.fits[SCI] --kernel F606W_to_F444W.fits -o F606W_psfm.fits",
)


@click.command(cls=FieldCommand, epilog=EPILOG)
@click.argument("image", metavar="[BAND=]IMAGE|FIELD.toml")
@click.option("--psf", metavar="PSF", help="PSF of the image.")
@click.option("--target", metavar="PSF", help="Target PSF.")
@click.option(
    "--kernel",
    metavar="K",
    help="Matching kernel on the pixels of the image, in place of the PSFs.",
)
@click.option(
    "--target-name", metavar="BAND", help="Band of the target PSF.  [default: from its header]"
)
@click.option(
    "--psf-scale",
    type=FiniteRange(1e-4, 10),
    metavar="ARCSEC",
    help="Pixel scale of a PSF without one in its header.",
)
@click.option(
    "--psf-angle",
    type=FiniteFloat(),
    default=0.0,
    show_default=True,
    metavar="DEGREES",
    help="Angle by which both PSFs are rotated first, from the x axis towards y.",
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="fourier",
    show_default=True,
    help="Method for the kernel: the ratio of Fourier transforms (fourier), or damped by a "
    "constant (wiener) or more at high frequencies (laplacian, biharmonic).",
)
@click.option(
    "--window",
    type=click.Choice(WINDOWS),
    help="Taper of the transform of the kernel.  [default: tukey, flat and then falling; none "
    "for a damped method]",
)
@click.option(
    "--alpha",
    type=FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="Fraction of the frequencies over which the taper falls.",
)
@click.option(
    "--beta",
    type=FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="Fraction of the frequencies that split-cosine-bell and top-hat leave unchanged.",
)
@click.option(
    "--regularization",
    type=FiniteRange(0, 1, min_open=True, max_open=True),
    default=1e-4,
    show_default=True,
    help="Damping; for fourier, the fraction of the peak below which a transform is taken as zero.",
)
@click.option(
    "--max-residual",
    type=FiniteRange(min=0),
    metavar="FRACTION",
    help="Fail if the encircled energy differs from the target's by more.  "
    "[default: warn above 0.02]",
)
@click.option(
    "--correlation",
    type=click.Choice(CORRELATIONS),
    default="auto",
    show_default=True,
    help="Measure the correlation of the image's noise, from drizzling for example, on its "
    "empty sky, for ERR and NOISECOR; none: take pixels as independent.",
)
@click.option(
    "--segmap",
    "mask",
    metavar="SEG",
    help="Segmentation map of sources to leave out of that sky.  [default: detect them]",
)
@image_errors
@hdu
@output()
@quiet_verbose
def command(
    image,
    psf,
    target,
    kernel,
    psf_angle,
    target_name,
    hdu,
    output,
    overwrite,
    **options,
):
    """Convolve an image to another image's PSF, errors included.

    The kernel is the ratio of the Fourier transforms of the PSFs, multiplied by a cosine
    taper; the PSFs may have any pixel scale. SCI, ERR, KERNEL and EECURVE, a table of
    encircled energies, are written, with PSFMATCH, the encircled-energy residual EERESID
    and the noise correlation NOISECOR in the header. ERR allows for noise that was
    correlated before, by the factor ERRCORR. An image that has the target PSF is
    unchanged. So are F460M and F480M if their PSF is broader than the target, with
    PSFMATCH none. A kernel that is given is always applied.
    """
    if bool(psf) != bool(target):
        raise click.UsageError("--psf and --target go together")
    if bool(kernel) == bool(psf):
        raise click.UsageError("give --psf and --target, or --kernel")
    if kernel and (options["max_residual"] is not None or psf_angle):
        raise click.UsageError("--max-residual and --psf-angle go with --psf and --target")
    if options["mask"] and options["correlation"] == "none":
        raise click.UsageError("--segmap is used only with --correlation auto")

    from tqdm import tqdm

    from pixsed.cli.options import say, show_progress
    from pixsed.images.psf.match import MatchOptions, open_match
    from pixsed.images.psf.match_file import write_match
    from pixsed.io.image import ImageFile
    from pixsed.io.locate import parse_location
    from pixsed.io.outputs import check_fits_output

    check_fits_output(output, overwrite)
    errors = {name: options.pop(name) for name in ("err", "err_kind", "fill")}
    options = MatchOptions(target_band=target_name, angle=psf_angle, **options)
    place = parse_location(image, hdu, band=True)
    with (
        ImageFile(place, **errors) as source,
        open_match(source, psf, target, kernel=kernel, options=options) as (_, match),
        tqdm(total=source.shape[0], unit="row", disable=not show_progress()) as bar,
    ):
        write_match(source, match, output, overwrite=overwrite, progress=bar.update)
    say(f"{output}: {_summary(match)}")


def _summary(match):
    from pixsed.images.psf.match_file import is_renormalised

    text = match.describe()
    if is_renormalised(match):
        text += f"; the kernel's sum, {match.kernel_sum:.4g}, made 1"
    if match.residual is not None:
        text += f"; encircled energy within {match.residual:.2g} of it"
    return text
