"""Sum the stellar mass of galaxies: a table with one row per cube."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from astropy import units as u
from astropy.table import Table

from pixsed.checks import check_number, check_path
from pixsed.dq import Flag, count_reasons, reasons_text
from pixsed.errors import PixsedError
from pixsed.fit.cube import load_for
from pixsed.fit.options import DEFAULT_SNR_MIN, FitOptions
from pixsed.fit.progress import NoProgress, Progress
from pixsed.fit.record import model_cards
from pixsed.fit.select import select, with_redshift
from pixsed.fit.total import mass_row
from pixsed.io.columns import integers_or_texts
from pixsed.io.formats.cube import Cube, read_cube
from pixsed.io.formats.psfmatch import warn_of_psfs
from pixsed.io.inputs import once
from pixsed.io.outputs import protected_arguments
from pixsed.io.writers.tables import check_table_output, write_table

if TYPE_CHECKING:
    from pixsed.fit.model import Model

#: Default number of draws, which are independent, unlike the quasi-random draws of a fit.
DEFAULT_SAMPLES = 500
_KINDS = {"RES": "resolved", "INT": "integrated"}


@dataclass(frozen=True)
class MassOutcome:
    """Result for one of many cubes.

    Attributes
    ----------
    name : str
        The cube.
    row : dict or None
        From `pixsed.fit.total.mass_row`.
    reasons : str
        Reasons why no pixel could be fitted.
    error : str or None
        Why the cube could not be read.
    """

    name: str
    row: dict[str, Any] | None = None
    reasons: str = ""
    error: str | None = None


def sum_mass(
    cubes: Cube | Any | Sequence[Any],
    model: Model | str | os.PathLike,
    options: FitOptions | None = None,
    *,
    output: Any = None,
    overwrite: bool = False,
    jobs: int = 1,
    progress: Callable[[int], Progress] = NoProgress,
    report: Callable[[MassOutcome], Any] | None = None,
) -> Table:
    """Return the total stellar mass of galaxies, resolved and integrated.

    The command ``pixsed sum-mass`` runs the same code. The resolved mass is the sum of one
    draw per pixel, repeated for every draw; the integrated mass is the fit of the photometry
    summed over the same pixels.

    Parameters
    ----------
    cubes : `~pixsed.io.formats.cube.Cube`, path-like, or sequence of them
    model : `~pixsed.fit.model.Model`, str or path-like
        A model, the name of a shipped one, or an ``.onnx`` file.
    options : `~pixsed.fit.options.FitOptions`, optional
        The quantiles are ignored; samples is 500 by default.
    output : path-like, optional
        Table to write too (.fits, .ecsv or .csv), with a record of the fit.
    overwrite : bool, optional
        Replace `output` if it exists.
    jobs : int, optional
        Number of threads.
    progress : callable, optional
        Takes the number of pixels of a galaxy; returns a `~pixsed.fit.progress.Progress`.
    report : callable, optional
        Called with the `MassOutcome` of each cube. If there are several cubes, one that cannot
        be read is then left out of the table instead of raising an error.

    Returns
    -------
    `~astropy.table.Table`
        One row per galaxy: ID, REDSHIFT, NPIX, RES_LOGMSTAR_P16 _P50 _P84, INT_LOGMSTAR_P16
        _P50 _P84 [dex(solMass)], OFFSET (resolved - integrated medians) [dex], and FLAG (bits of
        `~pixsed.dq.Flag`). NaN where there is no mass.

    Raises
    ------
    PixsedError
        If cubes or model cannot be read, the model infers redshifts, the engine is not the
        flow, or `output` cannot be written.

    Examples
    --------
    >>> import pixsed
    >>> masses = pixsed.sum_mass(["531.fits", "370.fits"], "tau")  # doctest: +SKIP
    >>> masses["RES_LOGMSTAR_P50"]  # doctest: +SKIP
    """
    options = (options or FitOptions()).with_defaults(
        samples=DEFAULT_SAMPLES, snr_min=DEFAULT_SNR_MIN
    )
    if options.engine != "flow":
        raise PixsedError(
            f"engine must be 'flow' to sum masses draw by draw, got {options.engine!r}"
        )
    check_number("jobs", jobs, 1, whole=True)
    cubes = [cubes] if isinstance(cubes, Cube | str | os.PathLike) else list(cubes)
    if not cubes:
        raise PixsedError("cubes must name at least one cube, got none")
    cubes = [
        cube if isinstance(cube, Cube) else check_path("a cube", cube, " or a Cube")
        for cube in cubes
    ]
    if output is not None:
        with protected_arguments(*cubes, model):
            check_table_output(output, overwrite)
    if not any(isinstance(cube, Cube) for cube in cubes):
        cubes = once(cubes)
    model, options = load_for(model, options)
    keep_errors = report is not None and len(cubes) > 1
    rows, inputs = [], []
    for cube in cubes:
        outcome = _sum_one(cube, model, options, jobs, progress, keep_errors)
        if report is not None:
            report(outcome)
        if outcome.row is not None:
            rows.append(outcome.row)
            inputs += [] if isinstance(cube, Cube) else [cube]
    if not rows:
        raise PixsedError(f"none of the {len(cubes)} cubes could be read; no table was written")
    table = _table(rows)
    if output is not None:
        write_table(
            table,
            output,
            overwrite=overwrite,
            name="MASS",
            inputs=inputs,
            history=[f"sum-mass: {len(rows)} galaxies, {options.samples} draws per pixel"],
            **model_cards(model, options),
            SNRMIN=(options.snr_min, "minimum mean S/N of a pixel"),
            **Flag.cards("FLAGBIT"),
        )
    return table


def _sum_one(cube, model, options, jobs, progress, keep_errors):
    """Return the `MassOutcome` of a cube; with `keep_errors`, even if it cannot be read."""
    name = "cube" if isinstance(cube, Cube) else str(cube)
    try:
        if not isinstance(cube, Cube):
            cube = read_cube(name)
        cube = with_redshift(cube, options)
        warn_of_psfs(cube.psfmatch, cube.psf_fwhm)
        selection = select(cube, model, options, name)
    except (PixsedError, OSError) as error:
        if not keep_errors:
            raise
        return MassOutcome(name, error=" ".join(str(error).split()))
    with progress(int(selection.fitted.sum())) as bar:
        row = mass_row(cube, model, selection, options, jobs=jobs, progress=bar.done)
    return MassOutcome(name, row, reasons_text(count_reasons(selection.dq)))


def _table(rows):
    """Return the table of masses, with units and descriptions."""
    table = Table(rows=rows, names=list(rows[0]))
    # The type of the segmentation map, so that the table can be joined with its catalogue.
    table["ID"] = integers_or_texts(table["ID"])
    for name in table.colnames:
        kind, found, _ = name.partition("_LOGMSTAR_")
        if found:
            table[name].unit = u.dex(u.solMass)
            table[name].description = f"log10 of the {_KINDS[kind]} stellar mass"
    table["OFFSET"].unit = u.dex
    table["OFFSET"].description = "resolved minus integrated median"
    table["FLAG"] = table["FLAG"].astype("int32")
    table["NPIX"] = table["NPIX"].astype("int64")
    return table
