"""Cut galaxies out of mosaics: every band on one grid, the sky of the cut measured."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from astropy.wcs import NoConvergence

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.informative import largest_error
from pixsed.images.reproject import reproject_plane
from pixsed.io.formats.cube import Cube, bands_table, cube_segmap
from pixsed.io.headers import celestial_wcs, grid_offset, pixel_area_arcsec2, shifted_header
from pixsed.io.rows import sampled_rows
from pixsed.io.sky import is_like_sky, robust_rms
from pixsed.nodata import MAX_ERR

#: An image no larger than this, each way, is taken for a cutout already made.
SMALL_IMAGE = 200
#: Bands whose grid agrees with the first's to this many pixels are on it.
GRID_TOLERANCE = 0.1
#: ERR over the sky's scatter beyond this, or under its inverse, is worth a warning.
ERROR_RATIO = 3.0
_MIN_SKY_PIXELS = 10
# Pixels of a mosaic on which its errors are compared with its sky.
_CHECKED_PIXELS = 400_000
# Rows that are read ahead, and the memory for those of all mosaics.
_AHEAD_ROWS = 256
_AHEAD_BYTES = 512 << 20


@dataclass(frozen=True)
class Target:
    """A galaxy to cut out."""

    name: str
    redshift: float
    redshift_err: float = 0.0


@dataclass(frozen=True)
class Job:
    """A cube to make: `target`, its `box` (y0, y1, x0, x1), its own segmentation map or None."""

    target: Target
    box: tuple
    segmap: np.ndarray | None = None


class Mosaics:
    """Images of several bands, open, on one grid or to be reprojected to the first's.

    Parameters
    ----------
    images : list of `~pixsed.io.image.ImageFile`
        One per band; the first sets the grid.
    segmap : `~pixsed.images.segmap.SegmentationMap`, optional
        On the grid of the first image.
    reproject : bool, optional
        If false, a band on another grid is an error.

    Raises
    ------
    PixsedError
        If a band comes twice, an image has no WCS, the map is on another grid, or a
        band is and reproject is not installed.
    """

    def __init__(self, images, segmap=None, *, reproject=True):
        self.images = list(images)
        self.segmap = segmap
        self.bands = [image.band for image in self.images]
        by_band = {}
        for band, image in zip(self.bands, self.images, strict=True):
            if band in by_band:
                raise PixsedError(
                    f"band {band} comes twice, in {by_band[band].name} and {image.name}; give one, "
                    "or name the other's band with BAND="
                )
            by_band[band] = image
        for image in self.images:
            _ = image.factor  # an unknown unit is told before any work
        first = self.images[0]
        self.shape = first.shape
        self.wcs = first.wcs
        self.header = first.wcs_header
        self._apart = {
            band
            for band, image in by_band.items()
            if image.shape != self.shape
            or grid_offset(self.wcs, image.wcs, self.shape) > GRID_TOLERANCE
        }
        if self._apart and not reproject:
            raise PixsedError(
                f"{', '.join(sorted(self._apart))}: not on the pixel grid of {first.name}; "
                "reproject them to it first, or make cubes with pixsed cutout, which does"
            )
        if self._apart:
            self._announce_reprojection(first)
        if segmap is not None:
            self.check_map(segmap, "give the segmentation map of the first image's grid")
        self._scatter = None

    def _announce_reprojection(self, first):
        listed = ", ".join(sorted(self._apart))
        try:
            import reproject  # noqa: F401  (only whether it is there)
        except ImportError:
            raise PixsedError(
                f"{listed}: not on the pixel grid of {first.name}; "
                "pip install reproject, and they are put on it"
            ) from None
        warnings.warn(
            f"{listed}: not on the pixel grid of {first.name}; reprojected to it",
            PixsedWarning,
            stacklevel=3,
        )

    def check_map(self, given, advice):
        """Raise `PixsedError`, with `advice`, unless a map is on the grid of the first image.

        A map without a WCS need only be of its shape.

        Parameters
        ----------
        given : `~pixsed.images.segmap.SegmentationMap` or `~pixsed.images.field.RedshiftMap`
        advice : str
        """
        name = self.images[0].name
        if given.shape != self.shape:
            raise PixsedError(
                f"{given.name} is of shape {given.shape}, {name} of {self.shape}; {advice}"
            )
        if "CTYPE1" not in given.header:
            return
        offset = grid_offset(self.wcs, celestial_wcs(given.header, given.name), self.shape)
        if offset > 0.5:
            raise PixsedError(f"{given.name} lies {offset:.3g} pixels off {name}; {advice}")

    def box_around(self, box, pad):
        """Return `box` widened by `pad` pixels and clipped to the image."""
        y0, y1, x0, x1 = box
        ny, nx = self.shape
        return max(0, y0 - pad), min(ny, y1 + pad), max(0, x0 - pad), min(nx, x1 + pad)

    def holds(self, box):
        """Return whether any pixel of `box` is on the image."""
        y0, y1, x0, x1 = box
        return y0 < self.shape[0] and y1 > 0 and x0 < self.shape[1] and x1 > 0

    def box_at(self, ra, dec, size):
        """Return the box of `size` arcsec centred at `ra`, `dec` in degrees, clipped.

        Raises
        ------
        PixsedError
            If the position is not on the image.
        """
        x, y = self._pixel_at(ra, dec)
        ny, nx = self.shape
        if not self._on_image(x, y):
            other = self._pixel_at(dec, ra) if -90 <= ra <= 90 else (math.nan, math.nan)
            advice = (
                "RA comes first: with the two swapped it is on it"
                if self._on_image(*other)
                else "give a position in degrees, or hours and degrees as 3:32:26 -27:51:34"
            )
            raise PixsedError(
                f"RA {ra:.6f} Dec {dec:.6f} is not on {self.images[0].name}; {advice}"
            )
        if not math.isfinite(size):
            raise PixsedError(f"the size must be a number of arcsec, got {size}")
        # Less a little, so that 0.6 arcsec are 20 pixels of 0.03, not 21.
        n = max(1, math.ceil(size / math.sqrt(pixel_area_arcsec2(self.wcs)) - 1e-6))
        x0, y0 = round(x - (n - 1) / 2), round(y - (n - 1) / 2)
        return max(0, y0), min(ny, y0 + n), max(0, x0), min(nx, x0 + n)

    def _pixel_at(self, ra, dec):
        """Return x and y of a position in degrees; NaN where the projection has none."""
        from astropy.coordinates import SkyCoord

        try:
            return tuple(float(v) for v in self.wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg")))
        except NoConvergence:
            return math.nan, math.nan

    def _on_image(self, x, y):
        ny, nx = self.shape
        return -0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5

    def in_order(self, jobs):
        """Return a list of `Job` in the order of their rows, and read ahead for them.

        Each mosaic on the first one's grid is then read about once, from top to bottom,
        whatever its compression; the rows read ahead take 0.5 GB at most in all.
        """
        self.read_ahead()
        return sorted(jobs, key=lambda job: (job.box[0], job.box[2]))

    def read_ahead(self):
        """Read more rows than asked for from here on: for parts in the order of their rows."""
        self.scatter_over_errors()  # of rows far apart: before any are read ahead
        readers = [
            rows
            for band, image in zip(self.bands, self.images, strict=True)
            if band not in self._apart
            for rows in image.row_readers
        ]
        if self.segmap is not None:
            readers.append(self.segmap.rows)
        ahead = min(_AHEAD_ROWS, _AHEAD_BYTES // sum(rows.row_bytes for rows in readers))
        for rows in readers:
            rows.ahead = ahead

    def scatter_over_errors(self):
        """Return, for each band, the scatter of the sky over its errors: 1 = they agree.

        The robust rms of flux over error, on rows spread over the mosaic, outside the
        segments: right for a mosaic of several depths too. Errors that are sentinels are
        left out. NaN where there are too few such pixels, or the errors are the sky's rms.
        """
        if self._scatter is None:
            pairs = zip(self.bands, self.images, strict=True)
            self._scatter = {band: self._scatter_of(band, image) for band, image in pairs}
        return self._scatter

    def _scatter_of(self, band, image):
        if image.err_source == "sky":
            return math.nan
        sample, errors = [], []
        for row in sampled_rows(image.shape, _CHECKED_PIXELS):
            flux, err = image.read(slice(row, row + 1))
            if self.segmap is not None and band not in self._apart:
                flux[self.segmap.read(slice(row, row + 1)) > 0] = np.nan
            good = np.isfinite(flux)
            sample.append(flux[good])
            errors.append(err[good])
        sample, errors = np.concatenate(sample), np.concatenate(errors)
        known = errors <= _largest(errors)
        sample, errors = sample[known], errors[known]
        if not sample.size or (image.fill and not is_like_sky(sample)):
            return math.nan
        # A level that was not subtracted is no scatter.
        return robust_rms((sample - np.median(sample)) / errors)

    def error_factors(self):
        """Return, for each band, the factor that makes its errors agree with its sky.

        Warns
        -----
        PixsedWarning
            Of bands without enough sky to know it: their factor is 1.
        """
        scatter = self.scatter_over_errors()
        unknown = [
            band
            for band, image in zip(self.bands, self.images, strict=True)
            if not scatter[band] > 0 and image.err_source != "sky"
        ]
        if unknown:
            warnings.warn(
                f"{', '.join(unknown)}: no sky outside the sources to rescale the errors by; they "
                "stay as they are",
                PixsedWarning,
                stacklevel=3,
            )
        return {band: value if value > 0 else 1.0 for band, value in scatter.items()}

    def warn_of_errors(self):
        """Warn, in one line, of bands whose errors are 3 times the sky's scatter, or a third.

        Warns
        -----
        PixsedWarning
        """
        ratios = {
            band: 1 / value for band, value in self.scatter_over_errors().items() if value > 0
        }
        odd = [
            f"{band} {ratio:.2g}"
            for band, ratio in ratios.items()
            if ratio > ERROR_RATIO or ratio < 1 / ERROR_RATIO
        ]
        if odd:
            warnings.warn(
                f"errors over the scatter of the sky: {', '.join(odd)} (1 = they agree); "
                "--rescale-errors makes them agree",
                PixsedWarning,
                stacklevel=2,
            )

    def cut(self, target, box, *, segmap=None, mask_neighbours=False, rescale_errors=False):
        """Return the cube of one galaxy, and what was done, one line per step.

        Parameters
        ----------
        target : `Target`
        box : tuple of int
            (y0, y1, x0, x1) on the first image's grid, ends excluded.
        segmap : `~numpy.ndarray`, optional
            (y1 - y0, x1 - x0) int, in place of that part of the segmentation map.
        mask_neighbours : bool, optional
            Make pixels of other segments than the target's NaN, in every band.
        rescale_errors : bool, optional
            Scale each band's errors to the scatter of its mosaic's sky
            (`scatter_over_errors`).

        Returns
        -------
        cube : `~pixsed.io.formats.cube.Cube`
        history : list of str

        Raises
        ------
        PixsedError
            If no band has data in the box.
        """
        y0, y1, x0, x1 = box
        header = shifted_header(self.header, x0, y0)
        planes = [
            self._plane(band, image, header, box)
            for band, image in zip(self.bands, self.images, strict=True)
        ]
        flux, err, noise_corr = (list(part) for part in zip(*planes, strict=True))
        if not any(np.isfinite(plane).any() for plane in flux):
            raise PixsedError(
                f"{target.name}: no data at its place in any band; is it on these images?"
            )
        if segmap is None and self.segmap is not None:
            found = self.segmap.read(slice(y0, y1), slice(x0, x1))
            segmap = cube_segmap(found, self.segmap.name)
        history = [f"cutout: pixels x {x0 + 1}:{x1}, y {y0 + 1}:{y1} of the first image, from 1"]
        if rescale_errors:
            for i, (band, factor) in enumerate(self.error_factors().items()):
                if factor != 1:
                    err[i] *= np.float32(factor)
                    history.append(f"cutout: errors of {band} multiplied by {factor:.4g}")
        sky = np.ones(flux[0].shape, dtype=bool) if segmap is None else segmap == 0
        rms = [sky_rms(plane, sky) for plane in flux]
        depth = [median_error(plane, sky) for plane in err]
        if mask_neighbours and segmap is not None:
            others = (segmap != 0) & (segmap != int(target.name))
            for plane in (*flux, *err):
                plane[others] = np.nan
            history.append("cutout: pixels of other segments masked")
        table = bands_table(
            self.bands,
            instruments=[image.instrument for image in self.images],
            pivots=[image.pivot_um for image in self.images],
            depths=depth,
            sky_rms=rms,
            noise_corr=noise_corr,
        )
        cube = Cube(
            bands=self.bands,
            flux=np.stack(flux),
            err=np.stack(err),
            header=header,
            redshift=target.redshift,
            object_id=target.name,
            redshift_err=target.redshift_err,
            segmap=segmap,
            table=table,
            psfmatch={b: im.psfmatch for b, im in zip(self.bands, self.images, strict=True)},
        )
        return cube, history

    def _plane(self, band, image, header, box):
        y0, y1, x0, x1 = box
        if band not in self._apart:
            return *image.read(slice(y0, y1), slice(x0, x1)), image.noise_corr
        flux, err, factor = reproject_plane(
            image, celestial_wcs(header, image.name), (y1 - y0, x1 - x0)
        )
        return flux, err, image.noise_corr * factor


def bands_without_data(cube):
    """Return the names of a cube's bands that have no pixel with data and an error of use."""
    return [
        band
        for band, plane, err in zip(cube.bands, cube.flux, cube.err, strict=True)
        if not (np.isfinite(plane) & (err <= MAX_ERR)).any()
    ]


def _largest(errors):
    """Return the largest of some errors in nJy that is no sentinel."""
    return min(largest_error(errors), MAX_ERR)


def sky_rms(flux, sky):
    """Return the robust rms of `flux` over the sky pixels; NaN where there are too few."""
    values = flux[sky & np.isfinite(flux)]
    return robust_rms(values) if values.size >= _MIN_SKY_PIXELS else float("nan")


def median_error(err, sky):
    """Return the median error over the sky, or over all pixels where there is no sky.

    In nJy; sentinels are left out.
    """
    good = err <= _largest(err)
    if not good.any():
        return float("nan")
    values = err[good & sky]
    return float(np.median(values if values.size >= _MIN_SKY_PIXELS else err[good]))
