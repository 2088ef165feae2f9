"""Populations of FSPS put together from the spectra of two emulators and BC03's run with age.

The first emulator has stars alone by age. It is used unchanged where it reaches. Elsewhere a
factor on BC03's stars makes the wide age bins of the second come out right
(`pixsed.sps.fsps_join`). Gas is BC03's, scaled to that of the second.
"""

import numpy as np

from pixsed.sps import bc03
from pixsed.sps.fsps_grid import log_average_matrix
from pixsed.sps.fsps_join import Problem, join

#: Solar metallicity of MIST.
ZSUN = 0.0142
# Ionisation parameter of the second emulator's gas.
_LOG_U = -2.0
# Number of wide age bins with gas, 1 to 24 Myr.
_YOUNG = 2
# Lines from which the output of ionising light is measured, in vacuum, Angstrom.
_BALMER = (4862.69, 6564.61)
# Wavelengths next to the ends of the first emulator, where the join starts, Angstrom.
_BLUE, _RED = (2305.0, 2500.0), (50000.0, 59900.0)
# Wavelength below which the join keeps BC03's own run with age, Angstrom.
_FADE = 1200.0
_LYMAN_LIMIT = 912.0
# Wavelength below which the lines of a galaxy's gas are absorbed by it, Angstrom.
_LYMAN_SERIES = 1100.0
# Standard deviation of FSPS's lines, which are Gaussians, pixels.
_LINE_WIDTH = 2.0
# Luminosity of lines over the continuum behind them from which they are measured, and the limits
# of what that changes.
_SEEN, _STRENGTH = 0.02, (0.1, 3.0)
# Fraction of the light above which lines are left out of the comparison.
_LINE_FRACTION = 0.002
#: Windows in which the agreement is measured, Angstrom.
WINDOWS = np.array(
    [
        *((1320, 1600), (1600, 1880), (1950, 2300), (2310, 3600), (3800, 4800), (5050, 6500)),
        *((6800, 9000), (9600, 13000), (13000, 18000), (19000, 25000), (30000, 59000)),
        (61000, 99000),
    ],
    dtype=float,
)


def vacuum(wave):
    """Return wavelengths in vacuum from those in air above 2000 Angstrom (Morton 2000).

    Parameters
    ----------
    wave : `~numpy.ndarray`
        Angstrom, any shape.
    """
    s2 = (1e4 / wave) ** 2
    index = 1 + 8.336624e-5 + 0.02408926869968 / (130.1065924522 - s2)
    index += 0.0001599740894897 / (38.92568793293 - s2)
    return np.where(wave > 2000.0, wave * index, wave)


class Assembly:
    """Populations by narrow age bins, put together from the emulators and BC03.

    The narrow bins are those of the grid, cut at the edges of the wide ones too.

    Parameters
    ----------
    emulated : `~pixsed.sps.fsps_public.Emulated`
    edges : `~numpy.ndarray`, shape (A + 1,)
        Edges of the age bins of the grid, Gyr.
    folder : `~pathlib.Path`
        BC03's files.
    """

    def __init__(self, emulated, edges, folder):
        self.emulated = e = emulated
        self.edges = np.union1d(edges, e.bin_edges)
        self.young = bc03.young_bins(self.edges)
        self.merge = _overlap(edges, self.edges)
        overlap = _overlap(e.bin_edges, self.edges)
        #: Fraction of each wide bin in each narrow one, shape (B, F).
        self.overlap = overlap / overlap.sum(axis=1, keepdims=True)
        mh = e.metallicity + np.log10(ZSUN / bc03.ZSUN)
        self.mix = linear(np.log10(bc03.METALLICITIES), mh)
        #: From the metallicities of the wide bins to all.
        self.spread = linear(e.metallicity[e.bin_rows], e.metallicity)
        wave, spectra, _ = bc03.stars(folder, self.edges)
        position = np.log(vacuum(wave))
        logs = np.log(np.maximum(spectra, 1e-37))
        logs = np.stack([[np.interp(np.log(e.wave), position, s) for s in z] for z in logs])
        #: BC03's stars, shape (Z, F, W).
        self.base = np.exp(np.einsum("mz,zfw->mfw", self.mix, logs))
        self.line_wave = vacuum(np.loadtxt(folder / bc03.LINE_WAVES))
        self.continuum, self.lines = (x[0] for x in self.gas_of_bc03(folder, np.array([_LOG_U])))
        self._light()

    def gas_of_bc03(self, folder, log_u):
        """Return the continuum (U, Z, Y, W) and lines of gas by narrow bin, not yet scaled."""
        found = bc03.gas(folder, log_u, self.edges, self.emulated.wave)
        return (np.einsum("mz,uzyw->umyw", self.mix, x) for x in found)

    def _light(self):
        """Make the spectra of stars (Z, F, W), and the factors of gas."""
        e, count = self.emulated, len(self.emulated.bin_rows)
        self.stars = np.zeros_like(self.base)
        old = log_average_matrix(e.age, self.edges)[self.young :]
        self.stars[:, self.young :, e.inside] = old @ e.spectra
        self.output = np.ones((count, _YOUNG))
        self.correction = np.ones((count, _YOUNG, len(e.wave)))
        self.strength = np.ones((count, _YOUNG, len(self.line_wave)))
        self.at_lines = np.stack(
            [
                near_lines(e.wave, self.line_wave, self._means(x)[1], e.bins[x, :_YOUNG])
                for x in range(count)
            ]
        )
        factors = [self._young(x) for x in range(count)]
        factor = np.exp(np.einsum("mx,xfw->mfw", self.spread, np.log(factors)))
        base = self.base[:, : self.young, e.inside]
        self.stars[:, : self.young, e.inside] = base * factor
        self.base *= self._tilt()
        outside = np.ones(len(e.wave), dtype=bool)
        outside[e.inside] = False
        factors = [self._outside(x, outside) for x in range(count)]
        factor = np.exp(np.einsum("mx,xfw->mfw", self.spread, np.log(factors)))
        self.stars[..., outside] = self.base[..., outside] * factor
        self.stars[:, : self.young, e.wave < _LYMAN_LIMIT] = 0.0
        for x in range(count):
            self._measure_lines(x)

    def _means(self, x):
        """Return the gas continuum and lines in the first wide bins, of the metallicity `x`."""
        overlap = self.overlap[:_YOUNG, : self.young] * self.output[x][:, None]
        row = self.emulated.bin_rows[x]
        return overlap @ self.continuum[row], overlap @ self.lines[row]

    def _young(self, x):
        """Return the factor on BC03's stars below 10 Myr in the first emulator's range."""
        e, row, young = self.emulated, self.emulated.bin_rows[x], self.young
        inside, middle = e.inside, _middle(self.edges)
        # The first node beyond 10 Myr is the first emulator's, over BC03.
        known = np.log(self.stars[row, young, inside] / self.base[row, young, inside])
        ages = [*_middle(e.bin_edges)[:_YOUNG], middle[young]]
        ages[1] = np.sqrt(e.bin_edges[1] * bc03.BIRTH_CLOUD)
        problem = Problem(
            wave=e.wave[inside],
            lines=self.at_lines[x, inside],
            base=self.base[row, :young, inside],
            overlap=self.overlap[:_YOUNG, :young],
            hat=linear(np.log(ages), np.log(middle[:young])),
            wanted=e.bins[x, :_YOUNG, inside],
            rest=self.overlap[:_YOUNG, young:] @ self.stars[row, young:, inside],
            gas=np.zeros((_YOUNG, inside.stop - inside.start)),
        )
        for _ in range(4):
            problem.gas = self._means(x)[0][:, inside]
            factor, correction = join(problem, np.stack([0 * known, known, known]))
            mean = problem.overlap @ (problem.base * factor) + problem.rest
            self._measure_output(x, problem.wanted - mean - problem.gas * correction)
        self.correction[x, :, inside] = correction
        return factor

    def _measure_output(self, x, left):
        """Scale the ionising light so that Balmer lines have the luminosities that are left."""
        wave = self.emulated.wave[self.emulated.inside]
        line = np.argmin(np.abs(self.line_wave - np.array(_BALMER)[:, None]), axis=1)
        lines = self._means(x)[1][:, line].sum(axis=1)
        found = 0.0
        for at in _BALMER:
            here = np.abs(wave - at) < 9.0
            found = found + np.trapezoid(left[:, here], wave[here], axis=1)
        self.output[x] *= np.clip(found / lines, 0.2, 5.0)

    def _measure_lines(self, x):
        """Give lines, or groups of lines, the luminosities in the second emulator's bins."""
        e, row = self.emulated, self.emulated.bin_rows[x]
        continuum, lines = self._means(x)
        stars = self.overlap[:_YOUNG] @ self.stars[row]
        light = stars + continuum * self.correction[x]
        left = (e.bins[x, :_YOUNG] - light) * np.gradient(e.wave)
        for group, pixels in line_groups(e.wave, self.line_wave):
            ours, theirs = lines[:, group].sum(axis=1), left[:, pixels].sum(axis=1)
            behind = (light * np.gradient(e.wave))[:, pixels].sum(axis=1)
            seen = np.maximum(ours, theirs) > _SEEN * behind
            factor = np.clip(theirs / np.maximum(ours, 1e-30), *_STRENGTH)
            self.strength[x][:, group] = np.where(seen, factor, 1.0)[:, None]

    def _tilt(self):
        """Return the factors on BC03 that join the first emulator's run with age at its ends."""
        e = self.emulated
        wave, log_wave = e.wave, np.log(e.wave)
        ends = []
        for low, high in (_BLUE, _RED):
            use = (wave >= low) & (wave <= high) & ~self.at_lines.any(axis=0)
            ends.append(self.stars[..., use].mean(axis=-1) / self.base[..., use].mean(axis=-1))
        fade = np.clip((log_wave - np.log(_FADE)) / np.log(_BLUE[0] / _FADE), 0.0, 1.0)
        blue, red = (np.log(end)[..., None] for end in ends)
        return np.exp(np.where(wave < _BLUE[0], fade * blue, np.where(wave > _RED[1], red, 0.0)))

    def _outside(self, x, outside):
        """Return the factor on the tilted base, shape (F, W'), at the wavelengths `outside`."""
        e, row = self.emulated, self.emulated.bin_rows[x]
        factor = np.ones((len(self.edges) - 1, outside.sum()))
        ages = _middle(e.bin_edges)
        hat = linear(np.log(ages), np.log(_middle(self.edges)))
        at = np.flatnonzero(outside)
        for use in (at < e.inside.start, at >= e.inside.stop):
            pixels = at[use]
            problem = Problem(
                wave=e.wave[pixels],
                lines=self.at_lines[x, pixels] | (e.wave[pixels] < _LYMAN_LIMIT + 5),
                base=self.base[row][:, pixels],
                overlap=self.overlap,
                hat=hat,
                wanted=e.bins[x][:, pixels],
                rest=np.zeros((len(ages), len(pixels))),
                gas=self._means(x)[0][:, pixels],
            )
            factor[:, use], self.correction[x][:, pixels] = join(
                problem, np.zeros((len(ages), len(pixels)))
            )
        return factor

    def gas(self, folder, log_u):
        """Return the continuum (U, Z, Y, W) and lines (U, Z, Y, L) of gas by narrow bin."""
        old = (self.edges[1 : self.young + 1] > self.emulated.bin_edges[1] * (1 + 1e-9)).astype(int)
        output = np.exp(self.spread @ np.log(self.output))[:, old]
        correction = np.exp(np.einsum("mx,xbw->mbw", self.spread, np.log(self.correction)))
        continuum, lines = self.gas_of_bc03(folder, log_u)
        scaled = continuum * output[..., None] * correction[:, old]
        strength = np.exp(np.einsum("mx,xbl->mbl", self.spread, np.log(self.strength)))
        return scaled, lines * output[..., None] * strength[:, old]

    def agreement(self, folder):
        """Return the light of the grid over that of the second emulator.

        Parameters
        ----------
        folder : `~pathlib.Path`
            BC03's files.

        Returns
        -------
        `~numpy.ndarray`, shape (X, B, windows)
            By metallicity, wide age bin and window of `WINDOWS`; at log U = -2, between lines.
        """
        e, rows = self.emulated, self.emulated.bin_rows
        light = self.overlap @ self.stars[rows]
        light += self.overlap[:, : self.young] @ self.gas(folder, np.array([_LOG_U]))[0][0, rows]
        width = np.gradient(e.wave) * ~self.at_lines
        inside = (e.wave > WINDOWS[:, :1]) & (e.wave < WINDOWS[:, 1:])
        weight = width[:, None, :] * inside
        found, wanted = (np.einsum("xbw,xnw->xbn", s, weight) for s in (light, e.bins))
        return found / wanted


def near_lines(wave, line_wave, lines, light):
    """Return where emission lines may contribute to the light, shape (W,).

    Parameters
    ----------
    wave : `~numpy.ndarray`, shape (W,)
        Angstrom.
    line_wave : `~numpy.ndarray`, shape (L,)
        Angstrom.
    lines : `~numpy.ndarray`, shape (B, L)
        Luminosities.
    light : `~numpy.ndarray`, shape (B, W)
        Per Angstrom.
    """
    width = _LINE_WIDTH * np.interp(line_wave, wave, np.gradient(wave))
    profile = np.exp(-0.5 * ((wave - line_wave[:, None]) / width[:, None]) ** 2)
    profile /= np.sqrt(2 * np.pi) * width[:, None]
    profile[line_wave < _LYMAN_SERIES] = 0.0
    near = (lines @ profile > _LINE_FRACTION * light).any(axis=0)
    return near | ((wave > 3640.0) & (wave < 3810.0))  # the Balmer series runs together


def line_groups(wave, line_wave):
    """Return groups of lines that overlap at the resolution of the spectra.

    Parameters
    ----------
    wave : `~numpy.ndarray`, shape (W,)
        Angstrom.
    line_wave : `~numpy.ndarray`, shape (L,)
        Angstrom.

    Returns
    -------
    list of tuple of `~numpy.ndarray`
        Indices of the lines of each group, and of the pixels within three standard deviations
        of one of them. Lines near the ends of the spectra, or in the Lyman series but for Lyman
        alpha, are in none.
    """
    reach = _LINE_WIDTH * np.interp(line_wave, wave, np.gradient(wave)) * 3.0
    use = (line_wave > _LYMAN_SERIES) & (line_wave < _RED[1])
    order = np.flatnonzero(use)[np.argsort((line_wave - reach)[use])]
    groups, end = [], -np.inf
    for line in order:
        if line_wave[line] - reach[line] > end:
            groups.append([])
        groups[-1].append(line)
        end = max(end, line_wave[line] + reach[line])
    found = []
    for group in groups:
        low = (line_wave - reach)[group].min()
        high = (line_wave + reach)[group].max()
        found.append((np.array(group), np.flatnonzero((wave > low) & (wave < high))))
    return found


def _overlap(coarse, fine):
    """Return the fraction of each coarse bin in each fine one, shape (coarse, fine)."""
    low = np.maximum(coarse[:-1, None], fine[:-1])
    high = np.minimum(coarse[1:, None], fine[1:])
    return np.clip(high - low, 0.0, None) / np.diff(coarse)[:, None]


def _middle(edges):
    return np.sqrt(np.maximum(edges[:-1], 1e-3) * edges[1:])


def linear(nodes, x):
    """Return the matrix of linear interpolation from `nodes` to `x`, constant beyond them."""
    return np.stack([np.interp(x, nodes, column) for column in np.eye(len(nodes))], axis=1)
