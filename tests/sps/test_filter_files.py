"""Filter curves in users' files."""

import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from pixsed.errors import PixsedError
from pixsed.sps.filter_files import read_curve

WAVE = np.linspace(9000.0, 11000.0, 21)
THROUGH = np.exp(-0.5 * ((WAVE - 1e4) / 400.0) ** 2)


def write(path, wave=WAVE, through=THROUGH, comment="", separator=" "):
    """Write a text file of two columns."""
    lines = [f"# {comment}"] if comment else []
    lines += [f"{x!r}{separator}{y!r}" for x, y in zip(map(float, wave), through, strict=False)]
    path.write_text("\n".join(lines).replace("np.float64(", "").replace(")", "") + "\n")
    return str(path)


def check(path, unit):
    wave, through, found = read_curve(path)
    assert found == unit
    np.testing.assert_allclose(wave, WAVE, rtol=1e-6)
    np.testing.assert_allclose(through, THROUGH, rtol=1e-6)


@pytest.mark.parametrize("separator", [" ", "\t", ",", ", ", "  ", ";"])
@pytest.mark.parametrize(
    "scale, comment, unit",
    [
        (1.0, "", "Angstrom"),
        (1e-4, "", "micron"),
        (1.0, "wavelength [Angstrom], transmission", "Angstrom"),
        (1.0, "lambda (A) T", "Angstrom"),
        (1.0, "wave_AA thr", "Angstrom"),
        (1e-4, "wavelength_um", "micron"),
        (1e-4, "Microns Throughput", "micron"),
        # Both units, or none of them, and no wavelength in nm: the values tell.
        (1e-4, "converted from Angstrom to micron", "micron"),
        (1.0, "made by hand on a Tuesday", "Angstrom"),
    ],
)
def test_text(tmp_path, separator, scale, comment, unit):
    check(write(tmp_path / "a.dat", WAVE * scale, comment=comment, separator=separator), unit)


def test_descending_wavelengths(tmp_path):
    check(write(tmp_path / "a.dat", WAVE[::-1], THROUGH[::-1]), "Angstrom")


@pytest.mark.parametrize("form", ["fits", "ecsv", "vot", "csv"])
@pytest.mark.parametrize("unit, name", [(u.AA, "Angstrom"), (u.um, "micron")])
def test_tables(tmp_path, form, unit, name):
    path = tmp_path / f"a.{form}"
    table = Table({"Wavelength": (WAVE * u.AA).to(unit), "Transmission": THROUGH})
    if form == "csv":
        table = Table({f"wave_{unit}": table["Wavelength"].value, "T": THROUGH})
    if form == "ecsv":  # other columns do no harm
        table["number"] = np.arange(len(table))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # VOTable deprecates Angstrom
        table.write(path, **({"format": "votable"} if form == "vot" else {}))
    check(str(path), name)


@pytest.mark.parametrize("unit", ["0.1nm", "1e-10 m", "Angstroms", "A", "AA"])
def test_units_that_are_an_angstrom(tmp_path, unit):
    table = Table({"wave": WAVE, "t": THROUGH})
    table["wave"].unit = u.Unit(unit, parse_strict="silent")
    table.write(tmp_path / "a.ecsv")
    check(str(tmp_path / "a.ecsv"), "Angstrom")


def test_extension(tmp_path):
    from astropy.io import fits

    table = Table({"WAVELENGTH": WAVE * u.AA, "THROUGHPUT": THROUGH})
    fits.HDUList(
        [fits.PrimaryHDU(), fits.BinTableHDU(Table({"a": [1]})), fits.BinTableHDU(table, name="T")]
    ).writeto(tmp_path / "a.fits")
    check(f"{tmp_path}/a.fits[T]", "Angstrom")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"wave": WAVE / 10}, r"a.dat: the wavelength must be 2000 to 105000 Angstrom or 0.2 to "),
        ({"wave": WAVE / 10}, r"got 1000 in the mean \(is it in nm\?\); give two columns"),
        ({"wave": WAVE / 10, "comment": "nm"}, "must be in Angstrom or micron, got another unit"),
        ({"wave": 3e14 / WAVE[::-1], "comment": "[Hz]"}, "got another unit .*hz"),
        ({"wave": 3e14 / WAVE[::-1]}, "must be 2000 to 105000 Angstrom"),
        ({"wave": WAVE, "comment": "micron"}, "got 1e.04 micron, in the mean"),
        ({"wave": np.r_[WAVE[:5], WAVE[4:-1]]}, "the wavelength must increase from row to row"),
        ({"wave": np.r_[WAVE[5:], WAVE[:5]]}, "the wavelength must increase from row to row"),
        ({"wave": WAVE[:4]}, "a filter curve must have 5 points or more, got 4"),
        ({"wave": WAVE - 9000}, "the wavelength must be above 0, got 0"),
        ({"through": THROUGH - 0.5}, r"the transmission must not be negative, got -0.4.*; set it"),
        ({"through": 0 * THROUGH}, "the transmission must be above 0 somewhere"),
        ({"through": np.r_[np.nan, THROUGH[1:]]}, "must be numbers, got NaN or infinity"),
    ],
)
def test_what_is_refused(tmp_path, change, message):
    path = write(tmp_path / "a.dat", **change)
    with pytest.raises(PixsedError, match=message) as caught:
        read_curve(path)
    assert "\n" not in str(caught.value)


def test_other_files(tmp_path):
    path = tmp_path / "a.dat"
    with pytest.raises(PixsedError, match="a.dat: no such file"):
        read_curve(str(path))
    path.write_text("1 2 3\n4 5 6\n")
    with pytest.raises(PixsedError, match="a.dat must have two columns, got 3; give two columns"):
        read_curve(str(path))
    path.write_text("# nothing\n")
    with pytest.raises(PixsedError, match="a.dat has no rows; give two columns"):
        read_curve(str(path))
    path.write_text("wave,a,b\n1,2,3\n2,3,4\n")
    with pytest.raises(PixsedError, match="which of its columns are wavelength and transmission"):
        read_curve(str(path))


@pytest.mark.parametrize("unit", ["nm", "m", "THz"])
def test_columns_in_other_units(tmp_path, unit):
    wave = (WAVE * u.AA).to(unit, equivalencies=u.spectral())
    Table({"wave": wave, "t": THROUGH}).write(tmp_path / "a.ecsv")
    with pytest.raises(
        PixsedError, match=f"in Angstrom or micron, got another unit .{unit.lower()}"
    ):
        read_curve(str(tmp_path / "a.ecsv"))
