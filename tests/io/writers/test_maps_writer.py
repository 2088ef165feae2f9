"""Unfinished maps: what another run takes over, and what it refuses."""

import json
import os
import warnings

import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.formats.maps import maps_layout
from pixsed.io.writers.journal import journal_line
from pixsed.io.writers.maps import MapsWriter, hidden_paths

KEY, STEPS, ROWS = {"model": "abc"}, 4, 3
#: Counts after two steps of 60 pixels, of which the first has counted none.
IMPOSSIBLE = (
    {"npix": 61},
    {"npix": -1},
    {"npix": 1, "F115W:1": 61},
    {"npix": 1.5},
    {"npix": "1"},
    {"npix": True},
    {"npix": None},
    {},
    [],
    "none",
    None,
)


def write(path, header, stop=None, cards=None, key=KEY, **options):
    """Write maps in steps of three rows; return the steps that were done before."""
    layout = maps_layout(["AV"], [0.16, 0.5], header=header, units={"AV": ("mag", "A_V")})
    layout.primary.update(cards or {})
    values = np.random.default_rng(1).normal(size=(STEPS * ROWS, 20)).astype("f4")
    with MapsWriter(path, layout, values.shape, STEPS, key, **options) as writer:
        done = writer.done
        for step in range(writer.done, STEPS):
            if step == stop:
                raise PixsedError("no more")
            rows = slice(ROWS * step, ROWS * (step + 1))
            for name in writer._layout.planes:
                writer.place(name, values[rows], rows.start)
            writer.commit({"npix": step})
    return done


@pytest.fixture
def header(wcs_header):
    return wcs_header()


@pytest.fixture
def stopped(tmp_path, header):
    """Maps that were stopped after two steps: path, unfinished file, journal."""
    path = tmp_path / "m.fits"
    with pytest.raises(PixsedError, match=r"no more; what is finished is kept in .*m.fits.part"):
        write(path, header, stop=2)
    return path, *hidden_paths(path)


def data(path):
    with fits.open(path, checksum=True) as hdulist:
        return {hdu.name: hdu.data.tobytes() for hdu in hdulist[1:]}


def test_goes_on(stopped, header, tmp_path):
    path, part, journal = stopped
    assert write(path, header, resume=True) == 2
    write(tmp_path / "whole.fits", header)
    assert data(path) == data(tmp_path / "whole.fits")
    assert not part.exists() and not journal.exists()


@pytest.mark.parametrize("key", ["FITKEY", "PART"])
def test_the_header_of_another_fit_is_refused(tmp_path, header, key):
    """Its pixels are those of the journal if none of them was fitted."""
    for name, value in (("a.fits", "1"), ("b.fits", "2")):
        with pytest.raises(PixsedError, match="no more"):
            write(tmp_path / name, header, stop=2, cards={key: value})
    part, _ = hidden_paths(tmp_path / "b.fits")
    hidden_paths(tmp_path / "a.fits")[0].rename(part)
    with pytest.raises(PixsedError, match="b.fits.part is damaged, so --resume cannot go on"):
        write(tmp_path / "b.fits", header, cards={key: "2"}, resume=True)


def test_damaged_files_are_refused(stopped, header):
    path, part, journal = stopped
    whole, lines = part.read_bytes(), journal.read_bytes()
    first, one, two = (json.loads(line.rpartition(b" ")[0]) for line in lines.splitlines())
    with fits.open(part, ignore_missing_end=True) as hdulist:
        places = [hdu.fileinfo()["datLoc"] for hdu in hdulist]
    flipped = bytearray(whole)
    flipped[places[1] + 81] ^= 1  # a pixel of the first step
    card = whole.index(b"DATE    =") + 12
    for content in (bytes(flipped), whole[:-3000], whole[:card] + b"9" + whole[card + 1 :]):
        part.write_bytes(content)
        with pytest.raises(PixsedError, match=r"m.fits.part is damaged, so --resume cannot go on"):
            write(path, header, resume=True)
        assert part.read_bytes() == content and journal.read_bytes() == lines
    part.write_bytes(whole)
    never = two | {"done": 5}
    more = [two | {"done": number} for number in range(3, 6)]
    for claimed in (
        [first, one, never],
        [first, two],
        [first, one, two, *more],
        [first, one, two | {"boxes": [["AV_P50", 99, 0, 3, 20]]}],
        [first, one, two | {"boxes": "all"}],
        [first, one, two | {"sums": {}}],
        [first, one, two | {"sums": dict.fromkeys(two["sums"], 5)}],
        [first, one, two, two | {"done": 3}],
        [first, one, two, two | {"done": 3, "boxes": [], "crc": 0}],
        [first, one, two | {"boxes": two["boxes"] * 2}],
        *([first, one, two | {"counts": counts}] for counts in IMPOSSIBLE),
        [first, one | {"counts": {"npix": 2}}, two],
        [first, one | {"counts": {"npix": 0, "nood": 1}}, two],
        [first, one, {}],
        [{}, one, two],
    ):
        journal.write_bytes(b"".join(map(journal_line, claimed)))
        with pytest.raises(PixsedError, match=r"m.fits.journal is damaged, so --resume cannot"):
            write(path, header, resume=True)
    journal.write_bytes(b"".join(map(journal_line, [first, one, two | {"crc": 1}])))
    with pytest.raises(PixsedError, match=r"m.fits.part is damaged"):
        write(path, header, resume=True)
    journal.write_bytes(lines.replace(b'"done": 2', b'"done": 3'))
    with pytest.raises(PixsedError, match=r"m.fits.journal is damaged"):
        write(path, header, resume=True)
    journal.write_bytes(lines)
    assert write(path, header, resume=True) == 2


@pytest.mark.parametrize("damaged", ["pixel", "header", "journal", "old"])
def test_damaged_files_are_begun_anew_with_overwrite(stopped, header, tmp_path, damaged):
    path, part, journal = stopped
    content = bytearray(part.read_bytes())
    with fits.open(part, ignore_missing_end=True) as hdulist:
        content[hdulist[1].fileinfo()["datLoc"] + 81 if damaged == "pixel" else 100] ^= 1
    if damaged in ("pixel", "header"):
        part.write_bytes(content)
    elif damaged == "old":
        lines = journal_line({"format": 1, "key": KEY}) + journal_line({"done": 1})
        journal.write_bytes(lines)
    else:
        journal.write_bytes(journal.read_bytes().replace(b'"done": 2', b'"done": 3'))
    with pytest.raises(PixsedError, match="is damaged, .*; start anew with --overwrite$"):
        write(path, header, resume=True)
    with pytest.warns(PixsedWarning, match=r"m.fits.part is damaged, and is begun anew"):
        assert write(path, header, resume=True, overwrite=True) == 0
    write(tmp_path / "whole.fits", header)
    assert data(path) == data(tmp_path / "whole.fits")
    assert not part.exists() and not journal.exists()


def test_maps_of_another_run_are_begun_anew_with_overwrite(stopped, header, tmp_path):
    path, part, journal = stopped
    with pytest.raises(PixsedError, match="made with another model; .*--overwrite$"):
        write(path, header, key={"model": "abd"}, resume=True)
    with pytest.warns(PixsedWarning, match="m.fits.part is that of another run, and is begun anew"):
        assert write(path, header, key={"model": "abd"}, resume=True, overwrite=True) == 0
    write(tmp_path / "whole.fits", header)
    assert data(path) == data(tmp_path / "whole.fits")
    assert not part.exists() and not journal.exists()


def test_a_whole_unfinished_file_is_continued_with_overwrite(stopped, header):
    assert write(stopped[0], header, resume=True, overwrite=True) == 2


@pytest.mark.parametrize("npix", [0, 60])
def test_possible_counts_are_taken_up(stopped, header, npix):
    path, _, journal = stopped
    lines = journal.read_bytes().splitlines()
    first, one, two = (json.loads(line.rpartition(b" ")[0]) for line in lines)
    journal.write_bytes(
        b"".join(map(journal_line, [first, one, two | {"counts": {"npix": npix, "F115W:1": 60}}]))
    )
    assert write(path, header, resume=True) == 2


def test_pixels_after_the_last_step_are_made_again(stopped, header, tmp_path):
    """A kill between the pixels and the line of the journal."""
    path, part, journal = stopped
    with fits.open(part, ignore_missing_end=True) as hdulist:
        last = hdulist[1].fileinfo()["datLoc"] + 4 * 20 * (2 * ROWS + 1)
    content = bytearray(part.read_bytes())
    content[last : last + 8] = b"anything"
    part.write_bytes(content)
    with open(journal, "ab") as file:
        file.write(b'{"done": 3, "cou')
    assert write(path, header, resume=True) == 2
    write(tmp_path / "whole.fits", header)
    assert data(path) == data(tmp_path / "whole.fits")


def test_the_fill_after_planes_is_made_again(stopped, header, tmp_path):
    path, part, _ = stopped
    with fits.open(part, ignore_missing_end=True) as hdulist:
        places = [hdu.fileinfo()["datLoc"] + hdu.data.nbytes for hdu in hdulist[1:]]
    content = bytearray(part.read_bytes())
    for place in places:
        content[place + 1] = 1
    part.write_bytes(content)
    assert write(path, header, resume=True) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of sums that do not verify
        write(tmp_path / "whole.fits", header)
        assert data(path) == data(tmp_path / "whole.fits")


def test_links_are_not_followed(tmp_path, header):
    path, other = tmp_path / "m.fits", tmp_path / "other"
    other.write_text("mine")
    for hidden in hidden_paths(path):
        hidden.symlink_to(other)
        with pytest.raises(PixsedError, match="is a link, and is not followed; delete it"):
            write(path, header, overwrite=True)
        with pytest.raises(PixsedError, match="m.fits.part is there"):
            write(path, header)
        hidden.unlink()
    assert other.read_text() == "mine" and [p.name for p in tmp_path.iterdir()] == ["other"]


@pytest.mark.skipif(os.name != "posix", reason="pipes")
@pytest.mark.parametrize("make", ["mkdir", "mkfifo"])
@pytest.mark.parametrize("resume", [True, False])
def test_folders_and_pipes_are_refused(tmp_path, header, make, resume):
    path = tmp_path / "m.fits"
    for hidden in hidden_paths(path):
        getattr(os, make)(hidden)
        with pytest.raises(PixsedError, match="m.fits.* is not a file; delete it"):
            write(path, header, overwrite=not resume, resume=resume)
        with pytest.raises(PixsedError, match="m.fits.part is there"):
            write(path, header)
        hidden.rmdir() if hidden.is_dir() else hidden.unlink()
    assert not list(tmp_path.iterdir())


def test_a_file_that_another_run_has_just_finished(tmp_path, header, monkeypatch):
    """A second run that opened the file before it took its name must not empty it."""
    from pixsed.io.writers import part_file

    path = tmp_path / "m.fits"
    real = part_file.open_part

    def late(part):
        file, name = real(part)
        part.rename(path)  # the other run ends here
        return file, name

    monkeypatch.setattr("pixsed.io.writers.maps.open_part", late)
    with pytest.raises(PixsedError, match="another run has just ended the work on .*m.fits.part"):
        write(path, header, overwrite=True)
    assert path.exists()
