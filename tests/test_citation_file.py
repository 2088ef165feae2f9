"""CITATION.cff: valid, of this version, and with the same paper as `pixsed cite`."""

import re
from pathlib import Path

import pytest

import pixsed
from pixsed.cite.bibtex import entries, plain

PATH = Path(__file__).parents[1] / "CITATION.cff"

pytestmark = pytest.mark.skipif(not PATH.is_file(), reason="not a checkout: no CITATION.cff")


def value(name):
    """Return a text of the first level of the file."""
    return re.search(rf"^{name}: (.*)$", PATH.read_text(encoding="utf-8"), re.M)[1].strip('"')


def test_version_and_title():
    assert value("version") == pixsed.__version__
    assert value("title") == plain(entries()["pixsed"].fields["title"])
    assert value("license") == "BSD-3-Clause"


def test_the_paper_is_that_of_cite():
    text = PATH.read_text(encoding="utf-8")
    paper = entries()["iglesiasnavarro2025"].fields
    assert f"doi: {paper['doi']}\n" in text
    assert f"title: {plain(paper['title'])}\n" in text
    families = re.findall(r"family-names: (.*)", text)
    given = re.findall(r"given-names: (.*)", text)
    names = [f"{family}, {first}" for family, first in zip(families, given, strict=True)]
    assert names == plain(paper["author"]).split(" and ")


def test_the_schema():
    cffconvert = pytest.importorskip("cffconvert")
    cffconvert.Citation(PATH.read_text(encoding="utf-8")).validate()


def test_converted_to_bibtex():
    cffconvert = pytest.importorskip("cffconvert")
    text = cffconvert.Citation(PATH.read_text(encoding="utf-8")).as_bibtex()
    assert "The pixsed developers" in text
