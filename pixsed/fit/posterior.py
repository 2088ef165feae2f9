"""From photometry to the summary of the posterior, a batch at a time.

A batch is always of `BATCH` rows, empty places filled up, and runs on one thread; several
run at once. So neither tiles nor jobs change a bit of the result, and memory does not
grow with the image.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pixsed import cosmology
from pixsed.errors import PixsedError
from pixsed.fit.derived import derive
from pixsed.fit.draws import base_normals
from pixsed.fit.quantiles import at_levels, check_levels, deviation, of_draws, spread
from pixsed.properties import quantile_name

#: Rows of one call of the model.
BATCH = 32
#: The same, of the quantile engine, which has no draws.
QUANTILE_BATCH = 1024
#: Ways of fitting: draws of the flow, or the marginal quantiles of a network in one pass.
ENGINES = ("flow", "quantile")
#: Places in a batch that a pixel always gets modulo this: 64 bytes of float32.
LANES = 16
#: Properties of the whole: of N pixels together, N times those of one.
EXTENSIVE = ("LOGMSTAR", "LOGMFORM", "LOGSFR")


def plan_batches(y, x, size=BATCH):
    """Return the rows of each batch, shape (K, size), int; -1 where a place is empty.

    A row's place in its batch, modulo `LANES`, follows from its pixel alone: kernels add
    numbers in an order that depends on where a row begins in memory.

    Parameters
    ----------
    y, x : `~numpy.ndarray`, shape (N,), int
        Keys of the draws.
    size : int, optional
        A multiple of `LANES`.
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
    """Yield ``(rows, function(rows, keep))`` of each batch, in order.

    Parameters
    ----------
    function : callable
        Of the `size` rows to compute, empty places filled with another row of the batch,
        and of the places to keep, shape (size,), bool.
    y, x : `~numpy.ndarray`, shape (N,), int
        As of `plan_batches`.
    jobs : int, optional
        Threads; no more batches than a few for each wait in memory.
    progress : callable, optional
        Called with the number of rows done.
    size : int, optional
        Rows of a batch, as of `plan_batches`.

    Yields
    ------
    rows : `~numpy.ndarray`, int
        The rows kept.
    result
        What `function` returned.
    """

    def call(batch):
        keep = batch >= 0
        return batch[keep], function(np.where(keep, batch, batch[keep][0]), keep)

    def told(result):
        if progress is not None:
            progress(len(result[0]))
        return result

    batches = plan_batches(y, x, size)
    if jobs == 1:
        for batch in batches:
            yield told(call(batch))
        return
    with ThreadPoolExecutor(jobs) as pool:
        waiting = deque()
        try:
            for batch in batches:
                waiting.append(pool.submit(call, batch))
                if len(waiting) > 2 * jobs:
                    yield told(waiting.popleft().result())
            while waiting:
                yield told(waiting.popleft().result())
        finally:
            for future in waiting:
                future.cancel()


def output_names(model, fit_redshift, with_area):
    """Return the properties that a fit gives, in no order."""
    fit_redshift = fit_redshift or model.infers_redshift
    names = [p for p in model.parameters if p != "REDSHIFT" or fit_redshift]
    ones = {p: np.ones((1, 1)) for p in model.parameters}
    return names + list(derive(ones, model.sfh, np.ones((1, 1)), 1.0 if with_area else None))


def summarise(
    model,
    flux,
    err,
    redshift,
    redshift_err,
    y,
    x,
    *,
    samples,
    quantiles,
    seed,
    jobs=1,
    pixel_area=None,
    npix=None,
    progress=None,
    engine="flow",
):
    """Fit N rows of photometry and return the quantiles of their posteriors.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    flux, err : `~numpy.ndarray`, shape (N, B)
        nJy, the bands of the model in its order; NaN in both = missing.
    redshift, redshift_err : `~numpy.ndarray`, shape (N,)
        `redshift_err` 0 = exact. A model that infers the redshift looks at neither.
    y, x : `~numpy.ndarray`, shape (N,), int
        Keys of the draws, `pixsed.fit.draws.global_indices`.
    samples : int
        Draws of the flow; of no meaning to the quantile engine.
    quantiles : sequence of float
    seed, jobs : int
    pixel_area : float, optional
        arcsec^2, for LOGSIGMA.
    npix : `~numpy.ndarray`, shape (N,), optional
        Pixels that a row is the sum of: masses and SFRs are given a pixel, divided by it.
    progress : callable, optional
        Called with the number of rows done.
    engine : {"flow", "quantile"}, optional
        Draws of the flow, or the network's marginal quantiles: faster by far, and less exact.

    Returns
    -------
    dict of str to `~numpy.ndarray`, shape (N,), float32
        ``LOGMSTAR_P50`` and so on, ``LOGMSTAR_STD``, ``CHI2`` and ``OOD`` (NaN where the
        model cannot tell). REDSHIFT is NaN where it is exact.

    Raises
    ------
    PixsedError
        If the model has not that engine, or the engine not those quantiles.
    """
    if engine not in ENGINES:
        raise PixsedError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    model.check_engine(engine)
    if model.infers_redshift:
        low, high = model.redshift_range
        redshift, redshift_err = (
            np.full(len(flux), v) for v in ((low + high) / 2, (high - low) / 2)
        )

    def by_draws(rows, keep):
        f, e, z, dz = flux[rows], err[rows], redshift[rows], redshift_err[rows]
        base = base_normals(seed, y[rows], x[rows], samples, model.base_dim)
        draws, flux_model = model.sample(f, e, z, dz, base)
        draws, f, e, z, dz = (values[keep] for values in (draws, f, e, z, dz))
        # A property at a time, its draws side by side.
        columns = dict(
            zip(model.parameters, np.ascontiguousarray(draws.transpose(2, 0, 1)), strict=True)
        )
        if npix is not None:
            share = np.log10(npix[rows[keep]])[:, None]
            columns |= {name: columns[name] - share for name in EXTENSIVE if name in columns}
        redshift_of = z[:, None]
        if (dz > 0).any() and "REDSHIFT" in columns:
            redshift_of = np.where(dz[:, None] > 0, columns["REDSHIFT"], redshift_of)
        columns |= derive(columns, model.sfh, redshift_of, pixel_area)
        found = {}
        for name, values in columns.items():
            values = np.sort(values.astype(np.float32), axis=1)
            levels = of_draws(values, quantiles)
            for level, q in zip(levels, quantiles, strict=True):
                found[f"{name}_{quantile_name(q)}"] = level
            found[f"{name}_STD"] = spread(values, values[:, samples // 2])
            if name == "REDSHIFT":
                for key in (k for k in found if k.startswith("REDSHIFT_")):
                    found[key] = np.where(dz > 0, found[key], np.nan)
        flux_model = None if flux_model is None else flux_model[keep]
        found["CHI2"], found["OOD"] = model.score(f, e, flux_model, z, dz)
        return {key: value.astype(np.float32) for key, value in found.items()}

    def by_quantiles(rows, keep):
        values = model.quantiles(flux[rows], err[rows], redshift[rows], redshift_err[rows])[keep]
        rows = rows[keep]
        share = None if npix is None else np.log10(npix[rows])
        return _quantile_columns(
            model, values, redshift[rows], redshift_err[rows], quantiles, pixel_area, share
        )

    size = BATCH
    if engine == "quantile":
        check_levels(model.quantile_levels, quantiles)
        size = QUANTILE_BATCH
    one = by_quantiles if engine == "quantile" else by_draws
    result = {}
    for rows, found in run_batches(one, y, x, jobs, progress, size):
        for key, values in found.items():
            if key not in result:
                result[key] = np.full(len(flux), np.nan, dtype=np.float32)
            result[key][rows] = values
    return result


def _quantile_columns(model, values, redshift, redshift_err, quantiles, pixel_area, share):
    """Return the columns of `summarise` from the network's quantiles (N, P', L)."""
    names, levels = model.quantile_properties, model.quantile_levels
    columns = {name: values[:, i] for i, name in enumerate(names)}
    sigma = columns.pop("LOGSIGMA", None)  # of a pixel of one square arcsecond
    if share is not None:
        columns |= {
            name: columns[name] - share[:, None].astype(np.float32)
            for name in EXTENSIVE
            if name in columns
        }
    if pixel_area is not None:
        with np.errstate(divide="ignore"):  # at z = 0 there is no area in kpc^2
            area = np.log10(pixel_area * cosmology.kpc_per_arcsec(redshift) ** 2)
        exact = columns["LOGMSTAR"] - np.where(np.isfinite(area), area, np.nan)[:, None]
        if sigma is not None:
            # An uncertain distance is in it, other than in the mass.
            sigma = sigma - np.log10(pixel_area) - (0.0 if share is None else share[:, None])
            exact = np.where(redshift_err[:, None] > 0, sigma, exact)
        columns["LOGSIGMA"] = exact.astype(np.float32)
    if "REDSHIFT" in columns:
        columns["REDSHIFT"] = np.where(
            redshift_err[:, None] > 0, columns["REDSHIFT"], np.float32(np.nan)
        )
    found = {}
    for name, column in columns.items():
        for q, level in zip(quantiles, at_levels(column, levels, quantiles), strict=True):
            found[f"{name}_{quantile_name(q)}"] = level
        found[f"{name}_STD"] = deviation(column, levels)
    # Without draws there is nothing to compare the photometry with.
    found["CHI2"] = found["OOD"] = np.full(len(values), np.nan, dtype=np.float32)
    return found
