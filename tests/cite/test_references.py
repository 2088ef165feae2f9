"""References of commands, models and files: all known, none unused."""

import ast
import importlib
from pathlib import Path

import pytest

import pixsed
from pixsed.cite import commands, ingredients
from pixsed.cite.bibtex import entries
from pixsed.cite.references import references, written
from pixsed.cli.main import COMMANDS
from pixsed.errors import PixsedError
from pixsed.models import shipped
from pixsed.simulate.priors import PRIORS

TAU = {
    "LIBRARY": "FSPS",
    "ISOCHRO": "MIST",
    "SPECLIB": "MILES",
    "IMF": "Chabrier",
    "ATTENUAT": "calzetti",
    "IGM": "inoue14",
}


def named():
    """Return every key that the package can cite."""
    pairs = [*commands.ALWAYS, *(pair for used in commands.USED.values() for pair in used)]
    keys = {key for key, _ in pairs} | {key for rule in ingredients.RULES for key in rule.keys}
    keys |= {key for found, _ in ingredients.PRIORS.values() for key in found}
    # Keys in the functions of the module, such as those of filter curves.
    source = Path(ingredients.__file__).read_text()
    texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    return keys | {text for text in texts if text in entries()}


def test_keys_and_entries_are_the_same():
    assert named() == set(entries())


def test_every_command_is_known():
    assert set(COMMANDS) <= set(commands.USED)
    assert set(commands.WITH_MODEL) <= set(commands.USED)


@pytest.mark.parametrize("name", COMMANDS)
def test_commands(name):
    found = references([name])
    assert {key for key, _ in (*commands.ALWAYS, *commands.USED[name])} <= set(found)
    assert ("calzetti2000" in found) == (name in commands.WITH_MODEL)


def test_commands_that_run_a_model_are_those_with_the_option():
    with_option = set()
    for name in set(COMMANDS) - {"cite"}:
        module = importlib.import_module(f"pixsed.cli.{name.replace('-', '_')}")
        if {"model"} & {param.name for param in module.command.params}:
            with_option.add(name)
    assert with_option <= set(commands.WITH_MODEL)


@pytest.mark.parametrize("name", shipped())
def test_shipped_models(name):
    found = references(models=[name])
    assert set(found) <= set(entries())
    assert {"onnxruntime", "draine2007", "inoue2014", "chabrier2003", "durkan2019"} <= set(found)
    broad = name.startswith("broad")
    assert ("bertelli1994" in found) == broad  # the isochrones of BC03
    assert ("salim2018" in found) == broad
    assert ("calzetti2000" in found) == (not broad)
    # All of them have FSPS's populations, from two emulators: python-fsps itself is not used.
    assert {"conroy2009", "dotter2016", "hahn2023", "qiu2022"} <= set(found)
    assert "foremanmackey2014" not in found


def test_reasons_say_which_ingredient():
    found = references(["fit"], ["tau"])
    assert found["dotter2016"] == ["model tau: isochrones: MIST"]
    assert found["onnxruntime"] == ["fit: package"]


@pytest.mark.parametrize("prior", PRIORS)
def test_every_prior_is_known(prior):
    assert isinstance(ingredients.of_prior(prior, "test"), list)


@pytest.mark.parametrize(
    ("cards", "keys"),
    [
        (TAU, {"conroy2009", "foremanmackey2014"}),
        (TAU | {"EMULATOR": "provabgs, starduster"}, {"hahn2023", "qiu2022"}),
        (TAU | {"ISOCHRO": "PARSEC", "SPECLIB": "C3K"}, {"bressan2012"}),
        (TAU | {"ISOCHRO": "Padova 2007", "IMF": "Salpeter"}, {"marigo2008", "salpeter1955"}),
        (TAU | {"NEBULAR": "CLOUDY of FSPS, no grains"}, {"byler2017", "ferland2013"}),
        (TAU | {"ATTENUAT": "smc", "IGM": "madau95"}, {"gordon2003", "gordon2016", "madau1995"}),
        (TAU | {"LIBRARY2": "BC03", "REMNANT2": "Renzini"}, {"bruzual2003", "renzini1993"}),
    ],
)
def test_ingredients(cards, keys):
    assert keys <= {key for key, _ in ingredients.of_populations(cards, "test")}


@pytest.mark.parametrize(
    ("nebular", "key"),
    [
        ("CLOUDY of FSPS, no grains", "ferland2013"),
        ("CLOUDY 17, no grains", "ferland2017"),
        ("CLOUDY 25, no grains, stars below 10 Myr, fesc = 0", "gunasekera2025"),
        ("CLOUDY 25, stars below 10 Myr, scaled to FSPS at log U = -2", "gunasekera2025"),
        ("none", None),
    ],
)
def test_only_the_release_of_cloudy_that_was_used_is_cited(nebular, key):
    found = {key for key, _ in ingredients.of_populations(TAU | {"NEBULAR": nebular}, "test")}
    releases = {"ferland2013", "ferland2017", "gunasekera2025"}
    assert found & releases == ({key} if key else set())


@pytest.mark.parametrize(
    ("card", "value"),
    [("LIBRARY", "BPASS"), ("ISOCHRO", "BaSTI"), ("IMF", "top-heavy"), ("IGM", "meiksin06")],
)
def test_unknown_ingredients_are_not_passed_over(card, value):
    with pytest.raises(PixsedError, match=f"mine: {card} = {value}: pixsed does not know what to"):
        ingredients.of_populations(TAU | {card: value}, "mine")


def test_unknown_priors_are_not_passed_over():
    with pytest.raises(PixsedError, match="model x: prior lognormal: pixsed does not know what"):
        ingredients.of_model({"name": "x", "prior": {"sfh": "lognormal"}})


def test_cards_are_those_of_grids():
    from pixsed.sps import ssp

    assert set(ingredients.CARDS) - {"ATTENUAT", "IGM"} <= set(ssp.POPULATION_KEYS)


def test_written_as_text():
    text = written({"conroy2009": ["a", "b"]}, "text")
    assert text.endswith("699/1/486\n    for a; b\n")


def test_written_as_bibtex():
    text = written({"conroy2009": ["a", "b"]})
    assert text.startswith(f"% What to cite, by pixsed {pixsed.__version__}\n\n% a; b\n@article{{")
    assert text.endswith("}\n")
