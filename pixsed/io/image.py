"""One image of one band: its flux and error in nJy, its WCS, what its header says."""

import re
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.bandnames import band_name, band_name_or_none, instrument_name, pivot_um
from pixsed.io.cards import fits_card
from pixsed.io.headers import (
    celestial_header,
    celestial_wcs,
    copied_header,
    pixel_area_arcsec2,
)
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
from pixsed.io.rows import RowReader, sampled_rows
from pixsed.io.units import njy_per_unit

_ARCSEC2_SR = (np.pi / 180.0 / 3600.0) ** 2
_WEIGHT = re.compile(r"(^|[_-])(WHT|WEIGHT|IVM)([_-]|$)")
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
        file's ERR (for ``SCI_X``, ``ERR_X`` first; for ``X``, ``X_ERR``); else WHT, an
        inverse variance; else a file beside it with ``_err`` or ``_wht`` for ``_sci``;
        else the rms of the sky, with a `PixsedWarning`. ``"sky"`` asks for that rms.
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
        ``err``, ``weight``, ``sky`` or, without `measure_sky`, ``none``.
    files : list of str
        What is read.

    Raises
    ------
    PixsedError
        If the file, the extension or the errors cannot be found or do not fit.
    """

    def __init__(self, location, *, unit=None, err=None, measure_sky=True):
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
            self._err_hdu, self.err_source = self._find_error(err, stack, measure_sky)
            self._rows = RowReader(self._hdu)
            self._err_rows = None if self._err_hdu is None else RowReader(self._err_hdu)

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

    @property
    def wcs(self):
        """The celestial WCS; `PixsedError` where there is none."""
        return celestial_wcs(self.header, self.name)

    @property
    def wcs_header(self):
        """The cards of the celestial WCS."""
        return celestial_header(self.header)

    @property
    def factor(self):
        """nJy a pixel for a value of 1; `PixsedError` where that cannot be known."""
        if self._factor is None:
            self._factor = self._njy_per_unit(self._all_cards, self._unit)
        return self._factor

    def _njy_per_unit(self, header, unit):
        try:
            area = pixel_area_arcsec2(self.wcs) * _ARCSEC2_SR
        except PixsedError:
            area = None
        return njy_per_unit(header, unit, name=self.name, pixel_area_sr=area)

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
            (ny, nx) float32. A pixel whose value or error is not finite, or whose
            error or weight is not above zero, is NaN in both. `err` is None where
            there are no errors and none were to be measured.
        """
        factor = 1.0 if native else self.factor
        data = self._rows.read(y, x).astype(np.float64) * factor
        data[~np.isfinite(data)] = np.nan
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
        values = self._err_rows.read(y, x).astype(np.float64)
        if self.err_source == "weight":
            good = values > 0
            return np.divide(1.0, np.sqrt(values, where=good, out=np.ones_like(values)),
                             where=good, out=np.full_like(values, np.nan))
        return values * self._error_ratio()

    def _error_ratio(self):
        """Return the unit of the errors over that of the data: 1 unless BUNITs differ."""
        headers = self._err_hdu.header, self.header
        theirs, ours = (str(header.get("BUNIT", "")).strip() for header in headers)
        if not theirs or theirs == ours or self._unit is not None:
            return 1.0
        header = merged_header(self._err_hdu.header, self._all_cards)
        return self._njy_per_unit(header, None) / self.factor

    def sky_rms(self):
        """Return the robust rms of the whole image, in its own unit (sources clipped)."""
        if self._sky is None:
            rows = RowReader(self._hdu)
            sample = [rows.read(slice(r, r + 1)) for r in sampled_rows(self.shape, _SKY_PIXELS)]
            self._sky = robust_rms(np.concatenate(sample))
        return self._sky

    def _find_error(self, err, stack, measure_sky):
        """Return (HDU or None, source) of the errors, checked for shape."""
        if err == "sky" and not Path(err).is_file():
            return None, "sky" if measure_sky else "none"
        if err is not None:
            hdu, source = self._error_asked_for(err, stack)
        else:
            hdu, source = self._error_in_file() or self._error_beside(stack) or (None, "sky")
        if hdu is None and not measure_sky:
            return None, "none"
        if hdu is None:
            warnings.warn(
                f"{self.name}: no ERR, no WHT and no _err or _wht file beside it; its errors "
                "are the rms of its sky, without the sources' noise; name them with --err",
                PixsedWarning,
                stacklevel=3,
            )
        elif hdu.shape != self.shape:
            raise PixsedError(
                f"{self.name}: its errors are of shape {hdu.shape}, the image of {self.shape}; "
                "name errors of the same grid with --err"
            )
        return hdu, source

    def _error_asked_for(self, err, stack):
        place = parse_location(err)
        if Path(place.path).is_file():
            hdulist = stack.enter_context(open_fits(place.path, memmap=False))
            self.files.append(place.path)
            hdu = _only(hdulist, ("ERR", "WHT")) if place.ext is None else None
            hdu = hdu or choose_image(hdulist, place)
            by_file = bool(_WEIGHT.search(_stem(place.path).upper()))
        else:
            ext, ver = parse_extension(err.strip("[]"))
            try:
                hdu = choose_image(self._hdulist, Location(self.location.path, ext, ver))
            except PixsedError as error:
                raise PixsedError(f"--err {err} is no file; {error}") from error
            by_file = False
        is_weight = _WEIGHT.search(hdu.name) or (by_file and hdu.name != "ERR")
        return hdu, "weight" if is_weight else "err"

    def _error_in_file(self):
        name, version = self._hdu.name, self._hdu.ver
        for word, source in (("ERR", "err"), ("WHT", "weight")):
            names = [f"{name}_{word}"] if name else []
            if "SCI" in name and name != "SCI":
                names.insert(0, name.replace("SCI", word))
            for candidate in (*names, word):
                if (hdu := _find(self._hdulist, candidate, version)) is not None:
                    return hdu, source
        return None

    def _error_beside(self, stack):
        path = Path(self.location.path)
        head, found, tail = path.name.rpartition("_sci")
        if not found:
            return None
        for word, source in (("_err", "err"), ("_wht", "weight")):
            for ending in (tail, tail.removesuffix(".gz"), f"{tail}.gz"):
                beside = path.with_name(head + word + ending)
                if beside.is_file():
                    hdulist = stack.enter_context(open_fits(beside, memmap=False))
                    self.files.append(str(beside))
                    wanted = (word[1:].upper(), "SCI")
                    hdu = _only(hdulist, wanted) or choose_image(hdulist, Location(str(beside)))
                    return hdu, source
        return None


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


def _find(hdulist, name, version):
    """Return the image HDU of a name, of the version if the name has several, or None."""
    found = [hdu for hdu in hdulist if hdu.name == name and is_image(hdu)]
    for hdu in found:
        if hdu.ver == version:
            return hdu
    return found[0] if len(found) == 1 else None


def _only(hdulist, names):
    """Return the first image HDU that bears one of `names`, or None."""
    for name in names:
        if (hdu := _find(hdulist, name, 1)) is not None:
            return hdu
    return None


def _stem(path):
    return re.sub(r"\.fits?(\.gz|\.fz)?$", "", Path(path).name, flags=re.IGNORECASE)
