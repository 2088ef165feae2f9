"""Pixels of a galaxy that are too faint to be fitted, and their light."""

from dataclasses import replace

import numpy as np

from pixsed.dq import DQ, NOT_FITTED
from pixsed.images.noise.covariance import cube_autocorrelations, total_variance
from pixsed.snr import reference_light

#: What is done with pixels below the cut of S/N: their light is carried into the totals, or left.
FAINT = ("carry", "leave")


def faint_pixels(selection):
    """Return a mask of the pixels inside that only the cut of S/N excludes, (ny, nx) bool."""
    return (selection.dq & NOT_FITTED) == int(DQ.LOW_SNR)


def with_faint_pixels(selection):
    """Return a copy of a `~pixsed.fit.select.Selection` in which they are chosen too."""
    return replace(selection, chosen=selection.chosen | faint_pixels(selection))


def faint_light(cube, selection):
    """Return the light of the pixels below the cut of S/N over that of the fitted pixels.

    The light of a pixel is its mean flux over the reference bands (`pixsed.snr.snr_used`). The
    pixels below the cut are those of the segment that nothing else excludes.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    selection : `~pixsed.fit.select.Selection`

    Returns
    -------
    ratio, error : float
        The ratio is negative where the sum of faint pixels is; 0 and 0 if there is no such pixel,
        or no light in the fitted pixels. The error is that of the noise of the faint pixels, equal
        in all bands.
    """
    low = faint_pixels(selection)
    if not low.any():
        return 0.0, 0.0
    light, used = reference_light(selection.flux, selection.bands)
    bright = light[selection.chosen].sum()
    if not bright > 0:
        return 0.0, 0.0
    err = np.where(used & low, selection.bare / np.maximum(used.sum(axis=0), 1), 0.0)
    pairs = zip(err, cube_autocorrelations(cube, selection.bands), strict=True)
    variance = sum(total_variance(*pair) for pair in pairs)
    return float(light[low].sum() / bright), float(np.sqrt(max(variance, 0.0)) / bright)
