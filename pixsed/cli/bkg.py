"""`pixsed bkg`: an image in, the same with its background subtracted out."""

import click

from pixsed.cli.options import examples, hdu, output, quiet_verbose

EPILOG = examples(
    "pixsed bkg jof_F200W.fits -o jof_F200W_bkg.fits",
    "pixsed bkg hlf_F606W_sci.fits --err hlf_F606W_wht.fits --mask seg.fits --dilate 5 "
    "-o F606W_bkg.fits",
)


@click.command(epilog=EPILOG)
@click.argument("image", metavar="[BAND=]IMAGE")
@click.option("--box", type=click.IntRange(min=2), default=200, show_default=True,
              help="Side of a background box in pixels.")
@click.option("--filter-size", type=click.IntRange(min=1), default=3, show_default=True,
              help="Boxes a side over which the median smooths; odd.")
@click.option("--mask", metavar="SEG",
              help="Segmentation map of the sources to leave out of the sky.")
@click.option("--dilate", type=click.IntRange(min=0), default=0, show_default=True,
              help="Pixels by which the masked sources are grown.")
@click.option("--err", metavar="EXT|FILE",
              help="Where the errors are.  [default: ERR, WHT, or a file beside the image]")
@hdu
@output()
@quiet_verbose
def command(image, box, filter_size, mask, dilate, err, hdu, output, overwrite):
    """Subtract the sky background and add its rms to the errors.

    The mean of the 3-sigma clipped pixels of each box, smoothed and interpolated, is
    subtracted; the rms is added to the errors in quadrature. SCI, ERR, BKG and BKGRMS
    are written in the image's own unit.
    """
    if filter_size % 2 == 0:
        raise click.BadParameter(f"{filter_size} is not odd", param_hint="--filter-size")
    if dilate and not mask:
        raise click.UsageError("--dilate grows the sources of --mask; give it")

    import contextlib
    import warnings

    from pixsed.cli.options import say
    from pixsed.errors import PixsedError, PixsedWarning
    from pixsed.images.background import subtract_background
    from pixsed.images.segmap import SegmentationMap, source_mask
    from pixsed.io.atomic import check_output
    from pixsed.io.image import ImageFile, write_image
    from pixsed.io.locate import open_fits, parse_location

    check_output(output, overwrite)
    with contextlib.ExitStack() as stack:
        place = parse_location(image, hdu, band=True)
        source = stack.enter_context(ImageFile(place, err=err, measure_sky=False))
        inputs = list(source.files)
        if source.err_source == "none":
            warnings.warn(
                f"{source.name}: no errors found; ERR is the sky's rms, without the sources' "
                "noise; name them with --err",
                PixsedWarning,
                stacklevel=1,
            )
        sources = None
        if mask:
            where = parse_location(mask)
            segmap = SegmentationMap(stack.enter_context(open_fits(where.path)), where)
            sources = source_mask(segmap.read(), dilate)
            inputs.append(where.path)
        data, error = source.read(native=True)
        try:
            found = subtract_background(
                data, error, box=box, filter_size=filter_size, mask=sources
            )
        except PixsedError as trouble:
            raise PixsedError(f"{source.name}: {trouble}") from trouble
        planes = {
            "SCI": (found.data, {}),
            "ERR": (found.err, {}),
            "BKG": (found.background, {}),
            "BKGRMS": (found.rms, {}),
        }
        step = f"bkg: box {box}, filter {filter_size}, 3-sigma clipped mean"
        write_image(source, planes, output, overwrite=overwrite, inputs=inputs, history=[step])
    import numpy as np

    unit = str(source.header.get("BUNIT", "")).strip()
    say(
        f"{output}: background {np.nanmedian(found.background):.4g}, "
        f"rms {np.nanmedian(found.rms):.4g} {unit}".rstrip()
    )
