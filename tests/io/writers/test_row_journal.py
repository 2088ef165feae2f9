import io
import math
import zlib

import pytest

from pixsed.errors import PixsedError, PixsedWarning, Stopped
from pixsed.io.writers.journal import journal_line, read_journal
from pixsed.io.writers.row_journal import RowJournal, check_rows_output

KEY = {"--seed": 42, "model": "abc"}


def write(path, names, key=KEY, error=None, **options):
    """Append rows; raise `error` after them. Return the rows of earlier runs."""
    with RowJournal(path, key, **options) as journal:
        before = dict(journal.rows)
        for name in names:
            journal.append(name, {"ID": name, "X": 1.5, "N": 3, "NOTHING": math.nan})
        if error is not None:
            raise error
    return before


def test_rows_stay_after_an_error_and_go_after_success(tmp_path):
    path, part = tmp_path / "t.ecsv", tmp_path / "t.ecsv.part"
    with pytest.raises(PixsedError, match="no.*; 2 rows are kept in .*t.ecsv.part: go on with --r"):
        write(path, "ab", error=PixsedError("no"))
    before = write(path, "c", resume=True, error=None)
    assert list(before) == ["a", "b"] and before["a"]["X"] == 1.5
    assert math.isnan(before["b"]["NOTHING"])
    assert not part.exists()


@pytest.mark.parametrize(
    "error", [Stopped(15), KeyboardInterrupt(), OSError("disk"), PixsedError("x")]
)
def test_the_message_says_what_is_kept(tmp_path, error):
    kind = Stopped if isinstance(error, Stopped) else PixsedError
    with pytest.raises(kind) as found:
        write(tmp_path / "t.fits", "a", error=error)
    said = found.value.kept if kind is Stopped else str(found.value)
    assert "1 row is kept" in said and "--resume" in said
    # Nothing is left of a run that has no row, and its error is its own.
    other = tmp_path / "u.fits"
    with pytest.raises(type(error)):
        write(other, "", error=error)
    assert [path.name for path in tmp_path.iterdir()] == ["t.fits.part"]


def test_a_full_disk_is_named_without_rows_too(tmp_path):
    error = OSError(28, "No space left on device")
    with pytest.raises(PixsedError, match="t.fits: no room left on the disk; make some, or cho"):
        with RowJournal(tmp_path / "t.fits", KEY) as journal:
            journal._open()
            raise error
    assert not list(tmp_path.iterdir())


def test_a_line_that_was_cut_short(tmp_path):
    path, part = tmp_path / "t.fits", tmp_path / "t.fits.part"
    with pytest.raises(PixsedError):
        write(path, "abc", error=PixsedError("x"))
    whole = part.read_bytes()
    for cut in (1, 20, len(whole.splitlines()[-1])):
        part.write_bytes(whole[:-cut])
        with pytest.raises(PixsedError):
            assert list(write(path, "", resume=True, error=PixsedError("x"))) == ["a", "b"]
        assert part.read_bytes() == b"".join(whole.splitlines(True)[:3])
    # Even the first line may be cut short.
    part.write_bytes(whole[:5])
    with pytest.raises(PixsedError):
        assert write(path, "d", resume=True, error=PixsedError("x")) == {}
    assert read_journal(io.BytesIO(part.read_bytes()), part)[0][0]["key"] == KEY


def test_other_options_and_other_files(tmp_path):
    path, part = tmp_path / "t.fits", tmp_path / "t.fits.part"
    with pytest.raises(PixsedError):
        write(path, "a", error=PixsedError("x"))
    with pytest.raises(PixsedError, match="--seed = 42, now it is 43; give the same as then"):
        write(path, "", KEY | {"--seed": 43}, resume=True)
    with pytest.raises(PixsedError, match="made with another model"):
        write(path, "", KEY | {"model": "b"}, resume=True)
    whole = part.read_bytes()
    for text in (b"nothing\n", b"[] 1234abcd\n", whole.replace(b"43", b"44"), whole[:-2] + b"x\n"):
        if text == whole:
            continue
        part.write_bytes(text)
        with pytest.raises(
            PixsedError, match="is damaged, so --resume cannot go on with it; start"
        ):
            write(path, "", resume=True)
    for line in ({"format": 99, "key": {}}, {"format": 2}, {"format": 2, "key": "x"}):
        part.write_bytes(journal_line(line))
        with pytest.raises(PixsedError, match="cannot be read; start anew with --overwrite"):
            write(path, "", resume=True)
    write(path, "z")  # without resume, it begins anew
    assert not part.exists()


def test_other_options_with_overwrite_begin_anew(tmp_path):
    path, part = tmp_path / "t.ecsv", tmp_path / "t.ecsv.part"
    again, anew = {"resume": True, "overwrite": True}, "is that of another run, and is begun anew"
    with pytest.raises(PixsedError, match="kept"):
        write(path, "ab", error=PixsedError("no"))
    with pytest.raises(PixsedError, match="kept"), pytest.warns(PixsedWarning, match=anew):
        write(path, "ab", error=PixsedError("no"), key=KEY | {"--seed": 7}, **again)
    with pytest.raises(PixsedError, match="--seed = 7, now it is 42"):
        write(path, "c", resume=True)
    with pytest.warns(PixsedWarning, match=anew):
        assert list(write(path, "c", **again)) == []
    assert not part.exists()


@pytest.mark.parametrize(
    "content", [b"nothing\n", journal_line({"format": 1, "key": KEY}), journal_line({"format": 2})]
)
def test_damaged_rows_are_begun_anew_with_overwrite(tmp_path, content):
    path, part = tmp_path / "t.ecsv", tmp_path / "t.ecsv.part"
    part.write_bytes(content)
    with pytest.warns(PixsedWarning, match="t.ecsv.part is damaged, and is begun anew"):
        with pytest.raises(PixsedError, match="no; 1 row is kept"):
            write(path, "a", resume=True, overwrite=True, error=PixsedError("no"))
    assert list(write(path, "b", resume=True, overwrite=True)) == ["a"]


@pytest.mark.parametrize("text", [b"no JSON", b"", b"[1]", b"\xff"])
def test_a_line_that_is_no_dict_with_its_sum(text):
    line = text + b" %08x\n" % zlib.crc32(text)
    with pytest.raises(PixsedError, match="^a.part is damaged, so --resume cannot go on with it"):
        read_journal(io.BytesIO(line), "a.part")


def test_nothing_is_kept_for_streams(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (None, "-"):
        with pytest.raises(PixsedError, match="^x$"):
            write(path, "a", error=PixsedError("x"))
    assert not list(tmp_path.iterdir())


def test_one_run_at_a_time(tmp_path):
    path = tmp_path / "t.fits"
    with RowJournal(path, KEY) as journal:
        journal.append("a", {})
        with pytest.raises(PixsedError, match="is being written by another run"):
            write(path, "b")
        with pytest.raises(PixsedError, match="is being written by another run"):
            write(path, "b", resume=True)


def test_checks_before_the_work(tmp_path):
    path = tmp_path / "t.csv"
    check_rows_output(path)
    (tmp_path / "t.csv.part").touch()
    with pytest.raises(PixsedError, match="from a run that was stopped; go on with it by --resume"):
        check_rows_output(path)
    for option in ("overwrite", "resume"):
        check_rows_output(path, **{option: True})
    with pytest.raises(PixsedError, match="--resume needs a file; give its name with -o"):
        check_rows_output("/dev/null", resume=True)
    with pytest.raises(PixsedError, match="a table is written as"):
        check_rows_output(tmp_path / "t.png")
