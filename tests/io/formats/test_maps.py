"""Maps files: layout, headers and reader."""

import shutil
import subprocess
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import Table
from astropy.wcs import WCS

from pixsed.dq import DQ
from pixsed.errors import PixsedError
from pixsed.io.formats.maps import Maps, maps_layout, read_maps
from pixsed.io.writers.maps import MapsWriter
from pixsed.properties import PROPERTIES, quantile_name

QUANTILES = (0.5, 0.025, 0.84)


def write_maps(path, planes, header, **options):
    """Write planes as `pixsed fit` does, in one box."""
    layout = maps_layout(
        list(PROPERTIES),
        QUANTILES,
        header=header,
        units=PROPERTIES,
        binned="BINMAP" in planes,
        **options,
    )
    shape = next(iter(planes.values())).shape
    with MapsWriter(path, layout, shape, 1, {}) as writer:
        for name, plane in planes.items():
            writer.place(name, plane)
        writer.commit({})


@pytest.fixture(scope="module")
def wcs_header():
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    header["CRPIX1"], header["CRPIX2"] = -10234.123456789012, 4711.5
    header["CRVAL1"], header["CRVAL2"] = 53.16, -27.79
    header["CD1_1"], header["CD1_2"] = -8.3e-6, 1.1e-7
    header["CD2_1"], header["CD2_2"] = 1.1e-7, 8.3e-6
    header["A_ORDER"], header["B_ORDER"] = 2, 2
    header["A_2_0"], header["B_0_2"] = 1e-9, -2e-9
    return header


@pytest.fixture(scope="module")
def maps_file(tmp_path_factory, wcs_header):
    names = list(PROPERTIES)
    rng = np.random.default_rng(0)
    planes = {}
    for name in names:
        for suffix in [*map(quantile_name, QUANTILES), "STD"]:
            plane = rng.normal(size=(4, 6)).astype(np.float32)
            plane[0] = np.nan
            planes[f"{name}_{suffix}"] = plane
    for name, kind in dict(SNR="f4", NBANDS="i2", OOD="f4", CHI2="f4", DQ="i4").items():
        planes[name] = np.ones((4, 6), kind)
    path = tmp_path_factory.mktemp("maps") / "maps.fits"
    cards = {
        "OBJECT": ("531", "galaxy"),
        "REDSHIFT": 2.0,
        "MODELSHA": ("f" * 64, "SHA-256"),
        "NFIT": 18,
        "SNRBANDS": ("F277W,F444W", "bands"),
        "FITBANDS": (",".join(["F444W"] * 29), "bands"),
    }
    write_maps(
        path,
        planes,
        wcs_header,
        cards=cards,
        inputs=["a/cube.fits"],
        history=["fit: 18 pixels"],
    )
    return path, planes, names


def test_order(maps_file):
    path, _, names = maps_file
    expected = ["PRIMARY"]
    for name in names:
        expected += [f"{name}_P50", f"{name}_P025", f"{name}_P84", f"{name}_STD"]
    expected += ["SNR", "NBANDS", "OOD", "CHI2", "DQ", "MAPS"]
    with fits.open(path) as hdulist:
        assert [hdu.name for hdu in hdulist] == expected
        assert hdulist[1].name == "LOGMSTAR_P50"
        assert hdulist[0].data is None


def test_data_and_types(maps_file):
    path, planes, _ = maps_file
    with fits.open(path) as hdulist:
        for name, plane in planes.items():
            np.testing.assert_array_equal(hdulist[name].data, plane)
            assert hdulist[name].data.dtype.newbyteorder("=") == plane.dtype


def test_headers(maps_file):
    path, _, names = maps_file
    with fits.open(path) as hdulist:
        for name in names:
            header = hdulist[f"{name}_P025"].header
            assert header["BUNIT"] == PROPERTIES[name][0]
            u.Unit(header["BUNIT"])
            assert header["PROPERTY"] == name
            assert header["QUANTILE"] == 0.025
            assert hdulist[f"{name}_STD"].header["QUANTILE"] == "STD"
        assert hdulist["DQ"].header["DQBIT0"].startswith("1: outside")
        assert hdulist["DQ"].header["DQBIT5"].startswith("32: redshift")
        assert {hdu.header["OBJECT"] for hdu in hdulist[:-1]} == {"531"}
        primary = hdulist[0].header
        assert primary["MODELSHA"] == "f" * 64
        assert len(primary["FITBANDS"].split(",")) == 29
        assert primary["INFILE1"] == "cube.fits"
        assert "CHECKSUM" in primary and "CREATOR" in primary
        assert "fit: 18 pixels" in str(primary["HISTORY"])


def test_wcs_is_the_cubes(maps_file, wcs_header):
    path, _, _ = maps_file
    x, y = np.array([0.0, 5.0, 2.0]), np.array([0.0, 3.0, 1.0])
    expected = WCS(wcs_header).all_pix2world(x, y, 0)
    with fits.open(path) as hdulist:
        for hdu in hdulist[1:-1]:
            found = WCS(hdu.header).all_pix2world(x, y, 0)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_table_maps(maps_file):
    path, planes, _ = maps_file
    table = Table.read(path, hdu="MAPS")
    assert table.colnames == ["extname", "property", "quantile", "unit", "description"]
    table.convert_bytestring_to_unicode()
    assert [name.strip() for name in table["extname"]] == list(planes)
    row = table[1]
    assert (row["property"].strip(), row["quantile"], row["unit"].strip()) == (
        "LOGMSTAR",
        0.025,
        "dex(solMass)",
    )


def test_astropy_reads_every_plane_with_its_unit(maps_file):
    path, planes, names = maps_file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wcslib's notices of the SIP header
        for name in [f"{n}_P50" for n in names] + ["OOD"]:
            CCDData.read(path, hdu=name)
        assert CCDData.read(path, hdu="LOGMSTAR_P50").unit == u.dex(u.solMass)


def test_never_over_another_unasked(maps_file, wcs_header):
    path, planes, names = maps_file
    with pytest.raises(PixsedError, match="exists already"):
        write_maps(path, planes, wcs_header)


@pytest.mark.skipif(shutil.which("fitsverify") is None, reason="fitsverify is not installed")
def test_fitsverify(maps_file):
    found = subprocess.run(["fitsverify", str(maps_file[0])], capture_output=True, text=True)
    assert "found 0 warning(s) and 0 error(s)" in found.stdout


def test_binmap(maps_file, wcs_header, tmp_path):
    _, planes, names = maps_file
    binmap = np.arange(24, dtype=np.int32).reshape(4, 6)
    write_maps(tmp_path / "m.fits", {**planes, "BINMAP": binmap}, wcs_header)
    with fits.open(tmp_path / "m.fits") as hdulist:
        assert [hdu.name for hdu in hdulist[-3:]] == ["DQ", "BINMAP", "MAPS"]
        np.testing.assert_array_equal(hdulist["BINMAP"].data, binmap)
        assert hdulist["MAPS"].data["extname"][-1].strip() == "BINMAP"
    assert np.array_equal(read_maps(tmp_path / "m.fits").planes["BINMAP"], binmap)


def test_bits_that_are_never_set(wcs_header):
    options = dict(header=wcs_header, units=PROPERTIES)
    known, unknown = (
        maps_layout(["AV"], [0.5], unset=unset, **options).planes["DQ"][1]
        for unset in (None, {DQ.OUT_OF_DISTRIBUTION: "OOD is not known"})
    )
    assert known["DQBIT3"].startswith("8: out of distribution")
    assert unknown["DQBIT3"] == "8: never set: OOD is not known"
    assert unknown["DQBIT4"] == known["DQBIT4"]


def test_predicted_fluxes(wcs_header):
    layout = maps_layout(
        ["AV"], [0.5], header=wcs_header, units=PROPERTIES, flux_errors={"F115W": 0.02}
    )
    names = list(layout.planes)
    assert names == ["AV_P50", "AV_STD", "F115W_MODEL", "SNR", "NBANDS", "OOD", "CHI2", "DQ"]
    header = layout.planes["F115W_MODEL"][1]
    assert (header["BUNIT"], header["RELERR"]) == ("nJy", 0.02) and "QUANTILE" not in header
    row = layout.table.data[2]
    assert [row["extname"], row["property"], row["unit"]] == ["F115W_MODEL"] * 2 + ["nJy"]
    assert row["description"] == "predicted flux in F115W, of the draw closest to the photometry"
    assert np.isnan(row["quantile"])


def test_read_maps(maps_file, wcs_header):
    path, planes, names = maps_file
    maps = read_maps(path)
    assert maps.properties == names
    assert maps.quantiles == QUANTILES
    assert list(maps.planes) == list(planes)
    for name, plane in planes.items():
        assert maps.planes[name].dtype == plane.dtype
        np.testing.assert_array_equal(maps.planes[name], plane)
    assert (maps.shape, maps.nfit, maps.nbins) == ((4, 6), 18, None)
    assert maps.snr_bands == ["F277W", "F444W"]
    assert maps.primary["OBJECT"] == "531"
    assert maps.dq is maps.planes["DQ"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wcslib's notices of the SIP header
        expected = WCS(wcs_header).all_pix2world([0.0, 5.0], [0.0, 3.0], 0)
    np.testing.assert_allclose(maps.wcs.all_pix2world([0.0, 5.0], [0.0, 3.0], 0), expected)


def test_maps_of_one_extension(maps_file):
    maps = read_maps(maps_file[0], ["AV_P50"])
    assert list(maps.planes) == ["AV_P50"]
    assert "LOGMSTAR" in maps.properties


def test_maps_are_quantities(maps_file):
    path, planes, names = maps_file
    maps = read_maps(path)
    for name in names:
        assert maps.quantile(name).unit == u.Unit(PROPERTIES[name][0])
    found = maps.quantile("LOGMSTAR", 0.025)
    np.testing.assert_array_equal(found.value, planes["LOGMSTAR_P025"])
    np.testing.assert_allclose(
        found.physical.to_value(u.solMass)[1:], 10.0 ** planes["LOGMSTAR_P025"][1:], rtol=1e-6
    )
    np.testing.assert_array_equal(maps.std("AGE").to_value(u.Gyr), planes["AGE_STD"])
    with pytest.raises(PixsedError, match=r"no map AV_P16; .* the quantiles 0.5, 0.025, 0.84"):
        maps.quantile("AV", 0.16)


def test_maps_that_no_file_holds():
    maps = Maps(["AV"], (0.5,), {"AV_P50": np.ones((2, 3), np.float32)})
    assert maps.quantile("AV").unit == u.mag
    assert maps.shape == (2, 3)
    with pytest.raises(PixsedError, match="must have a WCS"):
        _ = maps.wcs


def test_files_that_hold_no_maps(maps_file, tmp_path):
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(PixsedError, match="empty.fits holds no maps; make them with pixsed fit"):
        read_maps(tmp_path / "empty.fits")
    with pytest.raises(PixsedError, match="has no extension AV_P16"):
        read_maps(maps_file[0], ["AV_P50", "AV_P16"])
    with fits.open(maps_file[0]) as hdulist:
        name = hdulist[2].name
        hdulist[2].data = hdulist[2].data.T.copy()
        hdulist.writeto(tmp_path / "turned.fits", checksum=True)
    with pytest.raises(PixsedError, match="turned.fits: its maps have different shapes"):
        read_maps(tmp_path / "turned.fits")
    assert name in read_maps(tmp_path / "turned.fits", [name]).planes
