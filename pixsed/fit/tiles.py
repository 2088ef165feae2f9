"""Fit an image tile by tile, so that memory does not grow with the image."""

import contextlib
import threading
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from pixsed.dq import DQ, count_reasons
from pixsed.fit.draws import global_indices
from pixsed.fit.posterior import Rows, output_names, posterior_dq, summarise, unset_bits
from pixsed.fit.progress import NoProgress
from pixsed.fit.select import match_bands, select_pixels
from pixsed.models import redshift_advice
from pixsed.properties import ordered, quantile_name
from pixsed.redshifts import check_redshift
from pixsed.snr import snr_bands

#: Default number of pixels per tile: enough to fill batches where few pixels are fitted. A tile
#: takes some 100 MB of memory.
TILE_PIXELS = 1 << 16


@dataclass
class FittedTile:
    """Result of a fit for one tile of an image.

    Attributes
    ----------
    shape : tuple of int
        (ny, nx).
    y, x : `~numpy.ndarray`, shape (N,), int
        Fitted pixels; where pixels are binned, all pixels of the fitted bins.
    values : dict of str to `~numpy.ndarray`, shape (N,), float32
        Columns of `pixsed.fit.posterior.summarise`.
    planes : dict of str to `~numpy.ndarray`, shape (ny, nx)
        SNR, NBANDS (int16), DQ (int32), and BINMAP (int32) where pixels are binned.
    nfit : int
        Number of rows passed to the model: N, or the number of bins.
    codes : dict of str to int
        Number of values taken as missing, as in `~pixsed.fit.select.Selection`.
    """

    shape: tuple
    y: np.ndarray
    x: np.ndarray
    values: dict
    planes: dict = field(default_factory=dict)
    nfit: int = 0
    codes: dict = field(default_factory=dict)

    def plane(self, name):
        """Return a plane of the maps, shape (ny, nx); NaN where not fitted."""
        if name in self.planes:
            return self.planes[name]
        plane = np.full(self.shape, np.nan, dtype=np.float32)
        if name in self.values:
            plane[self.y, self.x] = self.values[name]
        return plane

    def counts(self):
        """Return the counts of this tile, which `fit_tiles` adds up."""
        dq = self.planes["DQ"]
        scored = np.isfinite(self.values.get("OOD", np.zeros(0)))
        return {
            "npix": len(self.y),
            "nfit": self.nfit,
            "nscored": int(scored.sum()),
            "nood": int((dq & DQ.OUT_OF_DISTRIBUTION > 0).sum()),
            "ninside": int((dq & DQ.OUTSIDE == 0).sum()),
            **count_reasons(dq),
            **self.codes,
        }


def tiles(shape, size):
    """Yield (slice of y, slice of x) of the tiles of `size` = (ny, nx) that cover an image."""
    for y in range(0, shape[0], size[0]):
        for x in range(0, shape[1], size[1]):
            yield slice(y, min(y + size[0], shape[0])), slice(x, min(x + size[1], shape[1]))


def tile_size(shape):
    """Return the default (ny, nx) of the tiles of an image: strips of whole rows."""
    return max(1, TILE_PIXELS // shape[1]), shape[1]


def plane_names(source, model, options):
    """Return the properties of the maps, in order, and the names of all their planes."""
    names = output_names(
        model, options, source.name, fit_redshift=source.has_redshift_err, with_area=True
    )
    suffixes = [*map(quantile_name, options.quantiles), "STD"]
    properties = ordered(names)
    return properties, [f"{name}_{suffix}" for name in properties for suffix in suffixes]


class TileFitter:
    """Read and fit tiles of an image.

    Parameters
    ----------
    source : `~pixsed.io.formats.source.PixelSource`
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`
        The fields samples and snr_min must be numbers.
    jobs : int, optional
        Number of threads.
    progress : `~pixsed.fit.progress.Progress`, optional

    Attributes
    ----------
    properties, names : list of str
        Properties and planes of the maps, in order.
    bands, snr_bands, flux_bands : list of str
        Fitted bands; reference bands of pixels with data in all of them; bands whose predicted
        fluxes are among the planes.
    source, model, options
        As given.
    unset : dict of `~pixsed.dq.DQ` to str
        Bits of DQ that the fit never sets -> reason.
    files : `contextlib.ExitStack` or None
        Files that the fitter keeps open on a worker.

    Raises
    ------
    PixsedError
        If the source and the model have no band in common, or the source has a single redshift
        that cannot be fitted.
    """

    files: contextlib.ExitStack | None = None

    def __init__(self, source, model, options, *, jobs=1, progress=None):
        self.source, self.model, self.options = source, model, options
        self.unset = unset_bits(model, options)
        self._matched = match_bands(source.bands, model, source.name)
        self.bands = [source.bands[i] for i in self._matched[0]]
        self.snr_bands = snr_bands(self.bands)
        self.properties, self._planes = plane_names(source, model, options)
        self.flux_bands = self.bands if options.model_fluxes else []
        self._planes += [f"{band}_MODEL" for band in self.flux_bands]
        names = [*self._planes, "SNR", "NBANDS", "OOD", "CHI2", "DQ"]
        self.names = names + ["BINMAP"] * (source.binning is not None)
        if source.redshift is not None:
            advice = redshift_advice(", or use ")
            check_redshift(source.redshift, source.redshift_err, model, source.name, advice)
        self._jobs, self.progress = jobs, progress or NoProgress()
        self._key_y, self._key_x = global_indices(source.header, source.shape)
        self._reading = threading.Lock()  # threads would move each other's file position

    def fit(self, where):
        """Return the `FittedTile` of a tile, given as (slice of y, slice of x).

        A bin of pixels is fitted once, on its summed flux, with the draws of its first pixel.
        Its masses and SFRs are divided equally among its pixels; its other properties are
        copied to all of them.
        """
        with self._reading:
            pixels = self.source.read(*where)
        selection = select_pixels(self.source, pixels, self.model, self._matched, self.options)
        self.progress.skipped(int(pixels.inside.sum()) - int(selection.fitted.sum()))
        y, x = np.nonzero(selection.fitted)
        values = {}
        if len(y):
            rows = Rows(
                *selection.photometry(self.model, y, x),
                *selection.redshifts(y, x),
                self._key_y[where[0]][y],
                self._key_x[where[1]][x],
                selection.npix(y, x),
            )
            values = summarise(
                self.model,
                rows,
                self.options,
                pixel_area=self.source.pixar_a2,
                flux_bands=self.flux_bands,
                jobs=self._jobs,
                progress=self.progress.done,
            )
        return self._tile(selection, y, x, values)

    def _tile(self, selection, y, x, values):
        """Return a `FittedTile` with the columns fitted at pixels y, x."""
        nfit = len(y)
        planes = {"SNR": selection.snr, "NBANDS": selection.nbands, "DQ": selection.dq.copy()}
        if selection.binning is not None:
            binmap = planes["BINMAP"] = selection.binning.binmap
            row = np.zeros(binmap.max() + 1, dtype=int)
            row[binmap[y, x]] = np.arange(nfit)
            y, x = np.nonzero(selection.chosen)
            values = {name: column[row[binmap[y, x]]] for name, column in values.items()}
        if nfit:
            planes["DQ"][y, x] |= posterior_dq(values)
        # Drop the redshift columns when all redshifts are exact.
        keep = {*self._planes, "OOD", "CHI2"}
        values = {name: column for name, column in values.items() if name in keep}
        return FittedTile(selection.chosen.shape, y, x, values, planes, nfit, selection.codes)


def fit_tiles(fitter, sink, where, *, first_row=0, on_workers=None):
    """Fit tiles, one by one, and put their planes into a sink.

    Parameters
    ----------
    fitter : `TileFitter`
    sink : `~pixsed.io.writers.maps.MapsWriter` or `~pixsed.fit.cube.MapsInMemory`
        The first `done` tiles are skipped, and the new counts are added to `counts`.
    where : list of tuple of slice
        Tiles, as (slice of y, slice of x) of the source.
    first_row : int, optional
        Row of the source that is row 0 of the sink.
    on_workers : callable, optional
        Takes tiles and returns an iterator over their `FittedTile`; by default they are fitted
        in this process.

    Returns
    -------
    dict of str to int
        ``npix`` pixels fitted, ``nfit`` rows passed to the model, ``nscored`` pixels with an
        OOD score, ``nood`` pixels out of distribution, ``ninside`` pixels inside the segments.
        Pixels not fitted are counted under the names of `pixsed.dq.count_reasons`, and values
        taken as missing under names such as ``"F115W:1"`` (`pixsed.nodata.count_codes`).
    """
    counts = Counter(dict.fromkeys(("npix", "nfit", "nscored", "nood", "ninside"), 0))
    counts.update(sink.counts)
    fitter.progress.skipped(counts["ninside"])
    where = where[sink.done :]
    found = map(fitter.fit, where) if on_workers is None else on_workers(where)
    for (y, x), tile in zip(where, found, strict=True):
        for name in fitter.names:
            sink.place(name, tile.plane(name), y.start - first_row, x.start)
        more = tile.counts()
        counts.update(more)
        sink.commit(counts)
        if on_workers is not None:
            fitter.progress.done(tile.nfit)
            fitter.progress.skipped(more["ninside"] - tile.nfit)
    return dict(counts)
