"""What training ends with: small networks fitted behind the one trained, each on simulations."""

from pixsed.train.checkpoint import load_network
from pixsed.train.network import decoder
from pixsed.train.network.quantiles import fit_quantiles
from pixsed.train.recalibrate import recalibrate


def _decoder(network, simulations, noise, *, seed):
    return decoder.fit(simulations, type(network.space), seed=seed)


#: Key in the checkpoint -> what makes it, of network, simulations and noise, in order.
STAGES = {"recalibration": recalibrate, "decoder": _decoder, "quantiles": fit_quantiles}


def finish(checkpoint, simulations, noise, *, seed=42, again=(), report=None):
    """Add to a checkpoint, in place, those of `STAGES` that it lacks.

    Parameters
    ----------
    checkpoint : dict
    simulations : `~pixsed.simulate.table.Simulations`
    noise : noise model of `pixsed.simulate.noise`
    seed : int, optional
    again : sequence of str, optional
        Those of `STAGES` to fit anew if it has them.
    report : callable, optional
        Called with the name of each stage before it runs.
    """
    for key, stage in STAGES.items():
        if key not in checkpoint or key in again:
            if report:
                report(key)
            checkpoint.pop(key, None)  # from its beginning, not from what it was
            checkpoint[key] = stage(load_network(checkpoint), simulations, noise, seed=seed)
