"""A trained flow as one .onnx file: from nJy to physical parameters inside the graph."""

import json
import warnings

import numpy as np
import torch

from pixsed import __version__, cosmology
from pixsed.errors import PixsedError
from pixsed.io.atomic import atomic_path
from pixsed.simulate.noise import from_description
from pixsed.simulate.priors import PRIORS
from pixsed.sps.sfh import LOG_SSFR_FLOOR
from pixsed.train.checkpoint import load_network
from pixsed.train.data import space_of
from pixsed.train.decoder import DRAWS
from pixsed.train.ensemble import Ensemble, check_members
from pixsed.train.ood import score_table
from pixsed.train.quantiles import load_marginals

INPUTS = ("flux", "flux_err", "redshift", "redshift_err", "base")
#: Differences allowed between the two runtimes, over max(1, |value|): of all values but one in
#: a thousand, and of any. In the gap between two modes of a posterior a spline is so steep that
#: float32 rounding moves the few draws there.
TOLERANCE, LARGEST = 1e-4, 1e-2


def metadata(checkpoint, name):
    """Return what a model says of itself, as a dict fit for JSON."""
    prior, space = PRIORS[checkpoint["prior"]], space_of(checkpoint["prior"])
    columns = prior.columns()
    return {
        "format": 2,
        "name": name,
        "pixsed_version": __version__,
        "bands": list(checkpoint["bands"]),
        "parameters": [
            {"name": key, "unit": columns[key][0], "description": columns[key][1]}
            for key in space.OUTPUTS
        ],
        "base_dim": 1 + len(space.ORDER),
        "prior": {
            "sfh": prior.NAME,
            "redshift": list(prior.Z_RANGE),
            "coordinates": [_said_of(c) for c in prior.COORDINATES],
            "log_ssfr_floor": LOG_SSFR_FLOOR,
        },
        "redshift_range": list(prior.Z_RANGE),
        "infer_redshift": checkpoint["sizes"].get("infer_redshift", False),
        "redshift_err_max": checkpoint["training"]["photo_z_max"],
        "sps": checkpoint["sps"],
        "cosmology": cosmology.NAME,
        "noise": checkpoint["noise"],
        "training": checkpoint["training"],
        "calibration": {},
    }  # fmt: skip


def _said_of(coordinate):
    """Return what the metadata say of a prior's coordinate."""
    said = {"name": coordinate.name, "distribution": type(coordinate).__name__}
    if hasattr(coordinate, "low"):
        over = coordinate.name == "TSTART"
        said |= {"low": coordinate.low, "high": coordinate.high, "log10": coordinate.log,
                 "over_age_at_z": over}  # fmt: skip
    return said


class WithQuantiles(torch.nn.Module):
    """A network with the marginal quantiles as one more output, of several networks their mean.

    Parameters
    ----------
    network : `~pixsed.train.flow.PixelFlow` or `~pixsed.train.ensemble.Ensemble`
    heads : sequence of `~pixsed.train.quantiles.Marginals`
    """

    def __init__(self, network, heads):
        super().__init__()
        self.network, self.heads = network, torch.nn.ModuleList(heads)
        self.space, self.bands = network.space, network.bands

    def forward(self, flux, flux_err, redshift, redshift_err, base):
        """The graph of the exported model."""
        seen = flux, flux_err, redshift, redshift_err
        found = [head(*seen) for head in self.heads]
        return (*self.network(*seen, base), torch.stack(found).mean(dim=0))


def export(checkpoints, output, *, name="tau", simulations=None, overwrite=False):
    """Write the .onnx file, after checking it against torch.

    Parameters
    ----------
    checkpoints : dict or sequence of dict
        Of one network, or of several that share the samples among them.
    output : path-like
    name : str, optional
    simulations : `~pixsed.simulate.table.Simulations`, optional
        Fresh ones, to calibrate the out-of-distribution score; without them OOD is NaN.
    overwrite : bool, optional

    Returns
    -------
    float
        Difference between onnxruntime and torch, over max(1, |value|), of all values but one
        in a thousand.

    Raises
    ------
    PixsedError
        If that difference is above `TOLERANCE`, or any above `LARGEST`; or the networks are not
        of one kind.
    """
    import onnx

    checkpoints = [checkpoints] if isinstance(checkpoints, dict) else list(checkpoints)
    check_members(checkpoints)
    checkpoint = checkpoints[0]
    networks = [load_network(one) for one in checkpoints]
    network = networks[0] if len(networks) == 1 else Ensemble(networks)
    description = metadata(checkpoint, name)
    description["training"]["members"] = len(networks)
    description["training"]["seeds"] = [one["training"]["seed"] for one in checkpoints]
    if network.decoder is not None:
        description["flux_model"] = {"draws": DRAWS, "error": network.decoder.error}
    if simulations is not None:
        if simulations.bands != checkpoint["bands"]:
            raise PixsedError("the simulations have other bands than the checkpoint")
        noise = from_description(checkpoint["noise"])
        description["calibration"]["score"] = score_table(network, simulations, noise)
    heads = [load_marginals(one, part) for one, part in zip(checkpoints, networks, strict=True)]
    outputs = ["samples", "flux_model"]
    if None not in heads:
        description["quantiles"] = heads[0].described()
        outputs.append("quantiles")
        network = WithQuantiles(network, heads)
    example = _example(len(checkpoint["bands"]), network.space.dim, 7, 5)
    n, s = torch.export.Dim("N"), torch.export.Dim("S")
    shapes = ({0: n}, {0: n}, {0: n}, {0: n}, {0: n, 1: s})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            network, example, dynamo=True, input_names=list(INPUTS), verbose=False,
            output_names=outputs, dynamic_shapes=shapes, opset_version=18,
        )  # fmt: skip
    proto = program.model_proto
    _forget_source(proto)
    _store_small(proto)
    _store_once(proto)
    entry = proto.metadata_props.add()
    entry.key, entry.value = "pixsed", json.dumps(description)
    with atomic_path(output, overwrite) as temporary:
        onnx.save(proto, str(temporary))
        difference, largest = compare(network, temporary)
        for found, allowed in ((difference, TOLERANCE), (largest, LARGEST)):
            if found > allowed:
                raise PixsedError(
                    f"{output}: onnxruntime and torch differ by {found:.2g}, more than "
                    f"{allowed:g}; nothing was written"
                )
    return difference


def _forget_source(proto):
    """Drop what the exporter writes of its source: stack traces, with the paths of a machine."""
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.value_info, *graph.initializer):
        part.doc_string = ""
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]


def _store_small(proto):
    """Keep weights in the smallest type that holds them, cast when the model loads.

    Those of float64 were trained in float32, and the matrices of what runs once a pixel
    rounded to float16 before: they lose nothing.
    """
    from onnx import TensorProto, helper, numpy_helper

    wide = {TensorProto.DOUBLE: np.float64, TensorProto.FLOAT: np.float32}
    casts = []
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type not in wide or values.size < 256:
            continue
        with np.errstate(over="ignore"):
            small = next(v for v in map(values.astype, (np.float16, np.float32, np.float64))
                         if np.array_equal(v, values))  # fmt: skip
        if small.dtype == values.dtype:
            continue
        name, to = tensor.name, tensor.data_type
        tensor.CopyFrom(numpy_helper.from_array(small, f"{name}_small"))
        casts.append(helper.make_node("Cast", [f"{name}_small"], [name], to=to))
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend(casts + nodes)


def _store_once(proto):
    """Keep one of weights that are there twice: the encoder's, in both precisions."""
    first, names, kept = {}, {}, []
    for tensor in proto.graph.initializer:
        key = tensor.data_type, tuple(tensor.dims), tensor.raw_data
        if len(tensor.raw_data) < 1024:
            kept.append(tensor)
        elif key in first:
            names[tensor.name] = first[key]
        else:
            first[key] = tensor.name
            kept.append(tensor)
    kept = [type(tensor).FromString(tensor.SerializeToString()) for tensor in kept]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    for node in proto.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = names.get(name, name)


def _example(bands, dim, pixels, samples, seed=0):
    generator = torch.Generator().manual_seed(seed)
    flux = torch.exp(2.0 * torch.randn(pixels, 1, generator=generator)).expand(pixels, bands)
    err = 0.1 + 0.05 * flux
    flux = flux + err * torch.randn(pixels, bands, generator=generator)
    flux[torch.rand(pixels, bands, generator=generator) < 0.2] = float("nan")
    z = 7.0 * torch.rand(pixels, generator=generator)
    z_err = torch.where(torch.arange(pixels) % 2 == 0, torch.zeros(pixels), 0.05 * (1 + z))
    base = torch.randn(pixels, samples, dim, generator=generator)
    return flux, err.contiguous(), z, z_err, base


def compare(network, path, pixels=200, samples=50):
    """Return how samples, and quantiles, differ between onnxruntime and torch.

    On noisy, partly missing photometry, over max(1, \\|value\\|).

    Returns
    -------
    most, largest : float
        Of all values but one in a thousand, and of any.
    """
    import onnxruntime

    inputs = _example(network.bands, network.space.dim, pixels, samples, seed=1)
    with torch.no_grad():
        expected = [values.numpy() for values in network(*inputs)]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feed = {key: value.numpy() for key, value in zip(INPUTS, inputs, strict=True)}
    found = session.run([item.name for item in session.get_outputs()], feed)
    off = [
        np.abs(a - b) / np.maximum(1.0, np.abs(b))
        for a, b in zip(found[::2], expected[::2], strict=True)  # not the fluxes between
    ]
    return max(float(np.quantile(q, 0.999)) for q in off), max(float(q.max()) for q in off)
