"""Group the pixels of a galaxy to a target S/N: a cube in, a binned cube out."""

import dataclasses
import warnings

import numpy as np
from astropy.table import Table

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.binning.groups import Pixels, mean_snr
from pixsed.images.binning.sed import sed_bins
from pixsed.images.binning.voronoi import ENOUGH, voronoi_bins
from pixsed.images.noise.covariance import correlation_width, sum_variance
from pixsed.io.formats.cube import Binning
from pixsed.nodata import count_codes, usable, warn_of_codes
from pixsed.snr import is_reference, snr_bands

METHODS = ("voronoi", "sed")
#: Full width at half maximum of F444W's PSF, arcsec.
PSF_FWHM = 0.145
#: A band without data in more than this share of a bin's pixels has none in the bin.
MAX_MISSING = 0.5
# Share of the pixels in bins short of the target that is worth a warning: islands, which
# nothing touches, and few others are always short.
_MANY_SHORT = 0.1


def bin_cube(
    cube, *, method="voronoi", snr=10.0, bands=None, min_size=None, chi2_max=4.0, name="cube"
):
    """Group the pixels of a cube's galaxy into bins of a target S/N.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
        Its segmentation map says which pixels are the galaxy's.
    method : {"voronoi", "sed"}, optional
        `pixsed.images.binning.voronoi` or `pixsed.images.binning.sed`.
    snr : float, optional
        Target of a bin: the mean over `bands` of the S/N of its summed flux.
    bands : sequence of str, optional
        By default those of F277W, F356W and F444W that have data in the bin, or where none has
        the three reddest that have.
    min_size : float, optional
        Pixels that a bin is across at least: its area is that of such a disc. By default
        1 for ``voronoi``, and the FWHM of F444W for ``sed``.
    chi2_max : float, optional
        Reduced chi^2 up to which ``sed`` takes two shapes for one.
    name : str, optional
        The file, for messages.

    Returns
    -------
    `~pixsed.io.formats.cube.Cube`
        With `binning`. `flux` and `err` of a pixel are its bin's over the number of
        pixels; NaN in no bin, and where more than half of a bin's pixels have no data.

    Raises
    ------
    PixsedError
        If the cube is binned already, or an option makes no sense for it.

    Warns
    -----
    PixsedWarning
        If bins of more than a tenth of the pixels fall short of the target.
    """
    bands = _check(cube, method, snr, bands, min_size, chi2_max, name)
    by_data = bands is None
    pixels = galaxy_pixels(cube, bands, name)
    if by_data:
        there = pixels.good.any(axis=1)
        bands = snr_bands(
            [band for band, any_data in zip(cube.bands, there, strict=True) if any_data]
        )
    if min_size is None:
        min_size = 1.0 if method == "voronoi" else PSF_FWHM / np.sqrt(cube.pixar_a2)
    if method == "voronoi":
        labels = voronoi_bins(pixels, snr, max(1, int(np.pi / 4 * min_size**2)))
    else:
        labels = sed_bins(pixels, snr, min_size, chi2_max)
    binmap = pixels.image(_in_order(pixels, labels))
    result = binned(cube, binmap, method, snr, bands, by_data=by_data)
    found, npix = (np.asarray(result.binning.table[key]) for key in ("snr", "npix"))
    short = found < ENOUGH * snr
    if npix[short].sum() > _MANY_SHORT * npix.sum():
        warnings.warn(
            f"{name}: {short.sum()} of {len(found)} bins, with {npix[short].sum()} of "
            f"{npix.sum()} pixels, have less than {ENOUGH:g} of the S/N of {snr:g}; try a lower "
            "--snr, or leave them to fit's --snr-min",
            PixsedWarning,
            stacklevel=2,
        )
    return result


def _check(cube, method, snr, bands, min_size, chi2_max, name):
    """Return the bands chosen for the S/N, having made sure that the options make sense."""
    if cube.binning is not None:
        raise PixsedError(f"{name} is binned already; give the cube that it was made from")
    if method not in METHODS:
        raise PixsedError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    for option, value in (("snr", snr), ("min_size", min_size), ("chi2_max", chi2_max)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise PixsedError(f"{option} must be above 0, got {value:g}")
    if bands is None:
        return None
    if missing := [band for band in bands if band not in cube.bands]:
        raise PixsedError(
            f"{name} has no band {', '.join(missing)}; it has {', '.join(cube.bands)}: "
            "choose among them with --bands"
        )
    return list(dict.fromkeys(bands))


def galaxy_pixels(cube, snr_bands=None, name="cube"):
    """Return the `~pixsed.images.binning.groups.Pixels` of a cube's galaxy that have any data.

    `snr_bands` of None: those that have data, as `pixsed.snr.snr_used` says.

    Raises
    ------
    PixsedError
        If there is none with data in a band of the S/N.
    """
    flux, err, _, code = usable(cube.flux, cube.err)
    inside = cube.segment(name)
    warn_of_codes(count_codes(code, cube.bands, inside), name, "pixels")
    y, x = np.nonzero(inside & np.isfinite(flux).any(axis=0))
    flux, err = (plane[:, y, x].astype(float) for plane in (flux, err))
    chosen = cube.bands if snr_bands is None else snr_bands
    index = np.array([cube.bands.index(band) for band in chosen])
    if not np.isfinite(flux[index]).any():
        raise PixsedError(
            f"{name}: no pixel of the galaxy has data in {', '.join(chosen)}"
            + ("" if snr_bands is None else "; choose other bands with --bands")
        )
    width = np.array([correlation_width(c) for c in np.asarray(cube.table["noise_corr"], float)])
    reference = is_reference(cube.bands) if snr_bands is None else None
    return Pixels(y, x, flux, err, width, index, cube.shape, reference)


def _in_order(pixels, labels):
    """Return the labels numbered from the bin of the highest surface brightness."""
    light = np.bincount(labels, pixels.brightness) / np.bincount(labels)
    rank = np.empty(len(light), dtype=int)
    rank[np.argsort(-light, kind="stable")] = np.arange(len(light))
    return rank[labels]


def bin_sums(cube, binmap):
    """Return the summed flux of bins, and its error.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    binmap : `~numpy.ndarray`, shape (ny, nx), int
        Bins from 1 to K; 0 = in none.

    Returns
    -------
    flux, err : `~numpy.ndarray`, shape (B, K), float64
        nJy. A band without data in some pixels of a bin is the mean of the others times
        the bin's area, its error likewise; in more than half of them, NaN in both. Errors
        hold the correlation between neighbours that noise_corr of the cube's table tells.
    independent : `~numpy.ndarray`, shape (B, K), float64
        The errors if pixels were independent.
    """
    cleaned, error, _, _ = usable(cube.flux, cube.err)
    good = np.isfinite(cleaned)
    count = int(binmap.max(initial=0))

    def sums(plane):
        return np.bincount(binmap.ravel(), plane.ravel().astype(float), minlength=count + 1)[1:]

    npix = sums(np.ones(binmap.shape))
    present = np.array([sums(plane) for plane in good])
    flux = np.array([sums(np.where(g, f, 0.0)) for g, f in zip(good, cleaned, strict=True)])
    corr = np.asarray(cube.table["noise_corr"], dtype=float)
    variance = sum_variance(binmap, error, [correlation_width(c) for c in corr])
    alone = sum_variance(binmap, error, np.zeros(len(corr)))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(present >= (1 - MAX_MISSING) * npix, npix / present, np.nan)
    scale[~np.isfinite(scale)] = np.nan
    return flux * scale, np.sqrt(variance) * scale, np.sqrt(alone) * scale


def binned(cube, binmap, method, snr, snr_bands, by_data=False):
    """Return a cube with the fluxes and errors of bins over their numbers of pixels.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    binmap : `~numpy.ndarray`, shape (ny, nx), int
        Bins from 1 to K, none empty; 0 = in none.
    method : str
    snr : float
    snr_bands : sequence of str
    by_data : bool, optional
        Whether the S/N of a bin is over the bands of `pixsed.snr.snr_used`, not `snr_bands`.

    Returns
    -------
    `~pixsed.io.formats.cube.Cube`
        noise_corr of its table is the factor by which the noise of the sum of all bins
        exceeds that of independent ones, bins as they are.
    """
    flux, err, alone = bin_sums(cube, binmap)
    npix = np.bincount(binmap.ravel())[1:]
    y, x = np.nonzero(binmap)
    centre = [np.bincount(binmap[y, x], values)[1:] / npix for values in (x, y)]
    index = [cube.bands.index(band) for band in (cube.bands if by_data else snr_bands)]
    reference = is_reference(cube.bands) if by_data else None
    table = Table(
        {
            "bin": np.arange(1, len(npix) + 1, dtype=np.int32),
            "npix": npix.astype(np.int32),
            "snr": _snr_or_nan(flux[index], err[index], reference).astype(np.float32),
            "x": centre[0] + 1.0,
            "y": centre[1] + 1.0,
        }
    )
    bands = cube.table.copy()
    corr = np.asarray(bands["noise_corr"], dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        within = np.sqrt(np.nansum(err**2, axis=1) / np.nansum(alone**2, axis=1))
    bands["noise_corr"] = np.where(np.isfinite(within) & (corr > 1), corr / within, corr)

    def painted(values):
        plane = np.full((len(values), *cube.shape), np.nan, dtype=np.float32)
        plane[:, y, x] = (values / npix)[:, binmap[y, x] - 1]
        return plane

    return dataclasses.replace(
        cube,
        flux=painted(flux),
        err=painted(err),
        table=bands,
        binning=Binning(binmap, method, snr, tuple(snr_bands), table),
    )


def _snr_or_nan(flux, err, reference):
    there = np.isfinite(flux).any(axis=0)
    return np.where(there, mean_snr(flux, np.nan_to_num(err) ** 2, reference), np.nan)
