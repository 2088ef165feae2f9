"""Posterior draws of annuli: draw k of an annulus is made from draw k of all its pixels."""

from dataclasses import replace

import numpy as np

from pixsed import cosmology
from pixsed.dq import OOD_LIMIT
from pixsed.fit.derived import derive
from pixsed.fit.draws import global_indices
from pixsed.fit.pixel_draws import pixel_draws
from pixsed.fit.posterior import EXTENSIVE, Rows, draw
from pixsed.fit.quantiles import of_draws

# Number of pixels whose draws are in memory together in `mass_planes`.
_TOGETHER = 2048
# Quasi-random draws of a pixel in `mass_planes`, as in the maps of a fit.
_MAP_SAMPLES = 128


def fitted_weights(ellipse, edges, selection):
    """Return the number of pixels of each fitted row in each annulus, shape (A, N).

    Parameters
    ----------
    ellipse : `~pixsed.images.ellipses.Ellipse`
    edges : sequence of float
        A + 1 semi-major axes in pixels.
    selection : `~pixsed.fit.select.Selection`
        The rows are its N fitted pixels, or bins, of which all pixels count.
    """
    shape = selection.chosen.shape
    y, x = np.nonzero(selection.chosen)
    weights = ellipse.weights(edges, shape, y, x)
    if selection.binning is None:
        return weights
    bins = selection.binning.binmap[y, x]
    sums = np.stack([np.bincount(bins, row) for row in weights])
    return sums[:, selection.binning.binmap[selection.fitted]]


def sum_draws(
    cube, model, selection, weights, options, *, normals, redshifts, jobs=1, progress=None
):
    """Return the posterior draws of the properties of annuli.

    Masses and SFRs are sums over the pixels. Other properties are means over the pixels, weighted
    by the mass formed (the surviving mass, if the model has no other) in the same draw.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    model : `~pixsed.fit.model.Model`
    selection : `~pixsed.fit.select.Selection`
        N fitted pixels or bins.
    weights : `~numpy.ndarray`, shape (A, N)
        From `fitted_weights`.
    options : `~pixsed.fit.options.FitOptions`
        Only samples, S, is used.
    normals : object
        From `pixsed.fit.galaxy_normals.galaxy_normals`. The correlation of the normals of
        different pixels sets the errors of the annuli.
    redshifts : sequence of (float, slice)
        Redshifts, and the draws that belong to each; common to all pixels.
    jobs : int, optional
        Number of threads.
    progress : callable, optional
        Called with the number of pixels done.

    Returns
    -------
    draws : dict of str to `~numpy.ndarray`, shape (A, S), float64
        LOGMSTAR and the other properties of the model, AGE and T50LB where they can be derived,
        LOGSIGMA, LOGSIGMA_SFR and LOGSSFR. NaN for annuli without a fitted pixel.
    odd : `~numpy.ndarray`, shape (A,)
        Fraction of the pixels that are out of distribution; NaN where no score is known.
    """
    y, x = np.nonzero(selection.fitted)
    npix = selection.npix(y, x)

    def sum_batch(rows, found, ood):
        weight, count = weights[:, rows], None if npix is None else npix[rows]
        sums = [(part, _sums(model, draws, z, count, weight)) for z, part, draws in found]
        if ood is None:
            return sums, 0.0
        with np.errstate(invalid="ignore"):
            return sums, np.stack([weight @ np.isfinite(ood), weight @ (ood < OOD_LIMIT)])

    batches = pixel_draws(
        cube,
        model,
        selection,
        options.samples,
        normals=normals,
        redshifts=redshifts,
        use=sum_batch,
        jobs=jobs,
        progress=progress,
    )
    totals, counts = {}, np.zeros((2, len(weights)))
    for sums, scored in batches:
        counts += scored
        for part, found in sums:
            for name, values in found.items():
                shape = len(weights), options.samples
                totals.setdefault(name, np.zeros(shape))[:, part] += values
    with np.errstate(divide="ignore", invalid="ignore"):
        area = _areas(weights, cube, redshifts, options.samples)
        return _properties(totals, area), counts[1] / counts[0]


def _sums(model, draws, z, npix, weight):
    """Return the weighted sums over pixels of one batch, at one redshift: name -> (A, s).

    Extensive properties are summed as numbers, not logarithms; of the others there are sums of
    their products with the mass.
    """
    columns = dict(zip(model.parameters, np.moveaxis(draws, 2, 0).astype(float), strict=True))
    columns |= derive(columns, model.sfh, np.full((len(draws), 1), z))
    columns.pop("REDSHIFT", None)
    linear = {name: 10.0 ** columns.pop(name) for name in EXTENSIVE if name in columns}
    if npix is not None:
        linear = {name: values / npix[:, None] for name, values in linear.items()}
    mass = linear[weighting(linear)]
    found = {name: weight @ values for name, values in linear.items()}
    return found | {name: weight @ (values * mass) for name, values in columns.items()}


def weighting(there):
    """Return the mass that weights the other properties in means."""
    return "LOGMFORM" if "LOGMFORM" in there else "LOGMSTAR"


def _areas(weights, cube, redshifts, samples):
    """Return the areas of the fitted pixels in kpc^2, shape (A, S)."""
    scale = np.empty(samples)
    for z, part in redshifts:
        scale[part] = cosmology.kpc_per_arcsec(z) ** 2
    return weights.sum(axis=1)[:, None] * cube.pixar_a2 * scale


def _properties(totals, area):
    """Return the draws of properties from sums over pixels."""
    found = {}
    for name, values in totals.items():
        if name in EXTENSIVE:
            found[name] = np.log10(np.where(values > 0, values, np.nan))
        else:
            found[name] = values / totals[weighting(totals)]
    area = np.log10(area)
    found["LOGSIGMA"] = found["LOGMSTAR"] - area
    if "LOGSFR" in found:
        found["LOGSIGMA_SFR"] = found["LOGSFR"] - area
        found["LOGSSFR"] = found["LOGSFR"] - found["LOGMSTAR"]
    return found


def mass_planes(cube, model, selection, options):
    """Return maps of the mass of pixels: the median of LOGMSTAR, and the mean mass.

    The median is that of the maps of ``pixsed fit`` with its default number of draws.

    Parameters
    ----------
    cube, model, selection
        As for `sum_draws`.
    options : `~pixsed.fit.options.FitOptions`
        Only seed is used.

    Returns
    -------
    median, mean : `~numpy.ndarray`, shape (ny, nx)
        log10 of the mass / solMass, and solMass; NaN where not fitted. A pixel of a bin has its
        part of the mass of the bin.
    """
    y, x = np.nonzero(selection.fitted)
    key_y, key_x = global_indices(cube.header, cube.shape)
    options = replace(options, samples=_MAP_SAMPLES)
    values = np.empty((2, len(y)))
    for start in range(0, len(y), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        at = y[part], x[part]
        photometry, redshifts = selection.photometry(model, *at), selection.redshifts(*at)
        rows = Rows(*photometry, *redshifts, key_y[at[0]], key_x[at[1]], selection.npix(*at))
        mass = np.sort(draw(model, rows, options)["LOGMSTAR"], axis=1)
        values[0, part] = of_draws(mass, (0.5,))[0]
        values[1, part] = (10.0 ** mass.astype(float)).mean(axis=1)
    return _planes(values, selection)


def _planes(values, selection):
    """Return values of fitted rows as planes; every pixel of a bin has the value of the bin."""
    planes = np.full((len(values), *selection.chosen.shape), np.nan)
    if selection.binning is None:
        planes[:, selection.fitted] = values
        return planes
    binmap = selection.binning.binmap
    of_bin = np.full((len(values), binmap.max() + 1), np.nan)
    of_bin[:, binmap[selection.fitted]] = values
    planes[:, selection.chosen] = of_bin[:, binmap[selection.chosen]]
    return planes
