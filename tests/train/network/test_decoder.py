# ruff: noqa: E402
"""Decoder, compared with the photometry of simulations."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from pixsed.train.network import decoder as module
from pixsed.train.network.base_decoder import DRAWS
from pixsed.train.network.decoder import Decoder, fit
from pixsed.train.network.spaces import TauSpace

BANDS = 9


@pytest.fixture(scope="module")
def simulations(simulations_file):
    from pixsed.simulate.table import read_simulations

    return read_simulations(simulations_file)


@pytest.fixture(scope="module")
def saved(simulations):
    return fit(simulations, TauSpace, steps=600, hidden=32, extra=4, nodes=31)


@pytest.fixture(scope="module")
def decoder(saved):
    return Decoder.from_checkpoint(saved)


def parameters(simulations):
    columns = [simulations.columns[name] for name in TauSpace.OUTPUTS]
    return torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))


def test_colours_against_the_forward_model(ssp_grid, few_bands, decoder):
    # New populations, whose photometry is computed here.
    from pixsed.cosmology import age
    from pixsed.sps.photometry import PhotometryModel
    from pixsed.sps.sfh import TauDelayed

    rng = np.random.default_rng(5)
    n = 200
    z, av, metal = rng.uniform(0.5, 3, n), rng.uniform(0, 1.5, n), rng.uniform(-1, 0.2, n)
    start, tau = age(z) * rng.uniform(0.1, 0.6, n), 10 ** rng.uniform(-0.5, 0.5, n)
    history = TauDelayed(tau, start, age(z))
    photometry = PhotometryModel(ssp_grid.at_log_u(-2.0), few_bands, z_max=8.0)
    flux = photometry.fluxes(z, history.weights(ssp_grid.age_edges), metal, av)
    from pixsed.train.network import physics

    rate = physics.log_sfr_tau(torch.from_numpy(tau), torch.from_numpy(age(z) - start)).numpy()
    known = dict(
        LOGMSTAR=0 * z,
        LOGMFORM=0 * z,
        LOGSFR=rate,
        METAL=metal,
        AV=av,
        TAU=tau,
        TSTART=start,
        REDSHIFT=z,
    )
    draws = torch.from_numpy(np.stack([known[k] for k in TauSpace.OUTPUTS], 1).astype(np.float32))
    with torch.no_grad():
        found = decoder(draws).numpy()
    true = flux / flux.sum(axis=1, keepdims=True)
    seen = true > 0.02
    off = np.log(found[seen] / true[seen])
    # After a second of training on 3000 simulations; the shipped decoders reach 1 to 2 %.
    assert np.sqrt(np.mean(off**2)) < 0.2 and np.median(np.abs(off)) < 0.1


def test_stated_error(simulations, saved, decoder):
    with torch.no_grad():
        found = decoder(parameters(simulations)).numpy()
    true = simulations.flux / simulations.flux.sum(axis=1, keepdims=True)
    seen = true > 0.01 * true.max(axis=1, keepdims=True)
    rms = np.sqrt([np.mean((found[s, b] / true[s, b] - 1) ** 2) for b, s in enumerate(seen.T)])
    stated = np.array(saved["sizes"]["error"])
    assert stated.shape == (BANDS,) and np.all(stated > 0)
    np.testing.assert_allclose(np.log(stated), np.log(rms), atol=1.0)


def test_independent_of_mass_and_normalised(simulations, decoder):
    draws = parameters(simulations)[:50]
    heavier = draws.clone()
    heavier[:, :3] += 2.0
    with torch.no_grad():
        light = decoder(draws)
        np.testing.assert_allclose(decoder(heavier), light, rtol=1e-3, atol=1e-5)
    assert light.min() >= 0
    np.testing.assert_allclose(light.sum(dim=1), 1.0, atol=0.25)


def test_result_depends_on_the_seed_only(simulations):
    small = dict(steps=5, hidden=8, extra=2, nodes=7)
    one, two, other = (fit(simulations, TauSpace, seed=s, **small) for s in (1, 1, 2))
    for key, values in one["state"].items():
        assert torch.equal(values, two["state"][key])
    assert not torch.equal(one["state"]["last.weight"], other["state"]["last.weight"])


def test_best_draw_has_the_smallest_chi2(simulations, decoder):
    rng = np.random.default_rng(1)
    draws = parameters(simulations)[: 40 * 12].reshape(40, 12, -1)
    with torch.no_grad():
        light = decoder(draws).double().numpy()
        flux = 100 * light[:, 7] * (1 + 0.03 * rng.standard_normal((40, BANDS)))
        err = 0.03 * flux + 0.01
        flux[::3, 2] = np.nan
        found = decoder.best(draws, *(torch.from_numpy(a.astype(np.float32)) for a in (flux, err)))
    err = np.hypot(err, np.array(decoder.error) * flux)
    weight = np.where(np.isfinite(flux), 1 / err**2, 0)[:, None]
    data = np.nan_to_num(flux)[:, None]
    scale = (data * light * weight).sum(-1) / (light**2 * weight).sum(-1)
    chi2 = ((data - scale[..., None] * light) ** 2 * weight).sum(-1)
    expected = (scale[..., None] * light)[np.arange(40), chi2.argmin(axis=1)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-3)
    assert np.mean(chi2.argmin(axis=1) == 7) > 0.8


def test_only_the_first_draws_are_used(simulations, decoder):
    draws = parameters(simulations)[: 5 * (DRAWS + 1)].reshape(5, DRAWS + 1, -1)
    with torch.no_grad():
        flux = decoder(draws[:, -1])
        some = decoder.best(draws, flux, 0.01 * flux + 1e-6)
        none = decoder.best(draws[:, :DRAWS], flux, 0.01 * flux + 1e-6)
    assert torch.equal(some, none)


def test_pixel_without_bands_or_flux(simulations, decoder):
    draws = parameters(simulations)[:8].reshape(2, 4, -1)
    flux = torch.full((2, BANDS), float("nan"))
    flux[1] = -1.0
    with torch.no_grad():
        found = decoder.best(draws, flux, torch.ones(2, BANDS))
    assert torch.equal(found, torch.zeros(2, BANDS))


def test_inputs_of_dirichlet_histories():
    from pixsed.train.network.spaces import DirichletSpace

    draws = torch.rand(3, 4, len(DirichletSpace.OUTPUTS)) + 0.1
    decoder = module.Decoder(DirichletSpace.OUTPUTS, 5, hidden=8, nodes=9)
    assert decoder(draws).shape == (3, 4, 5) and decoder.inputs(draws).shape == (3, 4, 10)
