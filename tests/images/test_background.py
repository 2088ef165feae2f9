import numpy as np
import pytest
from whole import subtract_background

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.background_map import BackgroundMap
from pixsed.images.segmap import source_mask

NY, NX, SIGMA = 300, 360, 2.0


@pytest.fixture(scope="module")
def field():
    """A tilted sky, noise, and sources."""
    rng = np.random.default_rng(11)
    y, x = np.mgrid[:NY, :NX]
    sky = 10.0 + 0.01 * x - 0.005 * y
    sources = np.zeros((NY, NX))
    segmap = np.zeros((NY, NX), int)
    for number in range(1, 41):
        yc, xc = rng.uniform(0, NY), rng.uniform(0, NX)
        r2 = (x - xc) ** 2 + (y - yc) ** 2
        sources += 60.0 * np.exp(-0.5 * r2 / 3.0**2)
        segmap[r2 < 8**2] = number
    return sky, sources, sky + sources + rng.normal(0, SIGMA, (NY, NX)), segmap


def test_recovers_a_tilted_sky(field):
    sky, sources, image, segmap = field
    found = subtract_background(image, box=60, mask=segmap > 0)
    # Beyond the centres of the outer boxes the sky cannot be interpolated.
    assert np.abs(found.background - sky)[60:-60, 60:-60].max() < 0.3
    assert np.median(found.background - sky) == pytest.approx(0, abs=0.05)
    assert np.median(found.rms) == pytest.approx(SIGMA, rel=0.05)
    np.testing.assert_allclose(found.flux, image - found.background, rtol=0, atol=1e-4)
    for plane in (found.flux, found.err, found.background, found.rms):
        assert plane.dtype == np.float32 and plane.shape == image.shape


def test_mask_matters(field):
    sky, _, image, segmap = field
    bare = subtract_background(image, box=60)
    masked = subtract_background(image, box=60, mask=segmap > 0)
    assert np.median(bare.background - sky) > 2 * abs(np.median(masked.background - sky))


PHOTUTILS = {
    "mean": "MeanBackground",
    "median": "MedianBackground",
    "mode": "ModeEstimatorBackground",
    "sextractor": "SExtractorBackground",
    "biweight": "BiweightLocationBackground",
}


@pytest.mark.parametrize("estimator", PHOTUTILS)
@pytest.mark.parametrize(("box", "stripe"), [(60, 4_000_000), (60, 1), (70, 1), (32, 70 * NX)])
def test_same_as_photutils(field, monkeypatch, estimator, box, stripe):
    """The result is that of photutils, in stripes, with boxes of little or no data."""
    from astropy.stats import SigmaClip
    from photutils import background

    monkeypatch.setattr("pixsed.images.background_map._STRIPE_PIXELS", stripe)
    image, segmap = field[2].copy(), field[3]
    image[:75, :130] = np.nan
    image[200:263, 100:170] = np.nan
    theirs = background.Background2D(
        image,
        box,
        mask=segmap > 0,
        coverage_mask=np.isnan(image),
        fill_value=np.nan,
        filter_size=5,
        sigma_clip=SigmaClip(sigma=2.5),
        exclude_percentile=80,
        bkg_estimator=getattr(background, PHOTUTILS[estimator])(),
        bkg_rms_estimator=background.StdBackgroundRMS(),
    )
    mine = subtract_background(
        image, box=box, filter_size=5, estimator=estimator, sigma=2.5, mask=segmap > 0
    )
    np.testing.assert_allclose(mine.background, theirs.background, rtol=1e-6)
    np.testing.assert_allclose(mine.rms, theirs.background_rms, rtol=1e-6)


def test_stripes_are_the_whole(field, monkeypatch):
    image, segmap = field[2], field[3]
    whole = subtract_background(image, box=45, mask=segmap > 0)
    monkeypatch.setattr("pixsed.images.background_map._STRIPE_PIXELS", 1)
    found = BackgroundMap(
        lambda start, stop: np.where(segmap > 0, np.nan, image)[start:stop], image.shape, box=45
    )
    assert found.stripes[:2] == [(0, 45), (45, 90)] and found.stripes[-1] == (270, NY)
    # The sky can be interpolated at any position.
    for start, stop in ((0, 7), (100, 300), (299, 300)):
        background, rms = found.rows(start, stop)
        np.testing.assert_allclose(background, whole.background[start:stop], rtol=1e-6)
        np.testing.assert_allclose(rms, whole.rms[start:stop], rtol=1e-6)


def test_coverage_mask_marks_missing_data(field):
    image = field[2]
    empty = np.zeros(image.shape, bool)
    empty[:, 200:] = True
    found = subtract_background(image, box=60, coverage_mask=empty)
    same = subtract_background(np.where(empty, np.nan, image), box=60)
    assert np.isnan(found.flux[:, 200:]).all()
    np.testing.assert_array_equal(found.background, same.background)


def test_rms_is_added_in_quadrature(field):
    image = field[2]
    found = subtract_background(image, np.full(image.shape, 1.5), box=100)
    np.testing.assert_allclose(found.err, np.hypot(1.5, found.rms), rtol=1e-6)
    alone = subtract_background(image, box=100)
    np.testing.assert_array_equal(alone.err, alone.rms)


def test_pixels_without_data(field):
    sky, _, image, segmap = field
    image = image.copy()
    err = np.ones_like(image)
    image[:, :100] = np.nan
    err[-20:] = np.nan
    found = subtract_background(image, err, box=60, mask=segmap > 0)
    empty = ~np.isfinite(image) | ~np.isfinite(err)
    for plane in (found.flux, found.err, found.background, found.rms):
        np.testing.assert_array_equal(np.isnan(plane), empty)
    assert np.median(np.abs(found.background - sky)[~empty]) < 0.2


def test_small_image_shrinks_the_box(field):
    image = field[2][:50, :65]
    with pytest.warns(PixsedWarning, match="65 x 50 pixels, is smaller .* box of 200; .*65 x 50"):
        found = subtract_background(image)
    assert np.ptp(found.background) < 1e-6


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"box": 1}, "box must be 2 or more, got 1"),
        ({"filter_size": 4}, "filter_size must be odd, got 4"),
        ({"estimator": "max"}, "estimator must be one of mean, median, .*, got 'max'"),
        ({"sigma": 0.0}, "sigma must be above 0, got 0.0"),
        ({"coverage_mask": np.ones((2, 2), bool)}, r"its coverage map is of shape \(2, 2\), the"),
        ({"mask": np.ones((2, 2), bool)}, r"its mask is of shape \(2, 2\), the image of \(300"),
        ({"mask": np.ones((NY, NX), bool), "box": 60}, "cannot be measured.*try a larger --box"),
    ],
)
def test_errors(field, options, match):
    with pytest.raises(PixsedError, match=match):
        subtract_background(field[2], **options)


def test_empty_image():
    with pytest.raises(PixsedError, match="no data"):
        subtract_background(np.full((300, 300), np.nan))


def test_source_mask():
    segmap = np.zeros((9, 9), int)
    segmap[4, 4] = 7
    assert source_mask(segmap).sum() == 1
    assert source_mask(segmap, 2).sum() == 13
