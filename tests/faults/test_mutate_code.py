"""Mutations of code; see mutate_code.py for a run over the package."""

import ast
import inspect
import sys
from collections import Counter
from pathlib import Path

import code_mutations
import forked_tests
import mutate_code
import pytest
from code_mutations import find_mutations, sample_mutations

import pixsed

PACKAGE = Path(pixsed.__file__).parent
SOURCE = '''"""A docstring with 1 < 2."""

LIMIT = 3

def count(values, most=LIMIT):
    """Count 1 and 2."""
    found = 0
    for value in values:
        if not value:
            continue
        if 0 <= value < (most):  # < in a comment
            found += 1
    if found > most and most:
        raise ValueError("too many")
    return min(found, -most)
'''


def changed(operator, source=SOURCE):
    """Return the changed lines of each mutation of a kind."""
    found = []
    for mutation in find_mutations(source):
        if mutation.operator == operator:
            lines = mutation.apply(source).splitlines()
            found += [new.strip() for new in lines if new not in source.splitlines()]
    return found


@pytest.mark.parametrize(
    ("operator", "lines"),
    [
        (
            "comparison",
            [
                "if 0 < value < (most):  # < in a comment",
                "if 0 > value < (most):  # < in a comment",
                "if 0 <= value <= (most):  # < in a comment",
                "if 0 <= value >= (most):  # < in a comment",
                "if found <= most and most:",
                "if found >= most and most:",
            ],
        ),
        ("arithmetic", ["found -= 1"]),
        ("and, or", ["if found > most or most:"]),
        ("not", ["if (value):", "if (not (found > most and most)):"]),
        ("deleted raise", ["pass"]),
        ("deleted statement", ["pass"]),
        ("return None", ["return None"]),
        ("sign", ["return min(found, (most))"]),
        ("min, max, any, all", ["return max(found, -most)"]),
        ("break, continue", ["break"]),
        ("true, false", []),
    ],
)
def test_mutations_of_a_kind(operator, lines):
    assert changed(operator) == lines


def test_numbers_change_by_one():
    assert changed("constant", "x = 1\n") == ["x = 0", "x = 2"]
    assert changed("constant", "x = 0.0\n") == ["x = 1.0"]
    assert changed("constant", "x = 2.5\n") == ["x = 5.0"]
    assert changed("constant", "x: int = 0\n") == ["x: int = 1"]
    assert changed("true, false", "x = True\n") == ["x = False"]


def test_what_runs_at_import_is_known():
    at_import = {m.old for m in find_mutations(SOURCE) if m.at_import}
    assert at_import == {"3"}
    source = "class A:\n    x = 7\n    def f(self, n=8):\n        return n + 9\n"
    assert {m.old for m in find_mutations(source) if m.at_import} == {"7", "8"}


def test_positions_count_characters():
    source = 'text = "µJy"; n = len("Å") < 5\n'
    assert changed("comparison", source) == [
        'text = "µJy"; n = len("Å") <= 5',
        'text = "µJy"; n = len("Å") >= 5',
    ]


@pytest.mark.parametrize("name", ["fit/tiles.py", "io/writers/journal.py"])
def test_each_mutation_of_the_package_is_valid_and_changes_it(name):
    source = (PACKAGE / name).read_text()
    whole = ast.dump(ast.parse(source))
    mutations = find_mutations(source)
    assert len(mutations) > 20
    for mutation in mutations:
        assert ast.dump(ast.parse(mutation.apply(source))) != whole, mutation


def test_a_sample_repeats_and_has_every_file():
    names = ("__init__.py", "image.py", "sky.py", "fill.py", "reading.py")
    sources = {name: (PACKAGE / "io" / name).read_text() for name in names}
    sample = sample_mutations(sources, 40, seed=3)
    assert sample == sample_mutations(sources, 40, seed=3)
    assert sample != sample_mutations(sources, 40, seed=4)
    assert len(set(sample)) == len(sample)
    assert {name for name, _ in sample} == {n for n in sources if find_mutations(sources[n])}
    counts = Counter(name for name, _ in sample)
    assert counts["image.py"] > counts["sky.py"]


def test_tests_of_a_line():
    mutations = find_mutations(SOURCE)
    lines = {"9": ["t::slow", "t::fast"], "6": ["t::other"]}
    measured = {"lines": {"a.py": lines}, "seconds": {"t::slow": 20.0, "t::fast": 0.1}}
    measured["seconds"]["t::other"] = 1.0
    by_line = {m.line: m for m in mutations}
    assert mutate_code.choose_tests(measured, "a.py", by_line[9], 30) == (["t::fast", "t::slow"], 0)
    assert mutate_code.choose_tests(measured, "a.py", by_line[9], 5) == (["t::fast"], 1)
    assert mutate_code.choose_tests(measured, "a.py", by_line[3], 30)[0] == [
        *("t::fast", "t::other", "t::slow")
    ]
    assert mutate_code.choose_tests(measured, "a.py", by_line[14], 30) == ([], 0)


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        ({"passed": 3, "failed": []}, ("survived", "")),
        ({"passed": 0, "failed": []}, ("uncovered", "")),
        ({"passed": 1, "failed": ["t::a"]}, ("killed", "t::a")),
        ({"passed": 0, "failed": [], "late": True}, ("timeout", "")),
    ],
)
def test_verdicts(end, verdict):
    assert mutate_code.verdict(end) == verdict


def test_a_report_is_read_as_it_is_written(tmp_path):
    rows = [
        ["a.py", 3, 17, "comparison", "<", "<=", "killed", 4, 1, 0.25, "t::a"],
        ["a.py", 9, 40, "not", 'not "a b" and 1', '("a  b")', "survived", 2, 0, 1.5, ""],
    ]
    path = tmp_path / "report.ecsv"
    options = type("Options", (), {"n": 2, "seed": 1, "folder": ["a"]})
    assert mutate_code.read_report(path) == []
    mutate_code.write_report(path, rows, options)
    assert mutate_code.read_report(path) == rows
    lines = mutate_code.summary(rows).splitlines()
    assert lines[4].split() == ["a.py", "2", "1", "0", "1", "0"]
    assert len({len(line) for line in lines[1:7]}) == 1


def test_a_mutant_is_found_again_in_a_report():
    source = "def f(a, b):\n    if (\n        a  # a comment\n        and b\n    ):\n        g()\n"
    keys = [mutate_code._key_of("a.py", mutation) for mutation in find_mutations(source)]
    assert len(set(keys)) == len(keys) and not any("\n" in key[3] for key in keys)


def test_a_function_gets_its_new_code(tmp_path, monkeypatch):
    path = tmp_path / "mutated_here.py"
    path.write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    import mutated_here

    count = mutated_here.count
    assert count([0, 1, 2, 3]) == -3
    [mutation] = [m for m in find_mutations(SOURCE) if m.operator == "sign"]
    path.write_text(mutation.apply(SOURCE))
    assert forked_tests.change_function(path, mutation)
    assert count([0, 1, 2, 3]) == 2
    [mutation] = [m for m in find_mutations(SOURCE) if m.at_import and m.new == "4"]
    assert not forked_tests.change_function(path, mutation)
    assert forked_tests.is_imported(path)
    del sys.modules["mutated_here"]
    assert not forked_tests.is_imported(path)


def test_operators_are_those_of_the_language():
    kinds = {kind.__name__ for kind in ast.cmpop.__subclasses__()}
    assert {kind.__name__ for kind in code_mutations._COMPARE} == kinds
    assert inspect.getdoc(code_mutations.Mutation)
