"""What the subcommands that read mosaics share: options, and what they say of each band."""

import click

_FILL = (
    "Values that stand for no data, as 0 or -99; none: every value is measured; auto: those "
    "that come far too often to be measured.  [default: auto]"
)
_WHERE = "[default: ERR, WHT, or a file beside the image]"
# Written out, since --help is to import no numpy; a test holds it against its room.
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
    help='Unit of the images, as uJy, or "zp=25.94" for an AB zero point.  [default: BUNIT]',
)
rescale_errors = click.option(
    "--rescale-errors", is_flag=True, help="Scale each band's errors to the scatter of its sky."
)


def errors(function):
    """Add `--err`, `--err-kind` and `--fill`, each of one band or of all."""
    for option in (
        click.option(
            "--fill", "fills", multiple=True, metavar="[BAND=]VALUE|none|auto", help=_FILL
        ),
        click.option(
            "--err-kind",
            "err_kinds",
            multiple=True,
            metavar="[BAND=]KIND",
            help="What the errors are: sigma, variance or weight.  [default: told by "
            "their name, unit and the sky]",
        ),
        click.option(
            "--err",
            "errors",
            multiple=True,
            metavar="[BAND=]EXT|FILE|sky",
            help="Where the errors are; sky: the rms of the image's sky.  " + _WHERE,
        ),
    ):
        function = option(function)
    return function


def image_errors(function):
    """Add `--err`, `--err-kind` and `--fill`, of one image."""
    for option in (
        click.option("--fill", default="auto", metavar="VALUE|none|auto", help=_FILL),
        click.option(
            "--err-kind",
            type=click.Choice(KINDS),
            help="What the errors are.  [default: told by their name, unit and the sky]",
        ),
        click.option(
            "--err",
            metavar="EXT|FILE|sky",
            help="Where the errors are; sky: the rms of the sky alone.  " + _WHERE,
        ),
    ):
        function = option(function)
    return function


def catalog_columns(function):
    """Add `--id-col`, `--z-col` and `--zerr-col`."""
    for option in (
        click.option("--zerr-col", metavar="COL", help="Column of the redshifts' errors."),
        click.option("--z-col", metavar="COL", help="Column of the redshifts."),
        click.option("--id-col", metavar="COL", help="Column of the ids."),
    ):
        function = option(function)
    return function


def split_bands(texts):
    """Return what ``[BAND=]VALUE`` options say: band -> value, that of others under None."""
    import re

    found = {}
    for text in texts:
        match = re.fullmatch(r"(?!zp\s*=)([A-Za-z0-9_-]+)=(.+)", text)
        found[match[1].upper() if match else None] = match[2] if match else text
    return found


def per_band(locations, errors, units, err_kinds=(), fills=()):
    """Return what --err, --unit, --err-kind and --fill say of each location: four dicts.

    Parameters
    ----------
    locations : list of `~pixsed.io.locate.Location`
    errors, units, err_kinds, fills : sequence of str
        The options' values.

    Raises
    ------
    PixsedError
        If a band is named that is not among the images'.
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
