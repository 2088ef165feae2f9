"""Redshifts of galaxies from a catalogue, by id in the segmentation map."""

import re
import warnings

import numpy as np

from pixsed.dq import DQ
from pixsed.errors import PixsedError, PixsedWarning, listed
from pixsed.io.columns import find_column, flat, integers, numbers, texts
from pixsed.io.redshift_columns import check_redshift_unit, unused_errors
from pixsed.io.tables import read_table
from pixsed.redshifts import exact_text, redshift_dq

_ID = "id number objid obj_id object_id source_id id_source galid label seg_id segid".split()
_Z = (
    "z_spec zspec z_specz specz spec_z redshift z z_best zbest z_phot zphot photoz photz z_peak "
    "z_a z_ml z_mc z_med z_final"
).split()
_ZERR = "redshift_err z_err zerr redshift_error e_z z_error".split()


def read_redshifts(path, *, id_col=None, z_col=None, zerr_col=None):
    """Return the redshifts of a catalogue and their errors, by id.

    Parameters
    ----------
    path : str
        Table in a format of astropy: FITS (``path[EXT]`` too), ECSV, CSV, VOTable, ASCII.
    id_col, z_col, zerr_col : str, optional
        Columns; by default those with a usual name. The error column is one named after the
        redshift (``z_phot_err``, ``e_z_phot``), or ``redshift_err``.

    Returns
    -------
    dict
        id (int) -> (redshift, error), as in the catalogue. Masked values are NaN; the error is 0
        without an error column. Ids that come twice map to None. Rows without an id are left out.
        `pixsed.redshifts.redshift_dq` flags redshifts that cannot be fitted.

    Raises
    ------
    PixsedError
        If the table cannot be read, a column is absent or ambiguous, or no redshift has an error
        of 0 or more.

    Warns
    -----
    PixsedWarning
        If rows have no id, or columns that look like errors are not read.
    """
    table = read_table(path, wanted=lambda names: _has_redshifts(names, id_col, z_col))
    names = table.colnames
    id_col = find_column(names, id_col, _ID, "--id-col", path)
    z_col = find_column(names, z_col, _Z, "--z-col", path)
    if zerr_col is None:
        zerr_col = _error_column(names, z_col, path)
    else:
        zerr_col = find_column(names, zerr_col, (), "--zerr-col", path)
    ids = integers(table[id_col], id_col, "--id-col", path)
    for name in filter(None, (z_col, zerr_col)):
        check_redshift_unit(table[name], name, path)
    if zerr_col is None and (unused := unused_errors(names, z_col)):
        warnings.warn(exact_text(path, listed(unused, 6)), PixsedWarning, stacklevel=2)
    redshifts = numbers(table[z_col], z_col, "--z-col or --zerr-col", path)
    errors = np.zeros(len(table))
    if zerr_col is not None:
        errors = numbers(table[zerr_col], zerr_col, "--z-col or --zerr-col", path)
    trouble = redshift_dq(redshifts, errors)
    if (trouble == DQ.BAD_REDSHIFT_ERR).any() and (trouble > 0).all():
        raise PixsedError(
            f"{path}: no redshift has an error of 0 or more in column {zerr_col!r}; set it to 0 "
            "where the redshift is exact, or name another column with --zerr-col"
        )
    result = {}
    if without := [row for row, number in enumerate(ids, 1) if number is None]:
        warnings.warn(
            f"{path}: {len(without)} of {len(ids)} rows have no id in column {id_col!r}; they are "
            f"left out: row {listed(without, 5)}",
            PixsedWarning,
            stacklevel=2,
        )
    for number, redshift, error in zip(ids, redshifts, errors, strict=True):
        if number is None:
            continue
        result[number] = None if number in result else (float(redshift), float(error))
    return result


def ids_as_texts(path, *, id_col=None, z_col=None):
    """Return the ids of a catalogue as it writes them, if its column of ids holds texts.

    A table with these ids can be joined with the catalogue.

    Parameters
    ----------
    path, id_col, z_col
        As for `read_redshifts`.

    Returns
    -------
    dict of int to str, or None
        None if the column holds numbers.
    """
    table = read_table(path, wanted=lambda names: _has_redshifts(names, id_col, z_col))
    id_col = find_column(table.colnames, id_col, _ID, "--id-col", path)
    if flat(table[id_col], id_col, path).dtype.kind not in "US":
        return None
    found = integers(table[id_col], id_col, "--id-col", path)
    return dict(zip(found, texts(table[id_col], id_col, path), strict=True))


def check_redshifts(ids, redshifts, segmap, catalog):
    """Return a flag for each galaxy: True if its redshift can be fitted.

    Parameters
    ----------
    ids : sequence of int
        Galaxies of the segmentation map.
    redshifts : sequence of (float, float)
        Redshift and error of each.
    segmap, catalog : str
        Names of the segmentation map and of the catalogue, for messages.

    Returns
    -------
    list of bool

    Raises
    ------
    PixsedError
        If no galaxy has one.

    Warns
    -----
    PixsedWarning
        If some galaxies have none.
    """
    dq = redshift_dq(*np.array(redshifts, dtype=float).reshape(-1, 2).T)
    without = [number for number, bits in zip(ids, dq, strict=True) if bits & DQ.NO_REDSHIFT]
    bad = [number for number, bits in zip(ids, dq, strict=True) if bits & DQ.BAD_REDSHIFT_ERR]
    mend = (
        f"a redshift error that is NaN, infinite or negative in {catalog} (set it to 0 where "
        "the redshift is exact)"
    )
    if dq.all():
        if bad:
            raise PixsedError(f"no galaxy of {segmap} can be fitted: they have {mend}")
        raise PixsedError(
            f"no galaxy of {segmap} has a redshift in {catalog}; is it the map's own numbering?"
        )
    reasons = (without, f"no redshift in {catalog}"), (bad, mend)
    for left_out, what in reasons:
        if left_out:
            warnings.warn(
                f"{len(left_out)} of {len(dq)} galaxies have {what}; they are left out: id "
                f"{listed(left_out, 5)}",
                PixsedWarning,
                stacklevel=3,
            )
    return (dq == 0).tolist()


def _has_redshifts(names, id_col, z_col):
    """Return whether a table with these columns may be the catalogue."""
    lower = {name.lower() for name in names}
    return all(
        name.lower() in lower if name else lower & set(usual)
        for name, usual in ((id_col, _ID), (z_col, _Z))
    )


def _error_column(names, z_col, path):
    stem = re.escape(z_col.lower())
    own = re.compile(rf"{stem}_?(err|error|unc|sigma)|(e|err|sig|sigma)_?{stem}")
    found = [name for name in names if own.fullmatch(name.lower())]
    if not found:
        found = [name for name in names if name.lower() in _ZERR]
    if len(found) > 1:
        raise PixsedError(
            f"{path}: which column is the redshift's error, {', '.join(found)}? "
            "Name one with --zerr-col"
        )
    return found[0] if found else None
