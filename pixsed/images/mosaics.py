"""Open mosaics of several bands on one pixel grid, and checks of their errors against the sky."""

import math
import warnings

import numpy as np
from astropy.wcs import NoConvergence

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.extras import install_advice
from pixsed.images.noise.covariance import widened
from pixsed.images.noise.error_scale import MOSAIC_LIMIT, is_off, mosaic_scatter
from pixsed.images.reproject import reproject_plane
from pixsed.io.headers import celestial_wcs, grid_offset, pixel_area_arcsec2

#: Offset in pixels from the first image's grid up to which a band counts as being on it.
GRID_TOLERANCE = 0.1
# Offset in pixels up to which a segmentation or redshift map is on the first image's grid.
_MAP_TOLERANCE = 0.5
# Number of rows that are read ahead, and the memory for the rows of all mosaics together.
_AHEAD_ROWS = 256
_AHEAD_BYTES = 512 << 20
# Number of sky pixels on which the correlation of noise is measured, to about 0.002.
_ENOUGH_SKY = 300_000


class Mosaics:
    """Images of several bands, open, on the pixel grid of the first.

    Parameters
    ----------
    images : list of `~pixsed.io.image.ImageFile`
        One per band; the first sets the grid.
    segmap : `~pixsed.images.segmap.SegmentationMap`, optional
        On the grid of the first image.
    reproject : bool, optional
        Reproject bands on another grid. If False, such a band is an error.

    Attributes
    ----------
    images, segmap
        As given.
    bands : list of str
        Band names, in the order of the images.
    shape : tuple of int
        (ny, nx) of the first image.
    wcs : `~astropy.wcs.WCS`
        WCS of the first image.
    header : `~astropy.io.fits.Header`
        WCS cards of the first image.

    Raises
    ------
    PixsedError
        If a band comes twice, an image has no WCS, the segmentation map is on another grid, or
        a band is on another grid and the package reproject is not installed.
    """

    def __init__(self, images, segmap=None, *, reproject=True):
        self.images = list(images)
        self.segmap = segmap
        self.bands = [image.band for image in self.images]
        by_band = self._by_band()
        for image in self.images:
            _ = image.factor  # raises now if the unit is unknown
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
        self._scatter = self._noise = None

    def _by_band(self):
        by_band = {}
        for band, image in zip(self.bands, self.images, strict=True):
            if band in by_band:
                raise PixsedError(
                    f"band {band} comes twice, in {by_band[band].name} and {image.name}; give one, "
                    "or name the other's band with BAND="
                )
            by_band[band] = image
        return by_band

    def _announce_reprojection(self, first):
        names = ", ".join(sorted(self._apart))
        try:
            import reproject  # noqa: F401  (checks that it is installed)
        except ImportError:
            raise PixsedError(
                f"{names}: not on the pixel grid of {first.name}; "
                f"{install_advice('reproject')}, and they are reprojected to it"
            ) from None
        warnings.warn(
            f"{names}: not on the pixel grid of {first.name}; reprojected to it",
            PixsedWarning,
            stacklevel=3,
        )

    def check_map(self, given, advice):
        """Check that a map is on the grid of the first image.

        A map without a WCS need only have the same shape.

        Parameters
        ----------
        given : `~pixsed.images.segmap.SegmentationMap` or `~pixsed.images.field.RedshiftMap`
        advice : str
            End of the error message.

        Raises
        ------
        PixsedError
            If the map is on another grid.
        """
        name = self.images[0].name
        if given.shape != self.shape:
            raise PixsedError(
                f"{given.name} is of shape {given.shape}, {name} of {self.shape}; {advice}"
            )
        if "CTYPE1" not in given.header:
            return
        offset = grid_offset(self.wcs, celestial_wcs(given.header, given.name), self.shape)
        if offset > _MAP_TOLERANCE:
            raise PixsedError(f"{given.name} lies {offset:.3g} pixels off {name}; {advice}")

    # Boxes.

    def box_around(self, box, pad):
        """Return a box (y0, y1, x0, x1) widened by `pad` pixels and clipped to the image."""
        y0, y1, x0, x1 = box
        ny, nx = self.shape
        return max(0, y0 - pad), min(ny, y1 + pad), max(0, x0 - pad), min(nx, x1 + pad)

    def overlaps(self, box):
        """Return whether a box (y0, y1, x0, x1) has a pixel on the image."""
        y0, y1, x0, x1 = box
        return y0 < self.shape[0] and y1 > 0 and x0 < self.shape[1] and x1 > 0

    def box_at(self, ra, dec, size):
        """Return the square box around a position, clipped to the image.

        Parameters
        ----------
        ra, dec : float
            Centre in degrees.
        size : float
            Side in arcsec.

        Returns
        -------
        tuple of int
            (y0, y1, x0, x1), ends excluded.

        Raises
        ------
        PixsedError
            If the position is not on the image, or the size is not finite.
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
        # The small term prevents rounding up: 0.6 arcsec must be 20 pixels of 0.03, not 21.
        n = max(1, math.ceil(size / math.sqrt(pixel_area_arcsec2(self.wcs)) - 1e-6))
        x0, y0 = round(x - (n - 1) / 2), round(y - (n - 1) / 2)
        return max(0, y0), min(ny, y0 + n), max(0, x0), min(nx, x0 + n)

    def _pixel_at(self, ra, dec):
        """Return x and y of a position in degrees; NaN where the projection has no pixel."""
        from astropy.coordinates import SkyCoord

        try:
            return tuple(float(v) for v in self.wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg")))
        except NoConvergence:
            return math.nan, math.nan

    def _on_image(self, x, y):
        ny, nx = self.shape
        return -0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5

    # Pixels.

    def read_ahead(self):
        """Read additional rows ahead from now on, for boxes that are in the order of their rows.

        Each mosaic on the first one's grid is then read about once from top to bottom, also if
        it is compressed. The rows that are read ahead take 0.5 GB at most in all.
        """
        self.scatter_over_errors()  # read rows far apart, so before anything is read ahead
        self.autocorrelations()
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

    def read_band(self, number, header, box):
        """Return the pixels of one band in a box on the first image's grid.

        Parameters
        ----------
        number : int
            Position of the band in `bands`.
        header : `~astropy.io.fits.Header`
            WCS cards of the box.
        box : tuple of int
            (y0, y1, x0, x1), ends excluded.

        Returns
        -------
        flux, err : `~numpy.ndarray`, shape (y1 - y0, x1 - x0)
            In nJy; NaN = no data.
        noise_corr : float
            Noise of a large sum over that of independent pixels.
        """
        image = self.images[number]
        y0, y1, x0, x1 = box
        if self.bands[number] not in self._apart:
            return *image.read(slice(y0, y1), slice(x0, x1)), self._noise_corr(number)
        flux, err, factor = reproject_plane(
            image, celestial_wcs(header, image.name), (y1 - y0, x1 - x0)
        )
        return flux, err, self._noise_corr(number) * factor

    # Correlation of the noise.

    def autocorrelations(self):
        """Return the autocorrelation of the noise of each band whose header does not tell it.

        A dict of band to `~pixsed.images.noise.autocorrelation.Autocorrelation`, measured on the
        sky of the image, on its own pixels; bands with too little sky are left out.
        """
        if self._noise is None:
            from pixsed.images.noise.autocorrelation import measure_autocorrelation

            found = {
                band: measure_autocorrelation(
                    image, None if band in self._apart else self.segmap, _ENOUGH_SKY
                )
                for band, image in zip(self.bands, self.images, strict=True)
                if not image.knows_noise_corr
            }
            self._noise = {band: noise for band, noise in found.items() if noise is not None}
        return self._noise

    def autocorrelation_planes(self):
        """Return the measured autocorrelations of the bands on the first image's grid.

        Returns
        -------
        `~numpy.ndarray`, shape (B, 2 n + 1, 2 n + 1), or None
            NaN in a band without one; None if no band has one.
        """
        found = {b: n for b, n in self.autocorrelations().items() if b not in self._apart}
        if not found:
            return None
        reach = max(noise.reach for noise in found.values())
        planes = np.full((len(self.bands), 2 * reach + 1, 2 * reach + 1), np.nan)
        for band, noise in found.items():
            extra = len(noise.rho) // 2 - reach
            rho = noise.rho[extra:-extra, extra:-extra] if extra > 0 else noise.rho
            planes[self.bands.index(band)] = widened(rho[None], reach)[0]
        return planes

    def _noise_corr(self, number):
        """Return the noise of a large sum over that of independent pixels; 1 if not known."""
        noise = self.autocorrelations().get(self.bands[number])
        return self.images[number].noise_corr if noise is None else max(1.0, noise.large_sum)

    # Errors.

    def scatter_over_errors(self):
        """Return the scatter of the sky of each band in units of its errors; 1 if they agree.

        A dict of band to `~pixsed.images.noise.error_scale.mosaic_scatter`, outside the segments
        for bands on the first image's grid.
        """
        if self._scatter is None:
            self._scatter = {
                band: mosaic_scatter(image, None if band in self._apart else self.segmap)
                for band, image in zip(self.bands, self.images, strict=True)
            }
        return self._scatter

    def error_factors(self):
        """Return the factor of each band that makes its errors agree with its sky.

        Warns
        -----
        PixsedWarning
            If a band has too little sky to measure it; its factor is 1.
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
        """Warn, in one line, of bands with errors far from the scatter of their sky.

        Warns
        -----
        PixsedWarning
            If they differ by more than a factor of
            `~pixsed.images.noise.error_scale.MOSAIC_LIMIT`.
        """
        ratios = {
            band: 1 / value for band, value in self.scatter_over_errors().items() if value > 0
        }
        odd = [
            f"{band} {ratio:.2g}" for band, ratio in ratios.items() if is_off(ratio, MOSAIC_LIMIT)
        ]
        if odd:
            warnings.warn(
                f"errors over the scatter of the sky: {', '.join(odd)} (1 = they agree); "
                "--rescale-errors makes them agree",
                PixsedWarning,
                stacklevel=2,
            )
