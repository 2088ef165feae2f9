"""The stellar mass of a galaxy: the sum of its pixels, and the fit of their sum."""

import numpy as np
from scipy.special import ndtri

from pixsed.dq import MIN_BANDS, OOD_LIMIT, REDSHIFT_BITS, Flag
from pixsed.errors import PixsedError
from pixsed.fit.draws import global_indices, independent_normals, key_of_name
from pixsed.fit.posterior import BATCH, run_batches, summarise
from pixsed.properties import quantile_name
from pixsed.redshifts import NO_DISTANCE
from pixsed.snr import is_reference, snr_used

_OOD_SHARE = 0.05
# Light that pixels without data in a band may hold, before the band is left out.
_MISSING_LIGHT = 0.1
LEVELS = (0.16, 0.5, 0.84)
# Redshifts that stand for the posterior of one that is not known: its quantiles.
_Z_LEVELS = tuple((k + 0.5) / 16 for k in range(16))


def resolved_mass(
    cube, model, selection, *, redshifts=None, samples=500, seed=42, jobs=1, progress=None
):
    """Return posterior draws of the total surviving mass, the noise of pixels independent.

    Draw k of the total is the sum of draw k of every pixel, all at one redshift: pixels
    that each drew their own would average its error away. For the same reason pixels share
    the random numbers of an error floor: a fraction of each pixel's variance, that of the
    floor in its errors (the median of the bands), is drawn with numbers common to all.
    Bins count as pixels here, each once.

    Parameters
    ----------
    cube, model, selection
        See `pixsed.fit.select.select`.
    redshifts : sequence of float, optional
        Equally likely redshifts of the galaxy, that share the draws between them; by
        default the cube's alone.
    samples, seed, jobs, progress
        As of `pixsed.fit.fit.fit_cube`.

    Returns
    -------
    total : `~numpy.ndarray`, shape (S,), float64
        solMass.
    odd : float
        Fraction of the pixels with an OOD whose OOD is below the limit; NaN where none has
        one.
    """
    y, x = np.nonzero(selection.fitted)
    row_key, column_key = global_indices(cube.header, cube.shape)
    key_y, key_x = row_key[y], column_key[x]
    column = model.parameters.index("LOGMSTAR")
    redshifts = [cube.redshift] if redshifts is None else list(redshifts)
    # Contiguous shares of the draws, one a redshift.
    ends = np.linspace(0, samples, len(redshifts) + 1).round().astype(int)
    groups = [
        (z, slice(a, b)) for z, a, b in zip(redshifts, ends[:-1], ends[1:], strict=True) if b > a
    ]
    exact = np.zeros(BATCH)
    normals = _normals(cube, model, selection, samples, seed)

    def one(rows, keep):
        flux, err = selection.rows(model, y[rows], x[rows])
        base = normals(y[rows], x[rows], key_y[rows], key_x[rows])
        mass = np.empty(samples)
        for number, (z, part) in enumerate(groups):
            draws, predicted = model.sample(flux, err, exact + z, exact, base[:, part])
            mass[part] = (10.0 ** draws[keep, :, column].astype(float)).sum(axis=0)
            if number == len(groups) // 2:  # the median redshift
                flux_model = predicted
        ood = model.score(flux, err, flux_model, exact, exact)[1][keep]
        with np.errstate(invalid="ignore"):
            return mass, np.isfinite(ood).sum(), (ood < OOD_LIMIT).sum()

    total, scored, bad = np.zeros(samples), 0, 0
    for _, (mass, nscored, nbad) in run_batches(one, key_y, key_x, jobs, progress):
        total += mass
        scored += int(nscored)
        bad += int(nbad)
    return total, bad / scored if scored else np.nan


def _normals(cube, model, selection, samples, seed):
    """Return a function that gives the base normals of pixels, at y, x with their keys."""
    if selection.error_floor:
        name = np.array([key_of_name(cube.object_id)])
        shared = independent_normals(seed, name, np.zeros(1, int), samples, model.base_dim)

    def normals(y, x, key_y, key_x):
        own = independent_normals(seed, key_y, key_x, samples, model.base_dim)
        if not selection.error_floor:
            return own
        common = 1.0 - (selection.bare[:, y, x] / selection.err[:, y, x]) ** 2
        common = np.clip(np.nanmedian(common, axis=0), 0.0, 1.0)[:, None, None]
        return np.sqrt(common) * shared + np.sqrt(1.0 - common) * own

    return normals


def summed_photometry(cube, selection):
    """Return the photometry summed over the pixels chosen.

    A band without data in some of them is scaled up by the light, in the bands of the
    S/N cut, that they hold; with more than a tenth of it missing, the band is left out.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    selection : `~pixsed.fit.select.Selection`

    Returns
    -------
    flux, err : `~numpy.ndarray`, shape (B,), float64
        nJy, the bands of `selection`; NaN = left out. Errors of the noise in quadrature,
        times noise_corr of the cube's table; then the error floor of the sum, once.
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


def sum_mass(cube, model, selection, *, samples=500, seed=42, jobs=1, progress=None):
    """Return the row of a galaxy: resolved and integrated mass.

    Where the redshift has an error, the integrated fit tells which redshifts the pixels
    are summed at. Parameters as of `resolved_mass`.

    Returns
    -------
    dict
        ID, REDSHIFT, NPIX, RES_LOGMSTAR_P16 _P50 _P84, INT_LOGMSTAR_P16 _P50 _P84
        [dex(solMass)], OFFSET (resolved - integrated medians, dex), FLAG
        (`~pixsed.dq.Flag`).
        NaN where there is no mass.
    """
    if model.infers_redshift:
        raise PixsedError(
            f"model {model.name} infers the redshift of each pixel by itself, and a galaxy "
            "has one; sum masses with a model that is given it, such as tau"
        )
    names = [f"{kind}_LOGMSTAR_P{round(100 * q)}" for kind in ("RES", "INT") for q in LEVELS]
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
    flux, err = summed_photometry(cube, selection)
    if not np.isfinite(flux).all():
        row["FLAG"] |= Flag.BAND_LEFT_OUT
    found = {}
    if np.isfinite(flux).sum() < MIN_BANDS:
        row["FLAG"] |= Flag.FEW_BANDS
    else:
        wide = np.full((2, 1, len(model.bands)), np.nan, dtype=np.float32)
        wide[0, 0, selection.columns], wide[1, 0, selection.columns] = flux, err
        found = summarise(
            model,
            *wide,
            np.array([cube.redshift]),
            np.array([cube.redshift_err]),
            np.zeros(1, np.int64),
            np.array([key_of_name(cube.object_id)]),
            samples=samples,
            quantiles=LEVELS + _Z_LEVELS,
            seed=seed,
        )
        row.update((name, float(found[name[4:]][0])) for name in names[3:])
        if found["OOD"][0] < OOD_LIMIT:
            row["FLAG"] |= Flag.SUM_OOD
    total, odd = resolved_mass(
        cube,
        model,
        selection,
        redshifts=_redshifts(cube, model, found),
        samples=samples,
        seed=seed,
        jobs=jobs,
        progress=progress,
    )
    row.update(zip(names[:3], np.quantile(np.log10(total), LEVELS).tolist(), strict=True))
    if odd > _OOD_SHARE:
        row["FLAG"] |= Flag.PIXELS_OOD
    if np.isnan(odd):
        row["FLAG"] |= Flag.NO_OOD
    row["FLAG"] = int(row["FLAG"])
    row["OFFSET"] = row["RES_LOGMSTAR_P50"] - row["INT_LOGMSTAR_P50"]
    return row


def _redshifts(cube, model, found):
    """Return the redshifts to sum at: of the integrated fit, else of the cube's Gaussian."""
    if not cube.redshift_err > 0:
        return [cube.redshift]
    names = [f"REDSHIFT_{quantile_name(q)}" for q in _Z_LEVELS]
    if all(name in found for name in names):
        return [float(found[name][0]) for name in names]
    drawn = cube.redshift + cube.redshift_err * ndtri(np.array(_Z_LEVELS))
    return np.maximum(drawn, max(model.redshift_range[0], 2 * NO_DISTANCE)).tolist()
