"""Radial profile of a galaxy: a table with one row per elliptical annulus."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table

from pixsed.checks import check_choice, check_number, check_path
from pixsed.dq import count_reasons, reasons_text
from pixsed.errors import PixsedError
from pixsed.fit.cube import load_for
from pixsed.fit.galaxy_normals import NOISE, galaxy_normals
from pixsed.fit.galaxy_row import check_sums, integrated_fit, redshifts_of
from pixsed.fit.options import DEFAULT_SNR_MIN, FitOptions
from pixsed.fit.pixel_draws import divide_draws
from pixsed.fit.posterior import output_names
from pixsed.fit.profiles.draws import sum_draws
from pixsed.fit.profiles.geometry import find_geometry
from pixsed.fit.profiles.options import ProfileOptions
from pixsed.fit.profiles.table import OWN, chosen_properties, profile_table
from pixsed.fit.progress import NoProgress, Progress
from pixsed.fit.record import model_cards
from pixsed.fit.select import select, with_redshift
from pixsed.io.formats.cube import Cube, read_cube
from pixsed.io.formats.psfmatch import common_psf, warn_of_psfs
from pixsed.io.outputs import protected_arguments
from pixsed.io.writers.tables import check_table_output, write_table
from pixsed.models import redshift_advice
from pixsed.redshifts import check_redshift

if TYPE_CHECKING:
    from pixsed.fit.model import Model

#: Default number of draws.
DEFAULT_SAMPLES = 500


def profile(
    cube: Cube | Any,
    model: Model | str | os.PathLike,
    options: FitOptions | None = None,
    annuli: ProfileOptions | None = None,
    *,
    properties: Sequence[str] = (),
    noise: str = "correlated",
    output: Any = None,
    overwrite: bool = False,
    jobs: int = 1,
    progress: Callable[[int], Progress] = NoProgress,
) -> Table:
    """Return the radial profile of a galaxy, in elliptical annuli.

    The command ``pixsed profile`` runs the same code. Draw k of an annulus is made from draw k of
    all its pixels.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube` or path-like
        Binned or not.
    model : `~pixsed.fit.model.Model`, str or path-like
        A model, the name of a shipped one, or an ``.onnx`` file.
    options : `~pixsed.fit.options.FitOptions`, optional
        Samples is 500 by default.
    annuli : `~pixsed.fit.profiles.options.ProfileOptions`, optional
        Centre, shape and radii of the annuli.
    properties : sequence of str, optional
        Properties, as in maps, and LOGSIGMA_SFR and LOGSSFR; by default all.
    noise : {"correlated", "independent", "common"}, optional
        Correlation of the draws of different pixels: that of the noise of neighbours and of the
        prior; none, except for the error floor; or complete, an upper bound of the errors.
    output : path-like, optional
        Table to write too (.fits, .ecsv or .csv), with a record of the fit.
    overwrite : bool, optional
        Replace `output` if it exists.
    jobs : int, optional
        Number of threads.
    progress : callable, optional
        Takes the number of pixels; returns a `~pixsed.fit.progress.Progress`.

    Returns
    -------
    `~astropy.table.Table`
        One row per annulus: ID, REDSHIFT, ANNULUS, R_IN, R_OUT, R [arcsec], R_KPC, R_REFF, R_PSF,
        IN_PSF, NPIX, AREA, COVERAGE, OOD_FRACTION, and quantiles such as ``LOGSIGMA_P50``. Radii
        are semi-major axes. NaN without a fitted pixel. ``meta`` has the geometry and
        the model.

    Raises
    ------
    PixsedError
        If cube or model cannot be read, the model infers redshifts, the engine is not the flow,
        no pixel can be fitted, the geometry cannot be found, or `output` cannot be written.

    Examples
    --------
    >>> import pixsed
    >>> table = pixsed.profile("531.fits", "tau")  # doctest: +SKIP
    >>> table["R_KPC", "LOGSIGMA_P50", "AGE_P50"]  # doctest: +SKIP
    """
    options = (options or FitOptions()).with_defaults(
        samples=DEFAULT_SAMPLES, snr_min=DEFAULT_SNR_MIN
    )
    annuli = annuli or ProfileOptions()
    if options.engine != "flow":
        raise PixsedError(f"engine must be 'flow', which has draws, got {options.engine!r}")
    check_choice("noise", noise, NOISE)
    check_number("jobs", jobs, 1, whole=True)
    if not isinstance(cube, Cube):
        cube = check_path("cube", cube, " or a Cube")
    if output is not None:
        with protected_arguments(cube, model):
            check_table_output(output, overwrite)
    model, options = load_for(model, options)
    name, inputs = ("cube", []) if isinstance(cube, Cube) else (str(cube), [cube])
    names = chosen_properties(_there(model, options, name), properties)
    if not isinstance(cube, Cube):
        cube = read_cube(name)
    annuli = _with_fwhm(annuli, cube)
    cube = with_redshift(cube, options)
    selection = _selected(cube, model, options, name)
    geometry = find_geometry(cube, model, selection, options, annuli, name)
    with progress(int(selection.fitted.sum())) as bar:
        normals = galaxy_normals(cube, model, selection, options, noise)
        work = {"normals": normals, "jobs": jobs, "progress": bar.done}
        draws, centre, odd = _draws(cube, model, selection, geometry, options, annuli, name, work)
    table = profile_table(cube, geometry, draws, odd, model, options, names=names, centre=centre)
    cards = geometry_cards(cube, geometry)
    table.meta = {key: value for key, (value, _) in cards.items()}
    table.meta |= {"MODEL": model.name, "NOISECOR": noise, "NSAMP": options.samples}
    if output is not None:
        write_table(
            table,
            output,
            overwrite=overwrite,
            name="PROFILE",
            inputs=inputs,
            history=[f"profile: {len(table)} annuli, {options.samples} draws per pixel"],
            **cards,
            **model_cards(model, options),
            NOISECOR=(noise, "correlation of the draws of different pixels"),
            SNRMIN=(options.snr_min, "minimum mean S/N of a pixel"),
        )
    return table


def _with_fwhm(annuli, cube):
    """Return options with the FWHM of the PSF that most bands have, if none is given."""
    fwhm = common_psf(cube.psfmatch, cube.psf_fwhm)[1]
    known = annuli.psf_fwhm is None and np.isfinite(fwhm)
    return replace(annuli, psf_fwhm=fwhm) if known else annuli


def _there(model, options, name):
    """Return the properties of which `sum_draws` gives draws."""
    found = output_names(model, options, name, fit_redshift=False, with_area=True)
    found = [one for one in found if one != "REDSHIFT"]
    return found + (list(OWN) if "LOGSFR" in found else [])


def _selected(cube, model, options, name):
    """Return the `~pixsed.fit.select.Selection` of a cube; raise if no pixel can be fitted."""
    check_sums(model, "make profiles")
    check_redshift(cube.redshift, cube.redshift_err, model, name, redshift_advice(", or use "))
    warn_of_psfs(cube.psfmatch, cube.psf_fwhm)
    selection = select(cube, model, options, name)
    if not selection.chosen.any():
        why = reasons_text(count_reasons(selection.dq))
        raise PixsedError(f"{name}: no pixel can be fitted: {why}; try --snr-min or --all-pixels")
    return selection


def _draws(cube, model, selection, geometry, options, annuli, name, work):
    """Return the draws of the annuli, those of the centre or None, and the odd fractions."""
    weights, count = geometry.weights, len(geometry.weights)
    if annuli.normalise:
        weights = np.vstack([weights, _centre_weights(geometry.ellipse, selection, name)])
    draws, odd = sum_draws(
        cube,
        model,
        selection,
        weights,
        options,
        redshifts=_redshifts(cube, model, selection, options),
        **work,
    )
    centre = {key: values[-1] for key, values in draws.items()} if annuli.normalise else None
    return {key: values[:count] for key, values in draws.items()}, centre, odd[:count]


def _redshifts(cube, model, selection, options):
    """Return the redshifts of the galaxy and their draws, as `pixsed.fit.galaxy_row` does."""
    found = integrated_fit(cube, model, selection, options).draws if cube.redshift_err > 0 else {}
    return divide_draws(options.samples, redshifts_of(cube, model, found))


def _centre_weights(ellipse, selection, name):
    """Return weights of 1 for the fitted row of the pixel at the centre, shape (N,)."""
    row, column = int(np.floor(ellipse.y + 0.5)), int(np.floor(ellipse.x + 0.5))
    if not selection.chosen[row, column]:
        raise PixsedError(
            f"{name}: the pixel at the centre, {column + 1} {row + 1}, is not fitted, and nothing "
            "can be normalised by it; try --centre mass"
        )
    y, x = np.nonzero(selection.fitted)
    if selection.binning is None:
        return ((y == row) & (x == column)).astype(float)
    binmap = selection.binning.binmap
    return (binmap[y, x] == binmap[row, column]).astype(float)


def geometry_cards(cube, geometry):
    """Return the header cards of a `~pixsed.fit.profiles.geometry.Geometry`.

    A number that is not known has no card; fitsverify warns of cards without a value.
    """
    ellipse = geometry.ellipse
    cards = {
        "OBJECT": (str(cube.object_id), "galaxy"),
        "REDSHIFT": (float(cube.redshift), "redshift"),
        "ZERR": (float(cube.redshift_err), "1-sigma error of the redshift, 0 = exact"),
        "CENTRE": (geometry.centre, "kind of centre"),
        "XCENTRE": (ellipse.x + 1.0, "centre, pixels from 1"),
        "YCENTRE": (ellipse.y + 1.0, "centre, pixels from 1"),
        "RA": (geometry.position[0], "[deg] centre"),
        "DEC": (geometry.position[1], "[deg] centre"),
        "SHAPE": (geometry.shape, "origin of AXRATIO and PA"),
        "AXRATIO": (ellipse.axis_ratio, "minor over major axis"),
        "PA": (geometry.pa, "[deg] of the major axis, east of north"),
        "REFF": (float(geometry.reff), "[arcsec] effective radius, a semi-major axis"),
        "REFFKIND": (geometry.reff_kind, "kind of effective radius"),
        "PSFFWHM": (float(geometry.psf_fwhm), "[arcsec] FWHM of the PSF, if known"),
    }
    for key in ("REFF", "PSFFWHM"):
        if not np.isfinite(cards[key][0]):
            del cards[key]
    return cards
