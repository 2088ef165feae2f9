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

#: Pixels that a bin needs.
MIN_PIXELS = 10
# Sky pixels this near a segment hold light of its wings.
_GROW = 3
# More than this share of a bin's errors off the Gaussian is worth a warning.
_MAX_OFF = 0.1


class NoiseMeasurement:
    """Gathers the pixels of cubes, then fits the errors; some 8 bytes a galaxy pixel and band."""

    def __init__(self):
        self._flux, self._err, self._sky = {}, {}, {}
        self._columns = {}
        self._psfmatch = {}
        self.cubes = 0

    def add(self, cube, name="cube"):
        """Take the pixels of a cube: of its galaxy's own segment, and of the sky.

        Parameters
        ----------
        cube : `~pixsed.io.formats.cube.Cube`
        name : str, optional
            For the message.

        Raises
        ------
        PixsedError
            If the cube is binned, has no segmentation map, or none that holds its galaxy.
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
        """Return the noise by band, in the order of wavelength of the cubes.

        In each band the galaxies' pixels are split into bins of flux of equal numbers, and
        a Gaussian is fitted to the errors in each (Iglesias-Navarro+25, section 3), outliers
        left out. ``noise_corr`` is measured in empty apertures where there is sky enough;
        else it is the median of the cubes' own, or what the largest apertures have where
        that is more.

        Parameters
        ----------
        bins : int, optional

        Returns
        -------
        `~pixsed.io.formats.noise_table.NoiseTable`

        Raises
        ------
        PixsedError
            If no band has pixels enough.

        Warns
        -----
        PixsedWarning
            A line each for bands left out, not matched to one PSF, whose errors are over 3
            times more or less than the sky's scatter, or not Gaussian.
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
            _warn(f"left out, of too few pixels for {bins} bins: {', '.join(short)}")
        if not found:
            raise PixsedError(
                f"no band has {MIN_PIXELS} galaxy pixels a bin of flux, with data; give more "
                "cubes, or fewer --bins"
            )
        self._warn_of_psfs(found)
        self._warn_of_errors(found)
        if skewed:
            _warn(
                f"errors off the Gaussian of their bin, left out of it: {', '.join(skewed)}; "
                "give more --bins, or cubes of one depth at a time"
            )
        return NoiseTable(found)

    def _correlation(self, band, given):
        """Return noise_corr, its error and where it is from; `given` is the cubes'."""
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
            _warn(
                f"not known to be matched to {f'the PSF of {target}' if target else 'one PSF'}, by "
                f"PSFMATCH of the cubes: {apart}; matching changes the noise, so measure it on "
                "matched images, as they are fitted"
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
            _warn(
                f"errors over the scatter of the sky: {', '.join(odd)} (1 = they agree); "
                "cutout --rescale-errors makes them agree"
            )


def _warn(message):
    warnings.warn(message, PixsedWarning, stacklevel=3)
