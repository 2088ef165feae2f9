"""Helpers that pass whole images in memory to functions that work on strips of rows."""

from dataclasses import dataclass

import numpy as np
from astropy.io import fits

from pixsed.images.background import BackgroundOptions, MosaicBackground
from pixsed.images.psf import match_plan
from pixsed.images.psf.match_plan import MatchOptions
from pixsed.io.atomic import write_hdulist
from pixsed.io.image import ImageFile, output_headers


@dataclass
class Image:
    """One band image, read: flux and error in nJy, the cards of its WCS, what its header says."""

    data: np.ndarray
    err: np.ndarray
    header: fits.Header
    band: str | None
    instrument: str
    pivot_um: float
    psfmatch: str
    noise_corr: float
    err_source: str


def read_image(location, *, unit=None, err=None, native=False):
    """Return the `Image` of what `ImageFile` opens; `native` keeps the file's unit."""
    with ImageFile(location, unit=unit, err=err) as image:
        data, error = image.read(native=native)
        _ = image.wcs
        return Image(
            data=data,
            err=error,
            header=image.wcs_header,
            band=image.band,
            instrument=image.instrument,
            pivot_um=image.pivot_um,
            psfmatch=image.psfmatch,
            noise_corr=image.noise_corr,
            err_source=image.err_source,
        )


def write_image(image, planes, path, *, overwrite=False, inputs=(), history=()):
    """Write planes made from an `ImageFile` as `MosaicWriter` does, by astropy alone.

    `planes` are extension name -> (array, cards). A plane of another shape than the image gets
    no cards but those.
    """
    primary, shared = output_headers(image, inputs=inputs, history=history)
    hdus = [fits.PrimaryHDU(header=primary)]
    for name, (array, cards) in planes.items():
        header = shared.copy() if array.shape == image.shape else fits.Header()
        header.update(cards)
        hdus.append(fits.ImageHDU(np.asarray(array, dtype=np.float32), header, name=name))
    write_hdulist(fits.HDUList(hdus), path, overwrite)


class _Array:
    """An array in place of an image, a segmentation map or a coverage map on disk."""

    name, noise_corr, wcs, header = "array", 1.0, None, {}

    def __init__(self, data, err=None):
        self._data, self._err, self.shape = data, err, np.shape(data)

    def read(self, y, x=slice(None), *, native=None):
        data = np.array(self._data[y, x], dtype=float)
        if native is None:
            return data
        if self._err is None:
            return data, None
        err = np.array(self._err[y, x], dtype=float)
        data[~np.isfinite(err)] = np.nan
        return data, err

    def sources(self, rows, dilate):
        return self._data[rows]


def subtract_background(data, err=None, *, mask=None, coverage_mask=None, **options):
    """Return the `Background` of an array; `mask` = sources, `coverage_mask` = no data."""
    found = MosaicBackground(
        _Array(data, err),
        BackgroundOptions(**options),
        segmap=None if mask is None else _Array(mask),
        coverage=None if coverage_mask is None else _Array(~coverage_mask),
    )
    return found.whole()


def plan_match(image, *, psf=None, target=None, kernel=None, **options):
    """Return the `Match` of an image, with the options as keywords."""
    options = MatchOptions(**options)
    return match_plan.plan_match(image, options, psf=psf, target=target, kernel=kernel)


def match_image(image, **options):
    """Return the `Match` of `plan_match`, with the data and errors of the matched image."""
    match = plan_match(image, **options)
    planes = list(match.strips(image))
    match.data, match.err = (np.concatenate(part) for part in zip(*planes, strict=True))
    return match
