import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from pixsed.errors import PixsedError
from pixsed.io.formats.cube import Binning, Cube, bands_table, read_cube, write_cube

BANDS = ["F444W", "HSC_G", "F606W", "UVIS_F275W"]


@pytest.fixture
def cube(wcs_header):
    rng = np.random.default_rng(5)
    flux = rng.normal(size=(4, 7, 9)).astype(np.float32)
    flux[:, 0, 0] = np.nan
    segmap = np.zeros((7, 9), int)
    segmap[2:5, 3:6] = 531
    segmap[6, 8] = 37
    table = bands_table(
        BANDS,
        instruments=["NIRCAM", "", "ACS", "WFC3/UVIS"],
        pivots=[4.4, np.nan, 0.59, 0.27],
        depths=[0.1, 0.2, 0.3, np.nan],
        sky_rms=[0.11, 0.22, 0.33, 0.44],
        noise_corr=[1, 2, 3, 4],
    )
    return Cube(
        bands=BANDS,
        flux=flux,
        err=np.abs(flux) + 1,
        header=wcs_header(),
        redshift=5.24,
        object_id="531",
        redshift_err=0.1,
        segmap=segmap,
        table=table,
        psfmatch={"F444W": "F444W", "F606W": "none"},
        psf_fwhm={"F444W": 0.145, "F606W": 0.11, "HSC_G": None},
    )


def test_bands_are_put_in_order(cube):
    assert cube.bands == ["UVIS_F275W", "F606W", "F444W", "HSC_G"]
    assert list(cube.table["noise_corr"]) == [4, 3, 1, 2]
    assert cube.shape == (7, 9)
    assert cube.psfmatch == {
        "UVIS_F275W": "unknown",
        "F606W": "none",
        "F444W": "F444W",
        "HSC_G": "unknown",
    }
    assert (cube.psf_fwhm["F606W"], cube.psf_fwhm["F444W"]) == (0.11, 0.145)
    assert np.isnan(cube.psf_fwhm["HSC_G"]) and np.isnan(cube.psf_fwhm["UVIS_F275W"])


def test_a_cube_speaks_astropy(cube, wcs_header):
    assert cube.flux_quantity.unit == cube.err_quantity.unit == u.nJy
    assert np.shares_memory(cube.flux_quantity, cube.flux)
    x, y = [0.0, 8.0], [0.0, 6.0]
    expected = WCS(wcs_header()).all_pix2world(x, y, 0)
    np.testing.assert_allclose(cube.wcs.all_pix2world(x, y, 0), expected, rtol=0, atol=1e-9)
    # A Quantity in another unit, and a WCS in place of a header, make the same cube.
    same = Cube(
        cube.bands,
        cube.flux_quantity.to(u.uJy),
        cube.err_quantity.to(u.uJy),
        cube.wcs,
        redshift=5.24,
        table=cube.table,
    )
    np.testing.assert_allclose(same.flux, cube.flux, rtol=1e-6)
    np.testing.assert_allclose(same.err, cube.err, rtol=1e-6)
    # WCS.to_header rounds to 12 digits.
    np.testing.assert_allclose(same.wcs.all_pix2world(x, y, 0), expected, rtol=0, atol=1e-8)
    assert same.pixar_a2 == pytest.approx(cube.pixar_a2)


def test_round_trip(cube, tmp_path):
    path = tmp_path / "c.fits"
    write_cube(cube, path, inputs=["/a/x.fits"], history=["made"])
    back = read_cube(path)
    assert back.bands == cube.bands
    np.testing.assert_array_equal(back.flux, cube.flux)
    np.testing.assert_array_equal(back.err, cube.err)
    np.testing.assert_array_equal(back.segmap, cube.segmap)
    assert back.flux.dtype == np.float32 and back.flux.dtype.isnative
    assert back.segmap.dtype == np.int32 and back.segmap.dtype.isnative
    assert (back.redshift, back.redshift_err, back.object_id) == (5.24, 0.1, "531")
    assert back.pixar_a2 == pytest.approx(0.0009, rel=1e-9)
    assert back.psfmatch == cube.psfmatch
    np.testing.assert_equal(back.psf_fwhm, cube.psf_fwhm)
    assert not back.table.has_masked_values
    for name in cube.table.colnames:
        np.testing.assert_array_equal(back.table[name], cube.table[name])
        assert back.table[name].unit == cube.table[name].unit
    again = tmp_path / "d.fits"
    write_cube(back, again)
    np.testing.assert_array_equal(read_cube(again).flux, cube.flux)


def test_layout(cube, tmp_path, fitsverify, monkeypatch):
    monkeypatch.setattr("sys.argv", ["pixsed", "cutout", *["a_long_name.fits"] * 30])
    path = tmp_path / "c.fits"
    write_cube(cube, path, inputs=["/a/x.fits"], history=["made"])
    fitsverify(path)
    with fits.open(path) as hdulist:
        names = [hdu.name for hdu in hdulist]
        assert names == [
            "PRIMARY",
            "UVIS_F275W",
            "UVIS_F275W_ERR",
            "F606W",
            "F606W_ERR",
            "F444W",
            "F444W_ERR",
            "HSC_G",
            "HSC_G_ERR",
            "SEGMAP",
            "BANDS",
        ]
        primary = hdulist[0].header
        assert hdulist[0].data is None
        assert (primary["OBJECT"], primary["REDSHIFT"], primary["ZERR"]) == ("531", 5.24, 0.1)
        assert primary["PIXAR_A2"] == pytest.approx(0.0009)
        assert primary["INFILE1"] == "x.fits"
        assert primary["PIXSCMD"].count("a_long_name") == 30
        for name in names[1:9]:
            header = hdulist[name].header
            assert header["BUNIT"] == "nJy"
            error = "1-sigma error of the " if name.endswith("_ERR") else ""
            assert header.comments["BUNIT"] == f"{error}flux density a pixel"
            assert hdulist[name].data.dtype.newbyteorder("=") == np.float32
        assert hdulist["UVIS_F275W"].header["FILTER"] == "F275W"
        assert hdulist["UVIS_F275W"].header["INSTRUME"] == "WFC3/UVIS"
        assert hdulist["F444W"].header["PSFMATCH"] == "F444W"
        assert hdulist["SEGMAP"].data.dtype.newbyteorder("=") == np.int32
        assert "CHECKSUM" in primary and "DATASUM" in hdulist["BANDS"].header
    table = Table.read(path, hdu="BANDS")
    assert table.colnames == [
        "band",
        "instrument",
        "pivot_um",
        "depth_1sigma_njy",
        "sky_rms_njy",
        "noise_corr",
    ]
    assert str(table["depth_1sigma_njy"].unit) == "nJy"


def test_wcs_is_exact(cube, wcs_header, tmp_path):
    write_cube(cube, tmp_path / "c.fits")
    corners = np.array([0.0, 8.0]), np.array([0.0, 6.0])
    sky = WCS(wcs_header()).pixel_to_world(*corners)
    expected = WCS(wcs_header()).world_to_pixel(sky)
    with fits.open(tmp_path / "c.fits") as hdulist:
        for hdu in hdulist[1:-1]:
            got = WCS(hdu.header).world_to_pixel(sky)
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)


def test_without_segmap_or_table(wcs_header, tmp_path):
    plane = np.ones((1, 3, 3))
    cube = Cube(["F444W"], plane, plane, wcs_header(), 1.0)
    write_cube(cube, tmp_path / "c.fits")
    back = read_cube(tmp_path / "c.fits")
    assert back.segmap is None
    assert back.redshift_err == 0
    assert back.table["pivot_um"][0] == pytest.approx(4.4017)
    assert np.isnan(back.table["depth_1sigma_njy"][0])


def test_never_overwrites_unasked(cube, tmp_path):
    path = tmp_path / "c.fits"
    write_cube(cube, path)
    with pytest.raises(PixsedError, match="exists already"):
        write_cube(cube, path)
    write_cube(cube, path, overwrite=True)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"bands": ["F444W"]}, r"flux must be of shape \(1, ny, nx\), got \(2, 3, 4\)"),
        ({"bands": ["F444W", "f444w"]}, "bands must be unique, got F444W twice"),
        ({"bands": []}, "at least one band"),
        ({"err": np.ones((2, 3, 3))}, r"err must be of shape \(2, 3, 4\)"),
        ({"segmap": np.ones((3, 3))}, r"segmap must be of shape \(3, 4\)"),
        ({"redshift": np.inf}, "redshift must be 0 or more, or NaN, got inf"),
        ({"redshift_err": -1.0}, "redshift_err must be 0 or more"),
        ({"table": bands_table(["F444W", "F200W"])}, "one row per band, in the order"),
        ({"table": Table({"band": ["F200W", "F444W"]})}, "must have the columns instrument"),
        ({"header": fits.Header()}, "no celestial WCS"),
    ],
)
def test_inconsistent_parts(wcs_header, change, match):
    parts = {
        "bands": ["F200W", "F444W"],
        "flux": np.ones((2, 3, 4)),
        "err": np.ones((2, 3, 4)),
        "header": wcs_header(),
        "redshift": 1.0,
    }
    Cube(**parts)
    with pytest.raises(PixsedError, match=match):
        Cube(**{**parts, **change})


def _replace(hdulist, column, value):
    """Give a column of the table BANDS another value in each row."""
    table = Table.read(hdulist["BANDS"])
    table[column] = [value] * len(table)
    hdulist["BANDS"] = fits.BinTableHDU(table, name="BANDS")


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda h: h.pop("BANDS"), "is not a pixsed cube: it has no table BANDS; make it with"),
        (lambda h: h.pop("F606W_ERR"), "extension F606W_ERR of its table BANDS is missing"),
        (lambda h: h[0].header.remove("REDSHIFT"), "no number REDSHIFT"),
        (lambda h: h[0].header.set("REDSHIFT", -1.0), "redshift must be 0 or more, or NaN"),
        (lambda h: h["F606W"].header.set("BUNIT", "uJy"), r"\[F606W\]: BUNIT must be nJy .*'uJy'"),
        (lambda h: setattr(h["F606W"], "data", np.ones((2, 2))), "different shapes"),
        (lambda h: h["UVIS_F275W"].header.remove("CTYPE1"), "WCS cannot be read"),
        (
            lambda h: _replace(h, "noise_corr", "x"),
            r"\[BANDS\]: column 'noise_corr' .*row 1 has 'x'",
        ),
        (
            lambda h: _replace(h, "pivot_um", [1, 2]),
            r"'pivot_um' must have one value per row, got 2",
        ),
        (lambda h: setattr(h["SEGMAP"], "data", np.ones((2, 2), "i4")), "segmap must be of shape"),
        (lambda h: h["BANDS"].columns.del_col("pivot_um"), "must have the columns pivot_um"),
    ],
)
def test_damaged_files(cube, tmp_path, damage, match):
    whole, path = tmp_path / "whole.fits", tmp_path / "c.fits"
    write_cube(cube, whole)
    with fits.open(whole) as hdulist:
        damage(hdulist)
        hdulist[0].header.remove("LASTEXT")  # of a file that was cut off
        hdulist.writeto(path, checksum=True)
    with pytest.raises(PixsedError, match=match) as info:
        read_cube(path)
    assert str(path) in str(info.value)
    assert "\n" not in str(info.value)


def test_what_is_no_file(tmp_path):
    with pytest.raises(PixsedError, match="no such file"):
        read_cube(tmp_path / "no.fits")


@pytest.fixture
def binned(cube):
    binmap = np.zeros((7, 9), int)
    binmap[2:5, 3:5], binmap[2:5, 5] = 1, 2
    table = Table({"bin": [1, 2], "npix": [6, 3], "snr": [11.0, 9.5], "x": [4.5, 6], "y": [4, 4.0]})
    cube.binning = Binning(binmap, "voronoi", 10.0, ("F606W", "F444W"), table)
    return cube


def test_binned_cubes(binned, tmp_path, fitsverify):
    path = tmp_path / "b.fits"
    write_cube(binned, path)
    fitsverify(path)
    with fits.open(path) as hdulist:
        assert [hdu.name for hdu in hdulist[-4:]] == ["SEGMAP", "BINMAP", "BINS", "BANDS"]
        primary = hdulist[0].header
        assert primary["BINNED"] is True
        assert (primary["BINMETH"], primary["BINSNR"]) == ("voronoi", 10.0)
        assert primary["BINBANDS"] == "F606W,F444W"
        assert hdulist["BINMAP"].header["CRPIX1"] == hdulist["F444W"].header["CRPIX1"]
    back = read_cube(path).binning
    np.testing.assert_array_equal(back.binmap, binned.binning.binmap)
    assert back.binmap.dtype == np.int32 and back.binmap.dtype.isnative
    assert (back.method, back.snr, back.snr_bands) == ("voronoi", 10.0, ("F606W", "F444W"))
    np.testing.assert_array_equal(back.table["snr"], [11.0, 9.5])
    assert (back.npix[3, 3], back.npix[3, 5], back.npix[0, 0]) == (6, 3, 0)


def test_damaged_bins(binned, tmp_path):
    whole, path = tmp_path / "whole.fits", tmp_path / "b.fits"
    write_cube(binned, whole)

    def damaged(damage):
        with fits.open(whole) as hdulist:
            damage(hdulist)
            hdulist[0].header.remove("LASTEXT")
            hdulist.writeto(path, overwrite=True, checksum=True)
        return path

    with pytest.raises(PixsedError, match="b.fits is a binned cube without its extension BINMAP"):
        read_cube(damaged(lambda h: h.pop("BINMAP")))
    with pytest.raises(PixsedError, match="b.fits: binmap must be of shape"):
        read_cube(damaged(lambda h: setattr(h["BINMAP"], "data", np.ones((2, 2), "i4"))))
    with pytest.raises(PixsedError, match="binmap must have bins counted from 1"):
        read_cube(damaged(lambda h: setattr(h["BINMAP"], "data", np.full((7, 9), -1, "i4"))))
    assert read_cube(damaged(lambda h: h.pop("BINS"))).binning.table is None


def test_segment(cube):
    assert cube.segment().sum() == 9
    cube.object_id = "a name"
    with pytest.warns(UserWarning, match="c.fits: its SEGMAP does not hold OBJECT 'a name'"):
        assert cube.segment("c.fits").all()
    cube.segmap = None
    assert cube.segment().all()
