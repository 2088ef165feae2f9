import json
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.errors import PixsedError
from pixsed.io.formats.cube import Cube, bands_table, write_cube
from pixsed.io.formats.noise_table import read_noise


@pytest.fixture
def cubes(tmp_path, wcs_header, few_bands):
    """Two small cubes in the bands of the simulations, with errors that grow with flux."""
    paths = []
    for number in (1, 2):
        rng = np.random.default_rng(number)
        segmap = np.zeros((70, 70), np.int32)
        segmap[20:60, 20:60] = number
        shape = (len(few_bands), 70, 70)
        flux = np.where(segmap == number, rng.lognormal(1, 1, shape), rng.normal(0, 0.1, shape))
        err = np.sqrt(0.01 + 0.01 * np.maximum(flux, 0)) * rng.normal(1, 0.05, shape)
        cube = Cube(
            bands=few_bands,
            flux=flux,
            err=err,
            header=wcs_header(),
            redshift=1.0,
            object_id=str(number),
            segmap=segmap,
            psfmatch=dict.fromkeys(few_bands, "F444W"),
            table=bands_table(few_bands, depths=[0.1] * 9, sky_rms=[0.1] * 9),
        )
        paths.append(tmp_path / f"{number}.fits")
        write_cube(cube, paths[-1])
    return paths


@pytest.fixture
def noise_file(cubes, run_cli, tmp_path):
    path = tmp_path / "noise.fits"
    result = run_cli("noise", *cubes, "-o", path)
    assert result.exit_code == 0 and not result.warned, (result.output, result.exception)
    return path


def test_noise(cubes, noise_file, run_cli, few_bands, tmp_path, fitsverify):
    fitsverify(noise_file)
    bins = Table.read(noise_file, hdu="NOISE")
    assert len(bins) == 5 * len(few_bands)
    assert np.all(bins["FLUX_LO"][1:5] == bins["FLUX_HI"][:4])
    header = fits.getheader(noise_file)
    assert [header["INFILE1"], header["INFILE2"]] == ["1.fits", "2.fits"]
    assert "2 cubes, 5 bins" in str(header["HISTORY"])
    table = read_noise(noise_file)
    assert list(table.bands) == few_bands
    noise = table.bands["F200W"]
    middle = np.sqrt(noise.edges[1:-2] * noise.edges[2:-1])
    np.testing.assert_allclose(noise.mean[1:4], np.sqrt(0.01 + 0.01 * middle), rtol=0.05)
    assert noise.noise_corr == pytest.approx(1, abs=0.1) and noise.corr_from == "apertures"

    again = run_cli("noise", *cubes, "-o", noise_file)
    assert isinstance(again.exception, PixsedError) and "exists" in str(again.exception)
    result = run_cli("noise", *cubes, "--bins", 3, "--overwrite", "-o", noise_file)
    assert "bin 3" in result.stderr and "bin 4" not in result.stderr
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1 + len(few_bands) + 1 and lines[1].startswith("F606W")
    assert lines[-1].endswith("noise.fits: 9 bands of 2 cubes")
    assert len(Table.read(noise_file, hdu="NOISE")) == 3 * len(few_bands)
    assert run_cli("noise", *cubes, "-q", "-o", tmp_path / "q.fits").stderr == ""


def test_standard_output(cubes, tmp_path):
    with open(tmp_path / "out.fits", "wb") as file:
        subprocess.run(
            [sys.executable, "-m", "pixsed", "noise", *cubes, "-o", "-"],
            check=True,
            stdout=file,
            timeout=60,
        )
    assert len(read_noise(tmp_path / "out.fits").bands) == 9


def test_failure_is_one_line(cubes, write_fits, run_pixsed, tmp_path):
    image = write_fits("im.fits", SCI=(np.zeros((4, 4)), None))
    result = run_pixsed("noise", image, "-o", tmp_path / "n.fits")
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert "im.fits is not a pixsed cube" in result.stderr
    assert not (tmp_path / "n.fits").exists()


def test_train_under_it(run_cli, noise_file, simulations_file, ssp_file, tmp_path):
    """The checkpoint and the model contain the whole table, with its correlation."""
    torch = pytest.importorskip("torch", reason="training needs torch")
    path = tmp_path / "m.ckpt"
    args = [
        "train",
        simulations_file,
        "--ssp",
        ssp_file,
        "--epochs",
        1,
        "--batch",
        1024,
        "--jobs",
        1,
        "--noise",
        noise_file,
    ]
    result = run_cli(*args, "--widen", "-o", path)
    assert result.exit_code == 0, (result.output, result.exception)
    said = torch.load(path, weights_only=True)["noise"]
    assert said["name"] == "wide noise.fits" and said["scale_high"] == 30
    noise = read_noise(noise_file).bands["F200W"]
    assert said["base"]["bands"]["F200W"]["mean"] == noise.mean.tolist()
    assert said["base"]["bands"]["F200W"]["noise_corr"] == noise.noise_corr

    # Continuing under other noise is allowed, with a warning.
    args[args.index("--epochs") + 1] = 2
    result = run_cli(*args, "--noise-floor", 0.02, "--continue", path, "--overwrite", "-o", path)
    assert result.exit_code == 0, (result.output, result.exception)
    assert any(
        "was trained under other noise (wide noise.fits); it continues under noise.fits" in w
        for w in result.warned
    )
    saved = torch.load(path, weights_only=True)
    assert saved["noise"]["form"] == "binned" and saved["noise"]["floor"] == 0.02
    from pixsed.train.description import metadata

    assert json.loads(json.dumps(metadata(saved, "m"), allow_nan=False))["noise"] == saved["noise"]


def test_validate_under_it(run_cli, noise_file, model_file, simulations_file, tmp_path):
    report = tmp_path / "r.fits"
    args = ("-n", 200, "--samples", 60, "--jobs", 1, "--cases", "all", "--noise", noise_file)
    result = run_cli("validate", model_file, simulations_file, *args, "-o", report)
    assert result.exit_code == 0, (result.output, result.exception)
    assert "noise noise.fits" in result.stdout
    header = fits.getheader(report)
    assert header["NOISE"] == "noise.fits" and header["INFILE2"] == "noise.fits"


def test_card(noise_file):
    from pixsed.fit.model import Model
    from pixsed.models import resolve
    from pixsed.simulate.noise import choose_noise
    from pixsed.train.card import card_text

    said = Model(resolve("tau")).metadata
    settings = dict(noise="depth", samples=5, snr_min=1, command="a")
    for options, line in (
        (
            {"floor": 0.02},
            "measured, noise.fits: Gaussians of errors in 5 bins of flux, and 2 % of the flux |",
        ),
        ({}, "measured, noise.fits: Gaussians of errors in 5 bins of flux |"),
        ({"wide": True}, "wide noise.fits: depths 0.1 to 30 times those of noise.fits, scatter"),
    ):
        noise = choose_noise(str(noise_file), ["F444W"], **options).describe()
        assert f"| training noise | {line}" in card_text(said | {"noise": noise}, {}, **settings)
    assert "wide: depths 0.1 to 30 times the paper's, sc" in card_text(said, {}, **settings)


@pytest.mark.parametrize("command", ["train", "validate"])
def test_a_table_that_does_not_fit(
    command, run_cli, noise_file, simulations_file, ssp_file, tmp_path, request
):
    args, out = [command, simulations_file, "--ssp", ssp_file], "out.ckpt"
    if command == "validate":
        out = "out.fits"
        args = [command, request.getfixturevalue("model_file"), simulations_file]
    else:
        pytest.importorskip("torch", reason="training needs torch")
    short = tmp_path / "short.fits"
    with fits.open(noise_file) as hdus:
        for name in ("NOISE", "BANDS"):
            hdus[name].data = hdus[name].data[hdus[name].data["BAND"] != "F410M"]
        hdus.writeto(short, checksum=True)
    # The noise may lack bands that a case does not use, except for artefacts.
    instead = {"train": "; simulate with --bands F606W,", "validate": ", and artefacts are made in"}
    for noise, message in (
        (short, f"short.fits has no noise of F410M{instead[command]}"),
        ("paper", "--noise paper: no such file, and not one of depth, wide"),
        (simulations_file, "sims.fits is not a noise table"),
    ):
        result = run_cli(*args, "--noise", noise, "-o", tmp_path / out)
        assert isinstance(result.exception, PixsedError) and message in str(result.exception)
    result = run_cli(*args, "--noise", "depth", "--noise-floor", 0.1, "-o", tmp_path / out)
    assert "are for a measured noise table, not for 'depth'" in str(result.exception)
    assert not (tmp_path / out).exists()


def test_jof(shared_data, run_cli, tmp_path):
    """The F444W images of real galaxies, which are not convolved, give the noise."""
    folder = shared_data / "jof"
    cubes = []
    for number, z in ((36, 4.13), (370, 3.75), (531, 5.24)):
        cubes.append(tmp_path / f"{number}.fits")
        result = run_cli(
            "cutout",
            *(
                f"{band}={folder}/JOF_{number}_{band}.fits[SCI_PSFM]"
                for band in ("F606W", "F277W", "F444W")
            ),
            "--segmap",
            folder / f"JOF_{number}_seg.fits",
            "--id",
            number,
            "--redshift",
            z,
            "-o",
            cubes[-1],
        )
        assert result.exit_code == 0, (result.output, result.exception)
    path = tmp_path / "noise.fits"
    result = run_cli("noise", *cubes, "-o", path)
    assert result.exit_code == 0, (result.output, result.exception)
    # Each fault of these files gives one warning.
    assert any("(unknown); matching changes the noise" in text for text in result.warned)
    assert any("errors over the scatter of the sky: F606W" in text for text in result.warned)
    table = read_noise(path)
    assert [len(noise.mean) for noise in table.bands.values()] == [5, 5, 5]
    noise = table.bands["F444W"]
    assert np.all(np.diff(noise.mean) > 0) and 0.015 < noise.mean[0] < 0.03
    assert 2 < noise.noise_corr < 4  # from drizzling only
    # The PSF-matched F277W is even smoother.
    assert table.bands["F277W"].noise_corr > 1.5 * noise.noise_corr
