"""`pixsed merge`: parts of maps in, the whole out; or tables in, one table out."""

import click

from pixsed.cli.options import examples, output, quiet_verbose

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

    Maps: all parts of one run of fit --part I/N, in any order. Tables of fit or sum-mass:
    their rows one after the other, from FITS or ECSV; they must have the same columns, model
    and options, and no row in common.
    """
    from pixsed.cli.options import say
    from pixsed.io.formats.kinds import is_maps
    from pixsed.io.outputs import check_fits_output, check_output

    check_output(output, overwrite)
    if is_maps(parts[0]):
        check_fits_output(output, overwrite)
        from pixsed.io.writers.merge_maps import merge_maps

        ny, nx = merge_maps(parts, output, overwrite=overwrite)
        say(f"{output}: {len(parts)} parts, {nx} x {ny} pixels")
        return
    from pixsed.io.writers.merge_tables import merge_tables
    from pixsed.io.writers.tables import check_table_output

    check_table_output(output, overwrite)
    number = merge_tables(parts, output, overwrite=overwrite)
    say(f"{output}: {len(parts)} tables, {number} rows")
