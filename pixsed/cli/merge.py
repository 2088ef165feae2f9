"""`pixsed merge`: join maps that were fitted in parts, or tables."""

import click

from pixsed.cli.options import examples, output, quiet_verbose, say

EPILOG = examples(
    "pixsed merge parts/*.fits -o maps.fits",
    "pixsed merge masses_*.fits -o masses.fits",
)


@click.command(epilog=EPILOG)
@click.argument("parts", nargs=-1, required=True, metavar="PART...")
@output()
@quiet_verbose
def command(parts, output, overwrite):
    """Put maps that were fitted in parts, or tables, together.

    Maps: all parts of one fit with --part I/N, in any order. Tables of fit or sum-mass, as FITS
    or ECSV: their rows one after the other; they must have the same columns, model and options,
    and no row in common.
    """
    from pixsed.io.writers.merge import merge

    say(merge(parts, output, overwrite=overwrite))
