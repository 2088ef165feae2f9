"""Write a FITS table a block of rows at a time: memory does not grow with the file.

Until it is whole the table stands beside its final name, as ``NAME.part``: header,
then rows. A run that was stopped leaves that file, and the next can go on with it.
"""

import contextlib
import os
import warnings

import numpy as np

from pixsed.errors import PixsedError, Stopped
from pixsed.io.atomic import name_long_strings, named_error, place, send, temporary_file
from pixsed.io.outputs import check_fits_output, is_stream, resolve_output

_FITS_BLOCK = 2880
#: Cards that say how a table is laid out; the others say what it holds.
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
    """Return where the unfinished table of `path` stands: ``NAME.part`` beside it."""
    path = resolve_output(path)
    return path.with_name(path.name + ".part")


def ones_sum(data, total=0):
    """Return the FITS checksum of `data`: 32-bit words, added in ones' complement.

    Parameters
    ----------
    data : bytes-like
        A multiple of 4 bytes, less than 16 GB.
    total : int, optional
        The sum of what stands before it.

    Returns
    -------
    int
        Below 2**32 (FITS standard 4.0, appendix J).
    """
    total += int(np.frombuffer(data, dtype=">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def encode_checksum(total):
    """Return the 16 characters that make an HDU of checksum `total` add up to -0.

    The value of CHECKSUM, where `total` was taken with sixteen zeros in its place (FITS
    standard 4.0, appendix J).
    """
    forbidden = (*range(0x3A, 0x41), *range(0x5B, 0x61))
    columns = []
    for byte in (~total & 0xFFFFFFFF).to_bytes(4, "big"):
        quotient, rest = divmod(byte, 4)
        four = [0x30 + quotient + rest, *[0x30 + quotient] * 3]
        # Letters and digits alone: what is added to one is taken from its neighbour.
        while any(value in forbidden for value in four):
            for i in (0, 2):
                if four[i] in forbidden or four[i + 1] in forbidden:
                    four[i] += 1
                    four[i + 1] -= 1
        columns.append(four)
    text = "".join(chr(columns[i][j]) for j in range(4) for i in range(4))
    return text[-1] + text[:-1]


def lock(handle, part):
    """Keep other processes off the file until it is closed, where the system can."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PixsedError(f"{part} is being written by another run; wait until it ends") from None
    except OSError:  # a file system without locks
        pass


def open_part(path):
    """Open an unfinished file to read and write: `path`, or a temporary one in place of None.

    Returns
    -------
    file : file
        Not emptied: it is not known yet that no other run is writing it.
    path : `~pathlib.Path`
    """
    if path is None:
        return temporary_file(".fits")
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    return open(handle, "r+b"), path


def check_unfinished(path, find, *, overwrite=False, resume=False, gzip=True):
    """Raise `PixsedError` if `path`, or what a run before has left of it, is in the way.

    Parameters
    ----------
    path : path-like
        A stream (`~pixsed.io.outputs.is_stream`) has no unfinished file.
    find : callable
        Of `path`: the paths of an unfinished file, the one to name first.
    overwrite, resume : bool, optional
        Whether what is there may be replaced, or gone on with.
    gzip : bool, optional
        Whether the file may be compressed.
    """
    check_fits_output(path, overwrite, gzip=gzip)
    if is_stream(path):
        if resume:
            raise PixsedError("--resume needs a file; give its name with -o")
        return
    left = find(path)
    if any(part.exists() for part in left) and not (overwrite or resume):
        raise PixsedError(
            f"{left[0]} is there, from a run that was stopped; go on with it by --resume, or "
            "start anew with --overwrite"
        )


def raise_kept(error, kept):
    """Add what is `kept` for --resume to the error that ends a run in order, and raise that."""
    if isinstance(error, KeyboardInterrupt):
        raise PixsedError(f"stopped; {kept}") from None
    if isinstance(error, Stopped):
        raise Stopped(error.signal, kept) from None
    if isinstance(error, PixsedError | OSError | MemoryError):
        raise PixsedError(f"{error or type(error).__name__}; {kept}") from error


class TableWriter:
    """A FITS file of one binary table, written in blocks of rows.

    A context manager: at the end of its block the file gets its sums and its final name;
    after an error the whole blocks stay in ``NAME.part``.

    Parameters
    ----------
    path : path-like
        A stream (`~pixsed.io.outputs.is_stream`) gets the file when it is whole.
    primary : `~astropy.io.fits.Header`
        Of the empty primary HDU.
    table : `~astropy.io.fits.Header`
        Of the table, complete but for its sums; NAXIS2 is the number of rows in all.
        A run goes on only where every card of it is the same.
    block : int
        Rows that `append` gets at a time, the last time perhaps fewer.
    overwrite : bool, optional
        Whether a file, finished or not, may be replaced.
    resume : bool, optional
        Go on with ``NAME.part`` if it is there.

    Attributes
    ----------
    done : int
        Rows written so far, those of the run before included.

    Raises
    ------
    PixsedError
        If the file is there already, finished or not, and neither option says what to do;
        if a part is of other rows than asked for; if it is being written.
    """

    def __init__(self, path, primary, table, *, block, overwrite=False, resume=False):
        check_stream(path, overwrite=overwrite, resume=resume)
        self.path, self.block, self.overwrite = path, block, overwrite
        self._stream = is_stream(path)
        self._primary, self._table = primary.copy(), table.copy()
        for header in (self._primary, self._table):
            name_long_strings(header)
        self._table["DATASUM"] = ("0" * 10, "data unit checksum")
        self._table["CHECKSUM"] = ("0" * 16, "HDU checksum")
        self.rows, self._row = table["NAXIS2"], table["NAXIS1"]
        self.done = self._sum = 0
        self._handle = None
        self.part = None if self._stream else part_path(path)
        if resume and self.part.exists():
            self._take_up()

    def _take_up(self):
        """Open the part of a run before, and count its whole blocks."""
        self._handle = open(self.part, "r+b")
        try:
            lock(self._handle, self.part)
            self._compare()
            self._start = self._handle.tell()
            left = self.rows
            while left:
                size = min(self.block, left) * self._row
                data = self._handle.read(size)
                # Rows of zeros are rows that a power cut kept from the disk.
                rows = np.frombuffer(data[: len(data) // self._row * self._row], np.uint8)
                if len(data) < size or not rows.reshape(-1, self._row).any(axis=1).all():
                    break
                self._sum = ones_sum(data, self._sum)
                self.done += len(data) // self._row
                left = self.rows - self.done
            self._handle.seek(self._start + self.done * self._row)
            self._handle.truncate()
        except BaseException:
            self._handle.close()
            raise

    def _compare(self):
        """Read the headers of the part, and raise if it is of other rows."""
        from astropy.io import fits

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                # The primary HDU is as it was made then, dates and all.
                fits.Header.fromfile(self._handle)
                self._table_start = self._handle.tell()
                there = fits.Header.fromfile(self._handle)
        except (OSError, EOFError, ValueError, fits.VerifyError):
            raise PixsedError(
                f"{self.part} is not the beginning of a table; start anew with --overwrite"
            ) from None
        asked = fits.Header.fromstring(self._table.tostring())
        keys = dict.fromkeys([*there, *asked])
        # What the table holds says more than how it is laid out.
        for key in sorted(keys, key=lambda key: key.rstrip("0123456789") in _LAYOUT):
            if key in ("CHECKSUM", "DATASUM") or there.get(key) == asked.get(key):
                continue
            comment = (asked if key in asked else there).comments[key]
            raise PixsedError(
                f"{self.part} was begun with {key} ({comment}) = {there.get(key, 'none')}, now it "
                f"is {asked.get(key, 'none')}; give the same options as then, or start anew with "
                "--overwrite"
            )

    def __enter__(self):
        return self

    def _begin(self):
        from astropy.io import fits

        handle, self.part = open_part(None if self._stream else self.part)
        try:
            lock(handle, self.part)
            if not self.overwrite and os.fstat(handle.fileno()).st_size:
                raise PixsedError(f"{self.part} appeared meanwhile; nothing was replaced")
        except PixsedError:  # it is another run's
            handle.close()
            raise
        self._handle = handle
        self._handle.truncate()
        fits.PrimaryHDU(header=self._primary).writeto(self._handle, checksum=True)
        self._handle.seek(0, os.SEEK_END)
        self._table_start = self._handle.tell()
        self._handle.write(self._table.tostring().encode("ascii"))
        self._start = self._handle.tell()

    def append(self, rows):
        """Write the next rows, a structured array of the table's layout, big-endian."""
        if self._handle is None:
            self._begin()
        data = memoryview(np.ascontiguousarray(rows)).cast("B")
        if data.nbytes != len(rows) * self._row or self.done + len(rows) > self.rows:
            raise ValueError("rows of another layout, or more than the header says")
        self._handle.write(data)
        self._handle.flush()
        self._sum = ones_sum(data, self._sum)
        self.done += len(rows)

    def _finish(self):
        if self._handle is None:
            self._begin()
        if self.done != self.rows:
            raise ValueError(f"{self.done} rows of {self.rows} were written")
        self._handle.write(b"\0" * (-self._handle.tell() % _FITS_BLOCK))
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
        try:
            if error is None:
                self._finish()
        except (PixsedError, OSError, Stopped) as trouble:
            error = trouble
        finally:
            if self._handle is not None:
                with contextlib.suppress(OSError):  # a full disk says so once
                    self._handle.close()
                if self._stream or not self.done:
                    self.part.unlink(missing_ok=True)
        if error is None:
            return
        error = named_error(error, self.path)
        if self.done and not self._stream:
            kept = f"{self.done} of {self.rows} rows are kept in {self.part}: go on with --resume"
            raise_kept(error, kept)
        if error is not raised:
            raise error


def check_stream(path, *, overwrite=False, resume=False):
    """Raise `PixsedError` if a table cannot be streamed to `path`: call it before the work.

    Parameters
    ----------
    path : path-like
    overwrite, resume : bool, optional
        As `TableWriter` takes them.
    """
    check_unfinished(
        path, lambda path: [part_path(path)], overwrite=overwrite, resume=resume, gzip=False
    )
