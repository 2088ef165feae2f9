"""Grids of wavelength for bands at all redshifts."""

from dataclasses import dataclass

import numpy as np

from pixsed.sps.band_tables import BandTables
from pixsed.sps.filters import WAVELENGTHS, transmission_matrix
from pixsed.sps.igm import transmission_table
from pixsed.sps.library import STEP

_LYMAN_ALPHA = 1215.67


@dataclass(frozen=True)
class WavelengthGrid:
    """Cells of wavelength in the rest frame and as observed, `STEP` apart in ln(wavelength).

    Attributes
    ----------
    wave : `~numpy.ndarray`, shape (C,)
        Rest-frame wavelength of each cell, Angstrom.
    edges : `~numpy.ndarray`, shape (C + 1,)
        Edges of these cells in ln(wavelength / Angstrom).
    filters : `~numpy.ndarray`, shape (O, B)
        Transmission of the bands in the observed cells; each column sums to 1.
    log_wave : `~numpy.ndarray`, shape (O,)
        ln of the observed wavelength [Angstrom] of each cell.
    igm : `~numpy.ndarray`, shape (steps, I)
        Transmission of the intergalactic medium in the first rest-frame cells, at each step.
    """

    wave: np.ndarray
    edges: np.ndarray
    filters: np.ndarray
    log_wave: np.ndarray
    igm: np.ndarray

    def tables(self, spectra, emission, bands=slice(None), **options):
        """Return `~pixsed.sps.band_tables.BandTables` of spectra (R, C) in some of the bands."""
        filters = self.filters[:, bands]
        return BandTables(spectra, filters, self.log_wave, self.igm, emission, **options)


def wavelength_grid(bands, z_max, igm, curves=None):
    """Return the `WavelengthGrid` of bands.

    Parameters
    ----------
    bands : sequence of str
    z_max : float
        Largest redshift.
    igm : str
        Absorption of `pixsed.sps.igm`.
    curves : dict, optional
        Wavelength [Angstrom] and transmission by band; default: the curves of
        `~pixsed.sps.filters.load_curve`.

    Raises
    ------
    PixsedError
        If a band or the absorption is unknown.
    """
    # Rest-frame cells extend further to the blue than the observed ones.
    steps = int(np.ceil(np.log1p(z_max) / STEP)) + 2
    first, last = (int(round(np.log(wave) / STEP)) for wave in WAVELENGTHS)
    observed_edges = (np.arange(first, last + 1) - 0.5) * STEP
    filters = transmission_matrix(bands, observed_edges, curves).astype(np.float32)
    used = np.flatnonzero(filters.any(axis=1))
    filters = filters[used[0] : used[-1] + 1]
    cells = first + used[0] - (steps - 1) + np.arange(len(filters) + steps - 1)
    edges = (np.append(cells, cells[-1] + 1) - 0.5) * STEP
    blue = int(np.searchsorted(edges, np.log(_LYMAN_ALPHA)))
    transmission = transmission_table(igm, edges[: blue + 1], steps)
    log_wave = STEP * np.arange(first + used[0], first + used[-1] + 1)
    return WavelengthGrid(np.exp(cells * STEP), edges, filters, log_wave, transmission)
