# ruff: noqa: E402
"""Training for the prior broad, from simulations to a network with all final stages."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.simulate.noise import DEPTH
from pixsed.simulate.priors import PRIORS
from pixsed.train.checkpoint import load_network, read_checkpoint
from pixsed.train.network.broad import BroadSpace
from pixsed.train.network.physics_decoder import PhysicsDecoder
from pixsed.train.network.quantiles import load_marginals
from pixsed.train.options import NetworkSizes, TrainOptions
from pixsed.train.train import train

PRIOR = PRIORS["broad"]
SIZES = NetworkSizes(width=24, blocks=1, context=16, hidden=12, bins=4, flow_width=16, direct=False)


def options(**changes):
    return TrainOptions(epochs=2, batch=256, seed=1, sizes=SIZES, **changes)


@pytest.fixture(scope="module", params=[False, True], ids=["known", "inferred"])
def checkpoint(request, broad_simulations, broad_grids, tmp_path_factory):
    """Checkpoint of a network that takes the redshift, and of one that infers it."""
    path = tmp_path_factory.mktemp("broad") / "broad.ckpt"
    own = options(infer_redshift=request.param)
    train(broad_simulations, broad_grids, DEPTH, path, own, threads=1)
    return read_checkpoint(path)


def test_draws_and_quantiles_are_within_the_prior(checkpoint, broad_simulations):
    network = load_network(checkpoint)
    infer = checkpoint["sizes"]["infer_redshift"]
    assert network.z_max == 15.0 and isinstance(network.decoder, PhysicsDecoder)
    rows = np.arange(60)
    flux = torch.from_numpy(broad_simulations.flux[rows].copy())
    error = 0.05 * flux + 0.1
    z = torch.as_tensor(broad_simulations.columns["REDSHIFT"][rows], dtype=torch.float32)
    z_err = torch.where(torch.arange(60) % 2 == 0, 0.0, 0.3 * (1 + z))
    base = 3.0 * torch.randn(60, 20, 18, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        samples, predicted = network(flux, error, z, z_err, base)
        quantiles = load_marginals(checkpoint, network)(flux, error, z, z_err)
    assert torch.isfinite(predicted).all() and (predicted >= 0).all()
    found = dict(zip(BroadSpace.OUTPUTS, samples.unbind(-1), strict=True))
    redshift = found["REDSHIFT"]
    assert (redshift >= 0).all() and (redshift <= 15).all()
    exact = (z_err == 0) & torch.tensor(not infer)
    assert torch.allclose(redshift[exact], z[exact][:, None].expand(-1, 20), atol=1e-5)
    assert not infer or (redshift.std(dim=1) > 0).all()
    for one in PRIOR.COORDINATES:
        if one.name in found:
            assert (found[one.name] >= one.low).all() and (found[one.name] <= one.high).all()
    limit = torch.as_tensor(age(redshift.numpy())) * (1 + 1e-4)
    assert (found["AGE"] <= limit).all() and (found["T50LB"] <= limit).all()
    names = checkpoint["quantiles"]["properties"]
    assert names == [*BroadSpace.OUTPUTS, "LOGSIGMA"]
    assert (quantiles.diff(dim=2) >= 0).all()
    slope = quantiles[:, names.index("DUSTSLOPE")]
    coordinate = next(c for c in PRIOR.COORDINATES if c.name == "DUSTSLOPE")
    assert (slope >= coordinate.low).all() and (slope <= coordinate.high).all()


def test_sizes_of_the_space_are_the_default(broad_simulations, broad_grids):
    from pixsed.train.initialise import build_network

    network = build_network(broad_simulations, broad_grids)
    assert network.bins == BroadSpace.SIZES.bins != NetworkSizes().bins
    assert not network.direct and network.space.dim == 18
    # Weights as float16, of which all bands of pixsed add 0.3 million to those of nine.
    assert sum(p.numel() for p in network.parameters()) < 2.4e6


def test_wrong_number_of_grids(broad_simulations, broad_grids, tmp_path):
    with pytest.raises(PixsedError, match="SSP grids must be 2 for the prior broad, got 1; give"):
        train(broad_simulations, broad_grids[:1], DEPTH, tmp_path / "a.ckpt", options())


def test_matrices_fit_in_float16(checkpoint):
    network = load_network(checkpoint)
    head = load_marginals(checkpoint, network)
    trained = [part for part in head.parameters() if part.requires_grad]
    flow = (network.conditioners, network.recalibration, network.trunk, network.encoder)
    for part in (*trained, *(one for module in flow for one in module.parameters())):
        assert part.ndim != 2 or torch.equal(part, part.half().to(part.dtype))


def test_by_the_clock_the_decoder_comes_first(broad_simulations, broad_grids, tmp_path):
    """Its duration is fixed: the training has what is left."""
    said = []
    done = train(
        broad_simulations,
        broad_grids,
        DEPTH,
        tmp_path / "m.ckpt",
        TrainOptions(minutes=0.05, batch=256, seed=1, sizes=SIZES),
        report=lambda row: said.append("epoch"),
        report_stage=said.append,
        threads=1,
    )
    assert said[0] == "stage 1 of 1: decoder, before the training" and said[2] == "epoch"
    assert "stage 1 of 2: recalibration, after the training" in said
    assert {"recalibration", "decoder", "quantiles"} <= set(done)
