"""Mosaics in the layouts and units of surveys and pipelines, converted to nJy in a cube.

Each file is made from one map in nJy with astropy.units, independently of pixsed.
"""

import gzip
from dataclasses import dataclass, field

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits

from pixsed.io.formats.cube import read_cube

NY, NX = 90, 100
RNG = np.random.default_rng(17)
SIGMA = (1.5 + 0.5 * np.arange(NX) / NX) * np.ones((NY, NX))  # nJy
FLUX = RNG.normal(0, SIGMA)
SEGMAP = np.zeros((NY, NX), np.int32)
SEGMAP[40:60, 45:60] = 3
FLUX[SEGMAP > 0] += 200.0
PIXEL = (0.03 * u.arcsec).to(u.rad) ** 2 / u.rad**2 * u.sr


@dataclass
class Layout:
    """Layout of an image: files as name -> list of (extension, data, header), and its options."""

    band: str
    image: str
    files: dict
    options: list = field(default_factory=list)


def surface_brightness(njy):
    return (njy * u.nJy / PIXEL).to_value(u.MJy / u.sr)


def electrons(njy, photflam, photplam):
    """Counts per second, by the definition of PHOTFLAM."""
    density = (njy * u.nJy).to(u.erg / u.s / u.cm**2 / u.AA, u.spectral_density(photplam * u.AA))
    return density.value / photflam


def jades(header):
    """One file: an empty PRIMARY with the instrument, SCI, ERR, EXP and WHT in MJy/sr."""
    primary = fits.Header()
    primary.update(
        TELESCOP="JWST",
        INSTRUME="NIRCAM",
        DETECTOR="MULTIPLE",
        CHANNEL="LONG",
        FILTER="F444W",
        PUPIL="CLEAR",
    )
    sci = header(BUNIT="MJy/sr", PIXAR_SR=PIXEL.value, PIXAR_A2=0.0009, PHOTMJSR=0.4)
    return Layout(
        "F444W",
        "hlsp_jades_f444w_drz.fits",
        {
            "hlsp_jades_f444w_drz.fits": [
                (None, None, primary),
                ("SCI", surface_brightness(FLUX), sci),
                ("ERR", surface_brightness(SIGMA), header(BUNIT="MJy/sr")),
                ("EXP", np.full((NY, NX), 3e4), header()),
                # Drizzle weights, not an inverse variance.
                ("WHT", np.full((NY, NX), 7.0), header()),
            ]
        },
    )


def ceers(header):
    """SCI_BKSUB beside SCI; one ERR for both; the pixel's area from the WCS alone."""
    primary = fits.Header()
    primary.update(TELESCOP="JWST", INSTRUME="NIRCAM", FILTER="F277W", PUPIL="CLEAR")
    name = "ceers_nircam1_f277w_v1_i2d.fits"
    return Layout(
        "F277W",
        f"{name}[SCI_BKSUB]",
        {
            name: [
                (None, None, primary),
                ("SCI_BKSUB", surface_brightness(FLUX), header(BUNIT="MJy/sr")),
                ("SCI", surface_brightness(FLUX + 50), header(BUNIT="MJy/sr")),
                ("ERR", surface_brightness(SIGMA), header(BUNIT="MJy/sr")),
                ("WHT", np.full((NY, NX), 7.0), header()),
                ("BKGMASK", np.zeros((NY, NX)), header()),
            ]
        },
    )


def grizli(header):
    """Separate gzipped _sci and _wht files, with the image in PRIMARY, in 10 nJy."""
    sci = header(
        BUNIT="10.0*nanoJansky",
        TELESCOP="JWST",
        INSTRUME="NIRCAM",
        FILTER="F356W",
        PUPIL="CLEAR",
        PHOTFLAM=1.0e-21,
        PHOTPLAM=35681.7,
        ZP=28.9,
    )
    name = "gds-grizli-v7.2-f356w-clear_drc"
    weight = 1 / (SIGMA / 10) ** 2
    return Layout(
        "F356W",
        f"{name}_sci.fits.gz",
        {
            f"{name}_sci.fits.gz": [(None, FLUX / 10, sci)],
            f"{name}_wht.fits.gz": [(None, weight, sci)],
        },
    )


def hst_drizzle(header):
    """Electrons per second, calibrated by PHOTFLAM, PHOTPLAM; inverse variance in another file."""
    photflam, photplam = 7.862481e-20, 5921.1
    sci = header(
        BUNIT="ELECTRONS/S",
        TELESCOP="HST",
        INSTRUME="ACS",
        DETECTOR="WFC",
        FILTER1="F606W",
        FILTER2="CLEAR2L",
        PHOTFLAM=photflam,
        PHOTPLAM=photplam,
        PHOTZPT=-21.1,
        EXPTIME=5.6e4,
    )
    name = "hlsp_hlf_hst_acs-30mas_goodss_f606w_v2.0"
    weight = electrons(SIGMA, photflam, photplam) ** -2
    return Layout(
        "F606W",
        f"{name}_sci.fits",
        {
            f"{name}_sci.fits": [(None, electrons(FLUX, photflam, photplam), sci)],
            f"{name}_wht.fits": [(None, weight, header())],
        },
    )


def astrodrizzle(header):
    """SCI and WHT in one file, the calibration in PRIMARY; WFC3/UVIS."""
    photflam, photplam = 1.5e-19, 8039.1
    primary = fits.Header()
    primary.update(
        TELESCOP="HST",
        INSTRUME="WFC3",
        DETECTOR="UVIS",
        FILTER="F814W",
        PHOTFLAM=photflam,
        PHOTPLAM=photplam,
    )
    return Layout(
        "UVIS_F814W",
        "field_drc.fits",
        {
            "field_drc.fits": [
                (None, None, primary),
                ("SCI", electrons(FLUX, photflam, photplam), header(BUNIT="ELECTRONS/S")),
                ("WHT", electrons(SIGMA, photflam, photplam) ** -2, header(BUNIT="UNITLESS")),
                ("CTX", np.ones((NY, NX), np.int32), header()),
            ]
        },
    )


def plain(header):
    """SCI and ERR in one file, in uJy, without the name of the band."""
    return Layout(
        "F115W",
        "F115W=galaxy.fits",
        {
            "galaxy.fits": [
                (None, None, None),
                ("SCI", FLUX / 1e3, header(BUNIT="uJy")),
                ("ERR", SIGMA / 1e3, header(BUNIT="uJy")),
            ]
        },
    )


def zero_point(header):
    """Counts with a zero point that the user gives; the errors are in another file."""
    counts = [10 ** (-0.4 * ((1 * u.nJy).to_value(u.ABmag) - 25.94)) * v for v in (FLUX, SIGMA)]
    return Layout(
        "F150W",
        "F150W=counts.fits",
        {"counts.fits": [(None, counts[0], header())], "noise.fits": [(None, counts[1], header())]},
        ["--unit", "F150W=zp=25.94", "--err", "F150W={folder}/noise.fits"],
    )


LAYOUTS = (jades, ceers, grizli, hst_drizzle, astrodrizzle, plain, zero_point)
WITH_BUNIT = LAYOUTS[:-1]


@pytest.fixture
def lay_out(tmp_path, wcs_header):
    """Write a layout's files; return the image argument, the band and the options."""

    def write(make, **changed):
        layout = make(lambda **cards: wcs_header(**cards))
        for name, extensions in layout.files.items():
            hdus = []
            for ext, data, header in extensions:
                header = None if header is None else header.copy()
                for key, value in changed.items():
                    if header is not None and key in header:
                        if value is None:
                            del header[key]
                        else:
                            header[key] = value
                data = None if data is None else np.asarray(data, np.float32)
                hdus.append(
                    fits.ImageHDU(data, header, name=ext) if hdus else fits.PrimaryHDU(data, header)
                )
            raw = tmp_path / name.removesuffix(".gz")
            fits.HDUList(hdus).writeto(raw)
            if name.endswith(".gz"):
                (tmp_path / name).write_bytes(gzip.compress(raw.read_bytes(), 1))
                raw.unlink()
        band, equals, name = layout.image.rpartition("=")
        options = [text.format(folder=tmp_path) for text in layout.options]
        return f"{band}{equals}{tmp_path}/{name}", layout.band, options

    return write


@pytest.fixture
def segmap(write_fits, wcs_header):
    return write_fits("segmap.fits", SEG=(SEGMAP, wcs_header()))


def check(flux, err):
    # To the precision of the float32 in the files; near zero, to a small fraction of the noise.
    np.testing.assert_allclose(flux, FLUX, rtol=2e-6, atol=1e-5)
    np.testing.assert_allclose(err, SIGMA, rtol=2e-6)


@pytest.mark.parametrize("make", LAYOUTS)
def test_layout(make, lay_out, segmap, run_cli, tmp_path):
    image, band, options = lay_out(make)
    out = tmp_path / "cube.fits"
    result = run_cli(
        "cutout", image, "--segmap", segmap, "--id", "3", "--redshift", "2", *options, "-o", out
    )
    assert result.exit_code == 0, (result.output, result.exception)
    assert not result.warned
    cube = read_cube(out)
    assert cube.bands == [band] and cube.shape == (NY, NX)
    check(cube.flux[0], cube.err[0])


def test_all_layouts_in_one_cube(lay_out, segmap, run_cli, tmp_path):
    laid = [lay_out(make) for make in LAYOUTS]
    options = [option for _, _, options in laid for option in options]
    out = tmp_path / "cube.fits"
    result = run_cli(
        "cutout",
        *(image for image, _, _ in laid),
        "--segmap",
        segmap,
        "--id",
        "3",
        "--redshift",
        "2",
        *options,
        "-o",
        out,
    )
    assert result.exit_code == 0, (result.output, result.exception)
    cube = read_cube(out)
    assert cube.bands == "F606W UVIS_F814W F115W F150W F277W F356W F444W".split()
    assert list(cube.table["instrument"])[:2] == ["ACS", "WFC3/UVIS"]
    for flux, err in zip(cube.flux, cube.err, strict=True):
        check(flux, err)


@pytest.mark.parametrize("added", ["always", "never", "auto"])
@pytest.mark.parametrize("make", WITH_BUNIT)
def test_background_in_the_images_own_unit(make, added, lay_out, segmap, run_cli, tmp_path):
    """The output of `bkg` and its errors are converted to nJy like the image."""
    image, band, _ = lay_out(make)
    out, cut = tmp_path / "bkg.fits", tmp_path / "cube.fits"
    args = ["--box", "45", "--segmap", segmap, "--add-rms", added]
    assert run_cli("bkg", image, *args, "-o", out).exit_code == 0
    result = run_cli("cutout", out, "--segmap", segmap, "--id", "3", "--redshift", "2", "-o", cut)
    assert result.exit_code == 0, (result.output, result.exception)
    cube = read_cube(cut)
    assert cube.bands == [band]
    with fits.open(out) as hdulist:
        assert (hdulist["BKGRMS"].data > 0).all()
        # nJy per unit, from pixels of the image where the background is negligible.
        factor = np.median(
            FLUX[SEGMAP > 0] / (hdulist["SCI"].data + hdulist["BKG"].data)[SEGMAP > 0]
        )
        np.testing.assert_allclose(
            cube.flux[0], FLUX - factor * hdulist["BKG"].data, rtol=1e-5, atol=1e-4
        )
        # By default the rms is not added: the errors agree with the scatter of the sky.
        rms = factor * hdulist["BKGRMS"].data if added == "always" else 0.0
        np.testing.assert_allclose(cube.err[0], np.hypot(SIGMA, rms), rtol=1e-5)


@pytest.mark.parametrize("make", WITH_BUNIT)
@pytest.mark.parametrize(
    ("unit", "match"),
    [
        (None, "has no BUNIT"),
        ("furlong^", "BUNIT 'furlong^' is not known"),
        ("ELECTRONS", "cannot be turned into nJy"),
        ("MJY", "BUNIT 'MJY' is not known"),
    ],
)
def test_unknown_unit_names_the_option(make, unit, match, lay_out, segmap, run_cli, tmp_path):
    image, _, _ = lay_out(make, BUNIT=unit)
    out = tmp_path / "cube.fits"
    result = run_cli("cutout", image, "--segmap", segmap, "--id", "3", "--redshift", "2", "-o", out)
    assert result.exit_code == 1 and not out.exists()
    assert match in str(result.exception) and "--unit" in str(result.exception)
    # It is used if an option says so.
    told = run_cli(
        "cutout",
        image,
        "--segmap",
        segmap,
        "--id",
        "3",
        "--redshift",
        "2",
        "--unit",
        "nJy",
        "-o",
        out,
    )
    assert told.exit_code == 0, (told.output, told.exception)


@pytest.mark.parametrize("make", [hst_drizzle, astrodrizzle])
def test_rate_without_calibration(make, lay_out, segmap, run_cli, tmp_path):
    image, _, _ = lay_out(make, PHOTFLAM=None)
    result = run_cli(
        "cutout",
        image,
        "--segmap",
        segmap,
        "--id",
        "3",
        "--redshift",
        "2",
        "-o",
        tmp_path / "cube.fits",
    )
    assert "needs PHOTFLAM with PHOTPLAM" in str(result.exception)
    assert "--unit" in str(result.exception)


@pytest.mark.parametrize("tile", [(1, NX), (32, 32)])
def test_tile_compressed(tile, lay_out, segmap, run_cli, tmp_path):
    """Lossless compression, as made by fpack, gives the same cube and the same background."""
    image, _, _ = lay_out(hst_drizzle)
    for name in (image, image.replace("_sci", "_wht")):
        with fits.open(name) as hdulist:
            packed = fits.CompImageHDU(
                hdulist[0].data,
                hdulist[0].header,
                compression_type="GZIP_2",
                quantize_level=0,
                tile_shape=tile,
            )
            fits.HDUList([fits.PrimaryHDU(), packed]).writeto(f"{name}.fz")
    found = {}
    for path in (image, f"{image}.fz"):
        cube, bkg = tmp_path / "cube.fits", tmp_path / "bkg.fits"
        result = run_cli(
            "cutout",
            path,
            "--segmap",
            segmap,
            "--id",
            "3",
            "--redshift",
            "2",
            "--overwrite",
            "-o",
            cube,
        )
        assert result.exit_code == 0, (result.output, result.exception)
        assert run_cli("bkg", path, "--box", "45", "--overwrite", "-o", bkg).exit_code == 0
        found[path] = read_cube(cube), fits.getdata(bkg, "SCI"), fits.getdata(bkg, "ERR")
    (a, *planes), (b, *others) = found.values()
    np.testing.assert_array_equal(a.flux, b.flux)
    np.testing.assert_array_equal(a.err, b.err)
    np.testing.assert_array_equal(planes, others)
