"""`pixsed simulate`."""

import click

from pixsed.cli.options import (
    Names,
    examples,
    jobs,
    output,
    quiet_verbose,
    say,
    scheduler,
    seed,
    show_progress,
)

# Written out, since --help is to import none of them; a test holds each against its room.
PRIORS = ("tau", "dirichlet", "continuity", "powerlaw", "dpl")
ATTENUATION = ("calzetti", "charlot-fall", "smc")
IGM = ("inoue14", "madau95", "none")


@click.command(
    "simulate",
    epilog=examples(
        "pixsed simulate --ssp bc03.fits --prior tau -n 1000000 -o train.fits",
        "pixsed simulate --ssp bc03.fits --prior dirichlet -n 10000 --seed 7 -o test.fits",
    ),
)
@click.option("--ssp", "ssp_path", required=True, type=click.Path(), help="SSP grid.")
@click.option("--prior", type=click.Choice(PRIORS), required=True, help="Prior of the histories.")
@click.option("-n", "number", type=click.IntRange(1, 10**10), required=True, help="Populations.")
@click.option(
    "--bands",
    type=Names(),
    metavar="LIST",
    help="Bands, commas between; default: the shipped models' 29.",
)
@click.option(
    "--attenuation",
    type=click.Choice(ATTENUATION),
    default="calzetti",
    show_default=True,
    help="Attenuation law.",
)
@click.option(
    "--igm",
    type=click.Choice(IGM),
    default="inoue14",
    show_default=True,
    help="Absorption by the intergalactic medium.",
)
@click.option(
    "--resume", is_flag=True, help="Go on with OUTPUT.part, which a run that was stopped has left."
)
@output()
@seed
@jobs
@scheduler
@quiet_verbose
def command(
    ssp_path,
    prior,
    number,
    bands,
    attenuation,
    igm,
    resume,
    output,
    overwrite,
    seed,
    jobs,
    scheduler,
):
    """Simulate photometry of stellar populations drawn from a prior.

    Writes a table of parameters and noiseless fluxes [nJy]; noise is added in training.
    The rows depend on the seed, not on --jobs or --scheduler. Until it is whole the table
    is OUTPUT.part.
    """
    from pixsed.cores import one_thread

    with one_thread():  # with --jobs 1 the work is done here
        import numpy  # noqa: F401
    import time
    from contextlib import closing

    from tqdm import tqdm

    from pixsed import __version__
    from pixsed.bands import BANDS
    from pixsed.errors import PixsedError
    from pixsed.io.writers.table_blocks import check_blocks_output
    from pixsed.simulate.batches import BATCH, row_dtype, simulate, ssp_digest
    from pixsed.simulate.priors import PRIORS
    from pixsed.simulate.table import simulations_writer
    from pixsed.sps.filters import load_curve
    from pixsed.sps.ssp import read_ssp

    check_blocks_output(output, overwrite=overwrite, resume=resume)
    names = bands or [band.name for band in BANDS]
    for name in names:
        load_curve(name)
        if names.count(name) > 1:
            raise PixsedError(f"--bands names {name} twice; name each band once")
    ssp = read_ssp(ssp_path)
    meta = ssp.meta | {
        "ATTENUAT": attenuation,
        "IGM": igm,
        "SEED": seed,
        "SSPSHA": ssp_digest(ssp),
        "BATCH": BATCH,
        "PIXSVER": __version__,
    }
    columns = PRIORS[prior].columns()
    writer = simulations_writer(
        output,
        row_dtype(prior, names),
        number,
        prior=prior,
        bands=names,
        meta=meta,
        block=BATCH,
        units={key: unit for key, (unit, _) in columns.items()},
        descriptions={key: text for key, (_, text) in columns.items()},
        overwrite=overwrite,
        resume=resume,
        inputs=[ssp_path],
    )
    start, before = time.monotonic(), writer.done
    if before:
        say(f"{output}: going on after {before} of {number} populations")
    batches = simulate(
        ssp,
        prior,
        names,
        number,
        seed=seed,
        jobs=jobs,
        scheduler=scheduler,
        start=before,
        attenuation=attenuation,
        igm=igm,
    )
    bar = tqdm(
        total=number, initial=before, unit="pop", unit_scale=True, disable=not show_progress()
    )
    with writer, closing(batches), bar:
        for rows in batches:
            writer.append(rows)
            bar.update(len(rows))
    rate = (number - before) / (time.monotonic() - start)
    say(f"{output}: {number} populations x {len(names)} bands, {rate:,.0f} a second")
