"""Checks of the names of pictures."""

from pathlib import Path

import click

KINDS = ("png", "pdf", "svg")


def check_picture(output, overwrite):
    """Return the format of a picture by its name: ``png``, ``pdf`` or ``svg``.

    A stream without an ending gets ``png``.

    Raises
    ------
    click.BadParameter
        If the name has another ending.
    PixsedError
        If the file cannot be written.
    """
    from pixsed.io.outputs import check_output, is_stream

    kind = Path(output).suffix.lower()[1:]
    if is_stream(output) and not kind:
        kind = "png"
    if kind not in KINDS:
        raise click.BadParameter(f"{output!r} must end in .png, .pdf or .svg", param_hint="-o")
    check_output(output, overwrite)
    return kind
