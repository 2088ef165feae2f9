"""Sample of a dry run: what is out of distribution, beyond the training, and how long it takes."""

import time

import fakes
import numpy as np
import pytest

from pixsed.fit.cube import fit_cube
from pixsed.fit.dry_run import pixels as pixels_module
from pixsed.fit.dry_run.cost import network_seconds, size_text, time_text
from pixsed.fit.dry_run.errors import CUBE_LIMITS, check_depth, check_training_noise
from pixsed.fit.dry_run.findings import Findings
from pixsed.fit.dry_run.pixels import Work, check_source
from pixsed.fit.dry_run.run import DryRun
from pixsed.fit.dry_run.sample import FittedSample, check_ood
from pixsed.fit.model import Model
from pixsed.fit.options import FitOptions
from pixsed.fit.posterior import Rows
from pixsed.fit.to_file import fit_to_file
from pixsed.io.formats.cube import write_cube
from pixsed.io.formats.cube_file import CubeName
from pixsed.io.formats.source import CubeSource

WIDE = {
    "name": "wide",
    "scale_low": 0.1,
    "scale_high": 30.0,
    "scatter": 0.35,
    "fraction_low": 0.01,
    "fraction_high": 0.1,
    "fraction_scatter": 0.3,
}
OPTIONS = FitOptions(samples=8, snr_min=5.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Model(fakes.fake_model(tmp_path_factory.mktemp("model") / "fake.onnx", noise=WIDE))


def rows_of(flux, err):
    """Return 50 equal rows in the 29 bands of the fake model."""
    values = [np.full((50, 29), value, np.float32) for value in (flux, err)]
    zero = np.zeros(50, int)
    return Rows(*values, np.ones(50), np.zeros(50), zero, zero)


def levels(found):
    return [finding.level for finding in found.found]


class TestPixels:
    def test_counts_are_those_of_the_fit(self, model):
        cube, found = fakes.make_cube(), Findings()
        work, rows = check_source(found, CubeSource(cube), model, OPTIONS)
        maps = fit_cube(cube, model, OPTIONS)
        number = int(np.isfinite(maps.planes["LOGMSTAR_P50"]).sum())
        assert work.pixels == number == len(rows)
        assert f"{number} of 193 pixels to fit" in [f.text for f in found.found][-1]
        assert work.planes == (len(maps.planes)) * cube.flux[0].size

    def test_the_sample_is_one_of_the_pixels(self, model):
        cube = fakes.make_cube()
        _, every = check_source(Findings(), CubeSource(cube), model, OPTIONS)
        _, some = check_source(Findings(), CubeSource(cube), model, OPTIONS, sample=20)
        _, tiled = check_source(
            Findings(), CubeSource(cube), model, OPTIONS, sample=20, tile=(7, 5)
        )
        known = {tuple(row) for row in np.nan_to_num(every.flux)}
        for rows in (some, tiled):
            assert len(rows) == 20
            assert {tuple(row) for row in np.nan_to_num(rows.flux)} <= known
        again = check_source(Findings(), CubeSource(cube), model, OPTIONS, sample=20)[1]
        np.testing.assert_array_equal(again.flux, some.flux)

    def test_a_large_image_is_read_in_part(self, model, monkeypatch):
        cube = fakes.make_cube()
        monkeypatch.setattr(pixels_module, "MOST_PIXELS", 240)
        found = Findings()
        options = FitOptions(samples=8, snr_min=5.0, all_pixels=True)
        source = CubeSource(cube, all_pixels=True)
        work, _ = check_source(found, source, model, options, tile=(2, 24))
        whole, _ = check_source(Findings(), source, model, options)
        assert "of 50.0% of the image that was read" in found.found[-1].text
        assert whole.pixels / 2 < work.pixels < whole.pixels * 2


class TestErrors:
    def test_usual_errors(self, model):
        found = Findings()
        check_training_noise(found, rows_of(20.0, 1.0), model)
        assert levels(found) == []

    def test_errors_in_another_unit(self, model):
        found = Findings()
        check_training_noise(found, rows_of(20e6, 1e6), model)
        assert (
            levels(found) == ["warning"] and "beyond those of the training" in found.found[0].text
        )

    def test_too_high_a_signal(self, model):
        found = Findings()
        check_training_noise(found, rows_of(500.0, 1.0), model)
        [finding] = found.found
        assert "100.0% of the sample has an S/N above 182, up to 500" in finding.text
        assert "--error-floor" in finding.mend

    def test_a_model_that_says_nothing(self, tmp_path):
        found = Findings()
        silent = Model(fakes.fake_model(tmp_path / "m.onnx"))
        check_training_noise(found, rows_of(500.0, 1.0), silent)
        assert levels(found) == []

    @pytest.mark.parametrize(
        ("ratio", "field", "cube"),
        [
            (1.0, "ok", "ok"),
            (0.4, "warning", "ok"),
            (2.5, "warning", "warning"),
            (0.2, "problem", "warning"),
            (15.0, "problem", "problem"),
            (np.nan, "ok", "ok"),
        ],
    )
    def test_depth(self, ratio, field, cube):
        for limits, level in (((), field), ((CUBE_LIMITS,), cube)):
            found = Findings()
            check_depth(found, {"F444W": ratio}, "--rescale-errors", *limits)
            assert levels(found) == [level]


class TestOod:
    @pytest.mark.parametrize(
        ("number", "level"),
        [(0, "ok"), (5, "ok"), (6, "warning"), (50, "warning"), (51, "problem")],
    )
    def test_levels(self, model, number, level):
        columns = {"OOD": np.where(np.arange(100) < number, 1e-4, 0.5), "CHI2": np.ones(100)}
        columns |= {f"{band}_MODEL": np.full(50, 20.0) for band in model.bands}
        found = Findings()
        check_ood(found, rows_of(20.0, 1.0), columns, model, 0.0)
        assert levels(found) == [level]
        assert found.found[0].text.startswith(f"{number}.0% of a sample of 100 pixels")

    @pytest.mark.parametrize(("floor", "said"), [(0.0, True), (0.05, False)])
    def test_a_floor_is_advised_once(self, model, floor, said):
        columns = {"OOD": np.zeros(50), "CHI2": np.ones(50)}
        columns |= {f"{band}_MODEL": np.full(50, 20.0) for band in model.bands}
        found = Findings()
        check_ood(found, rows_of(20.0, 1.0), columns, model, floor)
        assert ("--error-floor" in found.found[0].mend) is said

    @pytest.mark.parametrize(
        ("predicted", "level", "text", "mend"),
        [
            (50.0, "warning", "F200W +0.99", "--zero-points"),
            (200.0, "problem", "F200W +2.50", "--unit"),
        ],
    )
    def test_a_band_that_is_off(self, model, predicted, level, text, mend):
        columns = {"OOD": np.full(50, 0.5), "CHI2": np.ones(50)}
        columns |= {f"{band}_MODEL": np.full(50, 20.0) for band in model.bands}
        columns["F200W_MODEL"] = np.full(50, predicted)
        found = Findings()
        check_ood(found, rows_of(20.0, 1.0), columns, model, 0.0)
        assert levels(found) == ["ok", level]
        assert f"in the median: {text}" in found.found[1].text
        assert mend in found.found[1].mend

    def test_a_model_without_a_table(self, tmp_path):
        silent = Model(fakes.fake_model(tmp_path / "m.onnx", calibration=False))
        found = Findings()
        check_ood(found, rows_of(20.0, 1.0), {}, silent, 0.0)
        assert levels(found) == ["ok"] and "not known" in found.found[0].text


class TestCost:
    @pytest.mark.parametrize(
        ("seconds", "text"), [(0.42, "0.4 s"), (33.3, "33 s"), (600, "10 min"), (7200, "2.0 h")]
    )
    def test_times(self, seconds, text):
        assert time_text(seconds) == text

    @pytest.mark.parametrize(
        ("number", "text"), [(10, "1 MB"), (206e6, "206 MB"), (1.24e9, "1.2 GB")]
    )
    def test_sizes(self, number, text):
        assert size_text(number) == text

    def test_threads(self):
        work = Work(pixels=3200, batches=100)
        # Batches that were measured with two threads at work.
        fitted = FittedSample({}, seconds=0.05, size=32, jobs=2)
        assert network_seconds(work, fitted, 2) == pytest.approx(5.0)
        assert network_seconds(work, fitted, 4) == pytest.approx(2.5)
        assert network_seconds(Work(32, 1), fitted, 4) == pytest.approx(0.1)

    def test_the_time_is_about_that_of_the_fit(self, tmp_path):
        r2 = np.add.outer((np.arange(60) - 30) ** 2, (np.arange(64) - 32) ** 2)
        flux = np.stack([60 * np.exp(-r2 / 300)] * 5) + 5
        cube = fakes.make_cube(ny=60, nx=64, flux=flux, err=np.full(flux.shape, 0.5), segmap=None)
        write_cube(cube, tmp_path / "cube.fits")
        run, files = DryRun("tau", jobs=1), CubeName(str(tmp_path / "cube.fits"))
        run.load(samples=32)
        run.cubes([files])
        # The time of the processor does not depend on other programs; the model is loaded.
        start = time.process_time()
        report = fit_to_file(files, run.model, tmp_path / "maps.fits", FitOptions(samples=32))
        seconds = time.process_time() - start
        assert report.counts["npix"] == 3840
        assert seconds / 2 < run.quiet_seconds < 2 * (seconds + 0.5)
