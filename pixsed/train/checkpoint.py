"""A trained network in a file, and back."""

import torch

from pixsed.errors import PixsedError
from pixsed.io.inputs import check_input
from pixsed.train.batches import space_of
from pixsed.train.network import spline
from pixsed.train.network.decoder import Decoder
from pixsed.train.network.flow import PixelFlow

CHECKPOINT_FORMAT = 4


def read_checkpoint(path):
    """Read what `pixsed.train.train.train` wrote.

    Raises
    ------
    PixsedError
        If the file is not a checkpoint.
    """
    check_input(path, "a checkpoint", "make one with 'pixsed train'")
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises many kinds for a file of another format
        raise PixsedError(
            f"{path} is not a checkpoint of 'pixsed train' ({type(error).__name__})"
        ) from None
    if not isinstance(saved, dict) or saved.get("format") != CHECKPOINT_FORMAT:
        raise PixsedError(f"{path} is not a checkpoint of this version of 'pixsed train'")
    return saved


def load_network(checkpoint):
    """Return the averaged `PixelFlow` of a checkpoint, ready for use.

    Parameters
    ----------
    checkpoint : dict
        What `train` returned or `read_checkpoint` read.
    """
    trained = checkpoint.get("spline", spline.constants())
    if trained != spline.constants():
        raise PixsedError(
            f"the checkpoint was trained with other spline constants ({trained}) than this pixsed "
            f"has; use pixsed {checkpoint['pixsed']}, or train again"
        )
    space = space_of(checkpoint["prior"]).from_description(checkpoint["space"])
    network = PixelFlow(
        len(checkpoint["bands"]),
        space,
        mass_offset=checkpoint["mass_offset"],
        **checkpoint["sizes"],
    )
    network.load_state_dict(checkpoint["average"])
    network.recalibration.load_state_dict(
        checkpoint.get("recalibration", network.recalibration.state_dict())
    )
    network.error_floor = checkpoint["noise"].get("fraction_low", 0.0)
    if "decoder" in checkpoint:
        network.decoder = Decoder.from_checkpoint(checkpoint["decoder"])
    return network.cpu().refine().eval()
