"""`pixsed fit`: a cube in, maps out; or a table of photometry in, the table with posteriors out."""

import click

from pixsed.cli.options import examples, jobs, model, output, quiet_verbose, seed

EPILOG = examples(
    "pixsed fit 531.fits --model tau -o maps.fits",
    "pixsed fit photometry.ecsv --quantiles 0.025,0.5,0.975 -o posterior.fits",
)


def parse_quantiles(ctx, param, value):
    """Return the tuple of ``0.16,0.5,0.84``."""
    try:
        found = tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{value!r} must be numbers and commas, as 0.16,0.5,0.84"
        ) from None
    if not all(0 < q < 1 for q in found):
        raise click.BadParameter(f"{value!r} must be between 0 and 1, as 0.16,0.5,0.84")
    return found


def parse_tile(ctx, param, value):
    """Return (ny, nx) of ``256`` or ``256,512``."""
    parts = value.split(",")
    if len(parts) > 2 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"{value!r} must be pixels a side, as 256, or NY,NX")
    sides = [int(part) for part in parts]
    return sides[0], sides[-1]


@click.command(epilog=EPILOG)
@click.argument("cube", metavar="CUBE|TABLE")
@model
@click.option("--samples", type=click.IntRange(min=2), default=500, show_default=True,
              help="Posterior draws a pixel.")
@click.option("--quantiles", default="0.16,0.5,0.84", show_default=True, callback=parse_quantiles,
              help="Quantiles to write; the median always is.")
@click.option("--snr-min", type=float, default=5.0, show_default=True,
              help="Least mean S/N over F277W, F356W and F444W of a pixel that is fitted.")
@click.option("--all-pixels", is_flag=True, help="Fit pixels outside the galaxy's segment too.")
@click.option("--tile", default="256", show_default=True, metavar="N|NY,NX", callback=parse_tile,
              help="Pixels a side of the tiles; changes no result.")
@click.option("--redshift", type=click.FloatRange(min=0),
              help="In place of the redshift in the file.")
@click.option("--redshift-err", type=click.FloatRange(min=0),
              help="In place of its 1-sigma error in the file; 0 = known.")
@click.option("--unit", metavar="UNIT",
              help="Unit of a table's fluxes where it tells none, as nJy.")
@seed
@jobs
@output()
@quiet_verbose
def command(cube, model, samples, quantiles, snr_min, all_pixels, tile, redshift, redshift_err,
            unit, seed, jobs, output, overwrite):
    """Fit a cube, or a table of photometry: maps of posterior quantiles.

    A cube gives the median, the other quantiles and the standard deviation of every
    property in each pixel of the galaxy above the S/N cut. A table has the columns
    <BAND> and <BAND>_ERR with units, REDSHIFT and, if need be, REDSHIFT_ERR and ID; it
    is written with the posterior's columns added (.fits, .ecsv or .csv).
    """
    from pixsed.infer.model import Model
    from pixsed.infer.photometry import is_cube
    from pixsed.io.atomic import check_output
    from pixsed.models import resolve

    check_output(output, overwrite)
    path = resolve(model)
    fit = _fit_cube if is_cube(cube) else _fit_table
    fit(cube, Model(path), dict(samples=samples, quantiles=quantiles, seed=seed, jobs=jobs),
        dict(snr_min=snr_min, all_pixels=all_pixels), tile, redshift, redshift_err, unit, output,
        overwrite)


def progress_bar(total):
    """Return a tqdm bar of pixels on stderr, silent where none is wanted."""
    from tqdm import tqdm

    from pixsed.cli.options import show_progress

    return tqdm(total=total, unit="pix", disable=not show_progress())


def replace_redshift(cube, redshift, zerr):
    """Put the redshift of the options in place of a cube's, in place."""
    if redshift is not None:
        cube.redshift = redshift
        cube.zerr = 0.0  # the file's error is that of the file's redshift
    if zerr is not None:
        cube.zerr = zerr


def model_cards(model, seed, samples):
    """Return the cards of a primary header that say which model and draws were used."""
    from pixsed import cosmology

    return {
        "MODEL": (model.name, "model"),
        "MODELSHA": (model.sha256, "SHA-256 of the model file"),
        "SEED": (seed, "seed of the draws"),
        "NSAMP": (samples, "posterior draws a pixel"),
        "IMF": (model.text("sps.IMF"), "initial mass function"),
        "SPSLIB": (model.text("sps.LIBRARY", "sps.library"), "SPS library"),
        "CRCOSMO": (model.text("cosmology", default=cosmology.NAME), "cosmology"),
    }


def _fit_cube(text, model, draws, cuts, tile, redshift, zerr, unit, output, overwrite):
    from pixsed.cli.options import say
    from pixsed.infer.fit import DQ_BITS, fit_cube, select
    from pixsed.infer.properties import quantile_name, unit_and_description
    from pixsed.io.cube import binning_cards, read_cube
    from pixsed.io.maps import write_maps

    cube = read_cube(text)
    replace_redshift(cube, redshift, zerr)
    selection = select(cube, model, **cuts, name=text)
    with progress_bar(int(selection.fitted.sum())) as bar:
        maps = fit_cube(cube, model, selection, **draws, tile=tile, progress=bar.update)
    cards = {
        "OBJECT": (cube.object_id, "galaxy"),
        "REDSHIFT": (float(cube.redshift), "redshift"),
        "ZERR": (float(cube.zerr), "1-sigma error of the redshift, 0 = known"),
        "PIXAR_A2": (float(cube.pixar_a2), "[arcsec2] area of a pixel"),
        **model_cards(model, draws["seed"], draws["samples"]),
        "SNRMIN": (cuts["snr_min"], "least mean S/N of a pixel fitted"),
        "SNRBANDS": (",".join(maps.snr_bands), "bands of the mean S/N"),
        "FITBANDS": (",".join(selection.bands), "bands fitted"),
        "NFIT": (maps.nfit, "pixels fitted"),
    }
    fitted = f"{maps.nfit} pixels"
    if cube.binning is not None:
        cards |= binning_cards(cube.binning)
        cards["NBINS"] = (maps.nbins, "bins fitted, each on its summed flux")
        fitted += f" in {maps.nbins} bins"
    write_maps(
        output, maps.planes, maps.properties, maps.quantiles, header=cube.header,
        units={name: unit_and_description(name, model) for name in maps.properties},
        quantile_name=quantile_name, dq_bits=DQ_BITS, cards=cards, inputs=[text],
        history=[f"fit: {fitted}, {draws['samples']} draws each"], overwrite=overwrite,
    )
    ood = int((maps.planes["DQ"] & 8 > 0).sum())
    say(f"{output}: {fitted} fitted, {ood} of them out of distribution")
    if not maps.nfit:
        say(f"{output}: no pixel has a mean S/N of {cuts['snr_min']:g}; try a lower --snr-min")


def _fit_table(text, model, draws, cuts, tile, redshift, zerr, unit, output, overwrite):
    from pixsed.cli.options import say
    from pixsed.infer.photometry import fit_table, read_table, write_table

    table = read_table(text)
    with progress_bar(len(table)) as bar:
        result, nfit = fit_table(table, model, source=text, unit=unit, redshift=redshift,
                                 zerr=zerr, **draws, progress=bar.update)
    write_table(
        result, output, overwrite=overwrite, inputs=[text.partition("[")[0]],
        history=[f"fit: {nfit} rows, {draws['samples']} draws each"], name="POSTERIOR",
        **model_cards(model, draws["seed"], draws["samples"]),
    )
    say(f"{output}: {nfit} of {len(table)} rows fitted")
