"""`pixsed ppc`: posterior predictive checks, residuals by band, and zero points."""

import click

from pixsed.cli.options import examples, jobs, output, quiet_verbose, say
from pixsed.cli.pictures import ENDINGS_TEXT, dpi, picture_kind, write_picture
from pixsed.cli.places import model_and_options, place_options, read_posteriors

EPILOG = examples(
    "pixsed ppc 531.fits --pixel 33 31 --segment --plot ppc.png",
    "pixsed ppc 531.fits --segment --ssp bc03.fits --plot ppc.pdf -o ppc.fits",
    "pixsed ppc cubes/*.fits --error-floor 0.02 --propose zp.ecsv --plot offsets.png",
    "pixsed ppc 531.fits --maps maps_531.fits -o residuals.ecsv",
)
_PLACES = ("pixels", "positions", "region", "segment", "ids")


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, metavar="CUBE...|TABLE")
@place_options(samples=512)
@click.option(
    "--ssp",
    "ssps",
    multiple=True,
    type=click.Path(),
    metavar="GRID",
    help="SSP grid on which the model was trained, made by pixsed ssp: draws spectra, and with "
    "model tau the photometry of the draws themselves. Not for model broad.",
)
@click.option(
    "--maps",
    multiple=True,
    metavar="MAPS",
    help="Maps of the cubes, made with --model-fluxes: residuals by band without another fit; "
    "repeat it for several.",
)
@click.option(
    "--propose",
    type=click.Path(),
    metavar="TABLE",
    help="Propose offsets by band, as a table for --zero-points (.fits, .ecsv or .csv).",
)
@click.option(
    "--reference",
    metavar="BAND",
    help="Band whose offset is 0.  [default: the mean offset of the bands is 0]",
)
@click.option(
    "--iterations",
    type=click.IntRange(1, 100),
    default=20,
    show_default=True,
    help="Largest number of fits for --propose; it ends when no offset changes by 0.001 mag.",
)
@click.option("--plot", type=click.Path(), metavar="FILE", help=f"Picture to draw: {ENDINGS_TEXT}.")
@dpi
@jobs
@output("Table to write (.fits, .ecsv or .csv).", required=False)
@quiet_verbose
def command(files, maps, ssps, propose, plot, output, overwrite, **values):
    """Compare the photometry of posterior draws with the data.

    With a place (--pixel, --position, --region, --segment, --id): data, predicted fluxes and
    residuals by band, as a table and a picture. Without one: the median residual of each band
    over galaxies, each summed over its segment, or over the rows of a table; --propose
    iterates it into zero points. An offset that is common to all bands of a galaxy cannot be
    told from its mass, and is removed. Pictures need matplotlib: pip install matplotlib.
    """
    if not (output or plot or propose):
        raise click.UsageError("give -o, --plot or --propose")
    at_places = any(values[name] for name in _PLACES)
    _check_usage(at_places, files, maps, ssps, propose)
    kind = _check_outputs(output, plot, propose, overwrite)
    if at_places:
        figure = _places(files[0], ssps, output, overwrite, bool(plot), values)
    else:
        figure = _bands(files, maps, propose, output, overwrite, bool(plot), values)
    if plot:
        write_picture(figure, plot, kind, overwrite=overwrite, dpi=values["dpi"])


def _check_usage(at_places, files, maps, ssps, propose):
    """Raise `click.UsageError` if options do not go together."""
    if at_places:
        if len(files) > 1:
            raise click.UsageError("places are those of one cube or table; give one")
        if maps or propose:
            other = "--maps" if maps else "--propose"
            raise click.UsageError(f"{other} goes with whole galaxies; give no place")
    elif ssps:
        raise click.UsageError("--ssp goes with places: --pixel, --position, --region or --segment")


def _check_outputs(output, plot, propose, overwrite):
    """Return the format of the picture or None; raise if an output cannot be written."""
    from pixsed.errors import PixsedError
    from pixsed.io.outputs import check_output
    from pixsed.io.writers.tables import check_table_output

    for path in (output, propose):
        if path:
            check_table_output(path, overwrite)
    if not plot:
        return None
    kind = picture_kind(plot)
    if kind is None:
        raise PixsedError(f"--plot {plot}: the name must end in {ENDINGS_TEXT}")
    check_output(plot, overwrite)
    return kind


def _places(file, ssps, output, overwrite, with_picture, values):
    """Check places of a cube, or rows of a table; return the figure or None."""
    from pixsed.fit.check_tables import prediction_table
    from pixsed.fit.draws_table import write_draws
    from pixsed.fit.predictions import predict

    found, model, options, title = read_posteriors(file, values)
    forward = None
    if ssps:
        from pixsed.fit.forward import ForwardModel
        from pixsed.sps.ssp import read_ssp

        forward = ForwardModel(model, [read_ssp(path) for path in ssps], ssps[0])
    predictions = [predict(one, model, options, forward) for one in found]
    if output:
        table = prediction_table(predictions)
        inputs = [file, *ssps]
        write_draws(table, output, model, options, "ppc", inputs=inputs, overwrite=overwrite)
    for one in predictions:
        say(
            f"{one.label}: chi^2 per band {one.chi2:.2f}, p = {one.pvalue:.3g}, "
            f"{options.samples} draws, photometry from the {one.source}"
        )
    if not with_picture:
        return None
    from pixsed.plots.predictions import draw

    return draw(predictions, title=title)


def _bands(files, maps, propose, output, overwrite, with_picture, values):
    """Measure residuals by band, and propose offsets; return the figure or None."""
    from pixsed.fit.check_tables import offset_table, residual_table
    from pixsed.fit.offsets import lines
    from pixsed.io.writers.tables import write_table

    found, cards = _offsets(files, maps, bool(propose), values)
    for line in lines(found):
        click.echo(line, err="-" in (output, propose))
    inputs = [*files, *maps]
    number, steps = len(found.first), found.steps
    for path, name, make, what in (
        (output, "RESIDUALS", residual_table, found.first),
        (propose, "ZEROPTS", offset_table, found),
    ):
        if path:
            write_table(
                make(what),
                path,
                overwrite=overwrite,
                name=name,
                inputs=inputs,
                history=[f"ppc: {number} galaxies, {steps} fit{'s' * (steps > 1)}"],
                REFBAND=(found.reference or "mean", "offset of this band, or the mean, is 0"),
                **cards,
            )
    if not with_picture:
        return None
    from pixsed.plots.predictions import draw_offsets

    zero = f"{found.reference} = 0" if found.reference else "mean over bands = 0"
    title = f"{number} galax{'ies' if number > 1 else 'y'}, {zero}"
    return draw_offsets(found, title=title)


def _offsets(files, maps, propose, values):
    """Return the `~pixsed.fit.offsets.Offsets` of the inputs, and cards of their record."""
    from pixsed.errors import PixsedError
    from pixsed.fit.check_galaxies import residuals_of_files, rows_of_cubes, rows_of_table
    from pixsed.fit.inputs import kind_of_inputs
    from pixsed.fit.offsets import added, estimate, iterate
    from pixsed.fit.record import model_cards
    from pixsed.fit.zero_points import check_zero_points, zero_point_cards

    kind = kind_of_inputs(files, values["hdu"])
    if kind == "image":
        raise click.UsageError(f"{files[0]} is an image; give cubes made by pixsed cutout")
    reference = values["reference"]
    if maps:
        zero_points = check_zero_points(values["zero_points"])
        found = estimate(residuals_of_files(files, maps, zero_points), reference)
        return added(found, zero_points), zero_point_cards(zero_points, found.bands)
    model, options, columns = model_and_options(values)
    if kind == "cube":
        rows, names = rows_of_cubes(files, model, options)
    else:
        if len(files) > 1:
            raise PixsedError(f"{files[0]} is a table; tables are checked one at a time")
        rows, names = rows_of_table(files[0], model, options, columns)
    most = values["iterations"] if propose else 1
    jobs = values["jobs"]
    found = iterate(model, rows, names, options, reference=reference, most=most, jobs=jobs)
    return added(found, options.zero_points), model_cards(model, options, found.bands)
