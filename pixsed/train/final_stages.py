"""Final stages of the training, which fit small networks to the output of the trained one."""

import torch

from pixsed.train.checkpoint import (
    check_same_simulations,
    load_network,
    read_checkpoint,
    write_checkpoint,
)
from pixsed.train.network import decoder
from pixsed.train.network.quantiles import fit_quantiles
from pixsed.train.recalibrate import recalibrate


def _fit_decoder(network, simulations, noise, *, seed):
    return decoder.fit(simulations, type(network.space), seed=seed)


#: Key in the checkpoint -> function of network, simulations and noise that makes it, in order.
STAGES = {"recalibration": recalibrate, "decoder": _fit_decoder, "quantiles": fit_quantiles}


def add_final_stages(checkpoint, simulations, noise, *, seed=42, again=(), report=None):
    """Add the results of the `STAGES` that a checkpoint lacks, in place.

    Parameters
    ----------
    checkpoint : dict
    simulations : `~pixsed.simulate.table.Simulations`
    noise : noise model of `pixsed.simulate.noise`
    seed : int, optional
    again : sequence of str, optional
        Keys of `STAGES` that are fitted again where they exist.
    report : callable, optional
        Called with the key of each stage before it runs.
    """
    for key, stage in STAGES.items():
        if key == "decoder" and checkpoint["prior"] == "broad":
            continue
        if key not in checkpoint or key in again:
            if report:
                report(key)
            checkpoint.pop(key, None)  # a stage must not start from its previous result
            checkpoint[key] = stage(load_network(checkpoint), simulations, noise, seed=seed)


def finish_checkpoint(
    path, simulations, noise, output, *, seed=42, recalibrate_again=False, report=None, threads=None
):
    """Write a checkpoint with its missing final stages added.

    Parameters
    ----------
    path : path-like
        Checkpoint of `~pixsed.train.train.train`.
    simulations : `~pixsed.simulate.table.Simulations`
        Preferably not the training set, for which the network is overconfident.
    noise : noise model of `pixsed.simulate.noise`
    output : path-like
        Checkpoint to write; may be `path`.
    seed : int, optional
    recalibrate_again : bool, optional
        Fit the recalibration again if the checkpoint has one.
    report : callable, optional
        Called with the key of each stage before it runs.
    threads : int, optional
        Threads of torch.

    Raises
    ------
    PixsedError
        If the file is not a checkpoint, or the simulations have other bands or another prior.
    """
    checkpoint = read_checkpoint(path)
    check_same_simulations(checkpoint, simulations, path)
    if threads:
        torch.set_num_threads(threads)
    again = ["recalibration"] if recalibrate_again else []
    add_final_stages(checkpoint, simulations, noise, seed=seed, again=again, report=report)
    write_checkpoint(checkpoint, output)
