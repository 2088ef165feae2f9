"""Options of `pixsed fit`: checks of their combinations, and conversion to dataclasses."""

from pathlib import Path

import click

from pixsed.cli.mosaics import per_band, split_bands
from pixsed.errors import PixsedError
from pixsed.fit.cube import load_for
from pixsed.fit.options import ExecutionOptions, FitOptions
from pixsed.fit.table_input import TableColumns
from pixsed.images.field_files import FieldFiles
from pixsed.io.formats.cube_file import CubeName
from pixsed.io.locate import expand_locations
from pixsed.io.provenance import command_line
from pixsed.models import redshift_advice

#: Options that apply only to some kinds of input; all other options apply to every kind.
KINDS_OF = {
    "all_pixels": ("cube", "image"),
    "segmap": ("image",),
    "catalog": ("image",),
    "redshift_map": ("image",),
    "errors": ("image",),
    "err_kinds": ("image",),
    "fills": ("image",),
    "rescale_errors": ("image",),
    "id_col": ("image", "table"),
    "z_col": ("image", "table"),
    "zerr_col": ("image", "table"),
    "units": ("image", "table"),
    "hdu": ("image", "table"),
    "tile": ("cube", "image"),
    "resume": ("cube", "image"),
    "part": ("cube", "image"),
    "scheduler": ("cube", "image"),
    "psfs": ("image",),
    "target": ("image",),
    "psf_scale": ("image",),
}
_NAMES = {"cube": "cubes", "image": "mosaics", "table": "tables"}


def fit_options(values):
    """Return the `~pixsed.fit.options.FitOptions` from the command's option values."""
    return FitOptions(**fields_of(FitOptions, values))


def execution_options(values):
    """Return the `~pixsed.fit.options.ExecutionOptions` from the command's option values."""
    # The command line of this process, not of a worker.
    return ExecutionOptions(command=command_line(), **fields_of(ExecutionOptions, values))


def fields_of(kind, values):
    """Return the option values that are fields of a dataclass, as a dict."""
    return {name: values[name] for name in kind.__dataclass_fields__ if name in values}


def table_columns(values):
    """Return the `~pixsed.fit.table_input.TableColumns` from the command's option values."""
    names = ("id_col", "z_col", "zerr_col", "hdu")
    return TableColumns(
        units=split_bands(values["units"]), **{name: values[name] for name in names}
    )


def source_files(kind, inputs, options, values):
    """Return the names of the files of a cube, or of the mosaics of a field.

    Parameters
    ----------
    kind : {"cube", "image"}
    inputs : sequence of str
        One cube, or images.
    options : `~pixsed.fit.options.FitOptions`
    values : dict
        Option values of the command.

    Returns
    -------
    `~pixsed.io.formats.cube_file.CubeName` or `~pixsed.images.field_files.FieldFiles`
    """
    common = {name: getattr(options, name) for name in ("redshift", "redshift_err", "all_pixels")}
    if kind == "cube":
        return CubeName(inputs[0], **common)
    images = expand_locations(inputs, values["hdu"])
    per_image = [values[name] for name in ("errors", "units", "err_kinds", "fills")]
    found = per_band(images, *per_image)
    errors, units, err_kinds, fills = (tuple(table[place] for place in images) for table in found)
    names = ("segmap", "redshift_map", "catalog", "id_col", "z_col", "zerr_col", "rescale_errors")
    return FieldFiles(
        images=tuple(images),
        errors=errors,
        units=units,
        err_kinds=err_kinds,
        fills=fills,
        **{name: values[name] for name in names},
        **common,
    )


def is_folder(output):
    """Return whether an output is an existing folder, or a name that ends in a slash."""
    return output.endswith("/") or Path(output).is_dir()


def only_table(inputs):
    """Return the table, the only input.

    Raises
    ------
    PixsedError
        If there are several inputs.
    """
    if len(inputs) > 1:
        raise PixsedError(f"{inputs[0]} is a table; tables are fitted one at a time")
    return inputs[0]


def check_engine(values):
    """Raise `click.UsageError` if options of the flow are given to the engine without draws."""
    if values["engine"] != "quantile":
        return
    if values["samples"] is not None:
        raise click.UsageError("--samples goes with --engine flow: quantile has no draws")
    if values["model_fluxes"]:
        raise click.UsageError("--model-fluxes goes with --engine flow: quantile predicts none")


def check_usage(kind, output, values):
    """Raise `click.UsageError` if options conflict with the inputs or with each other.

    Parameters
    ----------
    kind : {"cube", "image", "table"}
    output : str or None
        None if nothing is written.
    values : dict
        Option values of the command.
    """
    given = _given()
    for name, spelling in given.items():
        kinds = KINDS_OF.get(name, _NAMES)
        if kind not in kinds:
            if (name, kind) == ("units", "cube"):
                raise click.UsageError("--unit goes with mosaics and tables: a cube is in nJy")
            names = " and ".join(_NAMES[one] for one in kinds)
            raise click.UsageError(f"{spelling} goes with {names}, not with a {kind}")
    if kind == "table":
        _check_redshifts_of_table(given, values)
    if kind == "image":
        _check_redshifts_of_mosaics(given, values)
        if output is not None and is_folder(output):
            raise click.UsageError("the maps of mosaics are one file; give its name with -o")


def _given():
    """Return the options given by the command line or the environment: name -> spelling."""
    context = click.get_current_context()
    sources = click.core.ParameterSource
    return {
        option.name: option.opts[0]
        for option in context.command.params
        if context.get_parameter_source(option.name) in (sources.COMMANDLINE, sources.ENVIRONMENT)
    }


def _infers_redshift(values):
    """Return whether the model infers redshifts; put it into `values`, to be read once only."""
    values["model"], _ = load_for(values["model"], fit_options(values))
    return values["model"].infers_redshift


def _check_redshifts_of_table(given, values):
    for option, columns in (("redshift", ("z_col", "zerr_col")), ("redshift_err", ("zerr_col",))):
        for column in columns:
            if option in given and column in given:
                raise click.UsageError(f"give {given[option]} or {given[column]}, not both")
    redshifts = [n for n in ("redshift", "redshift_err", "z_col", "zerr_col") if n in given]
    name = values["model"]
    if redshifts and _infers_redshift(values):
        raise click.UsageError(
            f"{given[redshifts[0]]} goes with models that take a redshift; {name} infers it"
        )


def _check_redshifts_of_mosaics(given, values):
    catalog, redshift_map = values["catalog"], values["redshift_map"]
    redshift = values["redshift"]
    columns = [given[name] for name in ("id_col", "z_col", "zerr_col") if name in given]
    if columns and not catalog:
        raise click.UsageError(f"{columns[0]} of mosaics goes with --catalog")
    if catalog and not values["segmap"]:
        raise click.UsageError("--catalog goes with --segmap, whose ids it lists")
    if catalog and redshift_map:
        raise click.UsageError("give --catalog or --redshift-map, not both")
    known = catalog or redshift_map or redshift is not None
    if not known and not _infers_redshift(values):
        raise click.UsageError(
            "mosaics need redshifts: --segmap with --catalog, --redshift-map, or --redshift"
            + redshift_advice(", or give ")
        )
    if redshift_map and redshift is not None:
        raise click.UsageError("give --redshift-map or --redshift, not both")
    if catalog and (redshift is not None) != values["all_pixels"]:
        raise click.UsageError(
            "--catalog with --all-pixels needs --redshift, for the pixels outside the segments; "
            "--catalog without --all-pixels takes no --redshift"
        )
    if values["redshift_err"] is not None and redshift is None:
        raise click.UsageError("--redshift-err of mosaics goes with --redshift")
