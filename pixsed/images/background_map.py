"""Smooth map of the sky background of an image and of its rms, measured in boxes."""

import warnings

import numpy as np

from pixsed.checks import check_choice
from pixsed.errors import PixsedError, PixsedWarning

#: Estimators of the level of a box from its clipped pixels.
ESTIMATORS = ("mean", "median", "mode", "sextractor", "biweight")
# Fraction of masked pixels above which a box is filled in from its neighbours. The 10 % of
# photutils would leave hardly any box of a deep field with masked sources.
_EXCLUDE = 0.8
# Number of pixels of an image in memory at once, if a row of boxes has no more.
_STRIPE_PIXELS = 2_000_000


class BackgroundMap:
    """Sky background of an image, measured in boxes and interpolated between them.

    The result is that of `photutils.background.Background2D` for the whole image. It is measured
    and interpolated in rows of boxes, because Background2D holds several float64 copies of the
    image in memory.

    Parameters
    ----------
    read : callable
        ``read(start, stop)`` returns these rows, (stop - start, nx). NaN = not sky.
    shape : tuple of int
        (ny, nx) of the image.
    box : int, optional
        Side of a box in pixels. If the image is smaller, the box is as large as the image.
    filter_size : int, optional
        Side, in boxes, of the median filter that smooths the map; odd.
    estimator : str, optional
        One of `ESTIMATORS`: the mean, as in Iglesias-Navarro et al. (2025); the median; the mode,
        3 median - 2 mean; the choice of SExtractor between the two; the biweight location.
    sigma : float, optional
        Limit of the clipping, in standard deviations.
    progress : callable, optional
        Wraps the list of stripes, as `tqdm.tqdm` does.

    Attributes
    ----------
    mesh, rms_mesh : `~numpy.ndarray`
        Level and rms of each box, float64, with gaps filled in and smoothed.
    stripes : list of (int, int)
        First row and end of the parts that are in memory at once.

    Raises
    ------
    PixsedError
        If an option is out of range, or no box has enough sky.

    Warns
    -----
    PixsedWarning
        If the image is smaller than a box.
    """

    def __init__(
        self, read, shape, *, box=200, filter_size=3, estimator="mean", sigma=3.0, progress=None
    ):
        _validate(filter_size, estimator)
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
        """Return the background and its rms in rows `start` to `stop`, (n, nx) float64."""
        from scipy.ndimage import affine_transform

        # Pixel centres in units of boxes, as in scipy.ndimage.zoom of the whole image.
        step = 1.0 / np.array(self.box)
        offset = (np.array([start, 0]) + 0.5) * step - 0.5
        planes = []
        for mesh, spline in zip((self.mesh, self.rms_mesh), self._splines, strict=True):
            with warnings.catch_warnings():
                # scipy before 1.16 warns of a change made in 0.18.
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


def _box_statistics(data, box, estimator, sigma):
    """Return the level and rms of the boxes of some rows; NaN if too few pixels are left."""
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
            exclude_percentile=100,  # applied below, because a box at the edge is smaller
            filter_size=1,
            sigma_clip=SigmaClip(sigma=sigma),
            # Background2D clips for both estimators.
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
    """Return a mesh with NaN filled in from the nearest boxes, then median-filtered."""
    from photutils.background import Background2D, MeanBackground

    # With boxes of one pixel, photutils treats the mesh as it does its own.
    return Background2D(
        mesh,
        1,
        mask=np.isnan(mesh),
        exclude_percentile=50,
        filter_size=filter_size,
        sigma_clip=None,
        bkg_estimator=MeanBackground(sigma_clip=None),
    ).background_mesh


def _validate(filter_size, estimator):
    if filter_size % 2 == 0:
        raise PixsedError(f"filter_size must be odd, got {filter_size}")
    check_choice("estimator", estimator, ESTIMATORS)
