"""Pixel sources: objects that supply the pixels of a fit, tile by tile."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from pixsed.io.formats.psfmatch import common_psf, warn_of_psfs
from pixsed.redshifts import given_redshift

if TYPE_CHECKING:
    from astropy.io import fits

    from pixsed.io.formats.cube import Binning, Cube


@dataclass
class Pixels:
    """Pixels of a part of (ny, nx) of an image, in B bands.

    Attributes
    ----------
    flux, err : `~numpy.ndarray`, shape (B, ny, nx), float32
        nJy; NaN = no data.
    inside : `~numpy.ndarray`, shape (ny, nx), bool
        Pixels in the segment of a galaxy.
    redshift, redshift_err : float or `~numpy.ndarray`, shape (ny, nx)
        NaN = no redshift; an error of 0 means that the redshift is exact.
    """

    flux: np.ndarray
    err: np.ndarray
    inside: np.ndarray
    redshift: float | np.ndarray
    redshift_err: float | np.ndarray = 0.0


class PixelSource(Protocol):
    """Image whose pixels are read in parts.

    `~pixsed.io.formats.cube_file.CubeFile`, `CubeSource` and `~pixsed.images.field.Field`
    are pixel sources.
    """

    @property
    def name(self) -> str:
        """File name, for messages."""

    @property
    def bands(self) -> list[str]:
        """Names of the B bands, in ascending wavelength."""

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""

    @property
    def header(self) -> fits.Header:
        """Cards of the celestial WCS."""

    @property
    def pixar_a2(self) -> float:
        """Area of a pixel, arcsec^2."""

    @property
    def binning(self) -> Binning | None:
        """Bins of pixels; None if pixels are not binned."""

    @property
    def redshift(self) -> float | None:
        """Redshift of all pixels; None if it differs between pixels."""

    @property
    def redshift_err(self) -> float | None:
        """1-sigma redshift error of all pixels; None if it differs between pixels."""

    @property
    def has_redshift_err(self) -> bool:
        """True if the redshift of any pixel has an error."""

    @property
    def object_id(self) -> str | None:
        """Name of the galaxy; None for a field of many galaxies."""

    @property
    def common_psf(self) -> tuple[str, float]:
        """Band whose PSF most bands have, or none, unknown; and its FWHM in arcsec, or NaN."""

    @property
    def npix(self) -> int:
        """Number of pixels that may be fitted."""

    @property
    def files(self) -> Sequence[str]:
        """Paths of the files that are read."""

    @property
    def key(self) -> Mapping[str, Any]:
        """Values of JSON types that the pixels depend on, beside the bytes of `files`."""

    def read(self, y: slice = slice(None), x: slice = slice(None)) -> Pixels:
        """Return the pixels of a part, given by slices of step 1 in y and x."""


class SourceFiles(Protocol):
    """Names of the files of a pixel source, which is opened where the work is done.

    `~pixsed.io.formats.cube_file.CubeName`, `CubeSource` and
    `~pixsed.images.field_files.FieldFiles` have this interface.
    """

    def open(self, check: bool = True) -> contextlib.AbstractContextManager[PixelSource]:
        """Open the pixel source; with `check`, warn of possible problems."""

    def absolute(self) -> SourceFiles:
        """Return a copy with absolute paths, for processes in other folders."""


class CubeSource:
    """Cube in memory, as a pixel source.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    name : str, optional
        Name for messages.
    redshift, redshift_err : float, optional
        Replace those of the cube; a redshift without an error is exact.
    all_pixels : bool, optional
        Ignore the segmentation map.
    """

    files: Sequence[str] = ()

    def __init__(
        self,
        cube: Cube,
        *,
        name: str = "cube",
        redshift: float | None = None,
        redshift_err: float | None = None,
        all_pixels: bool = False,
    ) -> None:
        self._cube = cube
        self.name, self.bands, self.shape = name, cube.bands, cube.shape
        self.header, self.binning = cube.header, cube.binning
        self.pixar_a2 = cast(float, cube.pixar_a2)  # a Cube takes it from the WCS
        self.object_id: str | None = str(cube.object_id)
        self.common_psf = common_psf(cube.psfmatch, cube.psf_fwhm)
        self.redshift: float
        self.redshift_err: float
        self.redshift, self.redshift_err = given_redshift(
            cube.redshift, cube.redshift_err, redshift, redshift_err
        )
        everything = np.ones(cube.shape, dtype=bool)
        self._inside = everything if all_pixels else cube.segment(name)
        self.npix = int(self._inside.sum())

    @property
    def has_redshift_err(self) -> bool:
        """True if the redshift has an error."""
        return self.redshift_err > 0

    @property
    def key(self) -> Mapping[str, Any]:
        """SHA-256 of everything that the pixels depend on."""
        digest = hashlib.sha256()
        binmap = np.zeros(0) if self.binning is None else self.binning.binmap
        for plane in (self._cube.flux, self._cube.err, self._inside, binmap):
            digest.update(np.ascontiguousarray(plane).tobytes())
        cards = self.header.tostring(), self.bands, self.redshift, self.redshift_err, self.pixar_a2
        digest.update(repr(cards).encode())
        return {"cube": digest.hexdigest()}

    def read(self, y: slice = slice(None), x: slice = slice(None)) -> Pixels:
        """Return the pixels of a part, given by slices of step 1 in y and x."""
        return Pixels(
            self._cube.flux[:, y, x],
            self._cube.err[:, y, x],
            self._inside[y, x],
            self.redshift,
            self.redshift_err,
        )

    @contextlib.contextmanager
    def open(self, check: bool = True) -> Iterator[CubeSource]:
        """Yield the source itself; with `check`, warn of PSFs that do not match."""
        if check:
            warn_of_psfs(self._cube.psfmatch, self._cube.psf_fwhm)
        yield self

    def absolute(self) -> CubeSource:
        """Return the source itself: it has no files."""
        return self
