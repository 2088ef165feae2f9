"""Resolved and integrated stellar mass of a galaxy.

The resolved mass is the sum of the masses of the pixels. The integrated mass is fitted to the
summed fluxes of the pixels.
"""

from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from pixsed.dq import MIN_BANDS, OOD_LIMIT, REDSHIFT_BITS, Flag
from pixsed.errors import PixsedError
from pixsed.fit.draws import global_indices, independent_normals, key_of_name
from pixsed.fit.posterior import BATCH, Rows, run_batches, summarise
from pixsed.properties import quantile_name
from pixsed.redshifts import NO_DISTANCE
from pixsed.snr import is_reference, snr_used

#: Quantiles of the masses.
LEVELS = (0.16, 0.5, 0.84)
# Largest fraction of out-of-distribution pixels that does not set a flag.
_OOD_FRACTION = 0.05
# A band is left out if a larger fraction of the light is in pixels without data in the band.
_MISSING_LIGHT = 0.1
# Quantiles of an uncertain redshift, which stand for its posterior.
_Z_LEVELS = tuple((k + 0.5) / 16 for k in range(16))


def resolved_mass(cube, model, selection, options, *, redshifts=None, jobs=1, progress=None):
    """Return posterior draws of the total surviving mass, with noise independent between pixels.

    Draw k of the total is the sum of draw k of every pixel, all at the same redshift: the
    redshift error would average out if each pixel drew its own redshift. For the same reason
    the error floor is common to all pixels: its fraction of the variance of each pixel (the
    median over the bands) is drawn with the same numbers in all pixels. A bin counts as one
    pixel.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    model : `~pixsed.fit.model.Model`
    selection : `~pixsed.fit.select.Selection`
    options : `~pixsed.fit.options.FitOptions`
        Only samples and seed are used.
    redshifts : sequence of float, optional
        Equally likely redshifts of the galaxy; the draws are divided among them. By default,
        the redshift of the cube.
    jobs : int, optional
        Number of threads.
    progress : callable, optional
        Called with the number of pixels done.

    Returns
    -------
    total : `~numpy.ndarray`, shape (S,), float64
        solMass.
    ood_fraction : float
        Fraction out of distribution among the pixels with an OOD score; NaN if no pixel has
        one.
    """
    y, x = np.nonzero(selection.fitted)
    row_key, column_key = global_indices(cube.header, cube.shape)
    key_y, key_x = row_key[y], column_key[x]
    column = model.parameters.index("LOGMSTAR")
    groups = _divide(options.samples, [cube.redshift] if redshifts is None else list(redshifts))
    exact = np.zeros(BATCH)
    normals = _normals(cube, model, selection, options)

    def sum_batch(rows, keep):
        flux, err = selection.photometry(model, y[rows], x[rows])
        base = normals(y[rows], x[rows], key_y[rows], key_x[rows])
        mass = np.empty(options.samples)
        for number, (z, part) in enumerate(groups):
            draws, predicted = model.sample(flux, err, exact + z, exact, base[:, part])
            mass[part] = (10.0 ** draws[keep, :, column].astype(float)).sum(axis=0)
            if number == len(groups) // 2:  # the median redshift
                flux_model = predicted
        ood = model.score(flux, err, flux_model, exact, exact)[1][keep]
        with np.errstate(invalid="ignore"):
            return mass, np.isfinite(ood).sum(), (ood < OOD_LIMIT).sum()

    total, scored, odd = np.zeros(options.samples), 0, 0
    for _, (mass, batch_scored, batch_odd) in run_batches(sum_batch, key_y, key_x, jobs, progress):
        total += mass
        scored += int(batch_scored)
        odd += int(batch_odd)
    return total, odd / scored if scored else np.nan


def _divide(samples, redshifts):
    """Divide the draws among the redshifts; return a list of (redshift, slice of draws)."""
    ends = np.linspace(0, samples, len(redshifts) + 1).round().astype(int)
    return [
        (z, slice(a, b)) for z, a, b in zip(redshifts, ends[:-1], ends[1:], strict=True) if b > a
    ]


def _normals(cube, model, selection, options):
    """Return a function that gives the base normals of the pixels at y, x and their keys."""
    seed, samples = options.seed, options.samples
    if np.any(selection.error_floor):
        name = np.array([key_of_name(cube.object_id)])
        shared = independent_normals(seed, name, np.zeros(1, int), samples, model.base_dim)

    def normals(y, x, key_y, key_x):
        own = independent_normals(seed, key_y, key_x, samples, model.base_dim)
        if not np.any(selection.error_floor):
            return own
        common = 1.0 - (selection.bare[:, y, x] / selection.err[:, y, x]) ** 2
        common = np.clip(np.nanmedian(common, axis=0), 0.0, 1.0)[:, None, None]
        return np.sqrt(common) * shared + np.sqrt(1.0 - common) * own

    return normals


def summed_photometry(cube, selection):
    """Return the photometry summed over the chosen pixels.

    If a band has no data in some pixels, its sum is scaled up by the fraction of the light in
    the reference bands that the other pixels hold. If they hold less than nine tenths of the
    light, the band is left out.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    selection : `~pixsed.fit.select.Selection`

    Returns
    -------
    flux, err : `~numpy.ndarray`, shape (B,), float64
        nJy, in the bands of `selection`; NaN = left out. The errors of the pixels are added in
        quadrature and multiplied by noise_corr of the cube's table; the error floor of the sum
        is added last.
    """
    where = np.nonzero(selection.fitted)
    count = selection.npix(*where)
    flux, err = (
        plane[:, *where].astype(float) * (1 if count is None else count)
        for plane in (selection.flux, selection.bare)
    )
    present = np.isfinite(flux)
    used = snr_used(present, is_reference(selection.bands))
    light = np.where(used, flux, 0.0).sum(axis=0) / np.maximum(used.sum(axis=0), 1)
    total = light.sum()
    corr = dict(zip(cube.bands, np.asarray(cube.table["noise_corr"], dtype=float), strict=True))
    sums, errors = np.full(len(flux), np.nan), np.full(len(flux), np.nan)
    for i, band in enumerate(selection.bands):
        seen = light[present[i]].sum()
        if not present[i].all() and not seen >= (1.0 - _MISSING_LIGHT) * total:
            continue
        scale = 1.0 if present[i].all() else total / seen
        factor = corr[band] if np.isfinite(corr[band]) and corr[band] > 0 else 1.0
        sums[i] = flux[i, present[i]].sum() * scale
        errors[i] = np.sqrt((err[i, present[i]] ** 2).sum()) * factor * scale
    return sums, np.hypot(errors, selection.error_floor * sums)


def row_of_sum(flux, err, cube, model, selection, name):
    """Return the `~pixsed.fit.posterior.Rows` of the photometry of `summed_photometry`.

    Parameters
    ----------
    flux, err : `~numpy.ndarray`, shape (B,)
        In the bands of `selection`.
    cube, model, selection
        As for `summed_photometry`.
    name : str
        Name that determines the base normals.
    """
    wide = np.full((2, 1, len(model.bands)), np.nan, dtype=np.float32)
    wide[0, 0, selection.columns], wide[1, 0, selection.columns] = flux, err
    redshift = np.array([cube.redshift], dtype=float), np.array([cube.redshift_err], dtype=float)
    return Rows(*wide, *redshift, np.zeros(1, np.int64), np.array([key_of_name(name)]))


def mass_row(cube, model, selection, options, *, jobs=1, progress=None):
    """Return a row of the table of masses: the resolved and integrated mass of a galaxy.

    If the redshift has an error, the pixels are summed at the redshifts of the integrated fit.
    The parameters are the same as those of `resolved_mass`.

    Returns
    -------
    dict
        ID, REDSHIFT, NPIX, RES_LOGMSTAR_P16 _P50 _P84, INT_LOGMSTAR_P16 _P50 _P84
        [dex(solMass)], OFFSET (resolved - integrated medians, dex), FLAG (`~pixsed.dq.Flag`).
        NaN where there is no mass.

    Raises
    ------
    PixsedError
        If the model infers the redshift.
    """
    if model.infers_redshift:
        raise PixsedError(
            f"model {model.name} infers a redshift for each pixel, but a galaxy has only one; "
            "sum masses with a model that takes a redshift, such as tau"
        )
    names = [f"{kind}_LOGMSTAR_{quantile_name(q)}" for kind in ("RES", "INT") for q in LEVELS]
    row = {
        "ID": str(cube.object_id),
        "REDSHIFT": float(cube.redshift),
        "NPIX": int(selection.chosen.sum()),
        **dict.fromkeys(names, np.nan),
        "OFFSET": np.nan,
        "FLAG": 0,
    }
    if (selection.dq & REDSHIFT_BITS).any():
        row["FLAG"] |= Flag.REDSHIFT
    if not row["NPIX"]:
        row["FLAG"] = int(row["FLAG"] | Flag.NO_PIXEL)
        return row
    found, flag = _integrated(cube, model, selection, options)
    row["FLAG"] |= flag
    if found:
        row.update((name, float(found[name[4:]][0])) for name in names[3:])
    total, ood_fraction = resolved_mass(
        cube,
        model,
        selection,
        options,
        redshifts=_redshifts(cube, model, found),
        jobs=jobs,
        progress=progress,
    )
    row.update(zip(names[:3], np.quantile(np.log10(total), LEVELS).tolist(), strict=True))
    if ood_fraction > _OOD_FRACTION:
        row["FLAG"] |= Flag.PIXELS_OOD
    if np.isnan(ood_fraction):
        row["FLAG"] |= Flag.NO_OOD
    row["FLAG"] = int(row["FLAG"])
    row["OFFSET"] = row["RES_LOGMSTAR_P50"] - row["INT_LOGMSTAR_P50"]
    return row


def _integrated(cube, model, selection, options):
    """Return the fit of the summed photometry, as `summarise` does, and the bits of FLAG.

    The fit is empty if too few bands are left.
    """
    flag = Flag(0)
    flux, err = summed_photometry(cube, selection)
    present = np.isfinite(flux)
    if not present.all():
        flag |= Flag.BAND_LEFT_OUT
    if present.sum() < MIN_BANDS:
        return {}, flag | Flag.FEW_BANDS
    rows = row_of_sum(flux, err, cube, model, selection, cube.object_id)
    found = summarise(model, rows, replace(options, quantiles=LEVELS + _Z_LEVELS))
    if found["OOD"][0] < OOD_LIMIT:
        flag |= Flag.SUM_OOD
    return found, flag


def _redshifts(cube, model, found):
    """Return the redshifts at which to sum: from the integrated fit, or the cube's Gaussian."""
    if not cube.redshift_err > 0:
        return [cube.redshift]
    names = [f"REDSHIFT_{quantile_name(q)}" for q in _Z_LEVELS]
    if all(name in found for name in names):
        return [float(found[name][0]) for name in names]
    drawn = cube.redshift + cube.redshift_err * ndtri(np.array(_Z_LEVELS))
    return np.maximum(drawn, max(model.redshift_range[0], 2 * NO_DISTANCE)).tolist()
