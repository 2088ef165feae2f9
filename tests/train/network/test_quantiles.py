# ruff: noqa: E402
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from pixsed.simulate.noise import from_description
from pixsed.simulate.table import read_simulations
from pixsed.train.checkpoint import load_network
from pixsed.train.network.quantiles import LEVELS, Marginals, fit_quantiles, load_marginals, truths


@pytest.fixture(scope="module")
def checkpoint(checkpoint_file):
    return torch.load(checkpoint_file, weights_only=True)


@pytest.fixture(scope="module")
def network(checkpoint):
    return load_network(checkpoint)


def pixels(n=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    flux = 10 ** (3 * torch.rand(n, 1, generator=generator)) * torch.rand(n, 9, generator=generator)
    err = 0.1 + 0.05 * flux
    flux[torch.rand(n, 9, generator=generator) < 0.3] = float("nan")
    z = 7.4 * torch.rand(n, generator=generator)
    return flux, err, z, torch.where(torch.arange(n) % 2 == 0, 0.0, 0.1) * (1 + z)


def random_head(network, scale=0.3):
    head = Marginals(network)
    torch.manual_seed(1)
    for weights in (head.last.weight, head.skip.weight):
        torch.nn.init.normal_(weights, std=scale)
    return head.eval()


def test_quantiles_rise_and_stay_in_the_prior(network):
    seen = pixels()
    for scale in (0.05, 3.0):  # an extreme network too
        with torch.no_grad():
            found = random_head(network, scale)(*seen)
        assert found.shape == (64, 11, len(LEVELS)) and torch.isfinite(found).all()
        assert (torch.diff(found, dim=2) >= 0).all()
        values = dict(zip(Marginals(network).names, found.unbind(1), strict=True))
        for name, low, high in (
            ("LOGMFORM", 4, 12),
            ("METAL", -2.3, 0.4),
            ("AV", 0, 4),
            ("REDSHIFT", 0, 7.5),
            ("TAU", 0.01, 100),
        ):
            assert values[name].min() >= low - 1e-5 and values[name].max() <= high * (1 + 1e-5)
        from pixsed.cosmology import age

        exact = seen[3] == 0
        top = torch.from_numpy(age(seen[2].numpy()))[exact, None]
        for name in ("TSTART", "AGE", "T50LB"):
            assert (values[name][exact] <= top * (1 + 1e-5)).all() and values[name].min() >= 0


def test_numbers_undo_properties(network, simulations_file):
    sims = read_simulations(simulations_file)
    head = Marginals(network)
    truth = torch.from_numpy(truths(sims, head.names)[:200].astype(np.float32))
    z = torch.from_numpy(sims.columns["REDSHIFT"][:200].astype(np.float32))
    seen = z + 0.05, 0.1 + 0 * z
    back = head.from_numbers(head.to_numbers(truth, *seen).unsqueeze(2), *seen).squeeze(2)
    assert torch.allclose(back, truth, rtol=1e-3, atol=1e-3)


def test_surface_density_is_the_mass_over_the_area(network, simulations_file):
    from pixsed.cosmology import kpc_per_arcsec

    sims = read_simulations(simulations_file)
    found = truths(sims, ["LOGMSTAR", "LOGSIGMA"])
    area = kpc_per_arcsec(sims.columns["REDSHIFT"]) ** 2
    np.testing.assert_allclose(found[:, 0] - np.log10(area), found[:, 1], rtol=1e-6)


def test_training_learns_and_repeats(checkpoint, network, simulations_file):
    sims = read_simulations(simulations_file)
    noise = from_description(checkpoint["noise"])
    reported = []
    saved = fit_quantiles(
        network, sims, noise, rows=250_000, report=lambda *now: reported.append(now)
    )
    again = fit_quantiles(network, sims, noise, rows=2 * 2048)
    once_more = fit_quantiles(network, sims, noise, rows=2 * 2048)
    assert all(torch.equal(v, once_more["state"][k]) for k, v in again["state"].items())
    assert not any(key.startswith("network.") for key in saved["state"])
    assert load_marginals({}, network) is None
    head = load_marginals({"quantiles": saved}, network)
    # Better than the prior for the mass, the best constrained property.
    i = head.names.index("LOGMSTAR")
    flux = torch.from_numpy(sims.flux[:500].astype(np.float32))
    z = torch.from_numpy(sims.columns["REDSHIFT"][:500].astype(np.float32))
    with torch.no_grad():
        found = head(flux, 0.1 + 0.05 * flux, z, 0 * z)[:, i]
    truth = torch.from_numpy(sims.columns["LOGMSTAR"][:500].astype(np.float32))
    bright = flux.mean(dim=1) > 1.0
    off = (found[:, LEVELS.index(0.5)] - truth)[bright]
    assert off.abs().median() < 0.5 * (truth[bright] - truth[bright].median()).abs().median()
