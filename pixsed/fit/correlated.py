"""Base normals of the pixels of a galaxy, correlated between pixels.

Draw k of a total is the sum of draw k of every pixel, so the error of the total depends on the
correlation of the draws of different pixels. A pixel's error has two parts. One comes from the
noise, which drizzling and PSF matching correlate between neighbours. The other comes from the
prior, and is common to pixels of similar populations.
"""

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.sparse import csr_matrix

from pixsed.fit.draws import key_of_name
from pixsed.images.noise.covariance import sum_variance

#: Largest base normal, as in `pixsed.fit.draws`.
_LIMIT = 5.2


class CorrelatedNormals:
    """Base normals of pixels or groups of pixels of a box, correlated between them.

    The normals of a row are sqrt(f) c + sqrt(1 - f) g. The numbers c are common to all rows, f is
    the common fraction of the variance of the row, and g is the mean over its pixels of a Gaussian
    field with a given autocorrelation, scaled to unit variance. All of them are standard normals,
    and independent between draws and coordinates.

    Parameters
    ----------
    labels : `~numpy.ndarray`, shape (ny, nx), int
        Row of each pixel of the box, from 1 to N; 0 = in no row.
    autocorrelation : `~numpy.ndarray`, shape (2 n + 1, 2 n + 1)
        Correlation of the noise of two pixels by lag; 1 in the middle.
    dim : int
        Number of base normals per draw, D.
    seed : int
    name : str
        Name of the galaxy; together with the seed it determines the numbers.
    """

    def __init__(self, labels, autocorrelation, dim, *, seed, name):
        self.dim = dim
        self._key = np.array([seed, key_of_name(name)], dtype=np.int64).view(np.uint64)
        reach = len(autocorrelation) // 2
        self._padded = [next_fast_len(n + reach, real=True) for n in labels.shape]
        self._filter = _filter(autocorrelation, self._padded)
        self._means = self._scaled_means(labels, autocorrelation)

    def _scaled_means(self, labels, autocorrelation):
        """Return the matrix (N, pixels of the padded box) that makes g of the field."""
        ones = np.ones((1, *labels.shape))
        variance = sum_variance(labels, ones, autocorrelation[None])[0]
        y, x = np.nonzero(labels)
        rows, pixels = labels[y, x] - 1, y * self._padded[1] + x
        # Negative correlations could make the variance of a sum vanish.
        weight = 1.0 / np.sqrt(np.maximum(variance, 1e-6))[rows]
        shape = len(variance), self._padded[0] * self._padded[1]
        return csr_matrix((weight.astype(np.float32), (rows, pixels)), shape)

    def draws(self, common, samples, together=100):
        """Yield the normals of the rows, a few draws at a time.

        Parameters
        ----------
        common : `~numpy.ndarray`, shape (N,) or (N, D)
            Common fraction of the variance, 0 to 1.
        samples : int
            Number of draws, S.
        together : int, optional
            Number of draws at a time; the numbers do not depend on it.

        Yields
        ------
        where : slice
            Draws.
        normals : `~numpy.ndarray`, shape (N, draws, D), float32
        """
        common = np.asarray(common, dtype=np.float32)
        common = common if common.ndim == 2 else common[:, None]
        for start in range(0, samples, together):
            stop = min(start + together, samples)
            found = np.empty((len(common), stop - start, self.dim), dtype=np.float32)
            for draw in range(start, stop):
                # Each draw has its own stream, so their number does not change them.
                rng = np.random.Generator(np.random.Philox(key=self._key, counter=[0, 0, 0, draw]))
                shared = rng.standard_normal(self.dim, dtype=np.float32)
                white = rng.standard_normal((self.dim, *self._padded), dtype=np.float32)
                field = irfft2(rfft2(white) * self._filter, self._padded)
                own = self._means @ field.reshape(self.dim, -1).T
                found[:, draw - start] = np.sqrt(common) * shared + np.sqrt(1.0 - common) * own
            yield slice(start, stop), np.clip(found, -_LIMIT, _LIMIT, out=found)


def _filter(autocorrelation, shape):
    """Return the Fourier filter that gives white noise an autocorrelation, on a periodic grid.

    Measured autocorrelations may have small negative powers, which are set to zero; the variance
    stays 1.
    """
    rho = np.zeros(shape)
    reach = len(autocorrelation) // 2
    offsets = np.arange(-reach, reach + 1)
    np.add.at(rho, np.ix_(offsets % shape[0], offsets % shape[1]), autocorrelation)
    power = np.maximum(rfft2(rho).real, 0.0)
    variance = irfft2(power, shape)[0, 0]
    return np.sqrt(power / variance).astype(np.float32)
