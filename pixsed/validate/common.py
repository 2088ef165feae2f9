"""Fraction of a posterior's variance that is common to pixels of similar populations.

Simulations are observed several times at one S/N. The scatter of the posterior means of a
simulation is the part of its error that the noise makes; the rest of the posterior's variance comes
from the prior. In a linear Gaussian problem with the Fisher matrix F and the precision of the prior
P, the posterior has the covariance C = (F + P)^-1, and its mean scatters by C F C over noise and by
C P C over the prior.
"""

import numpy as np

from pixsed.bands import BY_NAME, PAPER_BANDS
from pixsed.dq import MIN_BANDS
from pixsed.fit.draws import base_normals
from pixsed.snr import mean_snr

#: Edges of the bins of mean S/N.
EDGES = (2.0, 5.0, 10.0, 20.0, 40.0, 100.0)
#: Properties whose fraction is measured; amounts scale with the flux.
AMOUNTS = ("LOGMSTAR", "LOGSFR")
# Number of observations of a simulation, draws of each, and rows per call of the model.
_TIMES, _DRAWS, _ROWS = 6, 128, 64
# Error of bright pixels as a fraction of their flux.
_FLOOR = 0.02
# Simulations per bin of S/N below which the fraction is not measured.
_FEWEST = 40


def common_table(model, simulations, *, number=1200, seed=5):
    """Return the table of `pixsed.fit.common`, measured on simulations.

    Each simulation is scaled to a mean S/N that is log-uniform in `EDGES`, with the nominal depths
    of the bands and 2 % of the flux as errors, and exact redshifts.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    simulations : `~pixsed.simulate.table.Simulations`
        Of the kind that the model was trained on.
    number : int, optional
        Number of simulations to use.
    seed : int, optional

    Returns
    -------
    dict of str to list of float
        ``snr``, the mean S/N of each bin, and the common fractions of `AMOUNTS`, from 0 to 1.
        JSON-serialisable. Empty if simulations and model have fewer than 3 bands of the paper in
        common, or lack a property, or no bin has 40 simulations.
    """
    bands = [b for b in PAPER_BANDS if b in simulations.bands and b in model.bands]
    if len(bands) < MIN_BANDS or not {*AMOUNTS} <= {*model.parameters}:
        return {}
    rng = np.random.default_rng(seed)
    flux, err, z, snr = _scaled(simulations, bands, number, rng)
    means, spreads = [], []
    for time in range(_TIMES):
        observed = flux + err * rng.standard_normal(flux.shape)
        found = _moments(model, bands, observed, err, z, time, seed)
        means.append(found[0])
        spreads.append(found[1])
    # Shape (N, properties): variance of the means over the noise, and of the posterior.
    noise = np.var(means, axis=0, ddof=1)
    posterior = np.mean(spreads, axis=0)
    bins = np.digitize(snr, EDGES) - 1
    used = [b for b in range(len(EDGES) - 1) if (bins == b).sum() >= _FEWEST]
    if not used:
        return {}
    table = {"snr": [round(float(np.exp(np.log(snr[bins == b]).mean())), 2) for b in used]}
    for i, name in enumerate(AMOUNTS):
        ratio = [noise[bins == b, i].sum() / posterior[bins == b, i].sum() for b in used]
        table[name] = np.round(np.clip(1.0 - np.array(ratio), 0.0, 1.0), 3).tolist()
    return table


def _scaled(simulations, bands, number, rng):
    """Return noiseless fluxes (N, B) in nJy, errors, redshifts and mean S/N of simulations."""
    index = [simulations.bands.index(band) for band in bands]
    flux = simulations.flux[:number][:, index].astype(float)
    z = np.asarray(simulations.columns["REDSHIFT"][:number], dtype=float)
    depth = np.array([BY_NAME[band].depth for band in bands])
    before = mean_snr(flux.T, np.broadcast_to(depth, flux.shape).T, bands)
    # The S/N counts the depth alone: with the floor it could not exceed 1 / floor.
    factor = np.exp(rng.uniform(*np.log((EDGES[0], EDGES[-1])), len(flux))) / before
    good = np.isfinite(flux).all(axis=1) & np.isfinite(factor) & (factor > 0) & (z > 0.1)
    flux = (flux * factor[:, None])[good]
    err = np.hypot(depth, _FLOOR * flux)
    return flux, err, z[good], mean_snr(flux.T, np.broadcast_to(depth, flux.shape).T, bands)


def _moments(model, bands, flux, err, z, time, seed):
    """Return mean and variance of the draws of `AMOUNTS`, each of shape (N, properties)."""
    columns = [model.bands.index(band) for band in bands]
    chosen = [model.parameters.index(name) for name in AMOUNTS]
    mean, variance = (np.empty((len(flux), len(chosen))) for _ in range(2))
    for start in range(0, len(flux), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(flux)))
        wide = np.full((2, len(rows), len(model.bands)), np.nan, dtype=np.float32)
        wide[0][:, columns], wide[1][:, columns] = flux[rows], err[rows]
        base = base_normals(seed, np.full(len(rows), time), rows, _DRAWS, model.base_dim)
        draws, _ = model.sample(*wide, z[rows], np.zeros(len(rows)), base)
        part = draws[..., chosen].astype(float)
        mean[rows], variance[rows] = part.mean(axis=1), part.var(axis=1, ddof=1)
    return mean, variance
