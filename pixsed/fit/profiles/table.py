"""Table of a profile: one row per annulus."""

import numpy as np
from astropy import units as u
from astropy.table import Table

from pixsed.errors import PixsedError
from pixsed.fit.profiles.draws import weighting
from pixsed.io.columns import integers_or_texts
from pixsed.properties import ordered, quantile_name, unit_and_description

#: Properties of annuli that maps do not have: unit and description.
OWN = {
    "LOGSIGMA_SFR": (
        "dex(solMass yr-1 kpc-2)",
        "log10 of the surface density of the SFR over the last 100 Myr",
    ),
    "LOGSSFR": ("dex(yr-1)", "log10 of the SFR over the last 100 Myr over the surviving mass"),
}
_SUMS = ("LOGMSTAR", "LOGMFORM", "LOGSFR", "LOGSFR10", "LOGSIGMA", *OWN)
#: Description of the column IN_PSF.
IN_PSF = "1 where R is below half the FWHM of the PSF, else 0; -1 if the FWHM is unknown"
#: Start of the names of columns relative to the centre.
RELATIVE = "REL_"


def property_unit(name, model=None):
    """Return the unit and the description of a property of annuli."""
    return OWN[name] if name in OWN else unit_and_description(name, model)


def chosen_properties(there, wanted=()):
    """Return the properties of a table, in order.

    Parameters
    ----------
    there : iterable of str
        Properties that have draws.
    wanted : sequence of str, optional
        By default all: densities first, then as in a Maps file.

    Raises
    ------
    PixsedError
        If one that is wanted has no draws.
    """
    first = [name for name in ("LOGSIGMA", "LOGSIGMA_SFR", "LOGSSFR") if name in there]
    known = first + [name for name in ordered(there) if name not in first]
    if unknown := [name for name in wanted if name not in known]:
        raise PixsedError(
            f"there are no draws of {', '.join(unknown)}; there are of {', '.join(known)}"
        )
    return list(dict.fromkeys(wanted)) or known


def relative_to(draws, centre, name, model=None):
    """Return draws of a property relative to those of the centre.

    Parameters
    ----------
    draws : `~numpy.ndarray`, shape (A, S)
    centre : `~numpy.ndarray`, shape (S,)
    name : str
    model : `~pixsed.fit.model.Model`, optional

    Returns
    -------
    draws : `~numpy.ndarray`, shape (A, S)
        The ratio of times, the difference of others.
    unit, text : str
        Its unit, and how it is relative.
    """
    unit = property_unit(name, model)[0]
    if unit == "Gyr":
        return draws / centre, "", "over that of the central pixel"
    return draws - centre, "dex" if unit.startswith("dex") else unit, "minus that of the centre"


def profile_table(cube, geometry, draws, odd, model, options, *, names, centre=None):
    """Return the table of a profile.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    geometry : `~pixsed.fit.profiles.geometry.Geometry`
    draws : dict of str to `~numpy.ndarray`, shape (A, S)
    odd : `~numpy.ndarray`, shape (A,)
        Fraction of pixels out of distribution.
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`
        Only quantiles is used.
    names : sequence of str
        Properties.
    centre : dict of str to `~numpy.ndarray`, shape (S,), optional
        Draws of the pixel at the centre, for columns relative to it.

    Returns
    -------
    `~astropy.table.Table`
    """
    table = _places(cube, geometry, odd)
    levels = sorted(options.quantiles)
    for name in names:
        unit, text = property_unit(name, model)
        if name not in _SUMS:
            mass = "mass formed" if weighting(draws) == "LOGMFORM" else "surviving mass"
            text = f"{text}, mean weighted by {mass}"
        _add_quantiles(table, name, draws[name], levels, unit, text)
    for name in names if centre is not None else ():
        values, unit, how = relative_to(draws[name], centre[name], name, model)
        text = f"{property_unit(name, model)[1]}, {how}"
        _add_quantiles(table, RELATIVE + name, values, levels, unit, text)
    return table


def _add_quantiles(table, name, draws, levels, unit, text):
    values = np.quantile(draws, levels, axis=1).astype(np.float32)
    for level, row in zip(levels, values, strict=True):
        column = f"{name}_{quantile_name(level)}"
        table[column] = row
        table[column].unit = u.Unit(unit) if unit else None
        table[column].description = f"{text}, quantile {level:g}"


def _places(cube, geometry, odd):
    """Return the columns of the galaxy and of the geometry of the annuli."""
    inner, outer = geometry.edges[:-1], geometry.edges[1:]
    middle = 0.5 * (inner + outer)
    count = len(middle)
    table = Table()
    for name, values, unit, text in (
        ("ID", integers_or_texts([str(cube.object_id)] * count), None, "galaxy"),
        ("REDSHIFT", np.full(count, float(cube.redshift)), None, "redshift"),
        ("ANNULUS", np.arange(1, count + 1, dtype=np.int32), None, "number, from the centre"),
        ("R_IN", inner, u.arcsec, "inner semi-major axis"),
        ("R_OUT", outer, u.arcsec, "outer semi-major axis"),
        ("R", middle, u.arcsec, "mean of R_IN and R_OUT, a semi-major axis"),
        ("R_KPC", middle * geometry.kpc, u.kpc, "R in kpc"),
        ("R_REFF", middle / geometry.reff, None, f"R over the {geometry.reff_kind} radius"),
        ("R_PSF", middle / geometry.psf_fwhm, None, "R over the FWHM of the PSF"),
        ("IN_PSF", _in_psf(middle, geometry.psf_fwhm), None, IN_PSF),
        ("NPIX", geometry.npix, None, "number of fitted pixels, with fractions"),
        ("AREA", geometry.npix * cube.pixar_a2, u.arcsec**2, "area of the fitted pixels"),
        ("COVERAGE", geometry.coverage, None, "fitted fraction of the area of the annulus"),
        ("OOD_FRACTION", odd, None, "fraction of the pixels that are out of distribution"),
    ):
        table[name] = values
        table[name].unit, table[name].description = unit, text
    return table


def _in_psf(radius, fwhm):
    if not np.isfinite(fwhm):
        return np.full(len(radius), -1, dtype=np.int16)
    return (radius < 0.5 * fwhm).astype(np.int16)
