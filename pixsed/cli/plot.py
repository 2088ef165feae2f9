"""`pixsed plot`: draw maps as pictures."""

import click

from pixsed.cli.options import examples, output, properties, psf_fwhm, quiet_verbose
from pixsed.cli.pictures import KINDS, check_picture, dpi, write_picture

EPILOG = examples(
    "pixsed plot maps.fits -o maps.png",
    "pixsed plot maps.fits --rgb 531.fits --property LOGSIGMA,AGE,AV -o maps.pdf",
    "pixsed plot maps/*.fits --rgb 'cubes/*.fits' --contact-sheet -o sheet.png",
)


@click.command(epilog=EPILOG)
@click.argument("maps", metavar="MAPS...", nargs=-1, required=True)
@properties(
    "Property to draw, such as LOGMSTAR; repeat it, or separate by commas. Also LOGSSFR, "
    "LOGSIGMA_SFR, SNR, NBANDS, OOD, CHI2.  [default: LOGSIGMA LOGSFR AGE METAL AV]"
)
@click.option(
    "--rgb",
    "cubes",
    multiple=True,
    metavar="CUBE",
    help="Cube that was fitted, drawn as an RGB image before the maps; repeat it for several MAPS, "
    "or give a pattern in quotes. Cubes are found by OBJECT.",
)
@click.option(
    "--contact-sheet", is_flag=True, help="One picture of all MAPS, with one row per galaxy."
)
@click.option(
    "--std",
    is_flag=True,
    help="With --contact-sheet: standard deviations instead of medians.",
)
@psf_fwhm
@click.option(
    "--format",
    "kind",
    type=click.Choice(KINDS),
    default="png",
    show_default=True,
    help="Format of the pictures in a folder.",
)
@dpi
@output(
    "Output picture: .png, .pdf or .svg; for several MAPS a folder of <MAPS>.png; - for a PNG on "
    "standard output."
)
@quiet_verbose
def command(maps, properties, cubes, contact_sheet, std, kind, output, overwrite, **look):
    """Draw maps as pictures.

    One column per property: the median above, the standard deviation below, cropped to
    the fitted pixels, with RA, Dec and scale bars in arcsec and kpc. Planes without a
    standard deviation come last. LOGSSFR is the difference of the medians of LOGSFR and
    LOGMSTAR; LOGSIGMA_SFR is LOGSFR per kpc^2. A colour bar says at which percentiles its
    colours are cut. Needs matplotlib: pip install matplotlib.
    """
    from pixsed.cli.fit_options import is_folder
    from pixsed.plots.pictures import cubes_by_object

    if std and not contact_sheet:
        raise click.UsageError("--std is for --contact-sheet; other pictures have both.")
    if contact_sheet:
        kind = check_picture(output, overwrite)
        _draw_sheet(maps, properties, cubes_by_object(cubes), std, kind, output, overwrite, look)
    elif len(maps) > 1 or is_folder(output):
        _draw_many(maps, properties, cubes_by_object(cubes), kind, output, overwrite, look)
    else:
        kind = check_picture(output, overwrite)
        _draw_one(maps[0], properties, cubes_by_object(cubes), kind, output, overwrite, look)


def _draw_one(path, properties, cubes, kind, output, overwrite, look):
    from pixsed.cli.options import say
    from pixsed.plots.maps import draw
    from pixsed.plots.pictures import read_galaxy

    panels, composite = read_galaxy(path, properties, cubes)
    figure = draw(panels, composite=composite, psf_fwhm=look["psf_fwhm"])
    write_picture(figure, output, kind, overwrite=overwrite, dpi=look["dpi"])
    ny, nx = panels.fitted.shape
    more = "" if composite is None else f"; RGB: {composite.text}"
    say(f"{output}: {len(panels.properties)} properties, {nx} x {ny} pixels{more}")


def _draw_many(maps, properties, cubes, kind, folder, overwrite, look):
    """Draw one picture per maps file; report files that cannot be drawn, and go on."""
    from pathlib import Path

    from pixsed.cli.options import complain
    from pixsed.errors import PixsedError, failure_text
    from pixsed.io.outputs import check_output
    from pixsed.plots.pictures import picture_paths

    paths = picture_paths(maps, folder, kind)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path in paths:
        check_output(path, overwrite)
    failed = 0
    for path, picture in zip(maps, paths, strict=True):
        try:
            _draw_one(path, properties, cubes, kind, picture, overwrite, look)
        except Exception as error:  # whatever it is, the other maps are drawn
            failed += 1
            complain(failure_text(error))
    if failed:
        raise PixsedError(f"{failed} of {len(maps)} maps could not be drawn; {folder} has the rest")


def _draw_sheet(maps, properties, cubes, std, kind, output, overwrite, look):
    from pixsed.cli.options import say
    from pixsed.plots.contact_sheet import draw_sheet
    from pixsed.plots.pictures import read_galaxy

    galaxies = [read_galaxy(path, properties, cubes) for path in maps]
    figure = draw_sheet(galaxies, std=std, psf_fwhm=look["psf_fwhm"])
    write_picture(figure, output, kind, overwrite=overwrite, dpi=look["dpi"])
    say(f"{output}: {len(galaxies)} galaxies, {len(galaxies[0][0].properties)} properties")
