"""The sky background of an image: a smooth map, subtracted, and its rms."""

import warnings
from dataclasses import dataclass

import numpy as np

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.informative import Informative
from pixsed.images.noise.autocorrelation import ERRORS_OFF, measure_scatter

#: How the level of a box is taken from its clipped pixels.
ESTIMATORS = ("mean", "median", "mode", "sextractor", "biweight")
#: Whether the sky's rms is added to the errors.
ADD_RMS = ("auto", "always", "never")
#: Errors of at least this fraction of the sky's scatter include the sky's noise already.
HOLDS_SKY = 0.8
# A box with this fraction of its pixels masked is filled in from its neighbours; photutils'
# own 10 % would leave hardly a box of a deep field whose sources are masked.
_EXCLUDE = 0.8
# Pixels of an image in memory at once, if a row of boxes has no more.
_STRIPE_PIXELS = 2_000_000


@dataclass
class Background:
    """An image, or rows of it, after background subtraction; (ny, nx) float32, its unit.

    Attributes
    ----------
    data : `~numpy.ndarray`
        Background subtracted; NaN = no data.
    err : `~numpy.ndarray`
        1-sigma errors, the sky's noise included.
    background, rms : `~numpy.ndarray`
        What was subtracted, and the rms of the sky around it; NaN where `data` is.
    """

    data: np.ndarray
    err: np.ndarray
    background: np.ndarray
    rms: np.ndarray


class BackgroundMap:
    """The sky of an image, box by box, and interpolated between them.

    The same as `photutils.background.Background2D` gives for the whole image, made and
    interpolated in rows of boxes: it needs memory for those, not for the image.

    Parameters
    ----------
    read : callable
        ``read(start, stop)`` returns those rows, (stop - start, nx), NaN where a pixel is
        not sky.
    shape : tuple of int
        (ny, nx) of the image.
    box : int, optional
        Side of a box in pixels. Where the image is smaller, a box is the image, with a
        `PixsedWarning`.
    filter_size : int, optional
        Boxes a side, odd, over which the median smooths.
    estimator : str, optional
        One of `ESTIMATORS`: the mean, as in the paper; the median; the mode, 3 median -
        2 mean; SExtractor's choice between the two; the biweight location.
    sigma : float, optional
        Clipping, in standard deviations.
    progress : callable, optional
        Wraps the iterable of stripes, as `tqdm.tqdm` does.

    Attributes
    ----------
    mesh, rms_mesh : `~numpy.ndarray`
        A value a box, float64: the level and its rms, gaps filled and smoothed.
    stripes : list of (int, int)
        First row and end of the parts that are in memory at once.

    Raises
    ------
    PixsedError
        If an option is out of range, or no box has enough sky.
    """

    def __init__(
        self, read, shape, *, box=200, filter_size=3, estimator="mean", sigma=3.0, progress=None
    ):
        _validate(box, filter_size, estimator, sigma)
        self.shape = tuple(shape)
        self.box = tuple(min(box, n) for n in shape)
        if self.box != (box, box):
            warnings.warn(
                f"the image, {shape[1]} x {shape[0]} pixels, is smaller than a background "
                f"box of {box}; the box is {self.box[1]} x {self.box[0]}",
                PixsedWarning,
                stacklevel=3,
            )
        height = self.box[0] * max(1, _STRIPE_PIXELS // (self.box[0] * shape[1]))
        self.stripes = [(y, min(shape[0], y + height)) for y in range(0, shape[0], height)]
        stripes = self.stripes if progress is None else progress(self.stripes)
        found = [_box_statistics(read(*rows), self.box, estimator, sigma) for rows in stripes]
        meshes = [np.vstack(parts) for parts in zip(*found, strict=True)]
        if np.isnan(meshes[0]).all():
            raise PixsedError(
                f"the background cannot be measured (no box has {1 - _EXCLUDE:.0%} of its pixels "
                "left); try a larger --box, or less of the image masked"
            )
        self.mesh, self.rms_mesh = (_filled_and_smoothed(mesh, filter_size) for mesh in meshes)
        from scipy.ndimage import spline_filter

        self._splines = [spline_filter(m, mode="reflect") for m in (self.mesh, self.rms_mesh)]

    def rows(self, start, stop):
        """Return the background and its rms in rows `start` to `stop`, float64."""
        from scipy.ndimage import affine_transform

        # Centres of pixels, in boxes: what scipy.ndimage.zoom does for the whole image.
        step = 1.0 / np.array(self.box)
        offset = (np.array([start, 0]) + 0.5) * step - 0.5
        planes = []
        for mesh, spline in zip((self.mesh, self.rms_mesh), self._splines, strict=True):
            with warnings.catch_warnings():
                # scipy before 1.16 tells of a change in its release 0.18.
                warnings.filterwarnings("ignore", "The behavior of affine_transform", UserWarning)
                plane = affine_transform(
                    spline,
                    step,
                    offset,
                    (stop - start, self.shape[1]),
                    mode="reflect",
                    prefilter=False,
                )
            planes.append(np.clip(plane, mesh.min(), mesh.max(), out=plane))
        return planes

    def subtracted(self, data, err, start=0, *, add_rms=True):
        """Return the `Background` of rows of the image.

        Parameters
        ----------
        data : `~numpy.ndarray`
            (n, nx) float, rows from `start` on; NaN = no data.
        err : `~numpy.ndarray` or None
            (n, nx) 1-sigma errors.
        start : int, optional
        add_rms : bool, optional
            Whether the rms is added to `err` in quadrature.
        """
        background, rms = self.rows(start, start + len(data))
        empty = ~np.isfinite(data)
        total = rms
        if err is not None:
            empty |= ~np.isfinite(err)
            total = np.hypot(err, rms) if add_rms else err
        planes = (data - background, total, background, rms)
        return Background(*(np.where(empty, np.nan, plane).astype(np.float32) for plane in planes))


def _box_statistics(data, box, estimator, sigma):
    """Return the level and rms of the boxes of some rows; NaN where too little is left."""
    from astropy.stats import SigmaClip
    from photutils import background

    data = np.array(data, dtype=np.float64)
    empty = ~np.isfinite(data)
    boxes = tuple(-(-n // size) for n, size in zip(data.shape, box, strict=True))
    if empty.all():
        return np.full(boxes, np.nan), np.full(boxes, np.nan)
    try:
        found = background.Background2D(
            data,
            box,
            mask=empty,
            exclude_percentile=100,  # applied below: at the edge a stripe's box is smaller
            filter_size=1,
            sigma_clip=SigmaClip(sigma=sigma),
            # Background2D clips for both.
            bkg_estimator=_estimator(estimator),
            bkg_rms_estimator=background.StdBackgroundRMS(sigma_clip=None),
        )
    except ValueError as error:
        if "All boxes" not in str(error):
            raise
        raise PixsedError(
            f"the background cannot be measured (clipping at {sigma:g} sigma leaves no pixel); "
            "try a larger --sigma"
        ) from error
    few = found.n_pixels_mesh <= (1 - _EXCLUDE) * box[0] * box[1]
    return [
        np.where(few, np.nan, mesh) for mesh in (found.background_mesh, found.background_rms_mesh)
    ]


def _estimator(name):
    from photutils import background

    classes = {
        "mean": background.MeanBackground,
        "median": background.MedianBackground,
        "mode": background.ModeEstimatorBackground,
        "sextractor": background.SExtractorBackground,
        "biweight": background.BiweightLocationBackground,
    }
    return classes[name](sigma_clip=None)


def _filled_and_smoothed(mesh, filter_size):
    """Return a mesh with its NaN filled in from the nearest boxes, then median-smoothed."""
    from photutils.background import Background2D, MeanBackground

    # Boxes of one pixel: photutils does with the mesh what it does with its own.
    return Background2D(
        mesh,
        1,
        mask=np.isnan(mesh),
        exclude_percentile=50,
        filter_size=filter_size,
        sigma_clip=None,
        bkg_estimator=MeanBackground(sigma_clip=None),
    ).background_mesh


class MosaicBackground:
    """The background of an image on disk, measured and subtracted in stripes.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
        Of any size; a stripe of it is in memory at a time, in its own unit. Pixels whose
        errors are sentinels are no data (`~pixsed.images.informative.Informative`).
    segmap : `~pixsed.images.segmap.SegmentationMap`, optional
        Its sources are left out of the sky.
    dilate : int, optional
        Pixels by which they are grown.
    coverage : `~pixsed.io.rows.RowReader`, optional
        A map on the image's pixels, of exposure or weight, say: where it is zero, NaN or
        below zero there are no data.
    add_rms : {"auto", "always", "never"}, optional
        Whether the sky's rms is added to the errors in quadrature; ``auto``: where they
        lack it, being below `HOLDS_SKY` times the scatter of the empty sky.
    **options
        As for `BackgroundMap`.

    Attributes
    ----------
    map : `BackgroundMap`
    error_ratio : float
        The image's errors over the scatter of its empty sky; NaN where there are no
        errors, or too little sky.
    adds_rms : bool
        Whether the rms is added.

    Raises
    ------
    PixsedError
        If a map is of another shape, an option is out of range, or no box has enough sky.

    Warns
    -----
    PixsedWarning
        If the errors that come out are off the scatter of the sky by a factor of more
        than 1.3.
    """

    def __init__(self, image, *, segmap=None, dilate=0, coverage=None, add_rms="auto", **options):
        if add_rms not in ADD_RMS:
            raise PixsedError(f"add_rms must be one of {', '.join(ADD_RMS)}, got {add_rms!r}")
        for name, other in (("mask", segmap), ("coverage map", coverage)):
            if other is not None and other.shape != image.shape:
                raise PixsedError(
                    f"its {name} is of shape {other.shape}, the image of {image.shape}; "
                    "give one of the same grid"
                )
        self.shape = image.shape
        self._image, self._segmap, self._dilate = Informative(image), segmap, dilate
        self._coverage = coverage
        self._any_data = None  # not looked at yet
        try:
            self.map = BackgroundMap(self._sky, image.shape, **options)
        except PixsedError as error:
            if self._any_data is not False:
                raise
            raise PixsedError(
                "the image has no data: every pixel is NaN or of zero weight"
            ) from error
        self.error_ratio = self._error_ratio()
        # Where it cannot be told, errors are taken for those of sources alone.
        self.adds_rms = add_rms == "always" or (
            add_rms == "auto" and not self.error_ratio >= HOLDS_SKY
        )
        self._warn_of_errors(image.name)

    def read(self, y, x=slice(None), *, native=True):
        """Return (data, err) of a part of the image, NaN where the map says no data."""
        data, err = self._image.read(y, x, native=native)
        if self._coverage is not None:
            data[~(self._coverage.read(y, x) > 0)] = np.nan
        return data, err

    def _sky(self, start, stop):
        sky, _ = self.read(slice(start, stop))
        self._any_data = bool(self._any_data or np.isfinite(sky).any())
        if self._segmap is not None:
            sky[self._segmap.sources(slice(start, stop), self._dilate)] = np.nan
        return sky

    def _error_ratio(self):
        if self._image.max_error == np.inf:  # no errors
            return np.nan
        scatter = measure_scatter(self, self._segmap)
        return 1 / scatter if scatter > 0 else np.nan

    def _warn_of_errors(self, name):
        ratio = np.hypot(self.error_ratio, 1) if self.adds_rms else self.error_ratio
        if ratio > ERRORS_OFF or ratio < 1 / ERRORS_OFF:
            warnings.warn(
                f"{name}: ERR is {ratio:.2g} times the scatter of the empty sky"
                + (", its rms added" if self.adds_rms else "")
                + "; --err sky takes the rms alone, "
                "and cutout --rescale-errors makes them agree",
                PixsedWarning,
                stacklevel=3,
            )

    def stripes(self, progress=None):
        """Yield the `Background` of the image's stripes, from row 0 on."""
        stripes = self.map.stripes if progress is None else progress(self.map.stripes)
        for start, stop in stripes:
            part = self.read(slice(start, stop))
            yield self.map.subtracted(*part, start, add_rms=self.adds_rms)


def _validate(box, filter_size, estimator, sigma):
    if box < 2:
        raise PixsedError(f"box must be 2 pixels or more, got {box}")
    if filter_size < 1 or filter_size % 2 == 0:
        raise PixsedError(f"filter_size must be odd, got {filter_size}")
    if estimator not in ESTIMATORS:
        raise PixsedError(f"estimator must be one of {', '.join(ESTIMATORS)}, got {estimator!r}")
    if not sigma > 0:
        raise PixsedError(f"sigma must be above 0, got {sigma}")
