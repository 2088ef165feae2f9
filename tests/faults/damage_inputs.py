"""Run commands on damaged and odd inputs, and count how they end.

From the root of the repository, on all cores but at most 4, in some ten minutes:

    python tests/faults/damage_inputs.py -n 2000 --jobs 2

It prints a table of the ends, and each run that did not end as it should: an internal error, a
traceback, a hang, a crash, a damaged file that was accepted, an output or a temporary file after
a failure, an input that has changed. The status is 1 if there is one.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent), str(HERE)]

import numpy as np  # noqa: E402
from forked import bad_end, fork, import_all  # noqa: E402
from inputs import COMMANDS, make_inputs, make_training_inputs  # noqa: E402
from mutations import CELLS, mutations  # noqa: E402

#: CPU seconds after which a run counts as hanging, and an export, which takes a minute by itself.
SECONDS, EXPORT_SECONDS = 60, 400


@dataclass
class Run:
    """A run of a command on a mutated input, and how it ended."""

    args: list
    name: str
    mutation: str
    seed: int
    status: int = 0
    said: str = ""
    left: tuple = ()
    damage: bool = False

    @property
    def verdict(self):
        """How it ended; ``result``, ``error`` and ``usage`` are as it should be."""
        if found := bad_end(self.status, self.said):
            return found
        if self.status == 0:
            return "SILENT" if self.damage else "result"
        kept = "--resume" in self.said
        if any(".pixsed-" in name or name[:2] in ("o.", "o/") for name in self.left) and not kept:
            return "LEFT OVER"
        return "error" if self.status == 1 else "usage"


def words_of(command, folder):
    """Return the names of the inputs of a command."""
    found = []
    for word in command.split():
        name = word.rpartition("=")[2]
        if (folder / name).is_file():
            found.append(name)
    return found


def mutate(folder, seed, commands, options=True):
    """Return a `Run` and the content of its mutated input, or None for one of an option."""
    rng = np.random.default_rng(seed)
    for _ in range(50):
        command = commands[int(rng.integers(len(commands)))]
        names = words_of(command, folder)
        args = command.split()
        if options and rng.random() < 0.1:
            numbers = [i for i, word in enumerate(args) if word.replace(".", "").isdigit()]
            if numbers:
                i = numbers[int(rng.integers(len(numbers)))]
                args[i] = CELLS[int(rng.integers(len(CELLS)))] or "2" * 20
                return Run(args, "", f"option {args[i]}", seed), None
        if not names:
            continue
        name = names[int(rng.integers(len(names)))]
        damage, content = mutations(name)
        kinds = content if content and (not damage or rng.random() < 0.6) else damage
        how = kinds[int(rng.integers(len(kinds)))]
        data = (folder / name).read_bytes()
        try:
            changed = how(data, rng)
        except (ValueError, IndexError, TypeError, KeyError, AttributeError, OSError):
            continue  # it does not fit this file
        if changed != data:
            found = how in damage and _is_recognisable(name, data, changed)
            run = Run(args, name, how.__name__, seed, damage=found)
            return run, changed
    raise RuntimeError("no mutation changes a file")


def _is_recognisable(name, data, changed):
    """Return whether a file tells that it is damaged.

    It does by its sums, or by the number of HDUs in files of pixsed. A file of another program may
    be cut between two HDUs.
    """
    if name.endswith(".gz") and changed.startswith(data) and not any(changed[len(data) :]):
        return False  # gzip files may be padded with zeros
    if name.endswith((".gz", ".ckpt")) or name == "small.onnx":
        return True
    if b"CHECKSUM" not in data:
        return False
    between = data.startswith(changed) and data[len(changed) :].startswith(b"XTENSION")
    return b"LASTEXT" in data or not between


def begin(seed, folder, commands):
    """Fork a process that mutates and runs, in a folder of its own; return its number and folder.

    The folder has links to the inputs.
    """
    place = Path(tempfile.mkdtemp(prefix="run-", dir=folder.parent))
    for path in folder.iterdir():
        os.link(path, place / path.name)

    def prepare():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run, changed = mutate(folder, seed, commands)
        if changed is not None:
            Path(run.name).unlink()
            Path(run.name).write_bytes(changed)
        Path(".run").write_text(json.dumps(asdict(run)))
        return run.args, EXPORT_SECONDS if run.args[0] == "export" else SECONDS

    return fork(place, prepare), place


def finish(status, place, folder):
    """Return the `Run` of a process that ended, and remove its folder."""
    run = Run(**json.loads((place / ".run").read_text()))
    run.status = os.waitstatus_to_exitcode(status)
    run.said = (place / ".err").read_text(errors="replace")
    known = {path.name for path in folder.iterdir()} | {".out", ".err", ".run"}
    run.left = tuple(
        sorted(
            str(path.relative_to(place))
            for path in place.rglob("*")
            if path.is_file() and path.name not in known
        )
    )
    shutil.rmtree(place)
    return run


def campaign(folder, seeds, commands=tuple(COMMANDS), *, jobs=1, minutes=None, show=None):
    """Run mutated commands, and return the `Run` of each seed.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Inputs of `make_inputs`; runs have folders next to it.
    seeds : iterable of int
    commands : sequence of str, optional
    jobs : int, optional
        Number of runs at the same time.
    minutes : float, optional
        Begin no run after this time.
    show : callable, optional
        Called with each run that ended.
    """
    import_all()
    until = np.inf if minutes is None else time.monotonic() + 60 * minutes
    before = _digests(folder)
    runs, going = [], {}

    def wait():
        pid, status = os.wait()
        run = finish(status, going.pop(pid), folder)
        runs.append(run)
        if show is not None:
            show(run)

    for seed in seeds:
        if time.monotonic() > until:
            break
        pid, place = begin(seed, folder, commands)
        going[pid] = place
        while len(going) >= jobs:
            wait()
    while going:
        wait()
    if _digests(folder) != before:
        raise RuntimeError("a run has changed an input")
    return runs


def _digests(folder):
    paths = sorted(folder.iterdir())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def main():
    """Run the campaign and print its ends."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-n", type=int, default=2000, help="number of runs")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first run")
    parser.add_argument("--minutes", type=float, help="begin no run after this time")
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--no-training", action="store_true", help="no train, export, validate")
    parser.add_argument("--inputs", type=Path, help="folder of the inputs, made if absent")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pixsed-faults-") as scratch:
        folder = Path(scratch) / "inputs"
        if options.inputs is not None and options.inputs.exists():
            shutil.copytree(options.inputs, folder)
        else:
            folder.mkdir()
            make_inputs(folder)
            if not options.no_training:
                make_training_inputs(folder)
            if options.inputs is not None:
                shutil.copytree(folder, options.inputs)
        commands = [
            c
            for c in COMMANDS
            if all(
                (folder / w.rpartition("=")[2]).exists()
                for w in c.split()
                if w.endswith(("small.onnx", "small.ckpt", "sims.fits", "ssp.fits"))
            )
        ]
        seeds = range(options.seed, options.seed + options.n)
        runs = campaign(
            folder, seeds, commands, jobs=options.jobs, minutes=options.minutes, show=_show
        )
    ends = Counter(run.verdict for run in runs)
    print(f"{len(runs)} runs:", ", ".join(f"{n} {end}" for end, n in ends.most_common()))
    sys.exit(any(end.isupper() for end in ends))


def _show(run):
    if run.verdict.isupper():
        print(f"{run.verdict}: seed {run.seed}, {run.mutation} of {run.name}: {' '.join(run.args)}")
        print("   ", run.said.strip()[-400:], run.left, flush=True)


if __name__ == "__main__":
    main()
