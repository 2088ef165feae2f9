"""Export of a trained flow to one .onnx file, from nJy to physical parameters."""

import contextlib
import logging
import warnings
from pathlib import Path

import numpy as np
import torch

from pixsed.errors import PixsedError
from pixsed.fit import runtime
from pixsed.fit.graph_check import signed
from pixsed.io.atomic import atomic_path
from pixsed.simulate.noise import from_description
from pixsed.simulate.table import physics_differences
from pixsed.train.checkpoint import load_network
from pixsed.train.common import add_common, set_metadata
from pixsed.train.description import metadata
from pixsed.train.network.base_decoder import DRAWS
from pixsed.train.network.ensemble import Ensemble, check_members
from pixsed.train.network.quantiles import load_marginals
from pixsed.train.onnx_file import forget_inner, forget_source, keep_silu, store_once, store_small
from pixsed.train.ood import score_table
from pixsed.train.stage import Stages
from pixsed.train.weights import described_sizes

INPUTS = ("flux", "flux_err", "redshift", "redshift_err", "base")
#: Largest differences allowed between onnxruntime and torch, over max(1, |value|): the 99.9th
#: percentile, and the maximum. Between two modes of a posterior the spline is so steep that
#: float32 rounding moves the few draws there.
TOLERANCE, LARGEST = 1e-4, 1e-2


class WithQuantiles(torch.nn.Module):
    """Network with the marginal quantiles as an additional output.

    The quantiles of several networks are averaged.

    Parameters
    ----------
    network : `~pixsed.train.network.flow.PixelFlow` or `~pixsed.train.network.ensemble.Ensemble`
    heads : sequence of `~pixsed.train.network.quantiles.Marginals`
    """

    def __init__(self, network, heads):
        super().__init__()
        self.network, self.heads = network, torch.nn.ModuleList(heads)
        self.space, self.bands = network.space, network.bands

    def forward(self, flux, flux_err, redshift, redshift_err, base):
        """Return samples, predicted fluxes and quantiles."""
        inputs = flux, flux_err, redshift, redshift_err
        found = [head(*inputs) for head in self.heads]
        return (*self.network(*inputs, base), torch.stack(found).mean(dim=0))


def export(checkpoints, output, *, name=None, simulations=None, overwrite=False, report=None):
    """Write an .onnx file, after checking it against torch.

    Parameters
    ----------
    checkpoints : dict or sequence of dict
        Checkpoint of one network, or checkpoints of several networks, each of which draws an
        equal number of the samples.
    output : path-like
    name : str, optional
        Name of the model. By default, the file name without its suffix, or the name of the
        prior if the file is ``"-"``.
    simulations : `~pixsed.simulate.table.Simulations`, optional
        Simulations of the same kind as the training set, but independent of it, for the
        calibration of the out-of-distribution score and the common fractions of
        `pixsed.fit.common`. Without them OOD is NaN, and the fractions are those of ``tau``.
    overwrite : bool, optional
    report : callable, optional
        Called with texts: that a stage begins, how long it will take where that can be told, and
        how long it took.

    Returns
    -------
    float
        99.9th percentile of the differences between onnxruntime and torch, over
        max(1, \\|value\\|).

    Raises
    ------
    PixsedError
        If this percentile is above `TOLERANCE` or the largest difference is above `LARGEST`, if
        the networks are of different kinds, or if the simulations are of another kind than the
        training set.
    """
    checkpoints = [checkpoints] if isinstance(checkpoints, dict) else list(checkpoints)
    check_members(checkpoints)
    if name is None:
        name = checkpoints[0]["prior"] if str(output) == "-" else Path(output).stem
    stages = Stages(2 if simulations is None else 4, report)
    network, description = _describe(checkpoints, name, simulations, stages)
    with stages.next("conversion to ONNX, which takes a minute or two"):
        proto = _as_onnx(network, description)
    with atomic_path(output, overwrite) as temporary:
        if simulations is not None:
            with stages.next("common fractions of the variance"):
                add_common(proto, temporary, simulations)
        with stages.next("comparison with torch"):
            temporary.write_bytes(signed(proto.SerializeToString()))
            difference, largest = compare(network, temporary)
        for found, allowed in ((difference, TOLERANCE), (largest, LARGEST)):
            if found > allowed:
                raise PixsedError(
                    f"{output}: onnxruntime and torch differ by {found:.2g}, more than "
                    f"{allowed:g}; nothing was written"
                )
    return difference


def _describe(checkpoints, name, simulations, stages):
    """Return the network to export, and its metadata."""
    checkpoint = checkpoints[0]
    networks = [load_network(one) for one in checkpoints]
    network = networks[0] if len(networks) == 1 else Ensemble(networks)
    description = metadata(checkpoint, name)
    description["network"] = described_sizes(checkpoint["sizes"], checkpoint["mass_offset"])
    seeds = [one["training"]["seed"] for one in checkpoints]
    description["training"] = description["training"] | {"members": len(networks), "seeds": seeds}
    if network.decoder is not None:
        description["flux_model"] = {"draws": DRAWS, "error": network.decoder.error}
    if simulations is not None:
        _check_simulations(simulations, checkpoint)
        noise = from_description(checkpoint["noise"])
        with stages.next("calibration of OOD") as stage:
            score = score_table(network, simulations, noise, stage=stage)
        description["calibration"]["score"] = score
    heads = [load_marginals(one, part) for one, part in zip(checkpoints, networks, strict=True)]
    if None not in heads:
        description["quantiles"] = heads[0].described()
        network = WithQuantiles(network, heads)
    return network, description


def _check_simulations(simulations, checkpoint):
    """Raise `PixsedError` unless the simulations are of the same kind as the training set."""
    if simulations.bands != checkpoint["bands"]:
        raise PixsedError("the simulations have other bands than the checkpoint")
    other = physics_differences(simulations.meta, checkpoint["sps"])
    other = other or simulations.filter_differences(checkpoint.get("filters", []))
    if simulations.prior != checkpoint["prior"]:
        other = f"prior {simulations.prior}, not {checkpoint['prior']}"
    if other:
        raise PixsedError(
            f"the simulations are of another kind than the training set ({other}); "
            "calibrate the score on simulations made in the same way, with another seed"
        )


@contextlib.contextmanager
def _quiet_exporter():
    """Leave out the exporter's own deprecations, and its notices of a lack of torchvision."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _as_onnx(network, description):
    """Return a network as an ``onnx.ModelProto``, with its metadata."""
    n, s = torch.export.Dim("N"), torch.export.Dim("S")
    with _quiet_exporter():
        program = torch.onnx.export(
            network,
            _example(network, 7, 5),
            dynamo=True,
            input_names=list(INPUTS),
            verbose=False,
            output_names=["samples", "flux_model"] + ["quantiles"] * ("quantiles" in description),
            dynamic_shapes=({0: n}, {0: n}, {0: n}, {0: n}, {0: n, 1: s}),
            opset_version=18,
        )
    proto = program.model_proto
    for change in (forget_source, keep_silu, forget_inner, store_small, store_once):
        change(proto)
    set_metadata(proto, description)
    return proto


def _example(network, pixels, samples, seed=0):
    """Return inputs of a network: noisy, partly missing photometry, and base normals."""
    bands, dim = network.bands, network.space.dim
    generator = torch.Generator().manual_seed(seed)
    flux = torch.exp(2.0 * torch.randn(pixels, 1, generator=generator)).expand(pixels, bands)
    err = 0.1 + 0.05 * flux
    flux = flux + err * torch.randn(pixels, bands, generator=generator)
    flux[torch.rand(pixels, bands, generator=generator) < 0.2] = float("nan")
    z = (network.space.z_max - 0.5) * torch.rand(pixels, generator=generator)
    z_err = torch.where(torch.arange(pixels) % 2 == 0, torch.zeros(pixels), 0.05 * (1 + z))
    base = torch.randn(pixels, samples, dim, generator=generator)
    return flux, err.contiguous(), z, z_err, base


def compare(network, path, pixels=200, samples=50):
    """Compare samples and quantiles of an .onnx file with those of torch.

    Parameters
    ----------
    network : `torch.nn.Module`
    path : path-like
    pixels, samples : int, optional
        Number of pixels, with noisy, partly missing photometry, and number of draws per pixel.

    Returns
    -------
    most, largest : float
        99.9th percentile and maximum of the differences, over max(1, \\|value\\|).
    """
    inputs = _example(network, pixels, samples, seed=1)
    with torch.no_grad():
        expected = [values.numpy() for values in network(*inputs)]
    session = runtime.start(Path(path).read_bytes())
    feed = {key: value.numpy() for key, value in zip(INPUTS, inputs, strict=True)}
    found = session.run([item.name for item in session.get_outputs()], feed)
    off = [
        np.abs(a - b) / np.maximum(1.0, np.abs(b))
        for a, b in zip(found[::2], expected[::2], strict=True)  # not the predicted fluxes
    ]
    return max(float(np.quantile(q, 0.999)) for q in off), max(float(q.max()) for q in off)
