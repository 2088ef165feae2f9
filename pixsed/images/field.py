"""Mosaics of a field with a redshift for every pixel, as a pixel source of a fit."""

import warnings

import numpy as np

from pixsed.dq import DQ
from pixsed.errors import PixsedError, PixsedWarning, listed
from pixsed.images.catalog import check_redshifts
from pixsed.io.formats.psfmatch import common_psf, psfs_of_images
from pixsed.io.formats.source import Pixels
from pixsed.io.headers import pixel_area_arcsec2
from pixsed.io.locate import choose_image, is_image
from pixsed.io.rows import RowReader
from pixsed.redshifts import check_redshift, range_text, redshift_dq


class RedshiftMap:
    """Map of redshifts on disk: an image, and optionally a second one of their errors.

    Parameters
    ----------
    hdulist : `~astropy.io.fits.HDUList`
        Open file, preferably not memory-mapped.
    location : `~pixsed.io.locate.Location`
        Without an extension, the first 2-D image of the file; a second one holds the errors.

    Raises
    ------
    PixsedError
        If the file has more than two images and no extension is given.
    """

    def __init__(self, hdulist, location):
        self.name = str(location)
        images = [hdu for hdu in hdulist if is_image(hdu)]
        if location.ext is not None or len(images) != 2:
            images = [choose_image(hdulist, location)]
        self._rows = [RowReader(hdu) for hdu in images]
        self.shape, self.header = images[0].shape, images[0].header
        if images[-1].shape != self.shape:
            raise PixsedError(
                f"{self.name}: its redshifts are of shape {self.shape}, their errors of "
                f"{images[-1].shape}; give both on one grid"
            )

    @property
    def has_errors(self):
        """True if the map has redshift errors."""
        return len(self._rows) == 2

    def read(self, y, x):
        """Return redshift and error of a part, (ny, nx) float64; 0 if there are no errors."""
        redshift, *error = (rows.read(y, x).astype(float) for rows in self._rows)
        return redshift, error[0] if error else np.zeros(redshift.shape)


class Field:
    """Mosaics of a field with redshifts, as a `~pixsed.io.formats.source.PixelSource`.

    Parameters
    ----------
    mosaics : `~pixsed.images.mosaics.Mosaics`
        Images on one grid, with the segmentation map if there is one.
    redshift, redshift_err : float, optional
        Redshift of pixels that have none from the catalogue or the map.
    catalog : dict, optional
        Redshifts by segment, from `pixsed.images.catalog.read_redshifts`.
    redshift_map : `RedshiftMap`, optional
    all_pixels : bool, optional
        Fit pixels outside the segments too.
    rescale_errors : bool, optional
        Scale the errors of each band to the scatter of its sky.

    Attributes
    ----------
    files, key
        As in `~pixsed.io.formats.source.PixelSource`, which also describes the other attributes;
        set by `pixsed.images.field_files.FieldFiles`, which opens the mosaics.
    npix : int
        Number of pixels that may be fitted; after `check`, of segments with a redshift.

    Raises
    ------
    PixsedError
        If the redshift map is on another grid, or a given redshift or error cannot be fitted.
    """

    binning = object_id = None
    files, key = (), {}
    _numbers = ()

    def __init__(
        self,
        mosaics,
        *,
        redshift=None,
        redshift_err=0.0,
        catalog=None,
        redshift_map=None,
        all_pixels=False,
        rescale_errors=False,
    ):
        # In order of wavelength, as in a cube: unknown ones last.
        order = np.argsort([image.pivot_um for image in mosaics.images], kind="stable")
        self._images = [mosaics.images[i] for i in order]
        self.bands = [mosaics.bands[i] for i in order]
        self.name = mosaics.images[0].name
        self.shape, self.header = mosaics.shape, mosaics.header
        self.pixar_a2 = pixel_area_arcsec2(mosaics.wcs)
        self.npix = self.shape[0] * self.shape[1]
        self.common_psf = common_psf(*psfs_of_images(self._images))
        self._segmap, self._all_pixels = mosaics.segmap, all_pixels
        self._fill = (
            (np.nan, 0.0) if redshift is None else (float(redshift), float(redshift_err or 0.0))
        )
        self._map, self._catalog = redshift_map, None
        self.redshift = self.redshift_err = None
        if catalog is not None:
            self._take_catalog(catalog)
        elif redshift_map is not None:
            mosaics.check_map(redshift_map, "give redshifts on the first image's grid")
        else:
            self.redshift, self.redshift_err = self._fill
        if redshift is not None:
            check_redshift(*self._fill, None, self.name)
        self.has_redshift_err = self._fill[1] > 0
        if catalog is not None:
            ids, *values = self._catalog
            self.has_redshift_err |= bool((values[1][redshift_dq(*values) == 0] > 0).any())
        elif redshift_map is not None:
            self.has_redshift_err |= redshift_map.has_errors
        self._factors = [1.0] * len(order)
        if rescale_errors:
            factors = mosaics.error_factors()
            self._factors = [factors[band] for band in self.bands]

    def _take_catalog(self, catalog):
        """Keep sorted arrays of ids, redshifts and errors, and the ids that come twice."""
        self._twice = {number for number, found in catalog.items() if found is None}
        ids = sorted(number for number, found in catalog.items() if found is not None)
        columns = [np.array([catalog[number][i] for number in ids], dtype=float) for i in (0, 1)]
        self._catalog = np.array(ids, dtype=np.int64), *columns

    def check(self, catalog_name="the catalogue"):
        """Check that the segments of the segmentation map have redshifts.

        Parameters
        ----------
        catalog_name : str, optional
            File name, for messages.

        Warns
        -----
        PixsedWarning
            If some segments have no redshift.

        Raises
        ------
        PixsedError
            If no segment has a redshift, or the catalogue has an id twice.
        """
        if self._segmap is None or self._all_pixels:
            return
        counts = self._segmap.counts()
        if self._catalog is not None:
            if twice := sorted(self._twice & counts.keys()):
                raise PixsedError(f"{catalog_name}: id {twice[0]} comes twice; keep one row of it")
            numbers = sorted(counts)
            found = check_redshifts(
                numbers,
                [self._of_id(number) for number in numbers],
                self._segmap.name,
                catalog_name,
            )
            counts = {
                number: counts[number] for number, good in zip(numbers, found, strict=True) if good
            }
            self._numbers = list(counts)
        self.npix = sum(counts.values())

    def _of_id(self, number):
        """Return redshift and error of a segment; NaN and 0 if it is not in the catalogue."""
        ids, redshifts, errors = self._catalog
        place = int(np.searchsorted(ids, number))
        if place < len(ids) and ids[place] == number:
            return redshifts[place], errors[place]
        return np.nan, 0.0

    @property
    def galaxies(self):
        """Redshift and error of the galaxies of the catalogue: id -> pair; after `check`."""
        return {number: self._of_id(number) for number in self._numbers}

    @property
    def pivots(self):
        """Pivot wavelengths in micron by band; NaN where not known."""
        return {image.band: image.pivot_um for image in self._images}

    def warn_of_redshifts(self, counts, model):
        """Warn of pixels that were not fitted because of their redshift or its error.

        Parameters
        ----------
        counts : dict of str to int
            Numbers of pixels by the names of `pixsed.dq.count_reasons`.
        model : `~pixsed.fit.model.Model`
        """
        if number := counts.get("out_of_range"):
            ids = [
                segment
                for segment in self._numbers
                if redshift_dq(*self._of_id(segment), model) & DQ.REDSHIFT_RANGE
            ]
            warnings.warn(
                f"{self.name}: {number} pixels are not fitted: their redshift or its error is "
                f"outside {range_text(model)}" + (f": id {listed(ids, 5)}" if ids else ""),
                PixsedWarning,
                stacklevel=4,
            )
        # `check` names the galaxies of a catalogue.
        if self._catalog is None and (number := counts.get("bad_redshift_err")):
            warnings.warn(
                f"{self.name}: {number} pixels are not fitted: their redshift error is NaN, "
                "infinite or negative; set it to 0 where the redshift is exact",
                PixsedWarning,
                stacklevel=4,
            )

    def read(self, y=slice(None), x=slice(None)):
        """Return the `~pixsed.io.formats.source.Pixels` of a part: slices of step 1 in y, x."""
        flux, err = [], []
        for image, factor in zip(self._images, self._factors, strict=True):
            data, error = image.read(y, x)
            if factor != 1.0:
                error *= np.float32(factor)
            flux.append(data)
            err.append(error)
        flux, err = np.stack(flux), np.stack(err)
        segments = None if self._segmap is None else self._segmap.read(y, x)
        if segments is None or self._all_pixels:
            inside = np.ones(flux.shape[1:], dtype=bool)
        else:
            inside = segments > 0
        if self.redshift is not None:
            return Pixels(flux, err, inside, self.redshift, self.redshift_err)
        if self._map is not None:
            return Pixels(flux, err, inside, *self._map.read(y, x))
        return Pixels(flux, err, inside, *self._of_segments(segments))

    def _of_segments(self, segments):
        """Return redshift and error of every pixel, from its segment."""
        ids, redshifts, errors = self._catalog
        redshift = np.where(segments > 0, np.nan, self._fill[0])
        redshift_err = np.where(segments > 0, 0.0, self._fill[1])
        if len(ids):
            place = np.minimum(np.searchsorted(ids, segments), len(ids) - 1)
            known = (ids[place] == segments) & (segments > 0)
            redshift[known], redshift_err[known] = redshifts[place[known]], errors[place[known]]
        return redshift, redshift_err
