import os

import pytest
from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.sps.build import SSPOptions
from pixsed.sps.ssp import read_ssp


def test_ssp(run_cli, bc03_grid, tmp_path):
    path = tmp_path / "grid.fits"
    result = run_cli(
        "ssp", "--library", "bc03", "--log-u", "-2.5", "--zinterp", "linear", "-o", path
    )
    assert result.exit_code == 0, result.output
    assert "7 metallicities x" in result.stderr and not result.stdout
    grid = read_ssp(path)
    assert grid.meta["LOGU"] == -2.5 and grid.meta["ZINTERP"] == "linear"
    assert grid.spectra.shape == bc03_grid.spectra.shape
    header = fits.getheader(path)
    assert header["IMF"] == "Kroupa" and header["SPECLIB"] == "MILES"


def test_finer_bins(run_cli, bc03_grid, tmp_path):
    result = run_cli("ssp", "--library", "bc03", "--refine", 2, "-o", tmp_path / "g.fits")
    assert result.exit_code == 0, result.output
    assert len(read_ssp(tmp_path / "g.fits").age_edges) == 62
    result = run_cli("ssp", "--library", "fsps", "--refine", 2, "-o", tmp_path / "f.fits")
    assert "--refine is not for --library fsps" in str(result.exception)


def test_overwrite(run_cli, ssp_file, run_pixsed):
    result = run_pixsed("ssp", "--library", "bc03", "-o", ssp_file)
    assert result.returncode == 1 and not result.stdout
    assert len(result.stderr.splitlines()) == 1 and "exists" in result.stderr


def test_log_u(run_pixsed, bc03_grid, tmp_path):
    result = run_pixsed("ssp", "--library", "bc03", "--log-u", "-2.2", "-o", tmp_path / "g.fits")
    assert result.returncode == 1
    assert result.stderr.startswith("pixsed: error: log U must be one of")
    assert len(result.stderr.splitlines()) == 1 and not list(tmp_path.iterdir())


def test_library(run_cli, tmp_path):
    result = run_cli("ssp", "--library", "maraston", "-o", tmp_path / "g.fits")
    assert result.exit_code == 2 and "maraston" in result.stderr


def test_fsps(run_cli, sps_home, tmp_path):
    """Warnings and the file both say that the data are a stand-in."""
    path = tmp_path / "fsps.fits"
    result = run_cli(
        "ssp",
        "--library",
        "fsps",
        "--sps-home",
        sps_home,
        "--imf",
        "kroupa",
        "--no-agb-dust",
        "-o",
        path,
    )
    assert result.exit_code == 0, result.output
    said = result.stderr.strip()
    assert len(said.splitlines()) == 1 and "NOT FOR SCIENCE, 13 metallicities x" in said
    assert said.endswith("Kroupa IMF") and not result.stdout
    assert "NOT FOR SCIENCE" in result.warned[0] and "not MILES" in result.warned[1]
    header = fits.getheader(path)
    assert "NOT FOR SCIENCE" in header["LIBRARY"] and header["SPECLIB"].startswith("C3K_LR")
    assert header["ISOCHRO"] == "MIST" and header["IMF"] == "Kroupa"
    assert header["AGBDUST"] == "none" and header["DUSTEM"].startswith("DL07")
    assert header["ZCOPIED"] == "0.25 0.5" and "-1.25" in header["ZMIXED"]
    assert read_ssp(path).spectra.shape[0] == 13


def test_fsps_without_data(run_pixsed, tmp_path):
    env = {key: value for key, value in os.environ.items() if key != "SPS_HOME"}
    result = run_pixsed("ssp", "--library", "fsps", "-o", tmp_path / "g.fits", env=env)
    assert result.returncode == 1 and not list(tmp_path.iterdir())
    assert len(result.stderr.splitlines()) == 1
    assert "set the environment variable SPS_HOME, or add --sps-home" in result.stderr


def test_bc03_has_two_imfs(run_pixsed, bc03_grid, tmp_path):
    result = run_pixsed("ssp", "--library", "bc03", "--imf", "salpeter", "-o", tmp_path / "g.fits")
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1
    assert "BC03 grids must be kroupa or chabrier, got salpeter" in result.stderr


def test_axis_of_log_u(run_cli, bc03_grid, tmp_path):
    path = tmp_path / "grid.fits"
    options = ("--library", "bc03", "--imf", "chabrier", "--log-u", "all")
    result = run_cli("ssp", *options, "-o", path)
    assert result.exit_code == 0, result.output
    assert "7 log U, Chabrier IMF" in result.stderr
    header = fits.getheader(path)
    assert header["LOGU"] == "-4 to -1" and header["IMF"] == "Chabrier"
    assert header["MASSCONV"] == "Kroupa mass x 0.9403 (Madau & Dickinson 2014)"
    assert read_ssp(path).log_u.tolist() == [-4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0]


def test_log_u_is_not_a_word(run_cli, tmp_path):
    result = run_cli("ssp", "--library", "bc03", "--log-u", "any", "-o", tmp_path / "g.fits")
    assert result.exit_code == 2 and "'any' is not a valid number or all" in result.stderr


def test_options_of_the_other_library(run_pixsed, tmp_path):
    result = run_pixsed("ssp", "--library", "bc03", "--no-agb-dust", "-o", tmp_path / "g.fits")
    assert result.returncode == 1 and "for --library fsps only" in result.stderr


@pytest.mark.parametrize("library", ["bc03", "fsps"])
def test_spectra_of_another_library(run_cli, tmp_path, library):
    result = run_cli("ssp", "--library", library, "--spectra", "x.fits", "-o", tmp_path / "g.fits")
    assert "--spectra is for --library fsps-public only" in str(result.exception)


def test_fsps_public_needs_spectra(run_pixsed, tmp_path):
    result = run_pixsed("ssp", "--library", "fsps-public", "-o", tmp_path / "g.fits")
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1
    assert "--library fsps-public needs --spectra FILE" in result.stderr


def test_fsps_public_has_one_imf(run_cli, tmp_path):
    options = ("--library", "fsps-public", "--spectra", "x.fits", "--imf", "kroupa")
    result = run_cli("ssp", *options, "-o", tmp_path / "g.fits")
    assert "emulated spectra of FSPS have a Chabrier IMF, got kroupa" in str(result.exception)


@pytest.mark.parametrize("option", [("--sps-home", "home"), ("--no-agb-dust",)])
def test_fsps_public_has_no_options_of_fsps(run_cli, tmp_path, option):
    options = ("--library", "fsps-public", "--spectra", "x.fits", *option)
    result = run_cli("ssp", *options, "-o", tmp_path / "g.fits")
    assert "--sps-home and --no-agb-dust are for --library fsps only" in str(result.exception)


def test_fsps_public_without_the_file(run_pixsed, tmp_path):
    options = ("--library", "fsps-public", "--spectra", tmp_path / "none.fits")
    result = run_pixsed("ssp", *options, "-o", tmp_path / "g.fits")
    assert result.returncode == 1 and not list(tmp_path.iterdir())
    assert len(result.stderr.splitlines()) == 1 and "none.fits: no such file" in result.stderr


def test_unknown_library():
    with pytest.raises(PixsedError, match="must be bc03, fsps or fsps-public, got 'maraston'"):
        SSPOptions("maraston")
