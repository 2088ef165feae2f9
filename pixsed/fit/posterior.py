"""Summaries of posteriors of rows of photometry, computed in batches.

Every batch has `BATCH` rows, with empty places filled, and runs on one thread; several batches
run at the same time. Results are therefore identical to the bit for all tile sizes and numbers
of jobs, and memory does not grow with the image.
"""

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial

import numpy as np

from pixsed import cosmology
from pixsed.dq import DQ, OOD_LIMIT
from pixsed.errors import PixsedWarning
from pixsed.fit.derived import derive
from pixsed.fit.draws import base_normals
from pixsed.fit.peaks import has_two_peaks
from pixsed.fit.quantiles import at_levels, check_levels, deviation, of_draws, spread
from pixsed.parallel import ordered_map
from pixsed.properties import ordered, quantile_name

#: Number of rows per call of the model.
BATCH = 32
#: The same for the quantile engine, which has no draws.
QUANTILE_BATCH = 1024
#: A pixel's place in a batch is fixed modulo this number: 64 bytes of float32.
LANES = 16
#: Extensive properties: the value of a bin of N pixels is N times the value of one pixel.
EXTENSIVE = ("LOGMSTAR", "LOGMFORM", "LOGSFR", "LOGSFR10")


@dataclass(frozen=True)
class Rows:
    """Photometry to fit: one row per pixel, bin of pixels, or galaxy.

    Attributes
    ----------
    flux, err : `~numpy.ndarray`, shape (N, B)
        nJy, in the order of the bands of the model; NaN in both = band missing.
    redshift, redshift_err : `~numpy.ndarray`, shape (N,)
        An error of 0 means an exact redshift. Ignored by a model that infers the redshift.
    key_y, key_x : `~numpy.ndarray`, shape (N,), int
        Keys of the draws; for a pixel, its `pixsed.fit.draws.global_indices`.
    npix : `~numpy.ndarray`, shape (N,), int, optional
        Number of pixels summed in each row; masses and SFRs are divided by it.
    """

    flux: np.ndarray
    err: np.ndarray
    redshift: np.ndarray
    redshift_err: np.ndarray
    key_y: np.ndarray
    key_x: np.ndarray
    npix: np.ndarray | None = None

    def __len__(self):
        return len(self.flux)

    def __getitem__(self, index):
        values = (getattr(self, item.name) for item in fields(self))
        return Rows(*(None if value is None else value[index] for value in values))

    def at_middle_redshift(self, model):
        """Return the rows with the middle and half width of a model's redshift range."""
        low, high = model.redshift_range
        middle, half = (np.full(len(self), v) for v in ((low + high) / 2, (high - low) / 2))
        return Rows(self.flux, self.err, middle, half, self.key_y, self.key_x, self.npix)


def plan_batches(y, x, size=BATCH):
    """Return the rows of each batch, shape (K, size), int; -1 where a place is empty.

    The place of a row in its batch, modulo `LANES`, depends on its pixel alone: numerical
    kernels add numbers in an order that depends on where a row begins in memory.

    Parameters
    ----------
    y, x : `~numpy.ndarray`, shape (N,), int
        Keys of the draws.
    size : int, optional
        Rows per batch, a multiple of `LANES`.
    """
    # Five rows down, so that compact segments fill the lanes evenly.
    lane = (np.asarray(x) % LANES + 5 * (np.asarray(y) % LANES)) % LANES
    order = np.argsort(lane, kind="stable")
    count = np.bincount(lane, minlength=LANES)
    rank = np.arange(len(lane)) - np.repeat(np.cumsum(count) - count, count)
    depth = size // LANES
    batches = np.full((-(-int(count.max(initial=0)) // depth), size), -1)
    batches[rank // depth, lane[order] + LANES * (rank % depth)] = order
    return batches


def run_batches(function, y, x, jobs=1, progress=None, size=BATCH):
    """Return an iterator over ``(rows, function(index, keep))`` of each batch, in order.

    Parameters
    ----------
    function : callable
        Takes the `size` rows to compute, with empty places filled by another row of the batch,
        and the places to keep, shape (size,), bool.
    y, x : `~numpy.ndarray`, shape (N,), int
        Keys of the draws, as in `plan_batches`.
    jobs : int, optional
        Number of threads. A few batches per thread wait in memory at most.
    progress : callable, optional
        Called with the number of rows done.
    size : int, optional
        Rows per batch, as in `plan_batches`.

    Yields
    ------
    rows : `~numpy.ndarray`, int
        The rows kept.
    result
        The return value of `function`.
    """
    batches = plan_batches(y, x, size)
    keep = batches >= 0
    filled = [np.where(k, batch, batch[k][0]) for batch, k in zip(batches, keep, strict=True)]
    if jobs == 1:
        results = map(function, filled, keep)
    else:
        results = _on_threads(function, list(zip(filled, keep, strict=True)), jobs)
    found = zip((batch[k] for batch, k in zip(batches, keep, strict=True)), results, strict=True)
    return found if progress is None else map(partial(_report, progress), found)


def _on_threads(function, tasks, jobs):
    with ThreadPoolExecutor(jobs) as pool:
        yield from ordered_map(pool, lambda task: function(*task), tasks, 2 * jobs)


def _report(progress, item):
    progress(len(item[0]))
    return item


def output_names(model, options, name, *, fit_redshift, with_area):
    """Return the names of the properties that a fit gives, in no particular order.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`
        Only engine is used.
    name : str
        File name, for the warning.
    fit_redshift : bool
        Whether the redshift of any row has an error.
    with_area : bool
        Whether the rows are pixels, which have a LOGSIGMA.

    Warns
    -----
    PixsedWarning
        If the quantile engine of the model lacks properties that its flow has; they are left out.
    """
    fit_redshift = fit_redshift or model.infers_redshift
    names = [p for p in model.parameters if p != "REDSHIFT" or fit_redshift]
    ones = {p: np.ones((1, 1)) for p in model.parameters}
    names += derive(ones, model.sfh, np.ones((1, 1)), 1.0 if with_area else None)
    if options.engine == "flow":
        return names
    known = {*model.quantile_properties}
    if "LOGMSTAR" in known:
        known.add("LOGSIGMA")  # computed from the mass
    if lacking := [name for name in ordered(names) if name not in known]:
        warnings.warn(
            f"{name}: engine quantile of model {model.name} does not give {', '.join(lacking)}: "
            "left out; try --engine flow",
            PixsedWarning,
            stacklevel=2,
        )
    return [name for name in names if name in known]


def summarise(model, rows, options, *, pixel_area=None, flux_bands=(), jobs=1, progress=None):
    """Fit rows of photometry and return the quantiles of their posteriors.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    rows : `Rows`
        N rows.
    options : `~pixsed.fit.options.FitOptions`
        Only samples, quantiles, seed and engine are used; samples must be a number for the
        flow.
    pixel_area : float, optional
        arcsec^2; without it there is no LOGSIGMA.
    flux_bands : sequence of str, optional
        Bands of the model whose predicted fluxes are returned; the quantile engine has none.
    jobs : int, optional
        Number of threads.
    progress : callable, optional
        Called with the number of rows done.

    Returns
    -------
    dict of str to `~numpy.ndarray`, shape (N,), float32
        ``LOGMSTAR_P50`` and so on, ``LOGMSTAR_STD``, ``CHI2`` and ``OOD`` (NaN if the model
        gives none). REDSHIFT is NaN where the redshift is exact. With the flow also ``BIMODAL``,
        1 where the draws of METAL have two peaks and else 0, if the model has METAL; and
        ``F444W_MODEL`` [nJy] and so on, divided by the number of pixels of the row.

    Raises
    ------
    PixsedError
        If the model does not have the engine, or a quantile is outside the range of the engine.
    """
    model.check_engine(options.engine)
    if model.infers_redshift:
        rows = rows.at_middle_redshift(model)
    fit_batch, size = _summarise_draws, BATCH
    if options.engine == "quantile":
        check_levels(model.quantile_levels, options.quantiles)
        fit_batch, size = _summarise_quantiles, QUANTILE_BATCH
    else:
        columns = {f"{band}_MODEL": model.bands.index(band) for band in flux_bands}
        fit_batch = partial(fit_batch, columns)
    fit_batch = partial(fit_batch, model, rows, options, pixel_area)
    result = {}
    for index, found in run_batches(fit_batch, rows.key_y, rows.key_x, jobs, progress, size):
        for key, values in found.items():
            if key not in result:
                result[key] = np.full(len(rows), np.nan, dtype=np.float32)
            result[key][index] = values
    return result


def draw(model, rows, options, *, pixel_area=None):
    """Return the draws of rows of photometry: those of which `summarise` gives the quantiles.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    rows : `Rows`
        N rows.
    options : `~pixsed.fit.options.FitOptions`
        Only samples, which must be a number S, and seed are used.
    pixel_area : float, optional
        arcsec^2; without it there is no LOGSIGMA.

    Returns
    -------
    dict of str to `~numpy.ndarray`, shape (N, S), float32
        Draws by property, and CHI2 and OOD of shape (N,), as in `summarise`. REDSHIFT is the
        redshift of the row where it is exact.
    """
    if model.infers_redshift:
        rows = rows.at_middle_redshift(model)
    result = {}
    work = partial(_draw_batch, model, rows, options, pixel_area)
    for index, found in run_batches(work, rows.key_y, rows.key_x):
        for key, values in found.items():
            if key not in result:
                result[key] = np.empty((len(rows), *values.shape[1:]), dtype=np.float32)
            result[key][index] = values
    return result


def _draw_batch(model, rows, options, pixel_area, index, keep):
    """Return the draws of one batch by property, with CHI2 and OOD."""
    batch = rows[index]
    base = base_normals(options.seed, batch.key_y, batch.key_x, options.samples, model.base_dim)
    draws, flux_model = model.sample(
        batch.flux, batch.err, batch.redshift, batch.redshift_err, base
    )
    batch = batch[keep]
    found = _by_property(model, draws[keep], batch, pixel_area)
    flux_model = None if flux_model is None else flux_model[keep]
    found["CHI2"], found["OOD"] = model.score(
        batch.flux, batch.err, flux_model, batch.redshift, batch.redshift_err
    )
    return found


def posterior_dq(found):
    """Return the DQ bits that follow from the columns of `summarise`, shape (N,), int32."""
    with np.errstate(invalid="ignore"):
        odd = found["OOD"] < OOD_LIMIT
    dq = np.where(odd, int(DQ.OUT_OF_DISTRIBUTION), 0)
    if "BIMODAL" in found:
        dq |= np.where(found["BIMODAL"] > 0, int(DQ.BIMODAL), 0)
    return dq.astype(np.int32)


def unset_bits(model, options):
    """Return the bits of `posterior_dq` that a fit never sets: bit -> reason."""
    flow = options.engine == "flow"
    unset = {}
    if not (flow and model.has_ood):
        unset[DQ.OUT_OF_DISTRIBUTION] = "OOD is not known"
    if not (flow and "METAL" in model.parameters):
        unset[DQ.BIMODAL] = "no draws of [M/H]"
    return unset


def _by_property(model, draws, batch, pixel_area):
    """Return draws of shape (n, S, P) as a dict, per pixel, with derived properties added."""
    # Work on one property at a time, with its draws contiguous in memory.
    columns = dict(
        zip(model.parameters, np.ascontiguousarray(draws.transpose(2, 0, 1)), strict=True)
    )
    if batch.npix is not None:
        log_npix = np.log10(batch.npix)[:, None]
        columns |= {name: columns[name] - log_npix for name in EXTENSIVE if name in columns}
    uncertain = batch.redshift_err > 0
    redshift = batch.redshift[:, None]
    if uncertain.any() and "REDSHIFT" in columns:
        redshift = np.where(uncertain[:, None], columns["REDSHIFT"], redshift)
    return columns | derive(columns, model.sfh, redshift, pixel_area)


def _summarise_draws(fluxes, model, rows, options, pixel_area, index, keep):
    """Return the columns of `summarise` for one batch, from draws of the flow.

    `fluxes` has the columns of predicted fluxes: name -> index of the band.
    """
    batch, samples = rows[index], options.samples
    base = base_normals(options.seed, batch.key_y, batch.key_x, samples, model.base_dim)
    draws, flux_model = model.sample(
        batch.flux, batch.err, batch.redshift, batch.redshift_err, base
    )
    draws, batch = draws[keep], batch[keep]
    columns = _by_property(model, draws, batch, pixel_area)
    uncertain = batch.redshift_err > 0
    found = {}
    for name, values in columns.items():
        values = np.sort(values.astype(np.float32), axis=1)
        levels = of_draws(values, options.quantiles)
        for level, q in zip(levels, options.quantiles, strict=True):
            found[f"{name}_{quantile_name(q)}"] = level
        middle = values[:, samples // 2]
        found[f"{name}_STD"] = spread(values, middle)
        if name == "METAL":
            found["BIMODAL"] = has_two_peaks(values, middle, found["METAL_STD"])
    for key in (key for key in found if key.startswith("REDSHIFT_")):
        found[key] = np.where(uncertain, found[key], np.nan)
    flux_model = None if flux_model is None else flux_model[keep]
    found["CHI2"], found["OOD"] = model.score(
        batch.flux, batch.err, flux_model, batch.redshift, batch.redshift_err
    )
    for name, column in fluxes.items():
        found[name] = flux_model[:, column] / (1 if batch.npix is None else batch.npix)
    return {key: value.astype(np.float32) for key, value in found.items()}


def _summarise_quantiles(model, rows, options, pixel_area, index, keep):
    """Return the columns of `summarise` for one batch, from the network's quantiles."""
    batch = rows[index]
    values = model.quantiles(batch.flux, batch.err, batch.redshift, batch.redshift_err)[keep]
    batch, levels = batch[keep], model.quantile_levels
    columns = {name: values[:, i] for i, name in enumerate(model.quantile_properties)}
    per_arcsec2 = columns.pop("LOGSIGMA", None)  # for a pixel of one square arcsecond
    log_npix = None if batch.npix is None else np.log10(batch.npix)[:, None]
    if log_npix is not None:
        columns |= {
            name: columns[name] - log_npix.astype(np.float32)
            for name in EXTENSIVE
            if name in columns
        }
    uncertain = batch.redshift_err[:, None] > 0
    if pixel_area is not None and "LOGMSTAR" in columns:
        with np.errstate(divide="ignore"):  # at z = 0 there is no area in kpc^2
            area = np.log10(pixel_area * cosmology.kpc_per_arcsec(batch.redshift) ** 2)
        sigma = columns["LOGMSTAR"] - np.where(np.isfinite(area), area, np.nan)[:, None]
        if per_arcsec2 is not None:
            # This spread includes the uncertain distance, which affects the mass differently.
            own = per_arcsec2 - np.log10(pixel_area) - (0.0 if log_npix is None else log_npix)
            sigma = np.where(uncertain, own, sigma)
        columns["LOGSIGMA"] = sigma.astype(np.float32)
    if "REDSHIFT" in columns:
        columns["REDSHIFT"] = np.where(uncertain, columns["REDSHIFT"], np.float32(np.nan))
    found = {}
    for name, column in columns.items():
        levels_found = at_levels(column, levels, options.quantiles)
        for q, level in zip(options.quantiles, levels_found, strict=True):
            found[f"{name}_{quantile_name(q)}"] = level
        found[f"{name}_STD"] = deviation(column, levels)
    # Without draws there is no predicted photometry to compare with.
    found["CHI2"] = found["OOD"] = np.full(len(batch), np.nan, dtype=np.float32)
    return found
