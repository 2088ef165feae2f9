"""`pixsed simulate`."""

import click

from pixsed.cli.options import (
    FiniteRange,
    Names,
    examples,
    jobs,
    output,
    pairs,
    quiet_verbose,
    say,
    scheduler,
    seed,
    show_progress,
)

# Written out, so that --help imports nothing; a test compares them with the library.
PRIORS = ("tau", "dirichlet", "continuity", "powerlaw", "dpl", "broad")
ATTENUATION = ("calzetti", "charlot-fall", "smc", "salim")
IGM = ("inoue14", "madau95", "none")


@click.command(
    "simulate",
    epilog=examples(
        "pixsed simulate --ssp bc03.fits --prior tau -n 1000000 -o train.fits",
        "pixsed simulate --ssp bc03.fits --ssp fsps.fits --prior broad -n 10000 -o test.fits",
    ),
)
@click.option(
    "--ssp",
    "ssp_paths",
    required=True,
    multiple=True,
    type=click.Path(),
    metavar="GRID",
    help="SSP grid; give it twice for the prior broad, which blends two libraries of stars.",
)
@click.option(
    "--prior",
    type=click.Choice(PRIORS),
    required=True,
    help="Prior of the star-formation histories.",
)
@click.option(
    "-n", "number", type=click.IntRange(1, 10**10), required=True, help="Number of populations."
)
@click.option(
    "--bands",
    type=Names(),
    metavar="BAND,...",
    help="Bands, separated by commas; paper and basic stand for 19 and 29 of them. Default: all "
    "bands that pixsed knows.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="NAME=FILE",
    help="Band with a filter curve of your own: wavelength [Angstrom or micron], transmission. "
    "May be repeated.",
)
@click.option(
    "--depth",
    "depths",
    multiple=True,
    metavar="NAME=NJY",
    help="Nominal 1-sigma depth of a pixel in the band of a --filter, for the noise in training.",
)
@click.option(
    "--attenuation",
    type=click.Choice(ATTENUATION),
    help="Attenuation law; default: salim for the prior broad, calzetti for the others.",
)
@click.option(
    "--igm",
    type=click.Choice(IGM),
    default="inoue14",
    show_default=True,
    help="Absorption by the intergalactic medium.",
)
@click.option(
    "--library-fraction",
    "library",
    type=FiniteRange(0.0, 1.0),
    metavar="FRACTION",
    help="broad: fraction of the second grid's stars in all populations; default: drawn.",
)
@click.option(
    "--resume", is_flag=True, help="Go on with OUTPUT.part of a simulation that was stopped."
)
@output()
@seed
@jobs
@scheduler
@quiet_verbose
def command(ssp_paths, resume, output, overwrite, **options):
    """Simulate photometry of stellar populations drawn from a prior.

    Writes a table of parameters and noiseless fluxes [nJy]; training adds the noise.
    The rows depend on the seed, but not on --jobs or --scheduler. Until the table is
    complete it is OUTPUT.part.
    """
    from pixsed.cores import one_thread

    with one_thread():  # with --jobs 1 the work is done in this process
        import numpy  # noqa: F401
    import time

    from tqdm import tqdm

    from pixsed.simulate.options import SimulateOptions
    from pixsed.simulate.to_file import write_simulations

    own = _own_filters(options.pop("filters"), options.pop("depths"))
    options["bands"] = _bands(options["bands"], own)
    options = SimulateOptions(filters=own, **options)
    begin, first = time.monotonic(), None
    bar = tqdm(total=options.number, unit="pop", unit_scale=True, disable=not show_progress())

    def report(done):
        nonlocal begin, first
        if first is None:
            begin, first = time.monotonic(), done
            bar.initial = bar.n = done
            if done:
                say(f"{output}: resumed after {done} of {options.number} populations")
        bar.update(done - bar.n)

    with bar:
        write_simulations(
            ssp_paths, output, options, overwrite=overwrite, resume=resume, report=report
        )
    rate = (options.number - first) / (time.monotonic() - begin)
    say(
        f"{output}: {options.number} populations x {len(options.bands)} bands, "
        f"{rate:,.0f} per second"
    )


def _own_filters(filters, depths):
    """Return the `OwnFilter` of each --filter."""
    from pixsed.sps.own_filters import read_own_filter

    filters, depths = pairs("--filter", filters), pairs("--depth", depths)
    if lone := [name for name in depths if name not in filters]:
        raise click.UsageError(f"--depth {lone[0]} needs --filter {lone[0]}=FILE.")
    found = []
    for name, path in filters.items():
        depth = click.FLOAT.convert(depths[name], None, None) if name in depths else None
        own = read_own_filter(name, path, depth)
        found.append(own)
        say(f"{name}: {path}, pivot wavelength {own.pivot_um:.4f} micron")
    return found


def _bands(names, filters):
    """Return the names of the bands to simulate, those of own filters included."""
    from pixsed.bands import BANDS, BASIC_BANDS, PAPER_BANDS
    from pixsed.sps.own_filters import with_filters

    sets = {"paper": PAPER_BANDS, "basic": BASIC_BANDS}
    named = [band for name in names or () for band in sets.get(name, [name])]
    return with_filters(named or [band.name for band in BANDS], filters)
