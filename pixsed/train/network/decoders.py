"""Decoders of the priors."""

from pixsed.errors import PixsedError
from pixsed.train.network import decoder, physics_tables
from pixsed.train.network.decoder import Decoder
from pixsed.train.network.physics_decoder import PhysicsDecoder

#: Decoders that differ from `Decoder`, by prior.
_DECODERS = {"broad": PhysicsDecoder}


def decoder_of(prior):
    """Return the class of the decoder of a prior."""
    return _DECODERS.get(prior, Decoder)


def fit_decoder(simulations, space, ssp, *, seed, stage=None):
    """Return a decoder of simulations, as sizes and state for a checkpoint.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
    space : class of `~pixsed.train.network.space.Space`
        Space of their prior.
    ssp : sequence of `~pixsed.sps.ssp.SSPGrid`, or None
        The grids of the simulations, which only `PhysicsDecoder` needs.
    seed : int
    stage : `~pixsed.train.stage.Stage`, optional
        Clock that may end a training earlier.

    Raises
    ------
    PixsedError
        If the decoder needs grids or filter curves that are not given.
    """
    if decoder_of(space.PRIOR) is Decoder:
        return decoder.fit(simulations, space, seed=seed, stage=stage)
    check_decodable(simulations, ssp)
    return physics_tables.fit(simulations, ssp)


def check_decodable(simulations, ssp):
    """Check that a decoder can be made for simulations.

    Raises
    ------
    PixsedError
        If the decoder needs grids or filter curves that are not given.
    """
    prior = simulations.prior
    if decoder_of(prior) is Decoder:
        return
    if not ssp:
        raise PixsedError(
            f"the decoder of the prior {prior} needs the SSP grids of the simulations; give --ssp"
        )
    missing = [one.name for one in simulations.filters if one.curve is None]
    if missing:
        raise PixsedError(
            f"the decoder of the prior {prior} needs the curve of {missing[0]}; "
            f"give --filter {missing[0]}=FILE"
        )
