"""Checkpoint files of the paper's network, and the network itself."""

import torch
from sbi.neural_nets import posterior_nn

from pixsed.train.maf_paper.options import SIZES
from pixsed.train.saved_file import read_saved, reading_checkpoint

FORMAT = "maf-paper-2"
# What a checkpoint has, and its types.
_TYPES = {
    "epoch": int,
    "network": dict,
    "best": dict,
    "optimiser": dict,
    "history": list,
    "options": dict,
    "sizes": dict,
    "bands": list,
    "outputs": list,
    "prior": str,
    "noise": dict,
    "training": dict,
}


def build_network(theta, x, sizes=None):
    """Return sbi's masked autoregressive flow, untrained.

    Parameters
    ----------
    theta : tensor, shape (N, P)
        Parameters, from which the standardisation of the outputs is computed.
    x : tensor, shape (N, 2 * B + 1)
        Inputs, from which the standardisation of the inputs is computed.
    sizes : dict, optional
        Arguments of `sbi.neural_nets.posterior_nn` that replace those of `SIZES`.
    """
    return posterior_nn("maf", **(SIZES | dict(sizes or {})))(theta, x)


def read_checkpoint(path):
    """Read a checkpoint onto the CPU.

    Raises
    ------
    PixsedError
        If the file is not a checkpoint of this network.
    """
    saved = read_saved(path, FORMAT, _TYPES, "pixsed train --net maf-paper")
    with reading_checkpoint(path):
        load_network(saved)
    return saved


def load_network(checkpoint):
    """Return the network of a checkpoint with the weights of its best epoch, ready for use."""
    inputs = 2 * len(checkpoint["bands"]) + 1
    generator = torch.Generator().manual_seed(0)
    # sbi takes the shapes and the standardisation from data; the saved state replaces the latter.
    network = build_network(
        torch.randn(16, len(checkpoint["outputs"]), generator=generator),
        torch.randn(16, inputs, generator=generator),
        checkpoint["sizes"],
    )
    network.load_state_dict(checkpoint["best"])
    return network.eval()
