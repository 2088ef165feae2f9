"""The call stack from `pixsed fit` to onnxruntime is short, and follows the order of folders."""

import sys
from pathlib import Path

import fakes
import pytest
from astropy.table import Table

import pixsed
from pixsed.fit.model import Model
from pixsed.io.formats.cube import write_cube

PACKAGE = Path(pixsed.__file__).parent
#: Frames of pixsed from the function of the command to the call of onnxruntime.
MOST_FRAMES = 8
# Folders in the order in which they may call each other.
ROOMS = ("cli", "fit")


class Recorder:
    """Session that keeps the stack of pixsed's frames at each call."""

    def __init__(self, session, stacks):
        self._session, self._stacks = session, stacks

    def __getattr__(self, name):
        return getattr(self._session, name)

    def run(self, *args):
        frame, stack = sys._getframe(1), []
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(PACKAGE):
                stack.append((path.relative_to(PACKAGE), frame.f_code.co_name))
            frame = frame.f_back
        self._stacks.append(stack[::-1])
        return self._session.run(*args)


@pytest.fixture
def stacks(monkeypatch):
    """Record the stacks at all calls of onnxruntime."""
    found = []
    start = Model._start
    monkeypatch.setattr(Model, "_start", lambda *args: Recorder(start(*args), found))
    return found


@pytest.fixture
def table(tmp_path):
    found = Table({"ID": [1, 2], "REDSHIFT": [1.0, 2.0]})
    for band in ("F115W", "F277W", "F444W"):
        for suffix, value in (("", 10.0), ("_ERR", 1.0)):
            found[band + suffix] = [value] * 2
            found[band + suffix].unit = "nJy"
    found.write(tmp_path / "t.ecsv")
    return tmp_path / "t.ecsv"


@pytest.fixture
def cube(tmp_path):
    write_cube(fakes.make_cube(), tmp_path / "cube.fits")
    return tmp_path / "cube.fits"


@pytest.mark.parametrize("engine", ["flow", "quantile"])
@pytest.mark.parametrize("kind", ["cube", "table"])
def test_few_frames(request, run_cli, tmp_path, stacks, kind, engine):
    model = fakes.fake_model(tmp_path / "m.onnx", quantiles=True)
    args = (request.getfixturevalue(kind), "--model", model, "--engine", engine)
    result = run_cli("fit", *args, "--jobs", 1, "-o", tmp_path / "out.fits")
    assert result.exit_code == 0, result.exception
    assert stacks
    for stack in stacks:
        start = stack.index((Path("cli/fit.py"), "command"))
        way = stack[start:]
        assert way[-1][0] == Path("fit/model.py")
        assert len(way) <= MOST_FRAMES, [f"{path}:{name}" for path, name in way]
        rooms = [ROOMS.index(path.parts[0]) for path, _ in way]
        assert rooms == sorted(rooms)
