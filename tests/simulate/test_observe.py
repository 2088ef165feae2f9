import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from pixsed.bands import BANDS, BASIC_BANDS, PAPER_BANDS
from pixsed.simulate.noise import DEPTH, NoiseModel, depths
from pixsed.simulate.observe import (
    MIN_BANDS,
    ODDS,
    SURVEYS,
    _random_bands,
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


def test_every_band_is_in_a_survey():
    assert survey_masks(NAMES).any(axis=0).all()
    assert sum(ODDS.values()) == pytest.approx(1)


def test_masks():
    n = 200_000
    mask = draw_masks(NAMES, n, np.random.default_rng(0))
    count = mask.sum(axis=1)
    assert mask.shape == (n, len(NAMES)) and mask.dtype == bool
    assert count.min() >= MIN_BANDS and count.max() == len(NAMES)
    # A set is kept whole in two thirds of its rows, and in 1/11 of those that lose 0 to 10 bands.
    kept = 2 / 3 + 1 / 33
    surveys = dict(zip(SURVEYS, survey_masks(NAMES), strict=True))
    for name in ("paper", "JADES", "JOF"):
        # The same set by chance: others that lose bands; these are few.
        found = np.mean((mask == surveys[name]).all(axis=1))
        assert found == pytest.approx(ODDS[name] * kept, abs=0.004), name
    whole = ODDS["all"] + ODDS["random"] / 2 / (len(NAMES) - MIN_BANDS + 1)
    assert np.mean(count == len(NAMES)) == pytest.approx(whole * kept, abs=0.002)
    others = [name for name in SURVEYS if name not in ODDS]
    for name in ("UVIS with JWST", "HDUV", "mediums and narrows"):
        found = np.mean((mask == surveys[name]).all(axis=1))
        assert found == pytest.approx(ODDS["others"] / len(others) * kept, abs=0.002), name
    # Every band is seen often, those of the paper most of the time.
    assert mask.mean(axis=0).min() > 0.08
    assert mask[:, surveys["paper"]].mean() > 0.55


def test_random_numbers_of_bands():
    """Half of them are of the basic bands; the number of bands is uniform."""
    n = 40_000
    mask = _random_bands(NAMES, n, np.random.default_rng(1))
    basic = np.isin(NAMES, BASIC_BANDS)
    for rows, pool in ((slice(0, n // 2), basic), (slice(n // 2, n), np.ones(63, bool))):
        part = mask[rows]
        assert not part[:, ~pool].any()
        numbers = np.bincount(part.sum(axis=1), minlength=pool.sum() + 1)[MIN_BANDS:]
        assert chisquare(numbers).pvalue > 1e-3
        np.testing.assert_allclose(
            part[:, pool].mean(axis=0), (MIN_BANDS + pool.sum()) / 2 / pool.sum(), atol=0.015
        )


def test_masks_of_the_basic_bands():
    mask = draw_masks(BASIC_BANDS, 20_000, np.random.default_rng(2))
    paper = np.isin(BASIC_BANDS, PAPER_BANDS)
    assert np.mean((mask == paper).all(axis=1)) > 0.2
    assert mask.mean(axis=0).min() > 0.15


def test_masks_are_those_of_the_seed():
    first, again = (draw_masks(NAMES, 500, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


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
    true = np.tile(10 ** rng.uniform(-2, 3, len(NAMES)), (4000, 1))
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
    true = np.full((2000, len(NAMES)), 1e5)
    flux, err = observe(true, NAMES, DEPTH, np.ones(true.shape, bool), rng)
    np.testing.assert_allclose(err / flux, 0.02, rtol=1e-4)
    assert np.std(flux / true) == pytest.approx(0.02, rel=0.05)


def test_noise_is_that_of_the_band():
    sky = NoiseModel("sky", fraction_low=1e-9, fraction_high=1e-9)
    flux, err = observe(
        np.zeros((1, len(NAMES))),
        NAMES,
        sky,
        np.ones((1, len(NAMES)), bool),
        np.random.default_rng(0),
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
