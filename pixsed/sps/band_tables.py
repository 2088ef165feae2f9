"""Tables of the light of spectra in all bands at every redshift step, for any A_V."""

import numpy as np

from pixsed.sps.nodes import choose_nodes, distribute

# Number of consecutive steps whose tables are made together.
_BLOCK = 16
# Fraction of the peak transmission of a band below which all wavelengths of its blue end are
# treated as one.
_NEGLIGIBLE = 1e-5


class BandTables:
    """Light of spectra through bands, distributed over nodes of an attenuation curve.

    On a grid uniform in log wavelength, a redshift is a shift: rest-frame cell i falls in
    observed cell i - `steps` + 1 + step, where ln(1 + z) is `step` cells.

    Parameters
    ----------
    spectra : `~numpy.ndarray`, shape (R, C), float32
        f_nu per rest-frame cell.
    depth : `~numpy.ndarray`, shape (C,)
        Optical depth for A_V = 1.
    filters : `~numpy.ndarray`, shape (O, B)
        Transmission per observed cell; each column sums to 1.
    igm : `~numpy.ndarray`, shape (steps, I)
        Transmission of the first I rest-frame cells at each step; 1 beyond.
    av_max : float
        Largest A_V.
    emission : `~numpy.ndarray`, shape (C,)
        Spectrum that is attenuated by `igm` but not by dust.
    """

    def __init__(self, spectra, depth, filters, igm, av_max, emission):
        self.spectra = spectra
        self.depth = depth
        self.emission = emission
        self.steps = len(igm)
        self._igm = np.hstack([igm, np.ones((self.steps, 1), dtype=igm.dtype)])
        self._av_max = av_max
        self._bands = []
        for transmission in filters.T:
            used = np.flatnonzero(transmission)
            self._bands.append((used[0], transmission[used[0] : used[-1] + 1]))
        self._blocks = {}

    def at(self, step):
        """Return the tables at ln(1 + z) = `step` cells.

        Parameters
        ----------
        step : int

        Returns
        -------
        light : `~numpy.ndarray`, shape (R, K), float32
            AB flux density of each spectrum at each node.
        depth : `~numpy.ndarray`, shape (K,), float32
            Optical depth of the nodes for A_V = 1.
        bands : `~numpy.ndarray`, shape (K, B), float32
            1 where a node belongs to a band; the product with it sums the nodes of each band.
        emission : `~numpy.ndarray`, shape (B,), float32
            AB flux density of `emission` in each band.
        """
        block, row = divmod(step, _BLOCK)
        if block not in self._blocks:
            self._blocks[block] = self._make(block * _BLOCK, min((block + 1) * _BLOCK, self.steps))
        light, depth, bands, emission = self._blocks[block]
        return light[row], depth[row], bands, emission[row]

    def _make(self, start, stop):
        steps = np.arange(start, stop)
        light, depth, emission = [], [], []
        for first, transmission in self._bands:
            at = first + self.steps - 1 - steps
            cells = at[:, None] + np.arange(len(transmission))
            weight = (
                transmission * self._igm[steps[:, None], np.minimum(cells, self._igm.shape[1] - 1)]
            )
            # The blue end has the largest depth, but its light is negligible and needs no node.
            seen = self.depth[cells]
            passes = weight > _NEGLIGIBLE * weight.max(axis=1, keepdims=True)
            seen = np.minimum(seen, np.where(passes, seen, 0.0).max(axis=1, keepdims=True))
            counts = choose_nodes(0.5 * self._av_max * np.ptp(seen, axis=1).max())
            fractions, nodes = distribute(seen, *counts)
            # One matrix product for all steps, each of which is a set of columns.
            kernel = np.zeros((cells[0, -1] + 1 - at[-1], *nodes.shape), dtype=np.float32)
            for row, begin in enumerate(at - at[-1]):
                np.multiply(
                    weight[row][:, None],
                    fractions[row],
                    out=kernel[begin : begin + len(transmission), row],
                    casting="same_kind",
                )
            spectra = self.spectra[:, at[-1] : at[-1] + len(kernel)]
            light.append((spectra @ kernel.reshape(len(kernel), -1)).reshape(-1, *nodes.shape))
            depth.append(nodes)
            emission.append((weight * self.emission[cells]).sum(axis=1))
        counts = [nodes.shape[1] for nodes in depth]
        bands = np.repeat(np.eye(len(counts), dtype=np.float32), counts, axis=0)
        light = np.concatenate([part.swapaxes(0, 1) for part in light], axis=2)
        depth = np.concatenate(depth, axis=1).astype(np.float32)
        return light, depth, bands, np.stack(emission, axis=1).astype(np.float32)
