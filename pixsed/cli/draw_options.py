"""Options of the commands that draw posteriors of pixels."""

import click

from pixsed.checks import MAX_SAMPLES
from pixsed.cli.options import FiniteRange


def parse_quantiles(ctx, param, value):
    """Return the tuple of a text such as ``0.16,0.5,0.84``; an empty one if none is given."""
    if value is None:
        return ()
    try:
        found = tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{value!r} must be numbers and commas, as 0.16,0.5,0.84"
        ) from None
    if not all(0 < q < 1 for q in found):
        raise click.BadParameter(f"{value!r} must be between 0 and 1, as 0.16,0.5,0.84")
    return found


def given_redshift(help="Redshift, in place of the one in the file."):
    """Add `--redshift` and `--redshift-err`, of galaxies whose file has them too."""

    def decorate(function):
        function = click.option(
            "--redshift-err",
            type=FiniteRange(min=0),
            help="1-sigma redshift error, in place of the one in the file; 0 = exact.",
        )(function)
        return click.option("--redshift", type=FiniteRange(min=0), help=help)(function)

    return decorate


#: Number of draws of commands that sum pixels draw by draw.
summed_samples = click.option(
    "--samples",
    type=click.IntRange(2, MAX_SAMPLES),
    default=500,
    show_default=True,
    help="Number of posterior draws per pixel.",
)


def pixel_noise(help):
    """Add `--draws`, the correlation of the draws of different pixels."""
    return click.option(
        "--draws",
        "noise",
        type=click.Choice(("correlated", "independent", "common")),
        default="correlated",
        show_default=True,
        help=help,
    )
