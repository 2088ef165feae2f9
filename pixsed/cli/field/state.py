"""State of the steps of a field: done, to be done, or done from other options or inputs."""

import glob
import os
from dataclasses import dataclass
from pathlib import Path

from pixsed.cli.field.compare import difference
from pixsed.cli.field.steps import picture_kind
from pixsed.cli.main import command_of
from pixsed.errors import PixsedError

#: GONE: the step was done, and its products were deleted since. OUTDATED: its products were made
#: with other options, are older than its inputs, or are damaged.
DONE, MISSING, GONE, OUTDATED = "done", "missing", "gone", "outdated"


@dataclass(frozen=True)
class State:
    """State of a step.

    Attributes
    ----------
    kind : {"done", "missing", "gone", "outdated"}
    reason : str
        Why it is outdated.
    replaces : bool
        Whether it has to replace products of its own that are there.
    """

    kind: str
    reason: str = ""
    replaces: bool = False


class States:
    """States of the steps of a field.

    Parameters
    ----------
    steps : `~pixsed.cli.field.steps.Steps`
    ledger : `~pixsed.cli.field.ledger.Ledger`
    """

    def __init__(self, steps, ledger):
        self._steps, self._ledger = steps, ledger
        self._makers = {step.output: step for step in steps.all}
        self._compared = {}  # a step and a command line -> their difference

    def of(self, step):
        """Return the `State` of a step."""
        products = self.products(step)
        if products is None:
            return self._unfinished(step)
        there = [path for path in products if os.path.exists(path)]
        for path in there:
            if problem := self._problem(step, path):
                return State(OUTDATED, problem, replaces=True)
        begun = self._ledger.command(step)
        if begun and (step.command == "plot" or not there):  # which have no record of their own
            if other := self._difference(step, begun):
                return State(OUTDATED, f"{step.output} was made {other}", replaces=bool(there))
        if step.command == "sum-mass" and there and _has_rows_kept(step):
            return State(MISSING)  # galaxies that could not be read are added
        if len(there) == len(products):
            return State(DONE)
        is_last = step.command in ("fit", "sum-mass", "plot")
        kept = self._ledger.files(step) is not None and not is_last
        return State(GONE if kept else MISSING, replaces=bool(there))

    def products(self, step):
        """Return the files that a step makes; None if they are not known before it is done."""
        if not step.output.endswith("/"):
            return [step.output]
        if step.command == "cutout":
            names = self._ledger.files(step)
        elif step.command == "fit":
            names = [f"{Path(cube).stem}_maps.fits" for cube in self._inputs(step)] or None
        else:
            names = [
                f"{Path(maps).stem}.{picture_kind(step.options)}" for maps in self._inputs(step)
            ]
        return None if names is None else [os.path.join(step.output, name) for name in names]

    def check_inputs(self, step):
        """Raise `PixsedError` if a step cannot run yet, or a folder has cubes of an earlier run."""
        for maker in self._steps.before(step):
            made = self.products(maker)
            there = [path for path in made or () if os.path.exists(path)]
            if made is None or maker.command != "fit" and len(there) < len(made):
                raise PixsedError(
                    f"{self._steps.field.path}: {step.command} needs {maker.output}, which is not "
                    f"{'there' if not there else 'complete'}; make it with pixsed {maker.command}, "
                    "or all with pixsed run"
                )
            if step.of_folder and maker.command == "cutout":
                if more := sorted(set(step.paths()) - set(made)):
                    raise PixsedError(
                        f"{more[0]} is not of a galaxy that cutout selects now; move it away"
                    )

    def freshen(self, step):
        """Set the times of the products of a step to now: its inputs are the same as before."""
        for path in self.products(step) or ():
            if os.path.exists(path) and self._newer(step, path):
                os.utime(path)

    def _unfinished(self, step):
        """Return the state of a step whose products are not known."""
        there = step.command == "cutout" and glob.glob(glob.escape(step.output) + "*.fits")
        if not there:
            return State(MISSING)
        begun = self._ledger.command(step)
        if begun is None:
            reason = f"{step.output} has cubes, and {self._ledger.path} does not say which"
            return State(OUTDATED, reason, replaces=True)
        if other := self._difference(step, begun):
            return State(OUTDATED, f"{step.output} was begun {other}", replaces=True)
        return State(MISSING, replaces=True)

    def _difference(self, step, line):
        if (step.name, line) not in self._compared:
            command, inputs = command_of(step.command), not step.of_folder
            found = difference(step.command, command, line, step.line(), inputs=inputs)
            self._compared[step.name, line] = found
        return self._compared[step.name, line]

    def _problem(self, step, path):
        """Return why a product must be made again, or None."""
        if not path.endswith((".png", ".pdf", ".svg")):
            try:
                record = read_record(path)
            except PixsedError as error:
                return f"{path} is damaged: {error}"
            if "PIXSCMD" not in record:
                return f"{path} was not made by pixsed"
            if other := self._difference(step, str(record["PIXSCMD"])):
                return f"{path} was made {other}"
            if step.command == "sum-mass" and not _has_rows_kept(step):
                if self._galaxies(step) != _inputs_in(record):
                    return f"{path} was made of other galaxies"
        if newer := self._newer(step, path):
            return f"{path} is older than {newer}"
        return None

    def _newer(self, step, path):
        """Return an input that is newer than a product, or None."""
        made = os.stat(path).st_mtime_ns
        times = {source: os.stat(source).st_mtime_ns for source in self._sources(step, path)}
        return next((source for source in times if times[source] > made), None)

    def _sources(self, step, product):
        """Yield the files that a product was made from: of one that is deleted, its sources."""
        if step.command in ("fit", "plot") and step.output.endswith("/"):
            stem = Path(product).stem.removesuffix("_maps" if step.command == "fit" else "")
            inputs = [os.path.join(os.path.dirname(step.inputs[0]), f"{stem}.fits")]
        else:
            inputs = self._inputs(step)
        for path in (*inputs, *step.files):
            if os.path.exists(path):
                yield path
                continue
            folder = os.path.join(os.path.dirname(path), "")
            if maker := self._makers.get(path) or self._makers.get(folder):
                yield from self._sources(maker, path)

    def _galaxies(self, step):
        """Return the names of the cubes of a step, as headers have them."""
        from pixsed.io.cards import fits_text

        return {fits_text(os.path.basename(path)) for path in self._inputs(step)}

    def _inputs(self, step):
        """Return the files that the arguments name, those of finished steps that are gone too."""
        [maker, *_] = self._steps.before(step) or [None]
        if step.of_folder and maker.command == "cutout":
            names = self._ledger.files(maker)
            if names is not None:
                return [os.path.join(maker.output, name) for name in names]
        return step.paths()


def _has_rows_kept(step):
    from pixsed.io.writers.table_blocks import part_path

    return os.path.exists(part_path(step.output))


def read_record(path):
    """Return the header or the metadata of a product that is whole.

    Raises
    ------
    PixsedError
        If it is damaged.
    """
    from pixsed.io.tables import read_table
    from pixsed.io.whole import whole_primary

    if not path.endswith(".ecsv"):
        return whole_primary(path)
    table = read_table(path)
    if len(table) != len(_inputs_in(table.meta)):
        raise PixsedError(f"it has {len(table)} rows of {len(_inputs_in(table.meta))} galaxies")
    return table.meta


def _inputs_in(record):
    """Return the names of the input files of a product."""
    from pixsed.io.cards import is_input_keyword

    return {record[key] for key in record if is_input_keyword(key)}
