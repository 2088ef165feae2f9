"""A trained flow as one .onnx file: from nJy to physical parameters inside the graph."""

import json
import warnings
from pathlib import Path

import numpy as np
import torch

from pixsed import __version__, cosmology
from pixsed.errors import PixsedError
from pixsed.fit import runtime
from pixsed.io.atomic import atomic_path
from pixsed.simulate.noise import from_description
from pixsed.simulate.priors import PRIORS
from pixsed.simulate.table import physics_differences
from pixsed.sps.sfh import LOG_SSFR_FLOOR
from pixsed.train.batches import space_of
from pixsed.train.checkpoint import load_network
from pixsed.train.network.decoder import DRAWS
from pixsed.train.network.ensemble import Ensemble, check_members
from pixsed.train.network.quantiles import load_marginals
from pixsed.train.onnx_file import forget_source, keep_silu, store_once, store_small
from pixsed.train.ood import score_table

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
    }


def _said_of(coordinate):
    """Return what the metadata say of a prior's coordinate."""
    said = {"name": coordinate.name, "distribution": type(coordinate).__name__}
    if hasattr(coordinate, "low"):
        over = coordinate.name == "TSTART"
        said |= {
            "low": coordinate.low,
            "high": coordinate.high,
            "log10": coordinate.log,
            "over_age_at_z": over,
        }
    return said


class WithQuantiles(torch.nn.Module):
    """A network with the marginal quantiles as one more output, of several networks their mean.

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
        """The graph of the exported model."""
        seen = flux, flux_err, redshift, redshift_err
        found = [head(*seen) for head in self.heads]
        return (*self.network(*seen, base), torch.stack(found).mean(dim=0))


def export(checkpoints, output, *, name=None, simulations=None, overwrite=False):
    """Write the .onnx file, after checking it against torch.

    Parameters
    ----------
    checkpoints : dict or sequence of dict
        Of one network, or of several that share the samples among them.
    output : path-like
    name : str, optional
        That of the file, without its ending, by default; of the prior where the file is ``"-"``.
    simulations : `~pixsed.simulate.table.Simulations`, optional
        Fresh ones of the same kind as those of the training, to calibrate the
        out-of-distribution score; without them OOD is NaN.
    overwrite : bool, optional

    Returns
    -------
    float
        Difference between onnxruntime and torch, over max(1, |value|), of all values but one
        in a thousand.

    Raises
    ------
    PixsedError
        If that difference is above `TOLERANCE`, or any above `LARGEST`; the networks are not
        of one kind; or the simulations are of another kind than those of the training.
    """
    import onnx

    checkpoints = [checkpoints] if isinstance(checkpoints, dict) else list(checkpoints)
    check_members(checkpoints)
    checkpoint = checkpoints[0]
    networks = [load_network(one) for one in checkpoints]
    network = networks[0] if len(networks) == 1 else Ensemble(networks)
    if name is None:
        name = checkpoint["prior"] if str(output) == "-" else Path(output).stem
    description = metadata(checkpoint, name)
    description["training"]["members"] = len(networks)
    description["training"]["seeds"] = [one["training"]["seed"] for one in checkpoints]
    if network.decoder is not None:
        description["flux_model"] = {"draws": DRAWS, "error": network.decoder.error}
    if simulations is not None:
        if simulations.bands != checkpoint["bands"]:
            raise PixsedError("the simulations have other bands than the checkpoint")
        other = physics_differences(simulations.meta, checkpoint["sps"])
        if simulations.prior != checkpoint["prior"]:
            other = f"prior {simulations.prior}, not {checkpoint['prior']}"
        if other:
            raise PixsedError(
                f"the simulations are of another kind than those of the training ({other}); "
                "calibrate the score on some made alike, with another seed"
            )
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
            network,
            example,
            dynamo=True,
            input_names=list(INPUTS),
            verbose=False,
            output_names=outputs,
            dynamic_shapes=shapes,
            opset_version=18,
        )
    proto = program.model_proto
    forget_source(proto)
    keep_silu(proto)
    store_small(proto)
    store_once(proto)
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
    inputs = _example(network.bands, network.space.dim, pixels, samples, seed=1)
    with torch.no_grad():
        expected = [values.numpy() for values in network(*inputs)]
    session = runtime.start(Path(path).read_bytes())
    feed = {key: value.numpy() for key, value in zip(INPUTS, inputs, strict=True)}
    found = session.run([item.name for item in session.get_outputs()], feed)
    off = [
        np.abs(a - b) / np.maximum(1.0, np.abs(b))
        for a, b in zip(found[::2], expected[::2], strict=True)  # not the fluxes between
    ]
    return max(float(np.quantile(q, 0.999)) for q in off), max(float(q.max()) for q in off)
