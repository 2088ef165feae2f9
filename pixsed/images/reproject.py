"""Reproject an image to another pixel grid with its flux conserved."""

import math
import warnings

import numpy as np

from pixsed.io.headers import celestial_wcs, pixel_area_arcsec2, shifted_header


def reproject_plane(image, wcs, shape):
    """Return the flux and error of an image on another grid, with the flux conserved.

    Pixels are weighted by their area of overlap. A pixel of the new grid has no data if it
    overlaps one without data.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
    wcs : `~astropy.wcs.WCS`
        WCS of the new grid.
    shape : tuple of int
        (ny, nx) of the new grid.

    Returns
    -------
    flux, err : `~numpy.ndarray`
        (ny, nx) float32 in nJy per pixel of the new grid; NaN = no data.
    noise_corr : float
        Noise of a large sum over that of independent pixels.
    """
    from reproject import reproject_exact

    ny, nx = shape
    y, x = np.mgrid[-1 : ny + 1, -1 : nx + 1]
    edge = (y < 0) | (y >= ny) | (x < 0) | (x >= nx)
    other_x, other_y = image.wcs.world_to_pixel(wcs.pixel_to_world(x[edge], y[edge]))
    nothing = np.full(shape, np.nan, dtype=np.float32)
    if not (np.isfinite(other_x).all() and np.isfinite(other_y).all()):
        return nothing, nothing.copy(), 1.0
    x0, x1 = max(0, int(other_x.min()) - 2), min(image.shape[1], int(other_x.max()) + 4)
    y0, y1 = max(0, int(other_y.min()) - 2), min(image.shape[0], int(other_y.max()) + 4)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return nothing, nothing.copy(), 1.0
    flux, err = (part.astype(float) for part in image.read(slice(y0, y1), slice(x0, x1)))
    here = celestial_wcs(shifted_header(image.wcs_header, x0, y0), image.name)
    # Means over a pixel of the new grid, as of a surface brightness. Unit noise is averaged with
    # the same weights; its scatter is the factor by which averaging reduces the noise.
    noise = np.random.default_rng(0).standard_normal(flux.shape)
    noise[~np.isfinite(flux)] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reproject warns of NaN and of threads
        mean, variance, noise = (
            reproject_exact((plane, here), wcs, shape_out=shape, return_footprint=False)
            for plane in (flux, err**2, noise)
        )
    ratio = pixel_area_arcsec2(wcs) / pixel_area_arcsec2(here)
    lowered = float(np.nanstd(noise)) if np.isfinite(noise).sum() > 1 else 1.0
    flux = (mean * ratio).astype(np.float32)
    err = (np.sqrt(variance) * ratio * lowered).astype(np.float32)
    return flux, err, max(1.0, 1.0 / (lowered * math.sqrt(ratio)))
