"""Checkpoint files of the default network."""

import json
import warnings

import torch

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.fit.metadata import read_metadata
from pixsed.io.atomic import atomic_path
from pixsed.simulate.noise import from_description
from pixsed.train.batches import space_of
from pixsed.train.description import metadata
from pixsed.train.network import spline
from pixsed.train.network.decoders import decoder_of
from pixsed.train.network.flow import PixelFlow
from pixsed.train.network.quantiles import load_marginals
from pixsed.train.options import NetworkSizes
from pixsed.train.saved_file import read_saved, reading_checkpoint

CHECKPOINT_FORMAT = 5
# What a checkpoint has, and its types.
_TYPES = {
    "epoch": int,
    "network": dict,
    "average": dict,
    "optimiser": dict,
    "history": list,
    "stage_ends": list,
    "options": dict,
    "sizes": dict,
    "mass_offset": float,
    "bands": list,
    "prior": str,
    "sps": dict,
    "noise": dict,
    "space": dict,
    "training": dict,
}


def read_checkpoint(path):
    """Read a checkpoint onto the CPU.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict

    Raises
    ------
    PixsedError
        If the file is not a checkpoint of this format.
    """
    saved = read_saved(path, CHECKPOINT_FORMAT, _TYPES, "pixsed train")
    with reading_checkpoint(path):
        try:
            load_marginals(saved, load_network(saved))
        except PixsedError as error:
            raise PixsedError(f"{path}: {error}") from None
        [(row["train"], row["held_out"]) for row in saved["history"]]
        [saved["training"][key] for key in ("simulations", "photo_z_max", "started_from", "seed")]
        saved["noise"]["name"], saved["options"]["epochs"], saved["stage_ends"][1]
        from_description(saved["noise"])
        # What the metadata of a model must be.
        read_metadata(json.dumps(metadata(saved, "model")), path)
    return saved


def write_checkpoint(checkpoint, path):
    """Write a checkpoint, replacing the file only when the new one is complete."""
    # Through a handle: torch refuses file names without a suffix, like the temporary one.
    with atomic_path(path, overwrite=True) as temporary, open(temporary, "wb") as handle:
        torch.save(checkpoint, handle)


def check_same_simulations(checkpoint, simulations, path):
    """Check that simulations have the bands, their filters and the prior of a checkpoint.

    Raises
    ------
    PixsedError
        If one of them differs; `path` names the checkpoint.
    """
    if (checkpoint["bands"], checkpoint["prior"]) != (simulations.bands, simulations.prior):
        raise PixsedError(f"{path} was trained on other bands or another prior; train again")
    if other := simulations.filter_differences(checkpoint.get("filters", [])):
        raise PixsedError(f"{path}: the simulations have {other}; train again")


def warn_of_noise(checkpoint, noise, path):
    """Warn if a training is resumed under other noise; `path` names the checkpoint."""
    if checkpoint["noise"] != noise.describe():
        warnings.warn(
            f"{path} was trained under other noise ({checkpoint['noise']['name']}); it continues "
            f"under {noise.name}",
            PixsedWarning,
            stacklevel=4,
        )


def load_network(checkpoint):
    """Return the network of a checkpoint with its averaged weights, ready for use.

    Parameters
    ----------
    checkpoint : dict
        Returned by `read_checkpoint` or `~pixsed.train.train.train`.

    Returns
    -------
    `~pixsed.train.network.flow.PixelFlow`

    Raises
    ------
    PixsedError
        If the checkpoint was trained with other constants of the splines.
    """
    trained = checkpoint["spline"]
    if trained != spline.constants():
        raise PixsedError(
            f"the checkpoint was trained with other spline constants ({trained}) than this "
            f"version of pixsed has; use pixsed {checkpoint['pixsed']}, or train again"
        )
    sizes = dict(checkpoint["sizes"])
    infer_redshift = sizes.pop("infer_redshift")
    network = PixelFlow(
        len(checkpoint["bands"]),
        space_of(checkpoint["prior"]).from_description(checkpoint["space"]),
        NetworkSizes(**sizes),
        mass_offset=checkpoint["mass_offset"],
        infer_redshift=infer_redshift,
    )
    network.load_state_dict(checkpoint["average"])
    # The final stages load the network when some of their results do not exist yet.
    if "recalibration" in checkpoint:
        network.recalibration.load_state_dict(checkpoint["recalibration"])
    network.error_floor = checkpoint["noise"].get("fraction_low", 0.0)
    if "decoder" in checkpoint:
        kind = decoder_of(checkpoint["prior"])
        network.decoder = kind.from_checkpoint(checkpoint["decoder"])
    return network.cpu().refine().eval()
