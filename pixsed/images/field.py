"""Mosaics of a field, every pixel with a redshift: read in parts, to be fitted whole."""

import numpy as np

from pixsed.dq import DQ
from pixsed.errors import PixsedError
from pixsed.images.catalog import check_redshifts
from pixsed.io.formats.source import Pixels
from pixsed.io.headers import pixel_area_arcsec2
from pixsed.io.locate import choose_image, is_image
from pixsed.io.rows import RowReader
from pixsed.redshifts import check_redshift, redshift_dq


class RedshiftMap:
    """Redshifts of pixels on disk: an image, and a second one of their errors.

    Parameters
    ----------
    hdulist : `~astropy.io.fits.HDUList`
        Open file, best not memory-mapped.
    location : `~pixsed.io.locate.Location`
        Without an extension, the file's first 2-D image; a second, if it has one, holds
        the errors.

    Raises
    ------
    PixsedError
        If the file has more images than two and none is named.
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
        """Whether there is a second image."""
        return len(self._rows) == 2

    def read(self, y, x):
        """Return redshift and error, (ny, nx) float64, as in the file; error 0 without one."""
        redshift, *error = (rows.read(y, x).astype(float) for rows in self._rows)
        return redshift, error[0] if error else np.zeros(redshift.shape)


class Field:
    """Mosaics with redshifts: parts are read as `~pixsed.io.formats.source.Pixels`.

    Parameters
    ----------
    mosaics : `~pixsed.images.cutout.Mosaics`
        All on one grid, with the segmentation map if there is one.
    redshift, redshift_err : float, optional
        Of every pixel that nothing else gives a redshift.
    catalog : dict, optional
        Of `pixsed.images.catalog.read_redshifts`: by segment.
    redshift_map : `RedshiftMap`, optional
    all_pixels : bool, optional
        Take pixels outside the segments too.
    rescale_errors : bool, optional
        Scale each band's errors to the scatter of its sky.

    Attributes
    ----------
    name, bands, shape, header, pixar_a2, redshift, redshift_err, has_redshift_err, binning,
    object_id
        As `Pixels` says.
    files, key
        The same; of what opened the mosaics (`pixsed.images.field_files.FieldFiles`).
    npix : int
        Pixels that may be fitted; after `check` those of segments with a redshift.

    Raises
    ------
    PixsedError
        If the map of redshifts is on another grid, or a given redshift or error cannot be
        fitted.
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
        """Keep sorted arrays of ids, redshifts and errors; ids that come twice apart."""
        self._twice = {number for number, found in catalog.items() if found is None}
        ids = sorted(number for number, found in catalog.items() if found is not None)
        columns = [np.array([catalog[number][i] for number in ids], dtype=float) for i in (0, 1)]
        self._catalog = np.array(ids, dtype=np.int64), *columns

    def check(self, catalog_name="the catalogue"):
        """Go through the segmentation map once: is there a redshift for its segments?

        Warns
        -----
        PixsedWarning
            Of segments without one.

        Raises
        ------
        PixsedError
            If none has one, or the catalogue has one twice.
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
        """Return the redshift and error of a segment; NaN and 0 of one not in the catalogue."""
        ids, redshifts, errors = self._catalog
        place = int(np.searchsorted(ids, number))
        if place < len(ids) and ids[place] == number:
            return redshifts[place], errors[place]
        return np.nan, 0.0

    @property
    def has_catalog(self):
        """Whether redshifts are from a catalogue; `check` then warns of bad ones."""
        return self._catalog is not None

    def outside_range(self, model):
        """Return the ids of segments whose redshift is outside a model's range.

        Known for a catalogue, after `check`; else empty.
        """
        return [
            number
            for number in self._numbers
            if redshift_dq(*self._of_id(number), model) & DQ.REDSHIFT_RANGE
        ]

    def read(self, y=slice(None), x=slice(None)):
        """Return the `~pixsed.io.formats.source.Pixels` of a part: slices of step 1 in y and x."""
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
        """Return redshift and error of every pixel, by its segment."""
        ids, redshifts, errors = self._catalog
        redshift = np.where(segments > 0, np.nan, self._fill[0])
        redshift_err = np.where(segments > 0, 0.0, self._fill[1])
        if len(ids):
            place = np.minimum(np.searchsorted(ids, segments), len(ids) - 1)
            known = (ids[place] == segments) & (segments > 0)
            redshift[known], redshift_err[known] = redshifts[place[known]], errors[place[known]]
        return redshift, redshift_err
