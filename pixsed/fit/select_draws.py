"""Posterior draws of chosen pixels, bins, regions and galaxies of a cube, or rows of a table.

A pixel or a bin has the draws that its maps are made of, and the sum over a segment those of the
integrated fit of ``pixsed sum-mass``.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from pixsed.dq import MIN_BANDS, count_reasons, reasons_text
from pixsed.errors import PixsedError, listed
from pixsed.fit.draws import global_indices
from pixsed.fit.options import DEFAULT_SNR_MIN, FitOptions
from pixsed.fit.posterior import Rows, draw
from pixsed.fit.quantiles import of_draws
from pixsed.fit.select import select, with_redshift
from pixsed.fit.summed import row_of_sum, summed_photometry
from pixsed.fit.table import rows_of
from pixsed.fit.table_input import TableColumns, read_photometry
from pixsed.io.formats.cube import read_cube
from pixsed.io.formats.photometry import band_columns
from pixsed.io.formats.psfmatch import warn_of_psfs
from pixsed.io.tables import read_table
from pixsed.models import redshift_advice
from pixsed.properties import ordered
from pixsed.redshifts import check_redshift, redshift_dq, trouble_text

#: Default number of draws of a picture, more than a fit needs for its quantiles.
DEFAULT_SAMPLES = 2048


@dataclass(frozen=True)
class Places:
    """Choice of pixels and regions of a cube.

    Parameters
    ----------
    pixels : sequence of (float, float), optional
        x and y, counted from 1, as FITS and DS9 do. The pixel of a binned cube stands for its bin.
    positions : sequence of (float, float), optional
        RA and Dec in degrees.
    region : str, optional
        File of DS9 regions; the fluxes are summed over the pixels of each region.
    segment : bool, optional
        Sum the fluxes over the galaxy's segment.
    """

    pixels: tuple = ()
    positions: tuple = ()
    region: str | None = None
    segment: bool = False


@dataclass(frozen=True)
class Posterior:
    """Posterior of one pixel, bin, region or galaxy.

    Attributes
    ----------
    label : str
        Name in legends and tables.
    samples : dict of str to `~numpy.ndarray`, shape (S,), float32
        Draws by property. REDSHIFT is among them where it is uncertain.
    redshift, redshift_err : float
        As given to the model; NaN if the model infers the redshift.
    npix : int
        Number of pixels in the sum; 1 for a pixel, and 0 for a row of a table.
    chi2, ood : float
        As in the maps; NaN if the model has none.
    area : float or None
        Area in arcsec^2 to which LOGSIGMA belongs; None without a LOGSIGMA.
    rows : `~pixsed.fit.posterior.Rows` or None
        The one row of photometry that was fitted.
    """

    label: str
    samples: dict = field(repr=False)
    redshift: float
    redshift_err: float
    npix: int = 1
    chi2: float = np.nan
    ood: float = np.nan
    area: float | None = None
    rows: Rows | None = field(default=None, repr=False)

    def quantiles(self, name, levels):
        """Return quantiles of a property, as the maps have them (`pixsed.fit.quantiles`)."""
        values = np.sort(np.asarray(self.samples[name], dtype=np.float32))
        return [float(level[0]) for level in of_draws(values[None], levels)]


def common_properties(posteriors, wanted=()):
    """Return the properties of which all posteriors have draws.

    Parameters
    ----------
    posteriors : list of `Posterior`
    wanted : sequence of str, optional
        Return these, each once; by default all, in the order of a Maps file.

    Raises
    ------
    PixsedError
        If a posterior lacks one that is wanted.
    """
    there = ordered(set.intersection(*(set(one.samples) for one in posteriors)))
    if unknown := [name for name in wanted if name not in there]:
        raise PixsedError(
            f"there are no draws of {', '.join(unknown)}; there are of {', '.join(there)}"
        )
    return list(dict.fromkeys(wanted)) or there


def draw_places(cube, model, places, options=None, *, name="cube"):
    """Return the posteriors of pixels and regions of a cube.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    model : `~pixsed.fit.model.Model`
    places : `Places`
    options : `~pixsed.fit.options.FitOptions`, optional
        The fields quantiles and engine are not used.
    name : str, optional
        File name, for messages.

    Returns
    -------
    list of `Posterior`
        Pixels, positions, regions and the segment, in this order. Masses and SFRs of a bin are
        those of one pixel, as in maps; those of a region or segment belong to the whole.

    Raises
    ------
    PixsedError
        If no place is given, one is outside the image or cannot be fitted, a region is given for
        a binned cube, or the redshift cannot be fitted.
    """
    options = draw_options(options).with_defaults(snr_min=DEFAULT_SNR_MIN)
    cube = with_redshift(cube, options)
    if not model.infers_redshift:
        advice = redshift_advice(", or use ")
        check_redshift(cube.redshift, cube.redshift_err, model, name, advice)
    pixels = [_pixel(x, y, cube.shape, name) for x, y in places.pixels]
    pixels += [_pixel_at(ra, dec, cube, name) for ra, dec in places.positions]
    masks = _masks(cube, places, name)
    if not pixels and not masks:
        raise PixsedError(f"{name}: no place is chosen; give a pixel, a position or a region")
    selection = select(cube, model, options, name)
    found = _of_pixels(cube, model, selection, pixels, options, name) if pixels else []
    sums = [_sum(cube, model, selection, *mask, name) for mask in masks]
    return found + [one for row in sums for one in _draw_rows(model, options, *row)]


def draw_table(table, model, ids, options=None, columns=None, *, name="table"):
    """Return the posteriors of rows of a table of photometry.

    Parameters
    ----------
    table : `~astropy.table.Table`
        As for `pixsed.fit.table.fit_table`, with a column ID.
    model : `~pixsed.fit.model.Model`
    ids : sequence of str
        The rows.
    options : `~pixsed.fit.options.FitOptions`, optional
    columns : `~pixsed.fit.table_input.TableColumns`, optional
        Names and units of columns that differ from the default.
    name : str, optional
        File name, for messages.

    Returns
    -------
    list of `Posterior`

    Raises
    ------
    PixsedError
        If the table has no such row or no ids, or the row cannot be fitted.
    """
    options = draw_options(options)
    seen = read_photometry(table, model, options, columns or TableColumns(), name)
    if seen.ids is None:
        raise PixsedError(f"{name} has no column ID to find a row by; name one with --id-col")
    known = [str(one).strip() for one in seen.ids]
    if missing := [one for one in ids if str(one).strip() not in known]:
        raise PixsedError(f"{name} has no row with ID {listed(missing, 5)}; check --id")
    index = np.array([known.index(str(one).strip()) for one in ids])
    for row in index:
        z, dz = float(seen.redshift[row]), float(seen.redshift_err[row])
        if not model.infers_redshift:
            trouble, advice = trouble_text(redshift_dq(z, dz, model), z, dz, model)
            if trouble:
                raise PixsedError(f"{name}: ID {known[row]}: {trouble}; {advice}")
        _check_bands(np.isfinite(seen.flux[:, row]).sum(), f"{name}: ID {known[row]}")
    rows = rows_of(seen, index, len(model.bands))
    return _draw_rows(model, options, rows, [f"ID {known[row]}" for row in index], 0, None)


def draw_file(path, model, where, options=None, columns=None):
    """Return the posteriors of places of a cube file, or of rows of a table file.

    Parameters
    ----------
    path : str
        Cube, or table if `where` holds ids.
    model : `~pixsed.fit.model.Model`
    where : `Places` or sequence of str
        Places of the cube, or ids of rows of the table.
    options : `~pixsed.fit.options.FitOptions`, optional
    columns : `~pixsed.fit.table_input.TableColumns`, optional
        Names and units of columns of the table.

    Returns
    -------
    posteriors : list of `Posterior`
    galaxy : str
        Name of the galaxy of a cube; empty for a table.

    Raises
    ------
    PixsedError
        As for `draw_places` and `draw_table`, or if the file cannot be read.
    """
    path = str(path)
    if isinstance(where, Places):
        cube = read_cube(path)
        warn_of_psfs(cube.psfmatch, cube.psf_fwhm)
        return draw_places(cube, model, where, options, name=path), str(cube.object_id)
    columns = columns or TableColumns()
    table = read_table(
        path, hdu=columns.hdu, wanted=lambda names: band_columns(names, model.bands, path)
    )
    return draw_table(table, model, where, options, columns, name=path), ""


def draw_options(options=None):
    """Return options with the default number of draws; raise if the engine has none."""
    options = (options or FitOptions()).with_defaults(samples=DEFAULT_SAMPLES)
    if options.engine != "flow":
        raise PixsedError(f"engine must be 'flow', which has draws, got {options.engine!r}")
    return options


def _pixel(x, y, shape, name):
    """Return (row, column) of the pixel at FITS coordinates x, y."""
    column, row = (int(np.floor(value + 0.5)) - 1 for value in (x, y))
    if not (0 <= row < shape[0] and 0 <= column < shape[1]):
        raise PixsedError(
            f"{name}: pixel {x:g} {y:g} is outside the image of {shape[1]} x {shape[0]} pixels; "
            "count from 1, x first, as DS9 does"
        )
    return row, column


def _pixel_at(ra, dec, cube, name):
    """Return (row, column) of the pixel at RA and Dec in degrees."""
    x, y = cube.wcs.all_world2pix(ra, dec, 1, quiet=True)
    if not (np.isfinite(x) and np.isfinite(y)):
        raise PixsedError(f"{name}: RA {ra:g}, Dec {dec:g} is not on the image; check the position")
    try:
        return _pixel(float(x), float(y), cube.shape, name)
    except PixsedError:
        centre = cube.wcs.pixel_to_world((cube.shape[1] - 1) / 2, (cube.shape[0] - 1) / 2)
        raise PixsedError(
            f"{name}: RA {ra:.6f}, Dec {dec:.6f} is outside the image, whose centre is "
            f"{centre.ra.deg:.6f} {centre.dec.deg:.6f}; check the position"
        ) from None


def _masks(cube, places, name):
    """Return a list of (mask, label, name of the draws' key) of the sums."""
    found = []
    if places.region is not None:
        from pixsed.images.regions import read_regions

        if cube.binning is not None:
            raise PixsedError(
                f"{name}: the pixels of a binned cube cannot be summed over a region; give the "
                "cube before pixsed bin"
            )
        box = 0, cube.shape[0], 0, cube.shape[1]
        for region in read_regions(places.region, cube.wcs):
            mask = region.segmap(box) > 0
            label = f"region {region.number}"
            found.append((mask, label, f"{cube.object_id} {label}"))
    if places.segment:
        # The key of the integrated fit of pixsed.fit.total.
        label = f"galaxy {cube.object_id}" if str(cube.object_id) else "galaxy"
        found.append((np.ones(cube.shape, dtype=bool), label, cube.object_id))
    return found


def _of_pixels(cube, model, selection, pixels, options, name):
    """Return the posteriors of pixels, or of the bins that hold them."""
    firsts, labels = [], []
    for row, column in pixels:
        label = f"pixel {column + 1} {row + 1}"
        if not selection.chosen[row, column]:
            raise PixsedError(f"{name}: {label} is not fitted: {_why(selection.dq[row, column])}")
        if selection.binning is not None:
            binmap = selection.binning.binmap
            same = (binmap == binmap[row, column]) & selection.chosen
            label = f"bin {binmap[row, column]} ({label})"
            # The draws of a bin are those of its first pixel.
            row, column = np.unravel_index(same.argmax(), same.shape)
        firsts.append((row, column))
        labels.append(label)
    y, x = np.array(firsts).T
    key_y, key_x = global_indices(cube.header, cube.shape)
    npix = selection.npix(y, x)
    photometry, redshifts = selection.photometry(model, y, x), selection.redshifts(y, x)
    rows = Rows(*photometry, *redshifts, key_y[y], key_x[x], npix)
    counts = np.ones(len(y), int) if npix is None else npix
    return _draw_rows(model, options, rows, labels, counts, cube.pixar_a2)


def _why(dq):
    """Return the reason why a pixel is not fitted, and what to try."""
    reason = reasons_text(count_reasons(np.atleast_1d(dq))).partition(" ")[2]
    if not reason:
        return "it is outside the galaxy's segment; try --all-pixels"
    return f"it is {reason}; choose another, or try --snr-min"


def _sum(cube, model, selection, mask, label, key, name):
    """Return the arguments of `_draw_rows` for the photometry summed over a mask."""
    chosen = selection.chosen & mask
    count = int(chosen.sum())
    if not count:
        dq = selection.dq[mask]
        why = reasons_text(count_reasons(dq)) or "none is in the galaxy's segment"
        raise PixsedError(
            f"{name}: no pixel of {label} can be fitted: {why}; try --snr-min or --all-pixels"
        )
    flux, err = summed_photometry(cube, replace(selection, chosen=chosen))
    _check_bands(np.isfinite(flux).sum(), f"{name}: {label}")
    rows = row_of_sum(flux, err, cube, model, selection, key)
    area = count * cube.pixar_a2
    return rows, [f"{label}, {count} pixels"], [count], area


def _check_bands(count, what):
    if count < MIN_BANDS:
        raise PixsedError(f"{what} has data in {count} bands, and a fit needs {MIN_BANDS}")


def _draw_rows(model, options, rows, labels, npix, area):
    """Return the posterior of each row."""
    draws = draw(model, rows, options, pixel_area=area)
    score = {key: draws.pop(key) for key in ("CHI2", "OOD")}
    npix = np.broadcast_to(npix, len(rows))
    found = []
    for i, label in enumerate(labels):
        samples = {key: values[i] for key, values in draws.items()}
        redshift, error = float(rows.redshift[i]), float(rows.redshift_err[i])
        if model.infers_redshift:
            redshift = error = np.nan
        elif not error > 0:
            samples.pop("REDSHIFT", None)
        chi2, ood = float(score["CHI2"][i]), float(score["OOD"][i])
        one = rows[i : i + 1]
        found.append(Posterior(label, samples, redshift, error, int(npix[i]), chi2, ood, area, one))
    return found
