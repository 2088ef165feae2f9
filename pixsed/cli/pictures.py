"""Pictures: their options, the checks of their names, and writing."""

from pathlib import Path

import click

KINDS = ("png", "pdf", "svg")
#: Endings of the names of pictures, and as messages list them.
ENDINGS = tuple(f".{kind}" for kind in KINDS)
ENDINGS_TEXT = ".png, .pdf or .svg"

dpi = click.option(
    "--dpi",
    type=click.IntRange(min=10, max=1200),
    default=150,
    show_default=True,
    help="Dots per inch.",
)


def picture_kind(output):
    """Return the format of a picture by its name, one of `KINDS`; None for another ending.

    A stream without an ending gets ``png``.
    """
    from pixsed.io.outputs import is_stream

    suffix = Path(output).suffix.lower()
    if suffix in ENDINGS:
        return suffix[1:]
    return "png" if is_stream(output) and not suffix else None


def check_picture(output, overwrite):
    """Return the format of a picture by its name, as `picture_kind`.

    Raises
    ------
    click.BadParameter
        If the name has another ending.
    PixsedError
        If the file cannot be written.
    """
    from pixsed.io.outputs import check_output

    kind = picture_kind(output)
    if kind is None:
        raise click.BadParameter(f"{output!r} must end in {ENDINGS_TEXT}", param_hint="-o")
    check_output(output, overwrite)
    return kind


def write_picture(figure, output, kind, *, overwrite, dpi=150):
    """Write a figure in one of the formats `KINDS`, atomically."""
    from pixsed.io.atomic import atomic_path

    with atomic_path(output, overwrite) as temporary:
        figure.savefig(temporary, dpi=dpi, format=kind)
