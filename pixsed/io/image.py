"""One image of one band: its flux and error in nJy, its WCS, what its header says."""

import re
import warnings
from functools import cached_property
from pathlib import Path

import numpy as np
from astropy.io import fits

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.atomic import protect_input
from pixsed.io.bandnames import band_name, band_name_or_none, instrument_name, pivot_um
from pixsed.io.cards import fits_card
from pixsed.io.copied import copied_header
from pixsed.io.error_plane import (
    POWERS,
    decide_kind,
    kind_by_name,
    power_of_unit,
    scatter_ratios,
    to_sigma,
    unit_ratio,
)
from pixsed.io.error_search import files_beside, own_plane, plane_beside, plane_of_file
from pixsed.io.fill import find_fill, is_fill, parse_fill
from pixsed.io.headers import celestial_header, celestial_wcs, pixel_area_arcsec2
from pixsed.io.locate import (
    Location,
    choose_image,
    is_image,
    open_fits,
    parse_extension,
    parse_location,
)
from pixsed.io.opened import Opened
from pixsed.io.provenance import stamp
from pixsed.io.rows import RowReader, sampled_rows, strips
from pixsed.io.units import check_linear, njy_per_unit

_ARCSEC2_SR = (np.pi / 180.0 / 3600.0) ** 2
# Pixels of the sample that a fill value, and what errors are, are told by.
_SAMPLE_PIXELS = 400_000
_STRIP_PIXELS = 1_000_000
_SKY_PIXELS = 2_000_000


class ImageFile(Opened):
    """An image of one band on disk, open: parts of it are read as flux and error.

    A context manager; only the rows that `read` is asked for are loaded.

    Parameters
    ----------
    location : `~pixsed.io.locate.Location` or str
        The file, and its extension or None to choose.
    unit : str, optional
        In place of BUNIT (see `pixsed.io.units.njy_per_unit`).
    err : str, optional
        Where the errors are: an extension of the file, or another file. By default the
        file's ERR that belongs to the image (`pixsed.io.error_search.own_plane`); else
        WHT, an inverse variance; else a file beside it with ``_err`` or ``_wht`` for
        ``_sci``; else the rms of the sky, with a `PixsedWarning`. ``"sky"`` asks for that
        rms.
    err_kind : {"sigma", "variance", "weight"}, optional
        What the values of the errors are; by default name, unit and the scatter of the
        sky tell (`pixsed.io.error_plane.decide_kind`).
    fill : str, optional
        Values of the image that stand for no data: ``"auto"``, those that come far more
        often than a measured value can, with a `PixsedWarning`; ``"none"``; or numbers
        with commas between.
    measure_sky : bool, optional
        If false, an image without errors is read as such: `read` returns None for them.

    Attributes
    ----------
    name : str
        For messages.
    shape : tuple of int
    header : `~astropy.io.fits.Header`
        The image's own.
    primary : `~astropy.io.fits.Header`
        That of the file's PRIMARY; empty cards of it fill in for the image's.
    err_source : str
        ``err``, ``variance``, ``weight``, ``sky`` or, without `measure_sky`, ``none``.
    fill : tuple of float
        The values that stand for no data.
    files : list of str
        What is read.

    Raises
    ------
    PixsedError
        If the file, the extension or the errors cannot be found, do not fit or have no
        value above 0, or it is not clear which or of what kind they are.
    """

    def __init__(self, location, *, unit=None, err=None, err_kind=None, fill="auto",
                 measure_sky=True):
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
            self._hdu = choose_image(self._hdulist, location)
            self.shape = self._hdu.shape
            self.header = self._hdu.header
            self.primary = self._hdulist[0].header
            self._all_cards = merged_header(self.header, self.primary)
            if unit is None:
                bunit = str(self._all_cards.get("BUNIT", "")).strip(" '\"")
                check_linear(bunit, self.name, f"BUNIT {bunit!r}")
            self._kind_asked = err_kind
            # An integer, scaled or not, may well come often.
            self._is_float = self._hdu.header["BITPIX"] < 0
            self._rows = RowReader(self._hdu)
            self._sampled = sampled_rows(self.shape, _SAMPLE_PIXELS)
            sample = _read_rows(self._hdu, self._sampled)
            self.fill = parse_fill(fill)
            found_fill = self.fill is None
            if found_fill:
                self.fill = find_fill(sample) if self._is_float else ()
            self._empty_sample = is_fill(sample, self.fill)
            self._sample = np.where(self._empty_sample, np.nan, sample.astype(np.float64))
            self._err_hdu, self.err_source = self._find_error(err, stack, measure_sky)
            self._err_rows = None if self._err_hdu is None else RowReader(self._err_hdu)
            if found_fill and self.fill:
                self._warn_of_fill(sample)
            del self._sample, self._empty_sample

    @property
    def band(self):
        """The band; `PixsedError` where nothing tells it."""
        return band_name(self._all_cards, self.location.band, name=self.location.path)

    @property
    def band_or_none(self):
        """The band, or None where nothing tells it."""
        return self.location.band or self.band_in_header

    @property
    def band_in_header(self):
        """The band that the header tells, or None."""
        return band_name_or_none(self._all_cards)

    @property
    def instrument(self):
        """The camera's name, or an empty string."""
        return instrument_name(self.band, self._all_cards)

    @property
    def pivot_um(self):
        """Pivot wavelength in micron; NaN where not known."""
        return pivot_um(self.band, self._all_cards)

    @property
    def psfmatch(self):
        """The band whose PSF this image has been given, or ``"unknown"``."""
        return str(self._all_cards.get("PSFMATCH", "unknown")).strip() or "unknown"

    @property
    def noise_corr(self):
        """Factor of the noise in a large sum over that of independent pixels; 1 if unsaid."""
        value = self._all_cards.get("NOISECOR", 1.0)
        known = isinstance(value, int | float) and np.isfinite(value) and value > 0
        return float(value) if known else 1.0

    @cached_property
    def wcs(self):
        """The celestial WCS; `PixsedError` where there is none."""
        return celestial_wcs(self.header, self.name)

    @property
    def wcs_header(self):
        """The cards of the celestial WCS."""
        return celestial_header(self.header, self.name)

    @property
    def factor(self):
        """nJy a pixel for a value of 1; `PixsedError` where that cannot be known."""
        if self._factor is None:
            self._factor = self._njy_per_unit(self._all_cards, self._unit)
        return self._factor

    def _njy_per_unit(self, header, unit):
        area = trouble = None
        try:
            area = pixel_area_arcsec2(self.wcs) * _ARCSEC2_SR
        except PixsedError as error:
            trouble = str(error)
        return njy_per_unit(
            header, unit, name=self.name, pixel_area_sr=area, wcs_trouble=trouble
        )

    @property
    def row_readers(self):
        """The `~pixsed.io.rows.RowReader` of the image, and of its errors where there are."""
        return [rows for rows in (self._rows, self._err_rows) if rows is not None]

    @property
    def is_compressed(self):
        """Whether the image or its errors are tile-compressed: small parts are then dear."""
        return any(isinstance(hdu, fits.CompImageHDU) for hdu in (self._hdu, self._err_hdu))

    def read(self, y=slice(None), x=slice(None), *, native=False):
        """Return (data, err) of a part of the image.

        Parameters
        ----------
        y, x : slice, optional
            Rows and columns.
        native : bool, optional
            Keep the file's unit, in place of nJy.

        Returns
        -------
        data, err : `~numpy.ndarray`
            (ny, nx) float32. A pixel whose value or error is not finite, beyond 1e20 or
            a fill value, or whose error or weight is not above zero, is NaN in both. `err`
            is None where there are no errors and none were to be measured.
        """
        factor = 1.0 if native else self.factor
        data = self._measured(self._rows.read(y, x)) * factor
        if self.err_source == "none":
            return data.astype(np.float32), None
        err = self._read_error(y, x, data.shape) * factor
        bad = ~np.isfinite(data) | ~np.isfinite(err) | (err <= 0)
        data[bad] = np.nan
        err[bad] = np.nan
        return data.astype(np.float32), err.astype(np.float32)

    def _read_error(self, y, x, shape):
        """Return the errors in the unit of the data."""
        if self._err_rows is None:
            return np.full(shape, self.sky_rms())
        return to_sigma(self._err_rows.read(y, x), self._kind) * self._error_ratio

    def _measured(self, values):
        """Return what was read as float64, NaN where there are no data."""
        return np.where(is_fill(values, self.fill), np.nan, values.astype(np.float64))

    @property
    def _kind(self):
        return "sigma" if self.err_source == "err" else self.err_source

    @cached_property
    def _error_ratio(self):
        """The unit of the errors over that of the data: 1 unless BUNITs differ."""
        headers = self._err_hdu.header, self.header
        theirs, ours = (str(header.get("BUNIT", "")).strip() for header in headers)
        if not theirs or theirs == ours or self._unit is not None:
            return 1.0
        power = power_of_unit(theirs, ours)
        if power is not None:
            # Of a variance or weight whose BUNIT is the image's, that was only copied.
            return unit_ratio(theirs, ours, power) if POWERS[power] == self._kind else 1.0
        if self._kind != "sigma":
            return 1.0  # said of the weights alone, if anything
        header = merged_header(self._err_hdu.header, self._all_cards)
        return self._njy_per_unit(header, None) / self.factor

    def sky_rms(self):
        """Return the robust rms of the whole image, in its own unit (sources clipped).

        Raises
        ------
        PixsedError
            If there is no noise, or, of an image with fill values, no sky.
        """
        if self._sky is None:
            sample = self._measured(
                _read_rows(self._hdu, sampled_rows(self.shape, _SKY_PIXELS))
            )
            self._sky = robust_rms(sample)
            if self._sky == 0 or (self.fill and not is_like_sky(sample)):
                raise PixsedError(
                    f"{self.name}: its sky has no noise left to measure its errors by (blanked, or "
                    "without noise); name its errors with --err"
                )
        return self._sky

    def _find_error(self, err, stack, measure_sky):
        """Return (HDU or None, source) of the errors, checked for shape and kind."""
        if err == "sky" and not Path(err).is_file():
            return None, "sky" if measure_sky else "none"
        unusable = []
        for hdu, path, what in self._error_candidates(err, stack):
            if hdu.shape != self.shape:
                raise PixsedError(
                    f"{self.name}: its errors are of shape {hdu.shape}, the image of {self.shape}; "
                    "name errors of the same grid with --err"
                )
            kind = self._kind_of(hdu, path, what)
            if not self._usable(hdu, kind):
                unusable.append(what)
                continue
            if unusable:
                _warn(f"{self.name}: {unusable[0]} has no value above 0; its errors are from "
                      f"{what}")  # fmt: skip
            return hdu, "err" if kind == "sigma" else kind
        if unusable:
            raise PixsedError(
                f"{self.name}: its errors, {unusable[0]}, have no value above 0 where it has data; "
                "name others with --err, or --err sky for the rms of its sky"
            )
        if not measure_sky:
            return None, "none"
        _warn(
            f"{self.name}: no ERR or WHT of its own, and no _err or _wht file beside it; its "
            "errors are the rms of its sky, without the sources' noise; name them with --err"
        )
        return None, "sky"

    def _error_candidates(self, err, stack):
        """Yield (HDU, path of another file or None, name for messages), best first."""
        def opened(path):
            hdulist = stack.enter_context(open_fits(path, memmap=False))
            self.files.append(str(path))
            protect_input(path)  # found beside the image, not named
            return hdulist

        if err is not None:
            yield self._error_asked_for(err, opened)
            return
        for word in ("ERR", "WHT"):
            try:
                hdu = own_plane(self._hdulist, self._hdu, word)
            except PixsedError as error:
                raise PixsedError(f"{self.name}: {error}") from error
            if hdu is not None:
                yield hdu, None, hdu.name
        twins = sum(is_image(hdu) and hdu.name == self._hdu.name for hdu in self._hdulist)
        for word, path in files_beside(self.location.path):
            hdu = plane_beside(opened(path), path, word, self._hdu, twins)
            if hdu is not None:
                yield hdu, path, path

    def _error_asked_for(self, err, opened):
        place = parse_location(err)
        if Path(place.path).is_file():
            same = Path(place.path).samefile(self.location.path)
            hdu = plane_of_file(self._hdulist if same else opened(place.path), place)
            path = place.path
        else:
            ext, ver = parse_extension(err.strip("[]"))
            try:
                hdu = choose_image(self._hdulist, Location(self.location.path, ext, ver))
            except PixsedError as error:
                raise PixsedError(f"--err {err} is no file; {error}") from error
            path = None
        if hdu is self._hdu:
            raise PixsedError(f"{self.name}: --err {err} is the image itself; name its errors")
        return hdu, path, err

    def _kind_of(self, hdu, path, what):
        """Return what the values of an error plane are, one of `KINDS`."""
        if self._kind_asked is not None:
            return self._kind_asked
        named, plain = kind_by_name(hdu.name, "" if path is None else _stem(path))
        image_unit = self._all_cards.get("BUNIT") if self._unit is None else self._unit
        power = power_of_unit(hdu.header.get("BUNIT"), image_unit)
        ratios = {}
        if not plain:
            bunit = hdu.header.get("BUNIT")
            scale = {POWERS[power]: unit_ratio(bunit, image_unit, power)} if power else None
            ratios = scatter_ratios(self._sample, _read_rows(hdu, self._sampled), scale)
        try:
            return decide_kind(named, power, ratios, plain)
        except PixsedError as error:
            raise PixsedError(f"{self.name}: its errors, {what}: {error}") from error

    def _usable(self, hdu, kind):
        """Return whether some pixel has an error, or none has data."""
        good = np.isfinite(to_sigma(_read_rows(hdu, self._sampled), kind))
        if (good & ~self._empty_sample).any():
            return True
        rows, any_data = RowReader(hdu), False
        for strip in strips(self.shape, _STRIP_PIXELS):
            data = np.isfinite(self._measured(self._rows.read(strip)))
            if (data & np.isfinite(to_sigma(rows.read(strip), kind))).any():
                return True
            any_data |= bool(data.any())
        return not any_data

    def _warn_of_fill(self, sample):
        """Warn of fill values, unless they are where there are no errors either."""
        good = np.isfinite(sample)
        if self._err_hdu is not None:
            good &= np.isfinite(to_sigma(_read_rows(self._err_hdu, self._sampled), self._kind))
        told = [
            f"{100 * np.mean(found):.2g} % of its pixels are exactly {value:g}"
            for value in self.fill
            if (found := good & (sample == sample.dtype.type(value))).any()
        ]
        if told:
            _warn(f"{self.name}: {' and '.join(told)}, taken as no data; if they are measured, "
                  "say --fill none")  # fmt: skip


def output_headers(image, *, inputs=(), history=()):
    """Return the headers of what is made from an `ImageFile`: PRIMARY's, and its planes'.

    Parameters
    ----------
    image : `ImageFile`
    inputs, history
        As for `pixsed.io.cube.write_cube`.
    """
    in_primary = image.header is image.primary
    primary = fits.PrimaryHDU(header=None if in_primary else copied_header(image.primary)).header
    stamp(primary, inputs=inputs, history=history)
    shared = copied_header(image.header)
    if image.location.band and image.band_in_header is None:
        shared["BAND"] = fits_card(image.location.band, "band, as named on the command line")
    return primary, shared


def robust_rms(values):
    """Return the scatter of the sky: 3-sigma clipped, by the median absolute deviation.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Any shape; what is not finite is left out.

    Returns
    -------
    float
        In the unit of `values`; NaN where fewer than 10 are finite.
    """
    from astropy.stats import mad_std, sigma_clip

    values = values[np.isfinite(values)].astype(np.float64)
    if values.size < 10:
        return float("nan")
    return float(mad_std(sigma_clip(values, sigma=3, maxiters=5, stdfunc="mad_std", masked=False)))


def is_like_sky(values):
    """Return whether values spread about as far above their median as below it.

    Pixels of sources alone, where the sky was blanked, do not.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Any shape; what is not finite is left out.
    """
    values = values[np.isfinite(values)]
    if not values.size:
        return True
    low, middle, high = np.quantile(values, (0.16, 0.5, 0.84))
    return bool(high - middle <= 2 * (middle - low))


def read_band(location):
    """Return the band of an image, from its headers alone; `PixsedError` if untold."""
    if location.band:
        return band_name({}, location.band)
    with open_fits(location.path) as hdulist:
        header = merged_header(choose_image(hdulist, location).header, hdulist[0].header)
        return band_name(header, name=location.path)


def merged_header(header, primary):
    """Return the cards of `header`, and those of `primary` that it lacks."""
    result = header.copy()
    result.extend(primary, unique=True, strip=True)
    return result


def _read_rows(hdu, numbers):
    """Return the rows of an HDU of these numbers, (n, nx)."""
    rows = RowReader(hdu)
    return np.concatenate([rows.read(slice(n, n + 1)) for n in numbers])


def _warn(message):
    warnings.warn(message, PixsedWarning, stacklevel=5)


def _stem(path):
    return re.sub(r"\.fits?(\.gz|\.fz)?$", "", Path(path).name, flags=re.IGNORECASE)
