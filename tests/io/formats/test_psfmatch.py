"""Warnings of bands that are not matched to one PSF, in cubes and mosaics."""

from contextlib import nullcontext

import fakes
import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedWarning
from pixsed.io.formats.psfmatch import bands_apart, common_psf, main_target, warn_of_psfs

ALIKE = [
    {"F200W": "F444W", "F277W": "F444W", "F444W": "F444W"},
    {"F200W": "F444W", "F444W": "unknown"},  # the target itself, as it was
    {"F200W": "F444W", "F444W": "F444W", "F480M": "none"},  # left broader
    {"F200W": "F444W", "F460M": "none", "F480M": "F444W"},
    {"F200W": "F480M", "F444W": "F480M"},
    {"F200W": "F200W"},
    {"F200W": "unknown"},
    {},
    {"F200W": "unknown", "F444W": "unknown"},  # matched elsewhere, perhaps
    {"MIRI_F770W": "MIRI_F770W", "F444W": "MIRI_F770W"},
]
APART = [
    ({"F200W": "unknown", "F277W": "F444W", "F444W": "F444W"}, "PSF of F444W", "F200W (unknown)"),
    ({"F150W": "none", "F200W": "none", "F444W": "F444W"}, "F444W", "F150W, F200W (none)"),
    ({"F150W": "F200W", "F277W": "F444W", "F444W": "F444W"}, "F444W", "F150W (F200W)"),
    ({"F150W": "F200W", "F444W": "F444W"}, "F444W", "F150W (F200W)"),
    ({"F150W": "F200W", "F200W": "F200W", "F444W": "unknown"}, "F200W", "F444W (unknown)"),
    ({"F150W": "none", "F200W": "none"}, "one PSF", "F150W, F200W (none)"),
    ({"F150W": "none", "F200W": "unknown"}, "one PSF", "F150W (none); F200W (unknown)"),
    ({"F200W": "F444W", "F444W": "none"}, "F444W", "F444W (none)"),
    ({"F200W": "F444W", "F277W": "F444W", "F480M": "unknown"}, "F444W", "F480M (unknown)"),
    ({"F200W": "F356W", "F277W": "F444W", "F356W": "mixed"}, "F356W", "F277W (F444W)"),
]


@pytest.mark.parametrize("psfmatch", ALIKE)
def test_alike(psfmatch):
    warn_of_psfs(psfmatch)


@pytest.mark.parametrize(
    ("widths", "listed"),
    [
        ({"F444W": 0.145, "F480M": 0.158}, ""),  # 1.09 times as wide, as it is
        ({"F444W": 0.145, "F480M": 0.166}, ""),
        ({"F444W": 0.145, "F480M": 0.168}, "F480M (none)"),
        ({"F444W": 0.145, "F480M": 0.31}, "F480M (none)"),
        ({"F200W": 0.145, "F444W": 0.145}, "F480M (none)"),
        ({"F444W": 0.145, "F480M": np.nan}, "F480M (none)"),
        ({"F444W": np.nan, "F480M": 0.31}, ""),  # nothing to compare it with
        (None, ""),
    ],
)
def test_a_band_left_must_be_about_as_wide(widths, listed):
    psfmatch = {"F200W": "F444W", "F444W": "F444W", "F480M": "none"}
    assert bands_apart(psfmatch, widths) == listed
    with pytest.warns(PixsedWarning, match="F480M") if listed else nullcontext():
        warn_of_psfs(psfmatch, widths)


def test_common_psf():
    psfmatch = {"F200W": "F444W", "F277W": "F444W", "F444W": "F444W", "F480M": "none"}
    widths = {"F200W": 0.15, "F277W": 0.14, "F480M": 0.3, "F444W": np.nan}
    assert common_psf(psfmatch, widths) == ("F444W", pytest.approx(0.145))
    for known in ({}, {"F480M": 0.3}):
        band, width = common_psf(psfmatch, known)
        assert band == "F444W" and np.isnan(width)
    for others in ("none", "unknown"):
        band, width = common_psf({"F200W": "unknown", "F480M": others}, widths)
        assert band == others and np.isnan(width)


@pytest.mark.parametrize(("psfmatch", "target", "listed"), APART)
def test_apart(psfmatch, target, listed):
    assert listed in bands_apart(psfmatch)
    with pytest.warns(PixsedWarning) as caught:
        warn_of_psfs(psfmatch)
    text = str(caught[0].message)
    assert len(caught) == 1 and target in text and listed in text and "psfmatch" in text


def test_main_target():
    assert main_target({"F200W": "F444W", "F277W": "F200W", "F444W": "F444W"}) == "F444W"
    assert main_target({"F200W": "unknown", "F277W": "none"}) is None


@pytest.fixture
def images(write_fits, wcs_header):
    """Write a mosaic of each band; of the `psfmatch` that is not None its card."""

    def make(psfmatch):
        rng, paths = np.random.default_rng(0), []
        for band, name in psfmatch.items():
            header = wcs_header(BUNIT="nJy", FILTER=band, INSTRUME="NIRCAM")
            if name:
                header["PSFMATCH"], header["PSFFWHM"] = name, 0.15
            data = rng.normal(0, 0.1, (40, 40))
            data[10:30, 10:30] += 30
            paths.append(
                write_fits(
                    f"{band}.fits",
                    SCI=(data.astype("f4"), header),
                    ERR=(np.full((40, 40), 0.1, "f4"), header),
                )
            )
        segmap = np.zeros((40, 40), np.int32)
        segmap[10:30, 10:30] = 1
        return paths, write_fits("seg.fits", SEG=(segmap, wcs_header()))

    return make


@pytest.mark.parametrize(
    ("others", "warned"),
    [("F444W", 0), (None, 0), ("unknown", 0), ("none", 1), ("F200W", 1), ("one", 1)],
)
def test_commands_tell(images, run_cli, tmp_path, others, warned):
    bands = "F115W F150W F200W F277W F356W F444W".split()
    psfmatch = dict.fromkeys(bands, "F444W" if others == "one" else others)
    if others in ("F200W", "none"):
        psfmatch["F444W"] = psfmatch["F356W"] = psfmatch["F277W"] = "F444W"
    elif others == "one":
        psfmatch["F200W"] = None
    paths, seg = images(psfmatch)
    cube = tmp_path / "cube.fits"
    cut = run_cli("cutout", *paths, "--segmap", seg, "--id", "1", "--redshift", "1", "-o", cube)
    nothing = "none of the bands says to which PSF it is matched" in cut.stderr
    assert nothing == (others in (None, "unknown"))
    model = fakes.fake_model(tmp_path / "fake.onnx", quantiles=True)
    fit = ["fit", "--model", model, "--engine", "quantile", "--redshift", "1", "-o"]
    done = [
        cut,
        run_cli(*fit, tmp_path / "maps.fits", cube),
        run_cli(*fit, tmp_path / "field.fits", *paths, "--segmap", seg),
        run_cli(
            "sum-mass", cube, "--model", model, "--samples", "20", "-o", tmp_path / "mass.fits"
        ),
    ]
    for result in done[1:3]:  # the fits
        assert ("none of the bands says" in result.stderr) == (others in (None, "unknown"))
    for result in done:
        assert result.exit_code == 0, (result.output, result.exception)
        assert sum("not known to be matched to" in text for text in result.warned) == warned
    assert fits.getheader(cube, "F444W")["PSFMATCH"] == (psfmatch["F444W"] or "unknown")
    # The FWHM goes from the images to the cube and to the maps, and from there to pictures.
    target = main_target({band: name or "unknown" for band, name in psfmatch.items()})
    assert fits.getheader(cube, "F444W").get("PSFFWHM") == (0.15 if psfmatch["F444W"] else None)
    for path in (cube, tmp_path / "maps.fits", tmp_path / "field.fits"):
        assert fits.getheader(path).get("PSFFWHM") == (0.15 if target else None)
    assert fits.getheader(tmp_path / "maps.fits").get("PSFMATCH") == target
