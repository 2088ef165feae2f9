"""Calibration of the out-of-distribution score on simulations."""

import numpy as np
import torch

from pixsed.simulate.observe import MIN_BANDS, draw_masks, observe

_PROBABILITIES = (0.999, 0.99, 0.95, 0.84, 0.5, 0.16, 0.05, 0.01, 3e-3, 1e-3, 3e-4)


def chi2_table(network, simulations, noise, seed=11):
    """Return the calibration of the out-of-distribution score, as a dict fit for JSON.

    The distribution of chi^2 a band, of predicted against observed photometry, over
    simulations seen as in training, by number of bands.

    Parameters
    ----------
    network : `~pixsed.train.flow.PixelFlow`
    simulations : `~pixsed.simulate.table.Simulations`
        Not those of the training.
    noise : noise model of `pixsed.simulate.noise`
    seed : int, optional
    """
    rng = np.random.default_rng(seed)
    bands = simulations.bands
    chi2, counts = [], []
    for start in range(0, len(simulations), 4096):
        rows = slice(start, start + 4096)
        true = simulations.flux[rows].astype(float)
        mask = draw_masks(bands, len(true), rng)
        flux, err = observe(true, bands, noise, mask, rng)
        z = torch.as_tensor(simulations.columns["REDSHIFT"][rows], dtype=torch.float32)
        with torch.no_grad():
            predicted = network.predict(
                torch.from_numpy(flux), torch.from_numpy(err), z, torch.zeros_like(z)
            ).numpy()
        chi2.append(np.nansum(((flux - predicted) / err) ** 2, axis=1) / mask.sum(axis=1))
        counts.append(mask.sum(axis=1))
    chi2, counts = np.concatenate(chi2), np.concatenate(counts)
    edges = [MIN_BANDS, 5, 7, 9, 12, 15, 18, 21, 25, len(bands) + 1]
    table = {"nbands": [], "probability": list(_PROBABILITIES), "value": []}
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (counts >= low) & (counts < high)
        if inside.sum() < 200:
            continue
        table["nbands"].append(float(counts[inside].mean()))
        quantiles = np.quantile(chi2[inside], 1 - np.array(_PROBABILITIES))
        table["value"].append([round(float(q), 4) for q in quantiles])
    return table
