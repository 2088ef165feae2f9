"""`pixsed profile`: radial profiles of galaxies, in elliptical annuli."""

import click

from pixsed.cli.draw_options import given_redshift, pixel_noise, summed_samples
from pixsed.cli.options import (
    FiniteFloat,
    FiniteRange,
    error_floor,
    examples,
    jobs,
    model,
    output,
    properties,
    quiet_verbose,
    say,
    seed,
    zero_points,
)
from pixsed.cli.pictures import ENDINGS_TEXT, dpi

EPILOG = examples(
    "pixsed profile 531.fits --model tau --psf-fwhm 0.16 -o profile.fits --plot profile.png",
    "pixsed profile 531.fits --radius-unit reff --radii 0,0.25,0.5,1,2 --normalise -o profile.ecsv",
    "pixsed profile 531.fits --centre light --axis-ratio 0.7 --pa 35 --width 0.06 -o profile.csv",
)


@click.command(epilog=EPILOG)
@click.argument("cube", metavar="CUBE")
@model
@click.option(
    "--centre",
    default="mass",
    show_default=True,
    metavar="mass|light|RA,DEC",
    help="Most massive pixel, centroid of the light of the segment, or a position, in degrees or "
    "as 3:32:26,-27:51:34.",
)
@click.option(
    "--axis-ratio",
    type=FiniteRange(min=0, max=1, min_open=True),
    help="Minor over major axis.  [default: measured on the light of the segment]",
)
@click.option(
    "--pa",
    type=FiniteFloat(),
    metavar="DEGREES",
    help="Position angle of the major axis, east of north.  [default: measured]",
)
@click.option(
    "--radii",
    metavar="R,R,...",
    help="Semi-major axes of the edges of the annuli, in the unit of --radius-unit.",
)
@click.option(
    "--width",
    type=FiniteRange(min=0, min_open=True),
    help="Width of annuli from the centre on, in the unit of --radius-unit, in place of --radii.  "
    "[default: 2 pixels]",
)
@click.option(
    "--radius-unit",
    "unit",
    type=click.Choice(("arcsec", "kpc", "reff", "psf")),
    default="arcsec",
    show_default=True,
    help="Unit of radii: arcsec, kpc, effective radii (see --reff), or FWHM of the PSF.",
)
@click.option(
    "--reff",
    default="light",
    show_default=True,
    metavar="light|mass|ARCSEC",
    help="Effective radius, a semi-major axis: half of the light of the segment, half of the "
    "mass of the fitted pixels, or a value.",
)
@click.option(
    "--psf-fwhm",
    type=FiniteRange(min=0, min_open=True),
    metavar="ARCSEC",
    help="FWHM of the PSF; radii below half of it are marked.  [default: PSFFWHM of the cube's "
    "header; without it they are not marked]",
)
@properties(
    "Property of the table and the picture; repeat it, or separate by commas. Also LOGSIGMA_SFR "
    "and LOGSSFR.  [default: all; in the picture LOGSIGMA AGE AV LOGSSFR]"
)
@click.option(
    "--normalise", is_flag=True, help="Add columns relative to the central pixel, draw by draw."
)
@pixel_noise(
    "Correlation of the draws of different pixels: that of the noise and the prior; none "
    "but that of --error-floor; or complete, an upper bound of the errors."
)
@summed_samples
@click.option(
    "--snr-min",
    type=FiniteFloat(),
    default=5.0,
    show_default=True,
    help="Minimum mean S/N of a pixel.",
)
@error_floor
@zero_points
@click.option("--all-pixels", is_flag=True, help="Use pixels outside the galaxy's segment too.")
@given_redshift()
@seed
@jobs
@click.option(
    "--plot", type=click.Path(), metavar="FILE", help=f"Also draw a picture: {ENDINGS_TEXT}."
)
@dpi
@output("Table (.fits, .ecsv or .csv), one row per annulus; - for standard output.")
@quiet_verbose
def command(cube, model, properties, noise, plot, dpi, output, overwrite, jobs, **values):
    """Radial profile of a galaxy, in elliptical annuli.

    For each annulus the surface densities of mass and SFR, mass-weighted AGE, A_V and the
    other properties, and their quantiles at 16, 50 and 84 %: draw k of an annulus is made
    from draw k of all its pixels. All radii are semi-major axes. A pixel counts by the
    fraction of its area inside. The picture needs matplotlib: pip install matplotlib.
    """
    from pixsed.cli.fit_options import fields_of, fit_options
    from pixsed.cli.fit_report import PixelBar
    from pixsed.cli.pictures import write_picture
    from pixsed.fit.profiles.options import ProfileOptions
    from pixsed.fit.profiles.profile import profile

    kind = _picture(plot, properties, overwrite)
    values["centre"], values["reff"] = _centre(values["centre"]), _reff(values["reff"])
    values["radii"] = _radii(values["radii"], values["width"])
    annuli = ProfileOptions(**fields_of(ProfileOptions, values))
    table = profile(
        cube,
        model,
        fit_options(values),
        annuli,
        properties=properties,
        noise=noise,
        output=output,
        overwrite=overwrite,
        jobs=jobs,
        progress=PixelBar,
    )
    say(_line(output, table))
    if plot:
        from pixsed.plots.profile import draw

        figure = draw(table, properties, unit=annuli.unit)
        write_picture(figure, plot, kind, overwrite=overwrite, dpi=dpi)


def _picture(plot, properties, overwrite):
    """Return the format of the picture, None without one; check that it can be drawn."""
    if not plot:
        return None
    from pixsed.cli.pictures import picture_kind
    from pixsed.io.outputs import check_output
    from pixsed.plots.figure import new_figure
    from pixsed.plots.profile import MOST

    kind = picture_kind(plot)
    if kind is None:
        raise click.BadParameter(f"{plot!r} must end in {ENDINGS_TEXT}", param_hint="--plot")
    if len(properties) > MOST:
        raise click.UsageError(f"--property: a picture has {MOST} panels at most")
    check_output(plot, overwrite)
    new_figure()  # raises if matplotlib is not installed
    return kind


def _centre(text):
    """Return a centre as `~pixsed.fit.profiles.options.ProfileOptions` takes it."""
    from pixsed.cli.sky_position import sky_position

    parts = text.split(",")
    if len(parts) == 2:
        return sky_position(tuple(part.strip() for part in parts), "--centre")
    if text.strip().lower() in ("mass", "light"):
        return text.strip().lower()
    raise click.BadParameter(
        f"{text!r} must be mass, light, or RA,DEC such as 53.1,-27.8", param_hint="--centre"
    )


def _reff(text):
    if text.strip().lower() in ("light", "mass"):
        return text.strip().lower()
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} must be light, mass, or a radius in arcsec", param_hint="--reff"
        ) from None


def _radii(text, width):
    if text is None:
        return None
    if width is not None:
        raise click.UsageError("--radii and --width cannot both be given; give one of them")
    try:
        return tuple(float(word) for word in text.split(",") if word.strip())
    except ValueError:
        raise click.BadParameter(
            f"{text!r} must be numbers separated by commas, such as 0,0.1,0.2",
            param_hint="--radii",
        ) from None


def _line(output, table):
    """Return the line about a profile."""
    meta, last = table.meta, table["R_OUT"][-1]
    psf = f"{meta['PSFFWHM']:g} arcsec" if "PSFFWHM" in meta else "unknown (--psf-fwhm)"
    reff = f"{meta['REFF']:.3f} arcsec" if "REFF" in meta else "unknown"
    return (
        f"{output}: {len(table)} annuli to {last:.3g} arcsec; centre: {meta['CENTRE']}, pixel "
        f"{meta['XCENTRE']:.1f} {meta['YCENTRE']:.1f}; axis ratio {meta['AXRATIO']:.2f}, PA "
        f"{meta['PA']:.0f} deg ({meta['SHAPE']}); {meta['REFFKIND']} radius {reff}; "
        f"FWHM of the PSF {psf}"
    )
