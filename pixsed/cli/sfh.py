"""`pixsed sfh`: recovered star-formation histories, with their bands."""

import click

from pixsed.cli.options import examples, output, quiet_verbose, say
from pixsed.cli.pictures import dpi, write_picture
from pixsed.cli.places import picture_or_table, place_options, read_posteriors

EPILOG = examples(
    "pixsed sfh 531.fits --pixel 33 31 -o sfh.png",
    "pixsed sfh 531.fits --segment --model dirichlet --log-time -o sfh.pdf",
    "pixsed sfh 531.fits --region clumps.reg -o sfh.fits",
)


@click.command(epilog=EPILOG)
@click.argument("file", metavar="CUBE|TABLE")
@place_options(samples=512)
@click.option("--log-time", is_flag=True, help="Bins and axis of the logarithm of lookback time.")
@click.option("--log-sfr", is_flag=True, help="Logarithmic axis of the SFR.")
@dpi
@output("Picture (.png, .pdf, .svg) or table (.fits, .ecsv, .csv); - for a PNG.")
@quiet_verbose
def command(file, log_time, log_sfr, dpi, output, overwrite, **values):
    """Recover star-formation histories of pixels, regions or table rows.

    The median SFR against lookback time, with bands of 68 and 95 %, one panel per place. A
    pixel of a bin has its part of the bin's SFR. The fluxes of a region or segment are summed
    before the fit. Models whose draws do not describe a history bin by bin give a coarse one.
    Needs matplotlib: pip install matplotlib; a table does not.
    """
    from pixsed.fit.draws_table import write_draws
    from pixsed.fit.histories import history_table, recover
    from pixsed.io.outputs import check_output

    kind = picture_or_table(output)
    check_output(output, overwrite)
    found, model, options, title = read_posteriors(file, values)
    histories = [recover(one, model, log_time=log_time) for one in found]
    what = f"{output}: {len(found)} star-formation histor{'ies' if len(found) > 1 else 'y'}"
    if kind is None:
        table = history_table(histories)
        write_draws(table, output, model, options, "sfh", inputs=[file], overwrite=overwrite)
    else:
        from pixsed.plots.histories import draw

        figure = draw(histories, title=title, log_time=log_time, log_sfr=log_sfr)
        write_picture(figure, output, kind, overwrite=overwrite, dpi=dpi)
    say(f"{what}, {options.samples} draws{' each' * (len(found) > 1)}")
