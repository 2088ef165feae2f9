"""Image of one band: flux and error in nJy, WCS, and properties from its header."""

import warnings
from functools import cached_property
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.bandnames import band_name, band_name_or_none, instrument_name, pivot_um
from pixsed.io.cards import copied_header, fits_card, positive_number
from pixsed.io.error_plane import POWERS, power_of_unit, to_sigma, unit_ratio
from pixsed.io.error_search import ErrorFinder
from pixsed.io.file_owner import FileOwner
from pixsed.io.fill import find_fill, has_suspect_zeros, is_fill, parse_fill
from pixsed.io.headers import celestial_header, celestial_wcs, pixel_area_arcsec2
from pixsed.io.locate import choose_image, open_fits, parse_location
from pixsed.io.outputs import protect_input
from pixsed.io.provenance import stamp
from pixsed.io.repeated_warnings import merge_repeated_warnings
from pixsed.io.rows import RowReader, SampledRows
from pixsed.io.sky import is_like_sky, robust_rms
from pixsed.io.units import check_linear, njy_per_unit

_ARCSEC2_SR = (u.arcsec**2).to(u.sr)
# Pixels in the sample that decides on fill values and the kind of the errors.
_SAMPLE_PIXELS = 400_000
_SKY_PIXELS = 2_000_000


class ImageFile(FileOwner):
    """Open image of one band, parts of which are read as flux and error.

    A context manager. Only the rows that `read` needs are loaded.

    Parameters
    ----------
    location : `~pixsed.io.locate.Location` or str
        File and extension; without an extension it is chosen
        (`~pixsed.io.locate.choose_image`).
    unit : str, optional
        Unit, in place of BUNIT (see `pixsed.io.units.njy_per_unit`).
    err : str, optional
        Errors: an extension of the file, another file, or ``"sky"`` for the rms of the sky. By
        default they are, in this order, the ERR of the file that belongs to the image
        (`pixsed.io.error_search.own_plane`); its WHT, an inverse variance; a file beside it with
        ``_err`` or ``_wht`` for ``_sci``; the rms of the sky, with a `PixsedWarning`.
    err_kind : {"sigma", "variance", "weight"}, optional
        Kind of the errors. By default it is decided by their name, their unit and the scatter of
        the sky (`pixsed.io.error_plane.decide_kind`).
    fill : str, optional
        Values that stand for no data: numbers separated by commas, ``"none"``, or ``"auto"`` for
        those that occur far more often than a measured value can, with a `PixsedWarning`.
    measure_sky : bool, optional
        Whether to measure the sky of an image without errors. If not, `read` returns None for them.

    Attributes
    ----------
    name : str
        File and extension, for messages.
    shape : tuple of int
        Shape (ny, nx).
    header : `~astropy.io.fits.Header`
        Header of the image.
    primary : `~astropy.io.fits.Header`
        Primary header of the file; its cards are used where the image has none.
    err_source : str
        ``err``, ``variance``, ``weight``, ``sky`` or, without `measure_sky`, ``none``.
    fill : tuple of float
        Values that stand for no data.
    files : list of str
        Files that are read.

    Raises
    ------
    PixsedError
        If the file, the extension or the errors cannot be found; if the errors have another shape
        or no value above 0; or if it is not clear which they are, or of what kind.
    """

    def __init__(
        self, location, *, unit=None, err=None, err_kind=None, fill="auto", measure_sky=True
    ):
        if isinstance(location, str | Path):
            location = parse_location(str(location), band=True)
        self.location = location
        self.name = str(location)
        self._unit = unit
        self._sky = None
        self._factor = None
        with self._opening() as stack:
            self._hdulist = stack.enter_context(open_fits(location.path, memmap=False))
            self.files = [location.path]
            self._hdu = choose_image(self._hdulist, location, science=True)
            self.shape = self._hdu.shape
            self.header = self._hdu.header
            self.primary = self._hdulist[0].header
            self._all_cards = merged_header(self.header, self.primary)
            if unit is None:
                bunit = str(self._all_cards.get("BUNIT", "")).strip(" '\"")
                check_linear(bunit, self.name, f"BUNIT {bunit!r}")
            # Only integers, scaled or not, repeat among measured values.
            is_float = self._hdu.header["BITPIX"] < 0
            self._rows = RowReader(self._hdu)
            sample = SampledRows(self.shape, _SAMPLE_PIXELS)
            values = sample.of(self._hdu)
            given = parse_fill(fill)
            self.fill = given
            if given is None:
                self.fill = find_fill(values) if is_float else ()

            def opened(path):
                self.files.append(str(path))
                protect_input(path)  # no option of the command names it
                return stack.enter_context(open_fits(path, memmap=False))

            finder = ErrorFinder(self, self._hdulist, self._hdu, sample, opened)
            self._err_hdu, self.err_source = finder.find(err, err_kind, measure_sky)
            self._err_rows = None if self._err_hdu is None else RowReader(self._err_hdu)
            if given is None:
                doubted = not self.fill and has_suspect_zeros(values, scaled=not is_float)
                self._warn_of_fill(sample, values, (0.0,) if doubted else ())

    @property
    def band(self):
        """Band of the image; raises `PixsedError` if it cannot be determined."""
        return band_name(self._all_cards, self.location.band, name=self.location.path)

    @property
    def band_or_none(self):
        """Band of the image, or None if it cannot be determined."""
        return self.location.band or self.band_in_header

    @property
    def band_in_header(self):
        """Band by the header, or None."""
        return band_name_or_none(self._all_cards)

    @property
    def instrument(self):
        """Name of the camera, or an empty string."""
        return instrument_name(self.band, self._all_cards)

    @property
    def pivot_um(self):
        """Pivot wavelength in micron; NaN if not known."""
        return pivot_um(self.band, self._all_cards)

    @property
    def psfmatch(self):
        """Band whose PSF the image was convolved to, or ``"unknown"``."""
        return str(self._all_cards.get("PSFMATCH", "unknown")).strip() or "unknown"

    @property
    def psf_fwhm(self):
        """FWHM in arcsec of the PSF, that psfmatch wrote (PSFFWHM); NaN if not known."""
        # The keyword is not standard: PSFMATCH tells that it is that of psfmatch.
        value = self._all_cards.get("PSFFWHM") if "PSFMATCH" in self._all_cards else None
        return positive_number(value)

    @property
    def noise_corr(self):
        """Noise of a large sum over that of independent pixels (NOISECOR); 1 if not known."""
        return float(self._all_cards["NOISECOR"]) if self.knows_noise_corr else 1.0

    @property
    def knows_noise_corr(self):
        """True if the header gives `noise_corr`."""
        return positive_number(self._all_cards.get("NOISECOR")) > 0

    @cached_property
    def wcs(self):
        """Celestial WCS; raises `PixsedError` if there is none."""
        return celestial_wcs(self.header, self.name)

    @property
    def wcs_header(self):
        """Cards of the celestial WCS."""
        return celestial_header(self.header, self.name)

    @property
    def factor(self):
        """Flux density in nJy of a pixel value of 1; raises `PixsedError` if it cannot be known."""
        if self._factor is None:
            self._factor = self._njy_per_unit(self._all_cards, self._unit)
        return self._factor

    def _njy_per_unit(self, header, unit):
        area = trouble = None
        try:
            area = pixel_area_arcsec2(self.wcs) * _ARCSEC2_SR
        except PixsedError as error:
            trouble = str(error)
        return njy_per_unit(header, unit, name=self.name, pixel_area_sr=area, wcs_trouble=trouble)

    @property
    def row_readers(self):
        """The `~pixsed.io.rows.RowReader` of the image, and that of its errors if it has any."""
        return [rows for rows in (self._rows, self._err_rows) if rows is not None]

    @property
    def is_compressed(self):
        """True if the image or its errors are tile-compressed; small parts are slow to read."""
        return any(isinstance(hdu, fits.CompImageHDU) for hdu in (self._hdu, self._err_hdu))

    def read(self, y=slice(None), x=slice(None), *, native=False):
        """Return data and errors of a part of the image.

        Parameters
        ----------
        y, x : slice, optional
            Rows and columns.
        native : bool, optional
            Keep the unit of the file instead of nJy.

        Returns
        -------
        data, err : `~numpy.ndarray`, shape (ny, nx), float32
            NaN in both if the value or the error is not finite or beyond 1e20, the value is a fill
            value, or the error or weight is not above 0. `err` is None if there are no errors and
            none were to be measured.
        """
        factor = 1.0 if native else self.factor
        data = self.measured(self._rows.read(y, x)) * factor
        if self.err_source == "none":
            return data.astype(np.float32), None
        err = self._read_error(y, x, data.shape) * factor
        bad = ~np.isfinite(data) | ~np.isfinite(err) | (err <= 0)
        data[bad] = np.nan
        err[bad] = np.nan
        return data.astype(np.float32), err.astype(np.float32)

    def _read_error(self, y, x, shape):
        """Return the errors of a part, in the unit of the data."""
        if self._err_rows is None:
            return np.full(shape, self.sky_rms())
        return to_sigma(self._err_rows.read(y, x), self._kind) * self._error_ratio

    @property
    def bunit(self):
        """Unit as text: the one given, else BUNIT of the header, else None."""
        return self._all_cards.get("BUNIT") if self._unit is None else self._unit

    def measured(self, values):
        """Return values read from the image as float64, NaN where they stand for no data."""
        return np.where(is_fill(values, self.fill), np.nan, values.astype(np.float64))

    @property
    def _kind(self):
        return "sigma" if self.err_source == "err" else self.err_source

    @cached_property
    def _error_ratio(self):
        """Unit of the errors over the unit of the data: 1 unless their BUNITs differ."""
        headers = self._err_hdu.header, self.header
        theirs, ours = (str(header.get("BUNIT", "")).strip() for header in headers)
        if not theirs or theirs == ours:
            return 1.0
        image_unit = ours if self._unit is None else self._unit
        power = power_of_unit(theirs, image_unit)
        if power is not None:
            # A variance or weight with the BUNIT of the image has a copy of it.
            return unit_ratio(theirs, image_unit, power) if POWERS[power] == self._kind else 1.0
        if self._kind != "sigma" or self._unit is not None:
            return 1.0  # units of weights cannot be converted; --unit is for both
        header = merged_header(self._err_hdu.header, self._all_cards)
        return self._njy_per_unit(header, None) / self.factor

    def sky_rms(self):
        """Return the robust rms of the whole image, sources clipped, in its own unit.

        Raises
        ------
        PixsedError
            If the image has no noise, or an image with fill values has no sky.
        """
        if self._sky is None:
            sample = self.measured(SampledRows(self.shape, _SKY_PIXELS).of(self._hdu))
            self._sky = robust_rms(sample)
            if self._sky == 0 or (self.fill and not is_like_sky(sample)):
                raise PixsedError(
                    f"{self.name}: its sky has no noise to measure the errors by (blanked, or "
                    "without noise); give its errors with --err"
                )
        return self._sky

    def _warn_of_fill(self, sample, values, doubted):
        """Warn of fill values, and of those `doubted`, unless their pixels have no errors."""
        good = np.isfinite(values)
        if self._err_hdu is not None:
            good &= np.isfinite(to_sigma(sample.of(self._err_hdu), self._kind))
        told = [
            f"{_percent(np.mean(found))} of its pixels are exactly {value:g}"
            for value in (*self.fill, *doubted)
            if (found := good & (values == value)).any()
        ]
        how = (
            "taken as measured, since all are whole numbers; if they are no data, add --fill 0"
            if doubted
            else "taken as no data; if they are measured, add --fill none"
        )
        if told:
            warnings.warn(f"{self.name}: {' and '.join(told)}, {how}", PixsedWarning, stacklevel=3)


def open_images(stack, images):
    """Return the open `ImageFile` of several images.

    Parameters
    ----------
    stack : `contextlib.ExitStack`
        Stack that closes them.
    images : iterable of (location, dict)
        Location and options of each `ImageFile`.

    Warns
    -----
    PixsedWarning
        As for `ImageFile`; equal warnings are given once
        (`~pixsed.io.repeated_warnings.merge_repeated_warnings`).
    """
    with merge_repeated_warnings():
        return [stack.enter_context(ImageFile(place, **options)) for place, options in images]


def output_headers(image, *, inputs=(), history=()):
    """Return the headers of a file made from an `ImageFile`: the primary one, that of planes.

    Parameters
    ----------
    image : `ImageFile`
    inputs, history
        As for `pixsed.io.provenance.stamp`.
    """
    in_primary = image.header is image.primary
    primary = fits.PrimaryHDU(header=None if in_primary else copied_header(image.primary)).header
    stamp(primary, inputs=inputs, history=history)
    shared = copied_header(image.header)
    if image.location.band and image.band_in_header is None:
        shared["BAND"] = fits_card(image.location.band, "band, as named on the command line")
    return primary, shared


def read_band(location):
    """Return the band of an image from its headers; raise `PixsedError` if they do not tell it."""
    if location.band:
        return band_name({}, location.band)
    with open_fits(location.path) as hdulist:
        header = merged_header(choose_image(hdulist, location).header, hdulist[0].header)
        return band_name(header, name=location.path)


def merged_header(header, primary):
    """Return the cards of `header`, and the cards of `primary` that it lacks."""
    result = header.copy()
    result.extend(primary, unique=True, strip=True)
    return result


def _percent(fraction):
    return f"{100 * fraction:.2g} %" if fraction < 0.1 else f"{fraction:.0%}".replace("%", " %")
