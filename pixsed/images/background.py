"""Subtract the sky background of an image and add its rms to the errors."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pixsed.checks import check_choice, check_numbers
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.background_map import BackgroundMap
from pixsed.images.informative import Informative
from pixsed.images.noise.autocorrelation import measure_scatter
from pixsed.images.noise.error_scale import IMAGE_LIMIT, is_off
from pixsed.images.opened import open_image
from pixsed.images.segmap import open_segmap
from pixsed.io.locate import choose_image, open_fits, parse_location
from pixsed.io.rows import RowReader
from pixsed.io.units import parse_unit

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from astropy.wcs import WCS

    from pixsed.io.image import ImageFile

#: Choices for adding the rms of the sky to the errors.
ADD_RMS = ("auto", "always", "never")
#: Errors above this fraction of the scatter of the sky are assumed to include the sky noise.
HOLDS_SKY = 0.8
_RANGES = {
    "box": {"least": 2, "whole": True},
    "filter_size": {"least": 1, "most": 999, "whole": True},
    "sigma": {"above": 0},
    "dilate": {"least": 0, "most": 10_000, "whole": True},
}


@dataclass(frozen=True)
class BackgroundOptions:
    """Options of the background subtraction.

    Attributes
    ----------
    box : int, optional
        Side of a background box in pixels.
    filter_size : int, optional
        Side, in boxes, of the median filter that smooths the map; odd.
    estimator : {"mean", "median", "mode", "sextractor", "biweight"}, optional
        Estimator of the level of a box from its clipped pixels.
    sigma : float, optional
        Limit of the clipping, in standard deviations.
    mask : str, optional
        Segmentation map of sources to leave out, ``path[EXT]``.
    dilate : int, optional
        Number of pixels by which the masked sources are grown.
    coverage : str, optional
        Map of exposure or weight, ``path[EXT]``. Pixels where it is NaN, zero or negative have no
        data.
    add_rms : {"auto", "always", "never"}, optional
        Whether to add the rms of the sky to the errors in quadrature. ``auto`` adds it if the
        errors are below 0.8 times the scatter of the empty sky, or if that is unknown.
    """

    box: int = 200
    filter_size: int = 3
    estimator: str = "mean"
    sigma: float = 3.0
    mask: str | None = None
    dilate: int = 0
    coverage: str | None = None
    add_rms: str = "auto"

    def __post_init__(self):
        check_choice("add_rms", self.add_rms, ADD_RMS)
        check_numbers(self, _RANGES)


@dataclass
class Background:
    """An image, or rows of it, after background subtraction.

    Attributes
    ----------
    flux : `~numpy.ndarray`, shape (ny, nx), float32
        Image with the background subtracted, in `unit`. NaN = no data.
    err : `~numpy.ndarray`, shape (ny, nx), float32
        1-sigma errors.
    background, rms : `~numpy.ndarray`, shape (ny, nx), float32
        Background that was subtracted, and the rms of the sky. NaN where `flux` is.
    wcs : `~astropy.wcs.WCS` or None
    unit : `~astropy.units.UnitBase` or None
        Unit of the four arrays, from BUNIT; None if it is unknown.
    """

    flux: np.ndarray
    err: np.ndarray
    background: np.ndarray
    rms: np.ndarray
    wcs: WCS | None = None
    unit: UnitBase | None = None


class MosaicBackground:
    """Background of an image on disk, measured and subtracted in stripes (`open_background`).

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
        One stripe at a time is in memory, in the unit of the image. Pixels with errors that are
        sentinels have no data (`~pixsed.images.informative.Informative`).
    options : `BackgroundOptions`, optional
        Its file names, `mask` and `coverage`, are not read here.
    segmap : `~pixsed.images.segmap.SegmentationMap`, optional
        Sources to leave out of the sky.
    coverage : `~pixsed.io.rows.RowReader`, optional
        Map of exposure or weight.
    progress : callable, optional
        As in `~pixsed.images.background_map.BackgroundMap`.

    Attributes
    ----------
    image, options
        As given.
    map : `~pixsed.images.background_map.BackgroundMap`
    error_ratio : float
        Errors of the image over the scatter of its empty sky. NaN if there are no errors or too
        little sky.
    adds_rms : bool
        Whether the rms is added to the errors.
    inputs : list of str
        Files that are read.

    Raises
    ------
    PixsedError
        If a map has another shape, an option is out of range, or no box has enough sky.

    Warns
    -----
    PixsedWarning
        If the resulting errors differ from the scatter of the sky by more than a factor of
        `~pixsed.images.noise.error_scale.IMAGE_LIMIT`.
    """

    def __init__(self, image, options=None, *, segmap=None, coverage=None, progress=None):
        options = options or BackgroundOptions()
        for name, other in (("mask", segmap), ("coverage map", coverage)):
            if other is not None and other.shape != image.shape:
                raise PixsedError(
                    f"its {name} is of shape {other.shape}, the image of {image.shape}; "
                    "give one of the same grid"
                )
        self.image, self.options, self.shape = image, options, image.shape
        self.inputs = list(getattr(image, "files", ()))
        self._known, self._segmap, self._coverage = Informative(image), segmap, coverage
        self._any_data = None  # unknown until the first stripe is read
        try:
            self.map = BackgroundMap(
                self._read_sky,
                image.shape,
                box=options.box,
                filter_size=options.filter_size,
                estimator=options.estimator,
                sigma=options.sigma,
                progress=progress,
            )
        except PixsedError as error:
            if self._any_data is not False:
                raise
            raise PixsedError(
                "the image has no data: every pixel is NaN or of zero weight"
            ) from error
        self.error_ratio = self._measure_error_ratio()
        # If the ratio is unknown, the errors are assumed to include only the noise of the sources.
        self.adds_rms = options.add_rms == "always" or (
            options.add_rms == "auto" and not self.error_ratio >= HOLDS_SKY
        )
        self._warn_of_errors()

    def read(self, y, x=slice(None), *, native=True):
        """Return (data, err) of a part of the image; NaN where the coverage map has no data."""
        data, err = self._known.read(y, x, native=native)
        if self._coverage is not None:
            data[~(self._coverage.read(y, x) > 0)] = np.nan
        return data, err

    def _read_sky(self, start, stop):
        sky, _ = self.read(slice(start, stop))
        self._any_data = bool(self._any_data or np.isfinite(sky).any())
        if self._segmap is not None:
            sky[self._segmap.sources(slice(start, stop), self.options.dilate)] = np.nan
        return sky

    def _measure_error_ratio(self):
        if self._known.max_error == np.inf:  # no errors
            return np.nan
        scatter = measure_scatter(self, self._segmap)
        return 1 / scatter if scatter > 0 else np.nan

    def _warn_of_errors(self):
        ratio = np.hypot(self.error_ratio, 1) if self.adds_rms else self.error_ratio
        if is_off(ratio, IMAGE_LIMIT):
            warnings.warn(
                f"{self.image.name}: ERR is {ratio:.2g} times the scatter of the empty sky"
                + (", its rms added" if self.adds_rms else "")
                + "; --err sky takes the rms alone, "
                "and cutout --rescale-errors makes them agree",
                PixsedWarning,
                stacklevel=3,
            )

    def stripes(self, progress: Callable = iter) -> Iterator[Background]:
        """Yield the `Background` of the stripes of the image, from row 0 on.

        Parameters
        ----------
        progress : callable, optional
            Wraps the list of stripes, as `tqdm.tqdm` does.
        """
        for rows in progress(self.map.stripes):
            yield self._subtract(*rows)

    def _subtract(self, start, stop):
        data, err = self.read(slice(start, stop))
        background, rms = self.map.rows(start, stop)
        empty = ~np.isfinite(data)
        total = rms
        if err is not None:
            empty |= ~np.isfinite(err)
            total = np.hypot(err, rms) if self.adds_rms else err
        planes = (data - background, total, background, rms)
        return Background(*(np.where(empty, np.nan, plane).astype(np.float32) for plane in planes))

    def whole(self) -> Background:
        """Return the `Background` of the whole image."""
        parts = list(self.stripes())
        flux, err, background, rms = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("flux", "err", "background", "rms")
        )
        unit = parse_unit(str(self.image.header.get("BUNIT", "")).strip(" '\""))
        return Background(flux, err, background, rms, wcs=self.image.wcs, unit=unit)

    def describe_errors(self) -> str:
        """Return a description of the processing of the errors."""
        if self.image.err_source == "none":
            return "ERR is the sky's rms"
        text = f"the sky's rms is {'' if self.adds_rms else 'not '}added to ERR"
        if np.isfinite(self.error_ratio):
            verb = "was" if self.adds_rms else "is"
            text += f", which {verb} {self.error_ratio:.2g} times the scatter of the empty sky"
        return text


@contextlib.contextmanager
def open_background(
    image: str | ImageFile,
    options: BackgroundOptions | None = None,
    *,
    progress: Callable | None = None,
) -> Iterator[MosaicBackground]:
    """Yield the `MosaicBackground` of an image, with the files open.

    The parameters, errors and warnings are those of `subtract_background`. `progress` wraps the
    list of stripes that are measured, as `tqdm.tqdm` does.
    """
    options = options or BackgroundOptions()
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_image(image, measure_sky=False))
        inputs, segmap, weight = list(source.files), None, None
        if options.mask:
            segmap = stack.enter_context(open_segmap(options.mask))
            inputs.append(segmap.location.path)
        if options.coverage:
            place = parse_location(options.coverage)
            opened = stack.enter_context(open_fits(place.path, memmap=False))
            weight = RowReader(choose_image(opened, place))
            inputs.append(place.path)
        try:
            found = MosaicBackground(
                source, options, segmap=segmap, coverage=weight, progress=progress
            )
        except PixsedError as error:
            raise PixsedError(f"{source.name}: {error}") from error
        found.inputs = inputs
        yield found


def subtract_background(
    image: str | ImageFile, options: BackgroundOptions | None = None
) -> Background:
    """Subtract the background of an image, as ``pixsed bkg`` does.

    The clipped mean of each box is smoothed, interpolated and subtracted. The rms of the sky is
    added to the errors in quadrature unless they include it.

    Parameters
    ----------
    image : str or `~pixsed.io.image.ImageFile`
        ``path[EXT]``, or an open image. Open it with ``measure_sky=False``, so that an image
        without errors gets the rms measured here.
    options : `BackgroundOptions`, optional

    Returns
    -------
    `Background`
        The whole image. `open_background` gives it in stripes.

    Raises
    ------
    PixsedError
        If a file cannot be read, a map has another shape, an option is out of range, or no box
        has enough sky.

    Warns
    -----
    PixsedWarning
        If the resulting errors differ from the scatter of the sky by more than a factor of 1.3.

    Examples
    --------
    >>> from pixsed.images.background import BackgroundOptions, subtract_background
    >>> options = BackgroundOptions(mask="seg.fits", dilate=5)
    >>> found = subtract_background("F606W_sci.fits", options)  # doctest: +SKIP
    >>> found.flux * found.unit  # doctest: +SKIP
    """
    with open_background(image, options) as found:
        return found.whole()
