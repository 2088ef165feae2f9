"""Energy that dust absorbs from the light of populations, for any attenuation curve."""

import numpy as np

#: Range [Angstrom] and number of the cells of wavelength, uniform in ln(wavelength).
_LOW, _HIGH, _CELLS = 91.0, 50000.0, 100


class AbsorbedEnergy:
    """Energy that dust absorbs, from the luminosity of each population in cells of wavelength.

    Parameters
    ----------
    libraries : sequence of `~pixsed.sps.library.Library`
        Their rows follow each other.
    screen : int

    Attributes
    ----------
    wave : `~numpy.ndarray`, shape (C,)
        Rest-frame wavelengths at which the optical depth is needed, Angstrom.
    """

    def __init__(self, libraries, screen):
        edges = np.linspace(np.log(_LOW), np.log(_HIGH), _CELLS + 1)
        self.wave = np.exp(0.5 * (edges[1:] + edges[:-1]))
        self._energy = np.vstack([one.energy(screen, edges) for one in libraries])

    def __call__(self, mix, depth):
        """Return the luminosity that dust absorbs, shape (N,).

        Parameters
        ----------
        mix : `~numpy.ndarray`, shape (N, R)
            Weight of each row.
        depth : `~numpy.ndarray`, shape (N, C)
            Optical depth at `wave`.

        Returns
        -------
        `~numpy.ndarray`, shape (N,)
            In units of `~pixsed.sps.library.LUMINOSITY` / Msun.
        """
        return ((mix @ self._energy) * -np.expm1(-depth)).sum(axis=1)
