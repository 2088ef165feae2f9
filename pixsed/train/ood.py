"""Calibration of the out-of-distribution score on simulations."""

import numpy as np
import torch

from pixsed.dq import MIN_BANDS
from pixsed.fit.draws import base_normals
from pixsed.fit.ood import Score, typical_snr
from pixsed.simulate.noise import nominal
from pixsed.simulate.observe import draw_masks, draw_redshift_error, observe
from pixsed.train.batches import PHOTO_Z_FRACTION, PHOTO_Z_MAX
from pixsed.train.network.base_decoder import DRAWS
from pixsed.train.stage import Stage

_PROBABILITIES = (
    0.999,
    0.99,
    0.95,
    0.9,
    0.8,
    0.65,
    0.5,
    0.35,
    0.2,
    0.1,
    0.05,
    0.02,
    0.01,
    5e-3,
    2e-3,
    1e-3,
    3e-4,
)
_NBANDS = (MIN_BANDS, 5, 7, 10, 14, 18, 22)
_SNR = (-np.inf, 0.7, 2.0, 5.0, 10.0, 20.0, 40.0)
#: Lower edges of the classes of redshift error, in units of 1 + z; the first includes exact
#: redshifts.
_ERRORS = (0.0, 0.005, 0.05)
#: Largest number of observations in total, and of the same simulation.
_ROWS, _TIMES = 300_000, 2
#: Observations per cell: the largest number used, by class of redshift error, and the smallest.
_CELL, _FEW = (2000, 800, 800), 100


def score_table(network, simulations, noise, seed=11, stage=None):
    """Return the calibration of the out-of-distribution score as a JSON-serialisable dict.

    The table holds the chi^2 per band that certain fractions of simulations exceed, for each
    class of redshift error, on a grid of number of bands and median S/N. Half of the simulations
    have the training noise, the other half the nominal noise.

    Parameters
    ----------
    network : `~pixsed.train.network.flow.PixelFlow`
    simulations : `~pixsed.simulate.table.Simulations`
        Simulations that are not in the training set.
    noise : noise model of `pixsed.simulate.noise`
    seed : int, optional
    stage : `~pixsed.train.stage.Stage`, optional
        Clock that says how long it will take.
    """
    stage = stage or Stage()
    rng = np.random.default_rng(seed)
    flux, err, z, z_err = _observed(simulations, noise, rng)
    nbands, snr = np.isfinite(flux).sum(axis=1), typical_snr(flux, err)
    row, column = _cells(nbands, snr)
    kind = np.searchsorted(_ERRORS, z_err / (1.0 + z), side="right") - 1
    size = len(_NBANDS) * len(_SNR)
    cell = size * kind + len(_SNR) * row + column
    chosen = np.concatenate(
        [np.flatnonzero(cell == c)[: _CELL[c // size]] for c in range(size * len(_ERRORS))]
    )
    error = {} if network.decoder is None else {"error": network.decoder.error}
    score = Score({"flux_model": error}, "")
    chi2 = np.empty(len(chosen))
    for start in range(0, len(chosen), 128):
        stage.progress(start // 128, -(-len(chosen) // 128))
        rows = chosen[start : start + 128]
        base = base_normals(seed, np.zeros_like(rows), rows, DRAWS, network.space.dim)
        inputs = (torch.from_numpy(a[rows]) for a in (flux, err, z, z_err))
        with torch.no_grad():
            predicted = network(*inputs, torch.from_numpy(base))[1].numpy()
        chi2[start : start + 128] = score(flux[rows], err[rows], predicted, z_err[rows])[0]
    return _grid(chi2, nbands[chosen], snr[chosen], kind[chosen])


def _cells(nbands, snr):
    """Return the row and column of the grid for each pixel, both of shape (N,)."""
    row = np.searchsorted(_NBANDS, nbands, side="right") - 1
    return row, np.searchsorted(_SNR, snr, side="right") - 1


def _grid(chi2, nbands, snr, kind):
    """Return the table of simulations.

    Parameters
    ----------
    chi2, nbands, snr, kind : `~numpy.ndarray`, shape (N,)
        chi^2 per band, number of bands, median S/N, and class of redshift error.
    """
    row, column = _cells(nbands, snr)
    rows = [i for i in range(len(_NBANDS)) if np.sum(row == i) >= _FEW]
    columns = [j for j in range(len(_SNR)) if np.sum(column == j) >= _FEW]
    table = {
        "redshift_err": list(_ERRORS),
        "nbands": [round(float(nbands[row == i].mean()), 2) for i in rows],
        "snr": [round(float(np.median(snr[column == j])), 2) for j in columns],
        "probability": list(_PROBABILITIES),
    }
    upper = 1.0 - np.array(_PROBABILITIES)
    value = np.empty((len(_ERRORS), len(rows), len(columns), len(upper)))
    for c, a, b in np.ndindex(value.shape[:3]):
        # A cell with too few observations uses its neighbours too: first in S/N, then in number
        # of bands, and last in redshift error.
        away = np.abs(column - columns[b]) + len(_SNR) * np.abs(row - rows[a])
        away = away + len(_SNR) * len(_NBANDS) * np.abs(kind - c)
        reach = np.partition(away, min(_FEW, len(away)) - 1)[min(_FEW, len(away)) - 1]
        value[c, a, b] = np.quantile(chi2[away <= reach], upper)
    return table | {"value": np.round(value, 4).tolist()} if rows and columns else {}


def _observed(simulations, noise, rng):
    """Return noisy simulations, made as for training: flux, err (N, B), z and z_err (N,)."""
    parts, bands = [], simulations.bands
    left = min(_ROWS, _TIMES * len(simulations))
    while left > 0:
        rows = rng.permutation(len(simulations))[:left]
        for kind, half in zip((noise, nominal(noise)), np.array_split(rows, 2), strict=True):
            mask = draw_masks(bands, len(half), rng)
            true = simulations.flux[half].astype(float)
            flux, err = observe(true, bands, kind, mask, rng)
            z = simulations.columns["REDSHIFT"][half]
            z, z_err = draw_redshift_error(z, PHOTO_Z_FRACTION, PHOTO_Z_MAX, rng)
            parts.append([flux, err, *(a.astype(np.float32) for a in (z, z_err))])
        left -= len(rows)
    arrays = [np.concatenate(some) for some in zip(*parts, strict=True)]
    order = rng.permutation(len(arrays[0]))  # mixes the kinds of noise
    return [array[order] for array in arrays]
