"""Photometry summed over the pixels of a galaxy, as a row to fit."""

import numpy as np

from pixsed.fit.draws import key_of_name
from pixsed.fit.posterior import Rows
from pixsed.snr import is_reference, snr_used

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
        nJy, in the bands of `selection`; NaN = left out. The errors of the pixels are added in
        quadrature and multiplied by noise_corr of the cube's table; the error floor of the sum
        is added last.
    """
    where = np.nonzero(selection.fitted)
    count = selection.npix(*where)
    flux, err = (
        plane[:, *where].astype(float) * (1 if count is None else count)
        for plane in (selection.flux, selection.bare)
    )
    present = np.isfinite(flux)
    used = snr_used(present, is_reference(selection.bands))
    light = np.where(used, flux, 0.0).sum(axis=0) / np.maximum(used.sum(axis=0), 1)
    total = light.sum()
    corr = dict(zip(cube.bands, np.asarray(cube.table["noise_corr"], dtype=float), strict=True))
    sums, errors = np.full(len(flux), np.nan), np.full(len(flux), np.nan)
    for i, band in enumerate(selection.bands):
        seen = light[present[i]].sum()
        if not present[i].all() and not seen >= (1.0 - _MISSING_LIGHT) * total:
            continue
        scale = 1.0 if present[i].all() else total / seen
        factor = corr[band] if np.isfinite(corr[band]) and corr[band] > 0 else 1.0
        sums[i] = flux[i, present[i]].sum() * scale
        errors[i] = np.sqrt((err[i, present[i]] ** 2).sum()) * factor * scale
    return sums, np.hypot(errors, selection.error_floor * sums)


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
