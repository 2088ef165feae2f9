"""`pixsed compare`: offsets, scatter and outliers between two tables or maps."""

import click

from pixsed.cli.options import FiniteFloat, FiniteRange, examples, output, properties, quiet_verbose
from pixsed.cli.pictures import ENDINGS_TEXT, KINDS, write_picture

EPILOG = examples(
    "pixsed compare tau_masses.ecsv dirichlet_masses.ecsv --plot priors.png",
    "pixsed compare masses.ecsv --resolved-integrated -o offsets.ecsv --plot offsets.png",
    "pixsed compare maps_tau.fits maps_dirichlet.fits --property LOGMSTAR,AGE",
)


@click.command("compare", epilog=EPILOG)
@click.argument("a", metavar="A")
@click.argument("b", required=False, metavar="[B]")
@properties(
    "Property to compare, such as LOGMSTAR or RES_LOGMSTAR; repeat it, or separate by commas."
    "  [default: all that A and B have]"
)
@click.option(
    "--resolved-integrated",
    is_flag=True,
    help="A is a table of 'pixsed sum-mass': compare its resolved with its integrated values, as "
    "resolved - integrated.",
)
@click.option(
    "--id-col",
    metavar="COL",
    default="ID",
    show_default=True,
    help="Column by which rows of tables are matched.",
)
@click.option(
    "--split",
    type=FiniteFloat(),
    default=3.0,
    show_default=True,
    help="Redshift between the two bins.",
)
@click.option(
    "--outlier",
    type=FiniteRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Difference beyond which a value is an outlier: in dex for logarithms, else in the unit.",
)
@click.option(
    "--plot", type=click.Path(), metavar="FILE", help=f"Also draw a picture: {ENDINGS_TEXT}."
)
@output("Table to write (.fits, .ecsv or .csv).", required=False)
@quiet_verbose
def command(a, b, properties, resolved_integrated, id_col, split, outlier, plot, output, overwrite):
    """Compare two tables or maps: offsets, scatter and outliers.

    A and B are tables of 'pixsed fit' or 'sum-mass', matched by ID, or tables with truths in
    <PROPERTY>_TRUE; or two Maps files of one cube, matched pixel by pixel. Without B, the
    medians of a table are compared with its own truths. Offsets are B - A: medians with
    standard errors, for all redshifts and below and above --split.
    """
    from pathlib import Path

    from pixsed.errors import PixsedError
    from pixsed.io.outputs import check_output
    from pixsed.io.writers.tables import check_table_output, write_table
    from pixsed.validate.compare import compare, lines
    from pixsed.validate.pairs import read_pairs

    if b is not None and resolved_integrated:
        raise click.UsageError("--resolved-integrated compares one table with itself; give no B")
    if output:
        check_table_output(output, overwrite)
    if plot:
        kind = Path(plot).suffix.lower()[1:]
        if kind not in KINDS:
            raise PixsedError(f"--plot {plot}: the name must end in {ENDINGS_TEXT}")
        check_output(plot, overwrite)
    pairs = read_pairs(a, b, properties, resolved_integrated=resolved_integrated, id_col=id_col)
    table = compare(pairs, split=split, outlier=outlier)
    for line in lines(table, pairs[0].a_name, pairs[0].b_name):
        click.echo(line, err=output == "-")
    if output:
        write_table(
            table,
            output,
            overwrite=overwrite,
            name="COMPARE",
            inputs=[path for path in (a, b) if path],
            history=[f"compare: {len(pairs)} properties, B - A"],
            A=(pairs[0].a_name, "first table or maps"),
            B=(pairs[0].b_name, "second table or maps"),
            OUTLIER=(outlier, "difference beyond which a value is an outlier"),
        )
    if plot:
        from pixsed.plots.compare import draw

        write_picture(draw(pairs, table), plot, kind, overwrite=overwrite)
