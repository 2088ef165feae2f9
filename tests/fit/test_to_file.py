"""Fit of a cube on disk; tests/cli/test_fit_scale.py tests the command."""

import fakes
import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.fit.cube import fit_cube
from pixsed.fit.options import ExecutionOptions, FitOptions
from pixsed.fit.tiles import TILE_PIXELS, tile_size
from pixsed.fit.to_file import fit_to_file, part_rows
from pixsed.io.formats.cube import write_cube
from pixsed.io.formats.cube_file import CubeName
from pixsed.io.writers.journal import journal_line
from pixsed.io.writers.part_file import check_same

OPTIONS = FitOptions(samples=30)


@pytest.fixture
def files(tmp_path):
    write_cube(fakes.make_cube(), tmp_path / "cube.fits")
    return CubeName(str(tmp_path / "cube.fits"))


class Bar:
    """Progress bar that adds up the numbers it is given."""

    def __init__(self, total=0):
        self.total, self.ndone, self.nskipped = total, 0, 0

    def done(self, number):
        self.ndone += number

    def skipped(self, number):
        self.nskipped += number

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


@pytest.mark.parametrize("tile", [None, (6, 10)])
def test_counts_and_progress(files, model, tmp_path, tile):
    bars = []

    def make(total):
        bars.append(Bar(total))
        return bars[-1]

    report = fit_to_file(
        files,
        model,
        tmp_path / "maps.fits",
        OPTIONS,
        ExecutionOptions(tile=tile),
        progress=make,
    )
    maps, counts, (bar,) = fit_cube(fakes.make_cube(), model, OPTIONS), report.counts, bars
    assert counts["npix"] == counts["nfit"] == bar.ndone == maps.nfit
    assert counts["nood"] == (maps.planes["DQ"] & 8 > 0).sum()
    assert counts["ninside"] == bar.total == bar.ndone + bar.nskipped
    with fits.open(tmp_path / "maps.fits") as hdulist:
        for name, plane in maps.planes.items():
            np.testing.assert_array_equal(hdulist[name].data, plane, err_msg=name)
        assert hdulist[0].header["HISTORY"][-1] == "fit: 193 pixels, 30 draws each"


def test_journal_of_another_program(files, model, tmp_path):
    journal = tmp_path / ".maps.fits.journal"
    resume = ExecutionOptions(resume=True)
    for text in (
        b"{}\n{}\n",
        b"no JSON\nat all\n",
        journal_line({}) * 2,
        journal_line({"format": 7, "key": {}}) + journal_line({"done": 1}),
    ):
        journal.write_bytes(text)
        with pytest.raises(
            PixsedError, match="is damaged, so --resume cannot go on with it; start"
        ):
            fit_to_file(files, model, tmp_path / "maps.fits", OPTIONS, resume)
    # A fit that was killed before anything was finished.
    journal.write_bytes(journal_line({"format": 1, "key": {"seed": 1}}))
    report = fit_to_file(files, model, tmp_path / "maps.fits", OPTIONS, resume)
    assert report.counts["npix"] == 193 and not journal.exists()


def test_two_fits_at_once(files, model, tmp_path):
    fcntl = pytest.importorskip("fcntl", reason="files are locked on POSIX systems alone")
    part = tmp_path / ".maps.fits.part"
    with open(part, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(PixsedError, match="is being written by another"):
            fit_to_file(
                files, model, tmp_path / "maps.fits", OPTIONS, ExecutionOptions(overwrite=True)
            )
    assert part.exists()


def test_what_differs():
    one = {"inputs": ["a"], "model": "b", "--seed": 1, "--quantiles": [0.16, 0.84]}
    check_same(one, one | {"--quantiles": (0.16, 0.84)}, "x.part")
    for change, text in (
        ({"inputs": ["c"]}, "from other inputs"),
        ({"model": "c"}, "another model"),
        ({"--seed": 2}, "--seed = 1, now it is 2"),
        ({"--new": 2}, "--new = none, now it is 2"),
    ):
        with pytest.raises(PixsedError, match=text):
            check_same(one, one | change, "x.part")


def test_stripes_and_tiles():
    rows = [part_rows(20, (i, 3)) for i in (1, 2, 3)]
    assert [(part.start, part.stop) for part in rows] == [(0, 6), (6, 13), (13, 20)]
    assert part_rows(20, None) == slice(0, 20)
    assert tile_size((5000, 1000)) == (TILE_PIXELS // 1000, 1000)
    assert tile_size((10, 10 * TILE_PIXELS)) == (1, 10 * TILE_PIXELS)


@pytest.mark.parametrize(
    "there, now, message",
    [
        (None, None, None),
        ((1, 2), (1, 2), None),
        ((1, 2), None, "made with PART = 1/2, now it is none"),
        ((1, 2), (2, 2), "made with PART = 1/2, now it is 2/2"),
        (None, (1, 2), "made with PART = none, now it is 1/2"),
    ],
)
def test_finished_maps_of_another_part_are_not_the_fit(files, model, tmp_path, there, now, message):
    path = tmp_path / "maps.fits"
    fit_to_file(files, model, path, OPTIONS, ExecutionOptions(part=there))
    resume = ExecutionOptions(part=now, resume=True)
    if message is None:
        finished = fit_to_file(files, model, path, OPTIONS, resume)
        assert finished.counts == {} and not finished.psf_unknown
        return
    with pytest.raises(PixsedError, match=message):
        fit_to_file(files, model, path, OPTIONS, resume)
    over = ExecutionOptions(part=now, resume=True, overwrite=True)
    assert fit_to_file(files, model, path, OPTIONS, over).counts["npix"]
    with fits.open(path) as hdulist:
        assert hdulist[0].header.get("PART") == (now and "{}/{}".format(*now))
