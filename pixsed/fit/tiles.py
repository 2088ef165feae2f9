"""An image, read and fitted a tile at a time: memory does not grow with it."""

import threading
from dataclasses import dataclass, field

import numpy as np

from pixsed.dq import DQ, OOD_LIMIT
from pixsed.fit.draws import DEFAULT_SAMPLES, global_indices
from pixsed.fit.posterior import output_names, summarise
from pixsed.fit.select import match_bands, select_pixels
from pixsed.properties import check_quantiles, ordered, quantile_name
from pixsed.redshifts import check_redshift
from pixsed.snr import snr_bands

#: Pixels of a tile, unless told otherwise: enough to fill batches where few are fitted,
#: and some 100 MB with all that is held of them.
TILE_PIXELS = 1 << 16


@dataclass
class Fitted:
    """What a fit gives for a part of an image.

    Attributes
    ----------
    shape : tuple of int
        (ny, nx).
    y, x : `~numpy.ndarray`, shape (N,), int
        The pixels fitted, those of bins all.
    values : dict of str to `~numpy.ndarray`, shape (N,), float32
        As of `pixsed.fit.posterior.summarise`.
    planes : dict of str to `~numpy.ndarray`, shape (ny, nx)
        SNR, NBANDS (int16), DQ (int32), and BINMAP (int32) where pixels are binned.
    nfit : int
        Calls of the model: N, or the number of bins.
    codes : dict of str to int
        Values taken as missing, as of `~pixsed.fit.select.Selection`.
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


def tiles(shape, size):
    """Yield (slice of y, slice of x) of the tiles of `size` = (ny, nx) over an image."""
    for y in range(0, shape[0], size[0]):
        for x in range(0, shape[1], size[1]):
            yield slice(y, min(y + size[0], shape[0])), slice(x, min(x + size[1], shape[1]))


def tile_size(shape):
    """Return (ny, nx) of the tiles of an image unless told otherwise: strips of whole rows."""
    return max(1, TILE_PIXELS // shape[1]), shape[1]


def plane_names(model, quantiles, fit_redshift, with_area=True):
    """Return the properties of the maps, in order, and the planes of them all."""
    properties = ordered(output_names(model, fit_redshift, with_area))
    suffixes = [*map(quantile_name, quantiles), "STD"]
    return properties, [f"{name}_{suffix}" for name in properties for suffix in suffixes]


def fit_selection(
    model,
    selection,
    key_y,
    key_x,
    *,
    pixel_area,
    quantiles,
    seed=42,
    samples=DEFAULT_SAMPLES,
    engine="flow",
    jobs=1,
    progress=None,
):
    """Fit the pixels of a selection.

    Bins of pixels are fitted once, on their sum, with the draws of their first pixel;
    their pixels get masses and SFRs over the number of pixels, and else the bin's own.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    selection : `~pixsed.fit.select.Selection`
    key_y, key_x : `~numpy.ndarray`, shape (ny,) and (nx,)
        `pixsed.fit.draws.global_indices` of its rows and columns.
    pixel_area : float
        arcsec^2.
    quantiles, seed, samples, engine, jobs, progress
        As of `pixsed.fit.posterior.summarise`.

    Returns
    -------
    `Fitted`
    """
    y, x = np.nonzero(selection.fitted)
    values, nfit = {}, len(y)
    if nfit:
        flux, err = selection.rows(model, y, x)
        values = summarise(
            model,
            flux,
            err,
            *selection.redshifts(y, x),
            key_y[y],
            key_x[x],
            samples=samples,
            quantiles=quantiles,
            seed=seed,
            jobs=jobs,
            pixel_area=pixel_area,
            npix=selection.npix(y, x),
            progress=progress,
            engine=engine,
        )
    planes = {"SNR": selection.snr, "NBANDS": selection.nbands, "DQ": selection.dq.copy()}
    if selection.binning is not None:
        binmap = planes["BINMAP"] = selection.binning.binmap
        place = np.zeros(binmap.max() + 1, dtype=int)
        place[binmap[y, x]] = np.arange(nfit)
        y, x = np.nonzero(selection.chosen)
        values = {name: column[place[binmap[y, x]]] for name, column in values.items()}
    if nfit:
        with np.errstate(invalid="ignore"):
            odd = values["OOD"] < OOD_LIMIT
        planes["DQ"][y[odd], x[odd]] |= DQ.OUT_OF_DISTRIBUTION
    return Fitted(selection.chosen.shape, y, x, values, planes, nfit, selection.codes)


class TileFitter:
    """Reads and fits tiles of an image.

    Parameters
    ----------
    source
        What `pixsed.io.formats.source.Pixels` says: a cube on disk, or mosaics.
    model : `~pixsed.fit.model.Model`
    snr_min, error_floor : float, optional
        As of `pixsed.fit.select.select`.
    quantiles : sequence of float, optional
        The median is always among them.
    samples, seed, engine, jobs, progress
        As of `fit_selection`.
    skipped : callable, optional
        Called with the number of pixels that might have been fitted and are not.

    Attributes
    ----------
    quantiles : tuple of float
        Median first.
    properties, names : list of str
        Of the maps; see `plane_names`.
    bands, snr_bands : list of str
        Fitted, and those of the mean S/N where they have data.
    source, model, snr_min, error_floor, samples, seed, engine
        As they were given.
    has_ood : bool
        Whether the fit says what is out of distribution.

    Raises
    ------
    PixsedError
        If the source and the model have no band in common, or the one redshift of the source
        cannot be fitted.
    """

    def __init__(
        self,
        source,
        model,
        *,
        snr_min=5.0,
        error_floor=0.0,
        quantiles=(0.16, 0.5, 0.84),
        samples=DEFAULT_SAMPLES,
        seed=42,
        engine="flow",
        jobs=1,
        progress=None,
        skipped=None,
    ):
        self.source, self.model = source, model
        self.snr_min, self.error_floor = snr_min, error_floor
        self.samples, self.seed, self.engine = samples, seed, engine
        self.has_ood = engine == "flow" and model.has_ood
        self.quantiles = check_quantiles(quantiles)
        self._index, self._columns = match_bands(source.bands, model, source.name)
        self.bands = [source.bands[i] for i in self._index]
        self.snr_bands = snr_bands(self.bands)
        self.properties, self._planes = plane_names(model, self.quantiles, source.has_redshift_err)
        names = [*self._planes, "SNR", "NBANDS", "OOD", "CHI2", "DQ"]
        self.names = names + ["BINMAP"] * (source.binning is not None)
        if source.redshift is not None:
            check_redshift(source.redshift, source.redshift_err, model, source.name)
        self._jobs, self._progress, self._skipped = jobs, progress, skipped
        self._key_y, self._key_x = global_indices(source.header, source.shape)
        self._reading = threading.Lock()  # a file has one position

    def fit(self, where):
        """Return the `Fitted` of a tile, (slice of y, slice of x)."""
        y, x = where
        with self._reading:
            pixels = self.source.read(y, x)
        selection = select_pixels(
            pixels,
            self.model,
            self.source.bands,
            self._index,
            self._columns,
            self.snr_min,
            binning=self.source.binning,
            error_floor=self.error_floor,
        )
        if self._skipped is not None:
            self._skipped(int(pixels.inside.sum()) - int(selection.fitted.sum()))
        fitted = fit_selection(
            self.model,
            selection,
            self._key_y[y],
            self._key_x[x],
            quantiles=self.quantiles,
            pixel_area=self.source.pixar_a2,
            samples=self.samples,
            seed=self.seed,
            engine=self.engine,
            jobs=self._jobs,
            progress=self._progress,
        )
        # Of no property that these maps have: the redshift, where it is exact.
        keep = {*self._planes, "OOD", "CHI2"}
        fitted.values = {name: found for name, found in fitted.values.items() if name in keep}
        return fitted
