"""`pixsed ds9`: the words of the command, and the errors."""

import shlex
import shutil
import tempfile

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.plots import ds9

UNITS = ("LOGSIGMA", "AGE", "METAL")


def write_maps(path, properties=UNITS, fitted=True):
    """Write maps with an ellipse of fitted pixels off the centre; return the path as text."""
    y, x = np.mgrid[:40, :50]
    r = np.hypot((x - 20) / 1.5, y - 18)
    hdus = [fits.PrimaryHDU()]
    for number, name in enumerate(properties):
        for end, value in (("P50", number - r / 10), ("STD", 0.1 + r / 50)):
            plane = np.where((r < 12) & fitted, value, np.nan).astype(np.float32)
            hdu = fits.ImageHDU(plane, name=f"{name}_{end}")
            hdu.header.update(
                CTYPE1="RA---TAN",
                CTYPE2="DEC--TAN",
                CRVAL1=53.1,
                CRVAL2=-27.8,
                CRPIX1=25.0,
                CRPIX2=20.0,
                CDELT1=-0.03 / 3600,
                CDELT2=0.03 / 3600,
                BUNIT={"AGE": "Gyr", "METAL": "dex"}.get(name, "dex(solMass kpc-2)"),
            )
            hdus.append(hdu)
    fits.HDUList(hdus).writeto(path)
    return str(path)


@pytest.fixture
def maps(tmp_path):
    return write_maps(tmp_path / "maps.fits", properties=UNITS)


@pytest.fixture
def elsewhere(tmp_path):
    """Make the same maps a degree to the north."""
    path = write_maps(tmp_path / "other.fits", properties=UNITS)
    with fits.open(path, mode="update") as hdulist:
        for hdu in hdulist[1:]:
            hdu.header["CRVAL2"] += 1.0
    return path


def words_of(paths, properties=None, **options):
    frames, windows = ds9.read_all(paths, properties, **options)
    return ds9.ds9_command(frames, windows)


def after(words, option, count=1):
    """Return the words that follow each occurrence of an option."""
    found = [words[i + 1 : i + 1 + count] for i, word in enumerate(words) if word == option]
    return [group[0] if count == 1 else group for group in found]


class TestFrames:
    def test_medians_first(self, maps):
        words = words_of([maps], std=True)
        assert after(words, "-fits") == [
            f"{maps}[{name}_{end}]" for end in ("P50", "STD") for name in UNITS
        ]
        assert after(words, "-cmap") == ["inferno", "plasma", "viridis"] + ["magma"] * 3
        assert words[-5:] == ["-frame", "first", "-lock", "frame", "wcs"]

    def test_limits_are_percentiles_of_the_pixels(self, maps):
        plane = fits.getdata(maps, "AGE_P50")
        wanted = np.nanpercentile(plane, (1, 99))
        [scale] = [s for s in after(words_of([maps], ["age"]), "-scale", 3) if s[0] == "limits"]
        np.testing.assert_allclose([float(x) for x in scale[1:]], wanted, rtol=1e-4)

    def test_one_scale_for_one_property_of_several_files(self, maps, tmp_path):
        other = write_maps(tmp_path / "b.fits", properties=("METAL", "AGE", "LOGSIGMA"))
        words = words_of([maps, other], ["LOGSIGMA"])
        scales = [s for s in after(words, "-scale", 3) if s[0] == "limits"]
        assert len(scales) == 2 and scales[0] == scales[1]
        labels = [text for kind, text in after(words, "-regions", 2) if kind == "command"]
        assert [text.split('"')[1] for text in labels] == [
            "LOGSIGMA median",
            "maps",
            "LOGSIGMA median",
            "b",
        ]

    def test_the_label_is_above_the_pixels_and_the_centre_is_theirs(self, maps):
        words = words_of([maps], ["AGE"])
        [pan] = after(words, "-pan", 3)
        centre = SkyCoord(float(pan[1]) * u.deg, float(pan[2]) * u.deg)
        y, x = np.nonzero(np.isfinite(fits.getdata(maps, "AGE_P50")))
        sky = WCS(fits.getheader(maps, "AGE_P50")).pixel_to_world(x, y)
        assert centre.dec.deg == pytest.approx(
            (sky.dec.deg.max() + sky.dec.deg.min()) / 2, abs=1e-6
        )
        assert centre.ra.deg == pytest.approx((sky.ra.deg.max() + sky.ra.deg.min()) / 2, abs=1e-6)
        [text] = [text for kind, text in after(words, "-regions", 2) if kind == "command"]
        kind, _, dec = text.split()[1:4]
        assert 'text="AGE median [Gyr]"' in text
        assert kind == "text" and float(dec) > sky.dec.deg.max()

    def test_planes_without_quantiles(self, maps):
        with fits.open(maps, mode="append") as hdulist:
            header = hdulist["AGE_P50"].header
            hdulist.append(fits.ImageHDU(np.ones((40, 50), np.float32), header, name="SNR"))
        words = words_of([maps], ["SNR", "AGE"], std=True)
        assert [word.partition("[")[2] for word in after(words, "-fits")] == [
            "SNR]",
            "AGE_P50]",
            "AGE_STD]",
        ]

    def test_frames_of_other_places_are_not_locked(self, maps, elsewhere):
        assert "-lock" not in words_of([maps, elsewhere])
        assert "-lock" in words_of([maps])

    def test_empty_planes_are_left_out(self, maps):
        with fits.open(maps, mode="update") as hdulist:
            hdulist["AGE_P50"].data[:] = np.nan
        with pytest.warns(PixsedWarning, match=r"no pixel has a value in .*AGE_P50"):
            words = words_of([maps])
        assert len(after(words, "-fits")) == 2
        with pytest.warns(PixsedWarning), pytest.raises(PixsedError, match="nothing to show"):
            words_of([maps], ["AGE"])

    @pytest.mark.parametrize(
        "options, message",
        [
            ({"properties": ["TAU"]}, "has no map TAU; choose from LOGSIGMA, AGE, METAL"),
            ({"quantiles": [0.3]}, "has no map LOGSIGMA_P30; it has LOGSIGMA_P50, LOGSIGMA_STD"),
        ],
    )
    def test_missing_planes(self, maps, options, message):
        with pytest.raises(PixsedError, match=message):
            words_of([maps], **options)

    def test_nothing_fitted(self, tmp_path):
        path = write_maps(tmp_path / "none.fits", fitted=False)
        with pytest.raises(PixsedError, match="no pixel was fitted"):
            words_of([path])

    @pytest.mark.parametrize("count, layout", [(1, (1, 1)), (5, (5, 1)), (10, (5, 2)), (6, (3, 2))])
    def test_the_layout_has_large_frames(self, count, layout):
        side, columns, rows = ds9._layout(count)
        assert columns * rows >= count and side > 150
        if count in (1, 10):
            assert (columns, rows) == layout


class TestCommand:
    def test_printed_words_are_quoted(self, run_cli, tmp_path):
        path = write_maps(tmp_path / "a 'b'.fits", properties=UNITS)
        result = run_cli("ds9", path)
        assert result.exit_code == 0, result.output
        words = shlex.split(result.stdout)
        assert f"{path}[AGE_P50]" in words and words[0] in ds9.PROGRAMS

    def test_segments_are_written_and_loaded(self, run_cli, maps, tmp_path):
        pytest.importorskip("contourpy", reason="contourpy, of matplotlib, is not installed")
        segmap = np.zeros((40, 50), np.int32)
        segmap[10:30, 15:35] = 7
        header = fits.getheader(maps, "AGE_P50")
        fits.PrimaryHDU(segmap, header).writeto(tmp_path / "seg.fits")
        regions = tmp_path / "seg.reg"
        args = ["ds9", maps, "--segmap", tmp_path / "seg.fits", "--region", regions]
        result = run_cli(*args)
        assert result.exit_code == 0, result.output
        assert shlex.split(result.stdout).count(str(regions)) == 3
        assert "text={7}" in regions.read_text()
        assert "exists already" in str(run_cli(*args).exception)
        assert run_cli(*args, "--overwrite").exit_code == 0

    def test_regions_of_the_user(self, run_cli, maps, tmp_path):
        (tmp_path / "own.reg").write_text("icrs\ncircle(53.1,-27.8,1')\n")
        result = run_cli("ds9", maps, "--region", tmp_path / "own.reg")
        assert shlex.split(result.stdout).count(str(tmp_path / "own.reg")) == 3
        result = run_cli("ds9", maps, "--region", tmp_path / "none.reg")
        assert "write one with --segmap" in str(result.exception)

    @pytest.mark.parametrize("name", ["maps.fits", "x.txt"])
    def test_regions_never_replace_an_input(self, run_cli, maps, tmp_path, name):
        args = ["--segmap", maps, "--region", tmp_path / name, "--overwrite"]
        assert "regions are written as .reg" in str(run_cli("ds9", maps, *args).exception)

    def test_segments_need_a_file(self, run_cli, maps):
        result = run_cli("ds9", maps, "--segmap", maps)
        assert result.exit_code == 2 and "--segmap needs --region" in result.output

    def test_run(self, run_cli, maps, tmp_path):
        program = tmp_path / "fake"
        program.write_text(f'#!/bin/sh\nfor w in "$@"; do echo "$w"; done > "{tmp_path}/said"\n')
        program.chmod(0o755)
        result = run_cli("ds9", maps, "--run", "--program", program)
        assert result.exit_code == 0, result.output
        assert f"{maps}[AGE_P50]" in (tmp_path / "said").read_text().splitlines()

    @pytest.mark.parametrize(
        "text, status", [("no display", 3), ("application-specific initialization failed", 0)]
    )
    def test_a_failure_of_ds9(self, run_cli, maps, tmp_path, text, status):
        # DS9 itself ends with status 0 if there is no screen.
        program = tmp_path / "fake"
        program.write_text(f"#!/bin/sh\necho {text} >&2\nexit {status}\n")
        program.chmod(0o755)
        result = run_cli("ds9", maps, "--run", "--program", program)
        assert f"failed ({text}); print the command without --run" in str(result.exception)

    def test_without_ds9(self, run_cli, maps, monkeypatch):
        monkeypatch.setenv("PATH", tempfile.gettempdir())
        result = run_cli("ds9", maps, "--run")
        assert "DS9 is not installed" in str(result.exception)
        assert "apt-get install saods9" in str(result.exception)
        assert run_cli("ds9", maps).stdout.startswith("ds9 ")
        result = run_cli("ds9", maps, "--run", "--program", "nothing-here")
        assert "--program nothing-here: no such program" in str(result.exception)


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("ds9") and shutil.which("xvfb-run")), reason="needs DS9 and xvfb-run"
)
def test_ds9_itself_takes_the_command(maps):
    import subprocess

    words = [*words_of([maps], std=True), "-exit"]
    done = subprocess.run(["xvfb-run", "-a", *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stderr == "", done.stderr
