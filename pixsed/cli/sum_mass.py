"""`pixsed sum-mass`: cubes in, a table of resolved and integrated masses out."""

import click

from pixsed.cli.options import (
    MOST_SAMPLES,
    FiniteFloat,
    error_floor,
    examples,
    jobs,
    model,
    output,
    quiet_verbose,
    seed,
)

EPILOG = examples(
    "pixsed sum-mass 531.fits --model tau -o mass.fits",
    "pixsed sum-mass cubes/*.fits --snr-min 3 -o masses.ecsv",
)

_KINDS = {"RES": "resolved", "INT": "integrated"}


@click.command("sum-mass", epilog=EPILOG)
@click.argument("cubes", nargs=-1, required=True, metavar="CUBE...")
@model
@click.option(
    "--samples",
    type=click.IntRange(2, MOST_SAMPLES),
    default=500,
    show_default=True,
    help="Posterior draws a pixel.",
)
@click.option(
    "--snr-min",
    type=FiniteFloat(),
    default=5.0,
    show_default=True,
    help="Least mean S/N of a pixel that counts, over F277W, F356W and F444W, or where "
    "none has data the three reddest bands.",
)
@error_floor
@click.option("--all-pixels", is_flag=True, help="Take pixels outside the galaxy's segment too.")
@seed
@jobs
@output(help="Table to write (.fits, .ecsv or .csv); - for standard output.")
@quiet_verbose
def command(cubes, model, samples, snr_min, error_floor, all_pixels, seed, jobs, output, overwrite):
    """Total stellar mass of galaxies, resolved and integrated.

    Resolved: one draw per pixel, summed, again and again; noise is independent from pixel to
    pixel, an --error-floor and the redshift are common to all.
    Integrated: the fit of the photometry summed over the same pixels. OFFSET is the
    difference of the medians; the bits of FLAG are in the table's header. ID is a number
    where those of all galaxies are.
    """
    from tqdm import tqdm

    from pixsed.cli.options import say, show_progress
    from pixsed.dq import Flag, count_reasons, reasons_text
    from pixsed.errors import PixsedError
    from pixsed.fit.model import Model
    from pixsed.fit.record import model_cards
    from pixsed.fit.select import select
    from pixsed.fit.total import sum_mass
    from pixsed.io.formats.cube import read_cube
    from pixsed.io.formats.psfmatch import warn_of_psfs
    from pixsed.io.inputs import once
    from pixsed.io.writers.tables import check_table_output, write_table
    from pixsed.models import resolve

    check_table_output(output, overwrite)
    cubes = once(cubes)
    loaded = Model(resolve(model))
    rows, bad = [], []
    for name in cubes:
        try:
            cube = read_cube(name)
            warn_of_psfs(cube.psfmatch)
            selection = select(cube, loaded, snr_min, all_pixels, name, error_floor)
        except (PixsedError, OSError) as error:
            if len(cubes) == 1:
                raise
            bad.append(name)
            click.echo(f"pixsed: error: {' '.join(str(error).split())}", err=True)
            continue
        number = int(selection.fitted.sum())
        with tqdm(total=number, unit="pix", disable=not show_progress()) as bar:
            row = sum_mass(
                cube, loaded, selection, samples=samples, seed=seed, jobs=jobs, progress=bar.update
            )
        rows.append(row)
        if not row["NPIX"]:
            why = reasons_text(count_reasons(selection.dq))
            say(f"{name}: no pixel can be fitted: {why or 'none is inside'}; flag {row['FLAG']}")
            continue
        say(
            f"{name}: {row['NPIX']} pixels, log10 M* resolved {row['RES_LOGMSTAR_P50']:.3f}, "
            f"integrated {row['INT_LOGMSTAR_P50']:.3f}, flag {row['FLAG']}"
        )
    if not rows:
        raise PixsedError(f"none of the {len(cubes)} cubes could be read; no table was written")
    write_table(
        _table(rows),
        output,
        overwrite=overwrite,
        name="MASS",
        inputs=[name for name in cubes if name not in bad],
        history=[f"sum-mass: {len(rows)} galaxies, {samples} draws a pixel"],
        **model_cards(loaded, seed, samples, error_floor),
        SNRMIN=(snr_min, "least mean S/N of a pixel"),
        **Flag.cards("FLAGBIT"),
    )
    if bad:
        raise PixsedError(
            f"{len(bad)} of {len(cubes)} cubes could not be read; {output} has the others"
        )


def _table(rows):
    from astropy import units as u
    from astropy.table import Table

    from pixsed.io.columns import integers_or_texts

    table = Table(rows=rows, names=list(rows[0]))
    # Of the segmentation map's kind, so that the table can be joined with its catalogue.
    table["ID"] = integers_or_texts(table["ID"])
    for name in table.colnames:
        kind, found, _ = name.partition("_LOGMSTAR_")
        if found:
            table[name].unit = u.dex(u.solMass)
            table[name].description = f"log10 of the {_KINDS[kind]} stellar mass"
    table["OFFSET"].unit = u.dex
    table["OFFSET"].description = "resolved less integrated median"
    table["FLAG"] = table["FLAG"].astype("int32")
    table["NPIX"] = table["NPIX"].astype("int64")
    return table
