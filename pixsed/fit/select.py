"""Which pixels are fitted, in which bands."""

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pixsed.dq import DQ, MIN_BANDS, NOT_FITTED
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.formats.cube import Binning
from pixsed.io.formats.source import Pixels
from pixsed.nodata import count_codes, usable, warn_of_codes
from pixsed.redshifts import redshift_dq, trouble_text
from pixsed.snr import mean_snr, snr_bands


@dataclass
class Selection:
    """The pixels of a cube, or of a part of an image, and which of them are to be fitted.

    Attributes
    ----------
    flux, err : `~numpy.ndarray`, shape (B, ny, nx), float32
        nJy, the bands that cube and model share, NaN in both where they are no measurement
        (`pixsed.nodata.usable`).
    bare : `~numpy.ndarray`, shape (B, ny, nx), float32
        The errors without the error floor.
    error_floor : float
        Fraction of the flux that is in `err`, in quadrature.
    columns : `~numpy.ndarray`, shape (B,), int
        Their places among the model's bands.
    bands : list of str
    snr : `~numpy.ndarray`, shape (ny, nx), float32
        Mean S/N, of `pixsed.snr.mean_snr`; NaN without data.
    snr_bands : list of str
        Bands of the mean S/N where they have data.
    nbands : `~numpy.ndarray`, shape (ny, nx), int16
    dq : `~numpy.ndarray`, shape (ny, nx), int32
        `~pixsed.dq.DQ` but OUT_OF_DISTRIBUTION.
    codes : dict of str to int
        Values taken as missing, `pixsed.nodata.count_codes` of pixels inside.
    chosen : `~numpy.ndarray`, shape (ny, nx), bool
    redshift, redshift_err : float or `~numpy.ndarray`, shape (ny, nx)
    binning : `~pixsed.io.formats.cube.Binning` or None
        Where pixels are binned: a bin is fitted once, on its sum.
    """

    flux: np.ndarray
    err: np.ndarray
    bare: np.ndarray
    error_floor: float
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
        """(ny, nx) bool: where the model is called, `chosen` or the first pixel of each bin."""
        if self.binning is None:
            return self.chosen
        labels, index = np.unique(np.where(self.chosen, self.binning.binmap, 0), return_index=True)
        found = np.zeros(self.chosen.shape, dtype=bool)
        found.flat[index[labels > 0]] = True
        return found

    def npix(self, y, x):
        """Return the number of pixels of the bins of pixels, shape (N,); None without bins."""
        return None if self.binning is None else self.binning.npix[y, x]

    def rows(self, model, y, x):
        """Return flux and err of pixels, or of all of their bins, NaN = missing.

        Both are of shape (N, B of the model).
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
    """Return (indices into `bands`, places among the model's bands) of those in common.

    Warns once of bands that the model does not know.

    Raises
    ------
    PixsedError
        If no band is in common.
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
            f"{name}: model {model.name} does not know {', '.join(unknown)}: left out",
            PixsedWarning,
            stacklevel=2,
        )
    return np.array(known), np.array([model.bands.index(bands[i]) for i in known])


def quality(flux, code, snr, snr_min):
    """Return the bits of DQ that follow from the photometry, and the number of bands.

    Parameters
    ----------
    flux, code : `~numpy.ndarray`, shape (B, ...)
        Of `pixsed.nodata.usable`.
    snr : `~numpy.ndarray`, shape (...)
        Mean S/N, NaN without data.
    snr_min : float or None
        Least mean S/N of what is fitted; None = no cut.

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


def select(cube, model, snr_min=5.0, all_pixels=False, name="cube", error_floor=0.0):
    """Return the `Selection` of a cube.

    A pixel, or a bin of them, is fitted if it is in the segment of the cube's object (where
    the segmentation map holds it, and not `all_pixels`), its mean S/N is `snr_min` or more,
    three bands have data, and the redshift is one that the model was trained on.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    model : `~pixsed.fit.model.Model`
    snr_min : float, optional
    all_pixels : bool, optional
        Leave the segmentation map out of account.
    name : str, optional
        The file, for messages.
    error_floor : float, optional
        Fraction of the flux added to the errors in quadrature.

    Raises
    ------
    PixsedError
        If cube and model have no band in common.

    Warns
    -----
    PixsedWarning
        Of a redshift that cannot be fitted, and of values taken as missing.
    """
    index, columns = match_bands(cube.bands, model, name)
    trouble, _ = trouble_text(
        redshift_dq(cube.redshift, cube.redshift_err, model),
        cube.redshift,
        cube.redshift_err,
        model,
    )
    if trouble:
        warnings.warn(f"{name}: {trouble}", PixsedWarning, stacklevel=2)
    inside = np.ones(cube.shape, dtype=bool) if all_pixels else cube.segment(name)
    pixels = Pixels(cube.flux, cube.err, inside, cube.redshift, cube.redshift_err)
    selection = select_pixels(
        pixels,
        model,
        cube.bands,
        index,
        columns,
        snr_min,
        binning=cube.binning,
        error_floor=error_floor,
    )
    warn_of_codes(selection.codes, name, "pixels")
    return selection


def select_pixels(pixels, model, bands, index, columns, snr_min, binning=None, error_floor=0.0):
    """Return the `Selection` of a part of an image.

    Parameters
    ----------
    pixels : `~pixsed.io.formats.source.Pixels`
    model : `~pixsed.fit.model.Model`
    bands : list of str
        Of `pixels`.
    index, columns : `~numpy.ndarray`
        Of `match_bands`.
    snr_min : float
    binning : `~pixsed.io.formats.cube.Binning`, optional
    error_floor : float, optional
        As of `select`.
    """
    flux, err, bare, code = usable(pixels.flux[index], pixels.err[index], error_floor)
    bands = [bands[i] for i in index]
    snr = mean_snr(flux, err, bands).astype(np.float32)
    dq, nbands = quality(flux, code, snr, snr_min)
    dq[~pixels.inside] |= DQ.OUTSIDE
    if binning is not None:
        dq[binning.binmap == 0] |= DQ.NO_DATA
    dq |= redshift_dq(pixels.redshift, pixels.redshift_err, model)
    codes = count_codes(code, bands, pixels.inside)
    return Selection(
        flux=flux,
        err=err,
        bare=bare,
        error_floor=error_floor,
        columns=columns,
        bands=bands,
        snr=snr,
        snr_bands=snr_bands(bands),
        nbands=nbands,
        dq=dq,
        codes=codes,
        chosen=(dq & NOT_FITTED) == 0,
        redshift=pixels.redshift,
        redshift_err=pixels.redshift_err,
        binning=binning,
    )
