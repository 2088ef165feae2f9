"""`pixsed cutout`: cut galaxies out of mosaics, one cube each."""

import functools
import math
from pathlib import Path

import click

from pixsed.cli.field.command import FieldCommand
from pixsed.cli.mosaics import (
    catalog,
    catalog_columns,
    errors,
    images_with_options,
    rescale_errors,
    segmap,
    units,
)
from pixsed.cli.options import FiniteRange, examples, hdu, output, quiet_verbose
from pixsed.cli.sky_position import sky_position

EPILOG = examples(
    "pixsed cutout 'F*=JOF_531_F*.fits[SCI_PSFM]' --segmap JOF_531_seg.fits --id 531 "
    "--redshift 5.24 -o 531.fits",
    "pixsed cutout *_sci.fits --segmap seg.fits --catalog z.csv --all --neighbours mask -o cubes/",
)


@click.command(cls=FieldCommand, epilog=EPILOG)
@click.argument("images", nargs=-1, required=True, metavar="[BAND=]IMAGE...|FIELD.toml")
@segmap
@catalog
@click.option(
    "--id",
    "ids",
    multiple=True,
    metavar="ID",
    help="Galaxy to cut out, by its id in the segmentation map; repeat it, or give 1,2,3, for "
    "several.",
)
@click.option(
    "--all",
    "all_ids",
    is_flag=True,
    help="Cut out every galaxy of the segmentation map; with a catalogue, every one that has a "
    "redshift in it.",
)
@click.option(
    "--redshift",
    type=FiniteRange(min=0, min_open=True),
    help="Redshift of a single galaxy, in place of a catalogue.",
)
@click.option(
    "--redshift-err",
    type=FiniteRange(min=0),
    help="1-sigma error of --redshift.  [default: 0, exact]",
)
@click.option(
    "--no-redshift",
    is_flag=True,
    help="Redshifts are not known: make cubes without one, for a model that infers it.",
)
@catalog_columns
@click.option(
    "--position",
    nargs=2,
    metavar="RA DEC",
    help="Centre, in place of a segmentation map: in degrees, or in hours and degrees with colons.",
)
@click.option(
    "--size",
    type=FiniteRange(min=0, min_open=True),
    metavar="ARCSEC",
    help="Side of the square around --position.",
)
@click.option(
    "--region",
    metavar="FILE.reg",
    help="DS9 regions, in place of a segmentation map: one cube each, named by its label.",
)
@click.option(
    "--pad",
    metavar="N|full",
    help="Pixels around the segment or region, or the full image.  [default: 10; full "
    "if one galaxy is selected and the image has at most 200 x 200 pixels]",
)
@click.option(
    "--neighbours",
    type=click.Choice(["keep", "mask"]),
    default="keep",
    show_default=True,
    help="Keep the pixels of other segments, or set them to NaN.",
)
@errors
@units
@rescale_errors
@hdu
@output(help="Cube to write, or a folder of <ID>.fits for several galaxies.")
@quiet_verbose
def command(images, ids, pad, position, hdu, output, overwrite, **options):
    """Cut galaxies out of mosaics into photometric cubes.

    A cube holds the flux and error of each band in nJy on the pixels of the first image,
    the segmentation map, and the depth of each band, measured on the sky of the cutout.
    Patterns in quotes are expanded: 'F*=jof_F*.fits[SCI]' names each band by the text that
    the * matches.
    """
    ids, pad = tuple(_split_ids(ids)), _parse_pad(pad)
    position = sky_position(position, "--position") if position else None

    from tqdm import tqdm

    from pixsed.cli.options import say, show_progress
    from pixsed.errors import PixsedError
    from pixsed.images.cutout import CutoutOptions, open_cutouts
    from pixsed.io.formats.cube import write_cube
    from pixsed.io.formats.psfmatch import NO_PSFMATCH, says_nothing

    per_image = [options.pop(name) for name in ("errors", "units", "err_kinds", "fills")]
    try:
        options = CutoutOptions(ids=ids, pad=pad, position=position, **options)
    except PixsedError as error:
        raise click.UsageError(str(error)) from error
    located = images_with_options(images, hdu, *per_image)
    with open_cutouts(located, options) as cutouts:
        if says_nothing(cutouts.psfmatch):
            say(NO_PSFMATCH)
        paths = _check_outputs(cutouts, output, overwrite)
        bar = functools.partial(
            tqdm, unit="galaxy", disable=not (cutouts.several and show_progress())
        )
        for cut in cutouts.cut(bar):
            write_cube(
                cut.cube, paths[cut.name], overwrite, inputs=cutouts.inputs, history=cut.history
            )
            if not cutouts.several:
                say(f"{paths[cut.name]}: {_summary(cut.cube)}")
        if cutouts.several:
            left_out = cutouts.left_out
            say(f"{Path(output)}: {len(paths) - len(left_out)} cubes")
            if left_out:
                more = ", and more" if len(left_out) > 1 else ""
                say(f"{len(left_out)} left out: {left_out[0]}{more}")


def _check_outputs(cutouts, output, overwrite):
    """Return name -> path of the cubes, having checked that each can be written."""
    from pixsed.io.outputs import check_fits_output, check_folder

    paths = dict.fromkeys(cutouts.names, output)
    if cutouts.several or output.endswith("/") or Path(output).is_dir():
        folder = Path(output)
        check_folder(output, "cubes")
        folder.mkdir(parents=True, exist_ok=True)
        paths = {name: str(folder / f"{name}.fits") for name in cutouts.names}
    for path in paths.values():
        check_fits_output(path, overwrite)
    return paths


def _summary(cube):
    from pixsed.images.cutout_cube import bands_without_data

    ny, nx = cube.shape
    number = f"{len(cube.bands)} bands"
    if without := bands_without_data(cube):
        number = f"{len(cube.bands) - len(without)} of {number} with data"
    redshift = "unknown" if math.isnan(cube.redshift) else f"{cube.redshift:g}"
    return f"{number}, {nx} x {ny} pixels, z = {redshift}"


def _split_ids(values):
    ids = []
    for value in values:
        for word in value.split(","):
            if not word.strip().isdecimal() or not 0 < int(word) < 2**63:
                raise click.BadParameter(
                    f"{word!r} must be an id of the segmentation map, 1 or more", param_hint="--id"
                )
            if int(word) not in ids:
                ids.append(int(word))
    return ids


def _parse_pad(pad):
    if pad is None or pad == "full":
        return pad
    if not pad.isdecimal():
        raise click.BadParameter(f"{pad!r} must be a number of pixels, or full", param_hint="--pad")
    return int(pad)
