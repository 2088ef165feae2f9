import numpy as np
import pytest
from scipy.stats import kstest

from pixsed.bands import BANDS, PAPER_BANDS
from pixsed.simulate.noise import DEPTH, NoiseModel, depths
from pixsed.simulate.observe import (
    MIN_BANDS,
    SURVEYS,
    draw_masks,
    draw_redshift_error,
    drop_bands,
    observe,
    survey_masks,
)

NAMES = [band.name for band in BANDS]


def test_surveys_are_of_known_bands():
    for chosen in SURVEYS.values():
        assert set(chosen) <= set(NAMES) and len(chosen) >= MIN_BANDS
    masks = survey_masks(NAMES)
    assert masks.sum(axis=1).tolist() == [len(chosen) for chosen in SURVEYS.values()]
    assert [b for b, here in zip(NAMES, masks[0], strict=True) if here] == sorted(
        PAPER_BANDS, key=NAMES.index
    )


def test_masks():
    n = 20000
    mask = draw_masks(NAMES, n, np.random.default_rng(0))
    count = mask.sum(axis=1)
    assert mask.shape == (n, len(NAMES)) and mask.dtype == bool
    assert count.min() >= MIN_BANDS and count.max() == len(NAMES)
    # A tenth has all bands, of which two thirds stay unchanged, and 1/26 of the random ones.
    assert np.mean(count == len(NAMES)) == pytest.approx(0.1 * (2 / 3 + 1 / 33) + 0.008, abs=0.01)
    assert mask.mean(axis=0).min() > 0.2
    paper = survey_masks(NAMES)[0]
    assert np.mean((mask == paper).all(axis=1)) > 0.03


@pytest.mark.parametrize(
    "few", [NAMES[:4], ["F070W", "F105W", "F480M"], "F606W F090W F115W F410M F444W".split()]
)
def test_masks_of_few_bands(few):
    """A survey with fewer bands than the minimum is not drawn."""
    count = draw_masks(few, 3000, np.random.default_rng(0)).sum(axis=1)
    assert count.min() >= MIN_BANDS and count.max() == len(few)


@pytest.mark.parametrize("count", [0, 1, 5, 16, 40])
def test_drop(count):
    start = np.tile(survey_masks(NAMES)[0], (2000, 1))
    mask = drop_bands(start, np.full(2000, count), np.random.default_rng(1))
    assert np.all(mask.sum(axis=1) == max(19 - count, MIN_BANDS))
    assert not np.any(mask & ~start)
    if count == 5:
        lost = 1 - mask[:, start[0]].mean(axis=0)
        np.testing.assert_allclose(lost, 5 / 19, atol=0.04)  # none is favoured


def test_drop_keeps_the_minimum_number_of_bands():
    start = np.zeros((2, 6), bool)
    start[0, :3], start[1, :4] = True, True
    mask = drop_bands(start, np.array([2, 2]), np.random.default_rng(0))
    assert mask.sum(axis=1).tolist() == [3, 3]


def test_observe():
    rng = np.random.default_rng(2)
    true = np.tile(10 ** rng.uniform(-2, 3, 29), (4000, 1))
    mask = rng.random(true.shape) < 0.7
    flux, err = observe(true, NAMES, DEPTH, mask, rng)
    assert flux.dtype == err.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(flux), ~mask)
    np.testing.assert_array_equal(np.isnan(err), ~mask)
    # The error is computed from the observed flux, the noise was drawn for the true flux.
    fraction = 0.02
    sigma = np.sqrt(err**2.0 - (fraction * flux) ** 2 + (fraction * true) ** 2)
    pull = ((flux - true) / sigma)[mask]
    assert kstest(pull, "norm").pvalue > 1e-3


def test_errors_do_not_give_the_truth_away():
    """The error of a bright pixel is a fraction of its observed flux, not of its true flux."""
    rng = np.random.default_rng(4)
    true = np.full((2000, 29), 1e5)
    flux, err = observe(true, NAMES, DEPTH, np.ones(true.shape, bool), rng)
    np.testing.assert_allclose(err / flux, 0.02, rtol=1e-4)
    assert np.std(flux / true) == pytest.approx(0.02, rel=0.05)


def test_noise_is_that_of_the_band():
    sky = NoiseModel("sky", fraction_low=1e-9, fraction_high=1e-9)
    flux, err = observe(
        np.zeros((1, 29)), NAMES, sky, np.ones((1, 29), bool), np.random.default_rng(0)
    )
    np.testing.assert_allclose(err[0], depths(NAMES), rtol=1e-6)


def test_redshift_errors():
    rng = np.random.default_rng(3)
    z = rng.uniform(0, 7.5, 40000)
    seen, error = draw_redshift_error(z, 0.35, 0.1, rng)
    photometric = error > 0
    assert photometric.mean() == pytest.approx(0.35, abs=0.01)
    np.testing.assert_array_equal(seen[~photometric], z[~photometric])
    relative = (error / (1 + z))[photometric]
    assert relative.min() >= 1e-3 * (1 - 1e-9) and relative.max() <= 0.1 * (1 + 1e-9)
    assert kstest(np.log(relative), "uniform", args=(np.log(1e-3), np.log(100))).pvalue > 1e-3
    free = photometric & (z > 2)
    assert kstest(((seen - z)[free] / error[free]), "norm").pvalue > 1e-3
    assert seen.min() >= 0
