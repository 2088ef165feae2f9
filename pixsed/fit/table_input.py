"""Photometry and redshifts of the rows of a table, found by the names of its columns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pixsed.errors import PixsedError, PixsedWarning, listed
from pixsed.fit.select import match_bands
from pixsed.fit.zero_points import corrected
from pixsed.io.columns import find_column, numbers, same_name, texts
from pixsed.io.formats.photometry import band_columns, band_njy
from pixsed.io.redshift_columns import check_redshift_unit, unused_errors
from pixsed.models import redshift_advice
from pixsed.nodata import usable
from pixsed.redshifts import check_redshift, exact_text


@dataclass(frozen=True)
class TableColumns:
    """Columns of a table of photometry whose names or units are not the default ones.

    Parameters
    ----------
    units : str or mapping of str, optional
        Unit of the flux columns that have none. A mapping from bands to units replaces the
        units of these bands; its key None stands for all columns that have no unit.
    id_col, z_col, zerr_col : str, optional
        Columns of the ids, the redshifts and their 1-sigma errors, in place of ID, REDSHIFT and
        REDSHIFT_ERR.
    hdu : str, optional
        Extension of the table in a FITS file.
    """

    units: str | Mapping[str | None, str] | None = None
    id_col: str | None = None
    z_col: str | None = None
    zerr_col: str | None = None
    hdu: str | None = None

    @property
    def unit_of(self) -> dict[str | None, str]:
        """Units by band, upper case; None stands for columns without a unit."""
        if self.units is None or isinstance(self.units, str):
            return {} if self.units is None else {None: self.units}
        return dict(self.units)

    @property
    def units_text(self) -> str:
        """Units as ``uJy,F444W=nJy``; empty if none is given."""
        return ",".join(f"{band}={unit}" if band else unit for band, unit in self.unit_of.items())


@dataclass
class TablePhotometry:
    """Photometry and redshifts of N rows, in the B bands in common with a model.

    Attributes
    ----------
    flux, err : `~numpy.ndarray`, shape (B, N), float32
        nJy; NaN in both where there is no measurement.
    code : `~numpy.ndarray`, shape (B, N), uint8
        Reasons for values taken as missing, from `pixsed.nodata.usable`.
    bands : list of str
        In the order of the model.
    columns : `~numpy.ndarray`, shape (B,), int
        Indices of the bands among those of the model.
    redshift, redshift_err : `~numpy.ndarray`, shape (N,), float64
        NaN where masked; 0 if the model infers the redshift.
    ids : sequence of str or None
    """

    flux: np.ndarray
    err: np.ndarray
    code: np.ndarray
    bands: list
    columns: np.ndarray
    redshift: np.ndarray
    redshift_err: np.ndarray
    ids: list | None


def read_photometry(table, model, options, columns, name):
    """Return the `TablePhotometry` of a table.

    Parameters
    ----------
    table : `~astropy.table.Table`
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`
        Only error_floor, zero_points, redshift and redshift_err are used.
    columns : `TableColumns`
    name : str
        File name, for messages.

    Raises
    ------
    PixsedError
        If columns or units are missing, a column holds no numbers, or the redshift of the
        options cannot be fitted.
    """
    fluxes = _flux_columns(table, model, name)
    z_col, zerr_col = _redshift_columns(table, model, options, columns, name)
    fluxes.pop(z_col, None)
    names, bands, index = _match_bands(fluxes, model, name)
    flux, err = _band_values(table, names, columns.unit_of, model, name)
    flux, err, bare, code = usable(flux, err, options.error_floor)
    flux, err, _ = corrected(options.zero_points, bands, flux, err, bare)
    redshift, redshift_err = _redshifts(table, model, options, (z_col, zerr_col), name)
    ids = _ids(table, columns.id_col, name)
    return TablePhotometry(flux, err, code, bands, index, redshift, redshift_err, ids)


def _flux_columns(table, model, name):
    """Return a dict of flux column -> band; a flux column has an ``_ERR`` column beside it."""
    fluxes = band_columns(table.colnames, model.bands, name)
    if not fluxes:
        raise PixsedError(
            f"{name}: no column <BAND> with <BAND>_ERR beside it; it has "
            f"{listed(table.colnames)}; name them as F444W and F444W_ERR"
        )
    return dict(fluxes)


def _match_bands(fluxes, model, name):
    """Return the columns of bands that a model knows, the bands, and their indices in the model.

    All three are in order of wavelength, not in that of the table.
    """
    names = list(fluxes)
    index, columns = match_bands([fluxes[name] for name in names], model, name)
    names = [names[i] for i in index]
    return names, [fluxes[name] for name in names], columns


def _band_values(table, names, unit_of, model, name):
    """Return flux and error of the flux columns `names`, both of shape (B, N), nJy."""
    if unknown := set(unit_of) - {None} - {band.upper() for band in names}:
        raise PixsedError(
            f"{name}: {', '.join(sorted(unknown))} of --unit is not a fitted band; the fitted "
            f"bands are {', '.join(names)}"
        )
    found = [band_njy(table, band, unit_of, name) for band in names]
    if None in unit_of and not any(used for *_, used in found):
        _warn(
            f"{name}: --unit {unit_of[None]} was not used: every flux column has a unit; name "
            "the band, as in --unit F444W=nJy, to replace it"
        )
    known = {band.upper() for band in model.bands}
    if lone := [c for c in table.colnames if c.upper() in known and c not in names]:
        _warn(f"{name}: {', '.join(lone)} left out: no {lone[0]}_ERR, or not the model's spelling")
    return [flux for flux, _, _ in found], [err for _, err, _ in found]


def _ids(table, id_col, name):
    """Return the ids of rows as text; None if the table has no such column."""
    if id_col:
        id_col = find_column(table.colnames, id_col, (), "--id-col", name)
    else:
        id_col = same_name(table.colnames, "ID", name)
    return texts(table[id_col], id_col, name) if id_col else None


def _redshift_columns(table, model, options, columns, name):
    """Return the columns of the redshifts and of their errors; None for one that is not read."""
    names, z_col, zerr_col = table.colnames, columns.z_col, columns.zerr_col
    if model.infers_redshift:
        return z_col, zerr_col
    if options.redshift is not None:
        return None, None
    if z_col:
        z_col = find_column(names, z_col, (), "--z-col", name)
    else:
        z_col = same_name(names, "REDSHIFT", name)
    if z_col is None:
        raise PixsedError(
            f"{name}: no column REDSHIFT; add one, or give --redshift or --z-col"
            f"{redshift_advice(', or ')}; it has {listed(names)}"
        )
    if options.redshift_err is not None:
        return z_col, None
    if zerr_col:
        return z_col, find_column(names, zerr_col, (), "--zerr-col", name)
    zerr_col = same_name(names, "REDSHIFT_ERR", name)
    if zerr_col is None and (unused := unused_errors(names, z_col)):
        _warn(exact_text(name, listed(unused, 6)))
    return z_col, zerr_col


def _redshifts(table, model, options, columns, name):
    """Return redshift and error of every row, float64; NaN where masked, 0 if not used."""
    redshift, redshift_err = options.redshift, options.redshift_err
    if redshift is not None:
        check_redshift(redshift, redshift_err or 0.0, model, name)
    elif redshift_err is not None:
        check_redshift(1.0, redshift_err, None, name)  # the redshifts come from the rows
    if model.infers_redshift:
        return np.zeros(len(table)), np.zeros(len(table))
    return [
        _redshift_values(table, value, column, option, name)
        for value, column, option in zip(
            (redshift, redshift_err), columns, ("--z-col", "--zerr-col"), strict=True
        )
    ]


def _redshift_values(table, value, column, option, name):
    """Return redshifts or their errors, (N,) float64, from a value or a column; else 0."""
    if value is not None or column is None:
        return np.full(len(table), float(value or 0.0))
    check_redshift_unit(table[column], column, name)
    return numbers(table[column], column, option, name)


def _warn(message):
    warnings.warn(message, PixsedWarning, stacklevel=4)
