"""Photometry of posterior draws: of the graph, and of the forward model on an SSP grid."""

from types import SimpleNamespace

import fakes
import numpy as np
import pytest

from pixsed import cosmology
from pixsed.errors import PixsedError
from pixsed.fit.forward import ForwardModel
from pixsed.fit.model import Model, load_model
from pixsed.fit.options import FitOptions
from pixsed.fit.predictions import BEST, DECODER, GRID, Prediction, predict
from pixsed.fit.select_draws import Places, draw_places
from pixsed.models import shipped
from pixsed.sps.photometry import PhotometryModel
from pixsed.sps.sfh import TauDelayed

OPTIONS = FitOptions(samples=32)
PIXEL = Places(pixels=((13, 11),))


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory, ssp_grid):
    """Fake model that was trained on the synthetic grid."""
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    sps = {k: v for k, v in ssp_grid.meta.items() if k != "LOGU"} | {"LOGU": -2.0}
    path = tmp_path_factory.mktemp("synthetic") / "m.onnx"
    return Model(fakes.fake_model(path, sps=sps))


class TestGrid:
    def test_fluxes_are_those_of_the_draws(self, synthetic, ssp_grid):
        cube = fakes.make_cube(redshift_err=0.05)
        [posterior] = draw_places(cube, synthetic, PIXEL, OPTIONS)
        found = predict(posterior, synthetic, OPTIONS, ForwardModel(synthetic, [ssp_grid]))
        assert found.source == GRID and found.bands == cube.bands
        s = {name: values.astype(float) for name, values in posterior.samples.items()}
        grid = PhotometryModel(ssp_grid.at_log_u(-2.0), ["F444W"], z_max=3.0)
        history = TauDelayed(s["TAU"], s["TSTART"], cosmology.age(s["REDSHIFT"]))
        wanted = grid.fluxes(s["REDSHIFT"], grid.weights(history), s["METAL"], s["AV"])
        wanted = wanted[:, 0] * 10 ** s["LOGMFORM"]
        np.testing.assert_allclose(found.draws[:, 4], wanted, rtol=1e-4)
        assert found.redshift == pytest.approx(np.median(s["REDSHIFT"]))
        assert found.quantiles.shape == (3, len(cube.bands))
        np.testing.assert_allclose(found.quantiles[1], np.median(found.draws, axis=0))
        assert (found.quantiles[0] < found.quantiles[2]).all()
        # The spectra are those of the first draws: f_nu at the pivot is near the flux.
        at = np.array([np.interp(4.4e4, found.wave, one) for one in found.spectra])
        np.testing.assert_allclose(at, wanted[: len(at)], rtol=0.2)

    def test_a_bin_has_the_fluxes_of_all_its_pixels(self, synthetic, ssp_grid):
        cube = fakes.binned_cube()
        [posterior] = draw_places(cube, synthetic, PIXEL, OPTIONS)
        forward = ForwardModel(synthetic, [ssp_grid])
        whole = forward.photometry(posterior, ["F444W"])
        posterior.rows.npix[:] = 1
        np.testing.assert_allclose(
            whole / forward.photometry(posterior, ["F444W"]), posterior.npix, rtol=1e-6
        )

    def test_draws_that_describe_their_galaxy(self, monkeypatch):
        """Of a history in bins, which may differ from the LOGSFR and AGE of the draw."""
        samples = {"LOGSFR": np.zeros(6), "LOGMFORM": np.full(6, 9.0), "AGE": np.full(6, 2.0)}
        rates = np.array([-9.0, -9.02, -8.96, -9.0, -9.0])
        ages = 2.0 * 10 ** np.array([0.0, 0.0, 0.0, 0.04, -0.06])
        history = SimpleNamespace(log_sfr=lambda: rates, mass_weighted_age=lambda: ages)
        forward = object.__new__(ForwardModel)
        monkeypatch.setattr(ForwardModel, "_populations", lambda *args: (None, None, history))
        draws = np.array([5, 1, 2, 3, 4])
        for exact, wanted in {False: [5, 1, 3], True: [5, 1, 2, 3, 4]}.items():
            forward.exact = exact
            found = forward.describing(SimpleNamespace(samples=samples), draws)
            assert found.tolist() == wanted

    def test_faults(self, synthetic, ssp_grid, tmp_path):
        with pytest.raises(PixsedError, match="needs 1 SSP grid, got 2; give --ssp once"):
            ForwardModel(synthetic, [ssp_grid] * 2)
        other = Model(fakes.fake_model(tmp_path / "a.onnx"))
        with pytest.raises(PixsedError, match="--ssp a.fits: its LIBRARY is SYNTHETIC, and model"):
            ForwardModel(other, [ssp_grid], "a.fits")
        prior = {"sfh": "broad", "redshift": [0.0, 7.5]}
        other = Model(fakes.fake_model(tmp_path / "b.onnx", prior=prior, name="broad"))
        with pytest.raises(PixsedError, match="draws of model broad, .* do not tell all"):
            ForwardModel(other, [ssp_grid])
        [posterior] = draw_places(fakes.make_cube(), synthetic, PIXEL, OPTIONS)
        posterior.samples["REDSHIFT"] = np.zeros(32)
        with pytest.raises(PixsedError, match="redshift must be above 0 for photometry"):
            ForwardModel(synthetic, [ssp_grid]).photometry(posterior, ["F444W"])


class TestDecoder:
    @pytest.mark.skipif("tau" not in shipped(), reason="the model tau is not shipped")
    def test_one_draw_at_a_time_holds_the_best_of_all(self):
        model = load_model("tau")
        cube = fakes.make_cube()
        [posterior] = draw_places(cube, model, PIXEL, OPTIONS)
        found = predict(posterior, model, OPTIONS)
        assert found.source == DECODER and found.draws.shape == (32, 5)
        # CHI2 of the maps is that of the best of these draws, with the best amplitude.
        weight = 1 / (found.err**2 + (found.own_error * found.flux) ** 2)
        scale = (found.draws * found.flux * weight).sum(axis=1)
        scale /= (found.draws**2 * weight).sum(axis=1)
        off = (found.flux - scale[:, None] * found.draws) ** 2
        error = found.err**2 + (found.own_error * scale[:, None] * found.draws) ** 2
        assert (off / error).mean(axis=1).min() == pytest.approx(posterior.chi2, rel=1e-3)
        assert found.chi2 >= posterior.chi2 * (1 - 1e-3)
        # Amplitudes scatter by the error of the mean flux.
        wanted = 1 / np.sqrt((found.draws**2 * weight).sum(axis=1))
        assert 0.5 < np.std(1 / scale) / np.median(wanted) < 1.5

    def test_a_model_without_predicted_fluxes(self, tmp_path):
        model = Model(fakes.fake_model(tmp_path / "m.onnx", flux_model=False))
        [posterior] = draw_places(fakes.make_cube(), model, PIXEL, OPTIONS)
        with pytest.raises(PixsedError, match="predicts no fluxes; give --ssp"):
            predict(posterior, model, OPTIONS)

    def test_a_model_that_makes_several_draws_gives_its_best(self, model, monkeypatch):
        [posterior] = draw_places(fakes.make_cube(), model, PIXEL, OPTIONS)
        sample = Model.sample

        def twice(self, *args):
            samples, fluxes = sample(self, *args)
            return np.repeat(samples, 2, axis=1), fluxes

        monkeypatch.setattr(Model, "sample", twice)
        found = predict(posterior, model, OPTIONS)
        assert found.source == BEST and len(found.draws) == 1


class TestStatistics:
    def test_pvalue_of_perfect_and_of_wrong_models(self):
        rng = np.random.default_rng(1)
        err = np.full(12, 2.0)
        pvalues = []
        for _ in range(120):
            # A posterior that is far narrower than the noise: p is uniform.
            truth = rng.uniform(50, 100, 12)
            draws = truth + rng.normal(0, 1e-3, (20, 12))
            one = Prediction(
                "x", GRID, ["B"] * 12, err, truth + rng.normal(0, err), err, draws, 0 * err
            )
            pvalues.append(one.pvalue)
        assert (
            abs(np.mean(pvalues) - 0.5) < 0.09 and abs(np.mean(np.less(pvalues, 0.1)) - 0.1) < 0.09
        )
        wrong = Prediction("x", GRID, ["B"] * 12, err, truth * 1.2, err, draws, 0 * err)
        assert wrong.pvalue < 1e-6 and (wrong.residual > 4).all()
        assert wrong.chi2 == pytest.approx(((0.2 * truth / 2) ** 2).mean(), rel=1e-2)
