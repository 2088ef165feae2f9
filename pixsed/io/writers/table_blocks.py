"""Writing of a FITS table in blocks of rows, with limited memory.

Until it is complete, the table is ``NAME.part`` next to its final name: the headers, then the
rows. ``.NAME.journal`` has the sums of the blocks. A run that was stopped leaves both files, and
another run can continue them.
"""

import contextlib
import os
import warnings
import zlib

import numpy as np

from pixsed.errors import PixsedError, PixsedWarning, Stopped
from pixsed.io.atomic import appeared, name_long_strings, named_error, place, send
from pixsed.io.cards import name_last_extension
from pixsed.io.checksum import encode_checksum, ones_sum
from pixsed.io.hdu_size import BLOCK
from pixsed.io.outputs import is_stream, resolve_output
from pixsed.io.reading import FAULTS
from pixsed.io.writers.journal import (
    DamagedError,
    UnusableError,
    begin_anew,
    check_plain_file,
    damaged,
    is_begun,
    journal_line,
    open_kept,
    read_journal,
)
from pixsed.io.writers.part_file import (
    check_unfinished,
    lock,
    open_part,
    raise_kept,
    read_primary,
)

_BEGINNING = b"SIMPLE  ="
#: Cards that describe the layout of a table; the other cards describe its content.
_LAYOUT = (
    "XTENSION",
    "BITPIX",
    "NAXIS",
    "PCOUNT",
    "GCOUNT",
    "TFIELDS",
    "TTYPE",
    "TFORM",
    "TUNIT",
    "TDIM",
    "EXTNAME",
)


def part_path(path):
    """Return the path of the unfinished table of `path`: ``NAME.part`` next to it."""
    path = resolve_output(path)
    return path.with_name(path.name + ".part")


def journal_path(path):
    """Return the path of the sums of the blocks of an unfinished table: ``.NAME.journal``."""
    path = resolve_output(path)
    return path.with_name(f".{path.name}.journal")


def _begun(path):
    """Return the path of the unfinished table, or nothing if its journal has no block."""
    part = part_path(path)
    return [part] if is_begun(part, journal_path(path), 1) else []


class TableWriter:
    """Writer of a FITS file with one binary table, in blocks of rows.

    A context manager. At the end of its block the file gets its checksums and its final name. After
    an error the complete blocks stay in ``NAME.part``.

    Parameters
    ----------
    path : path-like
        Output. A stream (`~pixsed.io.outputs.is_stream`) gets the file when it is complete.
    primary : `~astropy.io.fits.Header`
        Header of the empty primary HDU.
    table : `~astropy.io.fits.Header`
        Header of the table, complete except for checksums; NAXIS2 is the final number of rows.
        Another run continues the table only if all of its cards are the same.
    block : int
        Number of rows in a call of `append`; the last call may have fewer.
    overwrite : bool, optional
        Whether a file, finished or not, may be replaced.
    resume : bool, optional
        Continue ``NAME.part`` if it exists. With `overwrite`, one that is damaged, or has other
        rows, is begun anew, with a `~pixsed.errors.PixsedWarning`.

    Attributes
    ----------
    done : int
        Number of rows written so far, earlier runs included.

    Raises
    ------
    PixsedError
        If the file exists, finished or not, and neither option is set; if the part has other rows;
        or if another process writes it.
    """

    def __init__(self, path, primary, table, *, block, overwrite=False, resume=False):
        check_blocks_output(path, overwrite=overwrite, resume=resume)
        self.path, self.block, self.overwrite = path, block, overwrite
        self._stream = is_stream(path)
        self._primary, self._table = primary.copy(), table.copy()
        name_last_extension(self._primary, self._table.get("EXTNAME"))
        for header in (self._primary, self._table):
            name_long_strings(header)
        self._table["DATASUM"] = ("0" * 10, "data unit checksum")
        self._table["CHECKSUM"] = ("0" * 16, "HDU checksum")
        self.rows, self._row = table["NAXIS2"], table["NAXIS1"]
        self.done = self._sum = self._blocks = 0
        self._handle = self._journal = None
        self.part = None if self._stream else part_path(path)
        self._journal_path = None if self._stream else journal_path(path)
        for beside in filter(None, (self.part, self._journal_path)):
            check_plain_file(beside)  # before the work for the first block
        if resume and self.part.exists():
            self._go_on()

    def _go_on(self):
        """Take up the part of an earlier run; with `overwrite`, begin anew if it cannot be used."""
        try:
            self._take_up()
        except UnusableError as error:
            begin_anew(error, self.part, self.overwrite)
            self.done = self._sum = self._blocks = 0
            self._handle = self._journal = None

    def _take_up(self):
        """Open the part of an earlier run, and count its complete blocks."""
        self._handle = open_kept(self.part)
        try:
            lock(self._handle, self.part)
            self._compare()
            self._start = self._handle.tell()
            self._journal = open_kept(self._journal_path, create=True)
            lines, end = read_journal(self._journal, self._journal_path)
            if not all(self._take_block(line) for line in lines):
                warnings.warn(
                    f"{self.part}: rows are damaged from {self.done + 1} on, and are made again",
                    PixsedWarning,
                    stacklevel=5,
                )
                end = sum(len(journal_line(line)) for line in lines[: self._blocks])
            self._handle.seek(self._start + self.done * self._row)
            self._handle.truncate()
            self._journal.seek(end)
            self._journal.truncate()
        except BaseException:
            self._close()
            raise

    def _take_block(self, line):
        """Count a block that the journal says is done; return False if it is not the same."""
        try:
            rows, crc = int(line["rows"]), int(line["crc"])
        except (KeyError, TypeError, ValueError):
            raise damaged(self._journal_path) from None
        if not 0 < rows <= min(self.block, self.rows - self.done):
            raise damaged(self._journal_path)
        data = self._handle.read(rows * self._row)
        if len(data) < rows * self._row or zlib.crc32(data) != crc:
            return False
        self._sum = ones_sum(data, self._sum)
        self.done += rows
        self._blocks += 1
        return True

    def _compare(self):
        """Read the headers of the part, and raise if it has other rows."""
        from astropy.io import fits

        try:
            if self._handle.read(len(_BEGINNING)) != _BEGINNING:
                raise ValueError
            read_primary(self._handle, self.part)  # that of the earlier run is kept, with its date
            self._table_start = self._handle.tell()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                there = fits.Header.fromfile(self._handle)
        except (OSError, *FAULTS):
            raise DamagedError(
                f"{self.part} is not the beginning of a table; start anew with --overwrite"
            ) from None
        wanted = fits.Header.fromstring(self._table.tostring())
        keys = dict.fromkeys([*there, *wanted])
        # A difference in content tells the user more than one in layout.
        for key in sorted(keys, key=lambda key: key.rstrip("0123456789") in _LAYOUT):
            if key in ("CHECKSUM", "DATASUM") or there.get(key) == wanted.get(key):
                continue
            comment = (wanted if key in wanted else there).comments[key]
            raise UnusableError(
                f"{self.part} was begun with {key} ({comment}) = {there.get(key, 'none')}, now it "
                f"is {wanted.get(key, 'none')}; give the same options as then, or start anew "
                "with --overwrite"
            )

    def __enter__(self):
        return self

    def _begin(self):
        from astropy.io import fits

        handle, self.part = open_part(None if self._stream else self.part)
        try:
            lock(handle, self.part)
            if not self.overwrite and not self._stream and _begun(self.path):
                raise PixsedError(f"{self.part} appeared meanwhile; nothing was replaced")
            if not self.overwrite and not self._stream and os.path.exists(self.path):
                self.part.unlink()  # new, since the other run has renamed its own
                raise appeared(self.path)
        except PixsedError:  # the file of another run is not removed
            handle.close()
            raise
        self._handle = handle
        self._handle.truncate()
        if self._journal_path is not None:
            self._journal = open_kept(self._journal_path, create=True)
            self._journal.truncate()
        # astropy's writeto raises an AttributeError of its own if the disk is full.
        primary = fits.PrimaryHDU(header=self._primary)
        primary.add_checksum()
        self._handle.write(primary.header.tostring().encode("ascii"))
        self._table_start = self._handle.tell()
        self._handle.write(self._table.tostring().encode("ascii"))
        self._start = self._handle.tell()

    def append(self, rows):
        """Write the next rows, a big-endian structured array with the layout of the table."""
        if self._handle is None:
            self._begin()
        data = memoryview(np.ascontiguousarray(rows)).cast("B")
        if data.nbytes != len(rows) * self._row or self.done + len(rows) > self.rows:
            raise ValueError("rows of another layout, or more than the header says")
        self._handle.write(data)
        self._handle.flush()
        if self._journal is not None:
            self._journal.write(journal_line({"rows": len(rows), "crc": zlib.crc32(data)}))
            self._journal.flush()
        self._sum = ones_sum(data, self._sum)
        self.done += len(rows)

    def _close(self):
        for file in filter(None, (self._handle, self._journal)):
            with contextlib.suppress(OSError):  # a full disk has already been reported
                file.close()

    def _finish(self):
        if self._handle is None:
            self._begin()
        if self.done != self.rows:
            raise ValueError(f"{self.done} rows of {self.rows} were written")
        self._handle.write(b"\0" * (-self._handle.tell() % BLOCK))
        self._table["DATASUM"] = str(self._sum)
        total = ones_sum(self._table.tostring().encode("ascii"), self._sum)
        self._table["CHECKSUM"] = encode_checksum(total)
        self._handle.seek(self._table_start)
        self._handle.write(self._table.tostring().encode("ascii"))
        self._handle.flush()
        os.fsync(self._handle.fileno())
        if self._stream:
            send(self._handle, self.path)
        else:
            place(self.part, self.path, self.overwrite)

    def __exit__(self, kind, error, trace):
        raised = error
        finished = False
        try:
            if error is None:
                self._finish()
                finished = True
        except (PixsedError, OSError, Stopped) as trouble:
            error = trouble
        finally:
            if self._handle is not None:
                self._close()
                if self._stream or not self.done:
                    self.part.unlink(missing_ok=True)
                if self._journal is not None and (finished or not self.done):
                    self._journal_path.unlink(missing_ok=True)
        if error is None:
            return
        error = named_error(error, self.path)
        if self.done and not self._stream:
            kept = f"{self.done} of {self.rows} rows are kept in {self.part}: go on with --resume"
            raise_kept(error, kept)
        if error is not raised:
            raise error


def check_blocks_output(path, *, overwrite=False, resume=False):
    """Raise `PixsedError` if a `TableWriter` cannot write to `path`; call it before the work.

    Parameters
    ----------
    path : path-like
    overwrite, resume : bool, optional
        As for `TableWriter`.
    """
    check_unfinished(path, _begun, overwrite=overwrite, resume=resume, gzip=False)
