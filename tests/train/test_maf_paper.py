# ruff: noqa: E402
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("sbi", reason="the paper's network is made by sbi")

from dataclasses import fields, replace

from astropy import units as u

from pixsed.bands import PAPER_BANDS
from pixsed.cosmology import age
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.simulate.noise import DEPTH, WIDE, depths
from pixsed.simulate.priors import PRIORS
from pixsed.simulate.table import Simulations, read_simulations
from pixsed.train.maf_paper import PaperOptions, load_sampler, network_input, train
from pixsed.train.maf_paper.checkpoint import build_network, load_network, read_checkpoint
from pixsed.train.maf_paper.fit import observe_once
from pixsed.train.maf_paper.sampler import ages_of_draws
from pixsed.validate.cases import CASES, observe_case, with_t50lb
from pixsed.validate.sampling import assess
from pixsed.validate.tarp import UnitCube

SIZES = {"hidden_features": 24, "num_transforms": 2}
OPTIONS = PaperOptions(epochs=3, rate=3e-3, seed=1, sizes=SIZES)


@pytest.fixture(scope="module")
def simulations(simulations_file):
    return read_simulations(simulations_file)


@pytest.fixture(scope="module")
def run(simulations, tmp_path_factory):
    path = tmp_path_factory.mktemp("maf") / "maf.ckpt"
    rows = []
    return train(simulations, DEPTH, path, OPTIONS, report=rows.append, threads=1), rows, path


def test_magnitudes_and_errors_against_astropy():
    bands = ["F150W", "F444W"]
    flux = np.array([[3.0, 700.0], [0.5, 20.0]])
    err = np.array([[0.1, 14.0], [0.05, 0.2]])
    x = network_input(flux, err, [1.5, 6.0], depths(bands), bands)
    assert x.shape == (2, 5) and x.dtype == np.float32
    np.testing.assert_allclose(x[:, :2], (flux * u.nJy).to_value(u.ABmag), rtol=1e-6)
    tiny = 1e-4
    fainter, brighter = (
        ((flux * u.nJy + sign * tiny * err * u.nJy).to_value(u.ABmag)) for sign in (-1, 1)
    )
    np.testing.assert_allclose(x[:, 2:4], (fainter - brighter) / (2 * tiny), rtol=1e-5)
    np.testing.assert_allclose(x[:, 4], [1.5, 6.0])


def test_non_detections():
    bands = ["F150W", "F444W"]
    depth = depths(bands)
    flux = np.stack([depth * 0.999, -depth, 0 * depth, depth * 1.001])
    x = network_input(flux, np.full((4, 2), 7.0), np.ones(4), depth, bands)
    as_magnitude = (depth * u.nJy).to_value(u.ABmag)
    for row in x[:3]:
        np.testing.assert_allclose(row[:2], 100.0)
        np.testing.assert_allclose(row[2:4], as_magnitude, rtol=1e-6)
    np.testing.assert_allclose(x[3, :2], as_magnitude, atol=2e-3)
    # The error is of the flux as measured, however large.
    np.testing.assert_allclose(x[3, 2:4], 1.0857362 * 7.0 / flux[3], rtol=1e-5)


def test_missing_band_is_an_error():
    flux = np.array([[1.0, 2.0], [1.0, np.nan]])
    with pytest.raises(PixsedError, match="every band .* but F444W is missing in some rows"):
        network_input(flux, np.ones((2, 2)), np.ones(2), np.ones(2), ["F150W", "F444W"])


def test_network_has_the_size_of_the_paper():
    """15 blocks; each 7 -> 500, 39 -> 500 for the input, two of 500 -> 500, and 500 -> 14."""
    torch.manual_seed(0)
    net = build_network(torch.randn(50, 7), torch.randn(50, 39))
    made = [
        t.autoregressive_net
        for t in net.net._transform._transforms
        if hasattr(t, "autoregressive_net")
    ]
    assert len(made) == 15
    for block in made:
        assert [b.linear.weight.shape for b in block.blocks] == [(500, 500)] * 2
    weights = (7 + 1) * 500 + (39 + 1) * 500 + 2 * 501 * 500 + 501 * 14
    assert sum(p.numel() for p in net.parameters()) == 15 * weights


def test_inputs_are_the_bands_of_the_paper(simulations, few_bands):
    theta, x = observe_once(simulations, DEPTH, 1)
    assert theta.shape == (3000, 7) and x.shape == (3000, 2 * len(few_bands) + 1)
    assert np.isfinite(x).all()
    np.testing.assert_allclose(x[:, -1], simulations.columns["REDSHIFT"])
    names = ("LOGMSTAR", "LOGMFORM", "LOGSFR", "METAL", "AV", "TAU", "TSTART")
    for values, name in zip(theta.T, names, strict=True):
        np.testing.assert_allclose(values, simulations.columns[name], rtol=1e-6)
    # A band outside the paper has no effect.
    flux = np.concatenate([np.full((3000, 1), 5.0), simulations.flux], axis=1)
    more = replace(simulations, bands=["F070W", *few_bands], flux=flux)
    assert np.array_equal(observe_once(more, DEPTH, 1)[1], x)
    # The fraction of detections is that of noisy fluxes above the depth.
    true = simulations.flux.astype(float)
    sigma = DEPTH.draw(true, few_bands, np.random.default_rng(0))
    noisy = true + sigma * np.random.default_rng(1).standard_normal(true.shape)
    expected = (noisy > depths(few_bands)).mean(axis=0)
    np.testing.assert_allclose((x[:, : len(few_bands)] < 100).mean(axis=0), expected, atol=0.02)


def test_held_out_loss_falls(run):
    checkpoint, rows, _ = run
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[2]["held_out"] < rows[0]["held_out"] - 1.0
    assert checkpoint["best_loss"] == min(row["held_out"] for row in rows)


def test_loss_is_the_negative_log_density_of_the_held_out_simulations(run, simulations):
    """The density follows from the inverse of the flow by the change of variables."""
    checkpoint, rows, _ = run
    theta, x = observe_once(simulations, DEPTH, 1)
    aside = np.random.default_rng(1).permutation(3000)[:300]
    net = load_network(checkpoint).double()
    best = min(rows, key=lambda row: row["held_out"])
    at, seen = (torch.from_numpy(a[aside]).double() for a in (theta, x))

    def one(values, given):
        # Here sbi leaves the standardisation of the inputs to the caller.
        return net.inverse_transform(values[None], net.embedding_net(given[None]))[0]

    base = torch.stack([one(values, given) for values, given in zip(at, seen, strict=True)])
    jacobian = torch.stack(
        [
            torch.autograd.functional.jacobian(lambda v, g=given: one(v, g), values)
            for values, given in zip(at[:40], seen[:40], strict=True)
        ]
    )
    log_density = (-0.5 * (base[:40] ** 2 + np.log(2 * np.pi))).sum(dim=1)
    log_density = log_density + torch.linalg.slogdet(jacobian)[1]
    with torch.no_grad():
        losses = net.loss(at, seen)
    np.testing.assert_allclose(losses[:40], -log_density.detach(), rtol=1e-6)
    assert float(losses.mean()) == pytest.approx(best["held_out"], rel=1e-4)


class Killed(Exception):
    pass


def test_resumed_training_has_the_same_weights(run, simulations, tmp_path):
    whole, _, _ = run
    path = tmp_path / "part.ckpt"

    def kill(row):
        if row["epoch"] == 2:
            raise Killed

    with pytest.raises(Killed):
        train(simulations, DEPTH, path, OPTIONS, report=kill, threads=1)
    assert read_checkpoint(path)["epoch"] == 2
    again = train(simulations, DEPTH, path, OPTIONS, resume=path, threads=1)
    assert again["epoch"] == 3 and len(again["history"]) == 3
    for key in ("network", "best"):
        for name, value in whole[key].items():
            assert torch.allclose(value, again[key][name], rtol=1e-5, atol=1e-6), name


def test_patience_ends_the_training_and_the_best_epoch_is_kept(simulations, tmp_path):
    part = replace(
        simulations,
        flux=simulations.flux[:300],
        columns={k: v[:300] for k, v in simulations.columns.items()},
    )
    path = tmp_path / "m.ckpt"
    options = PaperOptions(batch=50, rate=0.05, patience=3, sizes=SIZES)
    done = train(part, DEPTH, path, options, threads=1)
    losses = [row["held_out"] for row in done["history"]]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 3 and done["best_loss"] == losses[best]
    with pytest.raises(PixsedError, match="m.ckpt has ended: 3 epochs brought no smaller"):
        train(part, DEPTH, path, options, resume=path, threads=1)
    theta, x = (torch.from_numpy(a) for a in observe_once(part, DEPTH, 42))
    aside = np.random.default_rng(42).permutation(300)[:30]
    with torch.no_grad():
        again = load_network(done).loss(theta[aside], x[aside]).mean()
    assert float(again) == pytest.approx(losses[best], rel=1e-5)


#: Another value of every field of the options.
OTHER = {
    "epochs": 4,
    "batch": 64,
    "rate": 0.01,
    "patience": 4,
    "seed": 2,
    "sizes": {},
    "device": "cuda",
}
#: Fields that may change when a training is resumed.
FREE = {"epochs", "patience", "device"}


@pytest.mark.parametrize("name", [field.name for field in fields(PaperOptions)])
def test_each_option_guards_the_resuming_or_is_free(name):
    saved, other = OPTIONS.key(), replace(OPTIONS, **{name: OTHER[name]})
    if name in FREE:
        other.check_resumable(saved, "maf.ckpt")
        return
    with pytest.raises(PixsedError, match=f"maf.ckpt was trained with {name} "):
        other.check_resumable(saved, "maf.ckpt")


def test_finished_or_other_training_is_not_resumed(run, simulations, tmp_path):
    _, _, path = run
    longer = replace(OPTIONS, epochs=4)

    def resume(options, simulations=simulations, noise=DEPTH, name="a"):
        train(simulations, noise, tmp_path / name, options, resume=path, threads=1)

    with pytest.raises(PixsedError, match="maf.ckpt already has 3 epochs"):
        resume(OPTIONS)
    with pytest.raises(PixsedError, match="trained with seed 1, not 2"):
        resume(replace(longer, seed=2))
    fewer = replace(simulations, bands=simulations.bands[1:], flux=simulations.flux[:, 1:])
    with pytest.raises(PixsedError, match="other bands or another prior"):
        resume(longer, fewer)
    with pytest.warns(PixsedWarning, match="trained under other noise"):
        resume(longer, noise=WIDE, name="b")
    torch.save({"x": 1}, tmp_path / "x.ckpt")
    with pytest.raises(
        PixsedError, match="x.ckpt is not a checkpoint of this version of 'pixsed train --net maf"
    ):
        read_checkpoint(tmp_path / "x.ckpt")
    with pytest.raises(PixsedError, match="none.ckpt: no such file"):
        read_checkpoint(tmp_path / "none.ckpt")
    assert not (tmp_path / "a").exists()


def test_unsuitable_simulations(simulations, tmp_path):
    with pytest.raises(PixsedError, match="no network for the prior 'continuity'"):
        train(replace(simulations, prior="continuity"), DEPTH, tmp_path / "a")
    with pytest.raises(PixsedError, match="needs 3 of the paper's bands or more, got 2"):
        train(
            replace(
                simulations,
                bands=[
                    "F070W",
                    "F300M",
                    "F360M",
                    "F140M",
                    "F105W",
                    "F125W",
                    "F140W",
                    "F150W",
                    "F444W",
                ],
            ),
            DEPTH,
            tmp_path / "a",
        )
    if not torch.cuda.is_available():
        with pytest.raises(PixsedError, match="there is no device cuda; try --device cpu"):
            train(simulations, DEPTH, tmp_path / "a", PaperOptions(device="cuda"))
    few = replace(simulations, flux=simulations.flux[:99])
    with pytest.raises(PixsedError, match="99 simulations are too few"):
        train(few, DEPTH, tmp_path / "a")


@pytest.fixture
def photometry(few_bands):
    rng = np.random.default_rng(3)
    flux = np.exp(rng.normal(2, 1, (6, 1))) * np.ones(len(few_bands))
    err = 0.1 + 0.05 * flux
    return flux + err * rng.standard_normal(flux.shape), err, rng.uniform(0.5, 7, 6)


def test_draws_equal_those_of_sbi(run, photometry, few_bands):
    """With the same base normals, the draws equal those of `sample` of sbi."""
    flux, err, z = photometry
    model = load_sampler(run[2]).model
    x = torch.from_numpy(network_input(flux, err, z, depths(few_bands), few_bands))
    torch.manual_seed(8)
    with torch.no_grad():
        expected = model.network.sample((40,), condition=x).transpose(0, 1)
    torch.manual_seed(8)
    base = torch.randn(6 * 40, 7).reshape(6, 40, 7).numpy()
    drawn, nothing = model.sample(flux, err, z, np.zeros(6), base)
    assert nothing is None
    np.testing.assert_allclose(drawn, expected, rtol=1e-4, atol=1e-4)


def test_photometry_with_more_bands_in_any_order(run, photometry, few_bands):
    flux, err, z = photometry
    base = np.random.default_rng(1).standard_normal((6, 20, 7)).astype(np.float32)
    drawn, _ = load_sampler(run[2]).model.sample(flux, err, z, np.zeros(6), base)
    other = load_sampler(run[2], [*few_bands[::-1], "F070W"]).model
    nothing = np.full((6, 1), np.nan)
    wide = [np.concatenate([a[:, ::-1], nothing], axis=1) for a in (flux, err)]
    again, _ = other.sample(*wide, z, np.zeros(6), base)
    np.testing.assert_allclose(again, drawn, rtol=1e-4, atol=1e-4)
    one, _ = other.sample(*(a[2:3] for a in wide), z[2:3], np.zeros(1), base[2:3])
    np.testing.assert_allclose(one[0], drawn[2], rtol=1e-4, atol=1e-4)
    with pytest.raises(PixsedError, match="was also trained on F606W"):
        load_sampler(run[2], few_bands[1:])
    with pytest.raises(PixsedError, match="exact redshifts only"):
        other.sample(*wide, z, np.full(6, 0.1), base)


def test_draws_outside_the_prior_are_kept(run, photometry):
    flux, err, z = photometry
    sampler = load_sampler(run[2])
    base = 3 * np.random.default_rng(1).standard_normal((6, 50, 7)).astype(np.float32)
    drawn, redshift, ood = sampler(flux, err, z, np.zeros(6), base)
    np.testing.assert_array_equal(redshift, z[:, None])
    assert np.isnan(ood).all()
    straight, _ = sampler.model.sample(flux, err, z, np.zeros(6), base)
    for i, name in enumerate(("LOGMSTAR", "LOGMFORM", "LOGSFR", "METAL", "AV", "TAU", "TSTART")):
        np.testing.assert_array_equal(drawn[name], straight[..., i])
    at_z = age(z)[:, None]
    assert np.any(drawn["TSTART"] > at_z) and np.any(drawn["TAU"] < 0)
    for name in ("AGE", "T50LB"):
        assert np.all((drawn[name] >= 0) & (drawn[name] <= at_z)), name


def test_ages_of_draws_against_the_histories():
    """AGE and T50LB of draws from the prior, against the columns of simulations."""
    rng = np.random.default_rng(5)
    for name in ("tau", "dirichlet"):
        prior = PRIORS[name]()
        z, unit = prior.draw(300, rng)
        columns = prior.parameters(z, unit, prior.history(z, unit), np.full(300, 0.7))
        found = ages_of_draws(name, {key: values[:, None] for key, values in columns.items()}, z)
        half = (1 - columns["T50"]) * age(z)
        np.testing.assert_allclose(found["T50LB"][:, 0], half, atol=1e-5)
        mean = found["AGE"][:, 0]
        if name == "tau":
            np.testing.assert_allclose(mean, columns["AGE"], atol=1e-5)
        else:  # the mean rate over 100 Myr replaces the present one; few histories are affected
            assert np.median(np.abs(mean - columns["AGE"])) < 0.02
            assert np.corrcoef(mean, columns["AGE"])[0, 1] > 0.95


def test_validation_counts_draws_outside_the_prior(run, simulations, simulations_file):
    sampler = load_sampler(run[2], simulations.bands, threads=1)
    seen = observe_case(simulations_file, DEPTH, CASES["paper"], number=100)
    names = sampler.names(seen.truth)
    assert names == [
        "LOGMSTAR",
        "LOGMFORM",
        "LOGSFR",
        "METAL",
        "AV",
        "TAU",
        "TSTART",
        "AGE",
        "T50LB",
    ]
    joint = sampler.joint_names(names)
    assert set(joint) == {"LOGMFORM", "METAL", "AV", "TAU", "TSTART"}
    prior = with_t50lb(simulations.columns)
    result = assess(
        seen,
        sampler,
        names,
        UnitCube({n: prior[n] for n in joint}),
        samples=60,
        metadata=sampler.model.metadata,
    )
    for name, values in result.values.items():
        assert np.isfinite(values["median"]).all(), name
    # The mean rank of the truths is 0.5 for a longer training.
    assert 0.2 < result.values["LOGMFORM"]["rank"].mean() < 0.8
    # Ages are those of histories within the prior, but draws of the network may be outside.
    assert result.values["TSTART"]["leak"].mean() > 0.01
    assert result.values["AGE"]["leak"].max() == 0
    assert sampler.model.sha256 and sampler.model.name == "maf"


def test_the_command(run_cli, simulations_file, few_bands, tmp_path):
    path = tmp_path / "maf.ckpt"
    args = [
        "train",
        simulations_file,
        "--net",
        "maf-paper",
        "--epochs",
        1,
        "--batch",
        1350,
        "--jobs",
        1,
        "-o",
        path,
    ]
    result = run_cli(*args)
    assert result.exit_code == 0, result.output
    assert "epoch 1: train" in result.stderr and "trained for 1 epochs" in result.stderr
    assert "smallest held-out loss: " in result.stderr
    saved = read_checkpoint(path)
    assert saved["bands"] == few_bands and saved["noise"]["name"] == "depth"
    assert saved["sizes"] == {"hidden_features": 500, "num_transforms": 15, "num_blocks": 2}
    assert saved["training"]["rate"] == 5e-4 and saved["patience"] == 20
    again = run_cli(*args)
    assert isinstance(again.exception, PixsedError) and "exists" in str(again.exception)
    again = run_cli(*args, "--continue", path, "--overwrite")
    assert "maf.ckpt already has 1 epochs" in str(again.exception)


def test_usage_errors(run_cli, tmp_path):
    result = run_cli("train", "s.fits", "-o", tmp_path / "m.ckpt")
    assert result.exit_code == 2 and "Missing option '--ssp'" in result.stderr
    result = run_cli(
        "train", "s.fits", "--net", "maf-paper", "--ensemble", 2, "-o", tmp_path / "m.ckpt"
    )
    assert result.exit_code == 2 and "are for --net default only" in result.stderr


@pytest.mark.slow
def test_posterior_of_an_analytic_problem(tmp_path):
    """Gaussian posterior of a mass that is proportional to the flux in 3 bands.

    The fluxes are 10 ** (mass - 7) nJy with constant errors, and the prior of the mass is
    uniform. At high S/N its standard deviation is sigma / flux / ln 10 / sqrt(3) dex.
    """
    rng = np.random.default_rng(0)
    n, bands, sigma = 10_000, ["F277W", "F356W", "F444W"], 20.0
    mass = rng.uniform(9, 10, n)
    columns = {
        "LOGMFORM": mass,
        "LOGMSTAR": mass + rng.normal(-0.3, 0.1, n),
        "LOGSFR": mass - 11 + rng.normal(0, 0.5, n),
        "METAL": rng.uniform(-2.3, 0.4, n),
        "AV": rng.uniform(0, 4, n),
        "TAU": rng.uniform(0.01, 100, n),
        "TSTART": rng.uniform(0, 1, n),
        "REDSHIFT": rng.uniform(1, 2, n),
    }
    flux = 10 ** (mass[:, None] - 7) * np.ones(3)
    sims = Simulations("tau", bands, columns, np.empty((n, 0)), flux, {})

    class Constant:
        name = "constant"

        def draw(self, flux, bands, rng):
            return np.full(flux.shape, sigma)

        def describe(self):
            return {"name": self.name}

    path = tmp_path / "m.ckpt"
    train(
        sims,
        Constant(),
        path,
        PaperOptions(
            epochs=25,
            rate=2e-3,
            batch=100,
            sizes={"hidden_features": 32, "num_transforms": 3},
        ),
        threads=1,
    )
    model = load_sampler(path).model
    at = np.array([9.25, 9.5, 9.75])
    seen = 10 ** (at[:, None] - 7) * np.ones(3)
    base = rng.standard_normal((3, 2000, 7))
    drawn, _ = model.sample(seen, np.full((3, 3), sigma), np.full(3, 1.5), np.zeros(3), base)
    drawn = drawn[..., model.parameters.index("LOGMFORM")]
    expected = sigma / seen[:, 0] / np.log(10) / np.sqrt(3)
    assert np.all(np.abs(np.median(drawn, axis=1) - at) < expected)
    np.testing.assert_allclose(drawn.std(axis=1), expected, rtol=0.4)


def test_every_band_of_the_paper_is_known():
    assert len(PAPER_BANDS) == 19 and np.all(depths(PAPER_BANDS) > 0)


@pytest.mark.slow
def test_validate_accepts_a_checkpoint(run, run_cli, simulations_file, tmp_path):
    """`pixsed validate` counts draws outside the prior and then fails."""
    _, _, path = run
    result = run_cli(
        "validate",
        path,
        simulations_file,
        "-n",
        200,
        "--samples",
        50,
        "--jobs",
        1,
        "--cases",
        "paper",
        "-o",
        tmp_path / "r.fits",
    )
    assert "LOGMSTAR" in result.stdout, (result.output, result.exception)
    assert "outside the prior" in str(result.exception)
