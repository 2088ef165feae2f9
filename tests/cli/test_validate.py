import re

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.cli import validate
from pixsed.errors import PixsedError

FEW = ("-n", 300, "--samples", 60, "--jobs", 1)


def test_cases_are_those_of_the_library():
    from pixsed.validate.options import TESTS

    assert validate.CASES.split(",") == [*TESTS]


def read(path, name, **wanted):
    table = Table(fits.getdata(path, name))  # without units, and NaN as NaN
    for key, value in wanted.items():
        table = table[[str(v).strip() == value for v in table[key]]]
    return table


def test_validate(run_cli, model_file, simulations_file, tmp_path, fitsverify):
    path, card = tmp_path / "report.fits", tmp_path / "card.md"
    args = (
        "validate",
        model_file,
        simulations_file,
        *FEW,
        "--cases",
        "paper,all-drop,ood",
        "-o",
        path,
    )
    result = run_cli(*args, "--card", card)
    assert result.exit_code == 0, (result.output, result.exception)
    assert "paper: 300 simulations, mean S/N > 1, noise depth" in result.stdout
    for text in ("LOGMSTAR", "JOINT", "S/N 5-10", "z > 4", "SPIKE"):
        assert text in result.stdout
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus[1:]] == [
            "TESTS",
            "RANKS",
            "COVERAGE",
            "RESIDUALS",
            "WIDTHS",
            "OOD",
            "ENGINES",
            "POINTS",
        ]
        header = hdus[0].header
        assert header["MODEL"] == "small" and header["NSAMP"] == 60 and header["NOISE"] == "depth"
        worst = header["WORSTCOV"]
        for hdu in hdus[1:]:
            assert hdu.header["SUBJECT"]
            for number in range(1, hdu.header["TFIELDS"] + 1):
                assert hdu.header[f"TCOMM{number}"]
    fitsverify(path)

    cases = re.findall(r"^([\w-]+): case (\d) of (\d)(, about \d+ s left)?", result.stderr, re.M)
    assert [case[1] for case in cases] == list("123456789")[: len(cases)]
    assert cases[0][0] == "paper" and all(case[3] for case in cases[1:])
    assert "artefacts: scores" in result.stderr

    whole = read(path, "TESTS", CASE="paper", BY="ALL")
    names = [str(n).strip() for n in whole["PARAMETER"]]
    assert names == [
        "LOGMSTAR",
        "LOGMFORM",
        "LOGSFR",
        "METAL",
        "AV",
        "TAU",
        "TSTART",
        "AGE",
        "T50LB",
        "JOINT",
    ]
    assert np.all(whole["N"] == 300) and np.all(whole["LEAK"][:-1] == 0)
    assert whole["R2_PAPER"][:4].tolist()[::2] == [0.99, 0.67]
    table = read(path, "TESTS")
    assert len(table) == 2 * 7 * 10
    marginal = table[[str(p).strip() != "JOINT" for p in table["PARAMETER"]]]
    misses = [marginal[f"COV{p}"][marginal["N"] > 1] - p / 100 for p in (50, 68, 95)]
    assert abs(worst) == pytest.approx(np.max(np.abs(misses)))

    # The numbers of a row follow from the points.
    points = read(path, "POINTS")
    header = fits.getheader(path, "POINTS")
    column = list(points.columns).index("AV_P50") + 1
    assert len(points) == 300 and header[f"TUNIT{column}"] == "mag"
    truth, median = (np.asarray(points[f"AV_{s}"], dtype=float) for s in ("TRUTH", "P50"))
    r2 = 1 - ((truth - median) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    av = whole[[n == "AV" for n in names]]
    assert av["R2"][0] == pytest.approx(r2, abs=1e-4)
    assert av["COV68"][0] == pytest.approx(np.mean(np.abs(points["AV_RANK"] - 0.5) < 0.34))
    assert set(read(path, "OOD")["KIND"]) == {"SIMULATIONS", "STAR", "SPIKE", "ZEROPOINT", "BAND"}
    text = card.read_text()
    assert "### paper (300 simulations)" in text and "| LOGMSTAR | " in text
    assert "### R^2 in other bands" in text and "| all-drop | z > 4 |" in text
    assert "of draws outside the prior: 0." in text and "| star | paper |" in text

    again = run_cli(*args)
    assert isinstance(again.exception, PixsedError) and "exists" in str(again.exception)


def test_jobs_change_nothing(run_cli, model_file, simulations_file, tmp_path):
    found = []
    for jobs in (1, 3):
        path = tmp_path / f"{jobs}.fits"
        result = run_cli(
            "validate",
            model_file,
            simulations_file,
            "-n",
            200,
            "--samples",
            50,
            "--jobs",
            jobs,
            "--cases",
            "paper,ood",
            "-o",
            path,
        )
        assert result.exit_code == 0, result.exception
        with fits.open(path) as hdus:
            found.append([hdu.data.tobytes() for hdu in hdus[1:]])
    assert found[0] == found[1]


def test_redshifts_with_errors(run_cli, model_file, simulations_file, tmp_path):
    path = tmp_path / "report.fits"
    result = run_cli(
        "validate", model_file, simulations_file, *FEW, "--cases", "paper-photoz", "-o", path
    )
    assert result.exit_code == 0, (result.output, result.exception)
    assert "REDSHIFT" in [str(n).strip() for n in read(path, "TESTS")["PARAMETER"]]


def test_without_cases_all_that_are_possible(run_cli, model_file, simulations_file, tmp_path):
    """Cases that need more than the nine bands of the model are left out."""
    path = tmp_path / "report.fits"
    result = run_cli(
        "validate",
        model_file,
        simulations_file,
        "-n",
        100,
        "--samples",
        50,
        "--jobs",
        1,
        "-o",
        path,
    )
    assert result.exit_code == 0, (result.output, result.exception)
    assert "lacks bands: paper-14, paper-10" in result.stderr
    cases = dict.fromkeys(str(c).strip() for c in read(path, "TESTS")["CASE"])
    assert list(cases) == ["paper", "paper-6", "paper-drop", "paper-photoz", "all", "all-drop"]


@pytest.mark.parametrize(
    "limit, text",
    [
        (("--max-miss", 0.001), "more than 0.001"),
        (("--max-joint", 0.001), "joint coverage in all"),
        (("--min-p", 1), "are not uniform"),
    ],
)
def test_a_limit_missed_is_an_error_after_the_report(
    run_cli, model_file, simulations_file, tmp_path, limit, text
):
    path = tmp_path / "report.fits"
    result = run_cli(
        "validate", model_file, simulations_file, *FEW, "--cases", "all", *limit, "-o", path
    )
    assert isinstance(result.exception, PixsedError)
    assert text in str(result.exception) and "\n" not in str(result.exception)
    assert path.is_file()


def test_bins_are_filled(run_cli, model_file, simulations_file, tmp_path):
    path, card = tmp_path / "report.fits", tmp_path / "card.md"
    result = run_cli(
        "validate",
        model_file,
        simulations_file,
        *FEW,
        "--per-bin",
        110,
        "--cases",
        "paper,ood",
        "--card",
        card,
        "-o",
        path,
    )
    assert result.exit_code == 0, (result.output, result.exception)
    assert "paper: 300 simulations (bins 110)" in result.stdout
    assert fits.getheader(path)["PERBIN"] == 110 and len(read(path, "POINTS")) == 300
    assert "--per-bin 110" in card.read_text() and "### paper (300 simulations)" in card.read_text()
    table = read(path, "TESTS", PARAMETER="AV")
    assert table["N"][0] == 300 and table["N"].min() == 110
    assert table["N"][1:4].sum() > 300  # each S/N is filled beyond what the 300 hold
    scores = read(path, "OOD", KIND="SIMULATIONS")
    assert scores["N"].tolist() == table["N"][:4].tolist()


def test_a_narrow_range_of_snr(run_cli, model_file, simulations_file, tmp_path):
    """The lower bins are empty."""
    path = tmp_path / "r.fits"
    result = run_cli(
        "validate",
        model_file,
        simulations_file,
        "-n",
        100,
        "--samples",
        50,
        "--jobs",
        1,
        "--snr-min",
        12,
        "--snr-max",
        49,
        "--cases",
        "all",
        "-o",
        path,
    )
    assert result.exit_code == 0, (result.output, result.exception)
    assert not result.warned
    assert "mean S/N > 12 to 49" in result.stdout and fits.getheader(path)["SNRMAX"] == 49
    table = read(path, "TESTS")
    lower = table[(table["HIGH"] <= 10) & [str(b).strip() == "SNR" for b in table["BY"]]]
    assert len(lower) and np.all(lower["N"] == 0) and np.isnan(lower["COV68"]).all()


def test_pictures(run_cli, model_file, simulations_file, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    args = (
        "validate",
        model_file,
        simulations_file,
        "-n",
        200,
        "--samples",
        50,
        "--jobs",
        1,
        "--cases",
        "paper",
        "--plot",
    )
    result = run_cli(*args, tmp_path / "p.png", "-o", tmp_path / "r.fits")
    assert result.exit_code == 0, (result.output, result.exception)
    for name in ("residuals", "ranks", "coverage", "widths"):
        assert (tmp_path / f"p_{name}.png").read_bytes().startswith(b"\x89PNG")
    again = run_cli(*args, tmp_path / "p.png", "-o", tmp_path / "s.fits")
    assert "p_residuals.png exists" in str(again.exception)
    other = run_cli(*args, tmp_path / "p.pdf", "-o", tmp_path / "s.fits")
    assert "ends in .png" in str(other.exception)


@pytest.fixture
def cross_file(ssp_file, few_bands, run_cli, tmp_path):
    path = tmp_path / "dirichlet.fits"
    result = run_cli(
        "simulate",
        "--ssp",
        ssp_file,
        "--prior",
        "dirichlet",
        "-n",
        600,
        "--jobs",
        1,
        "--bands",
        ",".join(few_bands),
        "-o",
        path,
    )
    assert result.exit_code == 0, result.exception
    return path


def test_cross_test(run_cli, model_file, cross_file, tmp_path):
    path = tmp_path / "r.fits"
    result = run_cli("validate", model_file, cross_file, *FEW, "--cases", "paper", "-o", path)
    assert result.exit_code == 0, (result.output, result.exception)
    assert "cross-test, tau model on dirichlet simulations: LOGMSTAR off by" in result.stdout
    assert "the paper's mean -0.147" in result.stdout
    table = read(path, "TESTS", BY="ALL")
    assert [str(n).strip() for n in table["PARAMETER"]] == [
        "LOGMSTAR",
        "LOGMFORM",
        "LOGSFR",
        "METAL",
        "AV",
        "AGE",
        "T50LB",
        "JOINT",
    ]
    assert np.isnan(table["WIDTH"]).all() and np.isnan(table["R2_PAPER"]).all()
    header = fits.getheader(path)
    assert header["PRIOR"] == "tau" and header["SIMPRIOR"] == "dirichlet"
    limited = run_cli(
        "validate", model_file, cross_file, *FEW, "--max-miss", 0.1, "-o", tmp_path / "s.fits"
    )
    assert "% coverage of LOG" in str(limited.exception)


@pytest.mark.parametrize(
    "change, message",
    [
        (["--cases", "most"], "no case 'most'; choose from paper, paper-14, paper-10, paper-6,"),
        (["--cases", "paper-14"], "has too few bands, or no redshift errors, or"),
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
    run_cli(
        "simulate",
        "--ssp",
        ssp_file,
        "--prior",
        "tau",
        "-n",
        5,
        "--bands",
        "F277W,F356W,F444W",
        "-o",
        sims,
    )
    result = run_cli("validate", model_file, sims, "-o", tmp_path / "r.fits")
    assert isinstance(result.exception, PixsedError) and "has other bands than" in str(
        result.exception
    )


def test_no_model(run_cli, simulations_file, tmp_path):
    result = run_cli(
        "validate", tmp_path / "none.onnx", simulations_file, "-o", tmp_path / "r.fits"
    )
    assert isinstance(result.exception, PixsedError) and "none.onnx" in str(result.exception)
