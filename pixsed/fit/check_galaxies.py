"""Photometry of many galaxies for the residuals by band: cubes, their maps, or a table."""

import numpy as np

from pixsed.dq import MIN_BANDS, NOT_FITTED
from pixsed.errors import PixsedError
from pixsed.fit.options import DEFAULT_SNR_MIN
from pixsed.fit.posterior import Rows
from pixsed.fit.residuals import residuals_of_maps, together
from pixsed.fit.select import quality, select, with_redshift
from pixsed.fit.summed import row_of_sum, summed_photometry
from pixsed.fit.table import rows_of
from pixsed.fit.table_input import read_photometry
from pixsed.io.formats.cube import read_cube
from pixsed.io.formats.maps import read_maps
from pixsed.io.formats.photometry import band_columns
from pixsed.io.formats.psfmatch import warn_of_psfs
from pixsed.io.locate import open_fits
from pixsed.io.repeated_warnings import merge_repeated_warnings
from pixsed.io.tables import read_table
from pixsed.redshifts import redshift_dq
from pixsed.snr import mean_snr


def rows_of_cubes(paths, model, options):
    """Return the photometry of galaxies, each summed over its pixels, and the galaxies' names.

    Parameters
    ----------
    paths : sequence of str
        Cubes, which are read one after the other.
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`
        Those of `pixsed.fit.select.select`.

    Returns
    -------
    rows : `~pixsed.fit.posterior.Rows`
    names : list of str
        OBJECT, or the path where a cube has none.

    Raises
    ------
    PixsedError
        If a cube cannot be read, or no galaxy can be fitted.
    """
    options = options.with_defaults(snr_min=DEFAULT_SNR_MIN)
    rows, names = [], []
    with merge_repeated_warnings():
        for path in paths:
            cube = with_redshift(read_cube(path), options)
            warn_of_psfs(cube.psfmatch, cube.psf_fwhm)
            selection = select(cube, model, options, path)
            if not selection.chosen.any():
                continue
            flux, err = summed_photometry(cube, selection)
            if np.isfinite(flux).sum() < MIN_BANDS:
                continue
            rows.append(row_of_sum(flux, err, cube, model, selection, cube.object_id))
            names.append(str(cube.object_id) or path)
    if not rows:
        raise PixsedError(
            f"none of the {len(paths)} galaxies can be fitted; try --snr-min, --redshift or "
            "another --model"
        )
    parts = ("flux", "err", "redshift", "redshift_err", "key_y", "key_x")
    return Rows(*(np.concatenate([getattr(row, part) for row in rows]) for part in parts)), names


def rows_of_table(path, model, options, columns):
    """Return the photometry of the rows of a table that can be fitted, and their ids.

    Parameters
    ----------
    path : str
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`
    columns : `~pixsed.fit.table_input.TableColumns`

    Returns
    -------
    rows : `~pixsed.fit.posterior.Rows`
    names : list of str

    Raises
    ------
    PixsedError
        If the table cannot be read, or no row can be fitted.
    """
    table = read_table(
        path, hdu=columns.hdu, wanted=lambda names: band_columns(names, model.bands, path)
    )
    seen = read_photometry(table, model, options, columns, path)
    snr = mean_snr(seen.flux, seen.err, seen.bands)
    dq, _ = quality(seen.flux, seen.code, snr, options.snr_min)
    dq |= redshift_dq(seen.redshift, seen.redshift_err, model)
    index = np.flatnonzero((dq & NOT_FITTED) == 0)
    if not len(index):
        raise PixsedError(f"{path}: no row can be fitted; check its redshifts and bands")
    ids = seen.ids or [str(row + 1) for row in range(len(table))]
    return rows_of(seen, index, len(model.bands)), [ids[row] for row in index]


def residuals_of_files(cubes, maps, zero_points):
    """Return the `~pixsed.fit.residuals.Residuals` of cubes and their maps, galaxy by galaxy.

    Parameters
    ----------
    cubes, maps : sequence of str
        Files, in any order: they are matched by OBJECT. The only cube and maps need none.
    zero_points : sequence of `~pixsed.fit.zero_points.ZeroPoint`
        Those of the fits.

    Raises
    ------
    PixsedError
        If maps have no cube among `cubes`, or as `~pixsed.fit.residuals.residuals_of_maps`.
    """
    by_object = {}
    for path in cubes:
        with open_fits(path) as hdulist:
            name = str(hdulist[0].header.get("OBJECT", ""))
        other = by_object.setdefault(name, path)
        if other != path:
            raise PixsedError(
                f"{other} and {path} have the same OBJECT, {name!r}; give one of them"
            )
    names, parts = [], []
    for path in maps:
        found = read_maps(path)
        name = str(found.primary.get("OBJECT", ""))
        cube = by_object.get(name)
        if cube is None and len(maps) == len(cubes) == 1:
            cube = cubes[0]
        if cube is None:
            raise PixsedError(
                f"{path}: no cube has its OBJECT, {name!r}; they have "
                f"{', '.join(map(repr, by_object))}"
            )
        parts.append(residuals_of_maps(read_cube(cube), found, zero_points, path))
        names.append(name or path)
    return together(names, parts)
