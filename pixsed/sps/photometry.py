"""Photometry of stellar populations in batches: the forward model of simulations.

On a grid uniform in log wavelength, a redshift is a shift. At each step of the grid the
light of the SSPs through every band is tabulated at a few wavelengths
(`pixsed.sps.nodes`), with the absorption of the intergalactic medium. Objects are sorted by
redshift. The star-formation histories of all objects next to a step are multiplied with its
table in one product, attenuated at the tabulated wavelengths, and interpolated between two
steps. No Python loop runs over objects.
"""

from dataclasses import dataclass

import numpy as np

from pixsed.cosmology import luminosity_distance
from pixsed.errors import PixsedError
from pixsed.sps.absorbed import AbsorbedEnergy
from pixsed.sps.constants import CGS_NJY, MPC_CM
from pixsed.sps.dust import attenuation_law
from pixsed.sps.igm import IGM
from pixsed.sps.library import LUMINOSITY, STEP, Library, dust_emission
from pixsed.sps.wavelengths import wavelength_grid

_DIMMING = np.float32(0.4 * np.log(10.0))  # optical depth per magnitude
# Number of objects whose mixtures of SSPs are in memory together.
_ROWS = 4096


@dataclass
class Dust:
    """Dust of N populations.

    Attributes
    ----------
    av : `~numpy.ndarray`, shape (N,)
        A_V of the diffuse medium, mag.
    slope, bump : `~numpy.ndarray`, shape (N,), or None
        Slope and bump of `~pixsed.sps.dust.salim`; None for other laws.
    birth : `~numpy.ndarray`, shape (N,), or None
        A_V of stars younger than 10 Myr and of their gas over `av`; None for other laws.
    """

    av: np.ndarray
    slope: np.ndarray | None = None
    bump: np.ndarray | None = None
    birth: np.ndarray | None = None

    def part(self, rows):
        """Return the dust of some rows, float32."""
        arrays = (self.av, self.slope, self.bump, self.birth)
        return Dust(*(None if a is None else np.asarray(a, np.float32)[rows] for a in arrays))


class PhotometryModel:
    """Fluxes of stellar populations in a set of bands.

    Parameters
    ----------
    ssps : `~pixsed.sps.ssp.SSPGrid`, or a sequence of one or two
        Two grids are blended by a fraction of each population.
    bands : sequence of str
        Bands of `pixsed.bands`, or names in `curves`.
    z_max : float, optional
        Largest redshift.
    av_max : float, optional
        Largest A_V.
    attenuation : {"calzetti", "charlot-fall", "smc", "salim"}, optional
        Law of `pixsed.sps.dust`. In "charlot-fall" and "salim", stars younger than 10 Myr and
        their gas are behind more dust; A_V refers to all other stars.
    igm : {"inoue14", "madau95", "none"}, optional
        Absorption of `pixsed.sps.igm`.
    curves : dict, optional
        Wavelength [Angstrom] and transmission by band; default: the curves of
        `~pixsed.sps.filters.load_curve`.

    Raises
    ------
    PixsedError
        If a band, a law or the absorption is unknown, or if the law needs an edge of the age
        bins at 10 Myr that an SSP grid lacks.
    """

    def __init__(
        self,
        ssps,
        bands,
        *,
        z_max=10.0,
        av_max=6.0,
        attenuation="calzetti",
        igm="inoue14",
        curves=None,
    ):
        grids = list(ssps) if isinstance(ssps, list | tuple) else [ssps]
        if not 1 <= len(grids) <= 2:
            raise PixsedError(f"the number of SSP grids must be 1 or 2, got {len(grids)}")
        self.bands = list(bands)
        self.z_max, self.av_max = z_max, av_max
        self.law = attenuation_law(attenuation)

        grid = wavelength_grid(self.bands, z_max, igm, curves)
        #: Rest-frame wavelength of each cell, Angstrom.
        self.wave = grid.wave
        #: Stellar populations of each grid.
        self.libraries = [Library(ssp, self.law.has_birth_clouds) for ssp in grids]
        self._igm, self._edges = igm, grid.edges
        emission = self._emission = dust_emission(grids[0], grid.edges)
        self._tables, self._energy = [], []
        for screen in range(len(self.libraries[0].screens)):
            spectra = np.vstack([one.spectra(screen, grid.edges) for one in self.libraries])
            self._tables.append(grid.tables(spectra, emission))
            self._energy.append(AbsorbedEnergy(self.libraries, screen))

    @property
    def age_edges(self):
        """Edges of the age bins of each library, Gyr: a list of (A + 1,) arrays."""
        return [one.ssp.age_edges for one in self.libraries]

    def weights(self, history):
        """Return the mass fractions of a history in the age bins of each library.

        Parameters
        ----------
        history : `~pixsed.sps.sfh.History`
            Histories of N galaxies.

        Returns
        -------
        list of `~numpy.ndarray`, shape (N, A)
        """
        edges = self.age_edges
        if len(edges) == 2 and np.array_equal(*edges):
            return [history.weights(edges[0])] * 2
        return [history.weights(one) for one in edges]

    def surviving(self, age_weights, mh, library=None):
        """Return the mass in stars and remnants over the mass formed, shape (N,).

        The arguments are those of `fluxes`.
        """
        total = 0.0
        for one, ages, part in self._blended(age_weights, len(mh), library):
            metals = one.ssp.metallicity_weights(mh)
            total = total + part * (metals * (ages @ one.ssp.surviving.T)).sum(axis=1)
        return total

    def fluxes(self, z, age_weights, mh, dust, *, log_u=None, library=None):
        """Return fluxes for 1 Msun formed.

        Parameters
        ----------
        z : `~numpy.ndarray`, shape (N,)
            Redshift, above 0 and up to `z_max`.
        age_weights : `~numpy.ndarray`, shape (N, A), or a sequence of one for each library
            Fraction of the mass formed in each age bin.
        mh : `~numpy.ndarray`, shape (N,)
            [M/H].
        dust : `Dust`, or `~numpy.ndarray`, shape (N,)
            Dust, or A_V in mag alone.
        log_u : `~numpy.ndarray`, shape (N,), optional
            Ionisation parameter; default: that of a grid with one value.
        library : `~numpy.ndarray`, shape (N,), optional
            Fraction of the mass with the populations of the second grid, 0 to 1; required if
            there are two.

        Returns
        -------
        `~numpy.ndarray`, shape (N, B), float64
            nJy per Msun, in the order of `bands`.

        Raises
        ------
        PixsedError
            If a redshift, A_V or log U is out of range, or the dust lacks what the law needs.
        """
        z = np.asarray(z, dtype=float)
        dust = self._check(z, dust)
        steps = np.log1p(z) / STEP
        order = np.argsort(steps)
        out = np.empty((len(z), len(self.bands)))
        parts = self._blended(age_weights, len(z), library)
        mh, log_u = np.asarray(mh), None if log_u is None else np.asarray(log_u)
        for start in range(0, len(order), _ROWS):
            rows = order[start : start + _ROWS]
            logs = None if log_u is None else log_u[rows]
            mixes = [
                np.hstack(
                    [
                        one.mix(screen, ages[rows], mh[rows], logs, fraction[rows])
                        for one, ages, fraction in parts
                    ]
                )
                for screen in range(len(self._tables))
            ]
            out[rows] = self._sorted(steps[rows], mixes, dust.part(rows))
        return out * _dimming(z)[:, None]

    def spectra(self, z, age_weights, mh, dust, wave, *, log_u=None, library=None):
        """Return spectra for 1 Msun formed, as a picture needs them.

        Every population is computed in every cell of `wave`, so a spectrum takes far longer than
        the fluxes.

        Parameters
        ----------
        z, age_weights, mh, dust, log_u, library
            Those of `fluxes`.
        wave : `~numpy.ndarray`, shape (W,)
            Observed wavelength, Angstrom.

        Returns
        -------
        `~numpy.ndarray`, shape (N, W), float64
            f_nu in nJy per Msun, averaged over cells of `STEP` in ln(wavelength); 0 beyond the
            wavelengths of the bands.

        Raises
        ------
        PixsedError
            As for `fluxes`.
        """
        z = np.asarray(z, dtype=float)
        dust = self._check(z, dust).part(slice(None))
        parts = self._blended(age_weights, len(z), library)
        total, energy = 0.0, 0.0
        for screen, absorbed in enumerate(self._energy):
            mix = np.hstack([one.mix(screen, ages, mh, log_u, part) for one, ages, part in parts])
            light = np.vstack([one.spectra(screen, self._edges) for one in self.libraries])
            times = self._times(screen, dust)
            total = total + (mix @ light) * np.exp(-self._depth(self.wave, dust) * times)
            energy = energy + absorbed(mix, self._depth(absorbed.wave, dust) * times)
        total = total + energy[:, None] * self._emission
        out = np.empty((len(z), len(wave)))
        for row, (light, redshift) in enumerate(zip(total, z, strict=True)):
            seen = light * IGM[self._igm](self.wave, redshift)
            out[row] = np.interp(wave / (1 + redshift), self.wave, seen, left=0.0, right=0.0)
        return out * _dimming(z)[:, None]

    def _check(self, z, dust):
        """Return the dust, after checking it and the redshifts."""
        if z.size and (z.min() <= 0 or z.max() > self.z_max):
            raise PixsedError(
                f"redshift must be above 0 and up to {self.z_max}, "
                f"got {z.min():.4g} to {z.max():.4g}"
            )
        if not isinstance(dust, Dust):
            dust = Dust(np.asarray(dust, dtype=float))
        av = np.asarray(dust.av)
        if av.size and (av.min() < 0 or av.max() > self.av_max):
            raise PixsedError(
                f"A_V must be 0 to {self.av_max:g}, got {av.min():.4g} to {av.max():.4g}"
            )
        if self.law.free and any(part is None for part in (dust.slope, dust.bump, dust.birth)):
            raise PixsedError("this attenuation law needs a slope, a bump and birth-cloud dust")
        return dust

    def _blended(self, age_weights, count, library):
        """Return triples of a library, its age weights, and the fraction of it, (N,)."""
        if not isinstance(age_weights, list | tuple):
            age_weights = [age_weights] * len(self.libraries)
        if len(self.libraries) == 1:
            fractions = [np.ones(count)]
        elif library is None:
            raise PixsedError("two SSP grids need the fraction of the second, library")
        else:
            fractions = [1.0 - np.asarray(library), np.asarray(library)]
        ages = [np.asarray(weights) for weights in age_weights]
        return list(zip(self.libraries, ages, fractions, strict=True))

    def _depth(self, wave, dust):
        """Return the optical depth of the diffuse medium at rest-frame wavelengths, (N, W)."""
        av = _DIMMING * dust.av[:, None]
        if self.law.free:
            return av * self.law.curve(wave, dust.slope, dust.bump)
        return av * self.law.curve(wave).astype(np.float32)

    def _times(self, screen, dust):
        """Return the factor of the optical depth of a screen: 1, or that of birth clouds."""
        if screen == 0:
            return np.float32(1.0)
        return dust.birth[:, None] if self.law.free else np.float32(self.law.young)

    def _sorted(self, steps, mixes, dust):
        """Return band luminosities [`LUMINOSITY` / Hz / Msun] of objects sorted by redshift."""
        energy = 0.0
        for screen, (mix, absorbed) in enumerate(zip(mixes, self._energy, strict=True)):
            depth = self._depth(absorbed.wave, dust) * self._times(screen, dust)
            energy = energy + absorbed(mix, depth)
        # Rows of populations without mass, such as old stars at high redshift, are left out.
        used = [_used(mix) for mix in mixes]
        mixes = [np.ascontiguousarray(mix[:, rows]) for mix, rows in zip(mixes, used, strict=True)]
        below = steps.astype(int)
        fraction = (steps - below).astype(np.float32)
        out = np.zeros((len(steps), len(self.bands)), dtype=np.float32)
        near = np.unique(np.concatenate([below, below + 1]))
        first, last = np.searchsorted(below, near - 1), np.searchsorted(below, near, side="right")
        for step, low, high in zip(near, first, last, strict=True):
            here, flux = slice(low, high), 0.0
            wave = self._tables[0].node_wave * np.exp(-step * STEP)
            dust_here = dust.part(here)
            depth = self._depth(wave, dust_here)
            for screen, (mix, rows) in enumerate(zip(mixes, used, strict=True)):
                light, emission = self._tables[screen].at(step)
                seen = mix[here] @ light[rows]
                seen *= np.exp(-depth * self._times(screen, dust_here))
                flux += seen @ self._tables[screen].sums
            flux += energy[here, None] * emission
            weight = np.where(below[here] == step, 1 - fraction[here], fraction[here])
            out[here] += weight[:, None] * flux
        return out


def _dimming(z):
    """Return the factor from `LUMINOSITY` / Hz to nJy at redshifts."""
    distance = luminosity_distance(z) * MPC_CM
    return LUMINOSITY * CGS_NJY * (1 + z) / (4 * np.pi * distance**2)


def _used(mix):
    """Return the columns of `mix` that are not zero; a slice, which copies nothing, if all are."""
    used = mix.any(axis=0)
    return slice(None) if used.all() else np.flatnonzero(used)
