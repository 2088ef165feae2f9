"""`pixsed validate` on tables of other codes, its bins of columns and its limits."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.errors import PixsedError

FEW = ("-n", 300, "--samples", 60, "--jobs", 1)


def read(path, name, **wanted):
    table = Table(fits.getdata(path, name))
    for key, value in wanted.items():
        table = table[[str(v).strip() == value for v in table[key]]]
    return table


def truths(simulations_file, path, noisy=True):
    """Write simulations as a table of another code: photometry, redshifts and truths."""
    from pixsed.simulate.noise import DEPTH
    from pixsed.simulate.observe import observe
    from pixsed.simulate.table import read_simulations

    sims = read_simulations(simulations_file)
    flux = sims.flux.astype(float)
    mask = np.ones(flux.shape, dtype=bool)
    seen, err = observe(flux, sims.bands, DEPTH, mask, np.random.default_rng(8))
    table = Table(
        {"ID": np.arange(len(flux)), "REDSHIFT": np.maximum(sims.columns["REDSHIFT"], 0.01)}
    )
    for i, band in enumerate(sims.bands):
        table[band] = (seen if noisy else flux)[:, i]
        table[band].unit = "nJy"
        if noisy:
            table[f"{band}_ERR"] = err[:, i]
            table[f"{band}_ERR"].unit = "nJy"
    for name in ("LOGMFORM", "LOGSFR", "AV", "METAL"):
        table[f"{name}_TRUE"] = sims.columns[name]
    table["FAMILY"] = np.where(sims.columns["AV"] > 2, "DUSTY", "CLEAR")
    table.write(path)
    return path


@pytest.mark.parametrize("form, noisy", [("fits", True), ("ecsv", False)])
def test_a_table_of_another_code(run_cli, model_file, simulations_file, tmp_path, form, noisy):
    path = truths(simulations_file, tmp_path / f"truths.{form}", noisy)
    report = tmp_path / "r.fits"
    result = run_cli(
        "validate",
        model_file,
        path,
        *FEW,
        "--by",
        "FAMILY",
        "--by",
        "AV:1.5",
        "--plot",
        tmp_path / "p.png",
        "-o",
        report,
    )
    assert result.exit_code == 0, (result.output, result.exception)
    noise = "of the table" if noisy else "depth"
    assert f"table: 300 galaxies, mean S/N > 1, noise {noise}" in result.stdout
    for text in ("1.48MAD", "FAMILY=DUSTY", "AV < 1.5", "small has masses on the IMF"):
        assert text in result.stdout
    table = read(report, "TESTS", BY="ALL")
    names = [str(n).strip() for n in table["PARAMETER"]]
    assert names == ["LOGMFORM", "LOGSFR", "METAL", "AV", "JOINT"]
    av = read(report, "TESTS", PARAMETER="AV")
    by = [str(b).strip() for b in av["BY"]]
    kinds = read(report, "POINTS")["AV_TRUTH"] > 2
    assert av["N"][by.index("FAMILY=DUSTY")] == kinds.sum()
    assert (tmp_path / "p_coverage.png").is_file()


@pytest.mark.parametrize(
    "limit, text",
    [
        (("--max-bias", "1e-9"), "the bias of "),
        (("--max-bias", "AV=1e-9"), "the bias of AV in table"),
        (
            ("--coverage-range", "0,0.001", "--limit-for", "metal"),
            "68 % coverage of METAL in table, ",
        ),
    ],
)
def test_limits_of_a_table(run_cli, model_file, simulations_file, tmp_path, limit, text):
    path, report = truths(simulations_file, tmp_path / "t.fits"), tmp_path / "r.fits"
    result = run_cli("validate", model_file, path, *FEW, *limit, "-o", report)
    assert isinstance(result.exception, PixsedError) and report.is_file()
    assert str(result.exception).startswith(text), result.exception


def test_bins_of_simulations(run_cli, model_file, simulations_file, tmp_path):
    report = tmp_path / "r.fits"
    result = run_cli(
        "validate", model_file, simulations_file, *FEW, "--cases", "all", "--by", "AV", "-o", report
    )
    assert result.exit_code == 0, (result.output, result.exception)
    rows = read(report, "TESTS", PARAMETER="AV", BY="AV")
    assert len(rows) == 3 and rows["N"].sum() == 300
    assert "AV < 1." in result.stdout and "AV > 2." in result.stdout


def test_a_limit_on_the_engines(run_cli, model_file, simulations_file, tmp_path):
    report = tmp_path / "r.fits"
    args = ("validate", model_file, simulations_file, *FEW, "--cases", "all", "-o", report)
    result = run_cli(*args, "--max-engine", 0)
    assert isinstance(result.exception, PixsedError)
    assert "the quantile engine's" in str(result.exception)
    table = read(report, "ENGINES")
    bins = list(dict.fromkeys(str(b).strip() for b in table["BIN"]))
    assert bins[0] == "all" and bins[-1].endswith("5/5, S/N > 30") and len(bins) == 16


@pytest.mark.parametrize(
    "change, message",
    [
        (("--max-bias", "AV=x"), "'AV=x' must be as 0.05 or LOGMFORM=0.05,LOGSFR=0.15"),
        (("--max-bias", "-1"), "must be as 0.05"),
        (("--coverage-range", "0.7"), "'0.7' must be two ascending fractions, as 0.60,0.76"),
        (("--coverage-range", "0.7,0.6"), "two ascending fractions"),
        (("--limit-for", "MASS"), "--limit-for: MASS is not compared with truths; choose from LOG"),
        (("--max-bias", "MASS=1"), "--max-bias: MASS is not compared with truths"),
        (("--by", "AV:b"), "--by AV:b: must be a column, or a column with ascending edges"),
        (("--by", "MASS"), "there is no column MASS; choose from"),
    ],
)
def test_wrong_bins_and_limits(run_cli, model_file, simulations_file, tmp_path, change, message):
    path = tmp_path / "r.fits"
    result = run_cli("validate", model_file, simulations_file, *FEW, "-o", path, *change)
    assert result.exit_code != 0 and message in str(result.exception) + result.output
    assert not path.exists()
