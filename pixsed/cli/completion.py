"""`pixsed completion`: the script by which a shell completes command lines."""

import click

from pixsed.cli.options import examples, quiet_verbose

SHELLS = ("bash", "zsh", "fish")
EPILOG = examples(
    'eval "$(pixsed completion bash)"',
    "pixsed completion bash > ~/.pixsed-completion.bash",
    "pixsed completion fish > ~/.config/fish/completions/pixsed.fish",
)


@click.command("completion", epilog=EPILOG)
@click.argument("shell", type=click.Choice(SHELLS))
@quiet_verbose
def command(shell):
    """Print the script that completes command lines in a shell.

    With the script, the Tab key completes commands, options, names of models, files, HDUs of
    files after path[, bands and properties.
    """
    from click.shell_completion import get_completion_class

    from pixsed.cli.main import cli

    made = get_completion_class(shell)(cli, {}, "pixsed", "_PIXSED_COMPLETE")
    click.echo(made.source().strip("\n"))
