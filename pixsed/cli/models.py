"""`pixsed models`: list the shipped models, or print the card of one."""

import click

from pixsed.cli.options import examples, quiet_verbose

EPILOG = examples("pixsed models", "pixsed models tau")


@click.command(epilog=EPILOG)
@click.argument("name", required=False)
@quiet_verbose
def command(name):
    """List the shipped models and their cards.

    Without NAME, print one line per model: name, bands, parameters, IMF and size. With NAME,
    print the card of that model.
    """
    from pixsed.models import card, shipped

    if name is not None:
        click.echo(card(name).rstrip("\n"))
        return
    found = shipped()
    if not found:
        click.echo("no model is shipped with this pixsed; give --model a file", err=True)
        return
    from pixsed.fit.model import Model

    for name, path in found.items():
        model = Model(path)
        imf = model.text("sps.IMF")
        click.echo(
            f"{name}: {len(model.bands)} bands {model.bands[0]} to {model.bands[-1]}; "
            f"{' '.join(model.parameters)}; IMF {imf}; {path.stat().st_size / 1e6:.1f} MB"
        )
