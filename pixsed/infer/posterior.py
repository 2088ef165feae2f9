"""From photometry to the summary of the posterior, a batch at a time.

A batch is always of `BATCH` rows, a short one filled up, and runs on one thread; several
run at once. So neither tiles nor jobs change a bit of the result, and memory does not
grow with the image.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pixsed.infer.derived import derive
from pixsed.infer.draws import base_normals
from pixsed.infer.properties import quantile_name

#: Rows of one call of the model.
BATCH = 32
#: Fewest bands a pixel is fitted with.
MIN_BANDS = 3
#: Below this share the model cannot explain the photometry.
OOD_LIMIT = 1e-3


def run_batches(function, count, jobs=1, progress=None):
    """Yield ``function(start, stop)`` of each batch of `count` rows, in order.

    Parameters
    ----------
    function : callable
    count : int
    jobs : int, optional
        Threads; no more batches than a few for each wait in memory.
    progress : callable, optional
        Called with the number of rows done.
    """
    spans = [(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]

    def finish(span, result):
        if progress is not None:
            progress(span[1] - span[0])
        return result

    if jobs == 1:
        for span in spans:
            yield finish(span, function(*span))
        return
    with ThreadPoolExecutor(jobs) as pool:
        waiting = deque()
        try:
            for span in spans:
                waiting.append((span, pool.submit(function, *span)))
                if len(waiting) > 2 * jobs:
                    done, future = waiting.popleft()
                    yield finish(done, future.result())
            while waiting:
                done, future = waiting.popleft()
                yield finish(done, future.result())
        finally:
            for _, future in waiting:
                future.cancel()


def filled(values, start, stop):
    """Return rows `start` to `stop`, the last one repeated up to `BATCH` rows."""
    return values[np.minimum(np.arange(start, start + BATCH), stop - 1)]


def chi_square(flux, err, flux_model):
    """Return chi^2 per band present, shape (N,); NaN without bands.

    Parameters
    ----------
    flux, err, flux_model : `~numpy.ndarray`, shape (N, B)
        nJy; NaN = band missing.
    """
    pulls = ((flux.astype(float) - flux_model) / err) ** 2
    present = np.isfinite(flux) & np.isfinite(err)
    with np.errstate(invalid="ignore"):
        return np.where(present, pulls, 0.0).sum(axis=1) / present.sum(axis=1)


def output_names(model, quantiles, fit_redshift, with_area):
    """Return the properties that a fit gives, in no order."""
    names = [p for p in model.parameters if p != "REDSHIFT" or fit_redshift]
    ones = {p: np.ones((1, 1)) for p in model.parameters}
    return names + list(derive(ones, model.sfh, np.ones((1, 1)), 1.0 if with_area else None))


def summarise(model, flux, err, redshift, zerr, y, x, *, samples, quantiles, seed, jobs=1,
              pixel_area=None, progress=None):
    """Fit N rows of photometry and return the quantiles of their posteriors.

    Parameters
    ----------
    model : `~pixsed.infer.model.Model`
    flux, err : `~numpy.ndarray`, shape (N, B)
        nJy, the bands of the model in its order; NaN in both = missing.
    redshift, zerr : `~numpy.ndarray`, shape (N,)
        `zerr` 0 = exact.
    y, x : `~numpy.ndarray`, shape (N,), int
        Keys of the draws, `pixsed.infer.draws.global_indices`.
    samples : int
    quantiles : sequence of float
    seed, jobs : int
    pixel_area : float, optional
        arcsec^2, for LOGSIGMA.
    progress : callable, optional
        Called with the number of rows done.

    Returns
    -------
    dict of str to `~numpy.ndarray`, shape (N,), float32
        ``LOGMSTAR_P50`` and so on, ``LOGMSTAR_STD``, ``CHI2`` and ``OOD`` (NaN where the
        model cannot tell). REDSHIFT is NaN where it is exact.
    """
    nbands = np.isfinite(flux).sum(axis=1)

    def one(start, stop):
        rows = stop - start
        f, e, z, dz, iy, ix = (
            filled(values, start, stop) for values in (flux, err, redshift, zerr, y, x)
        )
        base = base_normals(seed, iy, ix, samples, model.base_dim)
        draws, flux_model = model.sample(f, e, z, dz, base)
        draws = draws[:rows]
        columns = {name: draws[:, :, i] for i, name in enumerate(model.parameters)}
        z_draws = np.broadcast_to(z[:rows, None], draws.shape[:2]).astype(float)
        if "REDSHIFT" in columns:
            z_draws = np.where(dz[:rows, None] > 0, columns["REDSHIFT"], z_draws)
        columns |= derive(columns, model.sfh, z_draws, pixel_area)
        found = {}
        for name, values in columns.items():
            values = values.astype(float)
            if name == "REDSHIFT":
                values = np.where(dz[:rows, None] > 0, values, np.nan)
            levels = np.quantile(values, quantiles, axis=1)
            for level, q in zip(levels, quantiles, strict=True):
                found[f"{name}_{quantile_name(q)}"] = level
            found[f"{name}_STD"] = values.std(axis=1)
        found["CHI2"] = np.full(rows, np.nan)
        if flux_model is not None:
            found["CHI2"] = chi_square(f[:rows], e[:rows], flux_model[:rows])
        found["OOD"] = model.survival(found["CHI2"], nbands[start:stop])
        return {key: value.astype(np.float32) for key, value in found.items()}

    parts = list(run_batches(one, len(flux), jobs, progress))
    if not parts:
        return {}
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
