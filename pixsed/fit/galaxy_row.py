"""Row of a galaxy in the table of ``pixsed sum-mass``: its place, size, totals and quality."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from pixsed import cosmology
from pixsed.dq import DQ, MIN_BANDS, OOD_LIMIT, REDSHIFT_BITS, Flag
from pixsed.errors import PixsedError
from pixsed.fit.derived import derive
from pixsed.fit.faint import with_faint_pixels
from pixsed.fit.posterior import draw
from pixsed.fit.quantiles import of_draws
from pixsed.fit.summed import row_of_sum, summed_photometry
from pixsed.fit.total import total_draws
from pixsed.properties import quantile_name
from pixsed.redshifts import NO_DISTANCE
from pixsed.snr import reference_light

#: Quantiles of the totals.
LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)
#: Properties of a galaxy, in the order of the table.
TOTALS = ("LOGMSTAR", "LOGMFORM", "LOGSFR", "LOGSFR10", "LOGSSFR", "AGE", "METAL", "AV")
# Largest fraction of out-of-distribution pixels that does not set a flag.
_OOD_FRACTION = 0.05
# Smallest fraction of the segment's light in the sums that does not set a flag.
_LIGHT_FRACTION = 0.5
# Error of the resolved log mass, if all pixels err together, from which on it is the prior's.
_PRIOR_BOUND = 0.3
# Quantiles of an uncertain redshift, which stand for its posterior.
_Z_LEVELS = tuple((k + 0.5) / 16 for k in range(16))


def check_sums(model, purpose="sum masses"):
    """Raise `PixsedError` if draws of pixels cannot be summed because each has its redshift."""
    if model.infers_redshift:
        raise PixsedError(
            f"model {model.name} infers a redshift for each pixel, but a galaxy has only one; "
            f"{purpose} with a model that takes a redshift, such as tau"
        )


def total_names(model):
    """Return the properties of `TOTALS` that a model gives.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    """
    ones = {name: np.ones((1, 1)) for name in model.parameters}
    known = {*ones, *derive(ones, model.sfh, np.ones((1, 1)))}
    if {"LOGSFR", "LOGMSTAR"} <= known:
        known.add("LOGSSFR")
    return [name for name in TOTALS if name in known]


def empty_row(model):
    """Return a row without values, with all columns in the order of the table.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    """
    names = total_names(model)
    ends = [quantile_name(level) for level in LEVELS]
    columns = [f"RES_{name}_{end}" for name in names for end in ends]
    columns += [f"INT_{name}_{end}" for name in [*names, "REDSHIFT"] for end in ends]
    return {
        "FILE": "",
        "ID": "",
        **dict.fromkeys(("RA", "DEC", "REDSHIFT", "REDSHIFT_ERR"), np.nan),
        "NPIX": 0,
        **dict.fromkeys(("AREA_ARCSEC2", "AREA_KPC2", "FRAC_SEGMENT", "FRAC_LIGHT"), np.nan),
        **dict.fromkeys([*columns, "OFFSET", "OFFSET_ERR"], np.nan),
        **dict.fromkeys(("RES_LOGMSTAR_BOUND", "FAINT_LIGHT", "FRAC_OOD", "FRAC_PRIOR"), np.nan),
        "FLAG": 0,
    }


@dataclass
class IntegratedFit:
    """Fit of the summed photometry: draws by property, (S,) each, empty without a fit; flags."""

    draws: dict
    flag: Flag


def galaxy_row(
    cube,
    model,
    selection,
    options,
    *,
    noise="correlated",
    faint="carry",
    jobs=1,
    progress=None,
):
    """Return the row of a galaxy: its place, size, resolved and integrated totals, and quality.

    The resolved totals are those of `~pixsed.fit.total.total_draws`; the integrated ones are
    fitted to the summed photometry. If the redshift has an error, the pixels
    are summed at the redshifts of the integrated fit.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    model : `~pixsed.fit.model.Model`
        It must pass `check_sums`.
    selection : `~pixsed.fit.select.Selection`
    options : `~pixsed.fit.options.FitOptions`
        Only samples and seed are used.
    noise : {"correlated", "independent", "common"}, optional
        Correlation of the draws of pixels, as for `~pixsed.fit.total.total_draws`.
    faint : {"carry", "leave"}, optional
        Pixels below the cut of S/N. carry: resolved sums have their light, with the mean
        mass-to-light ratio of the others, and the integrated fit has their photometry; leave: they
        count in neither.
    jobs : int, optional
        Number of threads.
    progress : callable, optional
        Called with the number of pixels done.

    Returns
    -------
    dict of str to float, int or str
        The columns of `empty_row`, described in `pixsed.fit.galaxy_table`. ID is that of the
        cube, and FILE is empty. NaN where there is no value.
    """
    row = empty_row(model)
    row |= {
        "ID": str(cube.object_id),
        "REDSHIFT": float(cube.redshift),
        "REDSHIFT_ERR": float(cube.redshift_err),
    }
    row |= _place(cube, selection) | _size(cube, selection)
    flag = Flag.REDSHIFT if (selection.dq & REDSHIFT_BITS).any() else Flag(0)
    if not row["NPIX"]:
        return row | {"FLAG": int(flag | Flag.NO_PIXEL)}
    carried = faint == "carry"
    whole = with_faint_pixels(selection) if carried else selection
    found = integrated_fit(cube, model, whole, options)
    row |= _quantiles("INT", found.draws, total_names(model), row)
    if cube.redshift_err > 0:
        row |= _quantiles("INT", found.draws, ["REDSHIFT"], row)
    redshifts = redshifts_of(cube, model, found.draws)
    totals = total_draws(
        cube,
        model,
        selection,
        options,
        noise=noise,
        carry_faint=carried,
        redshifts=redshifts,
        jobs=jobs,
        progress=progress,
    )
    row |= _quantiles("RES", totals.draws, total_names(model), row)
    row |= _offset(row)
    row["RES_LOGMSTAR_BOUND"] = float(totals.bound)
    row["FAINT_LIGHT"] = float(totals.faint_light)
    row["FRAC_OOD"] = float(totals.ood_fraction)
    row["FRAC_PRIOR"] = float(totals.prior_fraction)
    flag |= found.flag
    if totals.ood_fraction > _OOD_FRACTION:
        flag |= Flag.PIXELS_OOD
    if np.isnan(totals.ood_fraction):
        flag |= Flag.NO_OOD
    if totals.bound >= _PRIOR_BOUND:
        flag |= Flag.PRIOR
    if row["FRAC_LIGHT"] < _LIGHT_FRACTION:
        flag |= Flag.LITTLE_LIGHT
    return row | {"FLAG": int(flag)}


def _place(cube, selection):
    """Return RA and DEC: the centre of the segment, weighted by its light if there is any."""
    inside = (selection.dq & DQ.OUTSIDE) == 0
    y, x = np.nonzero(inside)
    if not len(y):
        return {}
    light, _ = reference_light(selection.flux, selection.bands)
    weight = np.maximum(light[inside], 0.0)
    if not weight.sum() > 0:
        weight = np.ones(len(y))
    x, y = (np.average(values, weights=weight) for values in (x, y))
    ra, dec = cube.wcs.all_pix2world(x, y, 0)
    return {"RA": float(ra), "DEC": float(dec)}


def _size(cube, selection):
    """Return NPIX, the area, and the fractions of the segment and of its light."""
    inside = (selection.dq & DQ.OUTSIDE) == 0
    chosen = selection.chosen
    light, _ = reference_light(selection.flux, selection.bands)
    count, whole = int(chosen.sum()), light[inside].sum()
    area = count * float(cube.pixar_a2)
    return {
        "NPIX": count,
        "AREA_ARCSEC2": area,
        "AREA_KPC2": area * float(cosmology.kpc_per_arcsec(cube.redshift)) ** 2,
        "FRAC_SEGMENT": count / max(int(inside.sum()), 1),
        "FRAC_LIGHT": float(light[chosen].sum() / whole) if whole > 0 else np.nan,
    }


def _quantiles(kind, draws, names, row):
    """Return the columns of the quantiles of some properties; those of `row` without draws."""
    found = {}
    for name in names:
        columns = [f"{kind}_{name}_{quantile_name(level)}" for level in LEVELS]
        values = [row[column] for column in columns]
        if name in draws:
            values = of_draws(np.sort(np.asarray(draws[name], np.float32))[None], LEVELS)
        found |= {
            column: float(np.squeeze(value)) for column, value in zip(columns, values, strict=True)
        }
    return found


def _offset(row):
    """Return OFFSET and OFFSET_ERR."""
    half = [
        (row[f"{kind}_LOGMSTAR_P84"] - row[f"{kind}_LOGMSTAR_P16"]) / 2 for kind in ("RES", "INT")
    ]
    offset = row["RES_LOGMSTAR_P50"] - row["INT_LOGMSTAR_P50"]
    return {"OFFSET": offset, "OFFSET_ERR": float(np.hypot(*half))}


def integrated_fit(cube, model, selection, options):
    """Return the `IntegratedFit` of a galaxy: without draws if too few bands are left."""
    flag = Flag(0)
    flux, err = summed_photometry(cube, selection)
    present = np.isfinite(flux)
    if not present.all():
        flag |= Flag.BAND_LEFT_OUT
    if present.sum() < MIN_BANDS:
        return IntegratedFit({}, flag | Flag.FEW_BANDS)
    rows = row_of_sum(flux, err, cube, model, selection, cube.object_id)
    draws = {name: values[0] for name, values in draw(model, rows, options).items()}
    if "LOGSFR" in draws and "LOGMSTAR" in draws:
        draws["LOGSSFR"] = draws["LOGSFR"] - draws["LOGMSTAR"]
    if draws["OOD"] < OOD_LIMIT:
        flag |= Flag.SUM_OOD
    return IntegratedFit(draws, flag)


def redshifts_of(cube, model, draws):
    """Return the redshifts at which to sum: from the integrated fit, or the cube's Gaussian."""
    if not cube.redshift_err > 0:
        return [cube.redshift]
    if "REDSHIFT" in draws:
        levels = of_draws(np.sort(draws["REDSHIFT"])[None], _Z_LEVELS)
        return [float(level[0]) for level in levels]
    drawn = cube.redshift + cube.redshift_err * ndtri(np.array(_Z_LEVELS))
    return np.maximum(drawn, max(model.redshift_range[0], 2 * NO_DISTANCE)).tolist()
