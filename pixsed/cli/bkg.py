"""`pixsed bkg`: an image in, the same with its background subtracted out."""

import click

from pixsed.cli.mosaics import image_errors
from pixsed.cli.options import FiniteRange, examples, hdu, output, quiet_verbose

EPILOG = examples(
    "pixsed bkg jof_F200W.fits -o jof_F200W_bkg.fits",
    "pixsed bkg hlf_F606W_sci.fits --err hlf_F606W_wht.fits --mask seg.fits --dilate 5 "
    "-o F606W_bkg.fits",
)


@click.command(epilog=EPILOG)
@click.argument("image", metavar="[BAND=]IMAGE")
@click.option(
    "--box",
    type=click.IntRange(min=2),
    default=200,
    show_default=True,
    help="Side of a background box in pixels.",
)
@click.option(
    "--filter-size",
    type=click.IntRange(1, 999),
    default=3,
    show_default=True,
    help="Boxes a side over which the median smooths; odd.",
)
@click.option(
    "--estimator",
    type=click.Choice(["mean", "median", "mode", "sextractor", "biweight"]),
    default="mean",
    show_default=True,
    help="What of a box's clipped pixels is its level.",
)
@click.option(
    "--sigma",
    type=FiniteRange(min=0, min_open=True),
    default=3.0,
    show_default=True,
    help="Clipping, in standard deviations.",
)
@click.option(
    "--mask", metavar="SEG", help="Segmentation map of the sources to leave out of the sky."
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
    help="Exposure or weight map: where it is zero or NaN there are no data.",
)
@click.option(
    "--add-rms",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Whether the sky's rms is added to the errors in quadrature; auto: unless they "
    "hold it already, being 0.8 of the scatter of the empty sky or more.",
)
@image_errors
@hdu
@output()
@quiet_verbose
def command(
    image,
    box,
    filter_size,
    estimator,
    sigma,
    mask,
    dilate,
    coverage,
    add_rms,
    err,
    err_kind,
    fill,
    hdu,
    output,
    overwrite,
):
    """Subtract the sky background and add its rms to the errors.

    The mean of the 3-sigma clipped pixels of each box, smoothed and interpolated, is
    subtracted; the rms is added to the errors in quadrature, where they lack the sky's
    noise (--add-rms). SCI, ERR, BKG and BKGRMS are written in the image's own unit, with
    RMSADDED in the header. An image larger than memory is done in stripes.
    """
    if filter_size % 2 == 0:
        raise click.BadParameter(f"{filter_size} is not odd", param_hint="--filter-size")
    if dilate and not mask:
        raise click.UsageError("--dilate grows the sources of --mask; give it")

    import contextlib
    import functools
    import warnings

    import numpy as np
    from tqdm import tqdm

    from pixsed.cli.options import say, show_progress
    from pixsed.errors import PixsedError, PixsedWarning
    from pixsed.images.background import MosaicBackground
    from pixsed.images.segmap import open_segmap
    from pixsed.io.image import ImageFile
    from pixsed.io.locate import choose_image, open_fits, parse_location
    from pixsed.io.outputs import check_fits_output
    from pixsed.io.rows import RowReader
    from pixsed.io.writers.mosaic import MosaicWriter

    check_fits_output(output, overwrite)
    bar = functools.partial(tqdm, unit="stripe", disable=not show_progress())
    with contextlib.ExitStack() as stack:
        place = parse_location(image, hdu, band=True)
        source = stack.enter_context(
            ImageFile(place, err=err, err_kind=err_kind, fill=fill, measure_sky=False)
        )
        inputs = list(source.files)
        if source.err_source == "none" and err is None:
            warnings.warn(
                f"{source.name}: no errors found; ERR is the sky's rms, without the sources' "
                "noise; name them with --err",
                PixsedWarning,
                stacklevel=1,
            )
        segmap = weight = None
        if mask:
            segmap = stack.enter_context(open_segmap(mask))
            inputs.append(segmap.location.path)
        if coverage:
            where = parse_location(coverage)
            opened = stack.enter_context(open_fits(where.path, memmap=False))
            weight = RowReader(choose_image(opened, where))
            inputs.append(where.path)
        try:
            found = MosaicBackground(
                source,
                segmap=segmap,
                dilate=dilate,
                coverage=weight,
                add_rms=add_rms,
                box=box,
                filter_size=filter_size,
                estimator=estimator,
                sigma=sigma,
                progress=bar,
            )
        except PixsedError as trouble:
            raise PixsedError(f"{source.name}: {trouble}") from trouble
        said = _of_errors(found, source)
        step = f"bkg: box {box}, filter {filter_size}, {sigma:g}-sigma clipped {estimator}"
        with MosaicWriter(
            source,
            ("SCI", "ERR", "BKG", "BKGRMS"),
            output,
            overwrite=overwrite,
            inputs=inputs,
            history=[step, f"bkg: {said}"],
            cards={"RMSADDED": (found.adds_rms, "whether ERR has the sky's rms added")},
        ) as writer:
            for part in found.stripes(bar):
                planes = (part.data, part.err, part.background, part.rms)
                writer.append(dict(zip(("SCI", "ERR", "BKG", "BKGRMS"), planes, strict=True)))
                del part, planes  # not held while the next are made
    unit = str(source.header.get("BUNIT", "")).strip()
    say(
        f"{output}: background {np.median(found.map.mesh):.4g}, "
        f"rms {np.median(found.map.rms_mesh):.4g} {unit}".rstrip()
        + f"; {said}"
    )


def _of_errors(found, source):
    """Return what was done about the errors."""
    import numpy as np

    if source.err_source == "none":
        return "ERR is the sky's rms"
    said = f"the sky's rms is {'' if found.adds_rms else 'not '}added to ERR"
    if np.isfinite(found.error_ratio):
        tense = "was" if found.adds_rms else "is"
        said += f", which {tense} {found.error_ratio:.2g} times the scatter of the empty sky"
    return said
