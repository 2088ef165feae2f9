"""Galaxies of other codes: a table of photometry and true properties.

The photometry is read as by `pixsed fit`. Truths are columns ``<PROPERTY>_TRUE``: a plain name
could be a measurement, and the suffix stands beside the ``_P50`` and ``_STD`` that a fit adds.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from astropy import units as u

from pixsed.dq import MIN_BANDS
from pixsed.errors import PixsedError, PixsedWarning, listed
from pixsed.fit.options import FitOptions
from pixsed.fit.table_input import TableColumns, read_photometry
from pixsed.io.columns import flat, numbers, same_name, unit_of
from pixsed.io.formats.photometry import band_columns
from pixsed.io.tables import read_table
from pixsed.properties import unit_and_description
from pixsed.redshifts import range_text, redshift_dq
from pixsed.simulate.observe import observe
from pixsed.validate.bins import rows_in
from pixsed.validate.cases import Observed, row_snr

SUFFIX = "_TRUE"


@dataclass
class OutsideTable:
    """Photometry and truths of N galaxies, in the bands of a model.

    Attributes
    ----------
    path : path-like
    flux, flux_err : `~numpy.ndarray`, shape (N, B), float32
        nJy, in the order of the model's bands; NaN = band missing. Without noise, the errors are
        all NaN.
    noisy : bool
        Whether the table has errors.
    redshift, redshift_err : `~numpy.ndarray`, shape (N,)
    truth : dict of `~numpy.ndarray`, shape (N,)
        By property; NaN = not known.
    columns : dict of `~numpy.ndarray`, shape (N,)
        Numbers and texts that can define bins, by the name of the column without ``_TRUE``.
    """

    path: object
    flux: np.ndarray
    flux_err: np.ndarray
    noisy: bool
    redshift: np.ndarray
    redshift_err: np.ndarray
    truth: dict
    columns: dict

    def __len__(self):
        return len(self.flux)

    @property
    def photo_z(self):
        """True if redshifts have errors."""
        return bool((self.redshift_err > 0).any())


def read_outside(path, model):
    """Read a table of photometry and truths.

    Parameters
    ----------
    path : path-like
        FITS, ECSV, CSV or VOTable; ``path[EXT]`` too. Columns ``<BAND>``, with
        ``<BAND>_ERR`` unless the photometry has no noise, REDSHIFT and optionally REDSHIFT_ERR, as
        in `~pixsed.fit.table.fit_table`, and ``<PROPERTY>_TRUE`` for any of the model's properties.
    model : `~pixsed.fit.model.Model`

    Returns
    -------
    `OutsideTable`

    Raises
    ------
    PixsedError
        If the table has no photometry, no redshifts or no truths, or a column cannot be read.

    Warns
    -----
    PixsedWarning
        If galaxies are left out, since their redshifts are beyond the model.
    """
    table = read_table(path, wanted=lambda names: any(n.upper().endswith(SUFFIX) for n in names))
    noisy = bool(band_columns(table.colnames, model.bands, path))
    if not noisy:
        _add_errors(table, model, path)
    seen = read_photometry(table, model, FitOptions(), TableColumns(), str(path))
    flux, err = (np.full((len(table), len(model.bands)), np.nan, np.float32) for _ in range(2))
    flux[:, seen.columns] = seen.flux.T
    if noisy:
        err[:, seen.columns] = seen.err.T
    truth, columns = _truths(table, model, path), _columns(table, path)
    redshift = seen.redshift
    if model.infers_redshift:
        redshift = truth.setdefault(
            "REDSHIFT", columns.get("REDSHIFT", np.full(len(table), np.nan))
        )
    found = OutsideTable(path, flux, err, noisy, redshift, seen.redshift_err, truth, columns)
    return _fittable(found, model)


def _add_errors(table, model, path):
    """Add errors of 1 in the units of the fluxes, since the reader wants a column of errors."""
    bands = [same_name(table.colnames, band, path) for band in model.bands]
    bands = [band for band in bands if band]
    if not bands:
        raise PixsedError(
            f"{path}: no column of a band of {model.name}; it has {listed(table.colnames)}; name "
            "them as F444W, with F444W_ERR if they have noise"
        )
    for band in bands:
        table[f"{band}_ERR"] = np.ones(len(table))
        table[f"{band}_ERR"].unit = unit_of(table[band])


def _truths(table, model, path):
    """Return the truths by property, in the units of the properties."""
    names = [name for name in table.colnames if name.upper().endswith(SUFFIX)]
    if not names:
        raise PixsedError(
            f"{path}: no column <PROPERTY>{SUFFIX} with truths; it has {listed(table.colnames)}; "
            f"name them as LOGMSTAR{SUFFIX}"
        )
    return {
        name[: -len(SUFFIX)].upper(): property_values(
            table, name, name[: -len(SUFFIX)].upper(), path, model
        )
        for name in names
        if table[name].dtype.kind in "fiu"
    }


def property_values(table, name, prop, path, model=None):
    """Return a column as float64, shape (N,), in the unit of a property.

    Parameters
    ----------
    table : `~astropy.table.Table`
    name, prop : str
        Column, and the property that it holds. Without a unit, the column has that of the property.
    path : path-like
        File name, for messages.
    model : `~pixsed.fit.model.Model`, optional
        As in `~pixsed.properties.unit_and_description`.

    Returns
    -------
    `~numpy.ndarray`
        NaN where a value is missing.

    Raises
    ------
    PixsedError
        If the column does not hold numbers, or has a unit that cannot be converted.
    """
    values = np.asarray(numbers(table[name], name, "", path), dtype=float)
    unit, wanted = unit_of(table[name]), unit_and_description(prop, model)[0]
    if not unit or wanted not in ("Gyr", "mag"):  # logarithms have no other unit
        return values
    try:
        return values * u.Unit(unit).to(wanted)
    except (u.UnitConversionError, ValueError, TypeError):
        raise PixsedError(
            f"{path}: column {name} must be in {wanted}, got {unit}; convert it"
        ) from None


def _columns(table, path):
    """Return the columns of one number or text per row, by their names without the suffix."""
    found = {}
    for name in table.colnames:
        if getattr(table[name], "ndim", 0) == 1 and table[name].dtype.kind in "fiubUSO":
            values = flat(table[name], name, path)
            values = values.astype(float).filled(np.nan) if values.dtype.kind in "fiub" else values
            short = name[: -len(SUFFIX)] if name.upper().endswith(SUFFIX) else name
            found[short] = np.ma.filled(values, "") if values.dtype.kind in "US" else values
    return found


def _fittable(table, model):
    """Return the galaxies whose redshifts and bands the model can take."""
    beyond = redshift_dq(table.redshift, table.redshift_err, model) > 0
    few = np.isfinite(table.flux).sum(axis=1) < MIN_BANDS
    reasons = (
        (beyond, f"redshifts outside {range_text(model)}"),
        (few & ~beyond, f"data in fewer than {MIN_BANDS} bands of {model.name}"),
    )
    for rows, text in reasons:
        if rows.any():
            warnings.warn(
                f"{table.path}: {rows.sum()} of {len(table)} galaxies are left out, with {text}",
                PixsedWarning,
                stacklevel=3,
            )
    good = ~beyond & ~few
    return OutsideTable(
        table.path,
        table.flux[good],
        table.flux_err[good],
        table.noisy,
        table.redshift[good],
        table.redshift_err[good],
        {name: values[good] for name, values in table.truth.items()},
        {name: values[good] for name, values in table.columns.items()},
    )


def observe_outside(table, bands, noise, kinds, *, snr_min, snr_max, number, seed):
    """Return the first `number` galaxies within a range of mean S/N, as `Observed`.

    Parameters
    ----------
    table : `OutsideTable`
    bands : sequence of str
        Bands of the model.
    noise : noise model of `pixsed.simulate.noise`
        Noise added to a table without errors.
    kinds : sequence of tuple
        Bins of `pixsed.validate.bins`.
    snr_min, snr_max : float
        Range of `~pixsed.validate.cases.row_snr`.
    number, seed : int

    Raises
    ------
    PixsedError
        If fewer than two galaxies are within the range.
    """
    flux, err = table.flux, table.flux_err
    if not table.noisy:
        flux, err = flux.copy(), err.copy()
        here = np.isfinite(flux).any(axis=0)
        names = [band for band, seen in zip(bands, here, strict=True) if seen]
        some = np.nan_to_num(flux[:, here].astype(float))
        mask = np.isfinite(flux[:, here])
        rng = np.random.default_rng(seed)
        flux[:, here], err[:, here] = observe(some, names, noise, mask, rng)
    snr = row_snr(flux, err, bands)
    rows = np.flatnonzero((snr > snr_min) & (snr <= snr_max))[:number]
    if len(rows) < 2:
        raise PixsedError(
            f"{table.path}: only {len(rows)} of {len(table)} galaxies have a mean S/N above "
            f"{snr_min:g}; give a smaller --snr-min"
        )
    truth = {name: values[rows] for name, values in table.truth.items()}
    redshift, redshift_err = table.redshift[rows], table.redshift_err[rows]
    found = Observed(flux[rows], err[rows], redshift, redshift_err, snr[rows], truth, np.empty(0))
    columns = {name: values[rows] for name, values in table.columns.items()}
    found.kinds = tuple(kinds)
    found.bins = rows_in(kinds, found.snr, redshift, columns)
    return found
