"""`pixsed fit` of mosaics gives the values of the model, and those of cubes cut out of them."""

import os
import pickle

import fakes
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.fit.draws import base_normals
from pixsed.fit.model import Model

NY, NX = 60, 70
BANDS = "F115W F200W F277W F356W F444W".split()
REDSHIFTS = {3: 2.0, 4: 3.5, 9: 1.0}


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return fakes.fake_model(tmp_path_factory.mktemp("model") / "fake.onnx")


@pytest.fixture
def scene(tmp_path, wcs_header):
    """Write mosaics of three galaxies, map and catalogue; return the command-line arguments."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:NY, :NX]
    segmap = np.zeros((NY, NX), np.int32)
    light = np.zeros((NY, NX))
    for number, (cy, cx) in {3: (20, 18), 4: (38, 50), 9: (10, 55)}.items():
        r2 = (y - cy) ** 2 + (x - cx) ** 2
        segmap[r2 < 64] = number
        light += 20 * np.exp(-r2 / 40)
    images = []
    for i, band in enumerate(BANDS):
        flux = light * (1 + 0.2 * i) + rng.normal(0, 0.5, light.shape)
        flux[20, 18 + i % 2] = np.nan
        scale, unit = (1e-3, "uJy") if i % 2 else (1.0, "nJy")
        err = np.full(flux.shape, 0.5 * scale)
        hdus = [
            fits.PrimaryHDU(),
            fits.ImageHDU(
                (flux * scale).astype("f4"), wcs_header(BUNIT=unit, FILTER=band), name="SCI"
            ),
        ]
        # The first image has an inverse variance.
        hdus.append(
            fits.ImageHDU(
                (err**-2 if i == 0 else err).astype("f4"),
                wcs_header(),
                name="WHT" if i == 0 else "ERR",
            )
        )
        fits.HDUList(hdus).writeto(tmp_path / f"{band}.fits")
        images.append(f"{band}={tmp_path}/{band}.fits")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(segmap, wcs_header(), name="SEG")]).writeto(
        tmp_path / "seg.fits"
    )
    Table({"id": list(REDSHIFTS), "z_spec": list(REDSHIFTS.values())}).write(tmp_path / "z.csv")
    # Not in the order of wavelength.
    return images[::-1], segmap


def planes(path):
    with fits.open(path) as hdulist:
        return {hdu.name: hdu.data.copy() for hdu in hdulist[1:-1]}, hdulist[0].header


@pytest.fixture
def fit(run_cli, scene, model_path, tmp_path):
    def run(*args, out="maps.fits"):
        result = run_cli(
            "fit", *scene[0], *args, "--model", model_path, "--samples", 40, "-o", tmp_path / out
        )
        return result, tmp_path / out

    return run


def with_catalog(tmp_path):
    return "--segmap", tmp_path / "seg.fits", "--catalog", tmp_path / "z.csv"


def test_the_same_as_cubes_cut_out(scene, fit, run_cli, model_path, tmp_path, fitsverify):
    images, segmap = scene
    result, out = fit(*with_catalog(tmp_path), "--model-fluxes")
    assert result.exit_code == 0, result.exception
    fitsverify(out)
    found, header = planes(out)
    assert [name for name in found if name.endswith("_MODEL")] == [f"{b}_MODEL" for b in BANDS]
    assert "REDSHIFT" not in header and "OBJECT" not in header
    assert [header[f"INFILE{i}"] for i in (1, 5, 6, 7)] == [
        "F444W.fits",
        "F115W.fits",
        "seg.fits",
        "z.csv",
    ]
    assert "SEGMAP" not in found and header["FITBANDS"] == ",".join(BANDS)
    cubes = tmp_path / "cubes"
    result = run_cli("cutout", *images, *with_catalog(tmp_path), "--all", "-o", cubes)
    assert result.exit_code == 0, result.exception
    fitted = np.zeros(segmap.shape, bool)
    for number, redshift in REDSHIFTS.items():
        maps = tmp_path / f"{number}.fits"
        options = "--model", model_path, "--samples", 40, "--model-fluxes"
        result = run_cli("fit", cubes / f"{number}.fits", *options, "-o", maps)
        assert result.exit_code == 0
        small, head = planes(maps)
        assert head["REDSHIFT"] == redshift
        with fits.open(maps) as hdulist, fits.open(out) as whole:
            shift = [
                round(whole[1].header[f"CRPIX{i}"] - hdulist[1].header[f"CRPIX{i}"]) for i in (2, 1)
            ]
        box = tuple(slice(s, s + n) for s, n in zip(shift, small["SNR"].shape, strict=True))
        mine = segmap[box] == number
        fitted[box] |= mine & np.isfinite(small["LOGMSTAR_P50"])
        for name, plane in small.items():
            assert plane.dtype == found[name].dtype
            np.testing.assert_array_equal(found[name][box][mine], plane[mine], err_msg=name)
    np.testing.assert_array_equal(np.isfinite(found["LOGMSTAR_P50"]), fitted)
    assert header["NFIT"] == fitted.sum() > 100
    np.testing.assert_array_equal(found["DQ"] & 1, segmap == 0)


def test_against_the_model(scene, fit, model_path, tmp_path):
    """Compute the quantiles of one pixel from the numbers in the file."""
    _, out = fit(*with_catalog(tmp_path))
    found, _ = planes(out)
    model = Model(model_path)
    y, x = 36, 48
    flux, err = (np.full((1, len(model.bands)), np.nan, np.float32) for _ in range(2))
    for i, band in enumerate(BANDS):
        place = model.bands.index(band)
        with fits.open(tmp_path / f"{band}.fits") as hdulist:
            factor = 1e3 if i % 2 else 1.0
            flux[0, place] = np.float32(factor * float(hdulist["SCI"].data[y, x]))
            crpix = hdulist["SCI"].header["CRPIX1"], hdulist["SCI"].header["CRPIX2"]
        err[0, place] = 0.5
    key_x, key_y = (int(n - np.floor(c - 0.5 + 1e-6)) for n, c in zip((x, y), crpix, strict=True))
    base = base_normals(42, [key_y], [key_x], 40, model.base_dim)
    draws, _ = model.sample(flux, err, [REDSHIFTS[4]], [0.0], base)
    for i, name in enumerate(model.parameters[:5]):
        values = draws[0, :, i].astype(float)
        # A quantile is the mean of those within 0.3 of the distance to 0 or 1, 0.05 at most.
        around = np.linspace(0.84 - 0.048, 0.84 + 0.048, 4001)
        expected = np.quantile(values, around, method="hazen").mean()
        np.testing.assert_allclose(found[f"{name}_P84"][y, x], expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found[f"{name}_STD"][y, x], values.std(), rtol=1e-5)


def test_tiles_parts_and_options_of_cutout(scene, fit, run_cli, tmp_path):
    images, _ = scene
    _, out = fit(*with_catalog(tmp_path))
    expected, _ = planes(out)
    result, tiled = fit(*with_catalog(tmp_path), "--tile", "7,23", "--jobs", 2, out="tiled.fits")
    assert result.exit_code == 0
    found, _ = planes(tiled)
    assert all(found[name].tobytes() == plane.tobytes() for name, plane in expected.items())
    parts = []
    for i in (1, 2):
        result, part = fit(*with_catalog(tmp_path), "--part", f"{i}/2", out=f"part{i}.fits")
        parts.append(part)
    assert run_cli("merge", *parts, "-o", tmp_path / "merged.fits").exit_code == 0
    found, _ = planes(tmp_path / "merged.fits")
    assert all(found[name].tobytes() == plane.tobytes() for name, plane in expected.items())
    # Errors of one band from another extension, and its unit.
    with fits.open(tmp_path / "F115W.fits") as hdulist:
        hdulist["SCI"].header["BUNIT"] = "counts"
        hdulist["WHT"].data[:] = 1.0 / 0.25
        hdulist.writeto(tmp_path / "F115W.fits", overwrite=True)
    result, _ = fit(*with_catalog(tmp_path), out="b.fits")
    assert "--unit" in str(result.exception) and result.exit_code == 1
    result, b = fit(
        *with_catalog(tmp_path), "--unit", "F115W=nJy", "--err", "F115W=WHT", out="b.fits"
    )
    assert result.exit_code == 0, result.exception
    np.testing.assert_array_equal(planes(b)[0]["SNR"], expected["SNR"])
    np.testing.assert_array_equal(planes(b)[0]["AV_P50"], expected["AV_P50"])


def test_tile_compressed(scene, fit, tmp_path):
    """Lossless compression, in tiles that do not agree with strips of rows, gives the same maps."""
    _, out = fit(*with_catalog(tmp_path))
    for name in ("F200W", "F444W"):
        with fits.open(tmp_path / f"{name}.fits") as hdulist:
            hdus = [fits.PrimaryHDU()]
            for hdu in hdulist[1:]:
                packed = fits.CompImageHDU(
                    hdu.data,
                    hdu.header,
                    compression_type="GZIP_2",
                    quantize_level=0,
                    tile_shape=(16, 16),
                    name=hdu.name,
                )
                hdus.append(packed)
        fits.HDUList(hdus).writeto(tmp_path / f"{name}.fits", overwrite=True)
    result, packed = fit(*with_catalog(tmp_path), "--tile", "7,70", out="packed.fits")
    assert result.exit_code == 0, result.exception
    expected, found = planes(out)[0], planes(packed)[0]
    assert all(found[name].tobytes() == plane.tobytes() for name, plane in expected.items())


def test_another_extension_is_another_input(scene, run_cli, model_path, tmp_path):
    """The files have the same bytes, so the hashes of the inputs are equal."""
    images = scene[0]
    args = (
        "--redshift",
        2,
        "--model",
        model_path,
        "--samples",
        40,
        "--err",
        "F115W=sky",
        "--resume",
        "-o",
        tmp_path / "maps.fits",
    )
    assert run_cli("fit", *images, *args).exit_code == 0
    assert "done already" in run_cli("fit", *images, *args).stderr
    result = run_cli("fit", *images[:-1], f"{images[-1]}[WHT]", *args, "--unit", "F115W=nJy")
    assert "made from another input or with other options" in str(result.exception)


def test_redshift_map(scene, fit, tmp_path, wcs_header):
    _, segmap = scene
    redshift = np.full(segmap.shape, np.nan, "f4")
    for number, value in REDSHIFTS.items():
        redshift[segmap == number] = value
    path = tmp_path / "zmap.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(redshift, wcs_header(), name="Z")]).writeto(path)
    _, by_catalog = fit(*with_catalog(tmp_path))
    result, out = fit("--redshift-map", path, out="z.fits")
    assert result.exit_code == 0, result.exception
    expected, found = planes(by_catalog)[0], planes(out)[0]
    inside = segmap > 0
    for name in ("LOGMSTAR_P50", "LOGSIGMA_P84", "AGE_P16", "OOD"):
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    np.testing.assert_array_equal((found["DQ"] & 64) > 0, ~inside)
    with fits.open(out) as hdulist:
        assert hdulist["DQ"].header["DQBIT6"].startswith("64: no redshift")
    # Redshift errors in a second extension.
    fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(redshift, wcs_header(), name="Z"),
            fits.ImageHDU(np.full_like(redshift, 0.05), name="ZERR"),
        ]
    ).writeto(path, overwrite=True)
    result, out = fit("--redshift-map", path, out="ze.fits")
    assert result.exit_code == 0, result.exception
    found, _ = planes(out)
    fitted = np.isfinite(found["AV_P50"])
    np.testing.assert_allclose(found["REDSHIFT_P50"][fitted], redshift[fitted], atol=0.02)
    result, _ = fit(
        "--redshift-map", f"{path}[1]", "--segmap", tmp_path / "seg.fits", out="zs.fits"
    )
    assert result.exit_code == 0
    with fits.open(path) as hdulist:
        fits.ImageHDU(hdulist[1].data[:-1]).writeto(tmp_path / "short.fits")
    result, _ = fit("--redshift-map", tmp_path / "short.fits", out="zz.fits")
    assert "give redshifts on the first image's grid" in str(result.exception)


def test_one_redshift_and_all_pixels(scene, fit, tmp_path):
    _, segmap = scene
    result, out = fit("--redshift", 2, "--redshift-err", 0.1)
    assert result.exit_code == 0, result.exception
    found, header = planes(out)
    assert (header["REDSHIFT"], header["ZERR"]) == (2.0, 0.1)
    assert not (found["DQ"] & 1).any() and "REDSHIFT_P50" in found
    result, out = fit(
        *with_catalog(tmp_path), "--all-pixels", "--redshift", 2, "--snr-min", -9, out="all.fits"
    )
    assert result.exit_code == 0, result.exception
    everything, _ = planes(out)
    # One pixel has data in two bands.
    assert np.isfinite(everything["AV_P50"]).sum() == segmap.size - 1
    # A galaxy at z = 2 has the same values, the sky has the redshift of the option.
    _, known = fit(*with_catalog(tmp_path), "--snr-min", -9, out="known.fits")
    inside = segmap > 0
    np.testing.assert_array_equal(
        planes(known)[0]["AGE_P50"][inside], everything["AGE_P50"][inside]
    )
    result, out = fit("--redshift", 2, "--snr-min", -9, out="two.fits")
    same = ~inside | (segmap == 3)
    np.testing.assert_array_equal(planes(out)[0]["AGE_P50"][same], everything["AGE_P50"][same])


def test_galaxies_without_a_redshift(scene, fit, tmp_path):
    _, segmap = scene
    Table({"id": [3, 4, 5], "z_spec": [2.0, -1.0, 9.0]}).write(tmp_path / "z.csv", overwrite=True)
    result, out = fit(*with_catalog(tmp_path))
    assert any("2 of 3 galaxies have no redshift in" in text for text in result.warned)
    found, _ = planes(out)
    assert set(np.unique(segmap[np.isfinite(found["AV_P50"])])) == {3}
    np.testing.assert_array_equal((found["DQ"] & 64) > 0, segmap != 3)
    Table({"id": [7], "z_spec": [2.0]}).write(tmp_path / "z.csv", overwrite=True)
    result, _ = fit(*with_catalog(tmp_path), out="b.fits")
    assert "no galaxy of" in str(result.exception)
    Table({"id": [3, 3], "z_spec": [2.0, 3.0]}).write(tmp_path / "z.csv", overwrite=True)
    result, _ = fit(*with_catalog(tmp_path), out="b.fits")
    assert "id 3 comes twice" in str(result.exception)
    Table({"id": [3, 4, 9], "z_spec": [2.0, 8.5, 1.0]}).write(tmp_path / "z.csv", overwrite=True)
    result, out = fit(*with_catalog(tmp_path), out="c.fits")
    assert any(text.endswith(": id 4") for text in result.warned if "outside the range" in text)
    found, _ = planes(out)
    np.testing.assert_array_equal((found["DQ"] & 32) > 0, segmap == 4)
    assert set(np.unique(segmap[np.isfinite(found["AV_P50"])])) == {3, 9}


def test_workers_elsewhere_find_the_files(scene, run_cli, model_path, tmp_path, monkeypatch):
    from pixsed.fit import to_file

    monkeypatch.chdir(tmp_path)
    args = [
        "F*=F*.fits[SCI]",
        "--segmap",
        "seg.fits",
        "--catalog",
        "z.csv",
        "--err",
        "F115W=WHT",
        "--model",
        str(model_path),
        "--samples",
        "40",
        "-o",
        "o.fits",
    ]
    calls = []

    def fit_to_file(files, model, path, options, *args, **kwargs):
        calls.append((files, model, options))
        return to_file.FitReport()

    monkeypatch.setattr(to_file, "fit_to_file", fit_to_file)
    assert run_cli("fit", *args).exit_code == 0
    here, _, options = calls[0]
    there = pickle.dumps((here.absolute(), Model(os.path.relpath(model_path)), options))
    with here.open() as source:
        expected = source.read()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    fitter = to_file.open_fitter(*pickle.loads(there))
    assert fitter.source.bands == BANDS
    with fitter.files:
        found = fitter.source.read()
    for name in ("flux", "err", "inside", "redshift", "redshift_err"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_grids_must_agree(scene, run_cli, model_path, wcs_header, tmp_path):
    images, _ = scene
    data = np.ones((NY, NX), "f4")
    header = wcs_header(BUNIT="nJy", FILTER="F410M", crpix=(4900.0, 2049.0))
    fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(data, header, name="SCI"),
            fits.ImageHDU(data, header, name="ERR"),
        ]
    ).writeto(tmp_path / "F410M.fits")
    args = ("--redshift", 2, "--model", model_path, "-o", tmp_path / "o.fits")
    result = run_cli("fit", *images, f"F410M={tmp_path}/F410M.fits", *args)
    assert "F410M: not on the pixel grid of" in str(result.exception)
    result = run_cli("fit", *images, images[0], *args)
    assert "comes twice" in str(result.exception)


def test_real_images_and_the_shipped_model(shared_data, run_cli, tmp_path):
    """19 bands of a galaxy in the JWST Origins Field: its cube, and the images as they are."""
    images = f"F*={shared_data}/jof/JOF_531_F*.fits[SCI_PSFM]"
    segmap = shared_data / "jof" / "JOF_531_seg.fits"
    cube, of_cube, of_images = (tmp_path / f"{n}.fits" for n in ("cube", "a", "b"))
    result = run_cli(
        "cutout", images, "--segmap", segmap, "--id", 531, "--redshift", 5.24, "-o", cube
    )
    assert result.exit_code == 0, result.exception
    draws = ("--model", "tau", "--samples", 24)
    assert run_cli("fit", cube, *draws, "-o", of_cube).exit_code == 0
    result = run_cli(
        "fit", images, "--segmap", segmap, "--redshift", 5.24, *draws, "--tile", 23, "-o", of_images
    )
    assert result.exit_code == 0, result.exception
    expected, found = planes(of_cube)[0], planes(of_images)[0]
    mine = (expected["DQ"] & 1) == 0
    assert np.isfinite(expected["LOGMSTAR_P50"]).sum() > 100
    for name, plane in expected.items():
        np.testing.assert_array_equal(found[name][mine], plane[mine], err_msg=name)


@pytest.mark.parametrize(
    "args, text",
    [
        ((), "mosaics need redshifts"),
        (("--catalog", "z.csv"), "goes with --segmap"),
        (("--redshift-map", "z.fits", "--redshift", "2"), "not both"),
        (("--segmap", "s.fits", "--catalog", "z.csv", "--redshift-map", "z.fits"), "not both"),
        (("--segmap", "s.fits", "--catalog", "z.csv", "--all-pixels"), "needs --redshift"),
        (
            ("--segmap", "s.fits", "--catalog", "z.csv", "--redshift-err", "1"),
            "goes with --redshift",
        ),
    ],
)
def test_usage(fit, args, text):
    result, out = fit(*args)
    assert result.exit_code == 2
    assert text in " ".join(result.output.split())
    assert not out.exists()


@pytest.mark.parametrize("option", [("--fill", "F115W=0"), ("--err-kind", "F115W=sigma")])
def test_how_images_are_read_is_part_of_a_run(option, scene, run_cli, model_path, tmp_path):
    args = (
        "fit",
        *scene[0],
        "--redshift",
        2,
        "--model",
        model_path,
        "--samples",
        40,
        "--resume",
        "-o",
        tmp_path / "maps.fits",
    )
    assert run_cli(*args).exit_code == 0
    result = run_cli(*args, *option)
    assert "made from another input or with other options" in str(result.exception)


def test_zeros_are_no_data_in_every_worker(scene, fit, tmp_path):
    """Blank corners of zeros are treated as NaN, with one process and with two."""
    _, segmap = scene
    for zero in (np.nan, 0.0):
        for band in BANDS:
            with fits.open(tmp_path / f"{band}.fits", mode="update") as hdulist:
                hdulist["SCI"].data[:22, :25] = zero
        result, out = fit(
            "--redshift",
            2,
            "--all-pixels",
            "--jobs",
            2,
            "--tile",
            20,
            "--overwrite",
            out=f"{zero}.fits",
        )
        assert result.exit_code == 0, result.exception
    told = [text for text in result.warned if "are exactly 0, taken as no data" in text]
    assert len(told) == 1 and "the same, with other numbers, holds for" in told[0]
    expected, found = (planes(tmp_path / f"{zero}.fits")[0] for zero in (np.nan, 0.0))
    for name, plane in expected.items():
        assert plane.tobytes() == found[name].tobytes(), name
