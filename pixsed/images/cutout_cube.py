"""Cut the cube of one galaxy out of mosaics, and measure its sky."""

import numpy as np

from pixsed.errors import PixsedError
from pixsed.images.noise.error_scale import median_error, sky_rms
from pixsed.io.formats.cube import Cube, bands_table, cube_segmap
from pixsed.io.formats.psfmatch import psfs_of_images
from pixsed.io.headers import shifted_header
from pixsed.nodata import MAX_ERR


def cut_cube(mosaics, target, box, *, segmap=None, mask_neighbours=False, rescale_errors=False):
    """Return the cube of one galaxy and its history.

    Parameters
    ----------
    mosaics : `~pixsed.images.mosaics.Mosaics`
    target : `~pixsed.images.cutout_targets.Target`
    box : tuple of int
        (y0, y1, x0, x1) on the first image's grid, ends excluded.
    segmap : `~numpy.ndarray`, shape (y1 - y0, x1 - x0), int, optional
        Used in place of the mosaics' segmentation map.
    mask_neighbours : bool, optional
        Set the pixels of other segments to NaN in every band.
    rescale_errors : bool, optional
        Scale the errors of each band to the scatter of its mosaic's sky.

    Returns
    -------
    cube : `~pixsed.io.formats.cube.Cube`
    history : list of str
        One line per step.

    Raises
    ------
    PixsedError
        If no band has data in the box.
    """
    y0, y1, x0, x1 = box
    header = shifted_header(mosaics.header, x0, y0)
    planes = [mosaics.read_band(number, header, box) for number in range(len(mosaics.bands))]
    flux, err, noise_corr = (list(part) for part in zip(*planes, strict=True))
    if not any(np.isfinite(plane).any() for plane in flux):
        raise PixsedError(
            f"{target.name}: no data at its place in any band; is it on these images?"
        )
    if segmap is None and mosaics.segmap is not None:
        values = mosaics.segmap.read(slice(y0, y1), slice(x0, x1))
        segmap = cube_segmap(values, mosaics.segmap.name)
    history = [f"cutout: pixels x {x0 + 1}:{x1}, y {y0 + 1}:{y1} of the first image, from 1"]
    history += _noise_lines(mosaics)
    if rescale_errors:
        history += _rescale(err, mosaics.error_factors())
    sky = np.ones(flux[0].shape, dtype=bool) if segmap is None else segmap == 0
    table = bands_table(
        mosaics.bands,
        instruments=[image.instrument for image in mosaics.images],
        pivots=[image.pivot_um for image in mosaics.images],
        depths=[median_error(plane, sky) for plane in err],
        sky_rms=[sky_rms(plane, sky) for plane in flux],
        noise_corr=noise_corr,
    )
    if mask_neighbours and segmap is not None:
        others = (segmap != 0) & (segmap != int(target.name))
        for plane in (*flux, *err):
            plane[others] = np.nan
        history.append("cutout: pixels of other segments masked")
    psfmatch, psf_fwhm = psfs_of_images(mosaics.images)
    cube = Cube(
        bands=mosaics.bands,
        flux=np.stack(flux),
        err=np.stack(err),
        header=header,
        redshift=target.redshift,
        object_id=target.name,
        redshift_err=target.redshift_err,
        segmap=segmap,
        table=table,
        autocorrelation=mosaics.autocorrelation_planes(),
        psfmatch=psfmatch,
        psf_fwhm=psf_fwhm,
    )
    return cube, history


def _noise_lines(mosaics):
    """Return lines of the history about bands whose header tells no correlation of the noise."""
    measured = mosaics.autocorrelations()
    unknown = [
        band
        for band, image in zip(mosaics.bands, mosaics.images, strict=True)
        if not image.knows_noise_corr and band not in measured
    ]
    lines = []
    if measured:
        lines.append(f"cutout: noise correlation measured on the sky: {', '.join(measured)}")
    if unknown:
        lines.append(f"cutout: noise correlation not known, taken as none: {', '.join(unknown)}")
    return lines


def _rescale(err, factors):
    """Multiply the planes of errors by the bands' factors; return the lines of the history."""
    lines = []
    for plane, (band, factor) in zip(err, factors.items(), strict=True):
        if factor != 1:
            plane *= np.float32(factor)
            lines.append(f"cutout: errors of {band} multiplied by {factor:.4g}")
    return lines


def bands_without_data(cube):
    """Return the names of the bands in which no pixel has both data and a usable error."""
    return [
        band
        for band, plane, err in zip(cube.bands, cube.flux, cube.err, strict=True)
        if not (np.isfinite(plane) & (err <= MAX_ERR)).any()
    ]
