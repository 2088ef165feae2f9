"""`pixsed sum-mass`: totals of galaxies, resolved and integrated: masses, SFRs, ages and more."""

import click

from pixsed.cli.draw_options import given_redshift, pixel_noise, summed_samples
from pixsed.cli.field.command import FieldCommand
from pixsed.cli.mosaics import (
    catalog,
    catalog_columns,
    errors,
    rescale_errors,
    segmap,
    units,
)
from pixsed.cli.options import (
    FiniteFloat,
    complain,
    error_floor,
    examples,
    hdu,
    jobs,
    model,
    output,
    parse_part,
    quiet_verbose,
    say,
    scheduler,
    seed,
    zero_points,
)

EPILOG = examples(
    "pixsed sum-mass cubes/*.fits --model tau -o masses.fits",
    "pixsed sum-mass *_psfm.fits --segmap seg.fits --catalog z.csv --resume -o masses.fits",
)
# Options that apply to mosaics only.
_OF_MOSAICS = {
    "segmap": "--segmap",
    "catalog": "--catalog",
    "id_col": "--id-col",
    "z_col": "--z-col",
    "zerr_col": "--zerr-col",
    "errors": "--err",
    "err_kinds": "--err-kind",
    "fills": "--fill",
    "units": "--unit",
    "rescale_errors": "--rescale-errors",
    "hdu": "--hdu",
}


@click.command("sum-mass", cls=FieldCommand, epilog=EPILOG)
@click.argument("inputs", nargs=-1, required=True, metavar="CUBE...|[BAND=]IMAGE...|FIELD.toml")
@model
@summed_samples
@click.option(
    "--snr-min",
    type=FiniteFloat(),
    default=5.0,
    show_default=True,
    help="Minimum mean S/N of a pixel in the sums, over F277W, F356W and F444W, or over the three "
    "reddest bands with data where none of these has any.",
)
@error_floor
@zero_points
@pixel_noise(
    "Correlation of the draws of pixels: that of their noise and of the prior; none, as in "
    "the paper; or complete, an upper bound of the errors."
)
@click.option(
    "--faint",
    type=click.Choice(("carry", "leave")),
    default="carry",
    show_default=True,
    help="Pixels of the segment below --snr-min. carry: count their light, with the mean "
    "mass-to-light ratio of the others; leave: leave them out of all sums, as the paper does.",
)
@click.option("--all-pixels", is_flag=True, help="Add pixels outside the galaxy's segment too.")
@given_redshift("Redshift of every galaxy, in place of the one in the file.")
@segmap
@catalog
@catalog_columns
@errors
@units
@rescale_errors
@hdu
@click.option(
    "--resume",
    is_flag=True,
    help="Continue a run that was stopped, or add galaxies that could not be read.",
)
@click.option(
    "--part",
    metavar="I/N",
    callback=parse_part,
    help="Sum the I-th of N parts of the galaxies; join the tables with pixsed merge.",
)
@seed
@jobs
@scheduler
@output(help="Table to write (.fits, .ecsv or .csv); - for standard output.")
@quiet_verbose
def command(inputs, model, output, **values):
    """Total masses and SFRs of galaxies, resolved and integrated.

    The table has one row per galaxy: quantiles of masses, SFRs, age, metallicity and attenuation,
    resolved (RES_) and integrated (INT_), the place and size, and the bits of FLAG, which the
    header names. Resolved: the sum of one draw per pixel, repeated for every draw. Integrated: the
    fit of the summed photometry. Both have the light of faint pixels too (--faint). OFFSET is
    resolved minus integrated. Galaxies are cubes, or the segments of mosaics (--segmap with
    --catalog or --redshift). Rows are kept as they are done.
    """
    from pixsed.cli.fit_options import execution_options, fit_options
    from pixsed.cli.fit_report import PixelBar
    from pixsed.errors import PixsedError
    from pixsed.fit.sum_mass import sum_mass

    galaxies, what = _galaxies(inputs, values)
    reported = _Report()
    table = sum_mass(
        galaxies,
        model,
        fit_options(values),
        noise=values["noise"],
        faint=values["faint"],
        output=output,
        execution=execution_options(values),
        progress=PixelBar,
        report=reported,
    )
    if not reported.number:
        say(f"{output}: done already")
    if reported.before:
        say(f"{reported.before} rows of an earlier run kept")
    if failed := reported.failed:
        raise PixsedError(
            f"{failed} of {len(table) + failed} {what} could not be read; {output} has the "
            "others: mend them, and add them with --resume"
        )


class _Report:
    """Lines about galaxies, and their number, with those that failed or were done before."""

    def __init__(self):
        self.number = self.failed = self.before = 0

    def __call__(self, outcome):
        """Write the line about a galaxy."""
        self.number += 1
        if outcome.before:
            self.before += 1
        elif outcome.error is None:
            say(_line(outcome))
        elif not outcome.left_out:
            self.failed += 1
            complain(outcome.error)


def _line(outcome):
    """Return the line about a galaxy."""
    name, row = outcome.name, outcome.row
    if not row["NPIX"]:
        why = outcome.reasons or "none is inside"
        return f"{name}: no pixel can be fitted: {why}; flag {row['FLAG']}"
    return (
        f"{name}: {row['NPIX']} pixels, log10 M* resolved {row['RES_LOGMSTAR_P50']:.3f}, "
        f"integrated {row['INT_LOGMSTAR_P50']:.3f}, flag {row['FLAG']}"
    )


def _galaxies(inputs, values):
    """Return the cubes, or the `~pixsed.fit.galaxies.MosaicGalaxies`, and their name."""
    if not _are_mosaics(inputs, values):
        for name, spelling in _OF_MOSAICS.items():
            if values[name]:
                raise click.UsageError(f"{spelling} goes with mosaics, not with cubes")
        return inputs, "cubes"
    from pixsed.cli.mosaics import images_with_options
    from pixsed.fit.galaxies import MosaicGalaxies
    from pixsed.images.cutout import CutoutOptions

    _check_mosaics(values)
    per_image = [values[name] for name in ("errors", "units", "err_kinds", "fills")]
    images = images_with_options(inputs, values["hdu"], *per_image)
    names = ("segmap", "catalog", "id_col", "z_col", "zerr_col", "rescale_errors")
    options = CutoutOptions(
        all_ids=True,
        no_redshift=values["catalog"] is None,
        **{name: values[name] for name in names},
    )
    return MosaicGalaxies(images, options), "galaxies"


def _are_mosaics(inputs, values):
    """Return whether the inputs are images: the first one of a known kind decides."""
    import glob
    from pathlib import Path

    from pixsed.errors import PixsedError
    from pixsed.io.formats.kinds import kind_of
    from pixsed.io.locate import parse_location

    if values["segmap"] or any(parse_location(text, band=True).band for text in inputs):
        return True
    for text in inputs:
        try:
            path = parse_location(text, values["hdu"]).path
            if not Path(path).exists():  # a pattern in quotes, perhaps
                text = next(glob.iglob(path), text)
            kind = kind_of(text, values["hdu"]) if Path(path).exists() or text != path else "table"
        except PixsedError:  # reported when it is read
            continue
        if kind != "table":
            return kind == "image"
    return False


def _check_mosaics(values):
    """Raise `click.UsageError` if options of mosaics are missing or exclude each other."""
    if not values["segmap"]:
        raise click.UsageError("mosaics need --segmap, which says which pixels are a galaxy's")
    if (values["catalog"] is None) == (values["redshift"] is None):
        raise click.UsageError("mosaics need redshifts: --catalog, or --redshift for all galaxies")
    if values["redshift_err"] is not None and values["redshift"] is None:
        raise click.UsageError("--redshift-err of mosaics goes with --redshift")
    if values["catalog"] is None and (names := [n for n in _COLUMNS if values[n]]):
        raise click.UsageError(f"{_OF_MOSAICS[names[0]]} of mosaics goes with --catalog")
    if values["all_pixels"]:
        raise click.UsageError("--all-pixels goes with cubes, not with mosaics")


_COLUMNS = ("id_col", "z_col", "zerr_col")
