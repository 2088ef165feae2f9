"""Fit a cube: which pixels, tile by tile, into maps."""

import warnings
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pixsed.bands import SNR_BANDS
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.infer.draws import global_indices
from pixsed.infer.posterior import MIN_BANDS, OOD_LIMIT, output_names, summarise
from pixsed.infer.properties import check_quantiles, ordered, quantile_name
from pixsed.io.cube import Binning

#: Bits of DQ, from the lowest: value -> meaning.
DQ_BITS = {
    1: "outside the galaxy's segment",
    2: "mean S/N below the cut",
    4: f"no data: fewer than {MIN_BANDS} bands",
    8: f"out of distribution: OOD < {OOD_LIMIT:g}",
    16: "a band of the cube missing here",
    32: "redshift or its error outside the trained range",
}


@dataclass
class Selection:
    """The pixels of a cube, and which of them are to be fitted.

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
        `DQ_BITS` but 8.
    chosen : `~numpy.ndarray`, shape (ny, nx), bool
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


@dataclass
class Maps:
    """What a fit gives: planes of (ny, nx) by extension name.

    Attributes
    ----------
    properties : list of str
        In the order of the file.
    quantiles : tuple of float
        Median first.
    planes : dict of str to `~numpy.ndarray`, shape (ny, nx)
        ``LOGMSTAR_P50`` and so on, then SNR, NBANDS (int16), OOD, CHI2, DQ (int32).
        float32 but for these; NaN where not fitted.
    snr_bands : list of str
    nfit : int
        Pixels fitted.
    nbins : int or None
        Bins fitted, where pixels are binned; BINMAP (int32) is then among the planes.
    """

    properties: list
    quantiles: tuple
    planes: dict = field(default_factory=dict)
    snr_bands: list = field(default_factory=list)
    nfit: int = 0
    nbins: int | None = None


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


def usable(flux, err):
    """Return float32 copies of flux and err, NaN in both where either is of no use."""
    flux, err = np.array(flux, dtype=np.float32), np.array(err, dtype=np.float32)
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
    low, high = model.redshift_range
    redshift, zerr = np.asarray(redshift, dtype=float), np.asarray(zerr, dtype=float)
    limit = model.redshift_err_max * (1.0 + redshift)
    return (redshift < low) | (redshift > high) | (zerr > limit * (1 + 1e-6))


def select(cube, model, snr_min=5.0, all_pixels=False, name="cube"):
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

    Raises
    ------
    PixsedError
        If cube and model have no band in common.
    """
    index, columns = match_bands(cube.bands, model, name)
    flux, err = usable(cube.flux[index], cube.err[index])
    bands = [cube.bands[i] for i in index]
    snr, snr_bands = mean_snr(flux, err, bands)
    nbands = np.isfinite(flux).sum(axis=0).astype(np.int16)
    dq = np.zeros(cube.shape, dtype=np.int32)
    if not all_pixels:
        dq[~cube.segment(name)] |= 1
    dq[~(snr >= snr_min)] |= 2
    if cube.binning is not None:
        dq[cube.binning.binmap == 0] |= 4
    dq[nbands < MIN_BANDS] |= 4
    dq[nbands < len(bands)] |= 16
    chosen = (dq & 7) == 0
    if outside_range(model, cube.redshift, cube.zerr):
        dq |= 32
        low, high = model.redshift_range
        warnings.warn(
            f"{name}: redshift {cube.redshift:g} +- {cube.zerr:g} is outside the range of model "
            f"{model.name} (z {low:g} to {high:g}, error {model.redshift_err_max:g} (1+z) at most);"
            " DQ bit 32 is set",
            PixsedWarning,
            stacklevel=2,
        )
    return Selection(flux, err, columns, bands, snr, snr_bands, nbands, dq, chosen, cube.binning)


def tiles(shape, size):
    """Yield (slice of y, slice of x) of the tiles of `size` = (ny, nx) over an image."""
    for y in range(0, shape[0], size[0]):
        for x in range(0, shape[1], size[1]):
            yield slice(y, min(y + size[0], shape[0])), slice(x, min(x + size[1], shape[1]))


def fit_tiles(cube, model, selection, *, samples=500, quantiles=(0.5, 0.16, 0.84), tile=(256, 256),
              seed=42, jobs=1, progress=None):
    """Yield, a tile at a time, the pixels fitted and their results.

    Yields
    ------
    y, x : `~numpy.ndarray`, shape (N,), int
        Pixels of the cube, or the first of each bin.
    found : dict of str to `~numpy.ndarray`, shape (N,)
        As of `pixsed.infer.posterior.summarise`.
    """
    row_key, column_key = global_indices(cube.header, cube.shape)
    fitted = selection.fitted
    for where in tiles(cube.shape, tile):
        y, x = np.nonzero(fitted[where])
        if not len(y):
            continue
        y, x = y + where[0].start, x + where[1].start
        flux, err = selection.rows(model, y, x)
        found = summarise(
            model, flux, err, np.full(len(y), cube.redshift), np.full(len(y), cube.zerr),
            row_key[y], column_key[x], samples=samples, quantiles=quantiles, seed=seed, jobs=jobs,
            pixel_area=cube.pixar_a2, npix=selection.npix(y, x), progress=progress,
        )
        yield y, x, found


def fit_cube(cube, model, selection=None, *, samples=500, quantiles=(0.16, 0.5, 0.84),
             snr_min=5.0, all_pixels=False, tile=(256, 256), seed=42, jobs=1, progress=None):
    """Fit the pixels of a cube.

    Bins of pixels are fitted once, on their sum, with the draws of their first pixel;
    their pixels get masses and SFRs over the number of pixels, and else the bin's own.

    Parameters
    ----------
    cube : `~pixsed.io.cube.Cube`
    model : `~pixsed.infer.model.Model`
    selection : `Selection`, optional
        By default `select` with `snr_min` and `all_pixels`.
    samples : int, optional
        Posterior draws a pixel.
    quantiles : sequence of float, optional
        The median is always among them.
    snr_min, all_pixels
        See `select`.
    tile : tuple of int, optional
        (ny, nx) of the tiles; no result depends on it.
    seed, jobs : int, optional
        Seed of the draws; threads.
    progress : callable, optional
        Called with the number of pixels done.

    Returns
    -------
    `Maps`
    """
    quantiles = check_quantiles(quantiles)
    if selection is None:
        selection = select(cube, model, snr_min, all_pixels)
    names = ordered(output_names(model, cube.zerr > 0, True))
    maps = Maps(names, quantiles, snr_bands=selection.snr_bands,
                nfit=int(selection.chosen.sum()))

    def empty():
        return np.full(cube.shape, np.nan, dtype=np.float32)

    for name in names:
        for suffix in [*map(quantile_name, quantiles), "STD"]:
            maps.planes[f"{name}_{suffix}"] = empty()
    if selection.binning is not None:
        maps.nbins = int(selection.fitted.sum())
    maps.planes["SNR"] = selection.snr
    maps.planes["NBANDS"] = selection.nbands
    maps.planes["OOD"] = empty()
    maps.planes["CHI2"] = empty()
    dq = maps.planes["DQ"] = selection.dq.copy()
    for y, x, found in fit_tiles(cube, model, selection, samples=samples, quantiles=quantiles,
                                 tile=tile, seed=seed, jobs=jobs, progress=progress):
        for key, values in found.items():
            if key in maps.planes:
                maps.planes[key][y, x] = values
    if selection.binning is not None:
        _paint(maps, selection)
    with np.errstate(invalid="ignore"):
        dq[maps.planes["OOD"] < OOD_LIMIT] |= 8
    return maps


def _paint(maps, selection):
    """Give every pixel of a bin what its first one has, and add the plane BINMAP."""
    binmap = selection.binning.binmap
    first, chosen = np.nonzero(selection.fitted), selection.chosen
    place = np.zeros(binmap.max() + 1, dtype=int)
    place[binmap[first]] = np.arange(len(first[0]))
    for plane in maps.planes.values():
        if plane.dtype == np.float32:  # the others are of the pixels already
            plane[chosen] = plane[first][place[binmap[chosen]]]
    maps.planes["BINMAP"] = binmap
