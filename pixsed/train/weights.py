"""Weights of a trained network, from a checkpoint or from an exported model."""

from dataclasses import asdict, dataclass

import numpy as np

from pixsed.errors import PixsedError
from pixsed.models import resolve, shipped
from pixsed.train.checkpoint import check_same_simulations, read_checkpoint
from pixsed.train.options import NetworkSizes

#: Suffix that `~pixsed.train.onnx_file.store_small` adds to names.
SMALL = "_small"


@dataclass
class Weights:
    """Weights from which a training starts.

    Attributes
    ----------
    state : dict of tensor
        State of `~pixsed.train.network.flow.PixelFlow`. That of an exported model lacks the
        weights that its graph does not use: the encoder's prediction of the photometry, and the
        units of its quantiles.
    sizes : `~pixsed.train.options.NetworkSizes`
    mass_offset : float
        That of the network.
    training : dict
        Description of the training.
    bands : list of str
    prior : str
    filters : list of dict
        Descriptions of the bands with curves of one's own.
    """

    state: dict
    sizes: NetworkSizes
    mass_offset: float
    training: dict
    bands: list
    prior: str
    filters: list

    def check_same_simulations(self, simulations, path):
        """Check that simulations have the bands, their filters and the prior of the weights.

        Raises
        ------
        PixsedError
            If one of them differs; `path` names the file.
        """
        described = {"bands": self.bands, "prior": self.prior, "filters": self.filters}
        check_same_simulations(described, simulations, path)


def read_weights(path):
    """Read the weights of a trained network.

    Parameters
    ----------
    path : path-like
        Checkpoint of ``pixsed train``, or .onnx file of ``pixsed export``, or the name of a
        shipped model.

    Returns
    -------
    `Weights`

    Raises
    ------
    PixsedError
        If the file is neither, or if the model consists of several networks, or lacks the
        sizes of its network.
    """
    if str(path) in shipped() or str(path).endswith(".onnx"):
        return _from_model(resolve(path))
    saved = read_checkpoint(path)
    sizes = dict(saved["sizes"])
    sizes.pop("infer_redshift")
    return Weights(
        saved["average"],
        NetworkSizes(**sizes),
        saved["mass_offset"],
        saved["training"],
        saved["bands"],
        saved["prior"],
        saved.get("filters", []),
    )


def _from_model(path):
    """Return the weights of an exported model."""
    import onnx
    import torch
    from onnx import numpy_helper

    from pixsed.fit.model import Model

    metadata = Model(path).metadata
    if metadata["training"]["members"] > 1:
        raise PixsedError(f"{path} consists of several networks; start from a checkpoint")
    if "network" not in metadata:
        raise PixsedError(
            f"{path} was exported by an older pixsed, without the sizes of its network; start "
            "from a checkpoint"
        )
    graph = onnx.load(path).graph
    stored = {t.name.removesuffix(SMALL): numpy_helper.to_array(t) for t in graph.initializer}
    sizes = dict(metadata["network"])
    mass_offset = sizes.pop("mass_offset")
    state = {name.removeprefix("network."): values for name, values in stored.items()}
    # The exporter gives these biases a shape (H, 1, 1) and other names, in the order of use.
    used = dict.fromkeys(name for node in graph.node for name in node.input)
    biases = [name for name in used if name in stored and stored[name].shape[1:] == (1, 1)]
    for number, name in enumerate(biases):
        state[f"conditioners.{number}.second.bias"] = stored[name].ravel()
    return Weights(
        {name: torch.from_numpy(v.astype(np.float32)) for name, v in state.items() if "." in name},
        NetworkSizes(**sizes),
        mass_offset,
        metadata["training"],
        metadata["bands"],
        metadata["prior"]["sfh"],
        metadata.get("filters", []),
    )


def described_sizes(sizes, mass_offset):
    """Return the description of a network in the metadata of a model.

    Parameters
    ----------
    sizes : dict
        Sizes in a checkpoint.
    mass_offset : float
    """
    named = {name: sizes[name] for name in asdict(NetworkSizes())}
    return named | {"mass_offset": mass_offset}
