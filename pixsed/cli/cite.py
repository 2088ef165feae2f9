"""`pixsed cite`: what to cite, as BibTeX or as text."""

import click

from pixsed.cli.options import examples, output, quiet_verbose

EPILOG = examples(
    "pixsed cite fit sum-mass --model broad -o references.bib",
    "pixsed cite maps.fits masses.ecsv --format text",
)
# Repeated here so that --help does not import the bibliography; a test compares it.
FORMATS = ("bibtex", "text")


@click.command(epilog=EPILOG)
@click.argument("items", nargs=-1, metavar="[COMMAND|FILE]...")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME|FILE",
    help="Name of a shipped model, or an .onnx file; repeat it for several.  [default: the models "
    "of the files; tau for commands that run a model]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="bibtex",
    show_default=True,
    help="Form of the references: BibTeX, or one line each.",
)
@output("File to write; - for standard output.", required=False, default="-")
@quiet_verbose
def command(items, models, form, output, overwrite):
    """Print what to cite: papers and packages, as BibTeX.

    COMMAND is the name of a command that was used, FILE a cube, maps, a table, an SSP grid or
    simulations made by pixsed, or an .onnx file. The header of a file tells which commands and
    which model made it; the metadata of a model tell the stellar populations, isochrones, dust and
    intergalactic absorption behind it. Each reference comes with what it is cited for. Without
    arguments: pixsed fit with the default model.
    """
    from pixsed.cite.references import references, written
    from pixsed.io.atomic import atomic_path

    text = written(references(items, models), form)
    with atomic_path(output, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")
