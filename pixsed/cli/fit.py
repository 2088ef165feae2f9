"""`pixsed fit`: cubes, mosaics or a table of photometry in, posteriors out."""

import re

import click

from pixsed.cli.mosaics import (
    catalog,
    catalog_columns,
    errors,
    rescale_errors,
    segmap,
    units,
)
from pixsed.cli.options import (
    MOST_SAMPLES,
    FiniteFloat,
    FiniteRange,
    error_floor,
    examples,
    hdu,
    jobs,
    model,
    output,
    quiet_verbose,
    scheduler,
    seed,
)

EPILOG = examples(
    "pixsed fit 531.fits --model tau -o maps.fits",
    "pixsed fit cubes/*.fits --resume -o maps/",
    "pixsed fit *_psfm.fits --segmap seg.fits --catalog z.csv -o maps.fits",
    "pixsed fit photometry.ecsv --quantiles 0.025,0.5,0.975 -o posterior.fits",
)


def parse_quantiles(ctx, param, value):
    """Return the tuple of ``0.16,0.5,0.84``."""
    try:
        found = tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{value!r} must be numbers and commas, as 0.16,0.5,0.84"
        ) from None
    if not all(0 < q < 1 for q in found):
        raise click.BadParameter(f"{value!r} must be between 0 and 1, as 0.16,0.5,0.84")
    return found


def parse_tile(ctx, param, value):
    """Return (ny, nx) of ``256`` or ``256,512``; None where it is not given."""
    if value is None:
        return None
    parts = value.split(",")
    if len(parts) > 2 or not all(re.fullmatch(r"\s*0*[1-9][0-9]*\s*", part) for part in parts):
        raise click.BadParameter(f"{value!r} must be pixels a side, as 256, or NY,NX")
    sides = [int(part) for part in parts]
    return sides[0], sides[-1]


def parse_part(ctx, param, value):
    """Return (I, N) of ``I/N``; None where it is not given."""
    if value is None:
        return None
    parts = value.split("/")
    if len(parts) == 2 and all(re.fullmatch(r"[0-9]{1,9}", part) for part in parts):
        number, of = map(int, parts)
        if 1 <= number <= of:
            return number, of
    raise click.BadParameter(f"{value!r} must be I/N, I from 1 to N, as 3/8")


def _given():
    """Return the options that the command line or the environment gives: name -> spelling."""
    context = click.get_current_context()
    sources = click.core.ParameterSource
    return {
        option.name: option.opts[0]
        for option in context.command.params
        if context.get_parameter_source(option.name) in (sources.COMMANDLINE, sources.ENVIRONMENT)
    }


@click.command(epilog=EPILOG)
@click.argument("inputs", nargs=-1, required=True, metavar="CUBE...|[BAND=]IMAGE...|TABLE")
@model
@click.option(
    "--samples",
    type=click.IntRange(2, MOST_SAMPLES),
    show_default="128",
    help="Draws of the flow a pixel: 128 quasi-random ones give quantiles as steady as "
    "500 independent ones.",
)
@click.option(
    "--quantiles",
    default="0.16,0.5,0.84",
    show_default=True,
    callback=parse_quantiles,
    help="Quantiles to write; the median always is.",
)
@click.option(
    "--engine",
    type=click.Choice(["flow", "quantile"]),
    default="flow",
    show_default=True,
    help="Draws of the flow; or, much faster, the quantiles of a second network.",
)
@click.option(
    "--provider",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where onnxruntime runs the network.",
)
@click.option(
    "--snr-min",
    type=FiniteFloat(),
    default=5.0,
    show_default=True,
    help="Least mean S/N of a pixel that is fitted, over F277W, F356W and F444W, or "
    "where none has data the three reddest bands; of rows of a table only where given.",
)
@error_floor
@click.option("--all-pixels", is_flag=True, help="Fit pixels outside the galaxies' segments too.")
@click.option(
    "--redshift",
    type=FiniteRange(min=0),
    help="In place of the redshift in the file; of mosaics, of every pixel, or with "
    "--catalog and --all-pixels of those outside the segments.",
)
@click.option(
    "--redshift-err",
    type=FiniteRange(min=0),
    help="In place of its 1-sigma error in the file; 0 = known.",
)
@segmap
@catalog
@catalog_columns
@click.option(
    "--redshift-map",
    metavar="MAP",
    help="Redshift of every pixel of mosaics: an image, and a second one of errors.",
)
@errors
@units
@rescale_errors
@hdu
@click.option(
    "--tile",
    metavar="N|NY,NX",
    callback=parse_tile,
    help="Pixels a side of the tiles; changes no result.  [default: strips of rows]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with a run that was stopped, and leave out cubes that are done.",
)
@click.option(
    "--part",
    metavar="I/N",
    callback=parse_part,
    help="Do the I-th of N parts: each N-th cube, or of one image a stripe of rows, to "
    "be put together by pixsed merge.",
)
@seed
@jobs
@scheduler
@output(
    help="Maps or table to write; a folder for several cubes, <CUBE>_maps.fits each; - for "
    "standard output."
)
@quiet_verbose
def command(inputs, model, output, overwrite, resume, part, jobs, scheduler, tile, **options):
    """Fit cubes, mosaics or a table of photometry: maps of posterior quantiles.

    A cube gives the median, the other quantiles and the standard deviation of every
    property in each pixel of the galaxy above the S/N cut. Mosaics on one grid are fitted
    without cutting galaxies out; pixels take the redshift of their segment (--segmap,
    --catalog), of --redshift-map, or --redshift. A table has the columns <BAND> and
    <BAND>_ERR with units (flux densities or AB magnitudes), REDSHIFT and, if need be,
    REDSHIFT_ERR and ID; it is written with the posterior's columns added (.fits, .ecsv or
    .csv). --z-col, --zerr-col and --id-col name other columns.
    """
    from pixsed.cli import fit_options, fit_runs
    from pixsed.fit.draws import DEFAULT_SAMPLES

    if options["samples"] is not None and options["engine"] == "quantile":
        raise click.UsageError("--samples goes with --engine flow: the other draws none")
    options["samples"] = options["samples"] or DEFAULT_SAMPLES
    fit_runs.run(
        fit_options.Run(
            given=_given(),
            inputs=inputs,
            model=model,
            output=output,
            overwrite=overwrite,
            resume=resume,
            part=part,
            jobs=jobs,
            scheduler=scheduler,
            tile=tile,
            **options,
        )
    )
