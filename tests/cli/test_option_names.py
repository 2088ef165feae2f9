"""One name for one option: the same name means the same in every command."""

import collections

import click
import pytest

from pixsed.cli.main import COMMANDS, cli

#: Options whose metavar or type differs between commands -> reason.
OTHER_FORM = {
    "--bands": "rgb takes three, in the order of the colours",
    "--err": "commands of several images take it by band",
    "--err-kind": "commands of several images take it by band",
    "--fill": "commands of several images take it by band",
    "--format": "of pictures, and of references",
    "--method": "each command has its own methods",
    "--plot": "validate makes four pictures from the name, as .png",
    "--psf": "check takes it by band",
    "--target": "a PSF, or with check the band of one of several",
}
#: Options that mean the same in all commands, in words that fit each command -> difference.
OTHER_WORDS = {
    "--all-pixels": "what the pixels are used for",
    "--draws": "sums, or annuli",
    "--filter": "train repeats the filters of simulate",
    "--id": "of a segment, or of a row of a table",
    "--id-col": "compare matches two tables by it",
    "--model": "cite takes several, and has another default",
    "--noise": "what the noise is applied to, and its default",
    "--output": "kind of file",
    "--overwrite": "ds9 has another output",
    "--part": "parts of images, or of galaxies",
    "--position": "centre of a cutout, or a pixel",
    "--property": "what is done with it, and the default",
    "--psf-fwhm": "drawn as a circle, or marked in a profile",
    "--quantiles": "written, or shown",
    "--redshift": "of one galaxy, or of all of a mosaic",
    "--redshift-err": "with --redshift, or in place of that of the file",
    "--region": "what is done with the regions",
    "--resume": "what is continued",
    "--samples": "per pixel, per place or per simulation",
    "--segmap": "galaxies to fit, sources to leave out, or outlines to draw",
    "--snr-min": "of a pixel, a row, a sum or a star",
    "--ssp": "what the grid is used for",
    "--std": "shown too, or instead of medians",
    "-n": "simulations to make, or to use",
}


def forms(param):
    """Return the metavar, the kind of value and the help of an option."""
    context = click.Context(cli)
    kind = "flag" if param.is_flag else param.type.name
    kind += " " + " ".join(getattr(param.type, "choices", ()))
    metavar = "" if param.is_flag else param.make_metavar(context)
    return metavar, kind.replace("path", "text"), " ".join((param.help or "").split())


@pytest.fixture(scope="module")
def options():
    """Return option -> (metavar, kind, help) -> commands."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for name in COMMANDS:
        for param in cli.get_command(click.Context(cli), name).params:
            if isinstance(param, click.Option):
                found[max(param.opts, key=len)][forms(param)].append(name)
    return found


def test_forms_of_an_option_are_the_same(options):
    differ = {o: f for o, f in options.items() if len({(m, k) for m, k, _ in f}) > 1}
    assert {o: dict(f) for o, f in differ.items() if o not in OTHER_FORM} == {}
    assert set(OTHER_FORM) <= set(differ), "no longer needed"


def test_words_of_an_option_are_the_same(options):
    differ = {o: f for o, f in options.items() if len({words for _, _, words in f}) > 1}
    known = set(OTHER_FORM) | set(OTHER_WORDS)
    assert {o: dict(f) for o, f in differ.items() if o not in known} == {}
    assert set(OTHER_WORDS) <= set(differ), "no longer needed"


def test_one_thing_has_one_name(options):
    names = collections.defaultdict(set)
    for option, found in options.items():
        for *_, words in found:
            names[words].add(option)
    assert {words: found for words, found in names.items() if len(found) > 1} == {}


def test_every_option_has_help(options):
    assert [o for o, found in options.items() if not all(words for *_, words in found)] == []


def test_every_whole_number_has_bounds():
    """A number of any size would end in an error of numpy or torch."""
    for name in COMMANDS:
        for param in cli.get_command(click.Context(cli), name).params:
            is_number = isinstance(param.type, click.types.IntParamType) and not param.count
            assert not is_number or (
                isinstance(param.type, click.IntRange)
                and param.type.max is not None
                and param.type.min is not None
            ), f"{name} {param.name}"


def test_a_short_option_belongs_to_one_long_one():
    longs = collections.defaultdict(set)
    for name in COMMANDS:
        for param in cli.get_command(click.Context(cli), name).params:
            for short in {o for o in param.opts if not o.startswith("--")} & {*param.opts}:
                if isinstance(param, click.Option):
                    longs[short].add(max(param.opts, key=len))
    assert {short: found for short, found in longs.items() if len(found) > 1} == {}


#: Options of the contract of commands -> commands; scripts rely on these names.
FIXED = {
    "--output": set(COMMANDS) - {"models", "ds9", "completion", "check", "run"},
    "--hdu": {"bkg", "psf", "psfmatch", "cutout", "fit", "sum-mass", "corner", "sfh", "ppc"},
    "--segmap": {"bkg", "psfmatch", "cutout", "fit", "sum-mass", "ds9"},
    "--catalog": {"cutout", "fit", "sum-mass"},
    "--snr-min": {"psf", "fit", "sum-mass", "profile", "corner", "sfh", "ppc", "validate"},
    "--model": {"fit", "sum-mass", "profile", "corner", "sfh", "ppc", "cite"},
    "--seed": {"fit", "sum-mass", "profile", "corner", "sfh", "ppc", "simulate", "train"},
    "--jobs": {"fit", "sum-mass", "profile", "simulate", "train", "validate"},
    "--position": {"cutout", "corner", "sfh", "ppc"},
    "--samples": {"fit", "sum-mass", "profile"},
    "--quantiles": {"fit", "ds9"},
    "--tile": {"fit"},
    "--size": {"cutout"},
}


@pytest.mark.parametrize("option", FIXED)
def test_commands_have_the_options_of_their_kind(options, option):
    has = {name for names in options[option].values() for name in names}
    assert FIXED[option] & set(COMMANDS) <= has


@pytest.mark.parametrize(
    ("command", "old", "new"),
    [
        ("bkg", "--mask", "--segmap"),
        ("psfmatch", "--mask", "--segmap"),
        ("psf", "--min-snr", "--snr-min"),
        ("psf", "--size", "--side"),
        ("corner", "--radec", "--position"),
        ("ds9", "--regions", "--region"),
        ("ds9", "--quantile", "--quantiles"),
        ("profile", "--unit", "--radius-unit"),
        ("profile", "--noise", "--draws"),
        ("sum-mass", "--noise", "--draws"),
        ("train", "--resume", "--continue"),
        ("validate", "--coverage", "--coverage-range"),
    ],
)
def test_names_that_were_changed(command, old, new):
    params = cli.get_command(click.Context(cli), command).params
    names = {name for param in params for name in param.opts}
    assert new in names and old not in names


@pytest.mark.parametrize(
    ("command", "option", "variable"),
    [
        ("fit", "--unit", "PIXSED_FIT_UNIT"),
        ("sum-mass", "--snr-min", "PIXSED_SUM_MASS_SNR_MIN"),
        ("bkg", "--segmap", "PIXSED_BKG_SEGMAP"),
        ("simulate", "-n", "PIXSED_SIMULATE_N"),
        ("fit", "--output", "PIXSED_FIT_OUTPUT"),
    ],
)
def test_variables_have_the_names_of_options(command, option, variable):
    params = cli.get_command(click.Context(cli), command).params
    [param] = [param for param in params if option in param.opts]
    assert param.envvar[0] == variable


def test_an_option_from_a_variable(run_cli, monkeypatch):
    monkeypatch.setenv("PIXSED_PROFILE_RADIUS_UNIT", "parsec")
    result = run_cli("profile", "cube.fits", "-o", "out.fits")
    assert result.exit_code == 2 and "'parsec' is not one of 'arcsec', 'kpc'" in result.output
