# ruff: noqa: E402
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.simulate.noise import DEPTH
from pixsed.simulate.table import read_simulations
from pixsed.train.checkpoint import load_network, read_checkpoint
from pixsed.train.loss import loss_terms
from pixsed.train.train import train

SETTINGS = dict(
    epochs=2,
    batch=128,
    rate=0.03,
    seed=1,
    threads=1,
    sizes=dict(width=32, blocks=1, context=16, hidden=12, bins=4, flow_width=16, flow_blocks=1),
)


@pytest.fixture(scope="module")
def simulations(simulations_file):
    return read_simulations(simulations_file)


@pytest.fixture(scope="module")
def run(simulations, ssp_grid, tmp_path_factory):
    """Two epochs, without a break."""
    path = tmp_path_factory.mktemp("train") / "two.ckpt"
    rows = []
    checkpoint = train(simulations, ssp_grid, DEPTH, path, report=rows.append, **SETTINGS)
    return checkpoint, rows, path


def test_held_out_loss_falls(run):
    _, rows, _ = run
    assert [row["epoch"] for row in rows] == [1, 2]
    # The encoder alone, then the flow too.
    assert rows[0]["by_coordinate"] == [] and len(rows[1]["by_coordinate"]) == 6
    assert sum(rows[1]["quantiles"]) < sum(rows[0]["quantiles"]) - 0.01
    for row in rows:
        parts = sum(row["by_coordinate"]) + sum(row["quantiles"])
        assert parts == pytest.approx(row["held_out"], abs=1e-3)


class Killed(Exception):
    pass


def test_a_killed_run_goes_on_to_the_same_weights(run, simulations, ssp_grid, tmp_path):
    whole, _, _ = run
    path = tmp_path / "part.ckpt"

    def kill(row):
        if row["epoch"] == 2:
            raise Killed

    with pytest.raises(Killed):
        train(simulations, ssp_grid, DEPTH, path, report=kill, **SETTINGS)
    assert torch.load(path, weights_only=True)["epoch"] == 1
    again = train(simulations, ssp_grid, DEPTH, path, resume=path, **SETTINGS)
    assert again["epoch"] == 2 and len(again["history"]) == 2
    for key in ("network", "average"):
        for name, value in whole[key].items():
            assert torch.allclose(value, again[key][name], rtol=1e-5, atol=1e-6), name


def test_another_run_is_not_gone_on_with(run, simulations, ssp_grid, tmp_path):
    from dataclasses import replace

    _, _, path = run
    with pytest.raises(PixsedError, match="two.ckpt has 2 epochs already"):
        train(simulations, ssp_grid, DEPTH, tmp_path / "a", resume=path, **SETTINGS)
    with pytest.raises(PixsedError, match=r"other seed \(1, not 2\); give the same"):
        train(simulations, ssp_grid, DEPTH, tmp_path / "a", resume=path, **(SETTINGS | {"seed": 2}))
    other = replace(simulations, bands=simulations.bands[::-1])
    with pytest.raises(PixsedError, match="other bands or another prior"):
        train(other, ssp_grid, DEPTH, tmp_path / "a", resume=path, **(SETTINGS | {"epochs": 3}))
    torch.save({"x": 1}, tmp_path / "x.ckpt")
    with pytest.raises(PixsedError, match="x.ckpt is not a checkpoint of this version"):
        read_checkpoint(tmp_path / "x.ckpt")
    assert not (tmp_path / "a").exists()


def test_other_simulations_begin_with_the_weights_of_a_run(run, simulations, ssp_grid, tmp_path):
    whole, _, path = run
    settings = SETTINGS | {"epochs": 1, "rate": 1e-9, "seed": 7}
    other = train(simulations, ssp_grid, DEPTH, tmp_path / "other.ckpt", start=path, **settings)
    before, after = whole["average"], other["average"]
    name = "encoder.trunk.first.weight"
    assert torch.allclose(after[name], before[name], atol=1e-5)
    assert other["mass_offset"] == whole["mass_offset"]
    assert other["training"]["started_from"][0]["epochs"] == 2
    assert "encoder_alone" not in other["training"]["started_from"][0]
    settings["sizes"] = settings["sizes"] | {"flow_width": 24}
    with pytest.warns(PixsedWarning, match="two.ckpt has a flow of another shape; its encoder"):
        flow = train(simulations, ssp_grid, DEPTH, tmp_path / "f.ckpt", start=path, **settings)
    assert torch.allclose(flow["average"][name], before[name], atol=1e-5)
    assert flow["training"]["started_from"][0]["encoder_alone"]
    settings["sizes"] = settings["sizes"] | {"width": 24}
    with pytest.raises(PixsedError, match="another shape; train anew"):
        train(simulations, ssp_grid, DEPTH, tmp_path / "wide.ckpt", start=path, **settings)


def test_a_network_that_infers_the_redshift_does_not_look_at_it(simulations, ssp_grid, tmp_path):
    done = train(simulations, ssp_grid, DEPTH, tmp_path / "z.ckpt", infer_redshift=True, **SETTINGS)
    network = load_network(done)
    flux = torch.from_numpy(simulations.flux[:50])
    err, base = 0.05 * flux.abs() + 0.1, torch.randn(50, 200, network.space.dim)
    here, there = (
        network(flux, err, torch.full((50,), z), torch.full((50,), z), base)[0] for z in (0.5, 6.0)
    )
    assert torch.equal(here, there)
    z = here[..., -1]
    assert z.min() >= 0 and z.max() <= 7.5 and z.std(dim=1).min() > 0.05
    with pytest.raises(PixsedError, match="other sizes"):
        train(
            simulations,
            ssp_grid,
            DEPTH,
            tmp_path / "z2.ckpt",
            resume=tmp_path / "z.ckpt",
            **(SETTINGS | {"epochs": 3}),
        )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_a_device_that_is_not_there(simulations, ssp_grid, tmp_path):
    with pytest.raises(PixsedError, match="there is no device cuda; try --device cpu"):
        train(simulations, ssp_grid, DEPTH, tmp_path / "c.ckpt", device="cuda", **SETTINGS)
    assert not (tmp_path / "c.ckpt").exists()


def test_training_by_the_clock(simulations, ssp_grid, tmp_path):
    settings = SETTINGS | {"epochs": 1}
    done = train(simulations, ssp_grid, DEPTH, tmp_path / "t.ckpt", minutes=0.05, **settings)
    stages = [bool(row["by_coordinate"]) for row in done["history"]]
    assert len(stages) > 2 and stages == sorted(stages) and set(stages) == {False, True}
    assert done["training"]["encoder_epochs"] == stages.index(True)
    assert done["training"]["minutes"] == 0.05
    # With a flow to go on with, it learns from the first epoch on.
    more = train(
        simulations,
        ssp_grid,
        DEPTH,
        tmp_path / "u.ckpt",
        start=tmp_path / "t.ckpt",
        encoder_share=0.0,
        **settings,
    )
    assert more["training"]["encoder_epochs"] == 0 and more["history"][0]["by_coordinate"]


def test_checkpoint(run, few_bands):
    checkpoint, _, path = run
    saved = torch.load(path, weights_only=True)
    assert saved["bands"] == few_bands and saved["prior"] == "tau" and saved["format"] == 4
    assert saved["noise"]["name"] == "depth" and saved["sps"]["LIBRARY"] == "SYNTHETIC"
    assert saved["training"]["simulations"] == 3000 and saved["training"]["epochs"] == 2
    name = "encoder.trunk.first.weight"
    assert torch.equal(saved["average"][name], checkpoint["average"][name])


def test_the_network_comes_back_whole(run, simulations, ssp_grid):
    checkpoint, _, _ = run
    net = load_network(checkpoint)
    assert not net.training and net.mass_offset == checkpoint["mass_offset"]
    flux = torch.as_tensor(simulations.flux[:8])
    z = torch.as_tensor(simulations.columns["REDSHIFT"][:8], dtype=torch.float32)
    base = torch.zeros(8, 1, 6)
    with torch.no_grad():
        samples = net(flux, 0.1 + 0.1 * flux, z, torch.zeros(8), base)[0]
    assert torch.isfinite(samples).all()
    from pixsed.train.train import build

    fresh = build(simulations, ssp_grid, checkpoint["sizes"])
    assert torch.equal(fresh.space.surviving.table, net.space.surviving.table)
    for name in ("span0", "dspan", "tau0", "dtau"):
        assert getattr(fresh.space.surviving, name) == getattr(net.space.surviving, name)


def test_missing_bands_have_no_part_in_the_loss(run):
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
