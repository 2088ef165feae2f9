"""No command, option, property, card, column or bit is without a line of documentation."""

import importlib.util
import re

import pytest
import written
from docs_blocks import DOCS

from pixsed.cli.command_reference import command_references
from pixsed.cli.man_pages import man_page
from pixsed.dq import DQ, Flag
from pixsed.properties import PROPERTIES

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="not a checkout: docs/ is absent")

AGAIN = "run 'python tests/written.py', and give the meanings that it asks for"


def extension(name):
    """Return a Sphinx extension of docs/ as a module; those used here need no Sphinx."""
    path = DOCS / "_extensions" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("reference", command_references(), ids=lambda found: found.name)
def test_commands_and_options(reference):
    page, man = extension("command_pages").page(reference), man_page(reference)
    assert reference.summary and reference.examples
    undocumented = [option.names[-1] for option in reference.options if not option.help]
    for option in reference.options:
        name = option.names[-1]
        undocumented += [name] if f".. option:: {option.names[0]}" not in page else []
        undocumented += [name] if name.replace("-", r"\-") not in man else []
    assert undocumented == []


def test_help_texts_as_restructuredtext():
    plain = extension("command_pages").plain
    assert plain("sum of RES_ and a*b, --faint (-q)") == (
        r"sum of RES\_ and a\*b, ``--faint`` (``-q``)"
    )


def test_addresses_do_not_become_links():
    found = extension("command_pages").plain("such as tcp://host:8786, instead")
    assert found == "such as ``tcp://host:8786``, instead"


def test_properties_and_bits():
    assert [name for name, (_, meaning) in PROPERTIES.items() if not meaning] == []
    assert [bit for bit in (*DQ, *Flag) if not bit.description] == []
    page = (DOCS / "reference" / "files.rst").read_text()
    assert all(f".. output-table:: {kind}\n" in page for kind in ("properties", "dq", "flag"))


def test_every_documented_name_has_a_meaning():
    rows = written.documented()
    assert len(rows) > 300
    assert [key for key, row in rows.items() if not (row["meaning"] and row["commands"])] == []


def test_cards_of_the_code():
    known = {name for extension, name in written.documented() if not extension}
    cards = written.cards_in_code()
    assert len(cards) > 60
    assert {written.renamed(name, written.CARDS) for name in cards} - known == set(), AGAIN


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield written.Written(folder)


@pytest.mark.parametrize("kind", written.COMMANDS)
def test_cards_and_columns_of_files(files, kind):
    rows = written.documented()
    undocumented, changed = [], []
    for extension_name, name, unit, meaning in written.names_in(files.path(kind)):
        row = rows.get((extension_name, name))
        if row is None:
            undocumented.append(f"{extension_name} {name}".strip())
        elif row["source"] == "code" and (row["unit"], row["meaning"]) != (unit, meaning):
            changed.append((name, (unit, meaning), (row["unit"], row["meaning"])))
    assert undocumented == [], AGAIN
    assert changed == [], AGAIN


def test_every_command_that_writes_fits_is_run():
    # bkg writes an image; these write pictures, text, a model or a checkpoint.
    others = {"rgb", "plot", "ds9", "models", "train", "export", "merge", "cite"}
    others |= {"completion", "run"}  # run has the files of the others
    run = {kind.split()[0].rstrip(",") for kind in written.COMMANDS}
    names = {found.name.removeprefix("pixsed ") for found in command_references()} - {"pixsed"}
    assert names - run - others == set()


def test_a_name_that_is_not_documented_is_found(tmp_path):
    from astropy.io import fits

    header = fits.Header({"NEWCARD": 1, "CRVAL1": 2.0, "INFILE3": "a"})
    columns = [fits.Column("LOGMSTAR_P16", "E", array=[1]), fits.Column("NEWCOL", "E", array=[1])]
    hdus = [fits.PrimaryHDU(header=header), fits.BinTableHDU.from_columns(columns, name="MASS")]
    fits.HDUList(hdus).writeto(tmp_path / "new.fits")
    assert [found[:2] for found in written.names_in(tmp_path / "new.fits")] == [
        ("", "NEWCARD"),
        ("", "INFILEn"),
        ("MASS", "<PROP>_Pnn"),
        ("MASS", "NEWCOL"),
    ]


def test_options_named_in_the_text_exist():
    options = {name for found in command_references() for o in found.options for name in o.names}
    scripts = [*(DOCS.parent / "tests").rglob("*.py"), *(DOCS.parent / "data").glob("*.py")]
    others = {"--help", "--system-site-packages"}
    others |= {o for p in scripts for o in re.findall(r'"(--[a-z][\w-]*)"', p.read_text())}
    found = []
    for page in DOCS.rglob("*.rst"):
        if page.parent.name != "command":
            for name in re.findall(r"``(--[a-z][\w-]*)", page.read_text()):
                found += [f"{page.name}: {name}"] if name not in options | others else []
    assert found == []
