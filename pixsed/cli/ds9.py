"""`pixsed ds9`: show maps in DS9."""

import click

from pixsed.cli.draw_options import parse_quantiles
from pixsed.cli.options import examples, properties, quiet_verbose, say

EPILOG = examples(
    "pixsed ds9 maps.fits --std --run",
    "pixsed ds9 maps.fits --property LOGSIGMA,AGE --segmap seg.fits --region seg.reg > show.sh",
)


@click.command("ds9", epilog=EPILOG)
@click.argument("maps", nargs=-1, required=True, metavar="MAPS...")
@properties(
    "Property to show, such as LOGMSTAR, or another plane, such as SNR; repeat it, or "
    "separate by commas.  [default: LOGSIGMA LOGSFR AGE METAL AV]"
)
@click.option(
    "--quantiles",
    metavar="Q,...",
    callback=parse_quantiles,
    help="Show these quantiles too, after the medians, such as 0.16,0.84.",
)
@click.option("--std", is_flag=True, help="Show the standard deviations too, last.")
@click.option(
    "--segmap",
    metavar="SEG",
    help="Segmentation map, or a cube with a SEGMAP: write the outlines of the segments near the "
    "maps to --region.",
)
@click.option(
    "--region",
    "regions",
    type=click.Path(),
    metavar="FILE.reg",
    help="Region file that is loaded in every frame; with --segmap it is written first.",
)
@click.option("--overwrite", is_flag=True, help="Replace --region if it exists.")
@click.option("--run", "start", is_flag=True, help="Run the command instead of printing it.")
@click.option(
    "--program",
    metavar="PROGRAM",
    help="Name or path of DS9.  [default: ds9, or else saods9]",
)
@quiet_verbose
def command(maps, properties, quantiles, std, segmap, regions, overwrite, start, program):
    """Print or run the command that shows maps in DS9.

    One frame per plane, medians first, each with its label, colours and colour bar, cropped
    to the fitted pixels and locked on the sky. Colour scales end at the 1 and 99 % of the
    pixels of all maps of one property.
    """
    import shlex

    from pixsed.plots.ds9 import ds9_command, find_program, overlap, program_name, read_all, run

    program = find_program(program) if start else program_name(program)
    frames, windows = read_all(maps, properties, quantiles=quantiles, std=std)
    if segmap or regions:
        _regions(segmap, regions, maps, windows, overwrite)
    if not overlap(list(windows.values())):
        say("the maps do not overlap on the sky, so the frames are not locked")
    words = ds9_command(frames, windows, program=program, regions=regions)
    if start:
        run(words)
    else:
        click.echo(shlex.join(words))


def _regions(segmap, regions, maps, windows, overwrite):
    """Write the outlines of the segments of a map, or check the region file that a user has."""
    from pixsed.images.outlines import segment_outlines, write_regions
    from pixsed.io.inputs import check_input
    from pixsed.io.outputs import check_ending, check_output, protected_arguments

    if not segmap:
        check_input(regions, "a region file", "write one with --segmap")
        return
    if not regions:
        raise click.UsageError("--segmap needs --region FILE.reg, where the outlines are written")
    with protected_arguments(*maps, segmap):
        check_ending(regions, (".reg",), "regions are")
        check_output(regions, overwrite)
        outlines = segment_outlines(segmap, [window.corners for window in windows.values()])
        write_regions(outlines, regions, overwrite=overwrite)
    say(f"{regions}: {len(outlines)} segments")
