"""Writing of mosaic planes row by row, with limited memory."""

import contextlib
from pathlib import Path

from pixsed.io.atomic import atomic_path, name_long_strings
from pixsed.io.cards import name_last_extension, safe_cards
from pixsed.io.image import output_headers
from pixsed.io.outputs import check_fits_output
from pixsed.io.writers.planes import PlacedPlanes, gzip_to, plane_header


class MosaicWriter:
    """Writer of a FITS file of 2-D float32 planes on the grid of an image, by rows.

    A context manager. When its block succeeds, the file gets its checksums and its name; after an
    error nothing stands under that name. The headers are from `pixsed.io.image.output_headers`.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
        Gives the shape and the headers of every plane.
    names : sequence of str
        Names of the extensions.
    path : str or path-like
        Output. A stream (`~pixsed.io.outputs.is_stream`) gets the file when it is complete.
    overwrite : bool, optional
        Replace the file if it exists.
    inputs, history
        Provenance (`pixsed.io.provenance.stamp`).
    cards : dict, optional
        Cards added to the header of every plane.
    drop : sequence of str, optional
        Keywords of the image's headers that are left out.
    after : sequence of HDUs, optional
        HDUs written after the planes: small ones, or ones on other grids.

    Raises
    ------
    PixsedError
        If the file exists and `overwrite` is false, or its folder does not exist.
    """

    def __init__(
        self,
        image,
        names,
        path,
        *,
        overwrite=False,
        inputs=(),
        history=(),
        cards=None,
        drop=(),
        after=(),
    ):
        self._shape = image.shape
        self._path, self._overwrite = path, overwrite
        self._primary, shared = output_headers(image, inputs=inputs, history=history)
        for header in (self._primary, shared):
            for keyword in drop:
                header.remove(keyword, ignore_missing=True)
        name_long_strings(self._primary)
        shared.update(safe_cards(cards or {}))
        self._after = list(after)
        name_last_extension(self._primary, self._after[-1].name if self._after else names[-1])
        self._headers = {name: plane_header(name, shared, "f4", self._shape) for name in names}
        self._done = 0
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            check_fits_output(self._path, self._overwrite)
            self._target = stack.enter_context(atomic_path(self._path, self._overwrite))
            self._zipped = self._target.suffix == ".gz"
            part = self._target
            if self._zipped:  # planes cannot be written in parts in a compressed file
                part = self._target.with_name(self._target.name + ".part")
                stack.callback(part.unlink, missing_ok=True)
            self._file = stack.enter_context(open(part, "w+b"))
            self._planes = PlacedPlanes(self._file, self._primary, self._headers)
            self._planes.begin()
            self._stack = stack.pop_all()
        return self

    def append(self, planes):
        """Write the next rows: a dict of plane -> (n, nx) array."""
        counts = {len(planes[name]) for name in self._headers}
        widths = {planes[name].shape[1] for name in self._headers}
        if len(counts) != 1 or widths != {self._shape[1]}:
            raise ValueError("every plane must have the same number of rows, of the image's width")
        for name in self._headers:
            self._planes.place(name, planes[name], self._done)
        self._done += counts.pop()

    def _finish(self):
        if self._done != self._shape[0]:
            raise ValueError(f"{self._done} rows of {self._shape[0]} were written")
        self._planes.finish(after=self._after)
        if self._zipped:
            gzip_to(self._file, self._target, Path(self._path).stem)

    def __exit__(self, *error):
        if error[0] is not None:
            return self._stack.__exit__(*error)
        with self._stack:
            self._finish()
        return None
