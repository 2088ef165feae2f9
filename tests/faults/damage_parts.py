"""Damage the unfinished files of commands that were stopped, and go on with --resume.

From the root of the repository:

    python tests/faults/damage_parts.py -n 300

Each command is stopped after some of its steps, as by a kill. Then its NAME.part or its journal is
damaged, and the command is run with --resume. It must end with one line of error, after which
--overwrite starts anew, or with the content of an undisturbed run. The script prints a table of the
ends, and each run that did not end like this; the status is 1 if there is one.
"""

import argparse
import functools
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent), str(HERE)]

import numpy as np  # noqa: E402
from forked import bad_end, import_all, run  # noqa: E402
from inputs import make_inputs  # noqa: E402
from kill_commands import content  # noqa: E402

#: Commands with --resume, by name.
COMMANDS = {
    "maps": "fit cube.fits --model fake.onnx --samples 4 --tile 8 --jobs 1 -o o.fits",
    "maps.gz": "fit cube.fits --model fake.onnx --samples 4 --tile 8 --jobs 1 -o o.fits.gz",
    "mosaics": "fit im.fits F200W=im2.fits --model fake.onnx --samples 4 --redshift 1 --tile 8 "
    "--jobs 1 -o o.fits",
    "simulate": "simulate --ssp ssp.fits --prior tau --bands F200W,F444W -n 950 --jobs 1 -o o.fits",
    "sum-mass": "sum-mass cube.fits cube2.fits binned.fits --model fake.onnx --samples 8 --jobs 1 "
    "-o o.fits",
    "sum-mass csv": "sum-mass cube.fits cube2.fits binned.fits --model fake.onnx --samples 8 "
    "--jobs 1 -o o.csv",
}
#: Numbers of steps after which commands are stopped; 0: before the final name is taken.
STOPS = (1, 2, 0)


# Stopped runs.


def small_batches():
    """Simulate in batches of 200 rows."""
    from pixsed.simulate import options

    options.SimulateOptions = functools.partial(options.SimulateOptions, batch=200)


def stop_after(number):
    """End this process after a number of steps, or before the output takes its name for 0."""
    from pixsed.fit import many_galaxies
    from pixsed.io.writers import maps, row_journal, table_blocks

    small_batches()

    def end(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGKILL)

    if not number:
        maps.place = table_blocks.place = many_galaxies.write_table = end
        return
    count = 0

    def counting(step):
        @functools.wraps(step)
        def counted(*args):
            nonlocal count
            step(*args)
            count += 1
            if count == number:
                end()

        return counted

    maps.MapsWriter.commit = counting(maps.MapsWriter.commit)
    table_blocks.TableWriter.append = counting(table_blocks.TableWriter.append)
    row_journal.RowJournal.append = counting(row_journal.RowJournal.append)


def unfinished(folder):
    """Return the paths of the unfinished output, and of its journal, in a folder."""
    return sorted([*folder.glob("*o.*.part"), *folder.glob(".o.*.journal")])


def make_stopped(folder, names):
    """Make the undisturbed output, and the unfinished files of stopped runs, of commands.

    Returns
    -------
    whole : dict of str to str
        Digests of the undisturbed outputs.
    stopped : dict of (str, int, str) to dict
        Command, number of steps and seed -> name and bytes of its unfinished files.
    """
    whole, stopped = {}, {}
    for name in names:
        words = COMMANDS[name].split()
        path = folder / words[-1]
        status, said = run(folder, [*words, "-q"], before=small_batches)
        if status:
            raise RuntimeError(f"{name} failed undisturbed: {said}")
        whole[name] = content(path)
        path.unlink()
        for number in STOPS:
            for seed in ("42", "7"):
                more = ["--seed", seed, "-q"]
                status, _ = run(folder, [*words, *more], before=lambda n=number: stop_after(n))
                found = unfinished(folder)
                if status != -signal.SIGKILL or not found:
                    raise RuntimeError(f"{name} was not stopped")
                stopped[name, number, seed] = {p.name: p.read_bytes() for p in found}
                for left in [*found, *folder.glob(".pixsed-*"), *folder.glob(".o.*")]:
                    left.unlink(missing_ok=True)
    return whole, stopped


# Damage: each function changes a path of an unfinished run.


def nothing(path, other, rng):
    """Leave the file as it is."""


def cut(path, other, rng):
    data = path.read_bytes()
    path.write_bytes(data[: int(rng.integers(len(data)))])


def flip_bits(path, other, rng):
    data = bytearray(path.read_bytes())
    for _ in range(int(rng.integers(1, 5))):
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


def zeros_in_a_run(path, other, rng):
    """As after a power cut, when blocks were not on the disk yet."""
    data = bytearray(path.read_bytes())
    at = int(rng.integers(len(data)))
    data[at : at + 4096] = bytes(len(data[at : at + 4096]))
    path.write_bytes(data)


def append(path, other, rng):
    path.write_bytes(path.read_bytes() + bytes(rng.integers(0, 256, 1000, dtype=np.uint8)))


def empty(path, other, rng):
    path.write_bytes(b"")


def remove(path, other, rng):
    path.unlink()


def of_another_run(path, other, rng):
    path.write_bytes(other[path.name])


def both_of_another_run(path, other, rng):
    for name, data in other.items():
        (path.parent / name).write_bytes(data)


def exchange(path, other, rng):
    """Exchange the unfinished output and its journal."""
    paths = unfinished(path.parent)
    data = [p.read_bytes() for p in paths]
    for p, one in zip(paths, reversed(data), strict=True):
        p.write_bytes(one)


def another_file(path, other, rng):
    shutil.copyfile(path.parent / "maps.fits", path)


def link(path, other, rng):
    path.rename(path.parent / "target")
    path.symlink_to("target")


def link_to_an_input(path, other, rng):
    path.unlink()
    path.symlink_to("cube2.fits")


def broken_link(path, other, rng):
    path.unlink()
    path.symlink_to("nothing")


def folder(path, other, rng):
    path.unlink()
    path.mkdir()


def pipe(path, other, rng):
    path.unlink()
    os.mkfifo(path)


def change_lines(path, other, rng):
    """Remove, repeat, exchange or cut lines."""
    lines = path.read_bytes().splitlines(keepends=True)
    i, j, kind = *rng.integers(len(lines), size=2), int(rng.integers(4))
    if kind == 0:
        del lines[i]
    elif kind == 1:
        lines.insert(j, lines[i])
    elif kind == 2:
        lines[i], lines[j] = lines[j], lines[i]
    else:
        lines[i] = lines[i][: int(rng.integers(len(lines[i])))]
    path.write_bytes(b"".join(lines))


def forge_a_line(path, other, rng):
    """Change or repeat a value of a journal, and give the line a new checksum."""
    from pixsed.io.writers.journal import journal_line

    lines = path.read_bytes().splitlines(keepends=True)
    i = int(rng.integers(len(lines)))
    values = json.loads(lines[i].rpartition(b" ")[0])
    key = list(values)[int(rng.integers(len(values)))]
    values[key] = (0, 1, -1, 5, "x", [], {}, None, 10**12)[int(rng.integers(9))]
    lines[i] = journal_line(values)
    path.write_bytes(b"".join(lines))


def more_done_than_there_is(path, other, rng):
    """Add a line, with its checksum, of a step that was never done."""
    from pixsed.io.writers.journal import journal_line

    data = path.read_bytes()
    last = json.loads(data.splitlines()[-1].rpartition(b" ")[0])
    if "done" in last:
        last["done"] += 1
        if rng.random() < 0.5:
            last |= {"boxes": [], "crc": 0}
    if "rows" in last and rng.random() < 0.5:
        last["crc"] = 0
    path.write_bytes(data + journal_line(last))


ANY = (
    nothing,
    cut,
    cut,
    flip_bits,
    flip_bits,
    zeros_in_a_run,
    append,
    empty,
    remove,
    of_another_run,
    both_of_another_run,
    exchange,
    another_file,
    link,
    link_to_an_input,
    broken_link,
    folder,
    pipe,
)
JOURNAL = (change_lines, change_lines, forge_a_line, forge_a_line, more_done_than_there_is)
#: What --overwrite does not replace either.
IN_THE_WAY = (link, link_to_an_input, broken_link, folder, pipe)


# Runs.


@dataclass
class Run:
    """A run with --resume after damage, and how it ended."""

    seed: int
    command: str
    stopped: int
    file: str
    damage: str
    status: int
    said: str
    verdict: str


def damage(place, name, stopped, rng):
    """Put the unfinished files of a stopped run into a folder, and damage one.

    Returns
    -------
    number : int
        Steps after which the run was stopped.
    file : str
    how : callable
    """
    for _ in range(50):
        number = STOPS[int(rng.integers(len(STOPS)))]
        for file, data in stopped[name, number, "42"].items():
            (place / file).write_bytes(data)
        paths = unfinished(place)
        path = paths[int(rng.integers(len(paths)))]
        lines = path.name.endswith(".journal") or name.startswith("sum-mass")
        kinds = ANY + JOURNAL if lines else ANY
        how = kinds[int(rng.integers(len(kinds)))]
        if how is exchange and len(paths) == 1:
            continue
        try:
            how(path, stopped[name, number, "7"], rng)
        except (ValueError, IndexError, KeyError, TypeError):
            continue  # it does not fit this file
        return number, path.name, how
    raise RuntimeError("no damage fits")


def run_damaged(folder, seed, whole, stopped):
    """Damage the files of a stopped run, go on with it, and return the `Run`."""
    rng = np.random.default_rng(seed)
    names = list(whole)
    name = names[int(rng.integers(len(names)))]
    with tempfile.TemporaryDirectory(prefix="part-", dir=folder.parent) as place:
        place = Path(place)
        for path in folder.iterdir():
            shutil.copyfile(path, place / path.name)
        number, file, how = damage(place, name, stopped, rng)
        left = {p.name for p in unfinished(place)}
        before = {p: sha for p, sha in _digests(place).items() if p not in left}
        words = [*COMMANDS[name].split(), "-q"]
        status, said = run(place, [*words, "--resume"], before=small_batches, seconds=120)
        verdict = judge(place / COMMANDS[name].split()[-1], whole[name], status, said)
        after = _digests(place)
        if any(after.get(p) != sha for p, sha in before.items()):
            verdict = "FILE CHANGED"
        if verdict == "error" and how is nothing:
            verdict = "NOT RESUMED"
        if verdict == "error" and how not in IN_THE_WAY:
            again, why = run(place, [*words, "--overwrite"], before=small_batches)
            if judge(place / words[words.index("-o") + 1], whole[name], again, why) != "result":
                verdict, said = "NO WAY ON", f"{said} then: {why}"
    return Run(seed, name, number, file, how.__name__, status, said, verdict)


def judge(path, whole, status, said):
    """Return how a run ended; ``result`` and ``error`` are as it should be.

    Parameters
    ----------
    path : `~pathlib.Path`
        Output.
    whole : str
        Digest of the undisturbed output.
    status : int
    said : str
        With ``-q``: only an error, or the one warning that rows are made again.
    """
    if bad := bad_end(status, said):
        return bad
    if status:
        if path.exists():
            return "OUTPUT AFTER AN ERROR"
        return "error" if len(said.splitlines()) == 1 else "SEVERAL LINES"
    if not path.exists():
        return "NO OUTPUT"
    if content(path) != whole:
        return "OTHER DATA"
    return "LEFT OVER" if unfinished(path.parent) else "result"


def _digests(folder):
    return {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.iterdir()
        if p.is_file() and p.name not in (".out", ".err")
    }


def campaign(folder, seeds, names=tuple(COMMANDS), show=None):
    """Damage unfinished files, one run for each seed, and return the `Run` of each.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Inputs; runs have folders next to it.
    seeds : iterable of int
    names : sequence of str, optional
        Commands.
    show : callable, optional
        Called with each run that ended.
    """
    import_all()
    whole, stopped = make_stopped(folder, names)
    for name in (".out", ".err"):
        (folder / name).unlink(missing_ok=True)
    runs = []
    for seed in seeds:
        runs.append(run_damaged(folder, seed, whole, stopped))
        if show is not None:
            show(runs[-1])
    return runs


def main():
    """Run the campaign and print its ends."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-n", type=int, default=300, help="number of runs")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first run")
    parser.add_argument("--command", choices=COMMANDS, action="append", help="only this command")
    parser.add_argument("--inputs", type=Path, help="folder of the inputs, made before")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
        folder = take_inputs(Path(scratch), options.inputs)
        seeds = range(options.seed, options.seed + options.n)
        runs = campaign(folder, seeds, options.command or tuple(COMMANDS), show=_show)
    ends = Counter((r.command, r.verdict) for r in runs)
    for name in dict.fromkeys(r.command for r in runs):
        found = {verdict: n for (one, verdict), n in ends.items() if one == name}
        print(f"{name:<14}", ", ".join(f"{n} {verdict}" for verdict, n in sorted(found.items())))
    sys.exit(any(r.verdict.isupper() for r in runs))


def take_inputs(scratch, given=None):
    """Return a folder of inputs with the SSP grid: a copy of a given one, or a new one."""
    folder = scratch / "inputs"
    if given is not None:
        return shutil.copytree(given, folder)
    folder.mkdir()
    make_inputs(folder)
    make_grid(folder)
    return folder


def make_grid(folder):
    """Write the SSP grid of simulate."""
    from synthetic_ssp import synthetic_ssp

    from pixsed.sps.ssp import write_ssp

    write_ssp(synthetic_ssp(), folder / "ssp.fits")


def _show(run):
    if run.verdict.isupper():
        print(
            f"{run.verdict}: seed {run.seed}, {run.command} stopped after {run.stopped}, "
            f"{run.damage} of {run.file}: status {run.status}: {run.said.strip()[-400:]}",
            flush=True,
        )


if __name__ == "__main__":
    main()
