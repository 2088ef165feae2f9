import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.errors import PixsedError

FEW = ("-n", 300, "--samples", 60, "--jobs", 1)


def test_validate(run_cli, model_file, simulations_file, tmp_path):
    path = tmp_path / "report.fits"
    args = ("validate", model_file, simulations_file, *FEW, "--cases", "paper,all-drop", "-o", path)
    result = run_cli(*args)
    assert result.exit_code == 0, (result.output, result.exception)
    assert "paper: 300 simulations, mean S/N > 1, noise depth" in result.stdout
    assert "LOGMSTAR" in result.stdout
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus[1:]] == ["PAPER", "ALL_DROP"]
        header = hdus[0].header
        assert header["MODEL"] == "small" and header["NSAMP"] == 60 and header["NOISE"] == "depth"
        worst = header["WORST68"]
    table = Table.read(path, hdu="PAPER")
    whole = table[np.isinf(table["SNR_MAX"]) & (table["SNR_MIN"] == 1)]
    names = [str(n).strip() for n in whole["PARAMETER"]]
    assert {"LOGMSTAR", "LOGSFR", "METAL", "AV", "TAU", "TSTART", "AGE"} <= set(names)
    assert "REDSHIFT" not in names and np.all(whole["N"] == 300)
    for level in (50, 68, 95):
        assert np.all((table[f"COV{level}"] >= 0) & (table[f"COV{level}"] <= 1))
    misses = [
        np.abs(t["COV68"] - 0.68)[np.isinf(t["SNR_MAX"]) & (t["SNR_MIN"] == 1)].max()
        for t in (table, Table.read(path, hdu="ALL_DROP"))
    ]
    assert worst == pytest.approx(max(misses))

    again = run_cli(*args)
    assert isinstance(again.exception, PixsedError) and "exists" in str(again.exception)


def test_a_miss_too_large_is_an_error_after_the_report(run_cli, model_file, simulations_file,
                                                       tmp_path):  # fmt: skip
    path = tmp_path / "report.fits"
    result = run_cli("validate", model_file, simulations_file, *FEW, "--cases", "all",
                     "--max-miss", 0.001, "-o", path)  # fmt: skip
    assert isinstance(result.exception, PixsedError)
    assert "misses by" in str(result.exception) and "more than 0.001" in str(result.exception)
    assert path.is_file()


def test_a_narrow_cut_of_snr(run_cli, model_file, simulations_file, tmp_path):
    """No row falls in the lower bins."""
    result = run_cli("validate", model_file, simulations_file, "-n", 100, "--samples", 50,
                     "--jobs", 1, "--snr-min", 12, "--cases", "all",
                     "-o", tmp_path / "r.fits")  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    assert not result.warned
    table = fits.getdata(tmp_path / "r.fits", "ALL")
    lower = table[table["SNR_MAX"] <= 10]
    assert len(lower) and np.all(lower["N"] == 0) and np.isnan(lower["COV68"]).all()


@pytest.mark.parametrize(
    "change, message",
    [
        (["--cases", "most"], "no case 'most'; choose from paper, paper-drop, all, all-drop"),
        (["-n", "3000"], "of 3000 simulations have a mean S/N above 1"),
    ],
)
def test_errors(run_cli, model_file, simulations_file, tmp_path, change, message):
    path = tmp_path / "r.fits"
    result = run_cli("validate", model_file, simulations_file, "--jobs", 1, "-o", path, *change)
    assert isinstance(result.exception, PixsedError) and message in str(result.exception)
    assert not path.exists()


def test_other_bands(run_cli, model_file, ssp_file, tmp_path):
    sims = tmp_path / "s.fits"
    run_cli("simulate", "--ssp", ssp_file, "--prior", "tau", "-n", 5, "--bands",
            "F277W,F356W,F444W", "-o", sims)  # fmt: skip
    result = run_cli("validate", model_file, sims, "-o", tmp_path / "r.fits")
    assert isinstance(result.exception, PixsedError) and "has other bands than" in str(
        result.exception
    )


def test_no_model(run_cli, simulations_file, tmp_path):
    result = run_cli("validate", tmp_path / "none.onnx", simulations_file,
                     "-o", tmp_path / "r.fits")  # fmt: skip
    assert isinstance(result.exception, PixsedError) and "none.onnx" in str(result.exception)
