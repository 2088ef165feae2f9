import builtins
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from scipy.signal import fftconvolve

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.cutout import CutoutOptions, Cutouts, cutout
from pixsed.images.cutout_cube import cut_cube
from pixsed.images.cutout_targets import Job, Target
from pixsed.images.mosaics import Mosaics
from pixsed.images.noise.error_scale import median_error, sky_rms
from pixsed.images.reproject import reproject_plane
from pixsed.images.segmap import SegmentationMap
from pixsed.io.formats.cube import read_cube, write_cube
from pixsed.io.image import ImageFile
from pixsed.io.locate import open_fits, parse_location

NY, NX = 120, 140
TARGET = Target("7", 1.5, 0.1)
OPTIONS = CutoutOptions(segmap="seg.fits", all_ids=True, catalog="z.csv")


@pytest.fixture
def field(write_fits, wcs_header):
    """Two bands in different units, and a map of three segments."""
    rng = np.random.default_rng(9)
    segmap = np.zeros((NY, NX), np.int32)
    segmap[50:60, 70:85] = 7
    segmap[40:48, 80:90] = 8
    segmap[0:5, 0:6] = 9
    planes = {}
    for band, unit, sigma in (("F444W", "uJy", 1e-3), ("F606W", "nJy", 2.0)):
        header = wcs_header(BUNIT=unit, FILTER=band, PSFMATCH="F444W", NOISECOR=3.0)
        data = rng.normal(0, sigma, (NY, NX)) + 50 * sigma * (segmap == 7)
        path = write_fits(f"{band}.fits", SCI=(data, header), ERR=(np.full_like(data, sigma), None))
        planes[band] = (path, data, header)
    seg_path = write_fits("seg.fits", SEG=(segmap, wcs_header()), OTHER=(segmap, None))
    return planes, segmap, seg_path


@pytest.fixture
def opened(field):
    planes, _, seg_path = field
    with ImageFile(planes["F444W"][0]) as a, ImageFile(planes["F606W"][0]) as b:
        with open_fits(seg_path) as hdulist:
            yield Mosaics([a, b], SegmentationMap(hdulist, parse_location(seg_path)))


def test_boxes_of_segments(field, monkeypatch):
    from scipy.ndimage import find_objects

    _, segmap, seg_path = field
    for pixels in (4_000_000, 7 * NX, 1):
        monkeypatch.setattr("pixsed.images.segmap._STRIP_PIXELS", pixels)
        with open_fits(seg_path) as hdulist:
            found = SegmentationMap(hdulist, parse_location(seg_path))
            boxes = found.boxes()
            assert found.boxes([8, 99]) == {8: boxes[8]}
        slices = find_objects(segmap)
        assert boxes == {
            n: (
                slices[n - 1][0].start,
                slices[n - 1][0].stop,
                slices[n - 1][1].start,
                slices[n - 1][1].stop,
            )
            for n in (7, 8, 9)
        }


def test_segmap_must_hold_integers(write_fits, wcs_header):
    path = write_fits("im.fits", SCI=(np.full((5, 5), 0.5), wcs_header()))
    with open_fits(path) as hdulist, pytest.raises(PixsedError, match="does not hold integer ids"):
        SegmentationMap(hdulist, parse_location(path)).read()


def test_float_segmap(write_fits):
    path = write_fits("seg.fits", primary=(np.full((5, 5), 3.0), None))
    with open_fits(path) as hdulist:
        values = SegmentationMap(hdulist, parse_location(path)).read()
    assert values.dtype == np.int64 and (values == 3).all()


def test_cut_is_astropys_cutout(field, opened):
    planes, segmap, _ = field
    box = opened.box_around((50, 60, 70, 85), 10)
    assert box == (40, 70, 60, 95)
    cube, history = cut_cube(opened, TARGET, box)
    assert cube.bands == ["F606W", "F444W"]
    np.testing.assert_array_equal(cube.segmap, segmap[40:70, 60:95])
    assert set(np.unique(cube.segmap)) == {0, 7, 8}
    for band, factor in (("F444W", 1e3), ("F606W", 1.0)):
        _, data, header = planes[band]
        theirs = Cutout2D(data, (77, 54.5), (30, 35), wcs=WCS(header))
        np.testing.assert_allclose(
            cube.flux[cube.bands.index(band)], theirs.data * factor, rtol=1e-5
        )
        sky = theirs.wcs.pixel_to_world([0, 34], [0, 29])
        np.testing.assert_allclose(
            WCS(cube.header).world_to_pixel(sky), theirs.wcs.world_to_pixel(sky), atol=1e-8
        )
    assert (cube.object_id, cube.redshift, cube.redshift_err) == ("7", 1.5, 0.1)
    assert "x 61:95, y 41:70" in history[0]


def test_table_of_bands(opened):
    cube, _ = cut_cube(opened, TARGET, (0, NY, 0, NX))
    assert list(cube.table["instrument"]) == ["ACS", "NIRCAM"]
    np.testing.assert_allclose(cube.table["sky_rms_njy"], [2.0, 1.0], rtol=0.03)
    np.testing.assert_allclose(cube.table["depth_1sigma_njy"], [2.0, 1.0], rtol=1e-5)
    assert list(cube.table["noise_corr"]) == [3, 3]
    assert cube.psfmatch == {"F606W": "F444W", "F444W": "F444W"}
    assert cube.pixar_a2 == pytest.approx(0.0009)


def test_box_is_clipped(opened):
    assert opened.box_around((0, 5, 0, 6), 10) == (0, 15, 0, 16)
    sky = opened.wcs.pixel_to_world(3, 4)
    assert opened.box_at(sky.ra.deg, sky.dec.deg, 0.33) == (0, 10, 0, 9)


def test_box_at_is_centred(opened):
    sky = opened.wcs.pixel_to_world(70.2, 60.1)
    # 0.33 arcsec are 11 pixels of 0.03.
    assert opened.box_at(sky.ra.deg, sky.dec.deg, 0.3299) == (55, 66, 65, 76)
    with pytest.raises(PixsedError, match="RA 53.0.* is not on .*F444W.fits"):
        opened.box_at(53.0, 0.0, 1.0)


@pytest.mark.parametrize("factor", [15.0, 1 / 15])
def test_wrong_errors_warn_and_are_rescaled(field, write_fits, wcs_header, factor):
    planes, _, seg_path = field
    data = planes["F606W"][1]
    path = write_fits(
        "bad.fits", SCI=(data, planes["F606W"][2]), ERR=(np.full_like(data, 2.0 * factor), None)
    )
    with ImageFile(planes["F444W"][0]) as a, ImageFile(path) as b, open_fits(seg_path) as seg:
        mosaics = Mosaics([a, b], SegmentationMap(seg, parse_location(seg_path)))
        with pytest.warns(PixsedWarning, match="F606W (15|0.06).*--rescale-errors") as caught:
            mosaics.warn_of_errors()
        assert "F444W" not in str(caught[0].message)
        cube, history = cut_cube(mosaics, TARGET, (0, NY, 0, NX), rescale_errors=True)
    assert np.median(cube.err[0]) == pytest.approx(2.0, rel=0.03)
    depth, rms = cube.table["depth_1sigma_njy"][0], cube.table["sky_rms_njy"][0]
    assert depth == pytest.approx(rms, rel=0.02)
    assert any("errors of F606W multiplied by" in line for line in history)


def test_errors_are_checked_against_noise_of_varying_depth(write_fits, wcs_header):
    """Correct errors of a mosaic of two depths with a background are found to be correct."""
    rng = np.random.default_rng(4)
    sigma = np.where(np.arange(NX) < NX // 2, 1.0, 10.0) * np.ones((NY, NX))
    data = 7.0 + rng.normal(0, sigma)
    header = wcs_header(BUNIT="nJy", FILTER="F444W")
    paths = [write_fits(f"{f}.fits", SCI=(data, header), ERR=(sigma * f, None)) for f in (1, 2)]
    for path, factor in zip(paths, (1, 2), strict=True):
        with ImageFile(path) as image:
            found = Mosaics([image]).scatter_over_errors()["F444W"]
        assert found == pytest.approx(1 / factor, rel=0.03)


@pytest.mark.parametrize("sentinel", [1e5, 9.9e5, 1e10, 9.9e9, 1e18, 1e25, np.inf, np.nan])
@pytest.mark.parametrize("fraction", [0.02, 0.5, 0.7, 1.0])
def test_sentinels_among_errors_are_ignored(write_fits, wcs_header, sentinel, fraction):
    """Sentinels change neither the factor of the other errors nor the depth."""
    data = np.random.default_rng(5).normal(0, 2.0, (NY, NX))
    gap = np.arange(NX) < fraction * NX
    header = wcs_header(BUNIT="nJy", FILTER="F444W")
    err = np.where(gap, sentinel, 1.0) * np.ones((NY, NX))
    if fraction == 1 and (sentinel < 1e9 or np.isnan(sentinel)):
        return
    path = write_fits("a.fits", SCI=(data, header), ERR=(err, None))
    with warnings.catch_warnings(), ImageFile(path) as image:
        warnings.simplefilter("error")
        mosaics = Mosaics([image])
        factor = mosaics.scatter_over_errors()["F444W"]
        if fraction == 1:
            assert np.isnan(factor)
            mosaics.warn_of_errors()
            return
        assert factor == pytest.approx(2, rel=0.03)
        cube, _ = cut_cube(mosaics, TARGET, (0, NY, 0, NX), rescale_errors=True)
    assert np.allclose(cube.err[0][:, ~gap], 2, rtol=0.03)
    assert not (cube.err[0][:, gap] < 1e5).any()
    assert cube.table["depth_1sigma_njy"][0] == pytest.approx(2, rel=0.03)


def test_neighbours_are_masked(opened):
    kept, _ = cut_cube(opened, TARGET, (30, 70, 60, 100))
    cube, history = cut_cube(opened, TARGET, (30, 70, 60, 100), mask_neighbours=True)
    other = cube.segmap == 8
    assert other.any()
    for plane in (*cube.flux, *cube.err):
        np.testing.assert_array_equal(np.isnan(plane), other)
    np.testing.assert_array_equal(cube.flux[:, ~other], kept.flux[:, ~other])
    np.testing.assert_array_equal(cube.table["sky_rms_njy"], kept.table["sky_rms_njy"])
    assert "other segments masked" in history[-1]


def test_jobs_in_order_read_each_mosaic_once(opened, monkeypatch):
    from pixsed.io import rows as module

    boxes = [(y, y + 12, x, x + 15) for y in range(0, 100, 7) for x in (3, 90, 41)]
    alone = {box: cut_cube(opened, TARGET, box)[0] for box in boxes}
    monkeypatch.setattr("pixsed.images.mosaics._AHEAD_BYTES", 5 * NX * 4 * 60)
    read, real = [], module.read_section
    monkeypatch.setattr(module, "read_section", lambda hdu, y, x: read.append(y) or real(hdu, y, x))
    opened.scatter_over_errors()
    read.clear()
    cutouts = Cutouts(opened, [Job(TARGET, box) for box in boxes], OPTIONS, [])
    found = list(cutouts.cut())
    for cut, box in zip(found, sorted(boxes, key=lambda box: box[::2]), strict=True):
        np.testing.assert_array_equal(cut.cube.flux, alone[box].flux)
        np.testing.assert_array_equal(cut.cube.err, alone[box].err)
        np.testing.assert_array_equal(cut.cube.segmap, alone[box].segmap)
    assert len(read) <= 3 * 5  # parts of five planes; 45 boxes would need 225


def test_no_data_at_all(field, write_fits):
    planes = field[0]
    data = planes["F606W"][1].copy()
    data[:20, :20] = np.nan
    path = write_fits("h.fits", SCI=(data, planes["F606W"][2]), ERR=(np.ones_like(data), None))
    with ImageFile(path) as image, pytest.raises(PixsedError, match="7: no data at its place"):
        cut_cube(Mosaics([image]), TARGET, (0, 20, 0, 20))


def test_band_twice(field):
    path = field[0]["F444W"][0]
    with ImageFile(path) as a, ImageFile(f"F444W={path}") as b:
        with pytest.raises(PixsedError, match="band F444W comes twice, in .* BAND="):
            Mosaics([a, b])


@pytest.mark.parametrize(
    ("shape", "crpix", "match"),
    [((NY, NX - 1), None, "is of shape"), ((NY, NX), (4914.0, 2049.0), "lies 9.36 pixels off")],
)
def test_segmap_of_another_grid(field, write_fits, wcs_header, shape, crpix, match):
    header = wcs_header(crpix=crpix) if crpix else None
    path = write_fits("s.fits", SEG=(np.zeros(shape, np.int32), header))
    with ImageFile(field[0]["F444W"][0]) as image, open_fits(path) as seg:
        with pytest.raises(PixsedError, match=match):
            Mosaics([image], SegmentationMap(seg, parse_location(path)))


def test_reprojection_is_offered(field, write_fits, wcs_header, monkeypatch):
    header = wcs_header(scale=0.06, BUNIT="nJy", FILTER="F160W")
    path = write_fits("w.fits", SCI=(np.ones((50, 50)), header), ERR=(np.ones((50, 50)), None))
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "reproject":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with ImageFile(field[0]["F444W"][0]) as a, ImageFile(path) as b:
        with pytest.raises(PixsedError, match="F160W: not on the pixel grid.*pip install reproj"):
            Mosaics([a, b])


@pytest.mark.parametrize("scale", [0.06, 0.02])
def test_reprojected_flux_and_noise(write_fits, wcs_header, scale):
    pytest.importorskip("reproject")
    rng = np.random.default_rng(3)
    n = round(6.0 / scale)
    here = wcs_header(crpix=(n / 2 + 0.3, n / 2 - 0.4), scale=scale, BUNIT="nJy", FILTER="F160W")
    y, x = np.mgrid[:n, :n]
    source = np.exp(-0.5 * ((x - n / 2) ** 2 + (y - n / 2) ** 2) / (0.3 / scale) ** 2)
    source *= 1e4 / source.sum()
    data = source + rng.normal(0, 1.0, (n, n))
    noise = write_fits("n.fits", SCI=(data - source, here), ERR=(np.ones((n, n)), None))
    whole = write_fits("s.fits", SCI=(source, here), ERR=(np.ones((n, n)), None))
    grid = WCS(wcs_header(crpix=(60.5, 60.5), angle=100.0))
    with ImageFile(whole) as image:
        flux, _, _ = reproject_plane(image, grid, (120, 120))
    assert flux.sum() == pytest.approx(1e4, rel=2e-3)
    with ImageFile(noise) as image:
        flux, err, noise_corr = reproject_plane(image, grid, (120, 120))
    assert np.std(flux) / np.median(err) == pytest.approx(1.0, abs=0.06)
    # Sums over blocks of 20 pixels, 0.6 arcsec.
    sums = flux.reshape(6, 20, 6, 20).sum(axis=(1, 3))
    predicted = np.sqrt((err**2).reshape(6, 20, 6, 20).sum(axis=(1, 3))) * noise_corr
    assert np.std(sums / predicted) == pytest.approx(1.0, abs=0.3)


def test_mosaics_reproject(field, write_fits, wcs_header):
    pytest.importorskip("reproject")
    planes = field[0]
    # The same image a whole number of pixels away: reprojection only moves it.
    header = planes["F606W"][2].copy()
    header["CRPIX1"] -= 10
    header["FILTER"] = "F160W"
    data = planes["F606W"][1][:, 10:]
    path = write_fits("w.fits", SCI=(data, header), ERR=(np.full(data.shape, 2.0), None))
    with ImageFile(planes["F444W"][0]) as a, ImageFile(path) as b:
        with pytest.warns(PixsedWarning, match="F160W: not on the pixel grid of .*; reprojected"):
            mosaics = Mosaics([a, b])
        cube, _ = cut_cube(mosaics, TARGET, (30, 60, 0, 40))
    moved = cube.flux[cube.bands.index("F160W")]
    np.testing.assert_allclose(moved[:, 11:], planes["F606W"][1][30:60, 11:40], atol=0.01)
    assert np.isnan(moved[:, :9]).all()


def test_statistics_of_the_sky():
    rng = np.random.default_rng(1)
    plane = rng.normal(0, 3, (50, 50))
    sky = np.ones((50, 50), bool)
    plane[:10] = 1e5
    sky[:10] = False
    assert sky_rms(plane, sky) == pytest.approx(3, rel=0.08)
    assert np.isnan(sky_rms(plane, np.zeros_like(sky)))
    assert median_error(np.full((50, 50), 2.0), np.zeros_like(sky)) == 2
    assert np.isnan(median_error(np.full((5, 5), np.nan), np.ones((5, 5), bool)))


def test_unknown_unit_is_the_first_error(write_fits, wcs_header):
    header = wcs_header(FILTER="F444W")
    plane = np.ones((5, 5))
    path = write_fits("u.fits", SCI=(plane, header), ERR=(plane, None))
    with ImageFile(path) as image, pytest.raises(PixsedError, match="u.fits has no BUNIT"):
        Mosaics([image])


def test_segmap_named_extension(write_fits):
    planes = {name: (np.full((4, 4), n), None) for n, name in enumerate(("A", "SEG", "B"))}
    path = write_fits("seg.fits", **planes)
    with open_fits(path) as hdulist:
        assert SegmentationMap(hdulist, parse_location(path)).read()[0, 0] == 1
        assert SegmentationMap(hdulist, parse_location(path + "[B]")).read()[0, 0] == 2
    with fits.open(path) as hdulist:
        assert hdulist["SEG"].data[0, 0] == 1


def test_cutout_is_the_command(field, run_cli, tmp_path):
    """The library and `pixsed cutout` give the same cube."""
    planes, _, seg_path = field
    images = [planes[band][0] for band in ("F444W", "F606W")]
    chosen = CutoutOptions(segmap=Path(seg_path), ids=(7,), redshift=1.5)
    (cube,) = cutout(map(Path, images), chosen)
    out = tmp_path / "7.fits"
    options = ("--segmap", seg_path, "--id", "7", "--redshift", "1.5", "-o", out)
    run_cli("cutout", *images, *options)
    written = read_cube(str(out))
    assert written.bands == cube.bands and written.object_id == cube.object_id
    np.testing.assert_array_equal(written.flux, cube.flux)
    np.testing.assert_array_equal(written.err, cube.err)
    np.testing.assert_array_equal(written.segmap, cube.segmap)


def test_cutout_takes_astropy_types(field, opened):
    """A `SkyCoord` and a `Quantity` mean the same as degrees and arcsec."""
    image = (field[0]["F444W"][0], {"err": "sky"})
    sky = opened.wcs.pixel_to_world(70.2, 60.1)
    plain = CutoutOptions(position=(sky.ra.deg, sky.dec.deg), size=0.6, redshift=1.5)
    typed = CutoutOptions(position=sky, size=0.01 * u.arcmin, redshift=1.5)
    (one,), (other,) = (cutout([image], options) for options in (plain, typed))
    assert one.shape == (20, 20) and one.object_id == other.object_id
    np.testing.assert_array_equal(one.flux, other.flux)


@pytest.mark.parametrize(
    ("select", "names"),
    [
        ({"ids": (8,)}, ["8"]),
        ({"all_ids": True}, ["7", "8", "9"]),
        ({"position": True, "size": 0.6}, None),
        ({"region": "image;circle(75,55,6) # text={5}"}, ["5"]),
    ],
)
def test_galaxies_without_a_redshift(select, names, field, opened, tmp_path):
    """Whatever selects them, and in a file: the card has no value, as FITS writes it."""
    select = dict(select)
    if select.get("position"):
        select["position"] = opened.wcs.pixel_to_world(70.2, 60.1)
    elif "region" in select:
        pytest.importorskip("regions", reason="regions are read by that package")
        region = tmp_path / "r.reg"
        region.write_text(select["region"] + "\n")
        select["region"] = str(region)
    else:
        select["segmap"] = field[2]
    image = (field[0]["F444W"][0], {"err": "sky"})
    cubes = cutout([image], CutoutOptions(no_redshift=True, **select))
    assert names is None or sorted(cube.object_id for cube in cubes) == names
    for cube in cubes:
        assert np.isnan(cube.redshift) and cube.redshift_err == 0
    write_cube(cubes[0], tmp_path / "cube.fits")
    header = fits.getheader(tmp_path / "cube.fits")
    assert "REDSHIFT" in header and header["REDSHIFT"] is None
    assert np.isnan(read_cube(tmp_path / "cube.fits").redshift)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give --segmap with --id or --all"),
        ({"segmap": "s"}, "say which galaxies"),
        ({"segmap": "s", "ids": (1, 2), "redshift": 1.0}, "--redshift is of one galaxy"),
        ({"segmap": "s", "ids": (1,)}, "give one of --redshift, --catalog and --no-redshift"),
        (
            {"segmap": "s", "ids": (1,), "redshift": 1.0, "no_redshift": True},
            "give one of --redshift, --catalog and --no-redshift",
        ),
        (
            {"region": "r", "catalog": "c", "no_redshift": True},
            "give one of --redshift, --catalog and --no-redshift",
        ),
        ({"region": "r", "ids": (1,)}, "--region goes without"),
        ({"region": "r", "catalog": "c", "neighbours": "mask"}, "mask needs --segmap"),
        ({"region": "r", "catalog": "c", "neighbours": "x"}, "neighbours must be one of"),
        ({"region": "r", "catalog": "c", "pad": "half"}, "pad, if it is not 'full', must be"),
        ({"region": "r", "catalog": "c", "pad": -1}, "pad, if it is not 'full', must be"),
        ({"region": "r", "catalog": "c", "size": 1.0}, "--size goes with --position"),
        ({"region": "r", "catalog": "c", "redshift_err": 1.0}, "goes with --redshift"),
        ({"position": (1, 2), "size": 1.0}, "--position needs --size and --redshift"),
        ({"position": (1, 2), "segmap": "s"}, "--position goes without --segmap"),
    ],
)
def test_options_that_exclude_each_other(options, message):
    with pytest.raises(PixsedError, match=message):
        CutoutOptions(**options)


def test_noise_correlation_that_no_header_tells(write_fits, wcs_header):
    """It is measured on the sky; the header of the second band tells it."""
    rng = np.random.default_rng(4)
    noise = fftconvolve(rng.standard_normal((NY + 2, NX + 2)), np.ones((3, 3)) / 3, mode="valid")
    planes = {
        "F200W": (noise, {}),
        "F444W": (rng.standard_normal((NY, NX)), {"NOISECOR": 2.0}),
        "F606W": (rng.standard_normal((NY, NX)), {}),
    }
    files = [
        write_fits(
            f"{band}.fits",
            SCI=(data, wcs_header(FILTER=band, BUNIT="nJy", **cards)),
            ERR=(np.ones((NY, NX)), None),
        )
        for band, (data, cards) in planes.items()
    ]
    with ImageFile(files[0]) as a, ImageFile(files[1]) as b, ImageFile(files[2]) as c:
        cube, history = cut_cube(Mosaics([a, b, c]), TARGET, (30, 60, 40, 80))
    assert cube.bands == ["F606W", "F200W", "F444W"]
    np.testing.assert_allclose(cube.table["noise_corr"], [1.0, 3.0, 2.0], rtol=0.1)
    rho = cube.autocorrelation
    assert np.isnan(rho[2]).all()
    middle = rho.shape[1] // 2
    np.testing.assert_allclose(rho[1, middle, middle : middle + 3], [1, 2 / 3, 1 / 3], atol=0.05)
    assert rho[0].sum() == 1.0
    assert any("noise correlation measured on the sky: F200W, F606W" in line for line in history)
