# ruff: noqa: E402
from dataclasses import fields, replace

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.simulate.noise import DEPTH
from pixsed.simulate.table import read_simulations
from pixsed.train.checkpoint import load_network, read_checkpoint
from pixsed.train.initialise import build_network
from pixsed.train.loss import loss_terms
from pixsed.train.options import NetworkSizes, TrainOptions
from pixsed.train.train import train

SIZES = NetworkSizes(
    width=32, blocks=1, context=16, hidden=12, bins=4, flow_width=16, flow_blocks=1
)
OPTIONS = TrainOptions(epochs=2, batch=128, rate=0.03, seed=1, sizes=SIZES)


@pytest.fixture(scope="module")
def simulations(simulations_file):
    return read_simulations(simulations_file)


@pytest.fixture(scope="module")
def run(simulations, ssp_grid, tmp_path_factory):
    """Two epochs without interruption."""
    path = tmp_path_factory.mktemp("train") / "two.ckpt"
    rows = []
    checkpoint = train(simulations, ssp_grid, DEPTH, path, OPTIONS, report=rows.append, threads=1)
    return checkpoint, rows, path


def test_held_out_loss_falls(run):
    _, rows, _ = run
    assert [row["epoch"] for row in rows] == [1, 2]
    # The encoder alone, then encoder and flow.
    assert rows[0]["by_coordinate"] == [] and len(rows[1]["by_coordinate"]) == 6
    assert sum(rows[1]["quantiles"]) < sum(rows[0]["quantiles"]) - 0.01
    for row in rows:
        parts = sum(row["by_coordinate"]) + sum(row["quantiles"])
        assert parts == pytest.approx(row["held_out"], abs=1e-3)


class Killed(Exception):
    pass


def test_resumed_training_has_the_same_weights(run, simulations, ssp_grid, tmp_path):
    whole, _, _ = run
    path = tmp_path / "part.ckpt"

    def kill(row):
        if row["epoch"] == 2:
            raise Killed

    said = []
    both = {"report_stage": said.append, "threads": 1}
    with pytest.raises(Killed):
        train(simulations, ssp_grid, DEPTH, path, OPTIONS, report=kill, **both)
    assert torch.load(path, weights_only=True)["epoch"] == 1
    again = train(simulations, ssp_grid, DEPTH, path, OPTIONS, resume=path, **both)
    # How long each stage will take, in each of the two runs.
    assert [text.partition(":")[0] for text in said[:3]] == [
        "encoder alone, epochs 1 to 1",
        *2 * ["encoder and flow, epochs 2 to 2"],
    ]
    assert again["epoch"] == 2 and len(again["history"]) == 2
    for key in ("network", "average"):
        for name, value in whole[key].items():
            assert torch.allclose(value, again[key][name], rtol=1e-5, atol=1e-6), name


def test_finished_or_other_training_is_not_resumed(run, simulations, ssp_grid, tmp_path):
    _, _, path = run
    longer = replace(OPTIONS, epochs=3)

    def resume(options, simulations=simulations):
        train(simulations, ssp_grid, DEPTH, tmp_path / "a", options, resume=path, threads=1)

    with pytest.raises(PixsedError, match="two.ckpt already has 2 epochs"):
        resume(OPTIONS)
    with pytest.raises(PixsedError, match="trained with seed 1, not 2; give the same"):
        resume(replace(longer, seed=2))
    with pytest.raises(PixsedError, match="other bands or another prior"):
        resume(longer, replace(simulations, bands=simulations.bands[::-1]))
    fewer = replace(simulations, flux=simulations.flux[:-1])
    with pytest.raises(PixsedError, match="trained with 3000 simulations, not 2999"):
        resume(longer, fewer)
    torch.save({"x": 1}, tmp_path / "x.ckpt")
    with pytest.raises(PixsedError, match="x.ckpt is not a checkpoint of this version"):
        read_checkpoint(tmp_path / "x.ckpt")
    assert not (tmp_path / "a").exists()


#: Another value of every field of the options.
OTHER = {
    "epochs": 1,
    "batch": 64,
    "rate": 0.01,
    "seed": 2,
    "sizes": NetworkSizes(width=24),
    "infer_redshift": True,
    "encoder_fraction": 0.2,
    "patience": 4,
    "minutes": 1.0,
    "mixed": True,
    "device": "cuda",
}
#: Fields that may change when a training is resumed.
FREE = {"patience", "minutes", "mixed", "device"}


@pytest.mark.parametrize("name", [field.name for field in fields(TrainOptions)])
def test_each_option_guards_the_resuming_or_is_free(name):
    saved, other = OPTIONS.key(), replace(OPTIONS, **{name: OTHER[name]})
    if name in FREE:
        other.check_resumable(saved, "two.ckpt")
        return
    with pytest.raises(PixsedError, match=f"two.ckpt was trained with {name} "):
        other.check_resumable(saved, "two.ckpt")


def test_more_epochs_may_be_resumed():
    replace(OPTIONS, epochs=9).check_resumable(OPTIONS.key(), "two.ckpt")


def test_start_loads_the_weights_of_another_training(run, simulations, ssp_grid, tmp_path):
    whole, _, path = run

    def start(name, options):
        return train(simulations, ssp_grid, DEPTH, tmp_path / name, options, start=path, threads=1)

    options = replace(OPTIONS, epochs=1, rate=1e-9, seed=7)
    other = start("other.ckpt", options)
    before, after = whole["average"], other["average"]
    name = "encoder.trunk.first.weight"
    assert torch.allclose(after[name], before[name], atol=1e-5)
    assert other["mass_offset"] == whole["mass_offset"]
    assert other["training"]["started_from"][0]["epochs"] == 2
    assert "encoder_alone" not in other["training"]["started_from"][0]
    same = start("same.ckpt", replace(options, sizes=None))
    assert same["sizes"] == whole["sizes"]
    assert "encoder_alone" not in same["training"]["started_from"][0]
    options = replace(options, sizes=replace(SIZES, flow_width=24))
    with pytest.warns(PixsedWarning, match="two.ckpt holds a flow of another shape; only its enc"):
        flow = start("f.ckpt", options)
    assert torch.allclose(flow["average"][name], before[name], atol=1e-5)
    assert flow["training"]["started_from"][0]["encoder_alone"]
    options = replace(options, sizes=replace(SIZES, width=24))
    with pytest.raises(PixsedError, match="another shape; train again"):
        start("wide.ckpt", options)


def test_network_that_infers_the_redshift_ignores_its_input(simulations, ssp_grid, tmp_path):
    options = replace(OPTIONS, infer_redshift=True)
    done = train(simulations, ssp_grid, DEPTH, tmp_path / "z.ckpt", options, threads=1)
    network = load_network(done)
    flux = torch.from_numpy(simulations.flux[:50])
    err, base = 0.05 * flux.abs() + 0.1, torch.randn(50, 200, network.space.dim)
    low, high = (
        network(flux, err, torch.full((50,), z), torch.full((50,), z), base)[0] for z in (0.5, 6.0)
    )
    assert torch.equal(low, high)
    z = low[..., -1]
    assert z.min() >= 0 and z.max() <= 7.5 and z.std(dim=1).min() > 0.05


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_missing_device(simulations, ssp_grid, tmp_path):
    options = replace(OPTIONS, device="cuda")
    with pytest.raises(PixsedError, match="there is no device cuda; try --device cpu"):
        train(simulations, ssp_grid, DEPTH, tmp_path / "c.ckpt", options, threads=1)
    assert not (tmp_path / "c.ckpt").exists()


def test_training_by_the_clock(simulations, ssp_grid, tmp_path):
    options = replace(OPTIONS, epochs=1, minutes=0.05)
    done = train(simulations, ssp_grid, DEPTH, tmp_path / "t.ckpt", options, threads=1)
    stages = [bool(row["by_coordinate"]) for row in done["history"]]
    assert len(stages) > 2 and stages == sorted(stages) and set(stages) == {False, True}
    assert done["training"]["encoder_epochs"] == stages.index(True)
    assert done["training"]["minutes"] == 0.05
    # A flow that is trained already learns from the first epoch on.
    more = train(
        simulations,
        ssp_grid,
        DEPTH,
        tmp_path / "u.ckpt",
        replace(OPTIONS, epochs=1, encoder_fraction=0.0),
        start=tmp_path / "t.ckpt",
        threads=1,
    )
    assert more["training"]["encoder_epochs"] == 0 and more["history"][0]["by_coordinate"]


def test_checkpoint(run, simulations, few_bands):
    checkpoint, _, path = run
    saved = torch.load(path, weights_only=True)
    assert saved["bands"] == few_bands and saved["prior"] == "tau" and saved["format"] == 5
    assert saved["noise"]["name"] == "depth" and saved["sps"]["LIBRARY"] == "SYNTHETIC"
    assert saved["training"]["simulations"] == 3000 and saved["training"]["epochs"] == 2
    name = "encoder.trunk.first.weight"
    assert torch.equal(saved["average"][name], checkpoint["average"][name])


def test_network_of_a_checkpoint(run, simulations, ssp_grid):
    checkpoint, _, _ = run
    net = load_network(checkpoint)
    assert not net.training and net.mass_offset == checkpoint["mass_offset"]
    flux = torch.as_tensor(simulations.flux[:8])
    z = torch.as_tensor(simulations.columns["REDSHIFT"][:8], dtype=torch.float32)
    base = torch.zeros(8, 1, 6)
    with torch.no_grad():
        samples = net(flux, 0.1 + 0.1 * flux, z, torch.zeros(8), base)[0]
    assert torch.isfinite(samples).all()
    fresh = build_network(simulations, ssp_grid, SIZES)
    assert torch.equal(fresh.space.surviving.table, net.space.surviving.table)
    for name in ("span0", "dspan", "tau0", "dtau"):
        assert getattr(fresh.space.surviving, name) == getattr(net.space.surviving, name)


def test_missing_bands_do_not_enter_the_loss(run):
    net = load_network(run[0])
    flux = torch.full((4, 9), 5.0)
    err = torch.full((4, 9), 0.5)
    flux[:, 3], err[:, 3] = float("nan"), float("nan")
    batch = {
        "flux": flux,
        "flux_err": err,
        "z": torch.ones(4),
        "z_err": torch.zeros(4),
        "coordinates": torch.zeros(4, 6),
        "targets": torch.zeros(4, 9),
    }
    true = torch.full((4, 9), 5.0)
    other = true.clone()
    other[:, 3] = 1e6
    with torch.no_grad():
        one, two = (loss_terms(net, batch | {"true_flux": t}) for t in (true, other))
    for first, second in zip(one, two, strict=True):
        assert torch.equal(first, second) and torch.isfinite(first).all()
