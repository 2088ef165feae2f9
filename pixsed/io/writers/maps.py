"""Writing of a Maps file in boxes, so that another run can continue it after a stop."""

import contextlib
import os
import zlib
from collections import Counter

from pixsed.checks import is_whole
from pixsed.errors import PixsedError, Stopped
from pixsed.io.atomic import appeared, name_long_strings, named_error, place, send
from pixsed.io.cards import name_last_extension
from pixsed.io.outputs import is_gzip_name, is_stream, resolve_output
from pixsed.io.writers.journal import (
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
    check_same,
    check_unfinished,
    lock,
    open_part,
    raise_kept,
    read_primary,
)
from pixsed.io.writers.planes import PlacedPlanes, gzip_to, plane_header

# Cards of a fit that the unfinished file of another fit has with other values.
_OF_ONE_FIT = ("FITKEY", "PART")
_FORMAT = 3  # since 3, lines have checksums, of themselves and of the pixels


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
    check_unfinished(path, _begun, overwrite=overwrite, resume=resume)


def _begun(path):
    """Return `hidden_paths`, or none of them if the journal says that no step was done."""
    paths = hidden_paths(path)
    return paths if is_begun(*paths, 2) else []


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
    steps : int
        Number of calls of `commit` of a whole file.
    key : dict
        Everything that determines the pixel values, in JSON types; a run with another key is not
        continued.
    overwrite : bool, optional
        Whether a file, finished or not, may be replaced.
    resume : bool, optional
        Continue an unfinished file if it exists. With `overwrite`, one that has another key or is
        damaged is begun anew, with a `~pixsed.errors.PixsedWarning`.

    Attributes
    ----------
    done : int
        Number of steps committed, earlier runs included.
    counts : dict of str to int
        Counts that were given to the last `commit`. A step adds at most its number of pixels.

    Raises
    ------
    PixsedError
        If a file, finished or not, exists and neither option is set; if the unfinished one has
        another key or is damaged, without `overwrite`; or if another process writes it.
    """

    def __init__(self, path, layout, shape, steps, key, *, overwrite=False, resume=False):
        check_maps_output(path, overwrite=overwrite, resume=resume)
        self.path, self._layout, self._shape, self._key = path, layout, shape, key
        self._steps, self._overwrite, self._resume = steps, overwrite, resume
        self._stream = is_stream(path)
        self.done, self.counts = 0, {}
        self._journal, self._boxes, self._crc = None, [], 0

    def __enter__(self):
        headers = {
            name: plane_header(name, header, kind, self._shape)
            for name, (kind, header) in self._layout.planes.items()
        }
        primary = self._layout.primary
        name_long_strings(primary)
        name_last_extension(primary, self._layout.table.name)
        part, self._journal_path = (None, None) if self._stream else hidden_paths(self.path)
        if part is not None:
            check_plain_file(self._journal_path)
        new = part is not None and not os.path.lexists(part)
        self._file, self.part = open_part(part)
        begun = False
        try:
            lock(self._file, self.part)
            if not self._overwrite and not self._stream and os.path.exists(self.path):
                raise appeared(self.path)
            begun = not (self._resume and self._go_on(primary, headers))
            if begun:
                self.primary, self.done, self.counts = primary, 0, {}
                self._planes = PlacedPlanes(self._file, primary, headers)
                self._file.truncate(0)
                self._planes.begin()
                self._start_journal()
        except BaseException as error:
            self._close(remove=begun)
            if new:  # it would block the next run
                self.part.unlink(missing_ok=True)
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

    def _go_on(self, new, headers):
        """Take up the unfinished file; return False if there is none that can be continued."""
        try:
            steps = self._read_journal()
            if steps is None:
                return False
            self.primary = self._take_up(new)
            self._planes = PlacedPlanes(self._file, self.primary, headers)
            self._check_boxes(steps)
        except UnusableError as error:
            begin_anew(error, self.part, self._overwrite)
            return False
        return True

    def _read_journal(self):
        """Return the lines of the steps of a journal with the same key; None if there are none."""
        try:
            self._journal = open_kept(self._journal_path)
        except FileNotFoundError:
            return None
        lines, end = read_journal(self._journal, self._journal_path)
        if len(lines) < 2:
            return None
        first, *steps = lines
        try:
            if first["format"] != _FORMAT:
                raise ValueError
            check_same(first["key"], self._key, str(self.part))
            for number, line in enumerate(steps, 1):
                if int(line["done"]) != number or set(line["sums"]) != set(self._layout.planes):
                    raise ValueError
            if len(steps) > self._steps:
                raise ValueError
            counts = dict(steps[-1]["counts"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise damaged(self._journal_path) from None
        # Remove a line that was cut short.
        self._journal.seek(end)
        self._journal.truncate()
        self.done, self.counts = len(steps), counts
        return steps

    def _check_boxes(self, steps):
        """Add the boxes of the steps to the sums.

        Raises `PixsedError` unless the part has the pixels that its journal says, and the counts of
        each step can be those of its pixels.
        """
        if not self._planes.has_all_bytes():
            raise damaged(self.part)
        seen, counts = set(), {}
        for line in steps:
            try:
                places = {tuple(box[:3]) for box in line["boxes"]}
                if not places or places & seen or len(places) != len(line["boxes"]):
                    raise ValueError
                crc = 0
                for box in line["boxes"]:
                    crc = zlib.crc32(self._planes.take_up(*box), crc)
                counts = _checked_counts(line["counts"], counts, line["boxes"])
            except (ValueError, KeyError, TypeError, AttributeError):
                raise damaged(self._journal_path) from None
            if crc != line["crc"]:
                raise damaged(self.part)
            if self._planes.sums != line["sums"]:
                raise damaged(self._journal_path)
            seen |= places

    def _take_up(self, new):
        """Return the primary header of the unfinished file, with its date and command.

        Raises `PixsedError` if it is damaged, or of another fit than the header `new`.
        """
        there = read_primary(self._file, self.part)
        if any(there.get(key) != new.get(key) for key in _OF_ONE_FIT):
            raise damaged(self.part)
        return there

    def _start_journal(self):
        if self._journal_path is None:
            return
        if self._journal is None:
            self._journal = open_kept(self._journal_path, create=True)
        self._journal.seek(0)
        self._journal.truncate()
        self._write_journal({"format": _FORMAT, "key": self._key})

    def _write_journal(self, line):
        self._journal.write(journal_line(line))
        self._journal.flush()

    def place(self, name, data, y=0, x=0):
        """Write an (n, m) array into a plane, its first pixel at row `y` and column `x`."""
        written = self._planes.place(name, data, y, x)
        if self._journal is not None:
            self._boxes.append([name, y, x, *data.shape])
            self._crc = zlib.crc32(written, self._crc)

    def commit(self, counts):
        """Record that another step is done, with `counts`, a dict of str to int."""
        self.done, self.counts = self.done + 1, dict(counts)
        if self._journal is None:
            return
        self._file.flush()
        # The data must be on the disk before the journal says so, in case of a power cut.
        os.fsync(self._file.fileno())
        line = {"done": self.done, "counts": self.counts, "sums": self._planes.sums}
        self._write_journal(line | {"boxes": self._boxes, "crc": self._crc})
        self._boxes, self._crc = [], 0

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


def _checked_counts(counts, before, boxes):
    """Return the counts of a step; raise `ValueError` if its pixels cannot have added them.

    Parameters
    ----------
    counts, before : dict of str to int
        Counts after the step, and after the one before it.
    boxes : list
        Boxes of the step, as (plane, y, x, ny, nx).
    """
    pixels = Counter()
    for name, _, _, ny, nx in boxes:
        pixels[name] += ny * nx
    for name in {**before, **counts}:
        if not is_whole(counts[name]):
            raise ValueError(f"{name} must be a whole number")
        if not 0 <= counts[name] - before.get(name, 0) <= max(pixels.values()):
            raise ValueError(f"{name} must be a number of the pixels of a step")
    return counts
