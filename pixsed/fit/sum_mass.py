"""Sum the pixels of galaxies: a table of total masses, SFRs and more, one row per galaxy."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astropy.table import Table

from pixsed import __version__
from pixsed.checks import check_number
from pixsed.dq import Flag, count_reasons, reasons_text
from pixsed.errors import PixsedError, PixsedWarning, listed
from pixsed.fit.cube import load_for
from pixsed.fit.galaxies import CubeGalaxies, MosaicGalaxies
from pixsed.fit.galaxy_row import check_sums, empty_row, galaxy_row
from pixsed.fit.galaxy_table import galaxy_table
from pixsed.fit.options import DEFAULT_SNR_MIN, ExecutionOptions, FitOptions
from pixsed.fit.progress import NoProgress, Progress
from pixsed.fit.record import model_cards
from pixsed.fit.select import select, with_redshift
from pixsed.io.fingerprint import fingerprint
from pixsed.io.formats.cube import Cube
from pixsed.io.outputs import is_stream, protected_arguments
from pixsed.io.tables import read_table
from pixsed.io.writers.row_journal import RowJournal, check_rows_output
from pixsed.io.writers.tables import table_format, write_table
from pixsed.parallel import run_tasks

if TYPE_CHECKING:
    from pixsed.fit.model import Model

#: Default number of draws, which are independent, unlike the quasi-random draws of a fit.
DEFAULT_SAMPLES = 500


@dataclass
class MassOutcome:
    """Result for one of many galaxies.

    Attributes
    ----------
    name : str
        The cube, or the segmentation map and the id.
    row : dict or None
        From `pixsed.fit.galaxy_row.galaxy_row`.
    reasons : str
        Reasons why no pixel could be fitted.
    error : str or None
        Why the galaxy could not be read.
    left_out : bool
        Whether the galaxy is left out because mosaics have no data there.
    before : bool
        Whether the row is of an earlier run.
    warnings : list of str
        Messages of warnings on a worker, for the calling process to show.
    """

    name: str
    row: dict[str, Any] | None = None
    reasons: str = ""
    error: str | None = None
    left_out: bool = False
    before: bool = False
    warnings: list[str] = field(default_factory=list)


def sum_mass(
    cubes: Cube | MosaicGalaxies | Any | Sequence[Any],
    model: Model | str | os.PathLike,
    options: FitOptions | None = None,
    *,
    output: Any = None,
    overwrite: bool = False,
    jobs: int = 1,
    execution: ExecutionOptions | None = None,
    progress: Callable[[int], Progress] = NoProgress,
    report: Callable[[MassOutcome], Any] | None = None,
) -> Table:
    """Return the total masses, SFRs and mean properties of galaxies, resolved and integrated.

    The command ``pixsed sum-mass`` runs the same code. A resolved total is the sum of one draw
    per pixel, repeated for every draw; the integrated one is the fit of the photometry summed
    over the same pixels. Galaxies are read one after another.

    Parameters
    ----------
    cubes : `~pixsed.io.formats.cube.Cube`, path-like, sequence of them, or \
`~pixsed.fit.galaxies.MosaicGalaxies`
        Cubes of one galaxy each, or the segments of mosaics.
    model : `~pixsed.fit.model.Model`, str or path-like
        A model, the name of a shipped one, or an ``.onnx`` file.
    options : `~pixsed.fit.options.FitOptions`, optional
        The quantiles are ignored; samples is 500 by default.
    output : path-like, optional
        Table to write too (.fits, .ecsv or .csv), with a record of the fit. Rows that are done are
        kept in ``NAME.part`` until all are.
    overwrite : bool, optional
        Replace `output` if it exists.
    jobs : int, optional
        Number of threads.
    execution : `~pixsed.fit.options.ExecutionOptions`, optional
        In place of overwrite and jobs, with resume, part and scheduler; tile and command are
        ignored. Each worker of the scheduler fits one galaxy at a time.
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
        them, INT_REDSHIFT_..., OFFSET (resolved - integrated medians of LOGMSTAR) and OFFSET_ERR
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
    check_number("jobs", jobs, 1, whole=True)
    execution = execution or ExecutionOptions(jobs=jobs, overwrite=overwrite)
    galaxies = cubes if isinstance(cubes, MosaicGalaxies) else CubeGalaxies(cubes)
    if output is not None:
        with protected_arguments(*galaxies.paths, model):
            check_rows_output(output, overwrite=execution.overwrite, resume=execution.resume)
    model, options = load_for(model, options)
    check_sums(model)
    with galaxies.open(ahead=execution.scheduler is None) as opened:
        run = _Run(galaxies, opened, model, options, execution, output)
        return run.table(progress, report)


class _Run:
    """Sum of the pixels of some open galaxies."""

    def __init__(self, galaxies, opened, model, options, execution, output):
        self._galaxies, self._opened = galaxies, opened
        self._model, self._options, self._execution = model, options, execution
        self._output = output
        self._chosen = opened.part(*(execution.part or (1, 1)))
        if not self._chosen:
            raise PixsedError(
                "--part {}/{}: no galaxy is left for it; give fewer parts".format(*execution.part)
            )
        # Inputs are hashed only where rows are kept, each when its row is done.
        self._keys, self._key = {}, {}
        self._kept = output is not None and not is_stream(output)
        if self._kept:
            self._key = {"pixsed": __version__, "model": model.sha256} | opened.key | options.key
            self._key["--part"] = execution.part and list(execution.part)
            self._key["columns"] = list(empty_row(model))

    def _row_key(self, number):
        """Return a text that tells a galaxy, with its content; None if it has none."""
        if number not in self._keys:
            self._keys[number] = None
            with contextlib.suppress(PixsedError):  # reported when it is read
                self._keys[number] = self._opened.row_key(self._chosen[number])
        return self._keys[number]

    def table(self, progress, report):
        """Return the table of the galaxies, and write it if there is an output."""
        journal = RowJournal(self._output, self._key, resume=self._execution.resume)
        if (finished := self._finished(journal)) is not None:
            return finished
        rows, done, failed = [], [], []
        with journal:
            with contextlib.closing(self._outcomes(journal, progress, report)) as outcomes:
                for number, outcome in outcomes:
                    if report is not None:
                        report(outcome)
                    if outcome.row is None:
                        failed.append(outcome)
                        continue
                    rows.append(outcome.row)
                    done.append(self._chosen[number])
                    if self._kept and not outcome.before:
                        journal.append(self._row_key(number) or f"cube {number}", outcome.row)
            self._check_failed(failed, rows)
            table = galaxy_table(rows, texts=self._opened.texts)
            if self._output is not None:
                self._write(table, done)
            # With them, --resume need only add the galaxies that are mended.
            journal.keep = any(not outcome.left_out for outcome in failed)
        return table

    def _outcomes(self, journal, progress, report) -> Iterator[tuple[int, MassOutcome]]:
        """Yield (number, `MassOutcome`) of the galaxies in order, those done before included."""
        before = {}
        if journal.rows:
            keys = {number: self._row_key(number) for number in range(len(self._chosen))}
            before = {
                number: journal.rows[key] for number, key in keys.items() if key in journal.rows
            }
        left = [one for number, one in enumerate(self._chosen) if number not in before]
        keep = report is not None and len(self._chosen) > 1
        with contextlib.closing(self._work(left, keep, progress)) as found:
            for number, one in enumerate(self._chosen):
                name = self._opened.name(one)
                if number in before:
                    yield number, MassOutcome(name, before[number], before=True)
                    continue
                outcome = next(found)
                for message in outcome.warnings:
                    warnings.warn(message, PixsedWarning, stacklevel=2)
                outcome.name = name
                if outcome.row is not None:
                    outcome.row["FILE"] = self._opened.file(one)
                yield number, outcome

    def _work(self, left, keep, progress) -> Iterator[MassOutcome]:
        """Yield the `MassOutcome` of galaxies that are not done, here or on workers."""
        model, options, execution = self._model, self._options, self._execution
        if execution.scheduler is None:
            work = partial(_sum_one, self._opened, model, options, execution.jobs, progress, keep)
            yield from map(work, left)
            return
        setup = partial(_open_on_worker, self._galaxies.absolute(), model, options, keep)
        tasks = [self._opened.elsewhere(one) for one in left]
        found = run_tasks(_sum_on_worker, tasks, setup=setup, scheduler=execution.scheduler)
        with contextlib.closing(found):
            yield from found

    def _check_failed(self, failed, rows):
        """Raise if there is no row; warn of galaxies that are left out."""
        if not rows:
            if all(outcome.left_out for outcome in failed):
                raise PixsedError(failed[0].error)
            raise PixsedError(
                f"none of the {len(failed)} cubes could be read; no table was written"
            )
        if without := [outcome.name for outcome in failed if outcome.left_out]:
            warnings.warn(
                f"{len(without)} of {len(self._chosen)} galaxies have no data in any band and are "
                f"left out: {listed(without, 5)}",
                PixsedWarning,
                stacklevel=5,
            )

    def _fingerprint(self):
        keys = [self._row_key(number) for number in range(len(self._chosen))]
        return fingerprint(self._key | {"galaxies": keys})

    def _finished(self, journal):
        """Return the table of a run that was finished before; None if there is work to do."""
        path = self._output
        if not self._execution.resume or journal.part is None or journal.part.exists():
            return None
        if not Path(path).exists():
            return None
        if table_format(path) != "csv":
            table = read_table(path)
            if table.meta.get("FITKEY") == self._fingerprint():
                return table
        if self._execution.overwrite:
            return None
        raise PixsedError(
            f"{path} exists, made from other galaxies or with other options; add --overwrite, or "
            "choose another -o"
        )

    def _write(self, table, done):
        options, execution = self._options, self._execution
        cards = {}
        if execution.part is not None:
            cards["PART"] = ("{}/{}".format(*execution.part), "part of the galaxies")
        for key, value, comment in (
            ("REDSHIFT", options.redshift, "redshift of every galaxy"),
            ("ZERR", options.redshift_err, "1-sigma error of the redshifts, 0 = exact"),
        ):
            if value is not None:
                cards[key] = (value, comment)
        if self._kept:
            cards["FITKEY"] = (self._fingerprint(), "of galaxies, model and options")
        write_table(
            table,
            self._output,
            overwrite=execution.overwrite or execution.resume,
            name="MASS",
            inputs=self._opened.inputs(done),
            history=[f"sum-mass: {len(table)} galaxies, {options.samples} draws per pixel"],
            **model_cards(self._model, options),
            SNRMIN=(options.snr_min, "minimum mean S/N of a pixel"),
            **cards,
            **Flag.cards("FLAGBIT"),
        )


def _sum_one(opened, model, options, jobs, progress, keep_errors, galaxy):
    """Return the `MassOutcome` of a galaxy; with `keep_errors`, even if it cannot be read."""
    name, left_out = opened.name(galaxy), opened.leaves_out
    try:
        cube, number = opened.read(galaxy)
        left_out = False
        cube = with_redshift(cube, options)
        selection = select(cube, model, options, name)
        with progress(int(selection.fitted.sum())) as bar:
            row = galaxy_row(cube, model, selection, options, jobs=jobs, progress=bar.done)
    except (PixsedError, OSError) as error:
        if not (keep_errors or left_out):
            raise
        return MassOutcome(name, error=" ".join(str(error).split()), left_out=left_out)
    row["ID"] = number
    return MassOutcome(name, row, reasons_text(count_reasons(selection.dq)))


def _open_on_worker(galaxies, model, options, keep_errors):
    """Return the state of a worker, which keeps the files open."""
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore", PixsedWarning)  # the calling process issues them
        opened = stack.enter_context(galaxies.open(ahead=False))
        return opened, model, options, keep_errors, stack.pop_all()


def _sum_on_worker(state, galaxy):
    opened, model, options, keep_errors, _ = state
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PixsedWarning)
        outcome = _sum_one(opened, model, options, 1, NoProgress, keep_errors, galaxy)
    outcome.warnings = [str(w.message) for w in caught if issubclass(w.category, PixsedWarning)]
    return outcome
