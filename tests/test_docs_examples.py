"""Examples of the documentation run as they are printed, and its lists are complete."""

import importlib
import re
import textwrap
from pathlib import Path

import fakes
import pytest

from pixsed.cli.main import COMMANDS
from pixsed.io.formats.cube import write_cube
from pixsed.models import shipped

DOCS = Path(__file__).parents[1] / "docs"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="not a checkout: docs/ is absent")


def python_blocks(page):
    """Return the Python code blocks of a page, in order."""
    found = re.findall(
        r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", (DOCS / page).read_text() + "\n"
    )
    return [textwrap.dedent(block) for block in found]


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """Work in a folder with a small cube."""
    if "tau" not in shipped():
        pytest.skip("the model tau is not shipped")
    write_cube(fakes.make_cube(), tmp_path / "cube.fits")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_api_page(in_folder, capsys):
    names = {}
    blocks = python_blocks("reference/api.rst")
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "api.rst", "exec"), names)
    assert (in_folder / "maps.fits").is_file()
    assert "median age" in capsys.readouterr().out
    assert len(names["masses"]) == 1 and len(names["posterior"]) == 2


def test_the_readme_has_the_api():
    text = (DOCS.parent / "README.md").read_text()
    [block] = re.findall(r"```python\n(.*?)```", text, re.S)
    compile(block, "README.md", "exec")


def test_every_command_has_a_row():
    rows = re.findall(r"^``([\w-]+) ", (DOCS / "reference" / "commands.rst").read_text(), re.M)
    assert set(rows) == set(COMMANDS)


def test_every_page_is_in_the_index():
    for index in DOCS.glob("*/index.rst"):
        pages = {path.stem for path in index.parent.glob("*.rst")} - {"index"}
        assert pages == {line.strip() for line in index.read_text().splitlines()} & pages
        assert f"   {index.parent.name}/index\n" in (DOCS / "index.rst").read_text()


def find(name):
    """Return the module, or the object in a module, of a dotted name inside pixsed."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(["pixsed", *parts[:count]]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            found = getattr(found, part)
        return found
    raise AttributeError(name)


def test_names_of_the_architecture_page_exist():
    rooms = "cli|io|images|sps|simulate|fit|validate|plots"
    pattern = rf"``((?:{rooms})\.[\w.]+)``"
    names = set(re.findall(pattern, (DOCS / "development" / "design.rst").read_text()))
    assert len(names) > 10
    for name in names:
        assert find(name) is not None


PAGES = [*sorted(DOCS.rglob("*.rst")), *(DOCS.parent / n for n in ("README.md", "CONTRIBUTING.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_files_that_a_page_names_exist(page):
    pattern = r"(?<![\w/~.])((?:pixsed|tests|docs|data)/[\w/.*]+)(?![\w/.*$<])"
    named = set(re.findall(pattern, page.read_text()))
    named = {name.rstrip(".") for name in named if "NAME" not in name and "_build" not in name}
    assert [name for name in sorted(named) if not list(DOCS.parent.glob(name))] == []
