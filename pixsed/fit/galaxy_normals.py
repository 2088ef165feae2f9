"""Base normals of the pixels of a galaxy, for totals that are summed draw by draw."""

import numpy as np

from pixsed.fit.common import common_fractions
from pixsed.fit.correlated import CorrelatedNormals
from pixsed.fit.draws import global_indices, independent_normals, key_of_name
from pixsed.images.noise.covariance import cube_autocorrelations

#: Correlations of the draws of different pixels.
NOISE = ("correlated", "independent", "common")
# Number of base normals that are held in memory at a time.
_HELD = 16_000_000


def galaxy_normals(cube, model, selection, options, noise):
    """Return the source of the base normals of a galaxy for one of `NOISE`.

    It has ``parts(y, x)``, which yields a slice of draws and a function that gives the normals
    (n, draws, D) of some of the pixels, and ``prior_part(y, x)``, the fraction of the variance of
    log mass that comes from the prior, or None.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    model : `~pixsed.fit.model.Model`
    selection : `~pixsed.fit.select.Selection`
    options : `~pixsed.fit.options.FitOptions`
        Only samples and seed are used.
    noise : str
    """
    kind = _Correlated if noise == "correlated" else _Independent
    return kind(cube, model, selection, options, all_common=noise == "common")


class _Independent:
    """Normals without correlation, except for the error floor, or the same for all pixels."""

    def __init__(self, cube, model, selection, options, all_common):
        self._options, self._dim = options, model.base_dim
        self._keys = global_indices(cube.header, cube.shape)
        self._selection, self._all_common = selection, all_common
        name = np.array([key_of_name(cube.object_id)])
        self._shared = independent_normals(
            options.seed, name, np.zeros(1, int), options.samples, self._dim
        )

    def parts(self, y, x):
        """Yield all draws at once: they are made batch by batch."""
        seed, samples = self._options.seed, self._options.samples
        key_y, key_x = (keys[at] for keys, at in zip(self._keys, (y, x), strict=True))

        def normals(rows):
            if self._all_common:
                return np.broadcast_to(self._shared, (len(rows), *self._shared.shape[1:]))
            own = independent_normals(seed, key_y[rows], key_x[rows], samples, self._dim)
            if not np.any(self._selection.error_floor):
                return own
            common = floor_fraction(self._selection, y[rows], x[rows])[:, None, None]
            return np.sqrt(common) * self._shared + np.sqrt(1.0 - common) * own

        yield slice(0, samples), normals

    def prior_part(self, y, x):
        """Return None: the parts are not told apart."""
        return None


class _Correlated:
    """Normals with the correlation of the noise, of the error floor and of the prior."""

    def __init__(self, cube, model, selection, options, all_common):
        self._model, self._selection, self._options = model, selection, options
        rho = pixel_autocorrelation(cube, selection.bands)
        self._source = CorrelatedNormals(
            row_labels(selection), rho, model.base_dim, seed=options.seed, name=cube.object_id
        )

    def parts(self, y, x):
        """Yield groups of draws that fit into memory."""
        floor = floor_fraction(self._selection, y, x)[:, None]
        prior = common_fractions(self._model, self._selection.snr[y, x])
        common = prior + (1.0 - prior) * floor
        together = max(1, _HELD // max(1, common.size))
        for where, found in self._source.draws(common, self._options.samples, together):
            yield where, found.__getitem__

    def prior_part(self, y, x):
        """Return the fraction of LOGMSTAR of each pixel, shape (N,)."""
        return common_fractions(self._model, self._selection.snr[y, x])[:, 1]


def row_labels(selection):
    """Return the row of each pixel, from 1 in the order of `selection.fitted`, in the box of them.

    The box does not depend on the size of the cutout, and so neither do the draws.
    """
    y, x = np.nonzero(selection.fitted)
    labels = np.zeros(selection.chosen.shape, dtype=int)
    labels[y, x] = np.arange(1, len(y) + 1)
    if selection.binning is not None:
        binmap = selection.binning.binmap
        row_of_bin = np.zeros(binmap.max() + 1, dtype=int)
        row_of_bin[binmap[y, x]] = labels[y, x]
        labels = row_of_bin[binmap]
    y, x = np.nonzero(labels)
    return labels[y.min() : y.max() + 1, x.min() : x.max() + 1]


def floor_fraction(selection, y, x):
    """Return the fraction of the error floor in the variance of pixels, shape (N,).

    The median over the bands; 0 without an error floor.
    """
    if not np.any(selection.error_floor):
        return np.zeros(len(y))
    common = 1.0 - (selection.bare[:, y, x] / selection.err[:, y, x]) ** 2
    return np.clip(np.nanmedian(common, axis=0), 0.0, 1.0)


def pixel_autocorrelation(cube, bands):
    """Return the correlation of the noise of two pixels by lag, the mean over some bands.

    That of a band is measured, or a Gaussian with the noise_corr of the cube's table.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    bands : sequence of str
        Bands that are fitted.

    Returns
    -------
    `~numpy.ndarray`, shape (2 n + 1, 2 n + 1)
        1 in the middle.
    """
    return cube_autocorrelations(cube, bands).mean(axis=0)
