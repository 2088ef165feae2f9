"""Photometry of stellar populations in batches: the forward model of simulations.

On a grid uniform in log wavelength, a redshift is a shift. At each step of the grid the
light of the SSPs through every band is tabulated at a few values of the attenuation curve
(`pixsed.sps.nodes`), with the absorption of the intergalactic medium. Objects are sorted by
redshift. The star-formation histories of all objects next to a step are multiplied with its
table in one product, and fluxes are interpolated between two steps. No Python loop runs over
objects.
"""

import numpy as np

from pixsed.cosmology import luminosity_distance
from pixsed.errors import PixsedError
from pixsed.sps.band_tables import BandTables
from pixsed.sps.constants import C_ANGSTROM, CGS_NJY, MPC_CM
from pixsed.sps.dust import attenuation_curves
from pixsed.sps.filters import cumulative_average, transmission_matrix
from pixsed.sps.igm import transmission_table

_LYMAN_ALPHA = 1215.67
_DIMMING = 0.4 * np.log(10.0)  # optical depth per magnitude
#: Age below which stars are in their birth clouds, Gyr.
BIRTH_CLOUD = 0.01
#: Width of a wavelength cell in ln(wavelength).
STEP = 0.002
# Number of objects whose mixtures of SSPs are in memory together.
_ROWS = 4096
# Mass fraction that is treated as zero.
_NO_MASS = 1e-10
# Number of points in A_V at which the energy absorbed by dust is tabulated.
_AV_POINTS = 49


class PhotometryModel:
    """Fluxes of stellar populations in a set of bands.

    Parameters
    ----------
    ssp : `~pixsed.sps.ssp.SSPGrid`
    bands : sequence of str
        Bands of `pixsed.bands`.
    z_max : float, optional
        Largest redshift.
    av_max : float, optional
        Largest A_V.
    attenuation : {"calzetti", "charlot-fall", "smc"}, optional
        Law of `pixsed.sps.dust`. In "charlot-fall", stars younger than 10 Myr and their gas
        are behind more dust; A_V refers to all other stars.
    igm : {"inoue14", "madau95", "none"}, optional
        Absorption of `pixsed.sps.igm`.
    curves : dict, optional
        Wavelength [Angstrom] and transmission by band; default: the curves of
        `~pixsed.sps.filters.load_curve`.

    Raises
    ------
    PixsedError
        If a band, a law or the absorption is unknown, or if the law needs an edge of the age
        bins at 10 Myr that the SSP grid lacks.
    """

    def __init__(
        self,
        ssp,
        bands,
        *,
        z_max=10.0,
        av_max=6.0,
        attenuation="calzetti",
        igm="inoue14",
        curves=None,
    ):
        self.ssp = ssp
        self.bands = list(bands)
        self.z_max = z_max
        old, young = attenuation_curves(attenuation)

        # Observed cells over all bands, and rest-frame cells of the same grid, which extend
        # further to the blue.
        steps = int(np.ceil(np.log1p(z_max) / STEP)) + 2
        first, last = int(np.floor(np.log(3300.0) / STEP)), int(np.ceil(np.log(54000.0) / STEP))
        observed_edges = (np.arange(first, last + 1) - 0.5) * STEP
        filters = transmission_matrix(self.bands, observed_edges, curves).astype(np.float32)
        used = np.flatnonzero(filters.any(axis=1))
        filters = filters[used[0] : used[-1] + 1]
        cells = first + used[0] - (steps - 1) + np.arange(len(filters) + steps - 1)
        #: Rest-frame wavelength of each cell, Angstrom.
        self.wave = np.exp(cells * STEP)
        self._rest_edges = (np.append(cells, cells[-1] + 1) - 0.5) * STEP

        blue = int(np.searchsorted(self._rest_edges, np.log(_LYMAN_ALPHA)))
        transmission = transmission_table(igm, self._rest_edges[: blue + 1], steps)
        spectra, emission = self._regrid(), self._regrid_dust()
        self._av = av_max * np.linspace(0.0, 1.0, _AV_POINTS) ** 2
        self._energy = np.empty((len(spectra), 2 * _AV_POINTS), dtype=np.float32)
        #: Rows of the SSPs that a curve attenuates, and their tables.
        self._screens = []
        for rows, curve in self._split_by_age(old, young):
            self._energy[rows] = self._energy_taken(rows, curve)
            depth = _DIMMING * curve(self.wave)
            tables = BandTables(spectra[rows], depth, filters, transmission, av_max, emission)
            self._screens.append((rows, tables))

    def _split_by_age(self, old, young):
        """Return pairs of SSP rows (age, metallicity) and the curve that attenuates them."""
        if old is young:
            return [(slice(0, None), old)]
        inside = int(np.argmin(np.abs(self.ssp.age_edges - BIRTH_CLOUD)))
        if not np.isclose(self.ssp.age_edges[inside], BIRTH_CLOUD, rtol=1e-6):
            raise PixsedError(
                "this attenuation law needs an SSP grid with an edge of its age bins at 10 Myr; "
                "try: pixsed ssp"
            )
        inside *= len(self.ssp.metallicity)
        return [(slice(0, inside), young), (slice(inside, None), old)]

    def _regrid(self):
        """Return SSP spectra as L_nu [Lsun/Hz/Msun] averaged over cells, shape (A * Z, rest)."""
        ssp = self.ssp
        x = np.log(ssp.wave)
        f_nu = ssp.spectra * (ssp.wave**2 / C_ANGSTROM)
        grid = cumulative_average(x, f_nu, self._rest_edges)
        # Distribute a line over the two nearest cells so that its mean wavelength is kept.
        position = (np.log(ssp.line_wave) - np.log(self.wave[0])) / STEP
        for line, where in enumerate(position):
            if not 0 <= where < len(self.wave) - 1:
                continue
            density = ssp.lines[:, :, line] * (ssp.line_wave[line] / C_ANGSTROM / STEP)
            low = int(where)
            fraction = where - low
            if abs(ssp.line_wave[line] - _LYMAN_ALPHA) < 1.0:
                fraction = 0.0  # the whole line is in the blue cell, which the IGM absorbs
            grid[:, :, low] += (1 - fraction) * density
            grid[:, :, low + 1] += fraction * density
        return _by_age(grid.astype(np.float32))

    def _regrid_dust(self):
        ssp = self.ssp
        f_nu = ssp.dust_spectrum * (ssp.dust_wave**2 / C_ANGSTROM)
        return cumulative_average(np.log(ssp.dust_wave), f_nu, self._rest_edges).astype(np.float32)

    def _energy_taken(self, rows, curve):
        """Return the energy that dust absorbs [Lsun/Msun] and its slope at the points in A_V.

        The shape is (rows, 2 * points).
        """
        ssp = self.ssp
        trapezoid = np.zeros(len(ssp.wave))
        trapezoid[:-1] += 0.5 * np.diff(ssp.wave)
        trapezoid[1:] += 0.5 * np.diff(ssp.wave)
        spectra, lines = _by_age(ssp.spectra)[rows], _by_age(ssp.lines)[rows]
        result = 0.0
        for light, wave, width in ((spectra, ssp.wave, trapezoid), (lines, ssp.line_wave, 1.0)):
            depth = _DIMMING * curve(wave)
            dimming = np.exp(-self._av[:, None] * depth)
            kernel = np.vstack([width * (1.0 - dimming), width * depth * dimming])
            result = result + light @ kernel.T
        return result

    def _energy_at(self, mix, av):
        """Return the energy that dust absorbs [Lsun/Msun], interpolated in A_V, shape (N,)."""
        table = mix @ self._energy[: mix.shape[1]]
        low = np.clip(np.searchsorted(self._av, av, side="right") - 1, 0, _AV_POINTS - 2)
        step = self._av[low + 1] - self._av[low]
        t = (av - self._av[low]) / step
        at = np.arange(len(av))
        value, slope = table[:, :_AV_POINTS], table[:, _AV_POINTS:]
        return (
            (1 + 2 * t) * (1 - t) ** 2 * value[at, low]
            + t**2 * (3 - 2 * t) * value[at, low + 1]
            + step * t * (1 - t) * ((1 - t) * slope[at, low] - t * slope[at, low + 1])
        )

    def mix(self, age_weights, mh):
        """Return the weight of every SSP, from the weights of ages and [M/H].

        Parameters
        ----------
        age_weights : `~numpy.ndarray`, shape (N, A)
            Mass formed in each age bin of the SSP grid.
        mh : `~numpy.ndarray`, shape (N,)

        Returns
        -------
        `~numpy.ndarray`, shape (N, A * Z), float32
        """
        metals = self.ssp.metallicity_weights(mh).astype(np.float32)
        both = np.asarray(age_weights, dtype=np.float32)[:, :, None] * metals[:, None, :]
        return both.reshape(len(mh), -1)

    def surviving(self, age_weights, mh):
        """Return the mass in stars and remnants over the mass formed, shape (N,)."""
        metals = self.ssp.metallicity_weights(mh)
        return (metals * (age_weights @ self.ssp.surviving.T)).sum(axis=1)

    def fluxes(self, z, age_weights, mh, av):
        """Return fluxes for 1 Msun formed.

        Parameters
        ----------
        z : `~numpy.ndarray`, shape (N,)
            Redshift, above 0 and up to `z_max`.
        age_weights : `~numpy.ndarray`, shape (N, A)
            Fraction of the mass formed in each age bin.
        mh : `~numpy.ndarray`, shape (N,)
            [M/H].
        av : `~numpy.ndarray`, shape (N,)
            A_V in mag; for "charlot-fall", A_V of the diffuse medium.

        Returns
        -------
        `~numpy.ndarray`, shape (N, B), float64
            nJy per Msun, in the order of `bands`.

        Raises
        ------
        PixsedError
            If a redshift or A_V is out of range.
        """
        z, av = np.asarray(z, dtype=float), np.asarray(av, dtype=float)
        if z.size and (z.min() <= 0 or z.max() > self.z_max):
            raise PixsedError(
                f"redshift must be above 0 and up to {self.z_max}, "
                f"got {z.min():.4g} to {z.max():.4g}"
            )
        if av.size and (av.min() < 0 or av.max() > self._av[-1]):
            raise PixsedError(
                f"A_V must be 0 to {self._av[-1]:g}, got {av.min():.4g} to {av.max():.4g}"
            )
        steps = np.log1p(z) / STEP
        order = np.argsort(steps)
        out = np.empty((len(z), len(self.bands)))
        for start in range(0, len(order), _ROWS):
            rows = order[start : start + _ROWS]
            out[rows] = self._sorted(steps[rows], age_weights[rows], mh[rows], av[rows])
        distance = luminosity_distance(z) * MPC_CM
        scale = self.ssp.meta["LSUN"] * CGS_NJY * (1 + z) / (4 * np.pi * distance**2)
        return out * scale[:, None]

    def _sorted(self, steps, age_weights, mh, av):
        """Return band luminosities [Lsun/Hz/Msun] of objects sorted by redshift."""
        # At high redshift no star is old: leave out ages without mass, up to rounding.
        ages = 1 + np.flatnonzero(np.abs(age_weights).max(axis=0) > _NO_MASS).max(initial=0)
        mix = self.mix(age_weights[:, :ages], mh)
        energy = self._energy_at(mix, av).astype(np.float32)[:, None]
        parts = [mix[:, rows] for rows, _ in self._screens]
        av = -av.astype(np.float32)[:, None]
        below = steps.astype(int)
        fraction = (steps - below).astype(np.float32)
        out = np.zeros((len(steps), len(self.bands)), dtype=np.float32)
        near = np.unique(np.concatenate([below, below + 1]))
        first, last = np.searchsorted(below, near - 1), np.searchsorted(below, near, side="right")
        for step, low, high in zip(near, first, last, strict=True):
            here = slice(low, high)
            flux = 0.0
            for part, (_, tables) in zip(parts, self._screens, strict=True):
                light, depth, bands, emission = tables.at(step)
                seen = part[here] @ light[: part.shape[1]]
                seen *= np.exp(av[here] * depth)
                flux += seen @ bands
            flux += energy[here] * emission
            weight = np.where(below[here] == step, 1 - fraction[here], fraction[here])
            out[here] += weight[:, None] * flux
        return out


def _by_age(array):
    """Reshape (Z, A, ...) to (A * Z, ...): for each age, all metallicities."""
    return np.ascontiguousarray(array.swapaxes(0, 1)).reshape(-1, array.shape[2])
