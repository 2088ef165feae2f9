"""`pixsed sum-mass`: total stellar masses of galaxies, resolved and integrated."""

import click

from pixsed.checks import MAX_SAMPLES
from pixsed.cli.options import (
    FiniteFloat,
    error_floor,
    examples,
    jobs,
    model,
    output,
    quiet_verbose,
    say,
    seed,
    zero_points,
)

EPILOG = examples(
    "pixsed sum-mass 531.fits --model tau -o mass.fits",
    "pixsed sum-mass cubes/*.fits --snr-min 3 -o masses.ecsv",
)


@click.command("sum-mass", epilog=EPILOG)
@click.argument("cubes", nargs=-1, required=True, metavar="CUBE...")
@model
@click.option(
    "--samples",
    type=click.IntRange(2, MAX_SAMPLES),
    default=500,
    show_default=True,
    help="Number of posterior draws per pixel.",
)
@click.option(
    "--snr-min",
    type=FiniteFloat(),
    default=5.0,
    show_default=True,
    help="Minimum mean S/N of a pixel in the sums, over F277W, F356W and F444W, or over the three "
    "reddest bands with data where none of these has any.",
)
@error_floor
@zero_points
@click.option("--all-pixels", is_flag=True, help="Add pixels outside the galaxy's segment too.")
@seed
@jobs
@output(help="Table to write (.fits, .ecsv or .csv); - for standard output.")
@quiet_verbose
def command(cubes, model, output, overwrite, jobs, **options):
    """Total stellar mass of galaxies, resolved and integrated.

    Resolved: the sum of one draw per pixel, repeated for every draw. Noise is independent
    between pixels; an --error-floor and the redshift are common to all.
    Integrated: the fit of the photometry summed over the same pixels. OFFSET is the
    difference of the medians; the bits of FLAG are in the table's header. ID is a number
    where those of all galaxies are.
    """
    from pixsed.cli.fit_report import PixelBar
    from pixsed.errors import PixsedError
    from pixsed.fit.options import FitOptions
    from pixsed.fit.sum_mass import sum_mass

    failed = []

    def report(outcome):
        if outcome.error is not None:
            failed.append(outcome.name)
            click.echo(f"pixsed: error: {outcome.error}", err=True)  # -q does not silence errors
        else:
            say(_line(outcome))

    table = sum_mass(
        cubes,
        model,
        FitOptions(**options),
        output=output,
        overwrite=overwrite,
        jobs=jobs,
        progress=PixelBar,
        report=report,
    )
    if failed:
        number = len(table) + len(failed)
        raise PixsedError(
            f"{len(failed)} of {number} cubes could not be read; {output} has the others"
        )


def _line(outcome):
    """Return the line about a galaxy."""
    name, row = outcome.name, outcome.row
    if not row["NPIX"]:
        why = outcome.reasons or "none is inside"
        return f"{name}: no pixel can be fitted: {why}; flag {row['FLAG']}"
    return (
        f"{name}: {row['NPIX']} pixels, log10 M* resolved {row['RES_LOGMSTAR_P50']:.3f}, "
        f"integrated {row['INT_LOGMSTAR_P50']:.3f}, flag {row['FLAG']}"
    )
