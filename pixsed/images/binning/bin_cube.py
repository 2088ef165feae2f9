"""Bin the pixels of a galaxy to a target S/N."""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.table import Table

from pixsed.checks import check_choice, check_number
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.binning.groups import Pixels, mean_snr
from pixsed.images.binning.sed import sed_bins
from pixsed.images.binning.voronoi import ENOUGH, voronoi_bins
from pixsed.images.noise.covariance import (
    correlation_width,
    cube_autocorrelations,
    sum_variance,
    total_variance,
)
from pixsed.io.formats.cube import Binning, Cube
from pixsed.nodata import count_codes, usable, warn_of_codes
from pixsed.snr import is_reference, snr_bands

METHODS = ("voronoi", "sed")
#: FWHM of the PSF of F444W in arcsec.
PSF_FWHM = 0.145
#: Fraction of the pixels of a bin without data above which a band has no data in the bin.
MAX_MISSING = 0.5
# Fraction of the pixels in bins below the target above which a warning is given. Isolated pixels
# and few others are always below it.
_MANY_SHORT = 0.1


def bin_cube(
    cube: Cube,
    *,
    method: str = "voronoi",
    snr: float = 10.0,
    bands: Sequence[str] | None = None,
    min_size: float | None = None,
    max_chi2: float = 4.0,
    name: str = "cube",
) -> Cube:
    """Bin the pixels of a galaxy to a target S/N, as ``pixsed bin`` does.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
        The pixels of the galaxy are those of its segment in the segmentation map, or all.
    method : {"voronoi", "sed"}, optional
        Bins by S/N alone (`pixsed.images.binning.voronoi`), or of pixels with spectra of one
        shape (`pixsed.images.binning.sed`).
    snr : float, optional
        Target S/N: the mean over `bands` of the S/N of the summed flux of a bin.
    bands : sequence of str, optional
        Bands of the S/N. By default those of F277W, F356W and F444W that have data in the bin; if
        none has, the three reddest bands with data.
    min_size : float, optional
        Diameter in pixels of the disc whose area is the smallest of a bin. By default 1 for
        ``voronoi``, and the FWHM of F444W for ``sed``.
    max_chi2 : float, optional
        Reduced chi^2 up to which ``sed`` takes two spectral shapes as the same.
    name : str, optional
        File name, for messages.

    Returns
    -------
    `~pixsed.io.formats.cube.Cube`
        Cube with `binning`. `flux` and `err` of a pixel are those of its bin divided by the
        number of pixels, in nJy. They are NaN outside the bins, and in a band without data in more
        than half of the pixels of a bin.

    Raises
    ------
    PixsedError
        If the cube is binned already, an option is out of range, or no pixel has data.

    Warns
    -----
    PixsedWarning
        If more than a tenth of the pixels are in bins below the target.

    References
    ----------
    Cappellari & Copin 2003, MNRAS 342, 345; Diehl & Statler 2006, MNRAS 368, 497; Abdurro'uf et al.
    2021, ApJS 254, 15.

    Examples
    --------
    >>> import pixsed
    >>> binned = pixsed.bin_cube(pixsed.read_cube("531.fits"), snr=20)  # doctest: +SKIP
    """
    bands = _check(cube, method, snr, bands, min_size, max_chi2, name)
    by_data = bands is None
    pixels = galaxy_pixels(cube, bands, name)
    if by_data:
        there = pixels.good.any(axis=1)
        bands = snr_bands(
            [band for band, any_data in zip(cube.bands, there, strict=True) if any_data]
        )
    if min_size is None:
        area: Any = cube.pixar_a2  # a cube sets it when it is made
        min_size = 1.0 if method == "voronoi" else PSF_FWHM / np.sqrt(area)
    if method == "voronoi":
        labels = voronoi_bins(pixels, snr, max(1, int(np.pi / 4 * min_size**2)))
    else:
        labels = sed_bins(pixels, snr, min_size, max_chi2)
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


def _check(cube, method, snr, bands, min_size, max_chi2, name):
    """Return the bands of the S/N, or None for the default; raise if an option is wrong."""
    if not isinstance(cube, Cube):
        raise PixsedError(
            f"cube must be a Cube, got {type(cube).__name__}; read it with pixsed.read_cube"
        )
    if isinstance(bands, str) or (bands is not None and not len(bands)):
        raise PixsedError(f"bands must be a list of one or more bands, got {bands!r}")
    if cube.binning is not None:
        raise PixsedError(f"{name} is binned already; give the cube that it was made from")
    check_choice("method", method, METHODS)
    for option, value in (("snr", snr), ("min_size", min_size), ("max_chi2", max_chi2)):
        check_number(option, value, above=0)
    if bands is None:
        return None
    if missing := [band for band in bands if band not in cube.bands]:
        raise PixsedError(
            f"{name} has no band {', '.join(missing)}; it has {', '.join(cube.bands)}: "
            "choose among them with --bands"
        )
    return list(dict.fromkeys(bands))


def galaxy_pixels(cube, snr_bands=None, name="cube"):
    """Return the `~pixsed.images.binning.groups.Pixels` of the galaxy that have data in any band.

    If `snr_bands` is None, the S/N is over the bands of `pixsed.snr.snr_used`.

    Raises
    ------
    PixsedError
        If no pixel has data in a band of the S/N.
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
    """Return the labels in order of decreasing surface brightness of the bins."""
    light = np.bincount(labels, pixels.brightness) / np.bincount(labels)
    rank = np.empty(len(light), dtype=int)
    rank[np.argsort(-light, kind="stable")] = np.arange(len(light))
    return rank[labels]


def bin_sums(cube, binmap):
    """Return the summed flux of bins and its error.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    binmap : `~numpy.ndarray`, shape (ny, nx), int
        Bins from 1 to K; 0 = in no bin.

    Returns
    -------
    flux, err : `~numpy.ndarray`, shape (B, K), float64
        In nJy. If a band has no data in some pixels of a bin, its flux is the mean of the others
        times the area of the bin, and so is its error. Both are NaN if more than half of the
        pixels have no data. Errors include the correlation between neighbours that follows from
        noise_corr of the cube's table.
    noise_corr : `~numpy.ndarray`, shape (B,)
        Noise of the sum of all bins over that of independent bins.
    """
    cleaned, error, _, _ = usable(cube.flux, cube.err)
    good = np.isfinite(cleaned)
    count = int(binmap.max(initial=0))

    def sums(plane):
        return np.bincount(binmap.ravel(), plane.ravel().astype(float), minlength=count + 1)[1:]

    npix = sums(np.ones(binmap.shape))
    present = np.array([sums(plane) for plane in good])
    flux = np.array([sums(np.where(g, f, 0.0)) for g, f in zip(good, cleaned, strict=True)])
    rho = cube_autocorrelations(cube, cube.bands)
    variance = sum_variance(binmap, error, rho)
    inside = np.where(binmap > 0, error, np.nan)
    total = np.array([total_variance(*pair) for pair in zip(inside, rho, strict=True)])
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(present >= (1 - MAX_MISSING) * npix, npix / present, np.nan)
    scale[~np.isfinite(scale)] = np.nan
    apart = variance.sum(axis=1)
    between = np.sqrt(
        np.divide(total, apart, out=np.ones(len(rho)), where=(apart > 0) & (total > 0))
    )
    return flux * scale, np.sqrt(np.maximum(variance, 0.0)) * scale, between


def binned(cube, binmap, method, snr, snr_bands, by_data=False):
    """Return a cube with the fluxes and errors of bins divided by their numbers of pixels.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    binmap : `~numpy.ndarray`, shape (ny, nx), int
        Bins from 1 to K, none of them empty; 0 = in no bin.
    method : str
    snr : float
        Target S/N.
    snr_bands : sequence of str
    by_data : bool, optional
        Take the S/N of a bin over the bands of `pixsed.snr.snr_used`, not over `snr_bands`.

    Returns
    -------
    `~pixsed.io.formats.cube.Cube`
        The noise_corr of its table is the noise of the sum of all bins over that of independent
        bins; its autocorrelation is that of the pixels.
    """
    flux, err, between = bin_sums(cube, binmap)
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
    rho = cube_autocorrelations(cube, cube.bands)
    bands["noise_corr"] = between

    def painted(values):
        plane = np.full((len(values), *cube.shape), np.nan, dtype=np.float32)
        plane[:, y, x] = (values / npix)[:, binmap[y, x] - 1]
        return plane

    return dataclasses.replace(
        cube,
        flux=painted(flux),
        err=painted(err),
        table=bands,
        autocorrelation=rho if rho.shape[1] > 1 else cube.autocorrelation,
        binning=Binning(binmap, method, snr, tuple(snr_bands), table),
    )


def _snr_or_nan(flux, err, reference):
    there = np.isfinite(flux).any(axis=0)
    return np.where(there, mean_snr(flux, np.nan_to_num(err) ** 2, reference), np.nan)
