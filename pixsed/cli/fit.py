"""`pixsed fit`: fit cubes, mosaics or a table of photometry."""

import re

import click

from pixsed.checks import MAX_SAMPLES
from pixsed.cli.draw_options import given_redshift, parse_quantiles
from pixsed.cli.field.command import FieldCommand
from pixsed.cli.mosaics import (
    catalog,
    catalog_columns,
    errors,
    rescale_errors,
    segmap,
    units,
)
from pixsed.cli.options import (
    FiniteFloat,
    error_floor,
    examples,
    hdu,
    jobs,
    model,
    output,
    parse_part,
    quiet_verbose,
    say,
    scheduler,
    seed,
    zero_points,
)

EPILOG = examples(
    "pixsed fit 531.fits --model tau -o maps.fits",
    "pixsed fit cubes/*.fits --resume -o maps/",
    "pixsed fit *_psfm.fits --segmap seg.fits --catalog z.csv -o maps.fits",
    "pixsed fit photometry.ecsv --quantiles 0.025,0.5,0.975 -o posterior.fits",
)


def parse_tile(ctx, param, value):
    """Return (ny, nx) for ``256`` or ``256,512``; None if it is not given."""
    if value is None:
        return None
    parts = value.split(",")
    if len(parts) > 2 or not all(re.fullmatch(r"\s*0*[1-9][0-9]*\s*", part) for part in parts):
        raise click.BadParameter(f"{value!r} must be pixels per side, as 256, or NY,NX")
    sides = [int(part) for part in parts]
    return sides[0], sides[-1]


@click.command(cls=FieldCommand, epilog=EPILOG)
@click.argument(
    "inputs", nargs=-1, required=True, metavar="CUBE...|[BAND=]IMAGE...|TABLE|FIELD.toml"
)
@model
@click.option(
    "--samples",
    type=click.IntRange(2, MAX_SAMPLES),
    show_default="128",
    help="Number of posterior draws per pixel; 128 quasi-random draws give quantiles as precise "
    "as 500 independent ones.",
)
@click.option(
    "--quantiles",
    default="0.16,0.5,0.84",
    show_default=True,
    metavar="Q,...",
    callback=parse_quantiles,
    help="Quantiles to write; the median is always written.",
)
@click.option(
    "--engine",
    type=click.Choice(["flow", "quantile"]),
    default="flow",
    show_default=True,
    help="flow: draw samples from the flow. quantile: predict the quantiles with a second "
    "network, which is much faster.",
)
@click.option(
    "--model-fluxes",
    is_flag=True,
    help="Write the predicted fluxes too, as <BAND>_MODEL in nJy: those of CHI2.",
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
    show_default="5; no cut for the rows of a table",
    help="Minimum mean S/N of a fitted pixel or row, over F277W, F356W and F444W, or over the "
    "three reddest bands with data where none of these has any.",
)
@error_floor
@zero_points
@click.option("--all-pixels", is_flag=True, help="Fit pixels outside the galaxies' segments too.")
@given_redshift(
    "Redshift, in place of the one in the file. For mosaics: of every pixel, or with "
    "--catalog and --all-pixels of the pixels outside the segments."
)
@segmap
@catalog
@catalog_columns
@click.option(
    "--redshift-map",
    metavar="MAP",
    help="Image of the redshift of every pixel of mosaics; a second image in the file holds the "
    "errors.",
)
@errors
@units
@rescale_errors
@hdu
@click.option(
    "--tile",
    metavar="N|NY,NX",
    callback=parse_tile,
    help="Pixels per side of the tiles; does not change the results.  [default: strips of rows]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue a fit that was stopped, and skip cubes that are done.",
)
@click.option(
    "--part",
    metavar="I/N",
    callback=parse_part,
    help="Fit the I-th of N parts: every N-th cube, or a stripe of rows of one image; join the "
    "stripes with pixsed merge.",
)
@seed
@jobs
@scheduler
@output(
    help="Maps or table to write; for several cubes a folder of <CUBE>_maps.fits; - for standard "
    "output."
)
@quiet_verbose
def command(inputs, output, **values):
    """Fit cubes, mosaics or a table of photometry: maps of posterior quantiles.

    The maps of a cube hold the median, the other quantiles and the standard deviation of every
    property, for each pixel of the galaxy above the S/N cut. Mosaics on one grid are fitted
    without cutting galaxies out; a pixel has the redshift of its segment (--segmap, --catalog),
    of --redshift-map, or of --redshift. A table has columns <BAND> and <BAND>_ERR with units
    (flux densities or AB magnitudes), REDSHIFT, and optionally REDSHIFT_ERR and ID. It is
    written with columns of the posterior added (.fits, .ecsv or .csv). --z-col, --zerr-col and
    --id-col name other columns.
    """
    from pixsed.cli import fit_options as chosen
    from pixsed.cli import fit_report
    from pixsed.fit.cube import load_for
    from pixsed.fit.inputs import kind_of_inputs
    from pixsed.fit.table import fit_table, table_text
    from pixsed.fit.to_file import fit_to_file, pixel_options
    from pixsed.io.formats.psfmatch import NO_PSFMATCH

    chosen.check_engine(values)
    mosaics = any(values[name] for name in ("segmap", "redshift_map", "catalog"))
    kind = kind_of_inputs(inputs, values["hdu"], mosaics=mosaics)
    chosen.check_usage(kind, output, values)
    options, execution = chosen.fit_options(values), chosen.execution_options(values)
    if kind == "table":
        table = fit_table(
            chosen.only_table(inputs),
            values["model"],
            options,
            columns=chosen.table_columns(values),
            output=output,
            overwrite=execution.overwrite,
            jobs=execution.jobs,
            progress=fit_report.row_bar,
        )
        say(f"{output}: {table_text(table)}")
    elif kind == "cube" and (len(inputs) > 1 or chosen.is_folder(output)):
        fit_report.fit_many(inputs, output, values["model"], options, execution)
    else:
        model, options = load_for(values["model"], pixel_options(options))
        files = chosen.source_files(kind, inputs, options, values)
        bar = fit_report.PixelBar
        report = fit_to_file(files, model, output, options, execution, progress=bar)
        if report.psf_unknown:
            say(NO_PSFMATCH)
        say(fit_report.report_line(output, report, options, execution.resume))
