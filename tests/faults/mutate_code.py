"""Change the code in one place at a time, and check that a test fails: a mutation run.

From the root of the repository, with pytest-cov installed:

    python tests/faults/mutate_code.py -n 320 --seed 1 -o mutants.ecsv

First the tests run once, to know which of them run each line and how long they take. Then each
mutant, a copy of the package with one change, is given to the tests that run its line, those of
its own test file and the fastest first, until one fails or the time is out: the mutant is killed.
A mutant that passes has survived: either it is equivalent, or a test is missing. The report has a
row for each mutant, and a run with the same report goes on where the last one ended.

Ready tools do not fit: mutmut 3 changes code in functions only, not the constants of modules, and
cosmic-ray runs the same tests for each mutant, here thousands. Both run all mutants, no sample.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from queue import Empty

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(HERE)]

from code_mutations import find_mutations, sample_mutations  # noqa: E402
from forked_tests import Forks, Notes, run_pytest  # noqa: E402

FOLDERS = ("pixsed/fit", "pixsed/io")
#: Tests that run the two folders: their own, and those of the commands that use them most.
TESTS = (
    *("tests/fit", "tests/io", "tests/test_properties.py", "tests/test_nodata.py"),
    *("tests/test_dq.py", "tests/cli/test_bad_inputs.py", "tests/cli/test_fit*.py"),
    *("tests/cli/test_sum_mass*.py", "tests/cli/test_outputs.py", "tests/cli/test_posteriors.py"),
    "tests/cli/test_ppc.py",
)
COLUMNS = {
    **{"file": str, "line": int, "start": int, "operator": str, "old": str, "new": str},
    **{"verdict": str, "tests": int, "left_out": int, "seconds": float, "killer": str},
}
DESCRIPTION = {
    "killed": "a test failed",
    "timeout": "the tests did not end in time, or took too much memory",
    "survived": "all tests that run the line passed",
    "uncovered": "no test runs the line",
}


def copy_package(place):
    """Copy what the tests need."""
    ignored = shutil.ignore_patterns(".*", "__pycache__", "_build", "*.egg-info")
    for name in ("pixsed", "tests", "docs", "data"):
        shutil.copytree(ROOT / name, place / name, ignore=ignored)
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, place)
    (place / "tmp").mkdir()
    # Compiled files that hold by content: a mutant may have the size and the time of another.
    import compileall
    from py_compile import PycInvalidationMode

    mode = PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(place / "pixsed", quiet=1, invalidation_mode=mode)


def set_environment(place):
    """Keep the tests to the folder of the run, and start without the plugins of pytest."""
    os.environ |= {
        **{"OMP_NUM_THREADS": "1", "TMPDIR": str(place), "HOME": str(place)},
        **{"PIXSED_SHARED_DATA": str(place / "none"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    }
    os.environ.pop("PYTHONSAFEPATH", None)


def find_files(names, pattern):
    """Return the files of folders, and those named by patterns, relative to the repository."""
    found = []
    for path in (path for name in names for path in sorted(ROOT.glob(name))):
        found += sorted(path.rglob(pattern)) if path.is_dir() else [path]
    return [path.relative_to(ROOT).as_posix() for path in dict.fromkeys(found)]


def measure(place, folders, tests):
    """Run all tests once; return the seconds of each, and the tests that run each line.

    Tests that fail without a change are left out.
    """
    import coverage

    parts = {part if (ROOT / part).is_dir() else str(Path(part).parent) for part in folders}
    args = ["-p", "pytest_cov", *(f"--cov={part}" for part in sorted(parts))]
    args += ["--cov-context=test", "--cov-report=", *find_files(tests, "test_*.py")]
    process = multiprocessing.get_context("spawn").Process(target=_measure, args=(place, args))
    process.start()
    process.join()
    ends = json.loads((place / "answer.json").read_text())
    if not ends["package"].startswith(str(place)):
        raise RuntimeError(f"the tests do not import the copy in {place}; see its pytest.log")
    failed = set(ends["failed"])
    if failed:
        print("fail without a change, left out:", *sorted(failed), sep="\n    ", flush=True)
    data = coverage.CoverageData(place / ".coverage")
    data.read()
    lines = {}
    for path in data.measured_files():
        rows = data.contexts_by_lineno(path)
        names = {line: {c.rpartition("|")[0] for c in found} for line, found in rows.items()}
        lines[Path(path).relative_to(place).as_posix()] = {
            line: sorted(found - failed - {""}) for line, found in names.items()
        }
    return {"seconds": ends["seconds"], "lines": lines}


def choose_tests(measured, name, mutation, limit):
    """Return the tests that run a line, and the number of those left out.

    Those of the test file of the same name are first, then the fastest.

    Of a line that runs at import these are all tests of the file.
    """
    lines = measured["lines"].get(name, {})
    first, last = mutation.lines
    found = set() if mutation.at_import else set(lines.get(str(mutation.line), ()))
    if not found and not mutation.at_import:
        found = {test for i in range(first, last + 1) for test in lines.get(str(i), ())}
    of_file = {test for tests in lines.values() for test in tests}
    own = f"test_{Path(name).stem}.py::"
    if mutation.at_import:
        found = of_file
    elif 0 < len(found) < 3:  # the line may be run once only, as its result is kept
        found |= {test for test in of_file if own in test}
    seconds = measured["seconds"]
    order = sorted(found, key=lambda test: (own not in test, seconds.get(test, 0), test))
    chosen, total = [], 0.0
    for test in order:
        total += seconds.get(test, 0)
        if chosen and total > limit:
            break
        chosen.append(test)
    return chosen, len(order) - len(chosen)


def _measure(place, args):
    """Run tests in this process, which is new."""
    plugin = Notes()
    run_pytest(place, args, plugin)
    plugin.write(place / "answer.json")


def _work(place, tasks, queue):
    """Run the tests of mutants in this process, which is new."""
    files = dict.fromkeys(test.partition("::")[0] for task in tasks for test in task[2])
    run_pytest(place, list(files), Forks(place, tasks, lambda *end: queue.put(end)))
    queue.put(None)


def verdict(end):
    """Return the verdict of a mutant and the test that killed it."""
    if end.get("late"):
        return "timeout", ""
    if end["failed"]:
        return "killed", end["failed"][0]
    return "survived" if end["passed"] else "uncovered", ""


def write_report(path, rows, options):
    """Write the table of mutants."""
    from astropy.table import Table

    table = Table(rows=rows or None, names=list(COLUMNS), dtype=list(COLUMNS.values()))
    table.meta |= {"n": options.n, "seed": options.seed, "folders": list(options.folder)}
    table.meta |= {"verdicts": DESCRIPTION}
    begun = path.with_name(path.name + ".tmp")
    table.write(begun, format="ascii.ecsv", overwrite=True)
    begun.replace(path)


def read_report(path):
    """Return the rows of a report as lists, none if there is no report."""
    from astropy.table import Table

    if not path.exists():
        return []
    table = Table.read(path, format="ascii.ecsv").filled("")
    return [[kind(row[name]) for name, kind in COLUMNS.items()] for row in table]


def summary(rows):
    """Return tables of the verdicts by file and by operator, as reStructuredText."""
    found = []
    for title, column in {"file": 0, "operator": 3}.items():
        counts = defaultdict(Counter)
        for row in rows:
            counts[row[column]][row[6]] += 1
            counts["all"][row[6]] += 1
        width = max(len(name) for name in [title, *counts])
        rule = " ".join(["=" * width, *["=" * 9] * (len(DESCRIPTION) + 1)])
        head = [f"{title:{width}}", *(f"{name:>9}" for name in ["mutants", *DESCRIPTION])]
        found += ["", rule, " ".join(head), rule]
        for name, ends in sorted(counts.items(), key=lambda item: (item[0] == "all", item[0])):
            numbers = [ends.total(), *(ends[verdict] for verdict in DESCRIPTION)]
            found.append(" ".join([f"{name:{width}}", *(f"{number:9}" for number in numbers)]))
        found.append(rule)
    return "\n".join(found)


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-n", type=int, default=300, help="number of mutants")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample")
    parser.add_argument("--folder", nargs="+", default=FOLDERS, help="what is mutated")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="tests, as patterns")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at the same time")
    parser.add_argument("--minutes", type=float, help="begin no mutant after this time")
    parser.add_argument("--test-seconds", type=float, default=30, help="tests of a mutant")
    parser.add_argument("--measured", type=Path, help="file of the first run, made if absent")
    parser.add_argument(
        "--survivors", action="store_true", help="all tests of --tests for the survivors of -o"
    )
    parser.add_argument("--table", action="store_true", help="only print the tables of -o")
    parser.add_argument("-o", "--output", type=Path, required=True, help="report, an ECSV table")
    return parser.parse_args()


def _tasks(options, sources, rows, measured):
    """Return the mutants to try: name, mutation, tests, seconds, and number of tests left out."""
    ends = {_key(row): row[6] for row in rows}
    if options.survivors:
        tests = [test for test in measured["seconds"]]
        again = {key for key, end in ends.items() if end in ("survived", "uncovered")}
        chosen = [(name, m) for name in sources for m in find_mutations(sources[name])]
        chosen = [(name, m) for name, m in chosen if _key_of(name, m) in again]
        return [(name, m, tests, 600, 0) for name, m in chosen]
    found = []
    for name, mutation in sample_mutations(sources, options.n, options.seed):
        if _key_of(name, mutation) not in ends:
            tests, left = choose_tests(measured, name, mutation, options.test_seconds)
            limit = 60 + 10 * sum(measured["seconds"][test] for test in tests)
            found.append((name, mutation, tests, limit, left))
    return found


def _key(row):
    return row[0], row[2], row[3], row[5]


def _key_of(name, mutation):
    return name, mutation.start, mutation.operator, _one_line(mutation.new)


def _one_line(text):
    """Return a text without the line breaks and spaces that an ECSV table does not keep."""
    return " ".join(text.split())


def _measured(options, place):
    """Return what the tests run, from the file of an earlier run if there is one."""
    path = options.measured
    if path is not None and path.exists():
        return json.loads(path.read_text())
    # Through JSON, whose keys are texts.
    text = json.dumps(measure(place, options.folder, options.tests))
    if path is not None:
        path.write_text(text)
    return json.loads(text)


def run_all(options, places, tasks, rows):
    """Run the tests of all mutants, and write the report after each."""
    until = None if options.minutes is None else time.monotonic() + 60 * options.minutes
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = []
    for i, place in enumerate(places):
        own = [task[:4] for task in tasks[i :: len(places)]]
        processes.append(context.Process(target=_work, args=(place, own, queue)))
        processes[-1].start()
    left_out = {_key_of(*task[:2]): task[4] for task in tasks}
    going, last = len(places), time.monotonic()
    while going:
        try:
            end = queue.get(timeout=5)
        except Empty:
            if not any(process.is_alive() for process in processes):
                raise RuntimeError("pytest has ended; see pytest.log of the copy") from None
        else:
            if end is None:
                going -= 1
            elif end[0] is None:
                failed = set(end[1]["failed"])
                rows[:] = [row for row in rows if row[-1] not in failed]
                write_report(options.output, rows, options)
                for test in sorted(failed):
                    print(f"fails without a change, its mutants are left out: {test}", flush=True)
            else:
                name, mutation, tests, _ = end[0]
                found, killer = verdict(end[1])
                key = _key_of(name, mutation)
                spent = round(time.monotonic() - last, 2)
                row = [name, mutation.line, mutation.start, mutation.operator]
                row += [_one_line(mutation.old), _one_line(mutation.new), found]
                row += [len(tests), left_out[key], spent, killer]
                rows[:] = [*(row for row in rows if _key(row) != key), row]
                write_report(options.output, rows, options)
                print(f"{found:9} {name}:{mutation.line} {mutation.operator}", flush=True)
            last = time.monotonic()
        if until is not None and time.monotonic() > until:
            for process in processes:
                process.terminate()
            break
    for process in processes:
        process.join()


def main():
    """Run the campaign and print its ends."""
    options = _arguments()
    sources = {name: (ROOT / name).read_text() for name in find_files(options.folder, "*.py")}
    rows = read_report(options.output)
    if options.table:
        print(summary(rows))
        return
    with tempfile.TemporaryDirectory(prefix="pixsed-mutants-") as scratch:
        places = [Path(scratch).resolve() / str(i) for i in range(options.jobs)]
        for place in places:
            place.mkdir()
            copy_package(place)
        set_environment(places[0].parent)
        measured = _measured(options, places[0])
        run_all(options, places, _tasks(options, sources, rows, measured), rows)
    print(summary(rows))


if __name__ == "__main__":
    main()
