"""Residuals between data and predicted photometry, by galaxy and band."""

from dataclasses import dataclass, field

import numpy as np

from pixsed.errors import PixsedError
from pixsed.fit.select import fitted_pixels
from pixsed.fit.zero_points import corrected, zero_point_cards
from pixsed.images.noise.covariance import noise_factors
from pixsed.io.bandnames import pivot_um
from pixsed.nodata import usable

#: Smallest S/N of the flux of a galaxy in a band whose residual is used.
SNR_MIN = 5.0
#: Magnitudes per unit of ln(flux).
MAG = 2.5 / np.log(10.0)


@dataclass
class Residuals:
    """Data and predicted fluxes of N galaxies in B bands.

    Attributes
    ----------
    names : list of str
        Of the galaxies.
    bands : list of str
        In order of wavelength.
    flux, err, predicted : `~numpy.ndarray`, shape (N, B)
        nJy; NaN where a galaxy has no data.
    pivots : `~numpy.ndarray`, shape (B,)
        Micron; NaN if not known.
    """

    names: list
    bands: list
    flux: np.ndarray = field(repr=False)
    err: np.ndarray = field(repr=False)
    predicted: np.ndarray = field(repr=False)
    pivots: np.ndarray = field(repr=False)

    def __len__(self):
        return len(self.names)

    @property
    def mag(self):
        """Magnitude of the data minus that of the prediction, shape (N, B).

        NaN where the S/N is below `SNR_MIN`.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            good = (self.flux >= SNR_MIN * self.err) & (self.predicted > 0)
            ratio = np.where(good, self.flux / self.predicted, np.nan)
            return -MAG * np.log(ratio)

    @property
    def mag_err(self):
        """Error of `mag` from that of the data, shape (N, B)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(np.isfinite(self.mag), MAG * self.err / self.flux, np.nan)

    def scaled(self, factor):
        """Return the residuals with the data multiplied by factors, shape (B,) or (N, B)."""
        flux, err = self.flux * factor, self.err * factor
        return Residuals(self.names, self.bands, flux, err, self.predicted, self.pivots)


def residuals_of_maps(cube, maps, zero_points, name):
    """Return the sums of the data and of the predicted fluxes over the fitted pixels of a galaxy.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
        The cube that was fitted.
    maps : `~pixsed.io.formats.maps.Maps`
        Its maps, with the planes ``<BAND>_MODEL``.
    zero_points : sequence of `~pixsed.fit.zero_points.ZeroPoint`
        Those of the fit.
    name : str
        The maps, for messages.

    Returns
    -------
    bands : list of str
    sums : `~numpy.ndarray`, shape (3, B)
        Data, error and prediction, nJy; NaN in bands without data. A band is summed over the
        pixels with data in it. The errors are multiplied by noise_corr of the cube.

    Raises
    ------
    PixsedError
        If the maps have no predicted fluxes, were made with other zero points, or are not those
        of the cube.
    """
    index = [i for i, band in enumerate(cube.bands) if f"{band}_MODEL" in maps.planes]
    if not index:
        raise PixsedError(
            f"{name} has no predicted fluxes of the bands of the cube; fit again with "
            "--model-fluxes"
        )
    if maps.shape != cube.shape:
        raise PixsedError(
            f"{name} has {maps.shape[1]} x {maps.shape[0]} pixels, and its cube "
            f"{cube.shape[1]} x {cube.shape[0]}; give the cube that was fitted"
        )
    bands = [cube.bands[i] for i in index]
    given = zero_point_cards(zero_points, bands).get("ZEROPTS", ("none",))[0]
    made = (maps.primary or {}).get("ZEROPTS", "none")
    if given != made:
        raise PixsedError(
            f"{name} was made with zero points {made}, now they are {given}; give --zero-points "
            "as in the fit"
        )
    flux, err, bare, _ = usable(cube.flux[index], cube.err[index])
    flux, _, err = corrected(zero_points, bands, flux, err, bare)
    model = np.stack([maps.planes[f"{band}_MODEL"] for band in bands])
    chosen = np.isfinite(model).any(axis=0)
    if not chosen.any():
        raise PixsedError(f"{name}: no pixel was fitted; try pixsed fit with a lower --snr-min")
    y, x = np.nonzero(fitted_pixels(chosen, cube.binning))
    count = 1 if cube.binning is None else cube.binning.npix[y, x]
    values = (part[:, y, x].astype(float) * count for part in (flux, err, model))
    flux, err, model = values
    there = np.isfinite(flux) & np.isfinite(err) & np.isfinite(model)
    sums = np.array(
        [
            np.where(there, flux, 0.0).sum(axis=1),
            noise_factors(cube, bands) * np.sqrt(np.where(there, err**2, 0.0).sum(axis=1)),
            np.where(there, model, 0.0).sum(axis=1),
        ]
    )
    sums[:, ~there.any(axis=1)] = np.nan
    return bands, sums


def together(names, parts):
    """Return the `Residuals` of galaxies with different bands.

    Parameters
    ----------
    names : list of str
    parts : list of (bands, sums)
        From `residuals_of_maps`, one for each galaxy.
    """
    pivots = {band: pivot_um(band) for bands, _ in parts for band in bands}
    bands = sorted(pivots, key=lambda band: (not np.isfinite(pivots[band]), pivots[band]))
    values = np.full((3, len(names), len(bands)), np.nan)
    for row, (own, sums) in enumerate(parts):
        values[:, row, [bands.index(band) for band in own]] = sums
    return Residuals(list(names), bands, *values, np.array([pivots[band] for band in bands]))
