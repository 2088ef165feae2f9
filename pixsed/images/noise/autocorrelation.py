"""The autocorrelation of an image's noise, measured on its empty sky."""

from dataclasses import dataclass

import numpy as np

from pixsed.images.noise.covariance import correlation_width
from pixsed.images.segmap import source_mask

#: Lags in pixels, each way, to which noise is taken to be correlated; further where the
#: header tells of a broad kernel.
REACH = 7
_MAX_REACH = 40
# Lags beyond the reach, in which any correlation is the sky's and not the noise's.
_BEYOND = 3
# The sample: tiles of at most this side, until there is this much sky, or so many were tried.
_TILE, _ENOUGH, _TRIES = 512, 1_500_000, 40
_FEWEST = 400
# Boxes over which the sky's level is taken, pixels.
_LEVEL = 65
# Sources: smoothed to these widths, peaks of so many standard deviations, out to where they have
# so many; grown by so many pixels; rounds; and the fraction of a tile that a round must leave.
_SMOOTH, _PEAK, _OUT, _GROW, _ROUNDS = (2.0, 5.0), 4.0, 2.0, 3, 3
_LEFT = 0.4
_OUTLIER = 5.0
# A ring of lags counts if chance makes it as correlated less than once in a thousand times.
_CHANCE = 1e-3


@dataclass
class Autocorrelation:
    """The autocorrelation of noise.

    Attributes
    ----------
    rho : `~numpy.ndarray`
        (2 n + 1, 2 n + 1), lags of -n to n pixels in y and x: the covariance of two pixels
        over the product of their errors; 1 in the middle.
    pixels : int
        Of sky, on which it was measured.
    scatter : float
        Of a pixel of that sky, over its error: 1 where they agree.
    """

    rho: np.ndarray
    pixels: int
    scatter: float = 1.0

    @property
    def reach(self):
        """The largest lag, in pixels, that is correlated."""
        y, x = np.nonzero(self.rho)
        return int(np.abs([y - len(self.rho) // 2, x - len(self.rho) // 2]).max())

    @property
    def large_sum(self):
        """The factor by which the noise of large sums exceeds that of independent pixels."""
        return float(np.sqrt(max(self.rho.sum(), 0.0)))

    def error_factor(self, kernel):
        """Return the factor of errors that were convolved as independent, and its uncertainty.

        The variance of a pixel convolved with k is sum_ij k_i k_j rho(i - j) where that of
        independent pixels of unit variance is sum_i k_i^2.

        Parameters
        ----------
        kernel : `~numpy.ndarray`
            2-D of odd sides.

        Returns
        -------
        factor, uncertainty : float
            Of standard deviations. The uncertainty is that of a Gaussian field's variance,
            measured on as many pixels; NaN in both where rho allows no kernel like this.
        """
        from scipy.signal import fftconvolve

        kernel = np.asarray(kernel, dtype=float)
        own = fftconvolve(kernel, kernel[::-1, ::-1])
        after = fftconvolve(own, self.rho)  # the autocovariance of the convolved noise
        variance = after[after.shape[0] // 2, after.shape[1] // 2]
        ratio = variance / (kernel**2).sum()
        if not ratio > 0:
            return np.nan, np.nan
        spread = ((after / variance) ** 2).sum()
        factor = np.sqrt(ratio)
        return float(factor), float(factor * np.sqrt(spread / (2 * self.pixels)))


def measure_autocorrelation(image, segmap=None):
    """Measure the autocorrelation of an image's noise on tiles spread over it.

    Sources are masked; pixels are divided by their errors, whose common factor does not
    matter, and a running mean is taken off. Covariances come from Fourier transforms of the
    masked sky; the mean covariance beyond the range of the noise is that of the sky, and is
    subtracted. Rings of lags count from the middle out to the first that is no more correlated
    than chance allows; where that is the innermost, the noise is white.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
        Where its ``noise_corr`` tells of a broad kernel, lags reach as far.
    segmap : `~pixsed.images.segmap.SegmentationMap`, optional
        Sources, on the image's pixels, grown by 3 pixels, to be left out beside what
        stands out of the smoothed sky by 4 standard deviations, out to where it has 2.

    Returns
    -------
    `Autocorrelation` or None
        None where there is too little empty sky.
    """
    reach = _reach(image.noise_corr)
    sums = _Sums(reach + _BEYOND)
    for tile in _read_tiles(image, segmap):
        sums.add(*tile)
        if sums.pixels >= _ENOUGH:
            break
    return sums.result(reach)


def measure_scatter(image, segmap=None):
    """Return the scatter of an image's empty sky over its errors: 1 = they agree.

    The rms of a pixel, sources left out and a running mean taken off, as for
    `measure_autocorrelation`.

    Parameters
    ----------
    image, segmap
        As for `measure_autocorrelation`.

    Returns
    -------
    float
        NaN where there is too little empty sky.
    """
    square, pixels = 0.0, 0
    for data, err, mask in _read_tiles(image, segmap):
        noise, good = _flattened(data, err, mask)
        if good.sum() >= _FEWEST:
            square += (noise[good] ** 2).sum()
            pixels += good.sum()
        if pixels >= _ENOUGH:
            break
    return float(np.sqrt(square / pixels)) if pixels else np.nan


def _read_tiles(image, segmap):
    """Yield data, errors and the mask of the map's sources, or None, of tiles of an image."""
    for rows, columns in _tiles(image.shape):
        data, err = image.read(rows, columns, native=True)
        mask = None if segmap is None else source_mask(segmap.read(rows, columns), _GROW)
        yield data, err, mask


def _reach(noise_corr):
    """Return the lags to look at: 4 sigma of a Gaussian kernel, where rho is exp(-4)."""
    return int(np.clip(np.ceil(4 * correlation_width(noise_corr)), REACH, _MAX_REACH))


def _tiles(shape):
    """Yield slices of tiles, in an order that is spread over the image but always the same."""
    edges = [np.linspace(0, n, -(-n // _TILE) + 1).astype(int) for n in shape]
    rows, columns = ([slice(a, b) for a, b in zip(e[:-1], e[1:], strict=True)] for e in edges)
    tiles = [(y, x) for y in rows for x in columns]
    for number in np.random.default_rng(0).permutation(len(tiles))[:_TRIES]:
        yield tiles[number]


class _Sums:
    """Sums of products of sky pixels by lag, gathered from tiles."""

    def __init__(self, lags):
        self.lags = lags
        self.pixels = 0
        self._square = 0.0
        self._products = np.zeros((2 * lags + 1, 2 * lags + 1))
        self._pairs = np.zeros_like(self._products)

    def add(self, data, err, mask):
        """Add a tile, (ny, nx) with NaN for no data; `mask` (ny, nx) bool or None."""
        if min(data.shape) <= 2 * self.lags:
            return
        noise, good = _flattened(data, err, mask)
        if good.sum() < _FEWEST:
            return
        noise[~good] = 0.0
        square = (noise**2).sum()
        noise /= np.sqrt(square / good.sum() or 1.0)
        self._square += square
        self._products += _lagged(noise, self.lags)
        self._pairs += np.round(_lagged(good.astype(float), self.lags))
        self.pixels += int(good.sum())

    def result(self, reach):
        """Return the `Autocorrelation`, or None with too few pixels, or pairs of them."""
        if self.pixels < _FEWEST or self._pairs.min() < _FEWEST / 2:
            return None
        covariance = self._products / self._pairs
        offsets = np.abs(np.arange(-self.lags, self.lags + 1))
        ring = np.maximum(*np.meshgrid(offsets, offsets))
        covariance -= covariance[ring > reach].mean()
        if not covariance[self.lags, self.lags] > 0:
            return None
        rho = covariance / covariance[self.lags, self.lags]
        inside = slice(self.lags - reach, self.lags + reach + 1)
        parts = (plane[inside, inside] for plane in (rho, self._pairs, ring))
        scatter = float(np.sqrt(self._square / self.pixels))
        return Autocorrelation(_significant(*parts), self.pixels, scatter)


def _lagged(plane, lags):
    """Return the sums of plane(p) plane(p + d) for lags d of -lags to lags."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    shape = [next_fast_len(n + lags, real=True) for n in plane.shape]
    power = np.abs(rfft2(plane, shape)) ** 2
    sums = np.roll(irfft2(power, shape), (lags, lags), axis=(0, 1))
    return sums[: 2 * lags + 1, : 2 * lags + 1]


def _significant(rho, pairs, ring):
    """Return rho with the rings after the first that may be chance set to zero."""
    from scipy.signal import fftconvolve
    from scipy.stats import chi2

    kept = np.where(ring == 0, 1.0, 0.0)
    for number in range(1, int(ring.max()) + 1):
        here = ring == number
        # Bartlett: the variance of rho where there is none, and how alike neighbours are.
        spread = (kept**2).sum()
        alike = ((fftconvolve(kept, kept) / spread) ** 2).sum()
        lags = here.sum() / 2  # d and -d are one
        power = (rho[here] ** 2 * pairs[here]).sum() / 2 / spread
        chance = power < alike * chi2.isf(_CHANCE, lags / alike)
        # Of correlated noise one ring more: its edge fades into chance.
        if not (chance and number == 1):
            kept[here] = rho[here]
        if chance:
            break
    return kept


def _flattened(data, err, mask):
    """Return the sky in units of its errors, its level taken off, and which pixels are sky."""
    from astropy.stats import mad_std

    with np.errstate(invalid="ignore"):
        noise = data.astype(float) / err
    good = np.isfinite(noise)
    if mask is not None:
        good &= ~mask
    if good.sum() < _FEWEST:
        return noise, good
    noise -= np.median(noise[good])
    good &= ~_sources(noise, good)
    if good.sum() < _FEWEST:
        return noise, good
    noise -= _running_mean(noise, _quiet(noise, good, 3.0))
    scatter = mad_std(noise[good])
    good &= np.abs(np.where(good, noise, 0.0)) <= _OUTLIER * scatter
    return noise - _running_mean(noise, good), good


def _quiet(noise, good, limit):
    """Return which of the good pixels are within so many standard deviations of zero."""
    from astropy.stats import mad_std

    return good & (np.abs(np.where(good, noise, 0.0)) < limit * mad_std(noise[good]))


def _running_mean(plane, good):
    from scipy.ndimage import uniform_filter

    total = uniform_filter(np.where(good, plane, 0.0), _LEVEL, mode="constant")
    weight = uniform_filter(good.astype(float), _LEVEL, mode="constant")
    # Less than a pixel of weight is rounding.
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0.5 / _LEVEL**2)


def _sources(noise, good):
    """Return the mask of what stands out of the smoothed sky, up or down.

    Level and scatter of the sky are those of what was left in the round before: the first
    are too high beside sources that fill the field, and hide their wings.
    """
    found = np.zeros_like(good)
    for _ in range(_ROUNDS):
        sky = good & ~found
        flat = noise - _running_mean(noise, _quiet(noise, sky, 3.0))
        more = _standing_out(flat, good, sky)
        # In a small field of correlated noise it would run away.
        if np.count_nonzero(good & ~more) < max(_FEWEST, _LEFT * good.sum()):
            break
        found = more
    return found


def _standing_out(flat, good, sky):
    """Return the mask of peaks over the scatter of the sky, smoothed to several widths."""
    from astropy.stats import mad_std
    from scipy.ndimage import binary_dilation, binary_propagation, gaussian_filter

    flat = np.where(good, flat, 0.0)
    found = np.zeros_like(good)
    for width in _SMOOTH:
        smooth = gaussian_filter(flat, width, mode="constant")
        # Up and down alike: masking noise that is high by chance would bias what is left.
        height = np.abs(smooth) / (mad_std(smooth[sky]) or 1.0)
        found |= binary_propagation(height > _PEAK, mask=height > _OUT)
    return binary_dilation(found, iterations=_GROW)
