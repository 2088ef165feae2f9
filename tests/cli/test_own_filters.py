"""A filter of a user's own, from simulations to maps."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner
from once import made_once

from pixsed.errors import PixsedError
from pixsed.simulate.table import read_simulations

pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")


@pytest.fixture(scope="module")
def curve(tmp_path_factory):
    """A box from 2 to 2.3 micron, in micron."""
    path = tmp_path_factory.mktemp("curve") / "ks.dat"
    wave = np.linspace(1.98, 2.32, 35)
    through = ((wave > 2.0) & (wave < 2.3)).astype(float)
    np.savetxt(path, np.column_stack([wave, through]), header="wavelength [micron], transmission")
    return path


@pytest.fixture
def arguments(ssp_file, curve, tmp_path):
    """Arguments of a simulation of three bands and one more."""
    return [
        *("simulate", "--ssp", ssp_file, "--prior", "tau", "-n", 300, "--jobs", 1),
        *("--bands", "F115W,F200W,F444W", "--filter", f"hawki_ks={curve}"),
        *("-o", tmp_path / "own.fits"),
    ]


def test_simulate(run_cli, arguments, curve, tmp_path):
    result = run_cli(*arguments, "--depth", "hawki_Ks=0.5")
    assert result.exit_code == 0, result.output
    assert "HAWKI_KS: " in result.stderr and "pivot wavelength 2.1" in result.stderr
    assert not result.warned
    sims = read_simulations(tmp_path / "own.fits")
    assert sims.bands == ["F115W", "F200W", "HAWKI_KS", "F444W"]
    (own,) = sims.filters
    assert (own.name, own.depth, own.source) == ("HAWKI_KS", 0.5, "ks.dat")
    assert sims.own_depths == {"HAWKI_KS": 0.5}
    header = fits.getheader(tmp_path / "own.fits", 1)
    assert header["FPIV3"] == pytest.approx(2.148, abs=0.005) and header["FDEP3"] == 0.5
    primary = fits.getheader(tmp_path / "own.fits")
    assert curve.name in [primary[key] for key in primary if key.startswith("INFILE")]


def test_the_curve_of_a_band_of_pixsed(run_cli, arguments, tmp_path):
    """A band made from F200W's own curve, in micron and in percent, has the fluxes of F200W."""
    from pixsed.sps.filters import load_curve

    wave, through = load_curve("F200W")
    np.savetxt(tmp_path / "f.dat", np.column_stack([wave / 1e4, 100 * through]))
    arguments[arguments.index("--filter") + 1] = f"MINE={tmp_path / 'f.dat'}"
    assert run_cli(*arguments, "--depth", "MINE=1").exit_code == 0
    sims = read_simulations(tmp_path / "own.fits")
    mine, theirs = (sims.flux[:, sims.bands.index(band)] for band in ("MINE", "F200W"))
    np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_without_a_depth(run_cli, arguments, tmp_path):
    (warned,) = run_cli(*arguments).warned
    assert warned.startswith("HAWKI_KS has no depth: 0.1") and "--depth HAWKI_KS=NJY" in warned
    assert 0.1 < read_simulations(tmp_path / "own.fits").own_depths["HAWKI_KS"] < 0.2


def test_another_curve_is_not_resumed(curve, tmp_path):
    from pixsed.io.writers.table_blocks import part_path
    from pixsed.simulate.options import SimulateOptions
    from pixsed.simulate.table import row_dtype, simulations_writer
    from pixsed.sps.own_filters import read_own_filter

    other = tmp_path / "ks.dat"
    table = np.loadtxt(curve)
    np.savetxt(other, table * [1.01, 1.0])
    own, changed = (read_own_filter("KS", str(path), 1.0) for path in (curve, other))
    path = tmp_path / "sims.fits"
    options = SimulateOptions("tau", ["F444W", "KS"], 9, filters=[own], batch=3)
    with (
        pytest.raises(PixsedError, match="kept in"),
        simulations_writer(path, options, {"SSPSHA": "0"}) as writer,
    ):
        writer.append(np.zeros(3, row_dtype(options)))
        raise PixsedError("stopped")
    assert part_path(path).exists()
    options = SimulateOptions("tau", ["F444W", "KS"], 9, filters=[changed], batch=3)
    with pytest.raises(PixsedError, match="FPIV2|FSHA2"):
        simulations_writer(path, options, {"SSPSHA": "0"}, resume=True)


@pytest.mark.parametrize(
    "more, message",
    [
        (("--filter", "nofile"), "--filter 'nofile' must be NAME=VALUE"),
        (("--filter", "=ks.dat"), "must be NAME=VALUE"),
        (("--depth", "K=1"), "--depth K needs --filter K=FILE"),
        (("--depth", "HAWKI_KS=deep"), "'deep' is not a valid float"),
        (("--filter", "Hawki_ks=other.dat"), "--filter HAWKI_KS is given twice"),
    ],
)
def test_usage(run_cli, arguments, more, message):
    result = run_cli(*arguments, *more)
    assert result.exit_code == 2 and message in result.stderr


@pytest.mark.parametrize("name", ["F444W", "F277W"])
def test_names_of_pixsed_are_refused(run_cli, arguments, curve, name):
    arguments[arguments.index("--filter") + 1] = f"{name}={curve}"
    result = run_cli(*arguments)
    assert isinstance(result.exception, PixsedError) and "is a band of pixsed" in str(
        result.exception
    )


def test_the_curve_is_not_overwritten(run_cli, arguments, curve):
    arguments[-1] = curve
    result = run_cli(*arguments, "--overwrite")
    assert result.exit_code and curve.stat().st_size > 100 and "ks.dat" in str(result.exception)


def test_names_of_sets(run_cli, ssp_file, tmp_path):
    from pixsed.bands import BASIC_BANDS, PAPER_BANDS

    for name, expected in (("paper", PAPER_BANDS), ("basic,MIRI_F770W", None)):
        path = tmp_path / f"{name[:5]}.fits"
        args = ["--ssp", ssp_file, "--prior", "tau", "-n", 5, "--bands", name, "-o", path]
        assert run_cli("simulate", *args).exit_code == 0
        assert read_simulations(path).bands == (expected or [*BASIC_BANDS, "MIRI_F770W"])


@pytest.fixture(scope="module")
def trained(ssp_file, ssp_grid, curve, model_file, tmp_path_factory):
    """Checkpoint and model of nine bands, one of which is a user's own.

    The graph of the model is that of `model_file`, because its export takes minutes and does not
    depend on the names of the bands.
    """
    import onnx

    from pixsed.cli.main import cli
    from pixsed.train import export as module
    from pixsed.train.common import set_metadata

    def as_onnx(network, description):
        proto = onnx.load(model_file)
        del proto.metadata_props[:]
        set_metadata(proto, description)
        return proto

    names = "s.fits", "c.ckpt", "m.onnx"

    def make(folder):
        sims, checkpoint, model = (folder / name for name in names)
        steps = [
            *("simulate", "--ssp", ssp_file, "--prior", "tau", "-n", 1500, "--jobs", 1, "-o", sims),
            *("--bands", "F435W,F606W,F775W,F814W,F090W,F115W,F150W,F200W"),
            *("--filter", f"HAWKI_KS={curve}", "--depth", "HAWKI_KS=0.5"),
        ]
        export = ["export", checkpoint, "--sims", sims, "-o", model]
        with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
            warnings.simplefilter("ignore")
            patch.setattr(module, "_as_onnx", as_onnx)
            patch.setattr(module, "compare", lambda network, path: (0.0, 0.0))
            CliRunner().invoke(cli, [str(arg) for arg in steps], catch_exceptions=False)
            _train(sims, ssp_grid, checkpoint)
            CliRunner().invoke(cli, [str(arg) for arg in export], catch_exceptions=False)

    folder = made_once(tmp_path_factory, "own", make)
    return tuple(folder / name for name in names)


def _train(path, ssp_grid, output):
    """Train a small network for one epoch."""
    from pixsed.simulate.noise import choose_noise
    from pixsed.train.options import NetworkSizes, TrainOptions
    from pixsed.train.train import train

    sims = read_simulations(path)
    noise = choose_noise("wide", sims.bands, own=sims.own_depths)
    sizes = NetworkSizes(width=24, blocks=1, context=16, hidden=12, bins=4)
    options = TrainOptions(epochs=1, batch=500, sizes=sizes)
    train(sims, ssp_grid, noise, output, options, threads=1)


def test_noise_of_the_command_train(trained, ssp_file, run_cli, tmp_path, monkeypatch):
    from pixsed.cli import train

    found = []
    monkeypatch.setattr(train, "_train", lambda *args: found.append(args[1]))
    result = run_cli("train", trained[0], "--ssp", ssp_file, "-o", tmp_path / "a.ckpt")
    assert result.exit_code == 0, result.output
    assert found[0].name == "wide" and found[0].base.own == (("HAWKI_KS", 0.5),)


def test_train_and_export(trained):
    import torch

    from pixsed.fit.model import Model
    from pixsed.simulate.noise import from_description

    sims, checkpoint, path = trained
    saved = torch.load(checkpoint, weights_only=True)
    own = read_simulations(sims).filters[0].describe()
    assert saved["filters"] == [own]
    noise = from_description(saved["noise"])
    assert noise.base.own == (("HAWKI_KS", 0.5),)
    model = Model(path)
    assert model.metadata["filters"] == [own]
    assert model.bands[-1] == "HAWKI_KS" and model.pivots[-1] == own["pivot_um"]
    assert model.pivots[:4] == sorted(model.pivots[:4])


def test_another_curve_is_not_trained_further(trained):
    from dataclasses import replace

    from pixsed.train.checkpoint import check_same_simulations, read_checkpoint
    from pixsed.train.export import _check_simulations

    sims, checkpoint, _ = trained
    saved, sims = read_checkpoint(checkpoint), read_simulations(sims)
    check_same_simulations(saved, sims, "c.ckpt")
    sims.filters = [replace(sims.filters[0], digest="f" * 32)]
    message = "another curve of HAWKI_KS"
    with pytest.raises(PixsedError, match=f"c.ckpt: the simulations have {message}; train again"):
        check_same_simulations(saved, sims, "c.ckpt")
    with pytest.raises(PixsedError, match=f"of another kind than the training set .{message}"):
        _check_simulations(sims, saved)


def test_fit(trained, run_cli, tmp_path):
    """A cube and a table have the band; the model knows its wavelength."""
    import fakes

    from pixsed.fit.model import Model
    from pixsed.fit.select import match_bands
    from pixsed.io.formats.cube import write_cube

    bands = ["F115W", "F150W", "F200W", "HAWKI_KS"]
    cube = fakes.make_cube(bands=bands)
    assert np.isnan(cube.table["pivot_um"][-1])
    write_cube(cube, tmp_path / "cube.fits")
    model = trained[2]
    options = ["--model", model, "--samples", 20, "--snr-min", 0, "--jobs", 1]
    result = run_cli("fit", tmp_path / "cube.fits", *options, "-o", tmp_path / "maps.fits")
    assert result.exit_code == 0, result.output
    assert "does not know" not in result.stderr
    with fits.open(tmp_path / "maps.fits") as maps:
        assert maps[0].header["FITBANDS"] == "F115W,F150W,F200W,HAWKI_KS"
        assert np.isfinite(maps["LOGMSTAR_P50"].data).any()
    table = Table({"ID": [1], "REDSHIFT": [1.0], **{b: [5.0] for b in bands}})
    for band in bands:
        table[f"{band}_ERR"] = [0.2]
        table[band].unit = table[f"{band}_ERR"].unit = "nJy"
    table.write(tmp_path / "phot.ecsv")
    result = run_cli("fit", tmp_path / "phot.ecsv", *options, "-o", tmp_path / "post.ecsv")
    assert result.exit_code == 0, result.output
    assert Table.read(tmp_path / "post.ecsv")["NBANDS"].tolist() == [4]
    index, columns = match_bands(["HAWKI_KS", "F200W"], Model(model), "x")
    assert index.tolist() == [1, 0] and columns.tolist() == [7, 8]
