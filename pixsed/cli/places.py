"""Options of the subcommands that draw posteriors of pixels, regions or rows, and their use."""

import click

from pixsed.checks import MAX_SAMPLES
from pixsed.cli.draw_options import given_redshift
from pixsed.cli.mosaics import catalog_columns, units
from pixsed.cli.options import (
    FiniteFloat,
    error_floor,
    hdu,
    model,
    seed,
    zero_points,
)
from pixsed.cli.pictures import ENDINGS, picture_kind

_OF_CUBES = ("pixels", "positions", "region", "segment", "all_pixels", "snr_min")
_OF_TABLES = ("ids", "units", "id_col", "z_col", "zerr_col", "hdu")


def place_options(samples):
    """Return a decorator that adds the options of `read_posteriors`.

    Parameters
    ----------
    samples : int
        Default number of draws.
    """

    def decorate(function):
        for option in reversed((*_PLACES, model, _samples(samples), *_FITS)):
            function = option(function)
        return function

    return decorate


_PLACES = (
    click.option(
        "--pixel",
        "pixels",
        nargs=2,
        multiple=True,
        type=FiniteFloat(),
        metavar="X Y",
        help="Pixel of the cube, counted from 1 as in DS9; the pixel of a binned cube stands for "
        "its bin. Repeat it for several pixels.",
    ),
    click.option(
        "--position",
        "positions",
        nargs=2,
        multiple=True,
        metavar="RA DEC",
        help="Pixel at a position, in degrees, or in hours and degrees with colons.",
    ),
    click.option(
        "--region",
        metavar="FILE.reg",
        help="DS9 regions; the fluxes are summed over the pixels of each one.",
    ),
    click.option("--segment", is_flag=True, help="Sum the fluxes over the galaxy's segment."),
    click.option(
        "--id",
        "ids",
        multiple=True,
        metavar="ID",
        help="Row of a table, by its id; repeat it for several.",
    ),
)
_FITS = (
    click.option(
        "--snr-min",
        type=FiniteFloat(),
        show_default="5",
        help="Minimum mean S/N of a pixel, alone or in a sum.",
    ),
    error_floor,
    zero_points,
    click.option("--all-pixels", is_flag=True, help="Use pixels outside the galaxy's segment too."),
    given_redshift(),
    units,
    catalog_columns,
    hdu,
    seed,
)


def _samples(default):
    return click.option(
        "--samples",
        type=click.IntRange(2, MAX_SAMPLES),
        default=default,
        show_default=True,
        help="Number of posterior draws; with 128, the default of fit, the quantiles are those of "
        "its maps.",
    )


def read_posteriors(file, values):
    """Return the posteriors of the chosen places of a cube, or rows of a table.

    Parameters
    ----------
    file : str
        Cube or table.
    values : dict
        Values of the options of `place_options`.

    Returns
    -------
    posteriors : list of `~pixsed.fit.select_draws.Posterior`
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`
    title : str
        Galaxy, redshift and model.
    """
    from pixsed.cli.sky_position import sky_position
    from pixsed.fit.inputs import kind_of_inputs
    from pixsed.fit.select_draws import Places, draw_file

    kind = kind_of_inputs([file], values["hdu"])
    _check_usage(kind, file, values)
    places = Places(
        pixels=values["pixels"],
        positions=tuple(sky_position(one, "--position") for one in values["positions"]),
        region=values["region"],
        segment=values["segment"],
    )
    model, options, columns = model_and_options(values)
    where = places if kind == "cube" else values["ids"]
    found, galaxy = draw_file(file, model, where, options, columns)
    return found, model, options, _title(found, model, galaxy)


def model_and_options(values):
    """Return the model, the options of its fits, and those of columns of a table.

    Parameters
    ----------
    values : dict
        Values of the options of `place_options`.

    Returns
    -------
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`
    columns : `~pixsed.fit.table_input.TableColumns`
    """
    from pixsed.cli.fit_options import fit_options, table_columns
    from pixsed.fit.cube import load_for

    columns = table_columns(values)
    return *load_for(values["model"], fit_options(values)), columns


def _check_usage(kind, file, values):
    """Raise `click.UsageError` if options do not go with the kind of input."""
    if kind == "image":
        raise click.UsageError(f"{file} is an image; give a cube made by pixsed cutout, or a table")
    spelling = {
        option.name: option.opts[0] for option in click.get_current_context().command.params
    }
    others = _OF_TABLES if kind == "cube" else _OF_CUBES
    wrong = [name for name in others if values[name] not in (None, (), False)]
    if wrong:
        other = "a table" if kind == "cube" else "a cube"
        raise click.UsageError(f"{spelling[wrong[0]]} goes with {other}, and {file} is a {kind}")
    if kind == "cube" and not any(values[name] for name in _OF_CUBES[:4]):
        raise click.UsageError("give --pixel, --position, --region or --segment")
    if kind == "table" and not values["ids"]:
        raise click.UsageError("give --id, the row of the table")


def _title(posteriors, model, galaxy):
    """Return the galaxy, the redshift if it is common to all, and the model, in lines."""
    parts = [f"galaxy {galaxy}"] if galaxy else []
    redshifts = {(one.redshift, one.redshift_err) for one in posteriors}
    if len(redshifts) == 1 and posteriors[0].redshift >= 0:
        [(z, dz)] = redshifts
        parts.append(f"z = {z:.4g}" + (f" ± {dz:.2g}" if dz > 0 else ""))
    return ", ".join([*parts, f"model {model.name}"])


def picture_or_table(output):
    """Return the format of a picture by its name, as `picture_kind`; None for a table.

    Raises
    ------
    PixsedError
        If the ending is that of neither a picture nor a table.
    """
    from pixsed.io.outputs import check_ending

    kind = picture_kind(output)
    if kind is None:
        check_ending(
            output, (*ENDINGS, ".fits", ".ecsv", ".csv", ".fits.gz"), "a picture or table is"
        )
    return kind
