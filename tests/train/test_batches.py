# ruff: noqa: E402
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from scipy.stats import kstest

from pixsed.errors import PixsedError
from pixsed.simulate.noise import WIDE, NoiseModel
from pixsed.simulate.table import Simulations
from pixsed.train.batches import NOMINAL_FRACTION, PHOTO_Z_FRACTION, Observer, _even

NAMES = ["F606W", "F115W", "F150W", "F277W", "F356W", "F444W"]


def made(n, seed=0, prior="tau"):
    """Simulations with random fluxes, which need no SSP grid."""
    from pixsed.simulate.priors import TauPrior

    rng = np.random.default_rng(seed)
    tau = TauPrior()
    z, unit = tau.draw(n, rng)
    columns = tau.parameters(z, unit, tau.history(z, unit), np.full(n, 0.7))
    flux = 10 ** rng.uniform(-3, 4, (n, 1)) * rng.uniform(0.5, 2, (n, len(NAMES)))
    return Simulations(prior, NAMES, columns, unit, flux.astype(np.float32), {})


def test_another_prior_is_refused():
    with pytest.raises(PixsedError, match="histories of the prior 'powerlaw' yet"):
        Observer(made(3, prior="powerlaw"), WIDE, np.arange(3))


def test_fraction_of_rows_with_nominal_noise():
    sims = made(4000)
    wide = NoiseModel("shallow", scale_low=1e3, scale_high=1e3)
    batch = Observer(sims, wide, np.arange(4000)).batch(
        np.arange(4000), np.random.default_rng(0), keep_faint=1.0
    )
    from pixsed.simulate.noise import depths

    sky = (batch["flux_err"] / torch.as_tensor(depths(NAMES))).nanmedian(dim=1).values
    fraction = (sky[batch["true_flux"].amax(dim=1) < 10] < 100).float().mean()
    assert float(fraction) == pytest.approx(NOMINAL_FRACTION, abs=0.05)


def test_batch():
    sims = made(4000)
    observer = Observer(sims, WIDE, np.arange(4000))
    batch = observer.batch(observer.rows, np.random.default_rng(0))
    n = len(batch["z"])
    assert 1000 < n <= 4000
    assert all(v.dtype == torch.float32 and len(v) == n for v in batch.values())
    assert torch.equal(torch.isnan(batch["flux"]), torch.isnan(batch["flux_err"]))
    others = [v for k, v in batch.items() if k not in ("flux", "flux_err")]
    assert all(torch.isfinite(v).all() for v in others)
    assert (~torch.isnan(batch["flux"])).sum(dim=1).min() >= 3
    assert batch["flux_err"][~torch.isnan(batch["flux"])].min() > 0


def test_redshift_deviation_recovers_the_true_redshift():
    sims = made(4000)
    observer = Observer(sims, NoiseModel("plain"), np.arange(4000))
    batch = observer.batch(observer.rows, np.random.default_rng(1), keep_faint=1.0)
    assert len(batch["z"]) == 4000
    back = batch["z"] + batch["coordinates"][:, 0] * batch["z_err"]
    np.testing.assert_allclose(back, sims.columns["REDSHIFT"], atol=1e-4)
    exact = batch["z_err"] == 0
    assert float(exact.float().mean()) == pytest.approx(1 - PHOTO_Z_FRACTION, abs=0.05)
    # The deviation of an exact redshift has no meaning and must be a standard normal.
    assert kstest(batch["coordinates"][exact, 0].numpy(), "norm").pvalue > 1e-3


def test_only_undetected_rows_are_dropped():
    sims = made(4000)
    sims.flux[:2000] = 1e-6
    sims.flux[2000:] = 1e5
    observer = Observer(sims, NoiseModel("plain"), np.arange(4000))
    batch = observer.batch(observer.rows, np.random.default_rng(2), keep_faint=0.25)
    faint = batch["true_flux"][:, 0] < 1
    assert (~faint).sum() == 2000 and 400 < faint.sum() < 620


def test_noise_depends_on_the_random_numbers():
    observer = Observer(made(50), WIDE, np.arange(50))
    first, again, other = (
        observer.batch(observer.rows, np.random.default_rng(s), keep_faint=1.0) for s in (1, 1, 2)
    )
    assert torch.equal(first["z"], again["z"]) and not torch.equal(first["z"], other["z"])


def test_pass_does_not_depend_on_the_number_of_threads():
    observer = Observer(made(1000), WIDE, np.arange(1000))
    alone = list(observer.stream(observer.rows, 300, [1, 2]))
    assert [fraction for fraction, _ in alone] == [0.25, 0.5, 0.75, 1.0]
    for ahead in (1, 3):
        found = list(observer.stream(observer.rows, 300, [1, 2], ahead=ahead))
        assert [fraction for fraction, _ in found] == [fraction for fraction, _ in alone]
        for (_, a), (_, b) in zip(alone, found, strict=True):
            assert all(torch.equal(a[key].nan_to_num(), b[key].nan_to_num()) for key in a)
    other = list(observer.stream(observer.rows, 300, [1, 3]))
    assert not torch.equal(other[0][1]["z"][:50], alone[0][1]["z"][:50])


def test_batches_of_one_size_hold_the_same_rows_in_order():
    observer = Observer(made(1000), WIDE, np.arange(1000))
    uneven = list(observer.stream(observer.rows, 300, [1, 2]))
    even = list(_even(iter(uneven), 300, "cpu"))
    assert all(len(seen["z"]) == 300 for _, seen in even)
    count = sum(len(seen["z"]) for _, seen in uneven)
    assert len(even) == count // 300
    for key in even[0][1]:
        every = torch.cat([seen[key] for _, seen in uneven])[: 300 * len(even)]
        cut = torch.cat([seen[key] for _, seen in even])
        assert torch.equal(every.nan_to_num(), cut.nan_to_num())
