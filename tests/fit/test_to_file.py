"""Fitting a file into a file; tests/cli/test_fit_scale.py has what a user sees of it."""

import json

import fakes
import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.fit.fit import fit_cube
from pixsed.fit.tiles import TILE_PIXELS, TileFitter, tile_size
from pixsed.fit.to_file import fit_to_file, part_rows
from pixsed.io.formats.cube import write_cube
from pixsed.io.formats.cube_file import CubeFile
from pixsed.io.writers.maps import check_same


@pytest.fixture
def source(tmp_path):
    write_cube(fakes.make_cube(), tmp_path / "cube.fits")
    with CubeFile(tmp_path / "cube.fits") as opened:
        yield opened


def run(source, model, path, key=None, **options):
    told = {"progress": [], "skipped": []}
    calls = {name: numbers.append for name, numbers in told.items()}
    fitter = TileFitter(source, model, samples=30, **calls)
    counts = fit_to_file(
        fitter,
        path,
        key=key or {"seed": 42},
        cards={"OBJECT": "531"},
        how="30 draws each",
        **calls,
        **options,
    )
    return counts, {name: sum(numbers) for name, numbers in told.items()}


@pytest.mark.parametrize("tile", [None, (6, 10)])
def test_counts_and_progress(source, model, tmp_path, tile):
    counts, told = run(source, model, tmp_path / "maps.fits", tile=tile)
    maps = fit_cube(fakes.make_cube(), model, samples=30)
    assert counts["npix"] == counts["nfit"] == told["progress"] == maps.nfit
    assert counts["nood"] == (maps.planes["DQ"] & 8 > 0).sum()
    assert counts["ninside"] == source.npix == told["progress"] + told["skipped"]
    with fits.open(tmp_path / "maps.fits") as hdulist:
        for name, plane in maps.planes.items():
            np.testing.assert_array_equal(hdulist[name].data, plane, err_msg=name)
        assert hdulist[0].header["HISTORY"][-1] == "fit: 193 pixels, 30 draws each"


def test_journal_of_another_program(source, model, tmp_path):
    journal = tmp_path / ".maps.fits.journal"
    for text in (
        "{}\n{}\n",
        "no JSON\nat all\n",
        "1\n2\n",
        '{"format": 7, "key": {}}\n{"done": 1}\n',
    ):
        journal.write_text(text)
        with pytest.raises(PixsedError, match="cannot be read; start anew with --overwrite"):
            run(source, model, tmp_path / "maps.fits", resume=True)
    # A run that was killed before anything was finished.
    journal.write_text(json.dumps({"format": 1, "key": {"seed": 1}}) + "\n")
    counts, _ = run(source, model, tmp_path / "maps.fits", resume=True)
    assert counts["npix"] == 193 and not journal.exists()


def test_two_runs_at_once(source, model, tmp_path):
    fcntl = pytest.importorskip("fcntl", reason="files are locked on POSIX systems alone")
    part = tmp_path / ".maps.fits.part"
    with open(part, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(PixsedError, match="is being written by another run"):
            run(source, model, tmp_path / "maps.fits", overwrite=True)
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
    assert tile_size((5000, 1000)) == (TILE_PIXELS // 1000, 1000)
    assert tile_size((10, 10 * TILE_PIXELS)) == (1, 10 * TILE_PIXELS)
