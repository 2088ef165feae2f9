"""Networks at the start of training: untrained, or loaded from another checkpoint."""

import warnings

import numpy as np
import torch

from pixsed import cosmology
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.simulate.priors import PRIORS
from pixsed.train.batches import space_of
from pixsed.train.network.flow import NEUTRAL_REDSHIFT, PixelFlow
from pixsed.train.network.space import MASSES

#: Number of simulations from which the units of the outputs are estimated.
_ROWS = 20_000
#: Prefixes of the weights that are taken from another training. The others are specific to the
#: simulations or fitted at the end.
_FLOW = ("trunk.", "conditioners.")
_TAKEN = ("encoder.", *_FLOW, "target_")
#: Those that exported models lack, because their graphs do not use them.
_OPTIONAL = ("encoder.predict.", "target_")


def build_network(simulations, ssp, sizes=None, *, seed=42, infer_redshift=False):
    """Return an untrained network for a set of simulations.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
    ssp : `~pixsed.sps.ssp.SSPGrid`, or a sequence of them
        The grids of the simulations, in their order.
    sizes : `~pixsed.train.options.NetworkSizes`, optional
    seed : int, optional
    infer_redshift : bool, optional

    Returns
    -------
    `~pixsed.train.network.flow.PixelFlow`

    Raises
    ------
    PixsedError
        If the prior has another number of SSP grids.
    """
    space_class = space_of(simulations.prior)
    network = PixelFlow(
        len(simulations.bands),
        space_class.fit(simulations, _grids(simulations, ssp), seed),
        sizes,
        infer_redshift=infer_redshift,
    )
    # Typical ratio of mass to brightness, so that the predicted masses start near the truth.
    rows = slice(0, min(len(simulations), _ROWS))
    flux = np.median(simulations.flux[rows], axis=1).astype(float)
    z = simulations.columns["REDSHIFT"][rows]
    ok = (flux > 0) & (z > 0.05)
    guess = _log_mass(flux[ok], z[ok])
    masses = simulations.columns["LOGMFORM"][rows][ok]
    network.mass_offset = float(np.median(masses - guess))
    columns = {name: values[rows][ok] for name, values in simulations.columns.items()}
    targets = space_class.targets(columns)
    z_input = np.full(ok.sum(), NEUTRAL_REDSHIFT) if infer_redshift else z[ok]
    for i, name in enumerate(space_class.TARGETS):
        if name in MASSES:
            targets[:, i] -= _log_mass(flux[ok], z_input) + network.mass_offset
    network.target_mean.copy_(torch.from_numpy(targets.mean(axis=0)))
    network.target_std.copy_(torch.from_numpy(targets.std(axis=0)))
    return network


def _grids(simulations, ssp):
    """Return the SSP grid of simulations, or the list of two, after checking their number."""
    grids = list(ssp) if isinstance(ssp, list | tuple) else [ssp]
    wanted = PRIORS[simulations.prior].LIBRARIES
    if len(grids) != wanted:
        raise PixsedError(
            f"the number of SSP grids must be {wanted} for the prior {simulations.prior}, got "
            f"{len(grids)}; give --ssp {wanted} time{'s' * (wanted > 1)}"
        )
    return grids if wanted > 1 else grids[0]


def _log_mass(flux, z):
    """Return log10 of the brightness times the square of the distance."""
    distance = cosmology.luminosity_distance(z)
    return np.log10(flux) + 2 * np.log10(distance) - np.log10(1 + z)


def start_from(network, saved, simulations):
    """Load the weights of a trained network into a network, in place.

    The network keeps its recalibration, and the tables and emulators that depend on the
    simulations.

    Parameters
    ----------
    network : `~pixsed.train.network.flow.PixelFlow`
    saved : `~pixsed.train.weights.Weights`
    simulations : `~pixsed.simulate.table.Simulations`

    Returns
    -------
    list of dict
        Trainings before this one, for the metadata.

    Raises
    ------
    PixsedError
        If the weights are for other bands, another prior, or an encoder of another shape, or
        some are missing.

    Warns
    -----
    PixsedWarning
        If the flow has another shape; only the encoder is then loaded.
    """
    saved.check_same_simulations(simulations)
    own = network.state_dict()
    weights = {k: v for k, v in saved.state.items() if k.startswith(_TAKEN)}
    other = {k for k, v in weights.items() if k not in own or own[k].shape != v.shape}
    other |= {k for k in own if k.startswith(_TAKEN) and k not in weights}
    other = {k for k in other if k in weights or not k.startswith(_OPTIONAL)}
    encoder_alone = bool(other) and all(key.startswith(_FLOW) for key in other)
    if other and not encoder_alone:
        raise PixsedError(f"{saved.path} holds a network of another shape; train again")
    if encoder_alone:
        warnings.warn(
            f"{saved.path} holds a flow of another shape; only its encoder is used",
            PixsedWarning,
            stacklevel=3,
        )
        weights = {key: v for key, v in weights.items() if not key.startswith(_FLOW)}
    network.load_state_dict(weights, strict=False)
    network.mass_offset = saved.mass_offset
    before = saved.training
    last = {key: before[key] for key in ("simulations", "epochs", "seed")}
    if encoder_alone:
        last["encoder_alone"] = True
    return [*before["started_from"], last]
