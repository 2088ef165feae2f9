"""Tables of `PhysicsDecoder`, from SSP grids and filter curves."""

import numpy as np
import torch

from pixsed.cosmology import age
from pixsed.simulate.priors import PRIORS
from pixsed.simulate.priors.mixture import N_BINS, bin_edges
from pixsed.sps.library import STEP, Library, dust_emission
from pixsed.sps.own_filters import load_curves
from pixsed.sps.sfh import Binned
from pixsed.sps.wavelengths import wavelength_grid
from pixsed.train.network.base_decoder import relative_error
from pixsed.train.network.broad import BroadSpace
from pixsed.train.network.physics_decoder import KINDS, PhysicsDecoder

#: Number of basis spectra of old and of young light.
OLD, YOUNG = 14, 10
#: Number of steps of `STEP` between the first and the last row of the tables.
_STEPS = 1440
#: Groups of bands: largest width in ln(wavelength), and number of steps between rows of old and
#: of young light. Lines and the Lyman break enter narrow bands abruptly.
_GROUPS = ((0.04, 2, 2), (0.16, 4, 3), (np.inf, 9, 6))
#: Widths above which a band has 2, 3, 4, 5 or 6 nodes.
_NODES = (0.02, 0.08, 0.2, 0.4, 0.5)
#: Steps between rows of the emission of dust; nodes of the mixtures of old populations in
#: ln(1 + z), and cells of the absorbed energy.
_EMISSION, _Z_NODES, _CELLS = 8, 20, 25
#: Quantile of the coefficients that is their typical size.
_TYPICAL = 0.9
#: Power of the mean spectrum by which wavelengths are weighted for the choice of the basis.
_POWER = 0.5
#: Cells of wavelength that are averaged for the choice of the basis, and its range, Angstrom.
_AVERAGED, _RANGE = 4, (912.0, 60000.0)
#: Numbers of simulations for the basis and for the error.
_SAMPLE, _ROWS = 3000, 20_000


def fit(simulations, grids):
    """Return a decoder for simulations of the prior `broad`.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
    grids : sequence of `~pixsed.sps.ssp.SSPGrid`
        The two grids of the simulations.

    Returns
    -------
    dict
        Sizes and state, for a checkpoint.
    """
    tables = build(grids, simulations)
    shapes = {name: list(values.shape) for name, values in tables.items()}
    decoder = PhysicsDecoder(len(simulations.bands), shapes, float(np.expm1(_STEPS * STEP)))
    for name, values in tables.items():
        getattr(decoder, name).copy_(torch.from_numpy(np.ascontiguousarray(values)))
    found, true = compare(decoder, simulations)
    decoder.error = relative_error(found, true)
    return {"sizes": decoder.describe(), "state": decoder.state_dict()}


def compare(decoder, simulations, rows=_ROWS):
    """Return the relative fluxes of a decoder and of simulations, (N, B) each."""
    columns = [simulations.columns[name][:rows] for name in BroadSpace.DECODED]
    parameters = torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))
    with torch.no_grad():
        found = torch.cat([decoder(part) for part in parameters.split(1000)]).numpy()
    true = simulations.flux[:rows].astype(float)
    true /= true.sum(axis=1, keepdims=True)
    # The scale is free; this one has the smallest relative differences in the bright bands.
    weight = np.where(true > 0.01 * true.max(axis=1, keepdims=True), 1.0, 0.0)
    ratio = np.where(weight > 0, found / np.maximum(true, 1e-30), 0.0)
    scale = (weight * ratio).sum(axis=1) / (weight * ratio**2).sum(axis=1)
    return found * scale[:, None], true


def build(grids, simulations):
    """Return the tables of `PhysicsDecoder` as a dict of arrays, float32 or int8.

    The arguments are those of `fit`.
    """
    igm = simulations.meta.get("IGM", "inoue14")
    curves = load_curves(simulations.bands, simulations.filters)
    grid = wavelength_grid(simulations.bands, np.expm1(_STEPS * STEP), igm, curves)
    libraries = [Library(one, True) for one in grids]
    metal = _metallicities(grids)
    log_u = np.unique(np.concatenate([one.log_u for one in grids]))
    columns = {name: simulations.columns[name][:_SAMPLE] for name in BroadSpace.DECODED}
    mixtures = [_old_mixtures(libraries, metal), _young_mixtures(libraries, metal, log_u)]
    drawn = [_old_weights(columns, metal), _young_weights(columns, metal, log_u)]
    energy_edges = np.linspace(np.log(91.0), np.log(50000.0), _CELLS + 1)
    spectra = [
        _light([one.spectra(screen, grid.edges) for one in libraries], mixtures[screen])
        for screen in (0, 1)
    ]
    taken = [
        _light([one.energy(screen, energy_edges) for one in libraries], mixtures[screen])
        for screen in (0, 1)
    ]
    mixes, bases, energy, sizes = [], [], [], []
    seen = [weights @ part for weights, part in zip(drawn, spectra, strict=True)]
    for screen, count in enumerate((OLD, YOUNG)):
        own = drawn[screen], spectra[screen], taken[screen]
        found = _basis(*own, seen[screen], sum(seen), grid.wave, count)
        for parts, one in zip((mixes, bases, energy, sizes), found, strict=True):
            parts.append(one)
    tables = {"metal": metal, "log_u": log_u, "old_energy": energy[0], "young_energy": energy[1]}
    tables["cell_wave"] = np.exp(0.5 * (energy_edges[1:] + energy_edges[:-1]))
    tables |= _through_bands(bases, sizes, grid, dust_emission(grids[0], grid.edges))
    shape = (len(libraries), _Z_NODES, N_BINS - 1, len(metal), OLD)
    mix = mixes[0].reshape(shape).transpose(1, 3, 0, 2, 4)
    tables["old_mix"] = mix.reshape(_Z_NODES, len(metal), -1)
    mix = mixes[1].reshape(len(libraries), len(metal), len(log_u), YOUNG).transpose(1, 2, 0, 3)
    tables["young_mix"] = mix.reshape(len(metal), len(log_u), -1)
    return _rounded(tables)


def _metallicities(grids):
    """Return the metallicities of all grids within the prior, and its bounds."""
    prior = next(c for c in PRIORS[BroadSpace.PRIOR].COORDINATES if c.name == "METAL")
    values = np.concatenate([grid.metallicity for grid in grids])
    inside = values[(values > prior.low + 0.01) & (values < prior.high - 0.01)]
    return np.unique(np.concatenate([inside, [prior.low, prior.high]]))


def _old_mixtures(libraries, metal):
    """Return the weights of the rows of each library in old populations.

    Returns
    -------
    list of `~numpy.ndarray`, shape (P, R)
        The populations differ in redshift, time bin and [M/H], in this order.
    """
    z = np.expm1(np.linspace(0.0, _STEPS * STEP, _Z_NODES))
    at_z = np.repeat(age(z), N_BINS - 1)
    alone = np.tile(np.eye(N_BINS)[1:], (len(z), 1))
    history, found = Binned(bin_edges(at_z), alone, at_z), []
    for one in libraries:
        ages = np.repeat(history.weights(one.ssp.age_edges), len(metal), axis=0)
        mh, count = np.tile(metal, len(at_z)), len(ages)
        # Gas of this age, if any, has the log U in the middle.
        log_u = np.full(count, np.median(one.ssp.log_u))
        found.append(one.mix(0, ages, mh, log_u, np.ones(count)))
    return found


def _young_mixtures(libraries, metal, log_u):
    """Return the weights of the rows of each library in young populations, (P, R) each.

    The populations differ in [M/H] and log U, in this order.
    """
    mh, u = (part.ravel() for part in np.meshgrid(metal, log_u, indexing="ij"))
    at_z = np.ones(1)
    youngest, found = Binned(bin_edges(at_z), np.eye(N_BINS)[:1], at_z), []
    for one in libraries:
        ages = np.repeat(youngest.weights(one.ssp.age_edges), len(mh), axis=0)
        found.append(one.mix(1, ages, mh, u, np.ones(len(mh))))
    return found


def _light(rows, mixtures):
    """Return the light of the populations of all libraries, (L * P, C)."""
    return np.vstack([mix @ light for mix, light in zip(mixtures, rows, strict=True)])


def _hats(values, nodes):
    """Return the weights of linear interpolation of values (N,) between nodes (K,), (N, K)."""
    values = np.clip(values, nodes[0], nodes[-1])
    return np.stack([np.interp(values, nodes, row) for row in np.eye(len(nodes))], axis=1)


def _blend(columns):
    """Return the fractions of two libraries, (N, 2)."""
    return np.stack([1.0 - columns["LIBRARY"], columns["LIBRARY"]], axis=1)


def _old_weights(columns, metal):
    """Return the weights of the populations of `_old_mixtures` in simulations, (N, L * P)."""
    z = np.linspace(0.0, _STEPS * STEP, _Z_NODES)
    formed = np.stack([columns[name] for name in BroadSpace.HISTORY[1:]], axis=1)
    parts = (
        _blend(columns),
        _hats(np.log1p(columns["REDSHIFT"]), z),
        formed,
        _hats(columns["METAL"], metal),
    )
    found = np.einsum("nl,nz,nb,nm->nlzbm", *(part.astype(np.float32) for part in parts))
    return found.reshape(len(formed), -1)


def _young_weights(columns, metal, log_u):
    """Return the weights of the populations of `_young_mixtures` in simulations, (N, L * P)."""
    blend = _blend(columns) * columns["SFH1"][:, None]
    parts = blend, _hats(columns["METAL"], metal), _hats(columns["LOGU"], log_u)
    return np.einsum("nl,nm,nu->nlmu", *parts).reshape(len(blend), -1)


def _basis(drawn, spectra, taken, own, total, wave, count):
    """Return basis spectra of populations.

    They are the principal components of the spectra of simulations, relative to their
    brightness, weighted by wavelength.

    Parameters
    ----------
    drawn : `~numpy.ndarray`, shape (N, P)
        Weights of the populations in simulations.
    spectra : `~numpy.ndarray`, shape (P, C)
    taken : `~numpy.ndarray`, shape (P, E)
        Energy of the populations in cells of wavelength.
    own, total : `~numpy.ndarray`, shape (N, C)
        Spectra of the simulations, from these populations and from all.
    wave : `~numpy.ndarray`, shape (C,)
    count : int
        Number of basis spectra, K.

    Returns
    -------
    mix : `~numpy.ndarray`, shape (P, K)
        Coefficients of the populations.
    basis : `~numpy.ndarray`, shape (K, C)
    energy : `~numpy.ndarray`, shape (K, E)
        Energy of the basis spectra.
    typical : `~numpy.ndarray`, shape (K,)
        Typical size of the coefficients of populations of one brightness.
    """
    inside = np.flatnonzero((wave > _RANGE[0]) & (wave < _RANGE[1]))
    inside = inside[: len(inside) // _AVERAGED * _AVERAGED]

    def means(light):
        return light[:, inside].reshape(len(light), -1, _AVERAGED).mean(axis=2, dtype=float)

    all_light = means(total)
    size = all_light.mean(axis=1, keepdims=True)
    typical = np.mean((all_light / size) ** 2, axis=0) ** (0.5 * _POWER)
    weighted = means(own) / size / typical
    vectors = np.linalg.eigh(weighted.T @ weighted)[1][:, : -count - 1 : -1]
    mix, used = means(spectra) / typical @ vectors, weighted @ vectors
    solve = np.linalg.solve(used.T @ used, used.T)
    unit = np.abs(mix).max(axis=0)  # coefficients are then -1 to 1
    basis, energy = ((solve @ (part / size)) * unit[:, None] for part in (own, drawn @ taken))
    contributions = np.quantile(np.abs(used), _TYPICAL, axis=0) / unit
    return mix / unit, basis, energy, contributions


def _nodes(width):
    """Return the number of segments and nodes for a width in ln(wavelength)."""
    return 1, 1 + int(np.searchsorted(_NODES, width))


def _through_bands(bases, typical, grid, emission):
    """Return the tables that depend on redshift, and those of the nodes.

    Parameters
    ----------
    bases : list of `~numpy.ndarray`, shape (K, C)
        Basis spectra of old and of young light.
    typical : list of `~numpy.ndarray`, shape (K,)
        Typical sizes of their coefficients.
    grid : `~pixsed.sps.wavelengths.WavelengthGrid`
    emission : `~numpy.ndarray`, shape (C,)
    """
    peak = grid.filters / grid.filters.max(axis=0)
    width = np.array([np.ptp(grid.log_wave[column > 1e-3]) for column in peak.T])
    group_of = np.searchsorted([limit for limit, _, _ in _GROUPS], width)
    found, waves, sums = {}, [], []
    found["emission"] = np.zeros((_STEPS // _EMISSION + 1, len(width)))
    for number, (_, *every) in enumerate(_GROUPS):
        group = np.flatnonzero(group_of == number)
        if not len(group):  # a table needs a band
            group = np.array([0])
        for kind, basis, step, size in zip(KINDS, bases, every, typical, strict=True):
            tables = grid.tables(basis, emission, group, count=_nodes)
            found |= _stored(f"{kind}_{number}", _at_steps(tables, step)[0], size)
        found["emission"][:, group] = _at_steps(tables, _EMISSION)[1]
        waves.append(tables.node_wave)
        own = np.zeros((len(tables.node_wave), len(width)))
        own[:, group] = tables.sums * (group_of[group] == number)
        sums.append(own)
    # Only ratios matter. These units fit in float16.
    units = [name for name in found if name.endswith("_unit")]
    top = max(found[name].max() for name in units) / 3e4
    for name in (*units, "emission"):
        found[name] = found[name] / top
    return found | {"node_wave": np.concatenate(waves), "sums": np.vstack(sums)}


def _at_steps(tables, every):
    """Return light (Z, nodes, K) and emission (Z, B) at every few steps of redshift."""
    found = [tables.at(step) for step in range(0, _STEPS + 1, every)]
    return np.stack([one[0].T for one in found]), np.stack([one[1] for one in found])


def _stored(name, light, typical):
    """Return light as bytes (Z, nodes * K), and the units (Z, nodes) and (K,) of the bytes.

    The units of the basis spectra correspond to their typical contributions, so that rounding
    affects all contributions to the light alike.
    """
    seen = light * typical
    unit = np.maximum(np.abs(seen).max(axis=2), 1e-30)
    seen /= unit[:, :, None]
    most = np.maximum(np.abs(seen).max(axis=(0, 1)), 1e-30)
    values = np.rint(127.0 * seen / most).astype(np.int8)
    return {
        name: values.reshape(len(values), -1),
        f"{name}_unit": unit,
        f"{name}_factor": most / (127.0 * typical),
    }


def _rounded(tables):
    """Return tables in float32, the large ones rounded to float16, which models store."""
    found = {}
    for name, values in tables.items():
        if values.dtype != np.int8:
            values = np.asarray(values, dtype=np.float32)
        if name.endswith(("_mix", "_unit")):
            values = values.astype(np.float16).astype(np.float32)
        found[name] = values
    return found
