from astropy.io import fits

from pixsed.sps.ssp import read_ssp


def test_ssp(run_cli, ssp_grid, tmp_path):
    path = tmp_path / "grid.fits"
    result = run_cli("ssp", "--library", "bc03", "--log-u", "-2.5", "--zinterp", "linear",
                     "-o", path)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "7 metallicities x" in result.stderr and not result.stdout
    grid = read_ssp(path)
    assert grid.meta["LOGU"] == -2.5 and grid.meta["ZINTERP"] == "linear"
    assert grid.spectra.shape == ssp_grid.spectra.shape
    header = fits.getheader(path)
    assert header["IMF"] == "Kroupa" and header["SPECLIB"] == "MILES"


def test_overwrite(run_cli, ssp_file, run_pixsed):
    result = run_pixsed("ssp", "--library", "bc03", "-o", ssp_file)
    assert result.returncode == 1 and not result.stdout
    assert len(result.stderr.splitlines()) == 1 and "exists" in result.stderr


def test_log_u(run_pixsed, ssp_grid, tmp_path):
    result = run_pixsed("ssp", "--library", "bc03", "--log-u", "-2.2", "-o", tmp_path / "g.fits")
    assert result.returncode == 1
    assert result.stderr.startswith("pixsed: error: log U must be one of")
    assert len(result.stderr.splitlines()) == 1 and not list(tmp_path.iterdir())


def test_library(run_cli, tmp_path):
    result = run_cli("ssp", "--library", "maraston", "-o", tmp_path / "g.fits")
    assert result.exit_code == 2 and "maraston" in result.stderr
