"""`pixsed plot`: draw maps as a picture."""

import click

from pixsed.cli.options import Names, examples, output, quiet_verbose

EPILOG = examples(
    "pixsed plot maps.fits -o maps.png",
    "pixsed plot maps.fits --property LOGMSTAR --property TAU -o maps.pdf",
)


@click.command(epilog=EPILOG)
@click.argument("maps", metavar="MAPS")
@click.option(
    "--property",
    "properties",
    multiple=True,
    type=Names(),
    metavar="PROP",
    help="Property to draw, such as LOGMSTAR; repeat it, or separate by commas.  "
    "[default: LOGSIGMA LOGSFR AGE METAL AV]",
)
@click.option(
    "--dpi",
    type=click.IntRange(min=10, max=1200),
    default=150,
    show_default=True,
    help="Dots per inch.",
)
@output("Output picture: .png, .pdf or .svg; - for a PNG on standard output.")
@quiet_verbose
def command(maps, properties, dpi, output, overwrite):
    """Draw maps as a picture.

    One column per property: the median above, the standard deviation below, cropped to
    the fitted pixels. Needs matplotlib: pip install 'pixsed[plot]'.
    """
    from pathlib import Path

    from pixsed.cli.options import say
    from pixsed.io.atomic import atomic_path
    from pixsed.io.outputs import check_output, is_stream
    from pixsed.plots.maps import draw, read_panels

    suffix = Path(output).suffix.lower()
    if is_stream(output) and not suffix:
        suffix = ".png"
    if suffix not in (".png", ".pdf", ".svg"):
        raise click.BadParameter(f"{output!r} must end in .png, .pdf or .svg", param_hint="-o")
    check_output(output, overwrite)
    panels = read_panels(maps, [name for names in properties for name in names])
    figure = draw(panels)
    with atomic_path(output, overwrite) as temporary:
        figure.savefig(temporary, dpi=dpi, format=suffix[1:])
    ny, nx = panels.median[0].shape
    say(f"{output}: {len(panels.properties)} properties, {nx} x {ny} pixels")
