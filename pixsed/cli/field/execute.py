"""Running the steps of a field, each skipped where it is done."""

import os
import shlex
from collections import Counter

import click

from pixsed.cli.field.ledger import Ledger
from pixsed.cli.field.state import DONE, GONE, OUTDATED, State, States
from pixsed.cli.main import command_of
from pixsed.cli.options import complain, say
from pixsed.errors import PixsedError, Stopped, failure_text
from pixsed.io.provenance import command_is

# Steps of galaxies: if some fail, the other steps run all the same.
_OF_GALAXIES = ("fit", "sum-mass", "plot")
# Steps that continue what was stopped.
_RESUMED = ("fit", "sum-mass")


def script(steps, overwrite=False):
    """Return the command lines of the steps for a shell, and before them mkdir of the folders."""
    more = ("--overwrite",) if overwrite else ()
    folders = sorted({os.path.dirname(step.output.rstrip("/")) for step in steps.chosen})
    make = "mkdir -p " + shlex.join(folders)
    return [make, *(step.line(*_resume(step), *more) for step in steps.chosen)]


def _resume(step):
    return ("--resume",) if step.command in _RESUMED else ()


class Execution:
    """Run of the steps of a field.

    Parameters
    ----------
    steps : `~pixsed.cli.field.steps.Steps`
    group : `click.Context`
        Context of the group of commands.
    overwrite : bool, optional
        Whether outdated products are made again.
    more : sequence of str, optional
        Further words of every command line, such as ``-q``.
    part : bool, optional
        Whether the only step makes a part of its products.
    """

    def __init__(self, steps, group, *, overwrite=False, more=(), part=False):
        self._steps, self._group = steps, group
        self._overwrite, self._more, self._part = overwrite, tuple(more), part
        self._ledger = Ledger(steps.folder)
        self._states = States(steps, self._ledger)

    def run(self):
        """Run the steps that are not done.

        Raises
        ------
        PixsedError
            If products are outdated and `overwrite` is false, or if a step fails. If it is one of
            galaxies, the others run before.
        click.UsageError
            If options of a step exclude each other.
        """
        chosen = self._steps.chosen
        self._start = {step.name: self._states.of(step) for step in chosen}
        self._refuse(list(self._start.values()))
        self._needed, self._again = self._find_needed(), set()
        skipped, failed = [], []
        for step in chosen:
            state = self._state(step)
            if state.kind == DONE:
                skipped.append(step)
                continue
            try:
                self._make(step, state)
            except PixsedError as error:
                if step.command not in _OF_GALAXIES or len(chosen) == 1:
                    raise
                complain(failure_text(error))
                failed.append(step)
        if skipped:
            say(f"{self._steps.folder}: done already: {_listed(skipped)}")
        if failed:
            raise PixsedError(
                f"{self._steps.field.path}: {_listed(failed)} failed, as said above; the other "
                "steps are done; run it again when that is mended"
            )

    def _refuse(self, states):
        """Raise `PixsedError` if products are outdated and may not be replaced."""
        reasons = [state.reason for state in states if state.kind == OUTDATED]
        if reasons and not self._overwrite:
            more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
            raise PixsedError(
                f"{reasons[0]}{more}; make outdated products again with --overwrite, or choose "
                "another output in the field file"
            )

    def _find_needed(self):
        """Return the names of steps whose products a step that will run reads."""
        will, needed = set(), set()
        for step in self._steps.chosen:
            before = {one.name for one in self._steps.before(step)}
            if self._start[step.name].kind not in (DONE, GONE) or before & will:
                will.add(step.name)
        for step in reversed(self._steps.chosen):
            if step.name in will or step.name in needed:
                needed |= {one.name for one in self._steps.before(step)}
        return needed

    def _state(self, step):
        """Return the state of a step at its turn; DONE if it is not to run."""
        state, start = self._states.of(step), self._start[step.name]
        if state.kind == GONE and not self._steps.only and step.name not in self._needed:
            return State(DONE)
        before = {one.name for one in self._steps.before(step)}
        if start.kind in (DONE, GONE) and state.kind == OUTDATED and before & self._again:
            # What it was made from was deleted, and has been made again by the same commands.
            state = start
            if start.kind == DONE:
                self._states.freshen(step)
        self._refuse([state])
        if state.kind == GONE or before & self._again:
            self._again.add(step.name)
        return state

    def _make(self, step, state):
        """Run the command of a step."""
        os.makedirs(os.path.dirname(step.output.rstrip("/")) or ".", exist_ok=True)
        self._states.check_inputs(step)
        if step.command in ("cutout", "plot"):
            self._ledger.write(step, None)
        more = list(_resume(step))
        if self._overwrite if more else state.replaces:
            more.append("--overwrite")
        line = step.line(*_resume(step))
        say(f"+ {line}")
        before = _files(step)
        with command_is(line):
            self._call(step, [*step.words(*more), *self._more], line)
        if self._part:
            return
        if step.command == "cutout":  # not the cubes of an earlier run
            names = [name for name, seen in _files(step).items() if before.get(name) != seen]
        else:
            products = self._states.products(step) or ()
            names = [os.path.basename(path) for path in products if os.path.exists(path)]
        self._ledger.write(step, sorted(names))
        self._states.freshen(step)

    def _call(self, step, words, line):
        """Run a command line; its errors name the step."""
        command = command_of(step.command)
        try:
            with command.make_context(step.command, words, parent=self._group) as context:
                command.invoke(context)
        except click.UsageError as error:
            error.message = f"{error.format_message()} (in {line})"
            raise click.UsageError(error.message) from error
        except (PixsedError, OSError, MemoryError) as error:
            raise PixsedError(f"{failure_text(error)} (in {line})") from error
        except Stopped as stopped:
            kept = f"{stopped.kept} (in {line})" if stopped.kept else f"it was in {line}"
            raise Stopped(stopped.signal, kept) from None


def _files(step):
    """Return name -> (inode, time) of the FITS files in the folder of a step."""
    if step.command != "cutout" or not os.path.isdir(step.output):
        return {}
    with os.scandir(step.output) as entries:
        found = {one.name: one.stat() for one in entries if one.name.endswith(".fits")}
    return {
        name: (one.st_ino, one.st_mtime_ns)
        for name, one in found.items()
        if not name.startswith(".")
    }


def _listed(steps):
    """Return the commands of steps, with the number of bands, as text."""
    counts = Counter(step.command for step in steps)
    bands = {step.command for step in steps if step.band is not None}
    return ", ".join(
        f"{name} of {count} bands" if name in bands else name for name, count in counts.items()
    )
