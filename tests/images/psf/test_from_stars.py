"""PSFs from stars: known PSFs at sub-pixel positions in images with all kinds of defects."""

import numpy as np
import pytest
from scipy.ndimage import shift

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.psf.from_stars import Star, make_psf, summary
from pixsed.images.psf.profile import Psf, encircled_energy, resample_psf
from pixsed.images.psf.read import read_psf
from pixsed.io.image import ImageFile

SIZE = 51


def moffat(dx, dy, fwhm, beta=2.5):
    """A Moffat profile in pixels, each the integral over the pixel (by 9 x 9 points)."""
    scale = fwhm / 2 / np.sqrt(2 ** (1 / beta) - 1)
    points = (np.arange(9) - 4) / 9
    total = 0
    for px in points:
        for py in points:
            total = total + (1 + ((dx + px) ** 2 + (dy + py) ** 2) / scale**2) ** -beta
    return (beta - 1) / np.pi / scale**2 * total / 81


class Field:
    """An image of stars of one PSF, on a grid of places too far apart to touch."""

    STEP = 100

    def __init__(self, psf, side=5, seed=5):
        self.rng = np.random.default_rng(seed)
        self.psf, self.side = psf, side
        self.data = np.zeros((side * self.STEP, side * self.STEP))
        self.stars, self.number = [], 0

    def place(self):
        row, column = divmod(self.number, self.side)
        self.number += 1
        return (np.array([column, row]) + 0.5) * self.STEP + self.rng.uniform(-0.5, 0.5, 2)

    def light(self, x, y, flux):
        """Add a source of the PSF, anywhere."""
        column, row = round(x), round(y)
        half = self.STEP // 2 - 1
        yy, xx = np.mgrid[row - half : row + half + 1, column - half : column + half + 1]
        ok = (yy >= 0) & (xx >= 0) & (yy < len(self.data)) & (xx < len(self.data))
        self.data[yy[ok], xx[ok]] += flux * self.psf(xx - x, yy - y)[ok]

    def star(self, flux, listed=None):
        x, y = self.place()
        self.light(x, y, flux)
        self.list(*(listed or (x + 0.3, y - 0.4)))
        return x, y

    def list(self, x, y, name=None):
        self.stars.append(Star(name or str(len(self.stars)), x, y))


@pytest.fixture
def image_of(write_fits, wcs_header):
    def make(data, scale, **cards):
        header = wcs_header(scale=scale, BUNIT="uJy", FILTER="F200W", **cards)
        return write_fits("field.fits", SCI=(data.astype(np.float32), header))

    return make


def crowded(psf, noise):
    """Fifteen good stars, and one source of each kind that must not be used."""
    field = Field(psf)
    for _ in range(15):
        field.star(field.rng.uniform(300, 2000))
    field.data += field.rng.normal(0, noise, field.data.shape) + 0.7  # a sky left in
    bad = {}
    x, y = field.star(9000)
    peak = field.data[round(y), round(x)]
    full = 0.4 * peak  # above any good one
    field.data[field.data > full] = full
    bad["saturated"] = str(len(field.stars) - 1)
    x, y = field.star(2500)
    field.light(x + 11.3, y - 7.2, 400)
    bad["blended"] = str(len(field.stars) - 1)
    x, y = field.star(700)
    field.data[round(y) - 1 : round(y) + 1, round(x)] = np.nan
    bad["no data"] = str(len(field.stars) - 1)
    field.star(15)
    bad["faint"] = str(len(field.stars) - 1)
    x, y = field.place()
    field.light(x, y, 800)
    field.list(x + 7, y - 2)
    bad["off-centre"] = str(len(field.stars) - 1)
    x, y = field.place()
    for dx in np.arange(-3, 3.1, 0.5):  # a galaxy, edge-on
        field.light(x + dx, y + dx, 120)
    field.list(x, y)
    bad["not a star"] = str(len(field.stars) - 1)
    field.light(8.2, 300.0, 900)
    field.list(8.2, 300.0)
    bad["edge"] = str(len(field.stars) - 1)
    field.list(field.stars[0].x + 0.5, field.stars[0].y)
    bad["duplicate"] = str(len(field.stars) - 1)
    return field, bad, full


def energies(psf, scale, radii, size):
    """Encircled energy of a PSF as a function of pixels, in a square of `size`."""
    step = np.arange(size) - size // 2
    x, y = np.meshgrid(step, step)
    return encircled_energy(psf(x, y), scale, radii)


def fwhm_of(psf):
    """FWHM in pixels from the profile itself, along 8 directions, by bisection."""
    from scipy.optimize import brentq

    peak = float(psf(0.0, 0.0))
    angles = np.arange(0, 360, 11.25) * np.pi / 180
    radii = [
        brentq(lambda r, a=a: float(psf(r * np.cos(a), r * np.sin(a))) - peak / 2, 0.1, 15)
        for a in angles
    ]
    return 2 * np.sqrt(np.mean(np.square(radii)))


@pytest.mark.parametrize(("fwhm", "scale"), [(1.7, 0.03), (4.8, 0.03)])
def test_known_psf_among_bad_stars(image_of, fwhm, scale):
    def truth(dx, dy):
        return moffat(dx, dy, fwhm)

    field, bad, full = crowded(truth, noise=0.05)
    with ImageFile(image_of(field.data, scale), measure_sky=False) as image:
        # The flat top of a broad star is sufficient evidence.
        saturation = 0.999 * full if fwhm < 3 else None
        psf = make_psf(image, field.stars, size=SIZE, saturation=saturation)
    reasons = {star.id: star.reason for star in psf.stars}
    assert reasons == {star.id: "" for star in field.stars} | {v: k for k, v in bad.items()}
    assert psf.data.sum() == pytest.approx(1)
    radii = np.arange(0.1, 0.501, 0.02)
    got = np.interp(radii, psf.radii, psf.energy)
    np.testing.assert_allclose(got, energies(truth, scale, radii, SIZE), atol=0.01)
    assert psf.fwhm == pytest.approx(fwhm_of(truth) * scale, rel=0.02)
    # As psfmatch reads it: on the image's pixels, not widened by a second pixel.
    grid = resample_psf(Psf(psf.data, psf.scale, pixel=psf.pixel), scale, 41)
    step = np.arange(41) - 20
    known = truth(*np.meshgrid(step, step))
    np.testing.assert_allclose(grid, known / known.sum(), atol=0.02 * known.max())


@pytest.mark.parametrize("name", ["nrca3-f200w", "nrca5-f444w"])
def test_glass_psfs(image_of, shared_data, name):
    known = read_psf(f"{shared_data}/psf/glass/psf-glass-{name}.fits")
    data = np.pad(known.data / known.data.sum(), 5)
    middle = len(data) // 2

    def drawn(dx, dy):
        # On a grid of pixels: the sub-pixel shift is the same all over.
        x, y = dx[0, 0], dy[0, 0]
        moved = shift(data, [np.ceil(y) - y, np.ceil(x) - x], order=5)
        rows, columns = (np.ceil(d).astype(int) + middle for d in (dy, dx))
        inside = (rows >= 0) & (columns >= 0) & (rows < len(data)) & (columns < len(data))
        return np.where(
            inside, moved[rows.clip(0, len(data) - 1), columns.clip(0, len(data) - 1)], 0.0
        )

    field = Field(drawn, side=4)
    for _ in range(16):
        field.star(field.rng.uniform(300, 2000))
    field.data += field.rng.normal(0, 0.02, field.data.shape)
    with ImageFile(image_of(field.data, known.scale), measure_sky=False) as image:
        psf = make_psf(image, field.stars, size=SIZE)
    assert summary(psf.stars) == "16 of 16 used"
    radii = np.arange(0.1, 0.501, 0.02)
    truth = resample_psf(known, known.scale, SIZE)
    got = np.interp(radii, psf.radii, psf.energy)
    np.testing.assert_allclose(got, encircled_energy(truth, known.scale, radii), atol=0.01)


def test_few_and_no_stars(image_of):
    field = Field(lambda dx, dy: moffat(dx, dy, 3.0), side=2)
    for _ in range(3):
        field.star(500)
    field.data += field.rng.normal(0, 0.05, field.data.shape)
    path = image_of(field.data, 0.03)
    with ImageFile(path, measure_sky=False) as image:
        with pytest.warns(PixsedWarning, match="a PSF of 2 stars, 2 of 3 used, 1 not needed"):
            psf = make_psf(image, field.stars, size=31, oversampling=1, max_stars=2)
        assert psf.data.shape == (31, 31)
        stars = [Star(s.id, s.x, s.y) for s in field.stars]
        with pytest.raises(PixsedError, match=r"no star is left .*0 of 3 used, 3 saturated"):
            make_psf(image, stars, size=31, saturation=5.0)
        with pytest.raises(PixsedError, match="size must be an odd number of pixels"):
            make_psf(image, field.stars, size=30)
