"""Signals and broken streams: exit status, one line of message, and no files left over."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import fakes
import numpy as np
import parallel_tasks
import pytest
from astropy.io import fits

from pixsed.cli.main import main
from pixsed.errors import PixsedError, PixsedWarning, Stopped
from pixsed.io.formats.cube import write_cube
from pixsed.io.writers.part_file import raise_kept
from pixsed.signals import postponed, signal_name, stopping

pytestmark = [
    pytest.mark.machine,
    pytest.mark.skipif(os.name != "posix", reason="signals of POSIX"),
]
LINES = {"SIGTERM": "stopped by SIGTERM", "SIGHUP": "stopped by SIGHUP", "SIGINT": "stopped"}


def reset_signals():
    """Restore the handling of signals that nohup, or a shell in the background, has changed."""
    for name in LINES:
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def begin(folder, *args, **kwargs):
    """Start a command in a folder, with temporary files in ``folder/tmp`` and default signals."""
    (folder / "tmp").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "pixsed", *map(str, args)],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(folder / "tmp")},
        preexec_fn=reset_signals,
        **kwargs,
    )


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the condition never became true"
        time.sleep(0.02)


def children(pid):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(word) for word in found.stdout.split()]


def alive(pid):
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return found.stdout.strip()[:1] not in ("", "Z")


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return fakes.fake_model(tmp_path_factory.mktemp("model") / "fake.onnx")


@pytest.fixture
def cubes(tmp_path):
    """Names of cubes in a folder; one is compressed, so that workers have temporary files."""
    write_cube(fakes.make_cube(), tmp_path / "0.fits.gz")
    write_cube(fakes.make_cube(), tmp_path / "1.fits")
    return ["0.fits.gz", "1.fits"]


def slow(model_path, *options):
    return ["--model", model_path, "--samples", 20000, *options]


@pytest.mark.parametrize("name", LINES)
def test_workers_and_temporary_files_go(tmp_path, cubes, model_path, name):
    run = begin(tmp_path, "fit", *cubes, *slow(model_path, "--tile", 2, "--jobs", 2), "-o", "maps/")
    maps = tmp_path / "maps"
    # A worker writes its journal after a tile.
    wait_for(lambda: maps.is_dir() and any(p.stat().st_size for p in maps.glob(".*.journal")))
    workers = children(run.pid)
    run.send_signal(getattr(signal, name))
    _, error = run.communicate(timeout=60)
    assert run.returncode == 128 + getattr(signal, name)
    assert error == f"pixsed: {LINES[name]}\n"
    assert len(workers) >= 2
    wait_for(lambda: not any(map(alive, workers)), 10)
    assert not os.listdir(tmp_path / "tmp")
    assert not [path for path in maps.iterdir() if path.name.startswith(".pixsed")]


def test_workers_end_with_a_parent_that_is_killed(tmp_path, cubes, model_path):
    run = begin(tmp_path, "fit", *cubes, *slow(model_path, "--jobs", 2), "-o", "maps/")
    wait_for(lambda: len(children(run.pid)) >= 3 and (tmp_path / "maps").is_dir())
    time.sleep(1)
    workers = children(run.pid)
    run.kill()
    run.wait()
    wait_for(lambda: not any(map(alive, workers)), 20)
    run.stderr.close()


@pytest.mark.parametrize("name", LINES)
def test_the_line_says_where_tiles_are_kept(tmp_path, cubes, model_path, name):
    args = ["fit", "1.fits", *slow(model_path, "--tile", 2, "--jobs", 1), "-o", "m.fits"]
    run = begin(tmp_path, *args)
    journal = tmp_path / ".m.fits.journal"
    wait_for(lambda: journal.exists() and journal.read_text().count("\n") > 2)
    run.send_signal(getattr(signal, name))
    _, error = run.communicate(timeout=60)
    assert run.returncode == 128 + getattr(signal, name)
    assert error.startswith(f"pixsed: {LINES[name]}; what is finished is kept in .m.fits.part")
    assert not (tmp_path / "m.fits").exists() and (tmp_path / ".m.fits.part").exists()


@pytest.mark.few(6)
@pytest.mark.parametrize("delay", [0.05, 0.3, 0.6, 0.9, 1.2, 1.6])
@pytest.mark.parametrize("command", ["fit", "sum-mass"])
def test_at_any_time(tmp_path, cubes, model_path, command, delay):
    """Signals are handled at any time, even during imports. The work outlasts the longest delay."""
    shape = (60, 60)
    cube = fakes.make_cube(
        ny=60, nx=60, flux=np.full((5, *shape), 20.0), segmap=np.full(shape, 531, np.int32)
    )
    write_cube(cube, tmp_path / "1.fits", overwrite=True)
    run = begin(tmp_path, command, "1.fits", *slow(model_path, "--jobs", 2), "-o", "o.fits")
    time.sleep(delay)
    run.send_signal(signal.SIGTERM)
    _, error = run.communicate(timeout=60)
    # Python itself ends the process before the command has begun.
    assert run.returncode in (143, -signal.SIGTERM)
    assert error in ("", "pixsed: stopped by SIGTERM\n")
    assert sorted(os.listdir(tmp_path)) == ["0.fits.gz", "1.fits", "tmp"]
    assert not os.listdir(tmp_path / "tmp")


def test_ignored_signals_stay_ignored(tmp_path, cubes):
    """As under nohup."""
    code = """
import os, signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from pixsed.cli.main import main
from pixsed.io.formats import noise_table as noise
write = noise.write_noise
def hang_up(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGHUP)
    return write(*args, **kwargs)
noise.write_noise = hang_up
main(["noise", "1.fits", "--bins", "1", "-q", "-o", "n.fits"])
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.fixture
def default_signals():
    before = {getattr(signal, name): signal.getsignal(getattr(signal, name)) for name in LINES}
    reset_signals()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("default_signals")
class TestStopping:
    @pytest.mark.parametrize("swallowed", [BaseException, Stopped])
    def test_an_exception_that_is_swallowed(self, swallowed):
        """A bare except in a module that is being imported may swallow the exception."""
        start = time.monotonic()
        with pytest.raises(Stopped), stopping():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(5)
            except swallowed:
                pass
            time.sleep(20)
        assert time.monotonic() - start < 10

    def test_cleaning_up_is_not_disturbed(self):
        cleaned = []
        with pytest.raises(Stopped), stopping():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(5)
            finally:
                time.sleep(2.5)
                with contextlib.suppress(KeyError):
                    raise KeyError
                time.sleep(1)
                cleaned.append(True)
        assert cleaned

    @pytest.mark.parametrize("name", LINES)
    def test_the_exception(self, name):
        before = signal.getsignal(getattr(signal, name))
        with pytest.raises(Stopped) as found, stopping() as came:
            os.kill(os.getpid(), getattr(signal, name))
            time.sleep(5)
        assert found.value.signal == getattr(signal, name) == came[0]
        assert signal.getsignal(getattr(signal, name)) == before

    def test_once(self):
        """A second signal does not disturb the cleaning up after the first."""
        cleared = []
        with pytest.raises(Stopped), stopping() as came:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                cleared.append(True)
        assert cleared and len(came) == 1

    def test_one_that_python_cannot_raise(self):
        class Deleted:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.01)

        with pytest.raises(Stopped), stopping() as came:
            thing = Deleted()
            del thing
            time.sleep(5)
        assert len(came) == 2

    @pytest.mark.parametrize("name", LINES)
    def test_postponed(self, name):
        passed = []
        with pytest.raises(Stopped), stopping():
            with postponed(["SIGNOTHERE", *LINES]):
                os.kill(os.getpid(), getattr(signal, name))
                passed.append("in the block")
            passed.append("after it")
        assert passed == ["in the block"]

    def test_postponed_in_a_thread(self):
        thread = threading.Thread(target=postponed().__enter__)
        thread.start()
        thread.join()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

    def test_names_that_a_system_lacks(self):
        with stopping(["SIGNOTHERE", "SIGTERM"]):
            pass
        assert signal_name(15) == "SIGTERM" and signal_name(9999) == "signal 9999"

    def test_not_in_a_thread(self):
        seen = []

        def work():
            with stopping() as came:
                seen.append(came)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert seen == [[]]

    @pytest.mark.parametrize(
        "error", [ImportError("failed"), OSError("x"), PixsedError("a worker process ended")]
    )
    def test_an_error_caused_by_a_signal(self, monkeypatch, capsys, error):
        """A module that is being imported turns the exception into one of its own."""
        import click

        from pixsed.cli import main as module

        @click.command()
        def command():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(5)
            except Stopped:
                raise error from None

        monkeypatch.setattr(module.LazyGroup, "get_command", lambda *args: command)
        with pytest.raises(SystemExit) as stop:
            main(["models"])
        assert stop.value.code == 143
        assert capsys.readouterr().err == "pixsed: stopped by SIGTERM\n"

    def test_what_is_kept(self):
        with pytest.raises(Stopped) as found:
            raise_kept(Stopped(15), "5 rows are kept")
        assert (found.value.signal, found.value.kept) == (15, "5 rows are kept")
        with pytest.raises(PixsedError, match="stopped; 5 rows"):
            raise_kept(KeyboardInterrupt(), "5 rows")


# Standard streams.

BKG = "bkg im.fits --box 10"


@pytest.fixture
def image(tmp_path):
    cube = fakes.make_cube(ny=200, nx=200)
    header = cube.header.copy()
    header["BUNIT"], header["FILTER"], header["INSTRUME"] = "nJy", "F444W", "NIRCAM"
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(cube.flux[0], header, name="SCI"),
        fits.ImageHDU(cube.err[0], header, name="ERR"),
    ]
    fits.HDUList(hdus).writeto(tmp_path / "im.fits")
    return tmp_path


def shell(folder, line, **env):
    """Run a shell line, with PIXSED for the command; return its exit status and stderr."""
    (folder / "tmp").mkdir(exist_ok=True)
    line = line.replace("PIXSED", f"'{sys.executable}' -m pixsed")
    run = subprocess.run(
        ["bash", "-c", f"{line}\nexit ${{PIPESTATUS[0]}}"],
        cwd=folder,
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        timeout=120,
        env=os.environ | {"TMPDIR": str(folder / "tmp")} | env,
    )
    return run.returncode, run.stderr


STREAMS = [
    (f"PIXSED {BKG} -q -o - | head -c 10", 1, "standard output: the reader closed it"),
    (f"PIXSED {BKG} -q -o /dev/stdout | head -c 10", 1, "/dev/stdout: the reader closed it"),
    (f"PIXSED {BKG} -o - >/dev/full", 1, "standard output: No space left on device"),
    (f"PIXSED {BKG} -o - >&-", 1, "standard output is not open for writing"),
    (f"PIXSED {BKG} -o o.fits >&-", 0, "o.fits: background"),
    (f"PIXSED {BKG} -o o.fits 2>&-", 0, ""),
    (f"PIXSED {BKG} -o o.fits 2>/dev/full", 0, ""),
    (f"PIXSED {BKG} -o o.fits <&- >&- 2>&-", 0, ""),
    (f"PIXSED {BKG} -q -o - >o.fits", 0, ""),
    (f"PIXSED {BKG} -q -o /dev/fd/3 3>o.fits", 0, ""),
    (f"PIXSED {BKG} -o /dev/fd/0 <im.fits", 1, "not open for writing"),
    ("PIXSED models >&-", 1, "standard output is closed"),
    ("PIXSED models >/dev/full", 1, "No space left on device"),
    ("PIXSED --help >/dev/full", 1, "No space left on device"),
    ("PIXSED --version >&-", 1, "standard output is closed"),
    ("PIXSED nonsense 2>&-", 2, ""),
]


@pytest.mark.few(12)
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("line", "status", "message"), STREAMS)
def test_streams(image, line, status, message, unbuffered):
    code, error = shell(image, line, PYTHONUNBUFFERED=unbuffered)
    assert code == status and message in error, error
    assert error.count("\n") <= 1 and "Traceback" not in error and "Exception" not in error
    assert not os.listdir(image / "tmp")
    if status == 0:
        with fits.open(image / "o.fits", checksum=True) as hdulist:
            assert hdulist[1].shape == (200, 200)
    else:
        assert sorted(os.listdir(image)) == ["im.fits", "tmp"]


@pytest.mark.parametrize("output", ["-", "/dev/stdout", "/dev/tty"])
def test_no_binary_to_a_terminal(image, output):
    import pty

    control, terminal = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, "-m", "pixsed", *BKG.split(), "-o", output],
        stdout=terminal,
        stdin=terminal,
        stderr=subprocess.PIPE,
        text=True,
        cwd=image,
        start_new_session=True,
    )
    _, error = run.communicate(timeout=60)
    os.close(terminal)
    assert run.returncode == 1
    # A process without a controlling terminal cannot open /dev/tty.
    assert "is a terminal" in error or (output == "/dev/tty" and "No such device" in error)
    os.close(control)


@pytest.mark.parametrize("option", [[], ["-q"], ["-v"], ["-vv"]])
def test_verbosity(image, run_pixsed, option):
    run = run_pixsed(*BKG.split(), *option, "-o", "o.fits", cwd=image)
    assert (run.returncode, run.stdout) == (0, "")
    if "-q" in option:
        assert run.stderr == ""
    elif option:
        for text in (
            "pixsed: pixsed ",
            "astropy ",
            "onnxruntime ",
            "bkg --box = 10  [commandline]",
            "bkg --sigma = 3.0  [default]",
            "reading im.fits",
            "wrote o.fits",
        ):
            assert text in run.stderr
    else:
        assert run.stderr.startswith("o.fits: background") and run.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["noise --bins 1", "bin", "fit", "sum-mass"])
def test_quiet(tmp_path, model_path, run_pixsed, command):
    """NaN, zeros and huge values: no warning of numpy or astropy."""
    cube = fakes.make_cube()
    cube.flux[:, 4:8] = np.nan
    cube.flux[:, 12:14], cube.err[:, 12:14] = 0, 0
    cube.flux[:, 15] = 1e38
    write_cube(cube, tmp_path / "c.fits")
    more = ["--model", model_path, "--samples", 4] if command in ("fit", "sum-mass") else []
    run = run_pixsed(*command.split(), tmp_path / "c.fits", *more, "-q", "-o", tmp_path / "o.fits")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_warnings_of_workers_come_through():
    from pixsed.parallel import run_tasks

    with pytest.warns(PixsedWarning) as found:
        assert list(run_tasks(parallel_tasks.warn, [1, 2, 3], setup=dict, jobs=2)) == [1, 2, 3]
    assert sorted(str(warning.message) for warning in found) == ["task 1", "task 2", "task 3"]
