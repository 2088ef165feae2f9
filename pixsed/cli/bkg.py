"""`pixsed bkg`: subtract the background of an image."""

import functools

import click

from pixsed.cli.field.command import FieldCommand
from pixsed.cli.mosaics import image_errors
from pixsed.cli.options import FiniteRange, examples, hdu, output, quiet_verbose

EPILOG = examples(
    "pixsed bkg jof_F200W.fits -o jof_F200W_bkg.fits",
    "pixsed bkg hlf_F606W_sci.fits --err hlf_F606W_wht.fits --segmap seg.fits --dilate 5 "
    "-o F606W_bkg.fits",
)


@click.command(cls=FieldCommand, epilog=EPILOG)
@click.argument("image", metavar="[BAND=]IMAGE|FIELD.toml")
@click.option(
    "--box",
    type=click.IntRange(2, 100_000),
    default=200,
    show_default=True,
    help="Side of a background box in pixels.",
)
@click.option(
    "--filter-size",
    type=click.IntRange(1, 999),
    default=3,
    show_default=True,
    help="Side of the median filter of the map, in boxes; odd.",
)
@click.option(
    "--estimator",
    type=click.Choice(["mean", "median", "mode", "sextractor", "biweight"]),
    default="mean",
    show_default=True,
    help="Level of a box, from its clipped pixels.",
)
@click.option(
    "--sigma",
    type=FiniteRange(min=0, min_open=True),
    default=3.0,
    show_default=True,
    help="Clipping limit in standard deviations.",
)
@click.option(
    "--segmap", "mask", metavar="SEG", help="Segmentation map of sources to leave out of the sky."
)
@click.option(
    "--dilate",
    type=click.IntRange(0, 10_000),
    default=0,
    show_default=True,
    help="Pixels by which the masked sources are grown.",
)
@click.option(
    "--coverage",
    metavar="MAP",
    help="Exposure or weight map; pixels where it is zero or NaN have no data.",
)
@click.option(
    "--add-rms",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Add the rms of the sky to the errors in quadrature; auto: unless the errors are at "
    "least 0.8 times the scatter of the empty sky.",
)
@image_errors
@hdu
@output()
@quiet_verbose
def command(image, filter_size, err, err_kind, fill, hdu, output, overwrite, **options):
    """Subtract the sky background and add its rms to the errors.

    The mean of the sigma-clipped pixels of each box is smoothed, interpolated and
    subtracted. The rms of the sky is added to the errors in quadrature unless they include
    it (--add-rms). SCI, ERR, BKG and BKGRMS are written in the unit of the image, with
    RMSADDED in the header. An image larger than memory is processed in stripes.
    """
    if filter_size % 2 == 0:
        raise click.BadParameter(f"{filter_size} is not odd", param_hint="--filter-size")
    if options["dilate"] and not options["mask"]:
        raise click.UsageError("--dilate grows the sources of --segmap; give it")

    import numpy as np
    from tqdm import tqdm

    from pixsed.cli.options import say, show_progress
    from pixsed.images.background import BackgroundOptions, open_background
    from pixsed.images.background_file import write_background
    from pixsed.io.image import ImageFile
    from pixsed.io.locate import parse_location
    from pixsed.io.outputs import check_fits_output

    check_fits_output(output, overwrite)
    options = BackgroundOptions(filter_size=filter_size, **options)
    bar = functools.partial(tqdm, unit="stripe", disable=not show_progress())
    place = parse_location(image, hdu, band=True)
    with ImageFile(place, err=err, err_kind=err_kind, fill=fill, measure_sky=False) as source:
        if source.err_source == "none" and err is None:
            _warn_of_no_errors(source.name)
        with open_background(source, options, progress=bar) as found:
            write_background(found, output, overwrite=overwrite, progress=bar)
        unit = str(source.header.get("BUNIT", "")).strip()
        say(
            f"{output}: background {np.median(found.map.mesh):.4g}, "
            f"rms {np.median(found.map.rms_mesh):.4g} {unit}".rstrip()
            + f"; {found.describe_errors()}"
        )


def _warn_of_no_errors(name):
    import warnings

    from pixsed.errors import PixsedWarning

    warnings.warn(
        f"{name}: no errors found; ERR is the sky's rms, without the sources' noise; name them "
        "with --err",
        PixsedWarning,
        stacklevel=2,
    )
