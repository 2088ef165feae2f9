"""`pixsed train`."""

import click

from pixsed.cli.options import examples, jobs, noise, output, quiet_verbose, say, seed


@click.command(
    "train",
    epilog=examples(
        "pixsed train train.fits --ssp bc03.fits --noise wide -o tau.ckpt",
        "pixsed train train.fits --ssp bc03.fits --noise noise.fits --widen -o mine.ckpt",
        "pixsed train train.fits --ssp bc03.fits --resume tau.ckpt --overwrite -o tau.ckpt",
    ),
)
@click.argument("simulations", type=click.Path())
@click.option("--ssp", "ssp_path", required=True, type=click.Path(),
              help="The SSP grid that the simulations came from.")  # fmt: skip
@noise(default="wide", help="wide: depths over a factor of 300; depth: the paper's; or a FILE of "
       "'pixsed noise': the paper's five bins of flux, measured.")  # fmt: skip
@click.option("--widen", is_flag=True,
              help="Widen the noise of a FILE as wide does the paper's depths.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(min=1), default=12, show_default=True)
@click.option("--batch", type=click.IntRange(min=16), default=2048, show_default=True)
@click.option("--rate", type=float, default=1e-3, show_default=True, help="Learning rate.")
@click.option("--resume", type=click.Path(), help="Go on from a checkpoint of the same run.")
@output("Checkpoint to write, after each epoch.")
@seed
@jobs
@quiet_verbose
def command(simulations, ssp_path, noise, noise_floor, widen, epochs, batch, rate, resume, output,
            overwrite, seed, jobs):  # fmt: skip
    """Train a flow on simulations.

    Bands, errors and noise are drawn anew for every population in every epoch, so that the
    model serves any subset of the bands at any depth. Needs the extra: pip install
    'pixsed[train]'.
    """
    from pixsed.errors import PixsedError
    from pixsed.io.atomic import check_output
    from pixsed.simulate.noise import choose_noise
    from pixsed.simulate.table import read_simulations
    from pixsed.sps.ssp import read_ssp

    check_output(output, overwrite)
    try:
        from pixsed.train.fit import train
    except ImportError as error:
        raise PixsedError(
            f"training needs {error.name}, which is not installed; "
            "try: pip install 'pixsed[train]'"
        ) from None

    def report(row):
        say(f"epoch {row['epoch']}: train {row['train']:.4f}, held out {row['held_out']:.4f} "
            f"{row['by_coordinate']}, prediction {row['prediction']:.3f}, "
            f"{row['seconds']:.0f} s")  # fmt: skip

    sims = read_simulations(simulations)
    model = choose_noise(noise, sims.bands, wide=widen, floor=noise_floor)
    train(
        sims, read_ssp(ssp_path), model, output,
        epochs=epochs, batch=batch, rate=rate, seed=seed, resume=resume, report=report,
        threads=jobs,
    )  # fmt: skip
    say(f"{output}: trained for {epochs} epochs")
