"""Sum the pixels of many galaxies, here or on workers; rows are kept as they are done."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pixsed import __version__
from pixsed.dq import Flag, count_reasons, reasons_text
from pixsed.errors import PixsedError, PixsedWarning, failure_text, listed
from pixsed.fit.galaxy_row import empty_row, galaxy_row
from pixsed.fit.galaxy_table import galaxy_table
from pixsed.fit.options import FitOptions
from pixsed.fit.progress import NoProgress
from pixsed.fit.record import model_cards
from pixsed.fit.select import select, with_redshift
from pixsed.io.fingerprint import fingerprint
from pixsed.io.locate import open_fits
from pixsed.io.outputs import is_stream
from pixsed.io.repeated_warnings import merge_repeated_warnings
from pixsed.io.tables import read_table
from pixsed.io.writers.row_journal import RowJournal
from pixsed.io.writers.tables import table_format, write_table
from pixsed.parallel import run_tasks


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


@dataclass(frozen=True)
class Method:
    """Way of summing: model, options, correlation of the draws of pixels, and faint pixels."""

    model: Any
    options: FitOptions
    noise: str
    faint: str = "carry"

    @property
    def key(self):
        """Everything that rows depend on, except for galaxies, in JSON types."""
        key = {"pixsed": __version__, "model": self.model.sha256}
        key |= {"--noise": self.noise, "--faint": self.faint}
        return key | self.options.key | {"columns": list(empty_row(self.model))}

    @property
    def cards(self):
        """Cards that record the method."""
        cards = model_cards(self.model, self.options)
        cards["PIXNOISE"] = (self.noise, "correlation of the draws of pixels")
        cards["FAINT"] = (self.faint, "pixels below SNRMIN: their light carried, or left out")
        cards["SNRMIN"] = (self.options.snr_min, "minimum mean S/N of a pixel")
        for key, value, comment in (
            ("REDSHIFT", self.options.redshift, "redshift of every galaxy"),
            ("ZERR", self.options.redshift_err, "1-sigma error of the redshifts, 0 = exact"),
        ):
            if value is not None:
                cards[key] = (value, comment)
        return cards


class GalaxySums:
    """Sums of the pixels of galaxies.

    Parameters
    ----------
    galaxies : `~pixsed.fit.galaxies.CubeGalaxies` or `~pixsed.fit.galaxies.MosaicGalaxies`
    opened
        The same, open.
    method : `Method`
    execution : `~pixsed.fit.options.ExecutionOptions`
    output : path-like or None
        Table to write.

    Raises
    ------
    PixsedError
        If the part of `execution` has no galaxy.
    """

    def __init__(self, galaxies, opened, method, execution, output):
        self._galaxies, self._opened, self._method = galaxies, opened, method
        self._execution, self._output = execution, output
        self._chosen = opened.part(*(execution.part or (1, 1)))
        if not self._chosen:
            raise PixsedError(
                "--part {}/{}: no galaxy is left for it; give fewer parts".format(*execution.part)
            )
        # Inputs are hashed only where rows are kept, each when its row is done.
        self._keys, self._key = {}, {}
        self._kept = output is not None and not is_stream(output)
        if self._kept:
            self._key = method.key | opened.key
            self._key["--part"] = execution.part and list(execution.part)

    def _row_key(self, number):
        """Return a text that tells a galaxy, with its content; None if it has none."""
        if number not in self._keys:
            self._keys[number] = None
            with contextlib.suppress(PixsedError):  # reported when it is read
                self._keys[number] = self._opened.row_key(self._chosen[number])
        return self._keys[number]

    def table(self, progress, report):
        """Return the table of the galaxies, and write it if there is an output.

        Parameters
        ----------
        progress : callable
            Takes the number of pixels of a galaxy; returns a `~pixsed.fit.progress.Progress`.
        report : callable or None
            Called with each `MassOutcome`. Without it, a cube that cannot be read is an error.

        Raises
        ------
        PixsedError
            If no galaxy can be read, or the output holds rows of other options.
        """
        kept = {"resume": self._execution.resume, "overwrite": self._execution.overwrite}
        journal = RowJournal(self._output, self._key, **kept)
        if (finished := self._finished(journal)) is not None:
            return finished
        rows, done, failed = [], [], []
        with journal:
            found = self._outcomes(journal, progress, report)
            with merge_repeated_warnings(), contextlib.closing(found) as outcomes:
                for number, outcome in outcomes:
                    if outcome.row is None:
                        failed.append(outcome)
                    else:
                        rows.append(outcome.row)
                        done.append(self._chosen[number])
                        if self._kept and not outcome.before:
                            journal.append(self._row_key(number) or f"cube {number}", outcome.row)
                    if report is not None:
                        report(outcome)
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
        execution, method = self._execution, self._method
        if execution.scheduler is None:
            work = partial(_sum_one, self._opened, method, execution.jobs, progress, keep)
            yield from map(work, left)
            return
        setup = partial(_open_on_worker, self._galaxies.absolute(), method, keep)
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
        try:
            table, key = _table_and_key(path)
        except PixsedError:  # it is damaged
            if not self._execution.overwrite:
                raise
            return None
        if key == self._fingerprint():
            return table
        if self._execution.overwrite:
            return None
        raise PixsedError(
            f"{path} exists, made from other galaxies or with other options; add --overwrite, or "
            "choose another -o"
        )

    def _write(self, table, done):
        execution, cards = self._execution, {}
        if execution.part is not None:
            cards["PART"] = ("{}/{}".format(*execution.part), "part of the galaxies")
        if self._kept:
            cards["FITKEY"] = (self._fingerprint(), "of galaxies, model and options")
        samples = self._method.options.samples
        write_table(
            table,
            self._output,
            overwrite=execution.overwrite or execution.resume,
            name="MASS",
            inputs=self._opened.inputs(done),
            history=[f"sum-mass: {len(table)} galaxies, {samples} draws per pixel"],
            **self._method.cards,
            **cards,
            **Flag.cards("FLAGBIT"),
        )


def _table_and_key(path):
    """Return a finished table and its FITKEY; (None, None) for a CSV file, which has no record."""
    form = table_format(path)
    if form == "csv":
        return None, None
    table = read_table(path)
    if form != "fits":
        return table, table.meta.get("FITKEY")
    with open_fits(path) as hdulist:
        return table, hdulist[0].header.get("FITKEY")


def _sum_one(opened, method, jobs, progress, keep_errors, galaxy):
    """Return the `MassOutcome` of a galaxy; with `keep_errors`, even if it cannot be read."""
    name, left_out = opened.name(galaxy), opened.leaves_out
    model, options = method.model, method.options
    try:
        cube, number = opened.read(galaxy)
        left_out = False
        cube = with_redshift(cube, options)
        selection = select(cube, model, options, name)
        with progress(int(selection.fitted.sum())) as bar:
            settings = {"noise": method.noise, "faint": method.faint, "jobs": jobs}
            row = galaxy_row(cube, model, selection, options, progress=bar.done, **settings)
    except Exception as error:  # whatever it is, the other galaxies are summed
        if not (keep_errors or left_out and isinstance(error, PixsedError)):
            raise
        return MassOutcome(name, error=failure_text(error), left_out=left_out)
    row["ID"] = number
    return MassOutcome(name, row, reasons_text(count_reasons(selection.dq)))


def _open_on_worker(galaxies, method, keep_errors):
    """Return the state of a worker, which keeps the files open."""
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore", PixsedWarning)  # the calling process issues them
        opened = stack.enter_context(galaxies.open(ahead=False))
        return opened, method, keep_errors, stack.pop_all()


def _sum_on_worker(state, galaxy):
    opened, method, keep_errors, _ = state
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PixsedWarning)
        outcome = _sum_one(opened, method, 1, NoProgress, keep_errors, galaxy)
    outcome.warnings = [str(w.message) for w in caught if issubclass(w.category, PixsedWarning)]
    return outcome
