"""Weights of a trained network, from a checkpoint or from an exported model."""

from dataclasses import asdict, dataclass

import numpy as np

from pixsed.errors import PixsedError
from pixsed.models import resolve, shipped
from pixsed.train.checkpoint import check_same_simulations, read_checkpoint
from pixsed.train.onnx_file import SMALL
from pixsed.train.options import NetworkSizes


@dataclass
class Weights:
    """Weights from which a training starts.

    Attributes
    ----------
    path : path-like
        File from which they were read.
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

    path: object
    state: dict
    sizes: NetworkSizes
    mass_offset: float
    training: dict
    bands: list
    prior: str
    filters: list

    def check_same_simulations(self, simulations):
        """Check that simulations have the bands, their filters and the prior of the weights.

        Raises
        ------
        PixsedError
            If one of them differs.
        """
        described = {"bands": self.bands, "prior": self.prior, "filters": self.filters}
        check_same_simulations(described, simulations, self.path)


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
        return _from_model(path)
    saved = read_checkpoint(path)
    sizes = dict(saved["sizes"])
    sizes.pop("infer_redshift")
    return Weights(
        path,
        saved["average"],
        NetworkSizes(**sizes),
        saved["mass_offset"],
        saved["training"],
        saved["bands"],
        saved["prior"],
        saved.get("filters", []),
    )


def _from_model(name):
    """Return the weights of an exported model, given by its path or the name of a shipped one."""
    import onnx

    from pixsed.fit.model import Model

    path = resolve(name)
    metadata = Model(path).metadata
    if metadata["training"]["members"] > 1:
        raise PixsedError(f"{path} consists of several networks; start from a checkpoint")
    if "network" not in metadata:
        raise PixsedError(
            f"{path} was exported by an older pixsed, without the sizes of its network; start "
            "from a checkpoint"
        )
    sizes = dict(metadata["network"])
    mass_offset = sizes.pop("mass_offset")
    return Weights(
        name,
        state_of_graph(onnx.load(path).graph),
        NetworkSizes(**sizes),
        mass_offset,
        metadata["training"],
        metadata["bands"],
        metadata["prior"]["sfh"],
        metadata.get("filters", []),
    )


def state_of_graph(graph):
    """Return the weights in an ONNX graph of one network, as a dict of float32 tensors.

    The names are those in the state of `~pixsed.train.network.flow.PixelFlow`; other constants
    of the graph are among them.

    Parameters
    ----------
    graph : onnx.GraphProto
    """
    import torch
    from onnx import numpy_helper

    stored = {t.name.removesuffix(SMALL): numpy_helper.to_array(t) for t in graph.initializer}
    state = {name.removeprefix("network."): values for name, values in stored.items()}
    # The exporter gives these biases a shape (H, 1, 1) and other names, in the order of use.
    used = dict.fromkeys(name for node in graph.node for name in node.input)
    biases = [name for name in used if name in stored and stored[name].shape[1:] == (1, 1)]
    for number, name in enumerate(biases):
        state[f"conditioners.{number}.second.bias"] = stored[name].ravel()
    # `array`, because `from_numpy` takes no read-only ones.
    return {name: torch.from_numpy(np.array(v, np.float32)) for name, v in state.items()}


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
