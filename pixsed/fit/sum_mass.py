"""Sum the pixels of galaxies: a table of total masses, SFRs and more, one row per galaxy."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from astropy.table import Table

from pixsed.checks import check_choice
from pixsed.errors import PixsedError
from pixsed.fit.cube import load_for
from pixsed.fit.faint import FAINT
from pixsed.fit.galaxies import CubeGalaxies, MosaicGalaxies
from pixsed.fit.galaxy_normals import NOISE
from pixsed.fit.galaxy_row import check_sums
from pixsed.fit.many_galaxies import GalaxySums, MassOutcome, Method
from pixsed.fit.options import DEFAULT_SNR_MIN, ExecutionOptions, FitOptions
from pixsed.fit.progress import NoProgress, Progress
from pixsed.io.formats.cube import Cube
from pixsed.io.outputs import protected_arguments
from pixsed.io.writers.row_journal import check_rows_output

if TYPE_CHECKING:
    from pixsed.fit.model import Model

#: Default number of draws, which are independent, unlike the quasi-random draws of a fit.
DEFAULT_SAMPLES = 500


def sum_mass(
    cubes: Cube | MosaicGalaxies | Any | Sequence[Any],
    model: Model | str | os.PathLike,
    options: FitOptions | None = None,
    *,
    noise: str = "correlated",
    faint: str = "carry",
    output: Any = None,
    overwrite: bool = False,
    execution: ExecutionOptions | None = None,
    progress: Callable[[int], Progress] = NoProgress,
    report: Callable[[MassOutcome], Any] | None = None,
) -> Table:
    """Return the total masses, SFRs and mean properties of galaxies, resolved and integrated.

    The command ``pixsed sum-mass`` runs the same code. A resolved total is the sum of one draw
    per pixel, repeated for every draw; the integrated one is the fit of the summed photometry.
    Galaxies are read one after another.

    Parameters
    ----------
    cubes : `~pixsed.io.formats.cube.Cube`, path-like, sequence of them, or \
`~pixsed.fit.galaxies.MosaicGalaxies`
        Cubes of one galaxy each, or the segments of mosaics.
    model : `~pixsed.fit.model.Model`, str or path-like
        A model, the name of a shipped one, or an ``.onnx`` file.
    options : `~pixsed.fit.options.FitOptions`, optional
        The quantiles are ignored; samples is 500 by default.
    noise : {"correlated", "independent", "common"}, optional
        Correlation of the draws of pixels: that of the noise of neighbours and of the prior;
        none, as in the paper, except for the error floor; or complete, an upper bound of the
        errors.
    faint : {"carry", "leave"}, optional
        Pixels of the segment below the cut of S/N. carry: resolved sums have their light, with the
        mean mass-to-light ratio of the others, and the integrated fit has their photometry; leave:
        they count in neither.
    output : path-like, optional
        Table to write too (.fits, .ecsv or .csv), with a record of the fit. Rows that are done are
        kept in ``NAME.part`` until all are.
    overwrite : bool, optional
        Replace `output` if it exists.
    execution : `~pixsed.fit.options.ExecutionOptions`, optional
        In place of overwrite, with jobs, the number of threads, resume, part and scheduler; tile
        and command are ignored. Each worker of the scheduler fits one galaxy at a time.
    progress : callable, optional
        Takes the number of pixels of a galaxy; returns a `~pixsed.fit.progress.Progress`.
    report : callable, optional
        Called with the `MassOutcome` of each galaxy. If there are several cubes, one that cannot
        be read is then left out of the table instead of raising an error.

    Returns
    -------
    `~astropy.table.Table`
        One row per galaxy: FILE, ID, RA, DEC, REDSHIFT, REDSHIFT_ERR, NPIX, areas and fractions,
        RES_<PROP>_P025 _P16 _P50 _P84 _P975 (resolved) and INT_<PROP>_... (integrated) of
        LOGMSTAR, LOGMFORM, LOGSFR, LOGSFR10, LOGSSFR, AGE, METAL and AV as far as the model has
        them, ``INT_REDSHIFT_*``, OFFSET (resolved - integrated medians of LOGMSTAR) and OFFSET_ERR
        [dex], and FLAG (bits of `~pixsed.dq.Flag`). NaN where there is no value. The descriptions
        of the columns say more.

    Raises
    ------
    PixsedError
        If cubes or model cannot be read, the model infers redshifts, the engine is not the
        flow, or `output` cannot be written or holds rows of other options.

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
    check_choice("noise", noise, NOISE)
    check_choice("faint", faint, FAINT)
    execution = execution or ExecutionOptions(overwrite=overwrite)
    galaxies = cubes if isinstance(cubes, MosaicGalaxies) else CubeGalaxies(cubes)
    if output is not None:
        with protected_arguments(*galaxies.paths, model):
            check_rows_output(output, overwrite=execution.overwrite, resume=execution.resume)
    model, options = load_for(model, options)
    check_sums(model)
    with galaxies.open(ahead=execution.scheduler is None) as opened:
        method = Method(model, options, noise, faint)
        sums = GalaxySums(galaxies, opened, method, execution, output)
        return sums.table(progress, report)
