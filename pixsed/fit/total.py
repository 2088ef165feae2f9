"""Resolved and integrated properties of a galaxy.

The resolved mass is the sum of the masses of the pixels. The integrated mass is fitted to the
summed fluxes of the pixels.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from pixsed.checks import check_choice
from pixsed.dq import MIN_BANDS, OOD_LIMIT, REDSHIFT_BITS, Flag
from pixsed.errors import PixsedError
from pixsed.fit.derived import derive
from pixsed.fit.draws import global_indices
from pixsed.fit.galaxy_normals import NOISE, galaxy_normals
from pixsed.fit.posterior import BATCH, EXTENSIVE, run_batches, summarise
from pixsed.fit.summed import row_of_sum, summed_photometry
from pixsed.properties import quantile_name
from pixsed.redshifts import NO_DISTANCE

#: Quantiles of the masses.
LEVELS = (0.16, 0.5, 0.84)
#: Properties of a galaxy that are means over its pixels, weighted by the mass formed.
MEANS = ("AGE", "METAL", "AV")
# Largest fraction of out-of-distribution pixels that does not set a flag.
_OOD_FRACTION = 0.05
# Quantiles of an uncertain redshift, which stand for its posterior.
_Z_LEVELS = tuple((k + 0.5) / 16 for k in range(16))


@dataclass(frozen=True)
class Totals:
    """Posterior draws of the resolved properties of a galaxy.

    Attributes
    ----------
    draws : dict of str to `~numpy.ndarray`, shape (S,), float64
        Those of LOGMSTAR, LOGMFORM [log10 solMass], LOGSFR and LOGSFR10 [log10 solMass yr-1] that
        the model has, log10 of sums over the pixels; AGE [Gyr], METAL and AV [mag], means weighted
        by the mass formed; and LOGSSFR [log10 yr-1], LOGSFR - LOGMSTAR.
    ood_fraction : float
        Fraction out of distribution among the pixels with an OOD score; NaN if no pixel has
        one.
    prior_fraction : float
        Fraction of the variance of the total mass that comes from the prior; NaN if the noise is
        not ``"correlated"``.
    """

    draws: dict
    ood_fraction: float
    prior_fraction: float


def total_draws(
    cube,
    model,
    selection,
    options,
    *,
    noise="correlated",
    redshifts=None,
    jobs=1,
    progress=None,
):
    """Return posterior draws of the resolved properties of a galaxy.

    Draw k of a total is the sum of draw k of every pixel, so its error depends on the correlation
    of the draws of different pixels (`pixsed.fit.galaxy_normals`). All pixels have the same
    redshift: its error would average out if each pixel drew its own. The error floor is common to
    all pixels for the same reason. A bin counts as one pixel.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    model : `~pixsed.fit.model.Model`
    selection : `~pixsed.fit.select.Selection`
    options : `~pixsed.fit.options.FitOptions`
        Only samples S and seed are used.
    noise : {"correlated", "independent", "common"}, optional
        Correlation of the draws: that of the noise of neighbours and of the prior; none, as in
        the paper, except for the error floor; or complete, an upper bound of the errors.
    redshifts : sequence of float, optional
        Equally likely redshifts of the galaxy; the draws are divided among them. By default,
        the redshift of the cube.
    jobs : int, optional
        Number of threads.
    progress : callable, optional
        Called with the number of pixels done.

    Returns
    -------
    `Totals`

    Raises
    ------
    PixsedError
        If noise is not one of the three.
    """
    check_choice("noise", noise, NOISE)
    y, x = np.nonzero(selection.fitted)
    row_key, column_key = global_indices(cube.header, cube.shape)
    keys = row_key[y], column_key[x]
    groups = _divide(options.samples, [cube.redshift] if redshifts is None else list(redshifts))
    middle = groups[len(groups) // 2][1].start
    sums = _Sums(model, options.samples, len(y))
    exact = np.zeros(BATCH)
    normals = galaxy_normals(cube, model, selection, options, noise)
    for where, base in normals.parts(y, x):
        inside = [(z, _overlap(part, where)) for z, part in groups]
        inside = [(z, part) for z, part in inside if part.stop > part.start]

        def draw_batch(rows, keep, base=base, start=where.start, inside=inside):
            flux, err = selection.photometry(model, y[rows], x[rows])
            mine, found, ood = base(rows), [], None
            for z, part in inside:
                local = slice(part.start - start, part.stop - start)
                draws, predicted = model.sample(flux, err, exact + z, exact, mine[:, local])
                found.append((z, part, draws[keep]))
                if part.start <= middle < part.stop:  # the median redshift
                    ood = model.score(flux, err, predicted, exact, exact)[1][keep]
            return found, ood

        report = _last_only(progress, where, options.samples)
        for rows, (found, ood) in run_batches(draw_batch, *keys, jobs, report):
            sums.add(rows, found, ood)
    return sums.result(normals.prior_part(y, x))


def _overlap(one, other):
    return slice(max(one.start, other.start), min(one.stop, other.stop))


def _last_only(progress, where, samples):
    """Return `progress` for the last of the draws, so that each pixel is reported once."""
    return progress if where.stop == samples else None


class _Sums:
    """Sums over pixels of the draws of a galaxy."""

    def __init__(self, model, samples, count):
        self._model = model
        self._columns = {name: i for i, name in enumerate(model.parameters)}
        self._totals, self._samples = {}, samples
        self._moments = np.zeros((2, count))
        self._scored = self._odd = 0

    def add(self, rows, found, ood):
        """Add the draws of some pixels: a list of (redshift, slice of draws, draws)."""
        for z, part, draws in found:
            columns = {name: draws[..., i].astype(float) for name, i in self._columns.items()}
            columns |= derive(columns, self._model.sfh, np.full((1, 1), z))
            amounts = {name: 10.0 ** columns[name] for name in EXTENSIVE if name in columns}
            weight = amounts.get("LOGMFORM", amounts["LOGMSTAR"])
            amounts |= {name: weight * columns[name] for name in MEANS if name in columns}
            amounts["weight"] = weight
            for name, values in amounts.items():
                total = self._totals.setdefault(name, np.zeros(self._samples))
                total[part] += values.sum(axis=0)
            mass = amounts["LOGMSTAR"]
            self._moments[:, rows] += mass.sum(axis=1), (mass**2).sum(axis=1)
        if ood is not None:
            with np.errstate(invalid="ignore"):
                self._scored += int(np.isfinite(ood).sum())
                self._odd += int((ood < OOD_LIMIT).sum())

    def result(self, prior):
        """Return the `Totals`; `prior` is the prior's fraction of the variance of each pixel."""
        totals = dict(self._totals)
        weight = totals.pop("weight")
        draws = {
            name: values / weight if name in MEANS else np.log10(values)
            for name, values in totals.items()
        }
        if "LOGSFR" in draws:
            draws["LOGSSFR"] = draws["LOGSFR"] - draws["LOGMSTAR"]
        fraction = np.nan
        variance = totals["LOGMSTAR"].var()
        if prior is not None and variance > 0:
            mean, square = self._moments / self._samples
            spread = np.sqrt(np.maximum(square - mean**2, 0.0))
            fraction = min(1.0, float((spread * np.sqrt(prior)).sum() ** 2 / variance))
        ood = self._odd / self._scored if self._scored else np.nan
        return Totals(draws, ood, fraction)


def _divide(samples, redshifts):
    """Divide the draws among the redshifts; return a list of (redshift, slice of draws)."""
    ends = np.linspace(0, samples, len(redshifts) + 1).round().astype(int)
    return [
        (z, slice(a, b)) for z, a, b in zip(redshifts, ends[:-1], ends[1:], strict=True) if b > a
    ]


def mass_row(cube, model, selection, options, *, noise="correlated", jobs=1, progress=None):
    """Return a row of the table of masses: the resolved and integrated mass of a galaxy.

    If the redshift has an error, the pixels are summed at the redshifts of the integrated fit.
    The parameters are the same as those of `total_draws`.

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
    totals = total_draws(
        cube,
        model,
        selection,
        options,
        noise=noise,
        redshifts=_redshifts(cube, model, found),
        jobs=jobs,
        progress=progress,
    )
    row.update(zip(names[:3], np.quantile(totals.draws["LOGMSTAR"], LEVELS).tolist(), strict=True))
    if totals.ood_fraction > _OOD_FRACTION:
        row["FLAG"] |= Flag.PIXELS_OOD
    if np.isnan(totals.ood_fraction):
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
