"""`pixsed run`: all steps of a field."""

import click

from pixsed.checks import MAX_SEED
from pixsed.cli.field.command import KeepingCommand
from pixsed.cli.options import examples, quiet_verbose

EPILOG = examples(
    "pixsed run jof.toml",
    "pixsed run jof.toml --dry-run > jof.sh",
    'for f in fields/*.toml; do pixsed run "$f" -q --jobs 8 || echo "$f" >> failed.txt; done',
)


@click.command(cls=KeepingCommand, epilog=EPILOG)
@click.argument("field", metavar="FIELD.toml")
@click.option("--dry-run", is_flag=True, help="Print the command lines of all steps, and stop.")
@click.option(
    "--overwrite",
    is_flag=True,
    help="Make products again that were made with other options, or are older than their inputs; "
    "what is done stays.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=MAX_SEED),
    show_default="that of the field file, or 42",
    help="Seed of the random numbers.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1, max=10_000),
    show_default="the cores it may use",
    help="Number of processes or threads.",
)
@quiet_verbose
def command(field, dry_run, overwrite, **common):
    """Go from the images of a field to maps and total masses.

    The field file names the images, their PSFs, the segmentation map, the catalogue, the model
    and the options of each command: bkg, psfmatch, cutout, fit, sum-mass and, if the file has
    [plot], plot. Each step is one command line, which is shown, and is skipped if its product
    is there, whole, made with the same options, and not older than its inputs. A fit that was
    stopped goes on. A galaxy that fails does not stop the others.
    """
    from pixsed.cli.field.execute import Execution, script
    from pixsed.cli.field.options import Given
    from pixsed.cli.field.steps import Steps

    given = {
        name: Given((f"--{name}", str(value)))
        for name, value in common.items()
        if value is not None
    }
    steps = Steps(field, common=given)
    if dry_run:
        click.echo("\n".join(script(steps, overwrite)))
        return
    context = click.get_current_context()
    Execution(steps, context.parent, overwrite=overwrite, more=context.obj).run()
