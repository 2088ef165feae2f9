"""Which pixels are fitted, in which bands."""

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pixsed.bands import SNR_BANDS
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.infer.posterior import MIN_BANDS, OOD_LIMIT
from pixsed.io.cube import Binning
from pixsed.io.pixels import Pixels

#: Bits of DQ, from the lowest: value -> meaning.
DQ_BITS = {
    1: "outside the galaxy's segment",
    2: "mean S/N below the cut",
    4: f"no data: fewer than {MIN_BANDS} bands",
    8: f"out of distribution: OOD < {OOD_LIMIT:g}",
    16: "a band of the cube missing here",
    32: "redshift or its error outside the trained range",
}
#: And of maps of a mosaic, where a pixel may be without a redshift.
MOSAIC_DQ_BITS = DQ_BITS | {64: "no redshift"}
# Bits of a pixel that is not fitted.
_UNFIT = 1 | 2 | 4 | 64


@dataclass
class Selection:
    """The pixels of a cube, or of a part of an image, and which of them are to be fitted.

    Attributes
    ----------
    flux, err : `~numpy.ndarray`, shape (B, ny, nx), float32
        nJy, the bands that cube and model share, NaN in both where either is of no use.
    columns : `~numpy.ndarray`, shape (B,), int
        Their places among the model's bands.
    bands : list of str
    snr : `~numpy.ndarray`, shape (ny, nx), float32
        Mean S/N over `snr_bands`; NaN without data.
    snr_bands : list of str
    nbands : `~numpy.ndarray`, shape (ny, nx), int16
    dq : `~numpy.ndarray`, shape (ny, nx), int32
        `MOSAIC_DQ_BITS` but 8.
    chosen : `~numpy.ndarray`, shape (ny, nx), bool
    redshift, zerr : float or `~numpy.ndarray`, shape (ny, nx)
    binning : `~pixsed.io.cube.Binning` or None
        Where pixels are binned: a bin is fitted once, on its sum.
    """

    flux: np.ndarray
    err: np.ndarray
    columns: np.ndarray
    bands: list
    snr: np.ndarray
    snr_bands: list
    nbands: np.ndarray
    dq: np.ndarray
    chosen: np.ndarray
    redshift: float | np.ndarray
    zerr: float | np.ndarray
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
        return tuple(np.broadcast_to(values, self.chosen.shape)[y, x].astype(float)
                     for values in (self.redshift, self.zerr))  # fmt: skip


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


def usable(flux, err, error_floor=0.0):
    """Return float32 copies of flux and err, NaN in both where either is of no use.

    `error_floor` of the flux is added to the errors in quadrature.
    """
    flux, err = np.array(flux, dtype=np.float32), np.array(err, dtype=np.float32)
    if error_floor:
        with np.errstate(invalid="ignore"):
            err = np.where(err > 0, np.hypot(err, np.float32(error_floor) * flux), err)
    bad = ~(np.isfinite(flux) & np.isfinite(err) & (err > 0))
    flux[bad] = err[bad] = np.nan
    return flux, err


def mean_snr(flux, err, bands):
    """Return the mean S/N over `pixsed.bands.SNR_BANDS`, and the bands that it is over.

    Parameters
    ----------
    flux, err : `~numpy.ndarray`, shape (B, ...)
    bands : list of str
        In ascending wavelength: where none of the three is there, the last three count.

    Returns
    -------
    snr : `~numpy.ndarray`, shape (...), float32
        NaN where none of them has data.
    names : list of str
    """
    names = [band for band in bands if band in SNR_BANDS] or list(bands[-3:])
    index = [bands.index(band) for band in names]
    ratio = flux[index] / err[index]
    present = np.isfinite(ratio)
    with np.errstate(invalid="ignore"):
        snr = np.where(present, ratio, 0).sum(axis=0) / present.sum(axis=0)
    return snr.astype(np.float32), names


def outside_range(model, redshift, zerr):
    """Return whether a redshift or its error is outside what the model was trained on."""
    if model.infers_redshift:
        return np.zeros(np.shape(redshift), dtype=bool)
    low, high = model.redshift_range
    redshift, zerr = np.asarray(redshift, dtype=float), np.asarray(zerr, dtype=float)
    limit = model.redshift_err_max * (1.0 + redshift)
    return (redshift < low) | (redshift > high) | (zerr > limit * (1 + 1e-6))


def warn_of_range(model, what):
    """Warn that redshifts are outside the range of a model; `what` says whose they are."""
    low, high = model.redshift_range
    warnings.warn(
        f"{what} is outside the range of model {model.name} (z {low:g} to {high:g}, error "
        f"{model.redshift_err_max:g} (1+z) at most); DQ bit 32 is set",
        PixsedWarning,
        stacklevel=3,
    )


def select(cube, model, snr_min=5.0, all_pixels=False, name="cube", error_floor=0.0):
    """Return the `Selection` of a cube.

    A pixel, or a bin of them, is fitted if it is in the segment of the cube's object (where
    the segmentation map holds it, and not `all_pixels`), its mean S/N is `snr_min` or more,
    and three bands have data.

    Parameters
    ----------
    cube : `~pixsed.io.cube.Cube`
    model : `~pixsed.infer.model.Model`
    snr_min : float, optional
    all_pixels : bool, optional
        Leave the segmentation map out of account.
    name : str, optional
        The file, for messages.
    error_floor : float, optional
        Share of the flux added to the errors in quadrature.

    Raises
    ------
    PixsedError
        If cube and model have no band in common.
    """
    index, columns = match_bands(cube.bands, model, name)
    if outside_range(model, cube.redshift, cube.zerr):
        warn_of_range(model, f"{name}: redshift {cube.redshift:g} +- {cube.zerr:g}")
    inside = np.ones(cube.shape, dtype=bool) if all_pixels else cube.segment(name)
    pixels = Pixels(cube.flux, cube.err, inside, cube.redshift, cube.zerr)
    return select_pixels(pixels, model, cube.bands, index, columns, snr_min, binning=cube.binning,
                         error_floor=error_floor)  # fmt: skip


def select_pixels(pixels, model, bands, index, columns, snr_min, binning=None, error_floor=0.0):
    """Return the `Selection` of a part of an image.

    Parameters
    ----------
    pixels : `~pixsed.io.pixels.Pixels`
    model : `~pixsed.infer.model.Model`
    bands : list of str
        Of `pixels`.
    index, columns : `~numpy.ndarray`
        Of `match_bands`.
    snr_min : float
    binning : `~pixsed.io.cube.Binning`, optional
    error_floor : float, optional
        As of `select`.
    """
    flux, err = usable(pixels.flux[index], pixels.err[index], error_floor)
    bands = [bands[i] for i in index]
    snr, snr_bands = mean_snr(flux, err, bands)
    nbands = np.isfinite(flux).sum(axis=0).astype(np.int16)
    dq = np.zeros(nbands.shape, dtype=np.int32)
    dq[~pixels.inside] |= 1
    dq[~(snr >= snr_min)] |= 2
    if binning is not None:
        dq[binning.binmap == 0] |= 4
    dq[nbands < MIN_BANDS] |= 4
    dq[nbands < len(bands)] |= 16
    dq[np.broadcast_to(outside_range(model, pixels.redshift, pixels.zerr), dq.shape)] |= 32
    if not model.infers_redshift:
        dq[np.broadcast_to(np.isnan(pixels.redshift), dq.shape)] |= 64
    return Selection(flux, err, columns, bands, snr, snr_bands, nbands, dq, (dq & _UNFIT) == 0,
                     pixels.redshift, pixels.zerr, binning)  # fmt: skip
