"""Joint coverage: analytic cases, the published package if installed, and a direct loop."""

import numpy as np
import pytest
from scipy.stats import kstest, uniform

from pixsed.validate.tarp import UnitCube, closer_fraction, place_among

N, S, D = 1500, 200, 3


def gaussian(spread=1.0, correlation=0.0, seed=0):
    """Return truths of correlated Gaussian posteriors, and uncorrelated draws."""
    rng = np.random.default_rng(seed)
    covariance = np.full((D, D), correlation) + (1 - correlation) * np.eye(D)
    centre = rng.standard_normal((N, D)) * 2
    truth = centre + rng.multivariate_normal(np.zeros(D), covariance, N)
    samples = centre[:, None] + spread * rng.standard_normal((N, S, D))
    return truth, samples, rng.uniform(-4, 4, (N, D)), rng


def test_right_posteriors_are_uniform():
    truth, samples, reference, rng = gaussian()
    assert kstest(closer_fraction(truth, samples, reference, rng), "uniform").pvalue > 0.01


def test_wrong_widths_and_shifts_are_seen():
    for truth, samples, reference, rng in (gaussian(0.6), gaussian(1.6)):
        fraction = closer_fraction(truth, samples, reference, rng)
        assert kstest(fraction, "uniform").pvalue < 1e-6
    truth, samples, _, rng = gaussian()
    # A shift shows where the points are on one side.
    fraction = closer_fraction(truth, samples + 0.5, np.full((N, D), -6.0), rng)
    assert kstest(fraction, "uniform").pvalue < 1e-6


def test_correlations_that_no_margin_shows_are_seen():
    truth, samples, reference, rng = gaussian(correlation=0.8)
    centre = samples.mean(axis=1)
    for i in range(D):
        rank = place_among(truth[:, i : i + 1], samples[:, :, i], rng)
        assert kstest(rank, "uniform").pvalue > 0.01
    far = centre + 5 * np.array([1.0, 1.0, 1.0])  # along the correlation, by data alone
    assert kstest(closer_fraction(truth, samples, far, rng), "uniform").pvalue < 1e-6


def test_against_a_loop():
    truth, samples, reference, _ = (a[:20] if isinstance(a, np.ndarray) else a for a in gaussian())
    chance = np.full(20, 0.25)
    found = closer_fraction(truth, samples, reference, chance)
    for i in range(20):
        own = np.linalg.norm(truth[i] - reference[i])
        closer = sum(np.linalg.norm(s - reference[i]) < own for s in samples[i])
        assert found[i] == pytest.approx((closer + 0.25) / (S + 1))


def test_against_the_published_package():
    tarp = pytest.importorskip("tarp", reason="the authors' package tarp is not installed")
    truth, samples, reference, _ = gaussian(0.7)
    bins = 25
    theirs, alpha = tarp.get_tarp_coverage(
        samples.transpose(1, 0, 2),
        truth,
        references=reference,
        metric="euclidean",
        norm=False,
        num_alpha_bins=bins,
        bootstrap=False,
    )
    fraction = closer_fraction(truth, samples, reference, np.random.default_rng(2))
    ours = np.array([np.mean(fraction < a) for a in alpha])
    # Their fractions are multiples of 1/200; ours lie between them.
    assert np.abs(ours - np.ravel(theirs)).max() < 0.01
    assert np.abs(ours - alpha).max() > 0.05


def test_ties_do_not_pile_up():
    ranks = place_among(np.zeros((3000, 1)), np.zeros((3000, 40)), np.random.default_rng(1))
    assert kstest(ranks, "uniform").pvalue > 1e-3


def test_places():
    samples = np.tile(np.arange(10.0), (4, 1))
    places = place_among(
        np.array([[-1.0], [4.5], [20.0], [4.5]]), samples, np.random.default_rng(0)
    )
    assert 0 <= places[0] < 1 / 11 and 10 / 11 <= places[2] <= 1
    assert np.all((places[[1, 3]] >= 5 / 11) & (places[[1, 3]] < 6 / 11))


def test_the_unit_cube_is_the_prior():
    rng = np.random.default_rng(4)
    prior = {"A": rng.exponential(3, 40_000), "B": rng.normal(5, 2, 40_000)}
    cube = UnitCube(prior)
    fresh = {"A": rng.exponential(3, (50, 40)), "B": rng.normal(5, 2, (50, 40)), "C": None}
    found = cube(fresh)
    assert found.shape == (50, 40, 2) and cube.names == ["A", "B"]
    np.testing.assert_allclose(found[..., 0], 1 - np.exp(-fresh["A"] / 3), atol=0.02)
    assert kstest(found[..., 1].ravel(), uniform.cdf).statistic < 0.03
