"""What the subcommands that read mosaics share: options, and what they say of each band."""

import click

segmap = click.option("--segmap", metavar="SEG",
                      help="Segmentation map on the grid of the first image.")  # fmt: skip
catalog = click.option("--catalog", metavar="TABLE", help="Table of ids and redshifts.")
errors = click.option(
    "--err", "errors", multiple=True, metavar="[BAND=]EXT|FILE|sky",
    help="Where the errors are; sky: the rms of the image's sky.  [default: ERR, WHT, or a file "
    "beside the image]",
)  # fmt: skip
units = click.option(
    "--unit", "units", multiple=True, metavar="[BAND=]UNIT",
    help='Unit of the images, as uJy, or "zp=25.94" for an AB zero point.  [default: BUNIT]',
)  # fmt: skip
rescale_errors = click.option(
    "--rescale-errors", is_flag=True, help="Scale each band's errors to the scatter of its sky."
)


def catalog_columns(function):
    """Add `--id-col`, `--z-col` and `--zerr-col`."""
    for option in (
        click.option("--zerr-col", metavar="COL", help="Column of the redshifts' errors."),
        click.option("--z-col", metavar="COL", help="Column of the redshifts."),
        click.option("--id-col", metavar="COL", help="Column of the ids."),
    ):
        function = option(function)
    return function


def split_units(units):
    """Return what --unit says: band -> unit, that of every other band under None."""
    import re

    found = {}
    for text in units:
        match = re.fullmatch(r"(?!zp\s*=)([A-Za-z0-9_-]+)=(.+)", text)
        found[match[1].upper() if match else None] = match[2] if match else text
    return found


def per_band(locations, errors, units):
    """Return what --err and --unit say of each location: two dicts.

    Parameters
    ----------
    locations : list of `~pixsed.io.locate.Location`
    errors, units : sequence of str
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
    unit_by_band = split_units(units)
    named = (set(err_by_band) | set(unit_by_band)) - {None}
    bands = {place: read_band(place) for place in locations} if named else {}
    if unknown := named - set(bands.values()):
        raise PixsedError(
            f"{', '.join(sorted(unknown))}: named in --err or --unit, but not a band of the "
            f"images, which are {', '.join(sorted(bands.values()))}"
        )
    return tuple(
        {place: table.get(bands.get(place), table.get(None)) for place in locations}
        for table in (err_by_band, unit_by_band)
    )
