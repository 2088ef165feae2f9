"""Mutations of Python source: one small change at a time, such as < to <= or a deleted raise."""

import ast
import random
import re
from dataclasses import dataclass, field

_COMPARE = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}
_ARITHMETIC = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
_CALLS = {
    "min": "max",
    "minimum": "maximum",
    "nanmin": "nanmax",
    "fmin": "fmax",
    "any": "all",
    "floor": "ceil",
}
_CALLS |= {new: old for old, new in _CALLS.items()}
_FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda


@dataclass(frozen=True, order=True)
class Mutation:
    """A change of the text of a file, between two positions in characters."""

    start: int
    end: int
    new: str
    operator: str
    old: str = field(compare=False)
    line: int = field(compare=False)
    #: First and last line of the statement, and whether it runs only when it is imported.
    lines: tuple = field(compare=False)
    at_import: bool = field(compare=False)

    def apply(self, source):
        """Return the changed source."""
        return source[: self.start] + self.new + source[self.end :]


class _Finder(ast.NodeVisitor):
    """Collects the mutations of a file."""

    def __init__(self, source):
        self.source = source
        self.found = []
        self._rows = source.splitlines(keepends=True)
        self._begins = [0]
        for row in self._rows:
            self._begins.append(self._begins[-1] + len(row))
        self._lines, self._depth = (1, 1), 0

    def _at(self, row, column):
        """Return the position of a row and a column in bytes, as ast gives them."""
        return self._begins[row - 1] + len(self._rows[row - 1].encode()[:column].decode())

    def _span(self, node):
        end = self._at(node.end_lineno, node.end_col_offset)
        return self._at(node.lineno, node.col_offset), end

    def _add(self, start, end, new, operator):
        old = self.source[start:end]
        line = self.source.count("\n", 0, start) + 1
        self.found.append(
            Mutation(start, end, new, operator, old, line, self._lines, self._depth == 0)
        )

    def _replace(self, node, new, operator):
        self._add(*self._span(node), new, operator)

    def _between(self, left, right, old, news, operator):
        """Replace an operator between two nodes; nothing else but brackets and comments is there"""
        start, end = self._span(left)[1], self._span(right)[0]
        gap = re.sub(r"#[^\n]*", lambda match: " " * len(match[0]), self.source[start:end])
        pattern = r"\s+".join(re.escape(word) for word in old.split())
        found = re.search(pattern, gap)
        for new in news:
            self._add(start + found.start(), start + found.end(), new, operator)

    def visit(self, node):
        """Visit a node; keep the statement and whether it is in a function."""
        before = self._lines, self._depth
        if isinstance(node, ast.stmt):
            last = node.end_lineno
            if body := getattr(node, "body", None):
                last = max(node.lineno, body[0].lineno - 1)
            self._lines = node.lineno, last
        super().visit(node)
        self._lines, self._depth = before

    def visit_FunctionDef(self, node):
        """Visit defaults, which run at import, and the body; decorators stay."""
        for part in [*node.args.defaults, *node.args.kw_defaults]:
            if part is not None:
                self.visit(part)
        self._depth += 1
        for part in node.body:
            self.visit(part)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        """Visit the body."""
        for part in node.body:
            self.visit(part)

    def visit_Lambda(self, node):
        """Visit the body of a lambda, which runs when it is called."""
        self._depth += 1
        self.visit(node.body)

    def visit_AnnAssign(self, node):
        """Visit the value, not the annotation."""
        if node.value is not None:
            self.visit(node.value)

    def visit_Compare(self, node):
        """Shift or negate a comparison."""
        left = node.left
        for kind, right in zip(node.ops, node.comparators, strict=True):
            old, news = _COMPARE[type(kind)]
            self._between(left, right, old, news, "comparison")
            left = right
        self.generic_visit(node)

    def visit_BinOp(self, node):
        """Take another arithmetic operator; not for texts, where any other raises."""
        sides = node.left, node.right
        text = any(
            isinstance(side, ast.JoinedStr)
            or isinstance(side, ast.Constant)
            and isinstance(side.value, str | bytes)
            for side in sides
        )
        if type(node.op) in _ARITHMETIC and not text:
            old, new = _ARITHMETIC[type(node.op)]
            self._between(*sides, old, [new], "arithmetic")
        self.generic_visit(node)

    def visit_AugAssign(self, node):
        """Take another operator, or delete the statement."""
        if type(node.op) in _ARITHMETIC:
            old, new = _ARITHMETIC[type(node.op)]
            self._between(node.target, node.value, old + "=", [new + "="], "arithmetic")
        self._replace(node, "pass", "deleted statement")
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        """Exchange and and or."""
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        # Of the last two: an exchange within a longer chain would bind otherwise.
        self._between(*node.values[-2:], old, [new], "and, or")
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        """Leave out not, minus and ~."""
        if isinstance(node.op, ast.Not | ast.USub | ast.Invert):
            text = self.source[slice(*self._span(node.operand))]
            operator = "sign" if isinstance(node.op, ast.USub) else "not"
            self._replace(node, f"({text})", operator)
        self.generic_visit(node)

    def visit_If(self, node):
        """Negate a condition."""
        self._negate(node.test)
        self.generic_visit(node)

    visit_While = visit_IfExp = visit_If

    def _negate(self, test):
        # Comparisons and not are mutated by themselves.
        if not isinstance(test, ast.Compare | ast.UnaryOp | ast.NamedExpr):
            text = self.source[slice(*self._span(test))]
            self._replace(test, f"(not ({text}))", "not")

    def visit_Constant(self, node):
        """Change a number by one, or a truth value."""
        value = node.value
        if value is True or value is False:
            self._replace(node, str(not value), "true, false")
        elif isinstance(value, int):
            self._replace(node, str(value + 1), "constant")
            if value > 0:
                self._replace(node, str(value - 1), "constant")
        elif isinstance(value, float):
            self._replace(node, repr(2 * value if value else 1.0), "constant")

    def visit_JoinedStr(self, node):
        """Leave texts alone."""

    def visit_Call(self, node):
        """Exchange min and max, any and all, floor and ceil."""
        name = node.func
        label = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", None)
        if label in _CALLS:
            end = self._span(name)[1]
            self._add(end - len(label), end, _CALLS[label], "min, max, any, all")
        self.generic_visit(node)

    def visit_Raise(self, node):
        """Delete a raise."""
        self._replace(node, "pass", "deleted raise")

    def visit_Return(self, node):
        """Return None instead of a value."""
        empty = isinstance(node.value, ast.Constant) and node.value.value is None
        if node.value is not None and not empty:
            self._replace(node, "return None", "return None")
            self.generic_visit(node)

    def visit_Expr(self, node):
        """Delete a call whose value is not used."""
        if not isinstance(node.value, ast.Constant | ast.Yield | ast.YieldFrom):
            self._replace(node, "pass", "deleted statement")
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Assign(self, node):
        """Delete an assignment to an attribute or an item; that of a name would raise."""
        if all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
            self._replace(node, "pass", "deleted statement")
        if not any(getattr(target, "id", "") == "__all__" for target in node.targets):
            self.generic_visit(node)

    def visit_Continue(self, node):
        """Exchange continue and break."""
        self._replace(node, "break", "break, continue")

    def visit_Break(self, node):
        """Exchange continue and break."""
        self._replace(node, "continue", "break, continue")


def find_mutations(source):
    """Return the mutations of a source text, in order of position; each is valid Python."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return sorted(set(finder.found))


def sample_mutations(sources, n, seed):
    """Return a random sample of mutations, stratified by file.

    Each file gets a part in proportion to its number of mutations, and at least one.

    Parameters
    ----------
    sources : dict
        Name of each file and its text.
    n : int
        Number of mutations.
    seed : int

    Returns
    -------
    list of tuple
        Name of the file and `Mutation`, in random order.
    """
    rng = random.Random(seed)
    found = {name: find_mutations(text) for name, text in sorted(sources.items())}
    found = {name: mutations for name, mutations in found.items() if mutations}
    total = sum(map(len, found.values()))
    n = min(n, total)
    wanted = {name: n * len(mutations) / total for name, mutations in found.items()}
    counts = {name: max(1, int(part)) for name, part in wanted.items()}
    by_rest = sorted(wanted, key=lambda name: int(wanted[name]) - wanted[name])
    for name in by_rest[: max(0, n - sum(counts.values()))]:
        counts[name] = min(counts[name] + 1, len(found[name]))
    chosen = [
        (name, mutation)
        for name, mutations in found.items()
        for mutation in rng.sample(mutations, counts[name])
    ]
    rng.shuffle(chosen)
    return chosen
