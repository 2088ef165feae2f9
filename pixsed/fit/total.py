"""Resolved properties of a galaxy: sums and means over the draws of its pixels."""

from dataclasses import dataclass, replace

import numpy as np

from pixsed.checks import check_choice
from pixsed.dq import OOD_LIMIT
from pixsed.fit.derived import derive
from pixsed.fit.faint import faint_light
from pixsed.fit.galaxy_normals import NOISE, galaxy_normals
from pixsed.fit.pixel_draws import divide_draws, pixel_draws
from pixsed.fit.posterior import EXTENSIVE

#: Properties of a galaxy that are means over its pixels, weighted by the mass formed.
MEANS = ("AGE", "METAL", "AV")


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
    bound : float
        Standard deviation of LOGMSTAR [dex] if all pixels erred together: the mean of that of the
        pixels, weighted by mass. Where it is 0.3 or more, the mass is mostly the prior's.
    faint_light : float
        Light of the pixels below the cut of S/N, over that of the pixels in the sums
        (`pixsed.fit.faint`).
    """

    draws: dict
    ood_fraction: float
    prior_fraction: float
    bound: float = np.nan
    faint_light: float = 0.0

    def scaled(self, more):
        """Return a copy whose sums are multiplied by 1 + `more`, shape (S,), at least 0.1."""
        factor = np.log10(np.maximum(1.0 + more, 0.1))
        draws = {k: v + factor if k in EXTENSIVE else v for k, v in self.draws.items()}
        return replace(self, draws=draws)


def total_draws(
    cube,
    model,
    selection,
    options,
    *,
    noise="correlated",
    carry_faint=False,
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
    carry_faint : bool, optional
        Multiply sums by 1 + `Totals.faint_light`: pixels of the segment below the cut of S/N then
        count with the mean mass-to-light ratio of the others. The error of their light is included.
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
    sums = _Sums(model, options.samples, len(y))
    normals = galaxy_normals(cube, model, selection, options, noise)
    batches = pixel_draws(
        cube,
        model,
        selection,
        options.samples,
        normals=normals,
        redshifts=divide_draws(
            options.samples, [cube.redshift] if redshifts is None else list(redshifts)
        ),
        use=lambda *batch: batch,
        jobs=jobs,
        progress=progress,
    )
    for batch in batches:
        sums.add(*batch)
    found = sums.result(normals.prior_part(y, x))
    light, error = faint_light(cube, selection)
    if carry_faint:
        rng = np.random.default_rng([options.seed, 1])
        found = found.scaled(light + error * rng.standard_normal(options.samples))
    return replace(found, faint_light=light)


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
        mean, square = self._moments / self._samples
        spread = np.sqrt(np.maximum(square - mean**2, 0.0))
        bound = float(np.sqrt(np.log1p((spread.sum() / mean.sum()) ** 2)) / np.log(10))
        if prior is not None and variance > 0:
            fraction = min(1.0, float((spread * np.sqrt(prior)).sum() ** 2 / variance))
        ood = self._odd / self._scored if self._scored else np.nan
        return Totals(draws, ood, fraction, bound)
