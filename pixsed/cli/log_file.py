"""The file of `--log`: what a command says, with the time of each line."""

import contextlib
import logging
import re
from datetime import UTC, datetime

import click

from pixsed.errors import PixsedError

_state = {"file": None}
_LINE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def record(text):
    """Write a line to the file of `--log`, if there is one, with the time in UTC."""
    if _state["file"] is not None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        with contextlib.suppress(OSError):  # a full disk does not stop the work
            _state["file"].write(f"{now} {' '.join(str(text).split())}\n")
            _state["file"].flush()


class OnceHandler(logging.Handler):
    """Handler that passes each text of the log ``pixsed`` to a function once."""

    def __init__(self, write):
        super().__init__()
        self._write, self._said = write, set()

    def emit(self, item):
        text = item.getMessage()
        if text not in self._said:
            self._said.add(text)
            self._write(text)


def logging_to_file():
    """Return whether a file of `--log` is open."""
    return _state["file"] is not None


def open_log(path):
    """Open the file of `--log` to append to it, and close that of an earlier command.

    Parameters
    ----------
    path : str or None
        None closes the file.

    Raises
    ------
    PixsedError
        If the file exists and is not a log of pixsed, or cannot be written.
    """
    if _state["file"] is not None:
        _state["file"].close()
        _state["file"] = None
    if path is None:
        return
    try:
        with open(path, "a+b") as file:
            file.seek(0)
            begin = file.read(19)
        if begin and not _LINE.fullmatch(begin):
            raise PixsedError(f"{path} exists and is not a log of pixsed; choose another --log")
        _state["file"] = open(path, "a", encoding="utf-8")
    except OSError as error:
        raise PixsedError(f"{path}: {error.strerror}; choose another --log") from None


def _open(ctx, param, value):
    if ctx.resilient_parsing:  # the shell completes a command line: nothing is written
        return
    if value is not None and not value.strip():
        raise click.UsageError("--log is given without a value (an empty text)")
    open_log(value)


log_option = click.option(
    "--log",
    metavar="FILE",
    expose_value=False,
    callback=_open,
    is_eager=True,
    help="Append to this file what the command says with -v, with the time of each line.",
)
