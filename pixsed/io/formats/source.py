"""What a fit reads: the pixels of a part of an image, in every band."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Pixels:
    """The pixels of a part of (ny, nx) of an image.

    What gives them (`pixsed.io.formats.cube_file.CubeFile`, `pixsed.images.field.Field`) has
    `read(y, x)`, of two slices, and the attributes `name`, `bands` (B names, in ascending
    wavelength), `shape` (ny, nx), `header` (the celestial WCS), `pixar_a2` (arcsec^2),
    `binning`, `has_redshift_err` (whether any pixel's redshift has an error), where all pixels have
    one redshift, `redshift` and `redshift_err`, else None, `object_id` (None of a field of many
    galaxies), `npix` (pixels that may be fitted), `files` (paths that are read) and `key`
    (what the pixels depend on beside the bytes of those files, of JSON's types).

    What names them without opening them (`pixsed.io.formats.cube_file.CubeName`,
    `pixsed.images.field_files.FieldFiles`) has `open(check=True)`, whose result is a context
    manager of one, and `absolute()`, the same named from any folder.

    Attributes
    ----------
    flux, err : `~numpy.ndarray`, shape (B, ny, nx), float32
        nJy; NaN = no data.
    inside : `~numpy.ndarray`, shape (ny, nx), bool
        In the segment of a galaxy.
    redshift, redshift_err : float or `~numpy.ndarray`, shape (ny, nx)
        NaN = no redshift; error 0 = known.
    """

    flux: np.ndarray
    err: np.ndarray
    inside: np.ndarray
    redshift: float | np.ndarray
    redshift_err: float | np.ndarray = 0.0
