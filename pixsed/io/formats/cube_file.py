"""A cube on disk, read in parts: a pixel source of a fit."""

import contextlib
import os
import warnings
from dataclasses import dataclass, replace

import numpy as np

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.file_owner import FileOwner
from pixsed.io.formats.cube import Cube, read_description
from pixsed.io.formats.cube_parts import read_binning
from pixsed.io.formats.psfmatch import common_psf, warn_of_psfs
from pixsed.io.formats.source import Pixels
from pixsed.io.locate import open_fits
from pixsed.io.rows import RowReader, strips, to_float32
from pixsed.redshifts import given_redshift

# Pixels of the segmentation map in memory at once, when the whole map is searched.
_STRIP_PIXELS = 1_000_000


@dataclass(frozen=True)
class CubeName:
    """Path of an unopened cube, and the options used to open its `CubeFile`."""

    path: str
    redshift: float | None = None
    redshift_err: float | None = None
    all_pixels: bool = False

    def open(self, check=True):
        """Return the open `CubeFile`; with `check`, warn of bands not matched to one PSF."""
        cube = CubeFile(
            self.path,
            redshift=self.redshift,
            redshift_err=self.redshift_err,
            all_pixels=self.all_pixels,
        )
        if check:
            warn_of_psfs(cube.psfmatch, cube.psf_fwhm)
        return cube

    def absolute(self):
        """Return a copy with an absolute path."""
        return replace(self, path=os.path.abspath(self.path))


class CubeFile(FileOwner):
    """Open cube, parts of which are read as `~pixsed.io.formats.source.Pixels`.

    A context manager.

    Parameters
    ----------
    path : str or path-like
    redshift, redshift_err : float, optional
        Used in place of those in the file. A redshift without an error is taken as exact.
    all_pixels : bool, optional
        Ignore the segmentation map.

    Attributes
    ----------
    name : str
        File name, for messages.
    bands, shape, header, redshift, redshift_err, object_id, pixar_a2, table, psfmatch, psf_fwhm
        As in `~pixsed.io.formats.cube.Cube`.
    binning : `~pixsed.io.formats.cube_parts.Binning` or None
        Read whole, since a binned cube holds one galaxy.
    npix : int
        Number of pixels that may be fitted: those of the galaxy's segment.
    common_psf, files, key
        As described in `pixsed.io.formats.source`.

    Raises
    ------
    PixsedError
        As for `~pixsed.io.formats.cube.read_cube`.
    """

    key = {}

    def __init__(self, path, *, redshift=None, redshift_err=None, all_pixels=False):
        self.name = str(path)
        self.files = [self.name]
        with self._opening() as stack:
            hdulist = stack.enter_context(open_fits(path, memmap=False))
            arguments, planes = read_description(hdulist, self.name)
            # A cube of one pixel checks and sorts the bands as the whole cube would.
            nothing = np.full((len(arguments["bands"]), 1, 1), np.nan, np.float32)
            try:
                cube = Cube(flux=nothing, err=nothing, **arguments)
            except PixsedError as error:
                raise PixsedError(f"{path}: {error}; make it with pixsed cutout") from error
            self.bands, self.header, self.pixar_a2 = cube.bands, cube.header, cube.pixar_a2
            self.object_id, self.table = cube.object_id, cube.table
            self.psfmatch, self.psf_fwhm = cube.psfmatch, cube.psf_fwhm
            self.common_psf = common_psf(self.psfmatch, self.psf_fwhm)
            self.redshift, self.redshift_err = given_redshift(
                cube.redshift, cube.redshift_err, redshift, redshift_err
            )
            self.shape = hdulist[self.bands[0]].shape
            self._rows = [
                [RowReader(hdulist[band + suffix]) for band in self.bands]
                for suffix in ("", "_ERR")
            ]
            self._segmap = None
            if "SEGMAP" in {hdu.name for hdu in hdulist} and not all_pixels:
                self._segmap = RowReader(hdulist["SEGMAP"])
            self.binning = read_binning(hdulist, self.name)
            for name, found in (
                ("SEGMAP", self._segmap),
                ("BINMAP", self.binning and self.binning.binmap),
            ):
                if found is not None and found.shape != self.shape:
                    raise PixsedError(
                        f"{path}: {name} must be of shape {self.shape}, got {found.shape}; make "
                        "it with pixsed cutout"
                    )
            self._label = self._find_label()

    @property
    def has_redshift_err(self):
        """True if the redshift has an error."""
        return self.redshift_err > 0

    def _find_label(self):
        """Return the galaxy's id in the segmentation map, or None if every pixel counts."""
        self.npix = self.shape[0] * self.shape[1]
        if self._segmap is None:
            return None
        count = 0
        with contextlib.suppress(ValueError, OverflowError):
            label = int(self.object_id)
            for rows in strips(self.shape, _STRIP_PIXELS):
                count += int((self._segmap.read(rows) == label).sum())
        if count:
            self.npix = count
            return label
        warnings.warn(
            f"{self.name}: its SEGMAP does not hold OBJECT {self.object_id!r}; every pixel counts",
            PixsedWarning,
            stacklevel=4,
        )
        return None

    def read(self, y=slice(None), x=slice(None)):
        """Return the `~pixsed.io.formats.source.Pixels` of slices of step 1 in y and x."""
        flux, err = (
            np.stack([to_float32(rows.read(y, x)) for rows in part]) for part in self._rows
        )
        inside = np.ones(flux.shape[1:], dtype=bool)
        if self._label is not None:
            inside = self._segmap.read(y, x) == self._label
        return Pixels(flux, err, inside, self.redshift, self.redshift_err)
