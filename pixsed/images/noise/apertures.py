"""Correlation of the noise of neighbouring pixels, from sums over empty apertures."""

import numpy as np

from pixsed.images.informative import largest_error
from pixsed.images.noise.gaussian import fit_gaussian

#: Sides of the square apertures in pixels.
SIDES = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40)
# Minimum number of independent apertures per size, and sufficient number of overlapping ones.
_FEWEST, _ENOUGH = 40, 50_000
_MIN_SIZES = 3
# Maximum relative uncertainty of a factor that is used.
_WORST = 0.15


class EmptyApertures:
    """Sums over square apertures of sky, collected from images of one band.

    The noise of a sum over n pixels exceeds sqrt(n) times that of a pixel by a factor that grows
    with n, up to the factor of large sums that `factor` returns.
    """

    def __init__(self):
        self._sums = {side: [] for side in SIDES}
        self._count = dict.fromkeys(SIDES, 0)
        self._sky = dict.fromkeys(SIDES, 0.0)

    def add(self, flux, err, sky):
        """Add the apertures of an image.

        Parameters
        ----------
        flux, err : `~numpy.ndarray`, shape (ny, nx)
            NaN = no data; so are pixels with errors that are sentinels. A common factor of the
            errors does not matter.
        sky : `~numpy.ndarray` of bool, shape (ny, nx)
            Apertures that are not wholly within the sky are not used.
        """
        good = sky & np.isfinite(flux) & (err > 0) & (err <= largest_error(err))
        good &= np.isfinite(err)
        total = int(good.sum())
        if total < 2 * _FEWEST:
            return
        pixels = flux[good].astype(float) / err[good]
        mean, scatter, _ = fit_gaussian(pixels)
        if not scatter > 0:
            return
        plane = np.zeros((2, flux.shape[0] + 1, flux.shape[1] + 1))
        plane[0, 1:, 1:][good] = (pixels - mean) / scatter
        plane[1, 1:, 1:] = good
        plane = plane.cumsum(axis=1).cumsum(axis=2)
        for side in SIDES:
            if side >= min(plane.shape[1:]) or self._count[side] >= _ENOUGH:
                continue
            # Overlapping by half; more overlap would add little information.
            step = max(1, side // 2)
            box = (
                plane[:, side:, side:]
                - plane[:, :-side, side:]
                - plane[:, side:, :-side]
                + plane[:, :-side, :-side]
            )[:, ::step, ::step]
            sums = box[0][box[1] > side**2 - 0.5] / side
            self._sums[side].append(sums)
            self._count[side] += sums.size
            self._sky[side] += sums.size * total

    def curve(self):
        """Return side, factor and error of the factor, for sizes with enough apertures.

        Three arrays, shape (M,). The factor is that of sums over this size.
        """
        rows = []
        for side in SIDES:
            independent = self._count[side] * max(1, side // 2) ** 2 / side**2
            if independent < _FEWEST:
                continue
            variance = fit_gaussian(np.concatenate(self._sums[side]))[1] ** 2
            # The mean was measured on the same sky; correct the variance for that of the mean.
            sky = self._sky[side] / self._count[side]
            fraction = 1 - side**2 / sky + variance / sky
            factor = np.sqrt(variance / fraction) if fraction > 0 else np.nan
            rows.append((side, factor, factor / np.sqrt(2 * independent)))
        return np.array(rows).reshape(-1, 3).T

    def lower_limit(self):
        """Return the factor of the largest apertures for which it is known, else NaN."""
        _, factor, error = self.curve()
        known = factor[error < _WORST * factor]
        return float(known[-1]) if known.size else np.nan

    def factor(self):
        """Return the factor of large sums and its error; NaN if there is too little sky.

        The factor is the intercept of a straight line in 1 / side, fitted to the apertures that
        are larger than the range of the correlation. For a separable correlation an aperture of m
        pixels on a side has the factor F - B / m.
        """
        side, factor, error = self.curve()
        good = np.isfinite(factor) & (factor > 0)
        side, factor, error = side[good], factor[good], error[good]
        if side.size < _MIN_SIZES:
            return np.nan, np.nan
        found = factor.max()
        for _ in range(20):
            # Larger than 2.5 standard deviations of a Gaussian correlation. Apertures several times
            # larger measure the background rather than the noise.
            used = (side >= found) & (side <= max(4 * found, 6))
            if used.sum() < _MIN_SIZES:
                return np.nan, np.nan
            design = np.column_stack([np.ones(used.sum()), -1 / side[used]]) / error[used, None]
            inverse = np.linalg.inv(design.T @ design)
            value, slope = inverse @ design.T @ (factor[used] / error[used])
            uncertainty = np.sqrt(inverse[0, 0])
            if abs(value - found) < 1e-3:
                break
            found = value
        if not uncertainty < _WORST * value:
            return np.nan, np.nan
        return float(value), float(uncertainty)
