"""`pixsed fit` of many cubes, after a kill, in parts, and on a cluster."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import fakes
import numpy as np
import pytest
from astropy.io import fits

import pixsed
from pixsed.io.formats.cube import read_cube, write_cube

pytestmark = pytest.mark.machine


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return fakes.fake_model(tmp_path_factory.mktemp("model") / "fake.onnx", quantiles=True)


@pytest.fixture(scope="module")
def cube_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("cube") / "531.fits"
    write_cube(fakes.make_cube(), path)
    return path


@pytest.fixture
def fit(run_cli, model_path):
    def run(*args):
        return run_cli("fit", *args, "--model", model_path)

    return run


def data(path):
    with fits.open(path, checksum=True) as hdulist:
        assert all(hdu.verify_checksum() == hdu.verify_datasum() == 1 for hdu in hdulist)
        return {hdu.name: hdu.data.tobytes() for hdu in hdulist[1:]}


def hidden(folder):
    return sorted(path.name for path in Path(folder).iterdir() if path.name.startswith("."))


# Many cubes.


def test_many_cubes_and_a_bad_one(fit, tmp_path):
    for name, z in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        write_cube(fakes.make_cube(redshift=z), tmp_path / f"{name}.fits")
    (tmp_path / "bad.fits").write_bytes(b"SIMPLE  =                    T" + b" " * 100)
    out = tmp_path / "maps"
    cubes = [tmp_path / f"{name}.fits" for name in ("a", "bad", "b", "c")]
    result = fit(*cubes, "--samples", 30, "--jobs", 1, "-o", out)
    assert result.exit_code == 1
    assert "1 of 4 cubes could not be fitted" in str(result.exception)
    told = [line for line in result.stderr.splitlines() if line.startswith("pixsed: error")]
    assert len(told) == 1 and "bad.fits cannot be read as FITS" in told[0]
    assert sorted(path.name for path in out.iterdir()) == [f"{n}_maps.fits" for n in "abc"]
    single = tmp_path / "single.fits"
    assert fit(cubes[2], "--samples", 30, "-o", single).exit_code == 0
    assert data(out / "b_maps.fits") == data(single)
    # Finished maps are kept, and a new cube is fitted.
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    write_cube(fakes.make_cube(redshift=1.5), cubes[1], overwrite=True)
    result = fit(*cubes, "--samples", 30, "--jobs", 1, "--resume", "-o", f"{out}/")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("done already") == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (out / "bad_maps.fits").exists()
    # Maps of another seed are not the same.
    args = ("--samples", 30, "--jobs", 1, "--resume", "--seed", 1, "-o", out)
    result = fit(*cubes, *args)
    assert result.exit_code == 1
    assert result.stderr.count("made with SEED = 42, now it is 1; add --overwrite") == 4
    assert fit(cubes[0], *args, "--overwrite").exit_code == 0
    result = fit(*cubes[:2], *args, "--overwrite")
    assert result.exit_code == 0 and result.stderr.count("done already") == 1


def test_many_cubes_over_processes(fit, tmp_path):
    cubes = []
    for name, z in (("a", 1.0), ("b", 5.0)):
        cubes.append(tmp_path / f"{name}.fits")
        write_cube(fakes.make_cube(redshift=z), cubes[-1])
    one, two = tmp_path / "one", tmp_path / "two"
    result = fit(*cubes, "--samples", 30, "--jobs", 2, "-o", two)
    assert result.exit_code == 0, result.output
    assert fit(*cubes, "--samples", 30, "--jobs", 1, "-o", one).exit_code == 0
    for name in ("a", "b"):
        assert data(one / f"{name}_maps.fits") == data(two / f"{name}_maps.fits")
    assert not hidden(two)


def test_each_nth_cube(fit, tmp_path):
    cubes = [tmp_path / f"{i}.fits" for i in range(3)]
    for path in cubes:
        write_cube(fakes.make_cube(), path)
    out = tmp_path / "maps"
    for number, expected in ((2, [1]), (1, [0, 1, 2])):
        args = ("--part", f"{number}/2", "--samples", 20, "--jobs", 1, "-o", out)
        assert fit(*cubes, *args).exit_code == 0
        assert sorted(path.name for path in out.iterdir()) == [f"{i}_maps.fits" for i in expected]
    result = fit(cubes[0], "--part", "2/2", "-o", f"{out}/")
    assert "no cube is left for it" in result.stderr and result.exit_code == 0


def test_many_cubes_usage(fit, cube_path, tmp_path):
    result = fit(cube_path, cube_path, "-o", tmp_path / "maps")
    assert "would both be" in str(result.exception)
    assert fit(cube_path, cube_path, "-o", "-").exit_code == 2
    (tmp_path / "file").write_text("")
    result = fit(cube_path, cube_path, "-o", tmp_path / "file")
    assert "is a file; give a folder" in str(result.exception)
    (tmp_path / "t.csv").write_text("ID\n1\n")
    result = fit(tmp_path / "t.csv", tmp_path / "t.csv", "-o", tmp_path / "maps")
    assert "tables are fitted one at a time" in str(result.exception)
    result = fit(
        cube_path, tmp_path / "t.csv", "--samples", 20, "--jobs", 1, "-o", tmp_path / "maps"
    )
    assert "t.csv is not a cube" in result.stderr and result.exit_code == 1
    assert fit(cube_path, "--segmap", "s.fits", "-o", "x.fits").exit_code == 2


# Continuing after a kill.


@pytest.fixture(scope="module")
def killed_run(cube_path, model_path, tmp_path_factory):
    """Kill a run in the middle; return the arguments of the command, and its folder."""
    folder = tmp_path_factory.mktemp("killed")
    # Many draws, so that a tile takes a while.
    args = (
        cube_path,
        "--model",
        model_path,
        "--samples",
        4000,
        "--tile",
        "1,24",
        "--jobs",
        1,
        "-q",
        "-o",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "pixsed", "fit", *map(str, args), folder / "maps.fits"],
        env={**os.environ, "PYTHONPATH": str(Path(pixsed.__file__).parents[1])},
    )
    journal = folder / ".maps.fits.journal"
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_text().count('"done"') >= 6):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert hidden(folder) == [path.name for path in sorted(folder.iterdir())]
    assert hidden(folder) == [".maps.fits.journal", ".maps.fits.part"]
    return args, folder


@pytest.fixture
def killed(killed_run, tmp_path):
    args, folder = killed_run
    for path in folder.iterdir():
        shutil.copy(path, tmp_path)
    return (*args, tmp_path / "maps.fits"), tmp_path / "maps.fits"


def test_continuing_after_a_kill(killed, run_cli, tmp_path, fitsverify):
    args, out = killed
    before = (tmp_path / ".maps.fits.journal").read_text().count('"done"')
    assert 6 <= before < 20
    # Not without --resume, and not with other options.
    result = run_cli("fit", *args)
    assert "from a run that was stopped; go on with it by --resume" in str(result.exception)
    for option, text in (
        (("--seed", 7), "made with --seed = 42, now it is 7"),
        (("--snr-min", 4), "made with --snr-min = 5.0, now it is 4.0"),
        (("--tile", "4"), r"made with tile = [1, 24], now it is [4, 4]"),
    ):
        result = run_cli("fit", *args, *option, "--resume")
        assert text in str(result.exception) and result.exit_code == 1
    # An incomplete line of the journal is ignored.
    with open(tmp_path / ".maps.fits.journal", "a") as file:
        file.write('{"done": 99, "cou')
    result = run_cli("fit", *args, "--resume")
    assert result.exit_code == 0, result.exception
    assert not hidden(tmp_path)
    fitsverify(out)
    whole = tmp_path / "whole.fits"
    assert run_cli("fit", *args[:-1], whole).exit_code == 0
    assert data(out) == data(whole)
    with fits.open(out) as a, fits.open(whole) as b:
        for key in ("NFIT", "FITKEY", "HISTORY"):
            assert str(a[0].header[key]) == str(b[0].header[key])
    result = run_cli("fit", *args, "--resume")
    assert result.exit_code == 0


def test_inputs_that_have_changed(killed, run_cli, tmp_path, cube_path):
    args, out = killed
    cube = read_cube(cube_path)
    cube.flux[0, 0, 0] += 1
    write_cube(cube, tmp_path / "531.fits")
    result = run_cli("fit", tmp_path / "531.fits", *args[1:], "--resume")
    assert ".maps.fits.part was made from other inputs" in str(result.exception)
    other = fakes.fake_model(tmp_path / "other.onnx", name="other")
    result = run_cli("fit", args[0], "--model", other, *args[3:], "--resume")
    assert ".maps.fits.part was made with another model" in str(result.exception)
    result = run_cli("fit", tmp_path / "531.fits", *args[1:], "--samples", 20, "--overwrite")
    assert result.exit_code == 0
    assert out.exists() and not hidden(tmp_path)


def test_a_failure_in_the_middle_keeps_what_is_done(fit, cube_path, tmp_path, monkeypatch):
    from pixsed.errors import PixsedError
    from pixsed.fit import tiles

    calls, summarise = [], tiles.summarise

    def failing(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise PixsedError("onnxruntime failed")
        return summarise(*args, **kwargs)

    monkeypatch.setattr(tiles, "summarise", failing)
    out = tmp_path / "maps.fits"
    args = (cube_path, "--samples", 20, "--tile", "2,24", "-o", out)
    result = fit(*args)
    assert "onnxruntime failed; what is finished is kept in" in str(result.exception)
    assert "go on with --resume" in str(result.exception)
    assert fit(*args, "--resume").exit_code == 0
    calls[:] = [1] * 3
    assert fit(*args[:-1], tmp_path / "b.fits").exit_code == 0
    assert data(out) == data(tmp_path / "b.fits")
    # Nothing is kept before the first tile is finished.
    calls[:] = [1] * 2
    assert fit(*args[:-1], tmp_path / "c.fits", "--tile", "20,24").exit_code == 1
    assert not hidden(tmp_path)


# Parts.


@pytest.fixture(scope="module")
def whole(cube_path, model_path, tmp_path_factory):
    from click.testing import CliRunner

    from pixsed.cli.main import cli

    path = tmp_path_factory.mktemp("whole") / "whole.fits"
    args = ["fit", cube_path, "--model", model_path, "--samples", 30, "-q", "-o", path]
    assert CliRunner().invoke(cli, list(map(str, args))).exit_code == 0
    return path


def test_parts_put_together(fit, run_cli, cube_path, whole, tmp_path, fitsverify):
    parts = [tmp_path / f"part{i}.fits" for i in (1, 2, 3)]
    for i, path in enumerate(parts, 1):
        result = fit(cube_path, "--samples", 30, "--part", f"{i}/3", "-q", "-o", path)
        assert result.exit_code == 0, result.exception
    with fits.open(parts[1]) as hdulist, fits.open(whole) as all_of_it:
        np.testing.assert_array_equal(hdulist["AV_P50"].data, all_of_it["AV_P50"].data[6:13])
        assert hdulist["AV_P50"].header["CRPIX2"] == all_of_it["AV_P50"].header["CRPIX2"] - 6
        assert hdulist[0].header["PART"] == "2/3"
    out = tmp_path / "merged.fits"
    result = run_cli("merge", parts[2], parts[0], parts[1], "-o", out)
    assert result.exit_code == 0, result.exception
    assert data(out) == data(whole)
    fitsverify(out)
    drop = {"DATE", "PIXSCMD", "HISTORY", "CHECKSUM", "DATASUM"}
    with fits.open(out) as a, fits.open(whole) as b:
        assert [hdu.name for hdu in a] == [hdu.name for hdu in b]
        for mine, theirs in zip(a, b, strict=True):
            found, expected = (
                {key: hdu.header[key] for key in hdu.header if key not in drop}
                for hdu in (mine, theirs)
            )
            assert found == expected
        assert "fit: 193 pixels" in str(a[0].header["HISTORY"])
        assert "merge: 3 parts" in str(a[0].header["HISTORY"])
    packed = tmp_path / "merged.fits.gz"
    assert run_cli("merge", *parts, "-q", "-o", packed).exit_code == 0
    assert data(packed) == data(whole)


def test_parts_that_do_not_go_together(fit, run_cli, cube_path, whole, tmp_path):
    def part(name, *args):
        path = tmp_path / name
        assert fit(cube_path, "--samples", 20, "-q", "-o", path, *args).exit_code == 0
        return path

    one, two = part("a.fits", "--part", "1/2"), part("b.fits", "--part", "2/2")
    other = part("c.fits", "--part", "2/2", "--seed", 5)
    third = part("d.fits", "--part", "2/3")
    out = tmp_path / "out.fits"
    for files, text in (
        ((one,), "part 2/2 is missing"),
        ((one, one, two), "both part 1"),
        ((one, other), "FITKEY differs"),
        ((one, third), "one of 3 parts"),
        ((one, whole), "is not a part of maps"),
    ):
        result = run_cli("merge", *files, "-o", out)
        assert text in str(result.exception), result.exception
        assert not out.exists() and result.exit_code == 1
    result = fit(cube_path, "--part", "1/99", "-o", out)
    assert "has 20 rows, fewer than 99 parts" in str(result.exception)
    for text in ("3", "0/2", "3/2", "a/b"):
        result = fit(cube_path, "--part", text, "-o", out)
        assert result.exit_code == 2 and "must be I/N" in " ".join(result.output.split())
    write_cube(fakes.binned_cube(), tmp_path / "binned.fits")
    result = fit(tmp_path / "binned.fits", "--part", "1/2", "-o", out)
    assert "a binned cube must be fitted whole" in str(result.exception)


def test_tables_put_together(fit, run_cli, model_path, tmp_path):
    from astropy.table import Table

    table = Table({"ID": np.arange(6), "REDSHIFT": np.linspace(1, 2, 6)})
    for band in ("F115W", "F277W", "F444W"):
        for suffix, value in (("", 10.0), ("_ERR", 1.0)):
            table[band + suffix] = [value] * 6
            table[band + suffix].unit = "nJy"
    for name, rows in (("all", slice(None)), ("a", slice(4)), ("b", slice(4, None))):
        table[rows].write(tmp_path / f"{name}.ecsv")
        args = (tmp_path / f"{name}.ecsv", "--samples", 20, "-q", "-o")
        assert fit(*args, tmp_path / f"{name}.fits").exit_code == 0
    out = tmp_path / "merged.fits"
    assert run_cli("merge", tmp_path / "a.fits", tmp_path / "b.fits", "-o", out).exit_code == 0
    assert data(out) == data(tmp_path / "all.fits")
    with fits.open(out) as hdulist:
        assert hdulist[0].header["SEED"] == 42
        assert hdulist["POSTERIOR"].columns["LOGMSTAR_P50"].unit is None
    assert (
        fit(tmp_path / "b.ecsv", "--seed", 1, "--samples", 20, "-o", tmp_path / "c.fits").exit_code
        == 0
    )
    result = run_cli("merge", tmp_path / "a.fits", tmp_path / "c.fits", "-o", tmp_path / "d.fits")
    assert "made with SEED = 1" in str(result.exception)
    assert (
        fit(
            tmp_path / "b.ecsv", "--error-floor", 0.05, "--samples", 20, "-o", tmp_path / "e.fits"
        ).exit_code
        == 0
    )
    result = run_cli("merge", tmp_path / "a.fits", tmp_path / "e.fits", "-o", tmp_path / "d.fits")
    assert "made with ERRFLOOR = 0.05" in str(result.exception)
    result = run_cli("merge", tmp_path / "a.fits", tmp_path / "a.ecsv", "-o", tmp_path / "d.fits")
    assert "a.ecsv is a table without a record of its fit" in str(result.exception)


# A cluster.


def test_on_dask(fit, cube_path, whole, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="needs Dask")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        monkeypatch.chdir(cube_path.parent)  # not the folder of the workers
        out = tmp_path / "maps.fits"
        result = fit(
            cube_path.name, "--samples", 30, "--tile", "5,9", "--scheduler", address, "-o", out
        )
        assert result.exit_code == 0, result.exception
        assert data(out) == data(whole)
        command = fits.getheader(out)["PIXSCMD"]
        (tmp_path / "bad.fits").write_bytes(b"")
        many = tmp_path / "many"
        result = fit(
            cube_path.name,
            tmp_path / "bad.fits",
            "--samples",
            30,
            "--scheduler",
            address,
            "-o",
            many,
        )
        assert result.exit_code == 1 and "bad.fits" in result.stderr
        assert data(many / "531_maps.fits") == data(whole)
        assert fits.getheader(many / "531_maps.fits")["PIXSCMD"] == command
    assert not hidden(tmp_path)


# The quantile engine, and other kinds of files.


def test_quantile_engine(fit, cube_path, tmp_path):
    out = tmp_path / "maps.fits"
    assert fit(cube_path, "--engine", "quantile", "-o", out).exit_code == 0
    with fits.open(out) as hdulist:
        header = hdulist[0].header
        assert (header["ENGINE"], header["NSAMP"]) == ("quantile", 0)
        assert "marginal quantiles" in str(header["HISTORY"])
        fitted = (hdulist["DQ"].data & 7) == 0
        p50 = hdulist["LOGMSTAR_P50"].data
        np.testing.assert_array_equal(np.isfinite(p50), fitted)
        cube = read_cube(cube_path)
        expected = np.log10(np.nanmean(cube.flux[:, fitted], axis=0)) + 8
        np.testing.assert_allclose(p50[fitted], expected, atol=1e-5)
    tiled = tmp_path / "tiled.fits"
    assert (
        fit(cube_path, "--engine", "quantile", "--tile", "3", "--jobs", 2, "-o", tiled).exit_code
        == 0
    )
    assert data(out) == data(tiled)
    result = fit(cube_path, "--engine", "quantile", "--samples", 10, "-o", tmp_path / "b.fits")
    assert result.exit_code == 2


def test_an_engine_that_the_model_lacks(run_cli, cube_path, tmp_path):
    model = fakes.fake_model(tmp_path / "m.onnx")
    result = run_cli(
        "fit", cube_path, "--model", model, "--engine", "quantile", "-o", tmp_path / "maps.fits"
    )
    assert "has no engine quantile" in str(result.exception)
    assert not hidden(tmp_path)


def test_gzipped_and_standard_output(fit, run_pixsed, model_path, cube_path, whole, tmp_path):
    out = tmp_path / "maps.fits.gz"
    assert fit(cube_path, "--samples", 30, "-o", out).exit_code == 0
    assert data(out) == data(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["maps.fits.gz"]
    env = {**os.environ, "PYTHONPATH": str(Path(pixsed.__file__).parents[1])}
    with open(tmp_path / "stdout.fits", "wb") as file:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pixsed",
                "fit",
                str(cube_path),
                "--model",
                str(model_path),
                "--samples",
                "30",
                "-q",
                "-o",
                "-",
            ],
            stdout=file,
            check=True,
            env=env,
        )
    assert data(tmp_path / "stdout.fits") == data(whole)


def test_default_samples():
    from pixsed.cli.fit import command
    from pixsed.fit.draws import DEFAULT_SAMPLES

    option = next(option for option in command.params if option.name == "samples")
    assert option.show_default == str(DEFAULT_SAMPLES)
