"""Selection of the pixels to fit, and of the bands to fit them in."""

import warnings
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pixsed.dq import DQ, MIN_BANDS, NOT_FITTED
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.fit.options import DEFAULT_SNR_MIN, FitOptions
from pixsed.fit.zero_points import corrected, floors
from pixsed.io.formats.cube import Binning
from pixsed.io.formats.source import CubeSource
from pixsed.nodata import count_codes, usable, warn_of_codes
from pixsed.redshifts import given_redshift, redshift_dq, trouble_text
from pixsed.snr import mean_snr, snr_bands


@dataclass
class Selection:
    """Pixels of a cube, or of a part of an image, and a mask of those to fit.

    Attributes
    ----------
    flux, err : `~numpy.ndarray`, shape (B, ny, nx), float32
        nJy, in the bands common to the source and the model; NaN in both where there is no
        measurement (`pixsed.nodata.usable`).
    bare : `~numpy.ndarray`, shape (B, ny, nx), float32
        Errors without the error floor.
    error_floor : float or `~numpy.ndarray`, shape (B,)
        Fraction of the flux that is added to `err` in quadrature.
    columns : `~numpy.ndarray`, shape (B,), int
        Indices of these bands among those of the model.
    bands : list of str
    snr : `~numpy.ndarray`, shape (ny, nx), float32
        Mean S/N over the reference bands (`pixsed.snr.mean_snr`); NaN without data.
    snr_bands : list of str
        Reference bands of pixels with data in all of them.
    nbands : `~numpy.ndarray`, shape (ny, nx), int16
        Number of bands with data.
    dq : `~numpy.ndarray`, shape (ny, nx), int32
        Bits of `~pixsed.dq.DQ`, except OUT_OF_DISTRIBUTION.
    codes : dict of str to int
        Number of values taken as missing among pixels inside (`pixsed.nodata.count_codes`).
    chosen : `~numpy.ndarray`, shape (ny, nx), bool
        Pixels to fit.
    redshift, redshift_err : float or `~numpy.ndarray`, shape (ny, nx)
    binning : `~pixsed.io.formats.cube_parts.Binning` or None
        Bins of pixels; a bin is fitted once, on its sum.
    """

    flux: np.ndarray
    err: np.ndarray
    bare: np.ndarray
    error_floor: float | np.ndarray
    columns: np.ndarray
    bands: list
    snr: np.ndarray
    snr_bands: list
    nbands: np.ndarray
    dq: np.ndarray
    codes: dict
    chosen: np.ndarray
    redshift: float | np.ndarray
    redshift_err: float | np.ndarray
    binning: Binning | None = None

    @cached_property
    def fitted(self):
        """(ny, nx) bool: pixels passed to the model, i.e. `chosen` or the first of each bin."""
        return fitted_pixels(self.chosen, self.binning)

    def npix(self, y, x):
        """Return the number of pixels in the bin of each pixel, shape (N,); None if unbinned."""
        return None if self.binning is None else self.binning.npix[y, x]

    def photometry(self, model, y, x):
        """Return flux and error of pixels, or of their whole bins, in the bands of the model.

        Both have the shape (N, number of bands of the model); NaN = missing.
        """
        result = []
        count = self.npix(y, x)
        for cube in (self.flux, self.err):
            values = cube[:, y, x] if count is None else cube[:, y, x] * count
            wide = np.full((len(y), len(model.bands)), np.nan, dtype=np.float32)
            wide[:, self.columns] = values.T
            result.append(wide)
        return result

    def redshifts(self, y, x):
        """Return redshift and error of pixels, both of shape (N,), float64."""
        return tuple(
            np.broadcast_to(values, self.chosen.shape)[y, x].astype(float)
            for values in (self.redshift, self.redshift_err)
        )


def match_bands(bands, model, name):
    """Return the indices of the bands in common with a model, in `bands` and in the model.

    A warning lists the bands that the model does not know.

    Parameters
    ----------
    bands : sequence of str
    model : `~pixsed.fit.model.Model`
    name : str
        File name, for messages.

    Returns
    -------
    index, columns : `~numpy.ndarray`, shape (K,), int
        Indices in `bands`, and among the bands of the model, in order of the model's pivot
        wavelengths. The model knows those of its own filters, which images may not tell.

    Raises
    ------
    PixsedError
        If there is no band in common.
    """
    known = [i for i, band in enumerate(bands) if band in model.bands]
    if not known:
        raise PixsedError(
            f"{name}: no band in common with model {model.name}; it has {', '.join(bands)}, the "
            f"model {', '.join(model.bands)}; rename the bands, or give another --model"
        )
    unknown = [band for band in bands if band not in model.bands]
    if unknown:
        warnings.warn(
            f"{name}: model {model.name} does not know {', '.join(unknown)}; not used",
            PixsedWarning,
            stacklevel=2,
        )
    columns = np.array([model.bands.index(bands[i]) for i in known])
    order = np.argsort(np.asarray(model.pivots)[columns], kind="stable")  # NaN last
    return np.array(known)[order], columns[order]


def quality(flux, code, snr, snr_min):
    """Return the DQ bits that follow from the photometry, and the number of bands with data.

    Parameters
    ----------
    flux, code : `~numpy.ndarray`, shape (B, ...)
        From `pixsed.nodata.usable`.
    snr : `~numpy.ndarray`, shape (...)
        Mean S/N; NaN without data.
    snr_min : float or None
        Minimum mean S/N; None = no cut.

    Returns
    -------
    dq : `~numpy.ndarray`, shape (...), int32
    nbands : `~numpy.ndarray`, shape (...), int16
    """
    nbands = np.isfinite(flux).sum(axis=0).astype(np.int16)
    dq = np.zeros(nbands.shape, dtype=np.int32)
    if snr_min is not None:
        known = ~np.isnan(snr)
        dq[known & ~(snr >= snr_min)] |= DQ.LOW_SNR
        dq[~known] |= DQ.NO_SNR
    dq[nbands == 0] |= DQ.NO_DATA
    dq[nbands < MIN_BANDS] |= DQ.FEW_BANDS
    dq[nbands < len(flux)] |= DQ.BAND_MISSING
    dq[(code > 0).any(axis=0)] |= DQ.NO_INFORMATION
    return dq, nbands


def fitted_pixels(chosen, binning):
    """Return a mask of the chosen pixels, or of the first one of each bin."""
    if binning is None:
        return chosen
    labels, index = np.unique(np.where(chosen, binning.binmap, 0), return_index=True)
    found = np.zeros(chosen.shape, dtype=bool)
    found.flat[index[labels > 0]] = True
    return found


def with_redshift(cube, options):
    """Return a cube with the redshift and error of the options, where they are given."""
    if options.redshift is None and options.redshift_err is None:
        return cube
    z, error = given_redshift(
        cube.redshift, cube.redshift_err, options.redshift, options.redshift_err
    )
    return replace(cube, redshift=z, redshift_err=error)


def select(cube, model, options=None, name="cube"):
    """Return the `Selection` of a cube in memory.

    A pixel or bin is fitted if it is in the segment of the cube's object, its mean S/N reaches
    the cut, three bands have data, and the model was trained on its redshift.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`, optional
        Only snr_min, all_pixels, error_floor, zero_points, redshift and redshift_err are used.
    name : str, optional
        File name, for messages.

    Raises
    ------
    PixsedError
        If cube and model have no band in common.

    Warns
    -----
    PixsedWarning
        If the redshift cannot be fitted, or values are taken as missing.
    """
    options = (options or FitOptions()).with_defaults(snr_min=DEFAULT_SNR_MIN)
    source = CubeSource(
        cube,
        name=name,
        redshift=options.redshift,
        redshift_err=options.redshift_err,
        all_pixels=options.all_pixels,
    )
    matched = match_bands(source.bands, model, name)
    trouble, _ = trouble_text(
        redshift_dq(source.redshift, source.redshift_err, model),
        source.redshift,
        source.redshift_err,
        model,
    )
    if trouble:
        warnings.warn(f"{name}: {trouble}", PixsedWarning, stacklevel=2)
    selection = select_pixels(source, source.read(), model, matched, options)
    warn_of_codes(selection.codes, name, "pixels")
    return selection


def select_pixels(source, pixels, model, matched, options):
    """Return the `Selection` of a part of an image.

    Parameters
    ----------
    source : `~pixsed.io.formats.source.PixelSource`
        Gives the bands and the binning.
    pixels : `~pixsed.io.formats.source.Pixels`
        The part of the source that was read.
    model : `~pixsed.fit.model.Model`
    matched : tuple of `~numpy.ndarray`
        Return value of `match_bands`.
    options : `~pixsed.fit.options.FitOptions`
        Only snr_min, error_floor and zero_points are used.
    """
    index, columns = matched
    flux, err, bare, code = usable(pixels.flux[index], pixels.err[index], options.error_floor)
    bands = [source.bands[i] for i in index]
    # After the search for values that are codes, whose digits a factor would change.
    flux, err, bare = corrected(options.zero_points, bands, flux, err, bare)
    snr = mean_snr(flux, err, bands).astype(np.float32)
    dq, nbands = quality(flux, code, snr, options.snr_min)
    dq[~pixels.inside] |= DQ.OUTSIDE
    if source.binning is not None:
        dq[source.binning.binmap == 0] |= DQ.NO_DATA
    dq |= redshift_dq(pixels.redshift, pixels.redshift_err, model)
    return Selection(
        flux=flux,
        err=err,
        bare=bare,
        error_floor=floors(options.zero_points, bands, options.error_floor),
        columns=columns,
        bands=bands,
        snr=snr,
        snr_bands=snr_bands(bands),
        nbands=nbands,
        dq=dq,
        codes=count_codes(code, bands, pixels.inside),
        chosen=(dq & NOT_FITTED) == 0,
        redshift=pixels.redshift,
        redshift_err=pixels.redshift_err,
        binning=source.binning,
    )
