"""Photometry summed over the pixels of a galaxy, as a row to fit."""

import numpy as np

from pixsed.fit.draws import key_of_name
from pixsed.fit.posterior import Rows
from pixsed.images.noise.covariance import cube_autocorrelations, noise_factors, total_variance
from pixsed.snr import reference_light

# A band is left out if a larger fraction of the light is in pixels without data in the band.
_MISSING_LIGHT = 0.1


def summed_photometry(cube, selection):
    """Return the photometry summed over the chosen pixels.

    If a band has no data in some pixels, its sum is scaled up by the fraction of the light in
    the reference bands that the other pixels hold. If they hold less than nine tenths of the
    light, the band is left out.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    selection : `~pixsed.fit.select.Selection`

    Returns
    -------
    flux, err : `~numpy.ndarray`, shape (B,), float64
        nJy, in the bands of `selection`; NaN = left out. The errors are those of a sum of pixels
        with correlated noise (`pixsed.images.noise.covariance`); those of bins are added in
        quadrature and multiplied by noise_corr of the cube's table. The error floor of the sum
        is added last.
    """
    where = np.nonzero(selection.fitted)
    count = selection.npix(*where)
    flux = selection.flux[:, *where].astype(float) * (1 if count is None else count)
    present = np.isfinite(flux)
    light, _ = reference_light(flux, selection.bands)
    total = light.sum()
    variance = _variances(cube, selection)
    sums, errors = np.full(len(flux), np.nan), np.full(len(flux), np.nan)
    for i in range(len(flux)):
        seen = light[present[i]].sum()
        if not present[i].all() and not seen >= (1.0 - _MISSING_LIGHT) * total:
            continue
        scale = 1.0 if present[i].all() else total / seen
        sums[i] = flux[i, present[i]].sum() * scale
        errors[i] = np.sqrt(variance[i]) * scale
    return sums, np.hypot(errors, selection.error_floor * sums)


def _variances(cube, selection):
    """Return the variance of the sum of the chosen pixels or bins in each band, shape (B,)."""
    err = np.where(selection.fitted, selection.bare, np.nan)
    if selection.binning is None:
        y, x = (np.flatnonzero(selection.fitted.any(axis=axis)) for axis in (1, 0))
        err = err[:, y.min() : y.max() + 1, x.min() : x.max() + 1]
        pairs = zip(err, cube_autocorrelations(cube, selection.bands), strict=True)
        return np.array([total_variance(plane, factor) for plane, factor in pairs])
    variance = np.nansum((err * selection.binning.npix) ** 2, axis=(1, 2))
    return variance * noise_factors(cube, selection.bands) ** 2


def row_of_sum(flux, err, cube, model, selection, name):
    """Return the `~pixsed.fit.posterior.Rows` of the photometry of `summed_photometry`.

    Parameters
    ----------
    flux, err : `~numpy.ndarray`, shape (B,)
        In the bands of `selection`.
    cube, model, selection
        As for `summed_photometry`.
    name : str
        Name that determines the base normals.
    """
    wide = np.full((2, 1, len(model.bands)), np.nan, dtype=np.float32)
    wide[0, 0, selection.columns], wide[1, 0, selection.columns] = flux, err
    redshift = np.array([cube.redshift], dtype=float), np.array([cube.redshift_err], dtype=float)
    return Rows(*wide, *redshift, np.zeros(1, np.int64), np.array([key_of_name(name)]))
