import os
import warnings

import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.writers.journal import is_begun, journal_line
from pixsed.io.writers.table_blocks import (
    TableWriter,
    check_blocks_output,
    journal_path,
    part_path,
)

DTYPE = np.dtype([("A", ">f8"), ("V", ">f4", (3,))])
BLOCK = 100


def made(n):
    rng = np.random.default_rng(5)
    rows = np.empty(n, dtype=DTYPE)
    rows["A"], rows["V"] = rng.normal(size=n), rng.normal(size=(n, 3))
    return rows


def writer(path, n, cards=None, **kwargs):
    primary = fits.PrimaryHDU().header
    primary["MADE"] = kwargs.pop("made", "today")
    table = fits.BinTableHDU(np.empty(0, DTYPE), name="ROWS").header
    table["NAXIS2"] = (n, "rows")
    table["SEED"] = (4, "seed of the random numbers")
    for key, value in (cards or {}).items():
        table[key] = value
    return TableWriter(path, primary, table, block=BLOCK, **kwargs)


def write(path, n, stop_at=None, error=None, **kwargs):
    """Write `made` rows; raise `error` before row `stop_at`."""
    rows = made(n)
    with writer(path, n, **kwargs) as table:
        first = table.done
        for start in range(table.done, n, BLOCK):
            if start == stop_at:
                raise error
            table.append(rows[start : start + BLOCK])
    return first


@pytest.fixture
def begun(tmp_path):
    """Path of a table of 1000 rows, of which an earlier run wrote 600."""
    path = tmp_path / "t.fits"
    with pytest.raises(ZeroDivisionError):
        write(path, 1000, stop_at=600, error=ZeroDivisionError())
    return path


def content(path):
    """Return the table's rows, its sums checked by astropy."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(path, checksum=True, memmap=False) as hdus:
            return hdus["ROWS"].data.view(np.ndarray).copy()


@pytest.mark.parametrize("n", [1, 99, 100, 250, 1000])
def test_rows_come_back(tmp_path, n, fitsverify):
    path = tmp_path / "t.fits"
    write(path, n)
    assert content(path).tobytes() == made(n).tobytes()
    assert os.listdir(tmp_path) == ["t.fits"]
    assert path.stat().st_size % 2880 == 0
    fitsverify(path)


def test_no_rows(tmp_path, fitsverify):
    write(tmp_path / "t.fits", 0)
    assert len(content(tmp_path / "t.fits")) == 0
    fitsverify(tmp_path / "t.fits")


def test_the_header_is_as_astropy_writes_it(tmp_path):
    write(tmp_path / "t.fits", 250)
    hdu = fits.BinTableHDU(made(250), name="ROWS")
    hdu.header["SEED"] = 4
    hdu.writeto(tmp_path / "astropy.fits", checksum=True)
    ours, theirs = (fits.getheader(tmp_path / name, 1) for name in ("t.fits", "astropy.fits"))
    assert dict(ours) | {"CHECKSUM": ""} == dict(theirs) | {"CHECKSUM": ""}


def test_long_cards(tmp_path, fitsverify):
    write(tmp_path / "t.fits", 10, made="x" * 200)
    assert fits.getheader(tmp_path / "t.fits")["MADE"] == "x" * 200
    fitsverify(tmp_path / "t.fits")


@pytest.mark.parametrize("error", [PixsedError("no more"), KeyboardInterrupt(), OSError("full")])
def test_a_stopped_run_goes_on(tmp_path, error, fitsverify):
    path = tmp_path / "t.fits"
    what = {KeyboardInterrupt: "stopped"}.get(type(error), str(error))
    with pytest.raises(PixsedError, match=f"{what}; 300 of 1050 rows are kept in .*--resume"):
        write(path, 1050, stop_at=300, error=error)
    assert sorted(os.listdir(tmp_path)) == [".t.fits.journal", "t.fits.part"]
    assert write(path, 1050, resume=True) == 300
    assert content(path).tobytes() == made(1050).tobytes()
    assert os.listdir(tmp_path) == ["t.fits"]
    fitsverify(path)


def test_a_defect_is_not_dressed_up(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "t.fits", 1050, stop_at=300, error=ZeroDivisionError())
    assert sorted(os.listdir(tmp_path)) == [".t.fits.journal", "t.fits.part"]


def test_nothing_is_left_where_nothing_was_done(tmp_path):
    with pytest.raises(PixsedError, match="^no more$"):
        write(tmp_path / "t.fits", 500, stop_at=0, error=PixsedError("no more"))
    assert not os.listdir(tmp_path)


class Full:
    """File on a disk that is full."""

    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, data):
        raise OSError(28, "No space left on device")


def test_a_disk_that_is_full_from_the_beginning(tmp_path, monkeypatch):
    from pixsed.io.writers import table_blocks

    def full(path):
        file, path = open_part(path)
        return Full(file), path

    open_part = table_blocks.open_part
    monkeypatch.setattr(table_blocks, "open_part", full)
    with pytest.raises(PixsedError, match="t.fits: no room left on the disk; make some"):
        write(tmp_path / "t.fits", 250)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cut", [1, 19, 20, 1999, 2000, 2001, 5_000])
def test_whole_blocks_are_kept(begun, cut):
    """A run that was killed while it wrote leaves part of a block."""
    part = part_path(begun)
    os.truncate(part, part.stat().st_size - cut)
    with pytest.warns(PixsedWarning, match="t.fits.part: rows are damaged from .* made again"):
        assert write(begun, 1000, resume=True) == (600 - -(-cut // 20)) // BLOCK * BLOCK
    assert content(begun).tobytes() == made(1000).tobytes()


def test_a_run_killed_before_it_took_its_name(tmp_path, monkeypatch):
    path = tmp_path / "t.fits"
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr("pixsed.io.writers.table_blocks.place", lambda *args: 1 / 0)
        write(path, 250)
    assert write(path, 250, resume=True) == 250
    assert content(path).tobytes() == made(250).tobytes()


@pytest.mark.parametrize("damage", [bytes(500), b"x"])
def test_damaged_rows_are_made_again(begun, damage):
    """Blocks that a power cut kept from the disk read as zeros."""
    with open(part_path(begun), "r+b") as file:
        file.seek(-2500, os.SEEK_END)
        file.write(damage)
    with pytest.warns(PixsedWarning, match="t.fits.part: rows are damaged from 401 on"):
        assert write(begun, 1000, resume=True) == 400
    assert content(begun).tobytes() == made(1000).tobytes()


def test_a_journal_that_is_lost_or_damaged(begun):
    journal = journal_path(begun)
    lines = journal.read_bytes()
    more = journal_line({"rows": BLOCK, "crc": 0})
    for text in (lines.replace(b"100", b"900"), b"nothing at all\n", more * 11, lines + b"{} 1\n"):
        journal.write_bytes(text)
        if text == more * 11:  # rows that were never written
            continue
        with pytest.raises(PixsedError, match=r"t.fits.journal is damaged, so --resume cannot go"):
            write(begun, 1000, resume=True)
    journal.write_bytes(journal_line({"rows": 101, "crc": 0}))
    with pytest.raises(PixsedError, match=r"t.fits.journal is damaged"):
        write(begun, 1000, resume=True)
    journal.unlink()
    assert write(begun, 1000, resume=True) == 0
    assert content(begun).tobytes() == made(1000).tobytes()


@pytest.mark.parametrize("damaged", ["part", "journal"])
def test_damaged_files_are_begun_anew_with_overwrite(begun, tmp_path, damaged):
    place = part_path(begun) if damaged == "part" else journal_path(begun)
    place.write_bytes(b"nothing at all\n")
    with pytest.raises(PixsedError, match="start anew with --overwrite$"):
        write(begun, 1000, resume=True)
    with pytest.warns(PixsedWarning, match="t.fits.part is damaged, and is begun anew"):
        assert write(begun, 1000, resume=True, overwrite=True) == 0
    assert content(begun).tobytes() == made(1000).tobytes()
    assert [file.name for file in tmp_path.iterdir()] == ["t.fits"]


def test_the_sum_of_the_first_header_is_verified(begun):
    """It is kept with its date, so that a flipped bit would stay in the file."""
    data = bytearray(part_path(begun).read_bytes())
    for place in (100, 500, 2879):
        flipped = data.copy()
        flipped[place] ^= 1
        part_path(begun).write_bytes(flipped)
        with pytest.raises(PixsedError, match="t.fits.part is damaged, so --resume cannot go on"):
            write(begun, 1000, resume=True)
    part_path(begun).write_bytes(data)
    assert write(begun, 1000, resume=True) == 600


def test_other_rows_are_begun_anew_with_overwrite(begun, tmp_path):
    with pytest.raises(PixsedError, match="now it is 800; .* start anew with --overwrite$"):
        write(begun, 800, resume=True)
    with pytest.warns(PixsedWarning, match="t.fits.part is that of another run, and is begun anew"):
        assert write(begun, 800, resume=True, overwrite=True) == 0
    assert content(begun).tobytes() == made(800).tobytes()
    assert [file.name for file in tmp_path.iterdir()] == ["t.fits"]


def test_links_are_not_followed(tmp_path):
    path, other = tmp_path / "t.fits", tmp_path / "other"
    other.write_text("mine")
    for link in (part_path(path), journal_path(path)):
        link.symlink_to(other)
        with pytest.raises(PixsedError, match="is a link, and is not followed; delete it"):
            write(path, 1000, overwrite=True)
        assert other.read_text() == "mine"
        link.unlink()
        part_path(path).unlink(missing_ok=True)


def test_resume_where_nothing_was_begun(tmp_path):
    assert write(tmp_path / "t.fits", 250, resume=True) == 0
    assert content(tmp_path / "t.fits").tobytes() == made(250).tobytes()


@pytest.fixture
def stopped(tmp_path):
    """A run of 1000 rows that was stopped after 300."""
    path = tmp_path / "t.fits"
    with pytest.raises(ZeroDivisionError):
        write(path, 1000, stop_at=300, error=ZeroDivisionError())
    return path


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"SEED": 5},
            r"begun with SEED \(seed of the random numbers\) = 4, now it is 5; give "
            "the same options as then, or start anew with --overwrite",
        ),
        ({"NAXIS2": 900}, r"NAXIS2 \(rows\) = 1000, now it is 900"),
        ({"OTHER": "x"}, r"OTHER \(\) = none, now it is x"),
        ({"NAXIS1": 99, "SEED": 6}, "SEED"),
    ],
)
def test_other_rows_are_not_gone_on_with(stopped, change, message):
    before = part_path(stopped).read_bytes()
    with pytest.raises(PixsedError, match=message):
        writer(stopped, 1000, cards=change, resume=True)
    assert part_path(stopped).read_bytes() == before


def test_other_provenance_matters_not(stopped):
    assert write(stopped, 1000, resume=True, made="tomorrow") == 300
    assert fits.getheader(stopped)["MADE"] == "today"


def test_a_part_is_there(stopped):
    with pytest.raises(PixsedError, match="t.fits.part is there.*by --resume, or.*--overwrite"):
        check_blocks_output(stopped)
    with pytest.raises(PixsedError, match="t.fits.part is there"):
        writer(stopped, 1000)
    assert write(stopped, 200, overwrite=True) == 0
    assert content(stopped).tobytes() == made(200).tobytes()


def test_overwrite_takes_the_place_of_the_file_at_the_end(tmp_path):
    path = tmp_path / "t.fits"
    write(path, 200)
    with pytest.raises(PixsedError, match="exists already; add --overwrite"):
        write(path, 300)
    with pytest.raises(PixsedError, match="200 of 300 rows"):
        write(path, 300, stop_at=200, error=PixsedError("no more"), overwrite=True)
    assert len(content(path)) == 200
    with pytest.raises(PixsedError, match="exists already"):
        write(path, 300, resume=True)
    assert write(path, 300, resume=True, overwrite=True) == 200
    assert len(content(path)) == 300


def test_a_file_that_appears_meanwhile(tmp_path):
    path = tmp_path / "t.fits"
    with (
        pytest.raises(PixsedError, match="appeared while it was being made.*100 of 100 rows are"),
        writer(path, 100) as table,
    ):
        table.append(made(100))
        path.write_text("mine")
    assert path.read_text() == "mine"


def test_a_part_that_appears_meanwhile(tmp_path):
    path = tmp_path / "t.fits"
    late = writer(path, 1000)
    with pytest.raises(ZeroDivisionError):
        write(path, 1000, stop_at=300, error=ZeroDivisionError())
    with pytest.raises(PixsedError, match="t.fits.part appeared meanwhile"), late:
        late.append(made(100))
    assert write(path, 1000, resume=True) == 300


def test_an_output_that_appears_before_the_first_block(tmp_path):
    path = tmp_path / "t.fits"
    late = writer(path, 100)
    write(path, 100)
    with pytest.raises(PixsedError, match="t.fits appeared while it was being made"), late:
        late.append(made(100))
    assert [p.name for p in tmp_path.iterdir()] == ["t.fits"]


def test_not_a_table(tmp_path):
    for content in (b"", b"SIMPLE", bytes(5760)):
        part_path(tmp_path / "t.fits").write_bytes(content)
        with pytest.raises(PixsedError, match="t.fits.part is not the beginning of a table"):
            writer(tmp_path / "t.fits", 100, resume=True)


def test_two_runs_at_once(tmp_path):
    pytest.importorskip("fcntl", reason="locks of POSIX")
    path = tmp_path / "t.fits"
    with writer(path, 1000) as first:
        first.append(made(100))
        for options in ({"resume": True}, {"overwrite": True}):
            with (
                pytest.raises(PixsedError, match="is being written by another run; wait"),
                writer(path, 1000, **options) as second,
            ):
                second.append(made(100))
        for start in range(100, 1000, 100):
            first.append(made(1000)[start : start + 100])
    assert len(content(path)) == 1000


def test_wrong_rows(tmp_path):
    with pytest.raises(ValueError, match="another layout, or more"), writer("t.fits", 9) as table:
        table.append(np.zeros(3))
    with (
        pytest.raises(ValueError, match="another layout, or more"),
        writer(tmp_path / "a.fits", 9) as table,
    ):
        table.append(made(10))
    with (
        pytest.raises(ValueError, match="100 rows of 900 were written"),
        writer(tmp_path / "b.fits", 900) as table,
    ):
        table.append(made(100))


def test_standard_output(capsysbinary, tmp_path):
    write("-", 250)
    path = tmp_path / "t.fits"
    path.write_bytes(capsysbinary.readouterr().out)
    assert content(path).tobytes() == made(250).tobytes()


def test_what_cannot_be_streamed_to(tmp_path):
    with pytest.raises(PixsedError, match="--resume needs a file"):
        check_blocks_output("-", resume=True)
    with pytest.raises(PixsedError, match=r"written uncompressed; choose a name without .gz"):
        check_blocks_output(tmp_path / "t.fits.gz")
    with pytest.raises(PixsedError, match="no such folder"):
        check_blocks_output(tmp_path / "no" / "t.fits")


@pytest.mark.parametrize(
    ("part", "journal", "begun"),
    [
        (b"", None, False),
        (b"x", None, True),  # of an older pixsed, or of another program
        (b"x", b"", False),
        (b"x", b"{", False),
        (b"x", b"{}\n", True),
        (None, None, False),
    ],
)
def test_what_there_is_to_go_on_with(tmp_path, part, journal, begun):
    path = tmp_path / "t.fits"
    for place, content in ((part_path(path), part), (journal_path(path), journal)):
        if content is not None:
            place.write_bytes(content)
    assert is_begun(part_path(path), journal_path(path), 1) == begun
    if begun:
        with pytest.raises(PixsedError, match="t.fits.part is there, from a run that was stopped"):
            write(path, 200)
    else:
        assert write(path, 200) == 0
