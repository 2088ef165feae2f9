"""Tables of the light of spectra in all bands at every redshift step, for any attenuation."""

import numpy as np

from pixsed.cores import memory_per_core
from pixsed.sps.nodes import choose_nodes, distribute

# Number of consecutive steps whose tables are made together.
_BLOCK = 16
# Transmission, as a fraction of the peak, below which all wavelengths of a wing have the
# attenuation of its inner end.
_WING = 1e-3
#: Least and largest memory for tables, bytes.
_MEMORY = 3e8, 1.4e9


def memory_for_tables():
    """Return the memory for tables in bytes: an eighth of that of the machine, per core."""
    return min(max(memory_per_core() / 8, _MEMORY[0]), _MEMORY[1])


class BandTables:
    """Light of spectra through bands, distributed over nodes in wavelength.

    On a grid uniform in log wavelength, a redshift is a shift: rest-frame cell i falls in
    observed cell i - `steps` + 1 + step, where ln(1 + z) is `step` cells.

    Parameters
    ----------
    spectra : `~numpy.ndarray`, shape (R, C), float32
        f_nu per rest-frame cell.
    filters : `~numpy.ndarray`, shape (O, B)
        Transmission per observed cell; each column sums to 1.
    log_wave : `~numpy.ndarray`, shape (O,)
        ln of the observed wavelength [Angstrom] of each cell.
    igm : `~numpy.ndarray`, shape (steps, I)
        Transmission of the first I rest-frame cells at each step; 1 beyond.
    emission : `~numpy.ndarray`, shape (C,)
        Spectrum that is attenuated by `igm` but not by dust.
    count : callable, optional
        Function of the width of a band in ln(wavelength) that returns the number of segments,
        and of nodes in each; default: `~pixsed.sps.nodes.choose_nodes`.

    Attributes
    ----------
    node_wave : `~numpy.ndarray`, shape (K,)
        Observed wavelengths of the nodes of all bands, Angstrom.
    sums : `~numpy.ndarray`, shape (K, B), float32
        1 where a node belongs to a band; the product with it sums the nodes of each band.
    """

    def __init__(self, spectra, filters, log_wave, igm, emission, *, count=choose_nodes):
        self.spectra = spectra
        self.emission = emission
        self.steps = len(igm)
        self._igm = np.hstack([igm, np.ones((self.steps, 1), dtype=igm.dtype)])
        self._bands, nodes = [], []
        for transmission in filters.T:
            used = np.flatnonzero(transmission)
            cells = slice(used[0], used[-1] + 1)
            inner = log_wave[np.flatnonzero(transmission > _WING * transmission.max())[[0, -1]]]
            width = max(inner[1] - inner[0], 1e-6)
            position = (log_wave[cells] - inner[0]) / width
            fractions, within = distribute(position, *count(width))
            kernel = transmission[cells, None] * fractions
            self._bands.append((used[0], transmission[cells], kernel.astype(np.float32)))
            nodes.append(np.exp(inner[0] + width * within))
        counts = [len(part) for part in nodes]
        self.node_wave = np.concatenate(nodes)
        self.sums = np.repeat(np.eye(len(counts), dtype=np.float32), counts, axis=0)
        # Each batch of galaxies, sorted by redshift, needs the tables in the same order. If not all
        # of them fit into memory, the first ones stay, since the oldest would always be dropped
        # just before they are needed again.
        self._blocks, self._last = {}, (None, None)
        size = spectra.shape[0] * len(self.node_wave) * _BLOCK * spectra.dtype.itemsize
        self._kept = int(memory_for_tables() / size)

    def at(self, step):
        """Return the tables at ln(1 + z) = `step` cells.

        Parameters
        ----------
        step : int

        Returns
        -------
        light : `~numpy.ndarray`, shape (R, K), float32
            AB flux density of each spectrum at each node.
        emission : `~numpy.ndarray`, shape (B,), float32
            AB flux density of `emission` in each band.
        """
        block, row = divmod(step, _BLOCK)
        light, emission = self._block(block)
        return light[row], emission[row]

    def _block(self, number):
        """Return the tables of a block of steps, which are made unless they were kept."""
        if number in self._blocks:
            return self._blocks[number]
        if self._last[0] != number:
            made = self._make(number * _BLOCK, min((number + 1) * _BLOCK, self.steps))
            if len(self._blocks) < self._kept:
                self._blocks[number] = made
                return made
            self._last = number, made
        return self._last[1]

    def _make(self, start, stop):
        steps = np.arange(start, stop)
        light = np.empty((len(steps), len(self.spectra), len(self.node_wave)), dtype=np.float32)
        emission, done = np.empty((len(steps), len(self._bands)), dtype=np.float32), 0
        for number, (first, transmission, kernel) in enumerate(self._bands):
            at = first + self.steps - 1 - steps
            cells = at[:, None] + np.arange(len(transmission))
            igm = self._igm[steps[:, None], np.minimum(cells, self._igm.shape[1] - 1)]
            # One matrix product for all steps, each of which is a set of columns.
            count = kernel.shape[1]
            shifted = np.zeros((cells[0, -1] + 1 - at[-1], len(steps), count), dtype=np.float32)
            for row, begin in enumerate(at - at[-1]):
                shifted[begin : begin + len(kernel), row] = kernel * igm[row][:, None]
            spectra = self.spectra[:, at[-1] : at[-1] + len(shifted)]
            found = spectra @ shifted.reshape(len(shifted), -1)
            found = found.reshape(-1, len(steps), count).swapaxes(0, 1)
            light[:, :, done : done + count] = found
            emission[:, number] = (transmission * igm * self.emission[cells]).sum(axis=1)
            done += count
        return light, emission
