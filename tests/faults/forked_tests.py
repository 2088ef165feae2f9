"""Tests of mutants: one pytest process collects the tests, and a fork of it runs each mutant.

A fork has the package imported; the function that a mutant changes gets its new code there. The
changed file stands in the package too, for what tests import later or run as a command. A mutant
of what runs at import has a new process instead.
"""

import ast
import gc
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import types
import warnings
from collections import defaultdict

MEMORY = 16 << 30
#: Status of a fork that cannot change the function, as a name of an outer function is gone.
UNCHANGED = 77
#: What a process has imported that others are forked from: nothing that pytest rewrites.
PRELOADED = ("numpy", "scipy.ndimage", "scipy.interpolate", "astropy.io.fits", "astropy.table")
PRELOADED += ("astropy.wcs", "astropy.io.ascii", "onnxruntime", "pytest", "click.testing")


class Notes:
    """Plugin of pytest: notes the seconds, the failures and the number of passed tests."""

    def __init__(self):
        self.seconds, self.failed, self.passed = defaultdict(float), [], 0

    def pytest_runtest_logreport(self, report):
        """Note the end of a part of a test."""
        self.seconds[report.nodeid] += report.duration
        self.passed += report.passed and report.when == "call"
        if report.failed:
            self.failed.append(report.nodeid)

    def write(self, path):
        """Write the notes, and the place of the package that was tested."""
        package = getattr(sys.modules.get("pixsed"), "__file__", "")
        found = {"passed": self.passed, "failed": self.failed, "seconds": dict(self.seconds)}
        path.write_text(json.dumps(found | {"package": package}))


class Forks(Notes):
    """Plugin of pytest: runs the tests of each task in a fork, and gives its end to a function.

    A task is a name of a file, a mutation, names of tests in order, and the seconds they may take.
    In the end the tests that failed run without a change, and the function gets None and the end.
    """

    def __init__(self, place, tasks, tell):
        super().__init__()
        self.place, self.tasks, self.tell = place, tasks, tell

    def pytest_runtestloop(self, session):
        """Run all tasks."""
        items = {item.nodeid: item for item in session.items}
        killers = {}
        for task in self.tasks:
            end = self._try([items[test] for test in task[2] if test in items], task)
            killers |= dict.fromkeys(end["failed"][:1])
            self.tell(task, end)
        again = [items[test] for test in killers if test in items]
        self.tell(None, self._fork(again, None, 60 + 10 * len(again)))
        return True

    def _try(self, items, task):
        name, mutation, _, seconds = task
        if not items:
            return {"passed": 0, "failed": []}
        path = self.place / name
        source = path.read_text()
        path.write_text(mutation.apply(source))
        try:
            return self._fork(items, (path, mutation), seconds)
        finally:
            path.write_text(source)

    def _fork(self, items, mutant, seconds, fresh=False):
        answer = self.place / "answer.json"
        answer.unlink(missing_ok=True)
        fresh = fresh or mutant is not None and mutant[1].at_import and is_imported(mutant[0])
        names = [item.nodeid for item in items]
        context = multiprocessing.get_context("forkserver" if fresh else "fork")
        if fresh:
            context.set_forkserver_preload(list(PRELOADED))
            child = context.Process(target=run_fresh, args=(self.place, names, answer))
        else:
            child = context.Process(target=self._run, args=(items, mutant, answer))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of threads, which numpy may have
            child.start()
        child.join(seconds)
        late = child.is_alive()
        # What the tests began ends with them, as a mutant may leave processes behind.
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.join()
        shutil.rmtree(self.place / "tmp", ignore_errors=True)
        (self.place / "tmp").mkdir()
        if late:
            return {"passed": 0, "failed": [], "late": True}
        if answer.exists():
            return json.loads(answer.read_text())
        if child.exitcode == UNCHANGED:
            return self._fork(items, mutant, seconds, fresh=True)
        return {"passed": 0, "failed": ["the process ended"]}

    def _run(self, items, mutant, answer):
        os.setpgrp()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        if mutant is not None and is_imported(mutant[0]) and not change_function(*mutant):
            os._exit(UNCHANGED)
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed and mutant is not None:
                break
        self.write(answer)
        os._exit(0)


class Chosen(Notes):
    """Plugin of pytest: runs some of the collected tests, in this order."""

    def __init__(self, names):
        super().__init__()
        self.names = names

    def pytest_collection_modifyitems(self, items):
        """Leave out the others."""
        by_name = {item.nodeid: item for item in items}
        items[:] = [by_name[name] for name in self.names if name in by_name]


def is_imported(path):
    """Return whether a file of the package is imported."""
    return any(getattr(m, "__file__", None) == str(path) for m in list(sys.modules.values()))


def change_function(path, mutation):
    """Give the function that a mutation changes its new code; return whether there was one.

    A file that has not been imported needs no change.
    """
    codes = {}
    todo = [compile(path.read_text(), str(path), "exec", dont_inherit=True)]
    while todo:
        code = todo.pop()
        codes[code.co_qualname, code.co_firstlineno] = code
        todo += [const for const in code.co_consts if isinstance(const, types.CodeType)]
    outer = _outer_functions(path, mutation.line)
    changed = False
    for thing in gc.get_objects():
        # Not isinstance, which asks an object for its __class__: torch has some that warn.
        if type(thing) is types.FunctionType and thing.__code__.co_filename == str(path):
            key = thing.__code__.co_qualname, thing.__code__.co_firstlineno
            if key[1] in outer and key in codes:
                try:
                    thing.__code__ = codes[key]
                except ValueError:  # another number of names of an outer function
                    continue
                changed = True
    return changed


def _outer_functions(path, line):
    """Return the first lines of the functions that have a line in their body."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            if node.lineno <= line <= node.end_lineno:
                decorators = getattr(node, "decorator_list", [])
                found.add(min([node.lineno, *(d.lineno for d in decorators)]))
    return found


def run_pytest(place, args, plugin):
    """Run pytest in this process, in a copy of the repository, of which it tests the package."""
    os.chdir(place)
    os.environ["PYTHONPATH"] = str(place)
    sys.path.insert(0, str(place))
    log = os.open(place / "pytest.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    import pytest

    words = ["-q", "-p", "no:cacheprovider", f"--basetemp={place}/tmp/pytest"]
    return int(pytest.main([*words, *args], plugins=[plugin]))


def run_fresh(place, names, answer):
    """Run the tests of a mutant in a process that has not imported the package."""
    os.setpgrp()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    plugin = Chosen(names)
    status = run_pytest(place, ["-x", *dict.fromkeys(n.partition("::")[0] for n in names)], plugin)
    if status and not plugin.failed:
        plugin.failed.append(f"pytest ended with status {status}")
    plugin.write(answer)
    os._exit(0)
