# ruff: noqa: E402
"""Decoder of the prior `broad`, compared with the forward model."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the graph is made with torch")

from pixsed.errors import PixsedError
from pixsed.sps.dust import salim
from pixsed.train.network import physics_decoder, physics_tables
from pixsed.train.network.base_decoder import BaseDecoder
from pixsed.train.network.broad import BroadSpace
from pixsed.train.network.decoders import check_decodable, decoder_of
from pixsed.train.network.physics_decoder import PhysicsDecoder


@pytest.fixture(scope="module")
def saved(broad_simulations, broad_grids):
    return physics_tables.fit(broad_simulations, broad_grids)


@pytest.fixture(scope="module")
def decoder(saved):
    return PhysicsDecoder.from_checkpoint(saved)


def parameters(broad_simulations, rows=slice(None)):
    columns = [broad_simulations.columns[name][rows] for name in BroadSpace.DECODED]
    return torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))


def test_attenuation_curve():
    wave = np.geomspace(95.0, 4e4, 400)
    slope, bump = np.array([-1.2, -0.3, 0.0, 0.4]), np.array([0.0, 5.0, 1.0, 3.0])
    found = physics_decoder.salim(
        *(torch.as_tensor(v, dtype=torch.float32) for v in (wave[None], slope, bump))
    )
    np.testing.assert_allclose(found.numpy(), salim(wave, slope, bump), rtol=1e-4, atol=1e-5)


def test_fluxes_of_simulations(decoder, broad_simulations):
    found, true = physics_tables.compare(decoder, broad_simulations)
    bright = true > 0.01 * true.max(axis=1, keepdims=True)
    off = found[bright] / true[bright] - 1.0
    assert np.sqrt(np.mean(off**2)) < 0.01 and np.median(np.abs(off)) < 0.003
    assert len(decoder.error) == 9 and max(decoder.error) < 0.02
    # The stated errors are those of the comparison.
    ratio = np.where(bright, found / np.where(bright, true, 1.0) - 1.0, 0.0)
    own = np.sqrt((ratio**2).sum(axis=0) / bright.sum(axis=0))
    np.testing.assert_allclose(decoder.error, own, atol=1e-5)


def test_size_and_description(decoder, saved):
    small = sum(v.numel() * (1 if v.dtype == torch.int8 else 2) for v in saved["state"].values())
    assert small < 1e6  # of 9 bands
    again = PhysicsDecoder.from_checkpoint({"sizes": decoder.describe(), "state": saved["state"]})
    assert again.describe() == decoder.describe() and isinstance(again, BaseDecoder)
    assert decoder_of("broad") is PhysicsDecoder and decoder_of("tau") is not PhysicsDecoder


def test_the_best_draw_is_the_true_one(decoder, broad_simulations):
    rows = np.arange(20)
    flux = torch.from_numpy(broad_simulations.flux[rows].copy())
    others = np.stack([rows, *(np.roll(rows, i) for i in range(1, 6))])
    draws = torch.stack([parameters(broad_simulations, one) for one in others], dim=1)
    error = 0.02 * flux + 1e-3 * flux.max(dim=1, keepdim=True).values
    flux[:, 2] = torch.nan
    with torch.no_grad():
        found = decoder.best(draws, flux, error).numpy()
    true = broad_simulations.flux[rows]
    bright = true > 0.02 * true.max(axis=1, keepdims=True)
    assert found.shape == true.shape  # the missing band is predicted too
    assert np.quantile(np.abs(found[bright] / true[bright] - 1.0), 0.95) < 0.03


@pytest.mark.parametrize("value", [-10.0, 10.0])
def test_extreme_draws_are_finite(decoder, broad_grids, value):
    space = BroadSpace.fit(None, broad_grids, 1)
    z = torch.tensor([[0.0], [1e-3], [6.0], [15.0]])
    with torch.no_grad():
        found = decoder(space.decoded(torch.full((4, 1, 18), value), z))
    assert torch.isfinite(found).all() and (found >= 0).all()
    assert torch.allclose(found.sum(dim=-1), torch.ones(4, 1))


def test_missing_grids_are_an_error(broad_simulations):
    with pytest.raises(PixsedError, match="prior broad needs the SSP grids .*; give --ssp"):
        check_decodable(broad_simulations, None)


def test_checkpoint_can_be_read_without_pickled_objects(saved, tmp_path):
    torch.save(saved, tmp_path / "a.ckpt")
    again = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert again["sizes"] == saved["sizes"]


class Populations(torch.nn.Module):
    """The part of an exported model that follows the flow."""

    def __init__(self, space, decoder):
        super().__init__()
        self.space, self.decoder = space, decoder

    def forward(self, coordinates, z, flux, flux_err):
        drawn = self.space.decoded(coordinates, z)
        return drawn, self.decoder.best(drawn, flux, flux_err)


@pytest.mark.filterwarnings("ignore")
def test_onnxruntime_agrees_for_any_number_of_pixels(decoder, broad_grids):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason=f"export needs {name}")
    import onnxruntime

    whole = Populations(BroadSpace.fit(None, broad_grids, 1), decoder).eval()
    generator = torch.Generator().manual_seed(4)

    def inputs(n, s):
        flux = 1.0 + torch.rand(n, 9, generator=generator)
        z = 15.0 * torch.rand(n, s, generator=generator)
        return torch.randn(n, s, 18, generator=generator), z, flux, 0.1 * flux

    n, s = torch.export.Dim("N"), torch.export.Dim("S")
    shapes = ({0: n, 1: s}, {0: n, 1: s}, {0: n}, {0: n})
    names = ["coordinates", "z", "flux", "flux_err"]
    program = torch.onnx.export(
        whole, inputs(7, 5), dynamo=True, input_names=names, dynamic_shapes=shapes, verbose=False
    )
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    for count in ((3, 40), (50, 6), (1, 1)):
        given = inputs(*count)
        found = session.run(None, {k: v.numpy() for k, v in zip(names, given, strict=True)})
        with torch.no_grad():
            expected = [values.numpy() for values in whole(*given)]
        np.testing.assert_allclose(found[0], expected[0], rtol=2e-4, atol=2e-5)
        np.testing.assert_allclose(found[1], expected[1], rtol=5e-3, atol=1e-5)
