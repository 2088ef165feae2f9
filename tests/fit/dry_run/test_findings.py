"""Findings: collection, messages in two parts, and lines of a report."""

import warnings

import pytest

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.fit.dry_run.findings import Finding, Findings, parted
from pixsed.fit.dry_run.lines import report_lines


@pytest.mark.parametrize(
    ("message", "text", "mend"),
    [
        ("a.fits: no unit; give --unit", "a.fits: no unit", "give --unit"),
        ("a.fits is cut off", "a.fits is cut off", ""),
        ("no band; it has A; rename it", "no band; it has A", "rename it"),
        ("no column Z; add one; it has A, B", "no column Z", "add one; it has A, B"),
        ("no column Z; it has A", "no column Z", "it has A"),
        ("two\nlines; try\tthis", "two lines", "try this"),
    ],
)
def test_messages_in_two_parts(message, text, mend):
    assert parted(message) == (text, mend)
    assert Finding("", "read", "problem", text, mend).message == " ".join(message.split())


class TestStages:
    def test_an_error_is_a_problem_and_the_next_stage_follows(self):
        found = Findings()
        with found.of("a.fits", "cubes").stage("read") as stage:
            raise PixsedError("a.fits is empty; check the name")
        assert not stage.passed
        with found.stage("psf") as stage:
            pass
        assert stage.passed
        assert found.found == [
            Finding("a.fits", "read", "problem", "a.fits is empty", "check the name")
        ]

    def test_warnings(self):
        found = Findings()
        with found.stage("errors") as stage:
            warnings.warn("no ERR; give --err", PixsedWarning, stacklevel=1)
        assert stage.passed
        assert found.found == [Finding("", "errors", "warning", "no ERR", "give --err")]

    def test_a_defect_is_a_problem_too(self):
        found = Findings()
        with found.stage("read"):
            raise ZeroDivisionError("by nothing")
        assert found.problems[0].message.startswith("internal error: ZeroDivisionError")

    def test_signals_pass(self):
        with pytest.raises(KeyboardInterrupt), Findings().stage("read"):
            raise KeyboardInterrupt

    def test_the_same_finding_comes_once(self):
        found = Findings()
        for _ in range(2):
            found.warning("psf", "unknown", "match them")
        assert len(found.found) == 1


class TestLines:
    @pytest.fixture
    def found(self):
        return Findings()

    def test_one_input(self, found):
        one = found.of("a.fits", "cubes")
        one.ok("pixels", "193 of 480 pixels to fit")
        one.problem("read", "a.fits is empty", "check the name")
        assert report_lines(found) == [
            "problem  read    a.fits is empty; check the name",
            "ok       pixels  193 of 480 pixels to fit",
        ]

    def test_findings_that_differ_by_numbers_are_one_line(self, found):
        for number in range(500):
            one = found.of(f"cubes/{number}.fits", "cubes")
            one.ok("pixels", f"{1000 + number:,} of 4,000 pixels of F444W, redshift {number / 100}")
            if number in (7, 8):
                one.problem("read", f"cubes/{number}.fits: no unit", "give --unit")
        assert report_lines(found) == [
            "problem  read    2 of 500 cubes (7.fits, 8.fits): no unit; give --unit",
            "ok       pixels  all 500 cubes: 1,000 to 1,499 of 4,000 pixels of F444W, redshift 0.0 "
            "to 4.99",
        ]

    def test_an_input_among_many_is_named(self, found):
        for name in "abcde":
            found.of(f"{name}.fits", "images").ok("units", "nJy" if name == "a" else "uJy")
        assert report_lines(found) == [
            "ok       units  a.fits: nJy",
            "ok       units  4 of 5 images (b.fits, c.fits, d.fits and 1 more): uJy",
        ]

    def test_levels(self, found):
        found.ok("bands", "all")
        found.problem("units", "none", "give --unit")
        assert report_lines(found, ["problem"]) == ["problem  units  none; give --unit"]

    def test_findings_of_all_inputs_have_a_line_each(self, found):
        for number in (5, 6):
            found.warning("redshift", f"id {number} has none", "add it")
        assert report_lines(found) == [
            "warning  redshift  id 5 has none; add it",
            "warning  redshift  id 6 has none; add it",
        ]

    def test_inputs_of_two_kinds_have_a_line_each(self, found):
        found.of("b.fits", "images").ok("read", "fine")
        for name, kind in (("a.fits", "images"), ("seg.fits", "segmentation maps")):
            found.of(name, kind).problem("read", f"{name}: no such file", "check it")
        assert report_lines(found) == [
            "ok       read  b.fits: fine",
            "problem  read  a.fits: no such file; check it",
            "problem  read  seg.fits: no such file; check it",
        ]

    def test_a_list_after_a_number(self, found):
        for name, z in (("a", "4"), ("b", "0.9")):
            found.of(name, "cubes").ok("redshift", f"{z}, in the range")
        assert report_lines(found) == ["ok       redshift  all 2 cubes: 0.9 to 4, in the range"]


def test_table():
    found = Findings()
    found.of("a.fits", "cubes").problem("read", "a.fits is empty", "check the name")
    table = found.table()
    assert table.colnames == ["ITEM", "CHECK", "LEVEL", "TEXT", "MEND"]
    assert list(table[0]) == ["a.fits", "read", "problem", "a.fits is empty", "check the name"]
    assert all(table[name].description for name in table.colnames)
    assert len(Findings().table()) == 0
