"""Photometry of stellar populations in batches: what pixsed simulates with.

On a grid even in log wavelength a redshift is a shift. Objects are sorted by
redshift; those that fall between two steps of the grid share one product of
their star-formation histories with the SSP spectra and one product with the
filters. No Python loop runs over objects.
"""

import numpy as np

from pixsed.cosmology import luminosity_distance
from pixsed.errors import PixsedError
from pixsed.sps.dust import attenuation_curves
from pixsed.sps.filters import cumulative_average, transmission_matrix
from pixsed.sps.igm import check_igm, transmission_table

_C_ANGSTROM = 2.99792458e18  # per second
_MPC_CM = 3.0856775814913674e24
_CGS_NJY = 1e32  # erg/s/cm^2/Hz to nJy
_LYMAN_ALPHA = 1215.67
#: Stars younger than this, Gyr, are in their birth clouds.
BIRTH_CLOUD = 0.01
#: Width of a wavelength cell in ln(wavelength).
STEP = 0.002


class PhotometryModel:
    """Fluxes of stellar populations in a set of bands.

    Parameters
    ----------
    ssp : `~pixsed.sps.ssp.SSPGrid`
    bands : sequence of str
        Bands of `pixsed.bands`.
    z_max : float, optional
        Largest redshift that will be asked for.
    av_max : float, optional
        Largest A_V.
    attenuation : {"calzetti", "charlot-fall", "smc"}, optional
        Law of `pixsed.sps.dust`. In "charlot-fall" stars younger than 10 Myr and their
        gas have more dust before them; A_V is that before all others.
    igm : {"inoue14", "madau95", "none"}, optional
        Absorption of `pixsed.sps.igm`.
    curves : dict, optional
        Filter curves by band, wavelength [Angstrom] and transmission, to be used instead
        of the surveys'.

    Raises
    ------
    PixsedError
        If a band, a law or the absorption is not known, or if the law asks for an edge
        of the SSP's age bins at 10 Myr that is not there.
    """

    def __init__(self, ssp, bands, *, z_max=10.0, av_max=6.0, attenuation="calzetti",
                 igm="inoue14", curves=None):  # fmt: skip
        self.ssp = ssp
        self.bands = list(bands)
        self.z_max = z_max
        old, young = attenuation_curves(attenuation)
        check_igm(igm)

        # Observed cells over all bands, and rest-frame cells on the same grid, which
        # reach further to the blue: rest cell i sits at observed cell i + shift.
        n_shift = int(np.ceil(np.log1p(z_max) / STEP)) + 1
        first, last = int(np.floor(np.log(3300.0) / STEP)), int(np.ceil(np.log(54000.0) / STEP))
        observed_edges = (np.arange(first, last + 1) - 0.5) * STEP
        self._filters = transmission_matrix(self.bands, observed_edges, curves).astype(np.float32)
        used = np.flatnonzero(self._filters.any(axis=1))
        first += used[0]
        self._filters = np.ascontiguousarray(self._filters[used[0] : used[-1] + 1])
        self._n_observed = len(self._filters)
        self._n_shift = n_shift
        rest_first = first - n_shift
        n_rest = self._n_observed + n_shift
        self._rest_edges = (np.arange(rest_first, rest_first + n_rest + 1) - 0.5) * STEP
        #: Rest-frame wavelength of each cell, Angstrom.
        self.wave = np.exp(np.arange(rest_first, rest_first + n_rest) * STEP)

        # Rows of the SSPs (metallicity, age) that one curve dims, and that curve.
        self._screens = self._split_by_age(old, young)
        self._spectra = self._regrid()
        self._dust = self._regrid_dust()
        self._absorbed_av, self._absorbed = self._absorbed_energy(av_max)
        self._igm_cells = int(np.searchsorted(self._rest_edges, np.log(_LYMAN_ALPHA)))
        self._igm = transmission_table(igm, self._rest_edges[: self._igm_cells + 1], n_shift + 1)

    def _split_by_age(self, old, young):
        if old is young:
            return [(slice(None), old)]
        edges = self.ssp.age_edges
        if not np.isclose(edges, BIRTH_CLOUD, rtol=1e-6).any():
            raise PixsedError(
                "this attenuation law needs an SSP grid with an edge of its age bins at 10 Myr; "
                "try: pixsed ssp"
            )
        inside = np.tile(edges[1:] < BIRTH_CLOUD * (1 + 1e-6), len(self.ssp.metallicity))
        return [(np.flatnonzero(~inside), old), (np.flatnonzero(inside), young)]

    def _regrid(self):
        """SSP spectra as L_nu [Lsun/Hz/Msun] averaged over cells, shape (Z * A, rest)."""
        ssp = self.ssp
        x = np.log(ssp.wave)
        f_nu = ssp.spectra * (ssp.wave**2 / _C_ANGSTROM)
        grid = cumulative_average(x, f_nu, self._rest_edges)
        # A line is shared between the two nearest cells so that its mean wavelength stays.
        position = (np.log(ssp.line_wave) - np.log(self.wave[0])) / STEP
        for line, where in enumerate(position):
            if not 0 <= where < len(self.wave) - 1:
                continue
            density = ssp.lines[:, :, line] * (ssp.line_wave[line] / _C_ANGSTROM / STEP)
            low = int(where)
            share = where - low
            if abs(ssp.line_wave[line] - _LYMAN_ALPHA) < 1.0:
                share = 0.0  # all of it blueward, where the IGM takes its part
            grid[:, :, low] += (1 - share) * density
            grid[:, :, low + 1] += share * density
        return np.ascontiguousarray(grid.reshape(-1, len(self.wave)), dtype=np.float32)

    def _regrid_dust(self):
        ssp = self.ssp
        f_nu = ssp.dust_spectrum * (ssp.dust_wave**2 / _C_ANGSTROM)
        return cumulative_average(np.log(ssp.dust_wave), f_nu, self._rest_edges).astype(np.float32)

    def _absorbed_energy(self, av_max):
        """Energy that a screen of A_V takes from each SSP, Lsun/Msun, on a grid of A_V."""
        ssp = self.ssp
        av = np.linspace(0.0, av_max, int(round(av_max / 0.025)) + 1)
        flat = ssp.spectra.reshape(-1, len(ssp.wave)).astype(float)
        trapezoid = np.zeros(len(ssp.wave))
        trapezoid[:-1] += 0.5 * np.diff(ssp.wave)
        trapezoid[1:] += 0.5 * np.diff(ssp.wave)
        lines = ssp.lines.reshape(-1, len(ssp.line_wave))
        absorbed = np.empty((len(flat), len(av)), dtype=np.float32)
        for rows, curve in self._screens:
            lost = -np.expm1(-0.4 * np.log(10) * av[:, None] * curve(ssp.wave))
            lost_lines = -np.expm1(-0.4 * np.log(10) * av[:, None] * curve(ssp.line_wave))
            absorbed[rows] = flat[rows] @ (trapezoid * lost).T + lines[rows] @ lost_lines.T
        return av, absorbed

    def mix(self, age_weights, mh):
        """Return the weight of every SSP, from weights of age and [M/H].

        Parameters
        ----------
        age_weights : `~numpy.ndarray`, shape (N, A)
            Mass formed in each age bin of the SSP grid.
        mh : `~numpy.ndarray`, shape (N,)

        Returns
        -------
        `~numpy.ndarray`, shape (N, Z * A), float32
        """
        metals = self.ssp.metallicity_weights(mh)
        both = metals[:, :, None] * age_weights[:, None, :]
        return both.reshape(len(mh), -1).astype(np.float32)

    def surviving(self, age_weights, mh):
        """Return the mass in stars and remnants, of the mass formed, shape (N,)."""
        metals = self.ssp.metallicity_weights(mh)
        return np.einsum("nz,za,na->n", metals, self.ssp.surviving, age_weights, optimize=True)

    def fluxes(self, z, age_weights, mh, av):
        """Return fluxes for 1 Msun formed.

        Parameters
        ----------
        z : `~numpy.ndarray`, shape (N,)
            Redshift, above 0 and up to `z_max`.
        age_weights : `~numpy.ndarray`, shape (N, A)
            Share of the mass formed in each age bin.
        mh : `~numpy.ndarray`, shape (N,)
            [M/H].
        av : `~numpy.ndarray`, shape (N,)
            A_V, mag; in "charlot-fall" of the diffuse medium alone.

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
            raise PixsedError(f"redshift must be above 0 and up to {self.z_max}, "
                              f"got {z.min():.4g} to {z.max():.4g}")  # fmt: skip
        if av.size and (av.min() < 0 or av.max() > self._absorbed_av[-1]):
            raise PixsedError(f"A_V must be 0 to {self._absorbed_av[-1]:g}, "
                              f"got {av.min():.4g} to {av.max():.4g}")  # fmt: skip
        out = np.empty((len(z), len(self.bands)))
        steps = np.log1p(z) / STEP
        shifts = steps.astype(int)
        order = np.argsort(shifts, kind="stable")
        bounds = np.flatnonzero(np.diff(shifts[order])) + 1
        for rows in np.split(order, bounds):
            for start in range(0, len(rows), 256):  # a block that fits the cache
                part = rows[start : start + 256]
                if len(part):
                    out[part] = self._one_shift(
                        int(shifts[part[0]]), steps[part], age_weights[part], mh[part], av[part]
                    )
        distance = luminosity_distance(z) * _MPC_CM
        scale = self.ssp.meta["LSUN"] * _CGS_NJY * (1 + z) / (4 * np.pi * distance**2)
        return out * scale[:, None]

    def _depth(self, curve):
        """Natural log of the transmission for A_V = 1, by rest-frame cell."""
        return (-0.4 * np.log(10) * curve(self.wave)).astype(np.float32)

    def _one_shift(self, shift, steps, age_weights, mh, av):
        """Band luminosities of objects whose redshift lies between two steps."""
        mix = self.mix(age_weights, mh)
        # Observed cell j is rest cell j + n_shift - shift; one more for the next step.
        start = self._n_shift - shift - 1
        window = slice(start, start + self._n_observed + 1)
        spectra = 0.0
        for rows, curve in self._screens:
            dimmed = mix[:, rows] @ self._spectra[rows, window]
            dimmed *= np.exp(av.astype(np.float32)[:, None] * self._depth(curve)[window])
            spectra = spectra + dimmed
        position = av / (self._absorbed_av[1] - self._absorbed_av[0])
        low = np.minimum(position.astype(int), len(self._absorbed_av) - 2)
        share = (position - low).astype(np.float32)
        energy = np.einsum("ns,sn->n", mix, self._absorbed[:, low]) * (1 - share)
        energy += np.einsum("ns,sn->n", mix, self._absorbed[:, low + 1]) * share
        spectra += energy[:, None] * self._dust[window]

        # The step below reads cells 1.., the step above cells 0..
        result = []
        cells = self._igm_cells - start
        for step, first in ((shift, 1), (shift + 1, 0)):
            view = spectra[:, first : first + self._n_observed]
            count = min(max(cells - first, 0), self._n_observed)
            if count:
                transmitted = view[:, :count] * self._igm[step, start + first :][:count]
                flux = transmitted @ self._filters[:count] + view[:, count:] @ self._filters[count:]
            else:
                flux = view @ self._filters
            result.append(flux)
        fraction = (steps - shift)[:, None]
        return (1 - fraction) * result[0] + fraction * result[1]
