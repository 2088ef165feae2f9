"""Autocorrelation of the noise of an image, measured on its empty sky."""

from dataclasses import dataclass

import numpy as np

from pixsed.images.noise.covariance import correlation_width
from pixsed.images.segmap import source_mask

#: Largest lag in pixels at which noise can be correlated. It is larger if the header gives a
#: large noise correlation, because a broad kernel was applied.
REACH = 7
_MAX_REACH = 40
# Number of lags beyond the reach. Correlation at these lags comes from the sky, not the noise.
_BEYOND = 3
# Maximum side of the sampled tiles, sufficient number of sky pixels, and maximum number of tiles.
_TILE, _ENOUGH, _TRIES = 512, 1_500_000, 40
_FEWEST = 400
# Side in pixels of the running mean that estimates the sky level.
_LEVEL = 65
# Source detection: widths of the smoothing, standard deviations of a peak and of its outer limit,
# pixels of growth, number of rounds, and the fraction of a tile that must remain.
_SMOOTH, _PEAK, _OUT, _GROW, _ROUNDS = (2.0, 5.0), 4.0, 2.0, 3, 3
_LEFT = 0.4
_OUTLIER = 5.0
# Probability of a chance correlation below which a ring of lags is significant.
_CHANCE = 1e-3


@dataclass
class Autocorrelation:
    """Autocorrelation of noise.

    Attributes
    ----------
    rho : `~numpy.ndarray`, shape (2 n + 1, 2 n + 1)
        Covariance of two pixels over the product of their errors, for lags of -n to n pixels in y
        and x; 1 in the middle.
    pixels : int
        Number of sky pixels on which it was measured.
    scatter : float
        Scatter of that sky in units of its errors; 1 if they agree.
    """

    rho: np.ndarray
    pixels: int
    scatter: float = 1.0

    @property
    def reach(self):
        """Largest lag with a correlation, in pixels."""
        y, x = np.nonzero(self.rho)
        return int(np.abs([y - len(self.rho) // 2, x - len(self.rho) // 2]).max())

    @property
    def large_sum(self):
        """Noise of a large sum over that of independent pixels."""
        return float(np.sqrt(max(self.rho.sum(), 0.0)))

    def error_factor(self, kernel):
        """Return the factor of errors that were convolved as independent ones.

        The variance of a pixel convolved with k is sum_ij k_i k_j rho(i - j). That of independent
        pixels of unit variance is sum_i k_i^2.

        Parameters
        ----------
        kernel : `~numpy.ndarray`
            2-D with odd sides.

        Returns
        -------
        factor, uncertainty : float
            Factor of standard deviations, and its uncertainty: that of the variance of a
            Gaussian field measured on as many pixels. Both are NaN if the variance would not be
            positive.
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


def measure_autocorrelation(image, segmap=None, enough=_ENOUGH):
    """Measure the autocorrelation of the noise of an image on tiles spread over it.

    Sources are masked, pixels are divided by their errors, and a running mean is subtracted. A
    common factor of the errors does not matter. Covariances are computed by Fourier transforms of
    the masked sky. The mean covariance beyond the range of the noise is that of the sky, and is
    subtracted. Rings of lags are used from the middle out to the first without a significant
    correlation. If that is the innermost ring, the noise is white.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
        Its ``noise_corr`` sets the largest lag if a broad kernel was applied.
    segmap : `~pixsed.images.segmap.SegmentationMap`, optional
        Sources on the pixels of the image, to be masked and grown by 3 pixels. Peaks of the
        smoothed sky above 4 standard deviations are always masked, out to 2.
    enough : int, optional
        Number of sky pixels after which no more tiles are read.

    Returns
    -------
    `Autocorrelation` or None
        None if there is too little empty sky.
    """
    reach = _reach(image.noise_corr)
    sums = _Sums(reach + _BEYOND)
    for tile in _read_tiles(image, segmap):
        sums.add(*tile)
        if sums.pixels >= enough:
            break
    return sums.result(reach)


def measure_scatter(image, segmap=None):
    """Return the scatter of the empty sky of an image in units of its errors; 1 if they agree.

    The scatter is the rms of the pixels, with sources masked and a running mean subtracted as in
    `measure_autocorrelation`.

    Parameters
    ----------
    image, segmap
        As for `measure_autocorrelation`.

    Returns
    -------
    float
        NaN if there is too little empty sky.
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
    """Yield data, errors and mask of tiles of an image; the mask is None without a map."""
    for rows, columns in _tiles(image.shape):
        data, err = image.read(rows, columns, native=True)
        mask = None if segmap is None else source_mask(segmap.read(rows, columns), _GROW)
        yield data, err, mask


def _reach(noise_corr):
    """Return the largest lag: 4 sigma of a Gaussian kernel, where rho is exp(-4)."""
    return int(np.clip(np.ceil(4 * correlation_width(noise_corr)), REACH, _MAX_REACH))


def _tiles(shape):
    """Yield the slices of tiles in a random but reproducible order."""
    edges = [np.linspace(0, n, -(-n // _TILE) + 1).astype(int) for n in shape]
    rows, columns = ([slice(a, b) for a, b in zip(e[:-1], e[1:], strict=True)] for e in edges)
    tiles = [(y, x) for y in rows for x in columns]
    for number in np.random.default_rng(0).permutation(len(tiles))[:_TRIES]:
        yield tiles[number]


class _Sums:
    """Sums of products of sky pixels by lag, collected from tiles."""

    def __init__(self, lags):
        self.lags = lags
        self.pixels = 0
        self._square = 0.0
        self._products = np.zeros((2 * lags + 1, 2 * lags + 1))
        self._pairs = np.zeros_like(self._products)

    def add(self, data, err, mask):
        """Add a tile, (ny, nx), NaN = no data; `mask` is (ny, nx) bool or None."""
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
        """Return the `Autocorrelation`, or None if there are too few pixels or pairs."""
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
    """Return the sums of plane(p) plane(p + d) over p, for lags d from -lags to lags."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    shape = [next_fast_len(n + lags, real=True) for n in plane.shape]
    power = np.abs(rfft2(plane, shape)) ** 2
    sums = np.roll(irfft2(power, shape), (lags, lags), axis=(0, 1))
    return sums[: 2 * lags + 1, : 2 * lags + 1]


def _significant(rho, pairs, ring):
    """Return rho with the rings beyond the first insignificant one set to zero."""
    from scipy.signal import fftconvolve
    from scipy.stats import chi2

    kept = np.where(ring == 0, 1.0, 0.0)
    for number in range(1, int(ring.max()) + 1):
        here = ring == number
        # Bartlett's formula: the variance of rho without correlation, and the correlation of
        # neighbouring lags.
        spread = (kept**2).sum()
        alike = ((fftconvolve(kept, kept) / spread) ** 2).sum()
        lags = here.sum() / 2  # d and -d are the same lag
        power = (rho[here] ** 2 * pairs[here]).sum() / 2 / spread
        chance = power < alike * chi2.isf(_CHANCE, lags / alike)
        # For correlated noise one more ring is kept, because its edge is not significant.
        if not (chance and number == 1):
            kept[here] = rho[here]
        if chance:
            break
    return kept


def _flattened(data, err, mask):
    """Return the sky in units of its errors, with its level subtracted, and the mask of sky."""
    from astropy.stats import mad_std

    with np.errstate(divide="ignore", invalid="ignore"):
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
    """Return the mask of good pixels within `limit` standard deviations of zero."""
    from astropy.stats import mad_std

    return good & (np.abs(np.where(good, noise, 0.0)) < limit * mad_std(noise[good]))


def _running_mean(plane, good):
    from scipy.ndimage import uniform_filter

    total = uniform_filter(np.where(good, plane, 0.0), _LEVEL, mode="constant")
    weight = uniform_filter(good.astype(float), _LEVEL, mode="constant")
    # A weight of less than a pixel is a rounding error.
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0.5 / _LEVEL**2)


def _sources(noise, good):
    """Return the mask of positive and negative peaks of the smoothed sky.

    Each round takes the level and scatter of the sky from the pixels that the round before left.
    In the first round they are too high beside sources that fill the field.
    """
    found = np.zeros_like(good)
    for _ in range(_ROUNDS):
        sky = good & ~found
        flat = noise - _running_mean(noise, _quiet(noise, sky, 3.0))
        more = _standing_out(flat, good, sky)
        # In a small field of correlated noise the mask would grow without end.
        if np.count_nonzero(good & ~more) < max(_FEWEST, _LEFT * good.sum()):
            break
        found = more
    return found


def _standing_out(flat, good, sky):
    """Return the mask of peaks of the sky, smoothed to several widths."""
    from astropy.stats import mad_std
    from scipy.ndimage import binary_dilation, binary_propagation, gaussian_filter

    flat = np.where(good, flat, 0.0)
    found = np.zeros_like(good)
    for width in _SMOOTH:
        smooth = gaussian_filter(flat, width, mode="constant")
        # Both signs, because masking only positive peaks of the noise would bias the rest.
        height = np.abs(smooth) / (mad_std(smooth[sky]) or 1.0)
        found |= binary_propagation(height > _PEAK, mask=height > _OUT)
    return binary_dilation(found, iterations=_GROW)
