"""`pixsed corner`: corner plots of posteriors, with the prior."""

import click

from pixsed.cli.options import examples, output, pairs, properties, quiet_verbose, say
from pixsed.cli.pictures import dpi, write_picture
from pixsed.cli.places import picture_or_table, place_options, read_posteriors

EPILOG = examples(
    "pixsed corner 531.fits --pixel 33 31 -o corner.png",
    "pixsed corner 531.fits --pixel 33 31 --pixel 40 31 --property LOGMSTAR,AGE,AV -o two.pdf",
    "pixsed corner 531.fits --segment --model dirichlet -o draws.fits",
    "pixsed corner photometry.ecsv --id 17 --truth LOGMSTAR=9.1 -o corner.png",
)


@click.command(epilog=EPILOG)
@click.argument("file", metavar="CUBE|TABLE")
@place_options(samples=2048)
@properties(
    "Property to draw; repeat it, or separate by commas.  "
    "[default: LOGMSTAR LOGSFR METAL AV AGE, and REDSHIFT if it is uncertain]"
)
@click.option(
    "--truth",
    "truths",
    multiple=True,
    metavar="PROP=VALUE",
    help="True value, drawn as a line; repeat it for several properties.",
)
@dpi
@output("Picture (.png, .pdf, .svg) or table of the draws (.fits, .ecsv, .csv); - for a PNG.")
@quiet_verbose
def command(file, properties, truths, dpi, output, overwrite, **values):
    """Draw posteriors of pixels, regions or table rows as a corner plot.

    Pixels have the draws of which 'pixsed fit' writes the quantiles; the fluxes of a region
    or segment are summed before the fit. Several places are drawn over each other. The prior
    at the galaxy's redshift is grey. Needs matplotlib: pip install matplotlib; a table
    of the draws does not.
    """
    from pixsed.fit.draws_table import draws_table, write_draws
    from pixsed.fit.prior_draws import common_prior
    from pixsed.io.outputs import check_output

    kind = picture_or_table(output)
    check_output(output, overwrite)
    truths = _truths(truths)
    found, model, options, title = read_posteriors(file, values)
    what = f"{output}: {len(found)} posterior{'s' * (len(found) > 1)}, {options.samples} draws each"
    if kind is None:
        table = draws_table(found, model, properties)
        write_draws(table, output, model, options, "corner", inputs=[file], overwrite=overwrite)
        say(what)
        return
    from pixsed.plots.corner import Corner, chosen_properties, draw

    names = chosen_properties(found, properties)
    prior = common_prior(model, found, names)
    figure = draw(Corner(names, found, prior, truths, model.units, title))
    write_picture(figure, output, kind, overwrite=overwrite, dpi=dpi)
    say(f"{what}, of {', '.join(names)}")


def _truths(texts):
    """Return the true values by property."""
    found = {}
    for name, text in pairs("--truth", texts).items():
        try:
            found[name] = float(text)
        except ValueError:
            raise click.BadParameter(
                f"{name}={text}: the value must be a number", param_hint="--truth"
            ) from None
    return found
