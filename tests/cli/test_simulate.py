import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import parallel_tasks
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner

from pixsed.errors import PixsedError
from pixsed.simulate.table import read_simulations


@pytest.fixture(autouse=True)
def _curves():
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")


def test_simulate(simulations_file, few_bands):
    sims = read_simulations(simulations_file)
    assert len(sims) == 3000 and sims.bands == few_bands and sims.prior == "tau"
    assert sims.flux.shape == (3000, len(few_bands)) and np.isfinite(sims.flux).all()
    assert sims.flux.min() >= 0
    assert sims.meta["SEED"] == 3 and sims.meta["LIBRARY"] == "SYNTHETIC"
    assert sims.meta["ATTENUAT"] == "calzetti" and sims.meta["IGM"] == "inoue14"
    with fits.open(simulations_file) as hdus:
        header, columns = hdus["SIMS"].header, hdus["SIMS"].columns
        assert header["SIMULATD"] is True and header["BAND1"] == "F606W"
        assert header["BAND9"] == "F444W" and "BAND10" not in header
        units = {c.name: c.unit for c in columns}
    assert units["FLUX"] == "nJy" and units["TAU"] == units["AGE"] == "Gyr"
    # The description has the unit of a logarithm, because astropy warns of dex() in a table.
    assert units["LOGMSTAR"] is None and units["AV"] == "mag"
    assert header["TCOMM1"].endswith(" / solMass")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(Table.read(simulations_file, hdu=1))
    assert units["REDSHIFT"] is None and units["UNIT"] is None


def test_the_file_is_fits(simulations_file, fitsverify):
    fitsverify(simulations_file)


def test_all_bands_by_default(run_cli, ssp_file, tmp_path):
    path = tmp_path / "s.fits"
    result = run_cli("simulate", "--ssp", ssp_file, "--prior", "tau", "-n", 5, "-o", path)
    assert result.exit_code == 0, result.output
    assert "5 populations x 63 bands" in result.stderr and not result.warned
    assert len(read_simulations(path).bands) == 63
    assert os.listdir(tmp_path) == ["s.fits"]


def test_choices_match_the_library():
    from pixsed.cli import simulate
    from pixsed.simulate.priors import PRIORS
    from pixsed.sps.dust import attenuation_law
    from pixsed.sps.igm import check_igm

    assert simulate.PRIORS == tuple(PRIORS)
    for name in simulate.ATTENUATION:
        attenuation_law(name)
    for name in simulate.IGM:
        check_igm(name)


def test_help_imports_no_numpy(run_pixsed):
    code = (
        "import sys; from pixsed.cli.simulate import command; command.help; "
        "assert not {'numpy', 'dask', 'astropy', 'tqdm'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    shown = run_pixsed("simulate", "--help").stdout
    for name in ("dirichlet", "charlot-fall", "madau95", "--resume", "--scheduler", "Examples:"):
        assert name in shown


def test_physics_by_option(run_cli, ssp_file, tmp_path):
    fluxes = {}
    for attenuation, igm in (("calzetti", "inoue14"), ("smc", "inoue14"), ("calzetti", "none")):
        path = tmp_path / f"{attenuation}_{igm}.fits"
        result = run_cli(
            "simulate",
            "--ssp",
            ssp_file,
            "--prior",
            "tau",
            "-n",
            40,
            "-o",
            path,
            "--bands",
            "F606W,F444W",
            "--attenuation",
            attenuation,
            "--igm",
            igm,
        )
        assert result.exit_code == 0, result.output
        sims = read_simulations(path)
        assert (sims.meta["ATTENUAT"], sims.meta["IGM"]) == (attenuation, igm)
        fluxes[attenuation, igm] = sims.flux
    first, smc, clear = fluxes.values()
    assert (smc != first).any() and (clear[:, 0] > first[:, 0]).any()
    # The IGM absorbs nothing redward of Lyman alpha: z < 7.5 and 4.4 micron.
    np.testing.assert_allclose(clear[:, 1], first[:, 1], rtol=1e-5)


def test_dirichlet(run_cli, ssp_file, tmp_path):
    path = tmp_path / "s.fits"
    result = run_cli(
        "simulate",
        "--ssp",
        ssp_file,
        "--prior",
        "dirichlet",
        "-n",
        50,
        "--bands",
        "F606W,F444W",
        "-o",
        path,
    )
    assert result.exit_code == 0, result.output
    sims = read_simulations(path)
    assert sims.prior == "dirichlet" and (sims.columns["T25"] < sims.columns["T75"]).all()
    header = fits.getheader(path, "SIMS")
    assert "dex" not in str([header[key] for key in header if key.startswith("TUNIT")])
    assert any(str(value).endswith(" / (1 / yr)") for value in header.values())


def test_standard_output(ssp_file, tmp_path, simulations_file, few_bands):
    from pixsed.cli.main import cli

    result = CliRunner().invoke(
        cli,
        [
            "simulate",
            "--ssp",
            ssp_file,
            "--prior",
            "tau",
            "-n",
            "30",
            "-o",
            "-",
            "--bands",
            ",".join(few_bands),
            "--seed",
            "3",
            "-q",
        ],
        catch_exceptions=False,
    )
    (tmp_path / "s.fits").write_bytes(result.stdout_bytes)
    found = read_simulations(tmp_path / "s.fits")
    np.testing.assert_array_equal(found.unit, read_simulations(simulations_file, 30).unit)


def test_overwrite(run_cli, ssp_file, simulations_file):
    result = run_cli(
        "simulate", "--ssp", ssp_file, "--prior", "tau", "-n", 5, "-o", simulations_file
    )
    assert isinstance(result.exception, PixsedError) and "exists" in str(result.exception)
    assert len(read_simulations(simulations_file)) == 3000


@pytest.mark.parametrize(
    "change, message",
    [
        (["--bands", "F444W,F123X"], "no filter curve of F123X"),
        (["--bands", "F444W,F444W"], "bands must differ, got F444W twice"),
        (["--ssp", "absent.fits"], "absent.fits: no such file; make one with 'pixsed ssp"),
        (["-o", "-", "--resume"], "--resume needs a file"),
        (["--scheduler", "nonsense://x"], "no Dask scheduler at nonsense://x"),
    ],
)
def test_errors(run_cli, ssp_file, tmp_path, change, message):
    if "--scheduler" in change:
        pytest.importorskip("distributed", reason="--scheduler needs dask[distributed]")
    result = run_cli(
        "simulate", "--ssp", ssp_file, "--prior", "tau", "-n", 5, "-o", tmp_path / "s.fits", *change
    )
    assert isinstance(result.exception, PixsedError) and message in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_image_for_a_grid(run_cli, simulations_file, tmp_path):
    result = run_cli(
        "simulate", "--ssp", simulations_file, "--prior", "tau", "-n", 5, "-o", tmp_path / "s.fits"
    )
    assert "is not an SSP grid; make one with 'pixsed ssp'" in str(result.exception)


# Simulations of several batches of 50 000 in one band, each in a separate process.

N = 220_000


@pytest.fixture(scope="module")
def arguments(ssp_file):
    return ["simulate", "--ssp", ssp_file, "--prior", "tau", "-n", str(N), "--bands", "F444W"]


def begin(*args):
    env = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    return subprocess.Popen(
        [sys.executable, "-m", "pixsed", *map(str, args)],
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        start_new_session=True,
    )


def finish(*args):
    with begin(*args) as process:
        _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    return stderr


def rows_of(path):
    return fits.getdata(path, "SIMS", memmap=False).tobytes()


@pytest.fixture(scope="module")
def whole(arguments, tmp_path_factory):
    """Table of an uninterrupted simulation by one process."""
    path = tmp_path_factory.mktemp("whole") / "s.fits"
    stderr = finish(*arguments, "--jobs", 1, "-o", path)
    assert stderr.count("\n") == 1 and f"{N} populations x 1 bands" in stderr  # no progress bar
    return path


def stop(process, part, number):
    """Send a signal once the first batch is on disk; return stderr."""
    deadline = time.monotonic() + 120
    while not (part.exists() and part.stat().st_size > 5_000_000):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    with process:
        return process.communicate(timeout=60)[1]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.slow
def test_killed_and_resumed(arguments, whole, tmp_path, fitsverify):
    path, part = tmp_path / "s.fits", tmp_path / "s.fits.part"
    stop(begin(*arguments, "--jobs", 2, "-o", path), part, signal.SIGKILL)
    assert os.listdir(tmp_path) == ["s.fits.part"]
    with begin(*arguments, "-o", path) as again:
        assert "s.fits.part is there, from a run that was stopped" in again.communicate()[1]
    with begin(*arguments, "-o", path, "--resume", "--seed", 43) as other:
        assert "(seed of the random numbers) = 42, now it is 43" in other.communicate()[1]
    # Stop it again by Ctrl-C, then finish it with another number of processes.
    if part.stat().st_size < 8_000_000:
        stderr = stop(begin(*arguments, "--jobs", 2, "-o", path, "--resume"), part, signal.SIGINT)
        assert "Traceback" not in stderr
    stderr = finish(*arguments, "--jobs", 1, "-o", path, "--resume")
    assert "resumed after" in stderr
    assert rows_of(path) == rows_of(whole)
    assert os.listdir(tmp_path) == ["s.fits"]
    fitsverify(path)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.slow
def test_stopped_by_ctrl_c(arguments, tmp_path):
    path, part = tmp_path / "s.fits", tmp_path / "s.fits.part"
    process = begin(*arguments, "--jobs", 2, "-o", path)
    stderr = stop(process, part, signal.SIGINT)
    assert process.returncode == 1
    lines = stderr.strip().splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("pixsed: error: stopped; ")
    assert lines[0].endswith(f"rows are kept in {part}: go on with --resume")


@pytest.mark.slow
def test_the_same_rows_from_any_workers(arguments, whole, tmp_path):
    finish(*arguments, "--jobs", 3, "-o", tmp_path / "jobs.fits")
    assert rows_of(tmp_path / "jobs.fits") == rows_of(whole)
    with parallel_tasks.dask_cluster(2) as address:
        finish(*arguments, "--scheduler", address, "-o", tmp_path / "dask.fits")
    assert rows_of(tmp_path / "dask.fits") == rows_of(whole)


def test_a_cluster(run_cli, ssp_file, simulations_file, few_bands, tmp_path):
    with parallel_tasks.dask_cluster(1) as address:
        result = run_cli(
            "simulate",
            "--ssp",
            ssp_file,
            "--prior",
            "tau",
            "-n",
            3000,
            "--seed",
            3,
            "--bands",
            ",".join(few_bands),
            "-o",
            tmp_path / "s.fits",
            "--scheduler",
            address,
        )
    assert result.exit_code == 0, result.output
    ours, theirs = read_simulations(simulations_file), read_simulations(tmp_path / "s.fits")
    np.testing.assert_array_equal(ours.unit, theirs.unit)
    np.testing.assert_allclose(ours.flux, theirs.flux, rtol=1e-5)
