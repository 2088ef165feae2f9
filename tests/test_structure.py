"""Rules of the source code: sizes, order of imports, first words of docstrings."""

import ast
import functools
import re
from pathlib import Path

import pytest

import pixsed

PACKAGE = Path(pixsed.__file__).parent
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

MAX_FILE_LINES = 400
MAX_BODY_LINES = 60
MAX_PARAMETERS = 10

#: The rooms in order of import: a room imports only itself and the rooms before it. Modules that
#: lie directly in pixsed/ come first.
ROOMS = (
    "io",
    "models",
    "images",
    "sps",
    "simulate",
    "fit",
    "validate",
    "train",
    "plots",
    "cite",
    "cli",
)
FIRST_ROOM = -1

#: Packages that take long to import, or that a plain install lacks -> files that may import them.
IMPORTERS = {
    "onnxruntime": ("fit/runtime.py",),
    "matplotlib": ("plots/",),
    # The command tells whether they are installed before it reads the simulations.
    "torch": ("train/", "cli/train.py"),
    "sbi": ("train/maf_paper/", "cli/train.py"),
    "fsps": ("sps/fsps_worker.py",),
}


@functools.cache
def tree(file):
    """Return the syntax tree of a file of the package."""
    return ast.parse((PACKAGE / file).read_text())


def functions(file):
    """Return the functions and methods of a file, nested ones included."""
    kinds = ast.FunctionDef, ast.AsyncFunctionDef
    return [node for node in ast.walk(tree(file)) if isinstance(node, kinds)]


def without_docstring(body):
    """Return the statements of a body without its docstring."""
    first = body[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] if is_text and isinstance(first.value.value, str) else body


def body_lines(function):
    """Return the number of lines of a function's body, its docstring not counted."""
    body = without_docstring(function.body)
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def parameters(function):
    """Return the names of a function's parameters, without self and cls."""
    arguments = function.args
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument.arg for argument in found if argument.arg not in ("self", "cls")]


def imported(file):
    """Return the full names that a file imports, those inside functions included."""
    package = ["pixsed", *Path(file).parts[:-1]]
    found = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def room(parts):
    """Return the place in the order of import of a module, given the parts of its path."""
    return ROOMS.index(parts[0]) if parts and parts[0] in ROOMS else FIRST_ROOM


def test_files_are_short():
    lines = {file: len((PACKAGE / file).read_text().splitlines()) for file in FILES}
    assert {file: n for file, n in lines.items() if n > MAX_FILE_LINES} == {}


def test_functions_are_short():
    lengths = {(file, f.name): body_lines(f) for file in FILES for f in functions(file)}
    assert {place: n for place, n in lengths.items() if n > MAX_BODY_LINES} == {}


def test_functions_have_few_parameters():
    counts = {(file, f.name): len(parameters(f)) for file in FILES for f in functions(file)}
    assert {place: n for place, n in counts.items() if n > MAX_PARAMETERS} == {}


def test_docstrings_say_what_the_thing_is_or_does():
    # A first line is an imperative sentence or a noun phrase, as in photutils.
    riddle = re.compile(r"(What|How|Whether|Which|Where|When|Why|Of)\b")
    found = []
    for file in FILES:
        classes = [node for node in ast.walk(tree(file)) if isinstance(node, ast.ClassDef)]
        for node in (tree(file), *classes, *functions(file)):
            first = (ast.get_docstring(node) or "").split("\n")[0]
            if riddle.match(first):
                found.append(f"{file}: {first}")
    assert found == []


def test_a_fraction_is_called_a_fraction():
    found = []
    for file in FILES:
        for line in (PACKAGE / file).read_text().splitlines():
            # The text in the table of a maps file is part of the contract of files.
            if re.search(r"\b[Ss]hares? of\b", line) and '"OOD": "share of' not in line:
                found.append(f"{file}: {line.strip()}")
    assert found == []


def test_rooms_import_only_what_stands_before_them():
    found = []
    for file in FILES:
        # The package's lazy public names, and the start of the command, stand outside the order.
        if file in ("__init__.py", "__main__.py"):
            continue
        own = room(Path(file).parts)
        names = [name.split(".")[1:] for name in imported(file) if name.startswith("pixsed.")]
        found += [f"{file}: {'.'.join(parts)}" for parts in names if room(parts) > own]
    assert found == []


def test_no_files_import_each_other():
    modules = {".".join(Path("pixsed", file).with_suffix("").parts): file for file in FILES}
    sources = {}  # file -> files that it imports, those inside functions included
    for file in set(FILES) - {"__init__.py"}:  # the package's lazy public names
        names = imported(file)
        names |= {name.rpartition(".")[0] for name in names}
        sources[file] = {modules[name] for name in names if name in modules}
    # What is left, when files that import none of the others are taken away, is in circles.
    while free := [file for file, found in sources.items() if not found & sources.keys()]:
        sources = {file: found for file, found in sources.items() if file not in free}
    assert sources == {}


def test_heavy_packages_have_one_place():
    found = []
    for file in FILES:
        tops = {name.split(".")[0] for name in imported(file)} & set(IMPORTERS)
        found += [f"{file}: {top}" for top in tops if not file.startswith(IMPORTERS[top])]
    assert found == []


def test_the_formatter_is_switched_off_with_a_reason():
    found = []
    for file in FILES:
        lines = (PACKAGE / file).read_text().splitlines()
        for before, line in zip(["", *lines], lines, strict=False):
            pragma = re.search(r"# fmt: (skip|off)(.*)", line)
            if pragma and not (pragma[2].strip() or before.lstrip().startswith("#")):
                found.append(f"{file}: {line}")
    assert found == []


def test_the_rules_see_their_breaches():
    # A rule that reads no files would always pass.
    source = 'def f(self, a, *, b):\n    """Text."""\n    import io.x\n    return a\n'
    function = ast.parse(source).body[0]
    assert body_lines(function) == 2
    assert parameters(function) == ["a", "b"]
    assert room(("io", "units")) < room(("fit", "model")) < room(("cli", "fit"))
    assert room(("bands",)) == room(("parallel", "map")) == FIRST_ROOM
    assert "pixsed.fit.runtime.onnxruntime" not in imported("fit/runtime.py")
    assert any(name.startswith("onnxruntime") for name in imported("fit/runtime.py"))


def test_the_commit_hook_has_the_ruff_of_ci():
    root = Path(__file__).parents[1]
    if not (root / ".pre-commit-config.yaml").is_file():
        pytest.skip("not a checkout: .pre-commit-config.yaml is absent")
    pinned = re.search(r"^ruff==(.+)$", (root / ".ci" / "constraints.txt").read_text(), re.M)[1]
    assert f"rev: v{pinned}\n" in (root / ".pre-commit-config.yaml").read_text()
