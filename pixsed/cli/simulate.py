"""`pixsed simulate`."""

import click

from pixsed.cli.options import examples, jobs, output, quiet_verbose, say, seed, show_progress


@click.command(
    "simulate",
    epilog=examples(
        "pixsed simulate --ssp bc03.fits --prior tau -n 1000000 -o train.fits",
        "pixsed simulate --ssp bc03.fits --prior tau -n 10000 --seed 7 -o test.fits",
    ),
)
@click.option("--ssp", "ssp_path", required=True, type=click.Path(), help="SSP grid.")
@click.option("--prior", type=click.Choice(["tau"]), required=True, help="Prior of the histories.")
@click.option("-n", "number", type=click.IntRange(min=1), required=True, help="Populations.")
@click.option("--bands", default="", metavar="LIST",
              help="Bands, commas between; default: the shipped models' 29.")  # fmt: skip
@output()
@seed
@jobs
@quiet_verbose
def command(ssp_path, prior, number, bands, output, overwrite, seed, jobs):
    """Simulate photometry of stellar populations drawn from a prior.

    Writes a table of parameters and noiseless fluxes [nJy]; noise is added in training.
    The rows depend on the seed alone, not on --jobs.
    """
    import time

    from tqdm import tqdm

    from pixsed.bands import BANDS
    from pixsed.io.atomic import check_output
    from pixsed.simulate.batches import BATCH, simulate
    from pixsed.simulate.priors import PRIORS
    from pixsed.simulate.table import write_simulations
    from pixsed.sps.filters import load_curve
    from pixsed.sps.ssp import read_ssp

    check_output(output, overwrite)
    names = [band.strip() for band in bands.split(",")] if bands else [b.name for b in BANDS]
    for name in names:
        load_curve(name)
    meta = dict(read_ssp(ssp_path).meta, SEED=seed)
    start = time.monotonic()
    batches = tqdm(
        simulate(ssp_path, prior, names, number, seed=seed, jobs=jobs),
        total=-(-number // BATCH), unit="batch", disable=not show_progress(),
    )  # fmt: skip
    units = {key: unit for key, (unit, _) in PRIORS[prior].PARAMETERS.items()} | {"AGE": "Gyr"}
    write_simulations(
        batches, output, prior=prior, bands=names, n=number, meta=meta, units=units,
        overwrite=overwrite, inputs=[ssp_path],
    )  # fmt: skip
    rate = number / (time.monotonic() - start)
    say(f"{output}: {number} populations x {len(names)} bands, {rate:,.0f} a second")
