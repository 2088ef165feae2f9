"""Run two processes that write the same output at the same time, and count how they end.

From the root of the repository:

    python tests/faults/race_commands.py -n 200

At least one of the two must succeed. Without --overwrite and --resume exactly one does; the other
one ends with one line of error. The output is whole, with the content of a run alone, and nothing
else is left. The script prints a table of the ends, and each pair that did not end like this; the
status is 1 if there is one.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent), str(HERE)]

import numpy as np  # noqa: E402
from damage_parts import small_batches, take_inputs  # noqa: E402
from forked import bad_end, fork, import_all, run  # noqa: E402
from kill_commands import content  # noqa: E402

#: Commands that write one file, by name.
COMMANDS = {
    "bkg": "bkg im.fits --segmap seg.fits -o o.fits",
    "psfmatch": "psfmatch im.fits --kernel psf.fits -o o.fits",
    "cutout": "cutout im.fits F200W=im2.fits --segmap seg.fits --id 531 --redshift 1 -o o.fits",
    "noise": "noise cube.fits -o o.fits",
    "bin": "bin cube.fits --snr 20 -o o.fits",
    "fit": "fit cube.fits --model fake.onnx --samples 4 --tile 8 --jobs 1 -o o.fits",
    "fit gz": "fit cube.fits --model fake.onnx --samples 4 --tile 8 --jobs 1 -o o.fits.gz",
    "fit table": "fit phot.fits --model fake.onnx --samples 8 --jobs 1 -o o.fits",
    "sum-mass": "sum-mass cube.fits cube2.fits --model fake.onnx --samples 8 --jobs 1 -o o.fits",
    "profile": "profile cube.fits --model fake.onnx --samples 8 -o o.fits",
    "merge": "merge part1.fits part2.fits -o o.fits",
    "merge tables": "merge t1.fits t2.fits -o o.fits",
    "corner": "corner cube.fits --pixel 12 10 --model fake.onnx --samples 200 -o o.ecsv",
    "simulate": "simulate --ssp ssp.fits --prior tau --bands F200W,F444W -n 950 --jobs 1 -o o.fits",
}
RESUMED = ("fit", "fit gz", "sum-mass", "simulate")
WAYS = ("", "--overwrite", "--resume", "--overwrite of a file")


@dataclass
class Pair:
    """Two runs at the same time, and how they ended."""

    seed: int
    command: str
    way: str
    statuses: tuple
    said: tuple
    verdict: str


def judge(way, statuses, said, whole, left):
    """Return how a pair ended: in upper case if not as it should.

    Parameters
    ----------
    way : str
        One of `WAYS`.
    statuses, said : tuple of int, tuple of str
        Of the two runs, with ``-q``.
    whole : bool
        Whether the output is there, with the content of a run alone.
    left : list of str
        Names of other files that have appeared.
    """
    for status, text in zip(statuses, said, strict=True):
        if bad := bad_end(status, text):
            return bad
        if text.count("\n") != (1 if status else 0):
            return "SEVERAL LINES"
    done = sum(status == 0 for status in statuses)
    if not done:
        return "NEITHER"
    if not whole:
        return "NOT WHOLE"
    if left:
        return "LEFT OVER"
    if done == 2 and not way:
        return "BOTH"
    return "both" if done == 2 else "one"


def race(folder, seed, whole):
    """Run a pair in a folder of its own, and return the `Pair`.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Inputs.
    seed : int
    whole : dict of str to (str, float)
        Command -> digest of its output if it runs alone, and its seconds.
    """
    rng = np.random.default_rng(seed)
    name = list(whole)[int(rng.integers(len(whole)))]
    ways = [way for way in WAYS if way != "--resume" or name in RESUMED]
    way = ways[int(rng.integers(len(ways)))]
    digest, seconds = whole[name]
    words = [*COMMANDS[name].split(), "-q", *way.split()[:1]]
    output = words[words.index("-o") + 1]
    with tempfile.TemporaryDirectory(prefix="race-", dir=folder.parent) as place:
        place = Path(place)
        for path in folder.iterdir():
            shutil.copyfile(path, place / path.name)
        if way.endswith("file"):
            (place / output).write_bytes(b"an older file")
        before = {path.name for path in place.iterdir()} | {output}
        # The second one begins while the first one reads, works or writes, or just afterwards.
        delay = rng.uniform(0, 1.2 * seconds) if rng.random() < 0.5 else 0
        begun = []
        for number in range(2):

            def prepare(wait=number * delay):
                small_batches()
                time.sleep(wait)
                return words, 60

            begun.append(fork(place, prepare, f".{number}"))
        statuses = tuple(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in begun)
        said = tuple((place / f".err.{n}").read_text(errors="replace") for n in range(2))
        logs = {f"{kind}.{n}" for kind in (".out", ".err") for n in range(2)}
        left = sorted({path.name for path in place.iterdir()} - before - logs)
        path = place / output
        same = path.exists() and content_of(path) == digest
    return Pair(seed, name, way, statuses, said, judge(way, statuses, said, same, left))


def content_of(path):
    """Return a digest of a file without dates and command lines."""
    if path.suffix != ".ecsv":
        return content(path)
    return "".join(line for line in path.read_text().splitlines(True) if not line.startswith("#"))


def alone(folder, names):
    """Return the digest and the seconds of commands that run alone, by name."""
    found = {}
    for name in names:
        words = COMMANDS[name].split()
        start = time.monotonic()
        status, said = run(folder, [*words, "-q"], before=small_batches)
        if status:
            raise RuntimeError(f"{name} failed alone: {said}")
        seconds = time.monotonic() - start
        path = folder / words[-1]
        found[name] = content_of(path), seconds
        for left in (path, folder / ".out", folder / ".err"):
            left.unlink()
    return found


def campaign(folder, seeds, names=tuple(COMMANDS), show=None):
    """Run a pair for each seed, and return the list of `Pair`.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Inputs; pairs have folders next to it.
    seeds : iterable of int
    names : sequence of str, optional
        Commands.
    show : callable, optional
        Called with each pair that ended.
    """
    import_all()
    whole = alone(folder, names)
    pairs = []
    for seed in seeds:
        pairs.append(race(folder, seed, whole))
        if show is not None:
            show(pairs[-1])
    return pairs


def main():
    """Run the campaign and print its ends."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-n", type=int, default=200, help="number of pairs")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first pair")
    parser.add_argument("--command", choices=COMMANDS, action="append", help="only this command")
    parser.add_argument("--inputs", type=Path, help="folder of the inputs, made before")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
        folder = take_inputs(Path(scratch), options.inputs)
        seeds = range(options.seed, options.seed + options.n)
        pairs = campaign(folder, seeds, options.command or tuple(COMMANDS), show=_show)
    for way in WAYS:
        ends = Counter(pair.verdict for pair in pairs if pair.way == way)
        counts = ", ".join(f"{n} {end}" for end, n in sorted(ends.items()))
        print(f"{way or 'no option':<22}", counts)
    sys.exit(any(pair.verdict.isupper() for pair in pairs))


def _show(pair):
    if pair.verdict.isupper():
        print(f"{pair.verdict}: seed {pair.seed}, {pair.command} {pair.way}: {pair.statuses}")
        for text in pair.said:
            print("   ", text.strip()[-300:], flush=True)


if __name__ == "__main__":
    main()
