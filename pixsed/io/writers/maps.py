"""Writing of a Maps file in boxes, so that another run can continue it after a stop."""

import contextlib
import json
import os
import warnings

from astropy.io import fits

from pixsed.errors import PixsedError, Stopped
from pixsed.io.atomic import name_long_strings, named_error, place, send
from pixsed.io.outputs import is_gzip_name, is_stream, resolve_output
from pixsed.io.writers.part_file import (
    check_same,
    check_unfinished,
    lock,
    open_part,
    raise_kept,
)
from pixsed.io.writers.planes import PlacedPlanes, gzip_to, plane_header

_FORMAT = 2  # since 2, OBJECT is in the headers of all planes


def hidden_paths(path):
    """Return the paths of the unfinished maps of `path`, and of the journal of their content."""
    path = resolve_output(path)
    return path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.journal")


def check_maps_output(path, *, overwrite=False, resume=False):
    """Raise `PixsedError` if maps cannot be written to `path`; call it before the work.

    Parameters
    ----------
    path : path-like
    overwrite, resume : bool, optional
        As for `MapsWriter`.
    """
    check_unfinished(path, hidden_paths, overwrite=overwrite, resume=resume)


class MapsWriter:
    """Writer of a Maps file in boxes.

    A context manager. Until it is complete, the output is a hidden file next to its final name,
    with a journal of its content. When the block succeeds, it gets its checksums and its name.
    After an error or a kill, the committed steps stay, and a run with the same `key` can continue
    them.

    Parameters
    ----------
    path : path-like
        Output. A stream (`~pixsed.io.outputs.is_stream`) gets the file when it is complete.
    layout : `~pixsed.io.formats.maps.MapsLayout`
        Headers and table. The primary header must have its final length; values may change later.
    shape : tuple of int
        Shape (ny, nx) of the planes.
    key : dict
        Everything that determines the pixel values, in JSON types; a run with another key is not
        continued.
    overwrite : bool, optional
        Whether a file, finished or not, may be replaced.
    resume : bool, optional
        Continue an unfinished file if it exists.

    Attributes
    ----------
    done : int
        Number of steps committed, earlier runs included.
    counts : dict of str to int
        Counts that were given to the last `commit`.

    Raises
    ------
    PixsedError
        If a file, finished or not, exists and neither option is set; if the unfinished one has
        another key; or if another process writes it.
    """

    def __init__(self, path, layout, shape, key, *, overwrite=False, resume=False):
        check_maps_output(path, overwrite=overwrite, resume=resume)
        self.path, self._layout, self._shape, self._key = path, layout, shape, key
        self._overwrite, self._resume = overwrite, resume
        self._stream = is_stream(path)
        self.done, self.counts = 0, {}
        self._journal = None

    def __enter__(self):
        headers = {
            name: plane_header(name, header, kind, self._shape)
            for name, (kind, header) in self._layout.planes.items()
        }
        primary = self._layout.primary
        name_long_strings(primary)
        part, self._journal_path = (None, None) if self._stream else hidden_paths(self.path)
        self._file, self.part = open_part(part)
        begun = False
        try:
            lock(self._file, self.part)
            said = self._read_journal() if self._resume else None
            begun = said is None
            if said is not None:
                primary = self._take_up()
            self.primary = primary
            self._planes = PlacedPlanes(self._file, primary, headers)
            if said is None:
                self._file.truncate(0)
                self._planes.begin()
                self._start_journal()
            else:
                self._planes.sums.update(said["sums"])
                self._journal = open(self._journal_path, "a", encoding="utf-8")
        except BaseException as error:
            self._close(remove=begun)
            if (named := named_error(error, self.path)) is not error:
                raise named from error
            raise
        return self

    def _close(self, remove):
        for file in filter(None, (self._file, self._journal)):
            with contextlib.suppress(OSError):  # a full disk has already been reported
                file.close()
        if remove:
            for path in filter(None, (self.part, self._journal_path)):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)

    def _read_journal(self):
        """Return the last complete line of a journal with the same key; None if there is none."""
        try:
            text = self._journal_path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        lines = text.split("\n")[:-1]  # no newline: truncated when the process was killed
        try:
            first, *others = [json.loads(line) for line in lines] or [None]
            if first is None or not others:
                return None
            last = others[-1]
            done, counts = int(last["done"]), dict(last["counts"])
            check_same(first["key"], self._key, str(self.part))
            if first["format"] != _FORMAT or set(last["sums"]) != set(self._layout.planes):
                raise ValueError
        except PixsedError:
            if self._overwrite:
                return None
            raise
        except (ValueError, KeyError, TypeError, AttributeError):
            raise PixsedError(
                f"{self._journal_path} cannot be read; start anew with --overwrite, without "
                "--resume"
            ) from None
        # Remove a line that was cut short.
        with open(self._journal_path, "r+b") as file:
            file.truncate(len("\n".join([*lines, ""]).encode()))
        self.done, self.counts = done, counts
        return last

    def _take_up(self):
        """Return the primary header of the unfinished file, with its date and command."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._file.seek(0)
                there = fits.Header.fromfile(self._file)
            if len(there.tostring()) != self._file.tell():
                raise ValueError
        except (OSError, EOFError, ValueError, fits.VerifyError):
            raise PixsedError(
                f"{self.part} is not the beginning of maps; start anew with --overwrite"
            ) from None
        return there

    def _start_journal(self):
        if self._journal_path is None:
            return
        self._journal = open(self._journal_path, "w", encoding="utf-8")
        self._write_journal({"format": _FORMAT, "key": self._key})

    def _write_journal(self, line):
        self._journal.write(json.dumps(line) + "\n")
        self._journal.flush()

    def place(self, name, data, y=0, x=0):
        """Write an (n, m) array into a plane, its first pixel at row `y` and column `x`."""
        self._planes.place(name, data, y, x)

    def commit(self, counts):
        """Record that another step is done, with `counts`, a dict of str to int."""
        self.done, self.counts = self.done + 1, dict(counts)
        if self._journal is None:
            return
        self._file.flush()
        # The data must be on the disk before the journal says so, in case of a power cut.
        os.fsync(self._file.fileno())
        self._write_journal({"done": self.done, "counts": self.counts, "sums": self._planes.sums})

    def _finish(self):
        self._planes.finish(self.primary, after=[self._layout.table])
        os.fsync(self._file.fileno())
        if self._stream:
            send(self._file, self.path)
            return
        source, path = self.part, resolve_output(self.path)
        if is_gzip_name(path):
            source = self.part.with_name(self.part.name + ".gz")
        try:
            if source is not self.part:
                gzip_to(self._file, source, path.stem)
            place(source, path, self._overwrite)
        finally:
            if source is not self.part:
                source.unlink(missing_ok=True)

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
            self._close(remove=finished or self._stream or not self.done)
        if finished:
            return
        error = named_error(error, self.path)
        if self.done and not self._stream:
            kept = f"what is finished is kept in {self.part}: go on with --resume"
            raise_kept(error, kept)
        if error is not raised:
            raise error
