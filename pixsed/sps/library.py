"""Stellar populations of an SSP grid as rows of spectra, and their weights."""

import numpy as np

from pixsed.errors import PixsedError
from pixsed.sps.constants import C_ANGSTROM
from pixsed.sps.filters import cumulative_average

_LYMAN_ALPHA = 1215.67
#: Age below which stars are in their birth clouds and ionise their gas, Gyr.
BIRTH_CLOUD = 0.01
#: Unit of luminosities, erg/s; float32 numbers are then of order one.
LUMINOSITY = 1e33
#: Width of a wavelength cell in ln(wavelength).
STEP = 0.002


class Library:
    """Rows of spectra of an SSP grid, split into screens of dust.

    The first screen is the diffuse medium alone. With birth clouds, the second one has the
    stars younger than 10 Myr and their gas. Within a screen the rows are the stars, for each
    age all metallicities, and then the gas, for each log U all ages and metallicities.

    Parameters
    ----------
    ssp : `~pixsed.sps.ssp.SSPGrid`
    birth_clouds : bool
        Split the rows at 10 Myr.

    Raises
    ------
    PixsedError
        If the split is not an edge of the age bins.
    """

    def __init__(self, ssp, birth_clouds):
        self.ssp = ssp
        #: Luminosity unit of the grid, in units of `LUMINOSITY`.
        self.unit = ssp.meta["LSUN"] / LUMINOSITY
        gas = ssp.lines.shape[2]
        #: Bins of the age of stars, and of gas, in each screen.
        self.screens = [(slice(0, None), slice(0, gas))]
        if birth_clouds:
            inside = int(np.argmin(np.abs(ssp.age_edges - BIRTH_CLOUD)))
            if not np.isclose(ssp.age_edges[inside], BIRTH_CLOUD, rtol=1e-6):
                raise PixsedError(
                    "this attenuation law needs an SSP grid with an edge of its age bins at "
                    "10 Myr; try: pixsed ssp"
                )
            young = slice(0, inside)
            self.screens = [
                (slice(inside, None), slice(inside, gas)),
                (young, slice(0, min(inside, gas))),
            ]

    def mix(self, screen, age_weights, mh, log_u, fraction):
        """Return the weight of every row of a screen, shape (N, R), float32.

        Parameters
        ----------
        screen : int
        age_weights : `~numpy.ndarray`, shape (N, A)
            Mass formed in each age bin.
        mh, log_u : `~numpy.ndarray`, shape (N,)
            `log_u` may be None if the grid has one value.
        fraction : `~numpy.ndarray`, shape (N,)
            Factor of all weights.
        """
        stars, gas = self.screens[screen]
        count = len(age_weights)
        metals = self.ssp.metallicity_weights(mh) * fraction[:, None]
        metals = metals.astype(np.float32)
        ages = np.asarray(age_weights, dtype=np.float32)
        both = ages[:, :, None] * metals[:, None, :]
        if log_u is None and len(self.ssp.log_u) > 1:
            raise PixsedError("SSP grids with several values of log U need log_u")
        log_u = np.full(count, self.ssp.log_u[0]) if log_u is None else log_u
        ionised = self.ssp.log_u_weights(log_u).astype(np.float32)
        inside = both[:, gas].reshape(count, 1, -1)
        glowing = (ionised[:, :, None] * inside).reshape(count, -1)
        return np.hstack([both[:, stars].reshape(count, -1), glowing])

    def light(self, screen):
        """Return the light of the rows of a screen.

        Returns
        -------
        stars, gas : `~numpy.ndarray`, shape (R, W)
            Lsun / Angstrom / Msun at the wavelengths of the grid; the rows of the screen are
            those of both, in this order.
        lines : `~numpy.ndarray`, shape (R, L)
            Emission lines of the rows of `gas`, Lsun / Msun.
        """
        stars, gas = self.screens[screen]
        ssp = self.ssp
        spectra = ssp.spectra[:, stars].swapaxes(0, 1)
        arrays = [spectra] + [part[:, :, gas].swapaxes(1, 2) for part in (ssp.nebular, ssp.lines)]
        return [np.ascontiguousarray(part).reshape(-1, part.shape[-1]) for part in arrays]

    def spectra(self, screen, edges):
        """Return L_nu of the rows of a screen, averaged over cells.

        Parameters
        ----------
        screen : int
        edges : `~numpy.ndarray`, shape (C + 1,)
            Edges of the cells in ln(wavelength / Angstrom), `STEP` apart.

        Returns
        -------
        `~numpy.ndarray`, shape (R, C), float32
            In units of `LUMINOSITY` / Hz / Msun.
        """
        stars, gas, lines = self.light(screen)
        x, to_nu = np.log(self.ssp.wave), self.ssp.wave**2 / C_ANGSTROM
        grid = [cumulative_average(x, light * to_nu, edges) for light in (stars, gas)]
        _add_lines(grid[1], lines, self.ssp.line_wave, edges)
        return (np.vstack(grid) * self.unit).astype(np.float32)

    def energy(self, screen, edges):
        """Return the luminosity of the rows of a screen in cells, shape (R, C).

        Parameters
        ----------
        screen : int
        edges : `~numpy.ndarray`, shape (C + 1,)
            Edges of the cells in ln(wavelength / Angstrom).

        Returns
        -------
        `~numpy.ndarray`, shape (R, C), float32
            In units of `LUMINOSITY` / Msun.
        """
        stars, gas, lines = self.light(screen)
        wave = self.ssp.wave
        grid = [cumulative_average(np.log(wave), light * wave, edges) for light in (stars, gas)]
        grid = [light * np.diff(edges) for light in grid]
        cell = np.searchsorted(edges, np.log(self.ssp.line_wave)) - 1
        for line, where in enumerate(cell):
            if 0 <= where < len(edges) - 1:
                grid[1][:, where] += lines[:, line]
        return (np.vstack(grid) * self.unit).astype(np.float32)


def _add_lines(grid, lines, line_wave, edges):
    """Add lines to f_nu in cells, (R, C), in place."""
    # Distribute a line over the two nearest cells so that its mean wavelength is kept.
    first = edges[0] + 0.5 * STEP
    position = (np.log(line_wave) - first) / STEP
    for line, where in enumerate(position):
        if not 0 <= where < grid.shape[1] - 1:
            continue
        density = lines[:, line] * (line_wave[line] / C_ANGSTROM / STEP)
        low = int(where)
        fraction = where - low
        if abs(line_wave[line] - _LYMAN_ALPHA) < 1.0:
            fraction = 0.0  # the whole line is in the blue cell, which the IGM absorbs
        grid[:, low] += (1 - fraction) * density
        grid[:, low + 1] += fraction * density


def dust_emission(ssp, edges):
    """Return the emission of dust per absorbed luminosity [1/Hz], averaged over cells, float32."""
    f_nu = ssp.dust_spectrum * (ssp.dust_wave**2 / C_ANGSTROM)
    return cumulative_average(np.log(ssp.dust_wave), f_nu, edges).astype(np.float32)
