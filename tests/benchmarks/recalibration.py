"""Ablation of the recalibration: coverage and cost, on the network of an exported model.

    pixsed ssp --library bc03 -o bc03.fits
    pixsed simulate --ssp bc03.fits --prior tau -n 500000 --seed 9002 -o fresh.fits
    pixsed simulate --ssp bc03.fits --prior tau -n 160000 --seed 9001 -o test.fits
    python tests/benchmarks/recalibration.py tau bc03.fits fresh.fits test.fits

The network is read back from the weights in the model. Its recalibration is replaced by the
identity, and by fits to the first simulations with several seeds. Each is tested on the second
simulations as `pixsed validate` does: case `paper` with the noise `depth`, case `all-drop` with
the noise `wide`. The table lists the mean and the largest absolute error of the coverage over
the properties, the rms error over properties and bins, and the largest error of the joint
coverage (TARP); then the gain in mean log density per coordinate, and the CPU time of the fit.

Only for models of the prior tau that consist of one network. Needs the packages of pixsed[train].
"""

import argparse
import copy
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from pixsed.fit.model import Model
from pixsed.models import resolve
from pixsed.simulate.noise import choose_noise
from pixsed.simulate.table import read_simulations
from pixsed.sps.ssp import read_ssp
from pixsed.train.batches import Observer
from pixsed.train.export import _example
from pixsed.train.network.flow import PixelFlow
from pixsed.train.network.recalibration import Recalibration
from pixsed.train.network.spaces import TauSpace
from pixsed.train.recalibrate import recalibrate
from pixsed.train.weights import state_of_graph
from pixsed.validate.cases import CASES, observe_case
from pixsed.validate.sampling import ModelSampler, assess
from pixsed.validate.statistics import JOINT, summarise
from pixsed.validate.tarp import UnitCube

PREFIX = "network.recalibration."
#: Noise of each test, and its case.
TESTS = {"depth": "paper", "wide": "all-drop"}


def restore(path, ssp):
    """Return the network of an exported model, from its weights; its recalibration included.

    Weights that the graph does not use are not in the file: the encoder's prediction of the
    photometry, and the units of its quantiles.
    """
    model = Model(path)
    proto = onnx.load(path)
    weights = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    network = PixelFlow(
        len(model.bands),
        TauSpace.fit(None, ssp, 0),
        mass_offset=_mass_offset(proto.graph, weights),
        infer_redshift=model.infers_redshift,
    )
    state = network.state_dict()
    state |= {name: v for name, v in state_of_graph(proto.graph).items() if name in state}
    network.load_state_dict(state)
    network.error_floor = model.metadata["noise"]["fraction_low"]
    network.refine().eval()
    inputs = _example(len(model.bands), network.space.dim, 200, 50, seed=1)
    with torch.no_grad():
        found = network(*inputs)[0].numpy()
    expected = model.sample(*(values.numpy() for values in inputs))[0]
    off = np.abs(found - expected) / np.maximum(1.0, np.abs(expected))
    print(f"largest difference of the restored network from the model: {off.max():.2g}")
    return network, proto


def _mass_offset(graph, weights):
    """Return the constant that is added to the mass, in (mass + offset - 4) / 8."""
    made_by = {name: node for node in graph.node for name in node.output}

    def constant(node, kind, value=None):
        if node is None or node.op_type != kind:
            return None
        found = [weights[n].item() for n in node.input if n in weights and weights[n].size == 1]
        return found[0] if found and value in (None, found[0]) else None

    for node in graph.node:
        if constant(node, "Div", 8.0) is None:
            continue
        minus = made_by.get(node.input[0])
        if constant(minus, "Sub", 4.0) is None:
            continue
        offset = constant(made_by.get(minus.input[0]), "Add")
        if offset is not None:
            return offset
    raise SystemExit("the mass offset was not found in the graph")


def write(proto, state, path):
    """Write a model with another recalibration."""
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    for tensor in changed.graph.initializer:
        if tensor.name.startswith(PREFIX):
            values = state[tensor.name.removeprefix(PREFIX)].numpy().astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(changed, path)


class Test:
    """Test sets, and the statistics of a recalibration on them.

    Parameters
    ----------
    path : path-like
        Simulations.
    bands : list of str
    rows, draws : int
        Number of simulations of each test, and of draws each.
    """

    def __init__(self, path, bands, rows, draws):
        self.simulations, self.draws = read_simulations(path), draws
        noises = {name: choose_noise(name, bands, wide=False, floor=None) for name in TESTS}
        self.observed = {
            name: observe_case(path, noises[name], CASES[case], number=rows)
            for name, case in TESTS.items()
        }
        everything = np.arange(len(self.simulations))
        observer = Observer(self.simulations, noises["wide"], everything)
        rng = np.random.default_rng(3)
        blocks = np.array_split(everything[:rows], max(1, rows // 4096))
        self.batches = [observer.batch(block, rng) for block in blocks]

    @torch.no_grad()
    def log_density(self, network, state):
        """Return the mean log density per coordinate."""
        network = copy.deepcopy(network)
        network.recalibration.load_state_dict(state)
        keys = "coordinates", "flux", "flux_err", "z", "z_err"
        found = [network.log_prob(*(batch[key] for key in keys)) for batch in self.batches]
        return float(torch.cat(found).mean())

    def statistics(self, path):
        """Yield the name of each test and its statistics, for a model."""
        model = Model(path)
        sampler = ModelSampler(model)
        for name, observed in self.observed.items():
            names = sampler.names(observed.truth)
            prior = {key: self.simulations.columns[key] for key in sampler.joint_names(names)}
            result = assess(
                observed,
                sampler,
                names,
                UnitCube(prior),
                samples=self.draws,
                metadata=model.metadata,
            )
            rows = summarise(result, name, None)
            found = []
            for level in (68, 95):
                whole, bins = (
                    np.array(
                        [
                            row[f"COV{level}"] - level / 100
                            for row in rows
                            if row["PARAMETER"] != JOINT and (row["BY"] == "ALL") == everything
                        ]
                    )
                    for everything in (True, False)
                )
                found += [np.abs(whole).mean(), np.abs(whole).max(), np.sqrt((bins**2).mean())]
            joint = [r["KS_D"] for r in rows if r["BY"] == "ALL" and r["PARAMETER"] == JOINT]
            yield name, [*found, *joint]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a path or a shipped name")
    parser.add_argument("ssp", help="SSP grid of the model")
    parser.add_argument("simulations", help="for the fit, not those of the training")
    parser.add_argument("test", help="for the test")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--rows", type=int, default=40_000, help="simulations of each test")
    parser.add_argument("--draws", type=int, default=128)
    given = parser.parse_args()
    torch.set_num_threads(1)
    network, proto = restore(resolve(given.model), read_ssp(given.ssp))
    test = Test(given.test, Model(resolve(given.model)).bands, given.rows, given.draws)
    own = network.recalibration
    none = Recalibration(network.encoder.output_size, network.space.dim)
    cases = {"as in the model": (own.state_dict(), 0.0), "none": (none.state_dict(), 0.0)}
    network.recalibration = none
    simulations = read_simulations(given.simulations)
    noise = choose_noise("wide", simulations.bands, wide=False, floor=None)
    for seed in given.seeds:
        start = time.process_time()
        state = recalibrate(network, simulations, noise, seed=seed)
        cases[f"seed {seed}"] = state, time.process_time() - start
    print(
        f"{'':16s}{'noise':8s}{'68 %: mean':>11s}{'largest':>9s}{'bins':>9s}"
        f"{'95 %: mean':>11s}{'largest':>9s}{'bins':>9s}{'joint':>9s}{'nats':>9s}{'CPU s':>7s}"
    )
    reference = test.log_density(network, none.state_dict())
    with tempfile.TemporaryDirectory() as folder:
        for name, (state, seconds) in cases.items():
            path = Path(folder) / "m.onnx"
            write(proto, state, path)
            gain = test.log_density(network, state) - reference
            for noise_name, found in test.statistics(path):
                mean68, worst68, bins68, mean95, worst95, bins95, joint = found
                print(
                    f"{name:16s}{noise_name:8s}{mean68:11.4f}{worst68:9.4f}{bins68:9.4f}"
                    f"{mean95:11.4f}{worst95:9.4f}{bins95:9.4f}{joint:9.4f}{gain:9.4f}"
                    f"{seconds:7.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
