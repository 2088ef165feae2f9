"""`pixsed compare`: files in, lines, table and picture out."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table


def write_masses(path, shift=0.0, number=40):
    rng = np.random.default_rng(3)
    table = Table({"ID": np.arange(number) + 1, "REDSHIFT": rng.uniform(1, 6, number)})
    mass = rng.uniform(8, 11, number)
    for kind, offset in (("RES", 0.1), ("INT", 0.0)):
        for end, width in (("P16", -0.1), ("P50", 0.0), ("P84", 0.1)):
            table[f"{kind}_LOGMSTAR_{end}"] = mass + offset + shift + width
    table.write(path)
    return path


@pytest.fixture
def two(tmp_path):
    return write_masses(tmp_path / "a.ecsv"), write_masses(tmp_path / "b.fits", shift=0.25)


def test_lines_and_table(run_cli, two, tmp_path):
    out = tmp_path / "offsets.ecsv"
    result = run_cli("compare", *two, "-o", out)
    assert result.exit_code == 0, result.output
    assert "offset = median of B - A" in result.stdout and "offset +0.250" in result.stdout
    table = Table.read(out)
    assert list(table["NAME"][::3]) == ["RES_LOGMSTAR", "INT_LOGMSTAR"]
    np.testing.assert_allclose(table["OFFSET"], 0.25)
    assert table.meta["B"] == str(two[1])
    assert "exists already" in str(run_cli("compare", *two, "-o", out).exception)


def test_resolved_against_integrated(run_cli, two, tmp_path):
    out = tmp_path / "offsets.fits"
    result = run_cli("compare", two[0], "--resolved-integrated", "-o", out)
    assert "A = integrated, B = resolved" in result.stdout and "offset +0.100" in result.stdout
    with fits.open(out) as hdulist:
        assert hdulist[1].name == "COMPARE"
        np.testing.assert_allclose(hdulist[1].data["OFFSET"], 0.1)
        assert "median of B - A" in hdulist[1].header.values()
    result = run_cli("compare", *two, "--resolved-integrated")
    assert result.exit_code == 2 and "give no B" in result.output


@pytest.mark.parametrize("suffix, start", [(".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_picture(run_cli, two, tmp_path, suffix, start):
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")
    out = tmp_path / f"offsets{suffix}"
    result = run_cli("compare", *two, "--property", "RES_LOGMSTAR", "--plot", out)
    assert result.exit_code == 0, result.output
    assert out.read_bytes().startswith(start)
    assert "exists already" in str(run_cli("compare", *two, "--plot", out).exception)


@pytest.mark.parametrize(
    "args, message",
    [
        (["--plot", "x.jpeg"], "must end in .png, .pdf or .svg"),
        (["-o", "x.txt"], "a table is written as .fits"),
        (["--property", "AV"], "no AV to compare"),
        (["--id-col", "NAME"], "name one with --id-col"),
    ],
)
def test_faults(run_cli, two, args, message):
    result = run_cli("compare", *two, *args)
    assert result.exit_code != 0 and message in str(result.exception)


def test_never_over_an_input(run_cli, two):
    result = run_cli("compare", *two, "-o", two[0], "--overwrite")
    assert "is an input too" in str(result.exception)


def test_one_output_only(run_cli, two, tmp_path):
    out = tmp_path / "x.fits"
    assert run_cli("compare", *two, "-o", out, "--plot", out).exit_code == 2
