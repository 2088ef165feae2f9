"""Noise of a survey, measured on cubes: errors of galaxy pixels in bins of flux."""

import warnings

import numpy as np

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.informative import largest_error
from pixsed.images.noise.apertures import EmptyApertures
from pixsed.images.noise.error_scale import MOSAIC_LIMIT, is_off
from pixsed.images.noise.gaussian import fit_gaussian
from pixsed.io.formats.noise_table import BandNoise, NoiseTable
from pixsed.io.formats.psfmatch import bands_apart, main_target
from pixsed.nodata import is_no_measurement

#: Minimum number of pixels in a bin.
MIN_PIXELS = 10
# Distance in pixels from a segment up to which the sky contains light of its wings.
_GROW = 3
# Fraction of outliers among the errors of a bin above which a warning is given.
_MAX_OFF = 0.1


class NoiseMeasurement:
    """Noise of pixels, measured on cubes that are added one after another.

    It holds about 8 bytes per galaxy pixel and band.

    Attributes
    ----------
    cubes : int
        Number of cubes added.
    """

    def __init__(self):
        self._flux, self._err, self._sky = {}, {}, {}
        self._columns = {}
        self._psfmatch = {}
        self.cubes = 0

    def add(self, cube, name="cube"):
        """Add the pixels of a cube: those of its galaxy's segment and of the sky.

        Parameters
        ----------
        cube : `~pixsed.io.formats.cube.Cube`
        name : str, optional
            File name, for messages.

        Raises
        ------
        PixsedError
            If the cube is binned, has no segmentation map, or has one without its galaxy.
        """
        from scipy.ndimage import binary_dilation

        if cube.binning is not None:
            raise PixsedError(
                f"{name} is a binned cube, whose errors are of groups of pixels; "
                "give the cube that it was made from"
            )
        if cube.segmap is None:
            raise PixsedError(
                f"{name} has no SEGMAP to tell the galaxy's pixels; cut it with --segmap"
            )
        own = cube.segmap == int(cube.object_id) if cube.object_id.isdigit() else None
        if own is None or not own.any():
            raise PixsedError(
                f"{name}: its SEGMAP does not hold OBJECT {cube.object_id!r}; cut it with --segmap"
            )
        sky = ~binary_dilation(cube.segmap != 0, iterations=_GROW)
        self.cubes += 1
        for i, band in enumerate(cube.bands):
            flux, err = cube.flux[i], cube.err[i]
            flux = np.where(is_no_measurement(flux, err), np.nan, flux)
            good = own & np.isfinite(flux) & (err <= largest_error(err))
            self._flux.setdefault(band, []).append(flux[good])
            self._err.setdefault(band, []).append(err[good])
            self._sky.setdefault(band, EmptyApertures()).add(flux, err, sky)
            row = cube.table[i]
            self._columns.setdefault(band, []).append(
                [float(row[key]) for key in ("depth_1sigma_njy", "sky_rms_njy", "noise_corr")]
            )
            self._psfmatch.setdefault(band, set()).add(cube.psfmatch[band])

    def table(self, bins=5):
        """Return the noise of each band, in order of wavelength.

        The galaxy pixels of a band are split into bins of flux with equal numbers of pixels, and
        a Gaussian is fitted to the errors of each bin, with outliers left out
        (Iglesias-Navarro+25, section 3). ``noise_corr`` is measured in empty apertures if there is
        enough sky. Otherwise it is the median of the cubes, or the value of the largest apertures
        if that is larger.

        Parameters
        ----------
        bins : int, optional
            Number of bins of flux per band.

        Returns
        -------
        `~pixsed.io.formats.noise_table.NoiseTable`

        Raises
        ------
        PixsedError
            If no band has enough pixels.

        Warns
        -----
        PixsedWarning
            One each for bands that are left out, are not matched to one PSF, have errors that
            differ from the scatter of the sky by more than a factor of 3, or have errors with many
            outliers.
        """
        from pixsed.io.bandnames import pivot_um

        if bins < 1:
            raise PixsedError(f"bins must be 1 or more, got {bins}")
        found, short, skewed = {}, [], []
        for band in sorted(self._flux, key=lambda b: np.nan_to_num(pivot_um(b), nan=np.inf)):
            flux = np.concatenate(self._flux[band]).astype(float)
            err = np.concatenate(self._err[band]).astype(float)
            edges = np.quantile(flux, np.linspace(0, 1, bins + 1)) if flux.size else np.zeros(2)
            if flux.size < MIN_PIXELS * bins or not np.all(np.diff(edges) > 0):
                short.append(f"{band} {flux.size}")
                continue
            inside = np.searchsorted(edges[1:-1], flux, side="right")
            fits = [fit_gaussian(err[inside == k]) for k in range(bins)]
            mean, std, kept = (np.array(part) for part in zip(*fits, strict=True))
            off = 1 - kept / np.bincount(inside, minlength=bins)
            if off.max() > _MAX_OFF:
                skewed.append(f"{band} {100 * off.max():.0f} % in bin {off.argmax() + 1}")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # all NaN gives NaN
                depth, _, corr = np.nanmedian(self._columns[band], axis=0)
            kinds = self._psfmatch[band]
            found[band] = BandNoise(
                edges,
                mean,
                std,
                kept,
                *self._correlation(band, corr),
                depth,
                next(iter(kinds)) if len(kinds) == 1 else "mixed",
            )
        if short:
            warnings.warn(
                f"left out, of too few pixels for {bins} bins: {', '.join(short)}",
                PixsedWarning,
                stacklevel=3,
            )
        if not found:
            raise PixsedError(
                f"no band has {MIN_PIXELS} galaxy pixels a bin of flux, with data; give more "
                "cubes, or fewer --bins"
            )
        self._warn_of_psfs(found)
        self._warn_of_errors(found)
        if skewed:
            warnings.warn(
                f"errors off the Gaussian of their bin, left out of it: {', '.join(skewed)}; "
                "give more --bins, or cubes of one depth at a time",
                PixsedWarning,
                stacklevel=3,
            )
        return NoiseTable(found)

    def _correlation(self, band, given):
        """Return noise_corr, its error and its origin; `given` is the value of the cubes."""
        sky = self._sky[band]
        value, error = sky.factor()
        if np.isfinite(value):
            return max(1.0, value), error, "apertures"
        given = given if np.isfinite(given) and given > 0 else 1.0
        limit = sky.lower_limit()
        if limit > given:
            return limit, np.nan, "lower limit"
        return given, np.nan, "cubes"

    def _warn_of_psfs(self, found):
        psfmatch = {band: noise.psfmatch for band, noise in found.items()}
        if apart := bands_apart(psfmatch):
            target = main_target(psfmatch)
            warnings.warn(
                f"not known to be matched to {f'the PSF of {target}' if target else 'one PSF'}, by "
                f"PSFMATCH of the cubes: {apart}; matching changes the noise, so measure it on "
                "matched images, as they are fitted",
                PixsedWarning,
                stacklevel=3,
            )

    def _warn_of_errors(self, found):
        odd = []
        for band in found:
            depth, rms, _ = np.array(self._columns[band]).T
            ratio = (depth / np.where(rms > 0, rms, np.nan))[np.isfinite(rms) & (rms > 0)]
            ratio = np.median(ratio[np.isfinite(ratio)]) if np.isfinite(ratio).any() else 1.0
            if is_off(ratio, MOSAIC_LIMIT):
                odd.append(f"{band} {ratio:.2g}")
        if odd:
            warnings.warn(
                f"errors over the scatter of the sky: {', '.join(odd)} (1 = they agree); "
                "cutout --rescale-errors makes them agree",
                PixsedWarning,
                stacklevel=3,
            )
