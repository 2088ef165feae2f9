"""Checkpoint files of the paper's network, and the network itself."""

import torch
from sbi.neural_nets import posterior_nn

from pixsed.errors import PixsedError
from pixsed.io.inputs import check_input
from pixsed.train.maf_paper.options import SIZES

FORMAT = "maf-paper-2"


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
    check_input(path, "a checkpoint", "make one with 'pixsed train --net maf-paper'")
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu")
    except Exception:  # torch raises many kinds of errors for other formats
        saved = None
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise PixsedError(f"{path} is not a checkpoint of 'pixsed train --net maf-paper'")
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
