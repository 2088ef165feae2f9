"""Base normals of the pixels of a galaxy, correlated between pixels.

Draw k of a total is the sum of draw k of every pixel, so the error of the total depends on the
correlation of the draws of different pixels. A pixel's error has two parts. One comes from the
noise, which drizzling and PSF matching correlate between neighbours. The other comes from the
prior, and is common to pixels of similar populations.
"""

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2

from pixsed.fit.draws import key_of_name

#: Largest base normal, as in `pixsed.fit.draws`.
_LIMIT = 5.2


class CorrelatedNormals:
    """Base normals of the pixels of a box, correlated between pixels.

    The normals of a pixel are sqrt(f) c + sqrt(1 - f) g. The numbers c are common to all pixels,
    f is the common fraction of the variance of the pixel, and g is a Gaussian field with a given
    autocorrelation. All of them are standard normals, and independent between draws and
    coordinates.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx) of the box.
    autocorrelation : `~numpy.ndarray`, shape (2 n + 1, 2 n + 1)
        Correlation of the noise of two pixels by lag; 1 in the middle.
    dim : int
        Number of base normals per draw, D.
    seed : int
    name : str
        Name of the galaxy; together with the seed it determines the numbers.
    """

    def __init__(self, shape, autocorrelation, dim, *, seed, name):
        self.shape, self.dim = tuple(shape), dim
        self._key = np.array([seed, key_of_name(name)], dtype=np.int64).view(np.uint64)
        reach = len(autocorrelation) // 2
        self._padded = [next_fast_len(n + reach, real=True) for n in self.shape]
        self._filter = _filter(autocorrelation, self._padded)

    def draws(self, y, x, common, samples, together=100):
        """Yield the normals of some pixels, a few draws at a time.

        Parameters
        ----------
        y, x : `~numpy.ndarray`, shape (N,), int
            Pixels of the box.
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
            found = np.empty((len(y), stop - start, self.dim), dtype=np.float32)
            for draw in range(start, stop):
                # Each draw has its own stream, so their number does not change them.
                rng = np.random.Generator(np.random.Philox(key=self._key, counter=[0, 0, 0, draw]))
                shared = rng.standard_normal(self.dim, dtype=np.float32)
                white = rng.standard_normal((self.dim, *self._padded), dtype=np.float32)
                field = irfft2(rfft2(white) * self._filter, self._padded)
                own = field[:, y, x].T
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
