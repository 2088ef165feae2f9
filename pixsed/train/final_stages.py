"""Final stages of the training, which fit small networks to the output of the trained one."""

import torch

from pixsed.train.batches import space_of
from pixsed.train.checkpoint import (
    check_same_simulations,
    load_network,
    read_checkpoint,
    write_checkpoint,
)
from pixsed.train.network.decoder import Decoder
from pixsed.train.network.decoders import check_decodable, decoder_of, fit_decoder
from pixsed.train.network.quantiles import fit_quantiles
from pixsed.train.recalibrate import recalibrate
from pixsed.train.stage import Stages

#: Keys in the checkpoint of the results of the stages, in order.
STAGES = ("recalibration", "decoder", "quantiles")


def _run(key, network, simulations, noise, ssp, seed, stage):
    """Return the result of a stage."""
    if key == "decoder":
        return fit_decoder(simulations, type(network.space), ssp, seed=seed, stage=stage)
    fit = {"recalibration": recalibrate, "quantiles": fit_quantiles}[key]
    return fit(network, simulations, noise, seed=seed, stage=stage)


def fixed_stages(simulations, ssp, report=None):
    """Return the results of the stages whose duration is fixed and that need no network.

    That is the decoder of the prior broad. With a limit of time it comes before the training,
    which then has what is left.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
    ssp : `~pixsed.sps.ssp.SSPGrid`, or a sequence of them
        The grids of the simulations.
    report : callable, optional
        Called with texts: that the stage begins, and how long it took.

    Returns
    -------
    dict
        Entries of the checkpoint, by keys of `STAGES`.
    """
    if decoder_of(simulations.prior) is Decoder:
        return {}
    with Stages(1, report).next("decoder, before the training"):
        return {"decoder": fit_decoder(simulations, space_of(simulations.prior), ssp, seed=42)}


def add_final_stages(
    checkpoint, simulations, noise, *, ssp=None, seed=42, again=(), report=None, until=None
):
    """Add the results of the `STAGES` that a checkpoint lacks, in place.

    Parameters
    ----------
    checkpoint : dict
    simulations : `~pixsed.simulate.table.Simulations`
    noise : noise model of `pixsed.simulate.noise`
    ssp : `~pixsed.sps.ssp.SSPGrid`, or a sequence of them, optional
        The grids of the simulations, which the decoder of the prior broad needs.
    seed : int, optional
    again : sequence of str, optional
        Keys of `STAGES` that are fitted again where they exist.
    report : callable, optional
        Called with texts: that a stage begins, how long it will take, and how long it took.
    until : float, optional
        Time of `time.monotonic` at which the stages are to end; they share what is left.

    Raises
    ------
    PixsedError
        If the decoder needs grids or filter curves that are not given.
    """
    if "decoder" not in checkpoint or "decoder" in again:
        check_decodable(simulations, ssp)
    left = [key for key in STAGES if key not in checkpoint or key in again]
    stages = Stages(len(left), report, until=until)
    for key in left:
        with stages.next(f"{key}, after the training") as stage:
            checkpoint.pop(key, None)  # a stage must not start from its previous result
            network = load_network(checkpoint)
            checkpoint[key] = _run(key, network, simulations, noise, ssp, seed, stage)


def finish_checkpoint(
    path,
    simulations,
    noise,
    output,
    *,
    ssp=None,
    seed=42,
    recalibrate_again=False,
    report=None,
    threads=None,
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
    ssp : `~pixsed.sps.ssp.SSPGrid`, or a sequence of them, optional
        The grids of the simulations, which the decoder of the prior broad needs.
    seed : int, optional
    recalibrate_again : bool, optional
        Fit the recalibration again if the checkpoint has one.
    report : callable, optional
        As for `add_final_stages`.
    threads : int, optional
        Threads of torch.

    Raises
    ------
    PixsedError
        If the file is not a checkpoint, the simulations have other bands or another prior, or
        the decoder needs grids or filter curves that are not given.
    """
    checkpoint = read_checkpoint(path)
    check_same_simulations(checkpoint, simulations, path)
    if threads:
        torch.set_num_threads(threads)
    again = ["recalibration"] if recalibrate_again else []
    add_final_stages(checkpoint, simulations, noise, ssp=ssp, seed=seed, again=again, report=report)
    write_checkpoint(checkpoint, output)
