import numpy as np
import pytest
from astropy.io import fits

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
    assert sims.meta["SEED"] == 3 and sims.meta["LIBRARY"] == "BC03"
    with fits.open(simulations_file) as hdus:
        header, columns = hdus["SIMS"].header, hdus["SIMS"].columns
        assert header["SIMULATD"] is True and header["BAND1"] == "F606W"
        assert header["BAND9"] == "F444W" and "BAND10" not in header
        units = {c.name: c.unit for c in columns}
    assert units["FLUX"] == "nJy" and units["TAU"] == units["AGE"] == "Gyr"
    assert units["LOGMSTAR"] == "dex(solMass)" and units["AV"] == "mag"
    assert units["REDSHIFT"] is None and units["UNIT"] is None


def test_all_bands_by_default(run_cli, ssp_file, tmp_path):
    path = tmp_path / "s.fits"
    result = run_cli("simulate", "--ssp", ssp_file, "--prior", "tau", "-n", 5, "-o", path)
    assert result.exit_code == 0, result.output
    assert "5 populations x 29 bands" in result.stderr
    assert len(read_simulations(path).bands) == 29


def test_overwrite(run_cli, ssp_file, simulations_file):
    result = run_cli("simulate", "--ssp", ssp_file, "--prior", "tau", "-n", 5,
                     "-o", simulations_file)  # fmt: skip
    assert isinstance(result.exception, PixsedError) and "exists" in str(result.exception)
    assert len(read_simulations(simulations_file)) == 3000


@pytest.mark.parametrize(
    "change, message",
    [
        (["--bands", "F444W,F123X"], "F123X is not a band pixsed has a curve for"),
        (["--ssp", "absent.fits"], "absent.fits: no such file; make one with 'pixsed ssp"),
    ],
)
def test_errors(run_cli, ssp_file, tmp_path, change, message):
    result = run_cli("simulate", "--ssp", ssp_file, "--prior", "tau", "-n", 5,
                     "-o", tmp_path / "s.fits", *change)  # fmt: skip
    assert isinstance(result.exception, PixsedError) and message in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_image_for_a_grid(run_cli, simulations_file, tmp_path):
    result = run_cli("simulate", "--ssp", simulations_file, "--prior", "tau", "-n", 5,
                     "-o", tmp_path / "s.fits")  # fmt: skip
    assert "is not an SSP grid; make one with 'pixsed ssp'" in str(result.exception)
