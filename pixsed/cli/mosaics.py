"""Options of the subcommands that read images, and their values for each band."""

import click

_FILL = (
    "Values that mean no data, such as 0 or -99; none: every value is a measurement; auto: "
    "values that occur far too often to be measurements.  [default: auto]"
)
_WHERE = "[default: ERR, WHT, or a file beside the image]"
_KIND = "[default: from their name, their unit and the sky]"
# Repeated here so that --help does not import numpy; a test compares it with the original.
KINDS = ("sigma", "variance", "weight")

segmap = click.option(
    "--segmap", metavar="SEG", help="Segmentation map on the grid of the first image."
)
catalog = click.option("--catalog", metavar="TABLE", help="Table of ids and redshifts.")
units = click.option(
    "--unit",
    "units",
    multiple=True,
    metavar="[BAND=]UNIT",
    help='Unit of the images, such as uJy, or "zp=25.94" for an AB zero point.  [default: BUNIT]',
)
rescale_errors = click.option(
    "--rescale-errors", is_flag=True, help="Scale each band's errors to the scatter of its sky."
)


def errors(function):
    """Add `--err`, `--err-kind` and `--fill`, each for one band or for all."""
    for option in (
        click.option(
            "--fill", "fills", multiple=True, metavar="[BAND=]VALUE|none|auto", help=_FILL
        ),
        click.option(
            "--err-kind",
            "err_kinds",
            multiple=True,
            metavar="[BAND=]KIND",
            help="Kind of the errors: sigma, variance or weight.  " + _KIND,
        ),
        click.option(
            "--err",
            "errors",
            multiple=True,
            metavar="[BAND=]EXT|FILE|sky",
            help="Errors of the image; sky: the rms of its sky.  " + _WHERE,
        ),
    ):
        function = option(function)
    return function


def image_errors(function):
    """Add `--err`, `--err-kind` and `--fill` for one image."""
    for option in (
        click.option("--fill", default="auto", metavar="VALUE|none|auto", help=_FILL),
        click.option(
            "--err-kind",
            type=click.Choice(KINDS),
            help="Kind of the errors.  " + _KIND,
        ),
        click.option(
            "--err",
            metavar="EXT|FILE|sky",
            help="Errors of the image; sky: only the rms of its sky.  " + _WHERE,
        ),
    ):
        function = option(function)
    return function


def catalog_columns(function):
    """Add `--id-col`, `--z-col` and `--zerr-col`."""
    for option in (
        click.option("--zerr-col", metavar="COL", help="Column of the redshift errors."),
        click.option("--z-col", metavar="COL", help="Column of the redshifts."),
        click.option("--id-col", metavar="COL", help="Column of the ids."),
    ):
        function = option(function)
    return function


def split_bands(texts):
    """Return the values of ``[BAND=]VALUE`` options by band; None is the key of all others."""
    import re

    from pixsed.io.location_text import BAND

    found = {}
    for text in texts:
        match = re.fullmatch(rf"(?!zp\s*=)({BAND})=(.+)", text)
        found[match[1].upper() if match else None] = match[2] if match else text
    return found


def per_band(locations, errors, units, err_kinds=(), fills=()):
    """Return the values of --err, --unit, --err-kind and --fill for each location: four dicts.

    Parameters
    ----------
    locations : list of `~pixsed.io.locate.Location`
    errors, units, err_kinds, fills : sequence of str
        Values of the options, ``[BAND=]VALUE``.

    Raises
    ------
    PixsedError
        If no image is of a band that an option names.
    """
    from pixsed.errors import PixsedError
    from pixsed.io.image import read_band
    from pixsed.io.locate import expand_locations

    err_by_band = {}
    for text in errors:
        if "=" not in text:
            err_by_band[None] = text
            continue
        for place in expand_locations([text]):
            err_by_band[place.band and place.band.upper()] = str(place)
    tables = [err_by_band, *map(split_bands, (units, err_kinds, fills))]
    if odd := set(tables[2].values()) - set(KINDS):
        raise click.BadParameter(
            f"{odd.pop()!r} must be one of {', '.join(KINDS)}", param_hint="--err-kind"
        )
    named = set().union(*tables) - {None}
    bands = {place: read_band(place) for place in locations} if named else {}
    if unknown := named - set(bands.values()):
        raise PixsedError(
            f"{', '.join(sorted(unknown))}: named in --err, --unit, --err-kind or --fill, but not "
            f"a band of the images, which are {', '.join(sorted(bands.values()))}"
        )
    return tuple(
        {place: table.get(bands.get(place), table.get(None)) for place in locations}
        for table in tables
    )


def images_with_options(images, hdu, errors, units, err_kinds, fills):
    """Return (location, options of `~pixsed.io.image.ImageFile`) of each image.

    Parameters
    ----------
    images : sequence of str
        ``[BAND=]path[EXT]``; patterns are expanded.
    hdu : str or None
        Extension of images that name none.
    errors, units, err_kinds, fills
        As for `per_band`.
    """
    from pixsed.io.locate import expand_locations

    locations = expand_locations(images, hdu)
    names = ("err", "unit", "err_kind", "fill")
    tables = dict(zip(names, per_band(locations, errors, units, err_kinds, fills), strict=True))
    return [(place, {name: tables[name][place] for name in names}) for place in locations]
