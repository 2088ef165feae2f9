"""Rows of a table that are kept on the disk as they are done, until the whole table is written.

Until then they are lines (`pixsed.io.writers.journal`) in ``NAME.part`` next to the table's final
name: first what the rows depend on, then one line per row. A line that was cut short by a kill is
ignored.
"""

import contextlib
import os

from pixsed.errors import PixsedError
from pixsed.io.atomic import named_error
from pixsed.io.outputs import is_stream
from pixsed.io.writers.journal import (
    DamagedError,
    UnusableError,
    begin_anew,
    journal_line,
    read_journal,
)
from pixsed.io.writers.part_file import check_left, check_same, lock, open_part, raise_kept
from pixsed.io.writers.table_blocks import part_path
from pixsed.io.writers.tables import check_table_output

_FORMAT = 2  # since 2, lines have checksums


def check_rows_output(path, *, overwrite=False, resume=False):
    """Raise `PixsedError` if a table cannot be written to `path` row by row; call it first.

    Parameters
    ----------
    path : path-like
    overwrite, resume : bool, optional
        As for `RowJournal`.
    """
    check_table_output(path, overwrite or resume)
    check_left(path, lambda path: [part_path(path)], overwrite=overwrite, resume=resume)


class RowJournal:
    """Rows that are done, in ``NAME.part``.

    A context manager. The file appears with the first row. It is removed when the block succeeds,
    and stays after an error.

    Parameters
    ----------
    path : path-like or None
        Table that is written in the end. Nothing is kept for None or a stream
        (`~pixsed.io.outputs.is_stream`).
    key : dict
        JSON types: what all rows depend on.
    resume : bool, optional
        Continue ``NAME.part`` if it exists.
    overwrite : bool, optional
        With `resume`: begin anew if it has another key or cannot be read, the latter with a
        `~pixsed.errors.PixsedWarning`.

    Attributes
    ----------
    rows : dict of str to dict
        Rows of earlier runs, and of this one, by their names.
    part : `~pathlib.Path` or None
    keep : bool
        Set it to keep the file although the block succeeds.

    Raises
    ------
    PixsedError
        If the rows of an earlier run have another key or cannot be read, or another process
        writes them.
    """

    def __init__(self, path, key, *, resume=False, overwrite=False):
        self.path, self._key, self._resume = path, key, resume
        self._overwrite = overwrite
        self.part = None if path is None or is_stream(path) else part_path(path)
        self.rows, self.keep, self._file = {}, False, None

    def __enter__(self):
        if self.part is not None and self._resume and self.part.exists():
            self._open()
            try:
                self._take_up()
            except BaseException:
                self._file.close()
                raise
        return self

    def _open(self):
        file, _ = open_part(self.part)
        try:
            lock(file, self.part)
        except PixsedError:
            file.close()
            raise
        self._file = file

    def _take_up(self):
        """Read the rows of an earlier run, and cut off a line that is not complete."""
        try:
            self.rows, end = self._read()
        except UnusableError as error:
            begin_anew(error, self.part, self._overwrite)
            self.rows, end = {}, 0
        self._file.seek(end)
        self._file.truncate()
        if not end:
            self._write({"format": _FORMAT, "key": self._key})

    def _read(self):
        """Return the rows of an earlier run, and the end of their lines; 0 if there are none."""
        lines, end = read_journal(self._file, self.part)
        first, *others = lines or [None]
        try:
            if first is not None:
                if first["format"] != _FORMAT:
                    raise ValueError
                check_same(first["key"], self._key, str(self.part))
            return {str(line["name"]): dict(line["row"]) for line in others}, end
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DamagedError(f"{self.part} cannot be read; start anew with --overwrite") from None

    def _write(self, line):
        # Flushed lines survive a kill of the process.
        self._file.write(journal_line(line))
        self._file.flush()

    def append(self, name, row):
        """Keep a row, a dict of column to number or text."""
        if self.part is not None:
            if self._file is None:
                self._open()
                self._file.truncate(0)
                self._write({"format": _FORMAT, "key": self._key})
            self._write({"name": name, "row": row})
        self.rows[name] = row

    def __exit__(self, kind, error, trace):
        if self._file is None:
            return
        with contextlib.suppress(OSError):  # a full disk has already been reported
            self._file.close()
        if error is None and not self.keep or not self.rows:
            with contextlib.suppress(OSError):
                os.unlink(self.part)
        if error is None:
            return
        named = named_error(error, self.path)
        if number := len(self.rows):
            rows = f"{number} row{'s are' if number > 1 else ' is'} kept in {self.part}"
            raise_kept(named, f"{rows}: go on with --resume")
        if named is not error:
            raise named from error
