"""Columns of redshifts in tables and catalogues."""

import re

from astropy import units as u

from pixsed.errors import PixsedError
from pixsed.io.columns import unit_of

_ERROR_WORD = "err|error|unc|sigma|sig|std"
_SIDE = "lo|low|lower|hi|high|upper|[lu](68|95)|p?(16|84|160|840)"


def unused_errors(names, redshift):
    """Return the columns that look like errors, or limits, of the redshifts.

    Parameters
    ----------
    names : list of str
        Names of the table's columns.
    redshift : str
        Name of the column of redshifts. Columns with errors of ``z`` and ``redshift`` count too,
        unless another column has that name.
    """
    lower = {name.lower() for name in names} - {redshift.lower()}
    stems = [stem for stem in (redshift.lower(), "redshift", "z") if stem not in lower]
    stem = "|".join(map(re.escape, dict.fromkeys(stems)))
    pattern = re.compile(
        rf"({stem})_?(({_ERROR_WORD})(_?({_SIDE}))?|({_SIDE})(_?({_ERROR_WORD}))?)|"
        rf"(e|ed|eu|err|sig|sigma)_?({stem})"
    )
    return [name for name in names if pattern.fullmatch(name.lower()) and name != redshift]


def check_redshift_unit(column, name, path):
    """Raise `PixsedError` if a column of redshifts or redshift errors has a unit."""
    unit = unit_of(column)
    if unit is None or str(unit).strip().lower() in ("redshift", "z", "dimensionless", "none", "-"):
        return
    try:
        plain = u.Unit(str(unit)) == u.dimensionless_unscaled
    except ValueError:  # a text that is not a unit
        plain = True
    if not plain:
        raise PixsedError(f"{path}: column {name!r} is in {unit}; redshifts have no unit")
