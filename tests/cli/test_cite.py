"""`pixsed cite`: references of commands, files and models."""

import re

import fakes
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.cite.references import FORMATS
from pixsed.cli import cite
from pixsed.io.provenance import stamp
from pixsed.models import shipped


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """Work in a folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_file(name, command="pixsed fit cube.fits -o maps.fits", history=(), **cards):
    """Write a FITS file with the provenance of pixsed."""
    header = stamp(fits.Header(), command=command, history=history, **cards)
    fits.PrimaryHDU(header=header).writeto(name)


def keys(result):
    """Return the keys of the BibTeX that a command printed."""
    assert result.exit_code == 0, result.stderr
    return re.findall(r"^@\w+\{(\w+),$", result.stdout, re.M)


def test_the_command_knows_the_formats():
    assert cite.FORMATS == FORMATS


def test_without_arguments(run_cli):
    found = keys(run_cli("cite"))
    assert found[:2] == ["pixsed", "iglesiasnavarro2025"]
    assert {"onnxruntime", "conroy2009", "calzetti2000"} <= set(found)
    assert len(found) == len(set(found))
    assert found == keys(run_cli("cite", "fit", "--model", "tau"))


def test_as_text(run_cli):
    result = run_cli("cite", "rgb", "--format", "text")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[-2].startswith("Hunter, J. D. 2007, Computing in Science & Engineering, 9, 90-95")
    assert lines[-1] == "    for rgb: pictures"


def test_output_file(run_cli, in_folder):
    assert run_cli("cite", "rgb", "-o", "refs.bib").exit_code == 0
    text = (in_folder / "refs.bib").read_text()
    assert text == run_cli("cite", "rgb").stdout
    again = run_cli("cite", "fit", "-o", "refs.bib")
    assert again.exit_code == 1 and "exists" in str(again.exception)
    assert (in_folder / "refs.bib").read_text() == text


def test_maps_and_tables(run_cli, in_folder):
    write_file("maps.fits", MODEL="broad", SPSLIB="BC03", IMF="Chabrier")
    assert {"salim2018", "onnxruntime"} <= set(keys(run_cli("cite", "maps.fits")))
    table = Table({"ID": [1]}, meta={"MODEL": "dirichlet", "CREATOR": "pixsed 0.1.0"})
    table.write("profile.ecsv")
    found = keys(run_cli("cite", "profile.ecsv", "profile"))
    assert {"iyer2019", "hunter2007"} <= set(found) and "salim2018" not in found
    both = keys(run_cli("cite", "maps.fits", "profile.ecsv"))
    assert {"salim2018", "calzetti2000", "iyer2019"} <= set(both)


def test_a_cube_of_pixsed(run_cli, in_folder):
    history = ["psfmatch: F115W to F444W", "cutout: galaxy 531", "other: no command"]
    write_file("cube.fits", command="pixsed bin cube.fits -o cube.fits", history=history)
    found = keys(run_cli("cite", "cube.fits"))
    assert {"photutils", "reproject", "cappellari2003"} <= set(found)
    assert "onnxruntime" not in found  # no model was run


def test_an_ssp_grid_and_simulations(run_cli, in_folder):
    cards = {"LIBRARY": "BC03", "ISOCHRO": "Padova 1994", "SPECLIB": "MILES", "IMF": "Kroupa"}
    write_file("ssp.fits", command="pixsed ssp --library bc03 -o ssp.fits", **cards)
    found = set(keys(run_cli("cite", "ssp.fits")))
    assert {"bruzual2003", "bertelli1994", "kroupa2001"} <= found
    assert "leja2019" not in found
    cards |= {"PRIOR": "continuity", "ATTENUAT": "smc"}
    write_file("sims.fits", command="pixsed simulate", **cards)
    assert {"leja2019", "gordon2003", "johnson2021"} <= set(keys(run_cli("cite", "sims.fits")))


def test_a_model_file(run_cli, in_folder):
    fakes.fake_model("mine.onnx", name="mine", sps={"LIBRARY": "BC03"}, prior={"sfh": "dpl"})
    found = keys(run_cli("cite", "mine.onnx"))
    assert found == keys(run_cli("cite", "--model", "mine.onnx", "merge"))
    assert {"bruzual2003", "carnall2018"} <= set(found)
    write_file("maps.fits", MODEL="mine")
    assert set(found) < set(keys(run_cli("cite", "maps.fits", "--model", "mine.onnx")))


def test_a_model_that_is_not_shipped(run_cli, in_folder):
    write_file("maps.fits", MODEL="mine")
    result = run_cli("cite", "maps.fits")
    assert result.exit_code == 1
    message = "maps.fits was made with the model mine, which is not shipped; add --model and its"
    assert message in str(result.exception)


def test_another_model_of_the_same_name(run_cli, in_folder):
    write_file("maps.fits", MODEL="tau", SPSLIB="BC03")
    result = run_cli("cite", "maps.fits")
    assert result.exit_code == 1
    message = "another model tau: SPSLIB is BC03, in the shipped one FSPS; add --model"
    assert message in str(result.exception)


def test_another_model_in_the_second_file(run_cli, in_folder):
    write_file("a.fits", MODEL="tau", SPSLIB="FSPS")
    write_file("b.fits", MODEL="tau", SPSLIB="BC03")
    result = run_cli("cite", "a.fits", "b.fits")
    assert result.exit_code == 1 and "b.fits was made with another" in str(result.exception)


def test_other_weights_of_a_shipped_model(run_cli, in_folder):
    write_file("maps.fits", MODEL="tau", SPSLIB="FSPS", MODELSHA="0" * 64)
    result = run_cli("cite", "maps.fits")
    assert "conroy2009" in keys(result)
    [warning] = result.warned
    assert warning.startswith("maps.fits was made with other weights of tau; the references are")


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("fits", "fits is neither a file nor a command of pixsed; give bkg, psf"),
        ("none.fits", "none.fits: no such file; check the name and the folder"),
        ("other.fits", "other.fits does not say that pixsed made it; give a FITS or ECSV file"),
        (
            "text.onnx",
            "text.onnx is not a model (wire type must be 0, 1, 2 or 5, got 6); give a file",
        ),
        ("foreign.fits", "foreign.fits does not say that pixsed made it; give a FITS or ECSV"),
        ("foreign.ecsv", "foreign.ecsv does not say that pixsed made it; give a FITS or ECSV"),
        ("plain.csv", "plain.csv does not say that pixsed made it; give a FITS or ECSV file"),
    ],
)
def test_what_cannot_be_cited(run_cli, in_folder, item, message):
    fits.PrimaryHDU().writeto("other.fits")
    # Cameras have a MODEL too, and the model may be called tau.
    foreign = {"CREATOR": "other 1.0", "MODEL": "tau"}
    fits.PrimaryHDU(header=fits.Header(foreign)).writeto("foreign.fits")
    Table({"ID": [1]}, meta={"MODEL": "tau"}).write("foreign.ecsv")
    (in_folder / "text.onnx").write_text("no model")
    (in_folder / "plain.csv").write_text("A,B\n1,2\n")
    result = run_cli("cite", item)
    assert result.exit_code == 1
    assert message in str(result.exception)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_model(run_cli, name):
    assert len(keys(run_cli("cite", "--model", name))) > 25
