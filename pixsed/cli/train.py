"""`pixsed train`."""

import click
from click.core import ParameterSource

from pixsed.cli.options import FiniteRange, examples, jobs, noise, output, quiet_verbose, say, seed


@click.command(
    "train",
    epilog=examples(
        "pixsed train train.fits --ssp bc03.fits --noise wide -o tau.ckpt",
        "pixsed train train.fits --ssp bc03.fits --noise noise.fits --widen -o mine.ckpt",
        "pixsed train train.fits --ssp bc03.fits --resume tau.ckpt --overwrite -o tau.ckpt",
        "pixsed train refined.fits --ssp refined_ssp.fits --start tau.ckpt --mixed -o tau2.ckpt",
        "pixsed train train.fits --net maf-paper --noise noise.fits -o maf.ckpt",
    ),
)
@click.argument("simulations", type=click.Path())
@click.option(
    "--net",
    type=click.Choice(["default", "maf-paper"]),
    default="default",
    show_default=True,
    help="maf-paper: the network of Iglesias-Navarro+25, for "
    "comparison; it takes all of the paper's bands and exact redshifts.",
)
@click.option(
    "--ssp",
    "ssp_path",
    type=click.Path(),
    help="The SSP grid that the simulations came from; not for maf-paper.",
)
@noise(
    default="wide",
    help="wide: depths over a factor of 300; depth: the paper's, and the "
    "default of maf-paper; or a FILE of 'pixsed noise': the paper's five bins of flux, "
    "measured.",
)
@click.option(
    "--widen", is_flag=True, help="Widen the noise of a FILE as wide does the paper's depths."
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    show_default="24; maf-paper: until 20 are no better on the simulations held out",
    help="Passes over the simulations.",
)
@click.option(
    "--minutes",
    type=FiniteRange(min=0, min_open=True),
    help="Train for so long in place of --epochs, as on a machine lent by the hour: the "
    "learning rate falls with the clock.",
)
@click.option("--batch", type=click.IntRange(min=16), show_default="1024; maf-paper: 200")
@click.option(
    "--rate",
    type=FiniteRange(min=0, min_open=True),
    show_default="1e-3; maf-paper: 5e-4",
    help="Learning rate.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where the network is trained.",
)
@click.option(
    "--encoder-share",
    type=FiniteRange(0, 1),
    show_default="1/3",
    help="Part of the training in which the encoder learns alone; 0 to go on with the "
    "flow of --start.",
)
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    help="End a stage after so many epochs without a better loss on the simulations "
    "held out; not for maf-paper, whose 20 are the paper's.",
)
@click.option(
    "--ensemble",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Networks to train, with seeds one apart; those after the first are written "
    "to NAME-2, NAME-3 and so on. 'pixsed export' makes one model of them.",
)
@click.option(
    "--curve",
    type=click.Path(),
    help="Learning curve: a picture, or a table (.ecsv, .fits) by its ending.",
)
@click.option("--resume", type=click.Path(), help="Go on from a checkpoint of the same run.")
@click.option(
    "--finish",
    type=click.Path(),
    help="Train nothing but the small networks at the "
    "end that a checkpoint lacks, as one of an older pixsed; it is written with "
    "them.",
)
@click.option(
    "--recalibrate",
    is_flag=True,
    help="With --finish: fit the last correction of the "
    "widths anew; best on simulations that were not trained on.",
)
@click.option(
    "--start",
    type=click.Path(),
    help="Begin with the weights of a checkpoint that was "
    "trained on other simulations of the same prior.",
)
@click.option(
    "--mixed/--single",
    default=None,
    help="Residual networks in bfloat16, faster where "
    "the processor has it, or all in single precision; default: mixed on cuda "
    "alone.",
)
@click.option(
    "--infer-redshift",
    is_flag=True,
    help="A network that is not shown the redshift, and gives it like the other properties.",
)
@output("Checkpoint to write, after each epoch.")
@seed
@jobs
@quiet_verbose
@click.pass_context
def command(
    context,
    simulations,
    net,
    ssp_path,
    noise,
    noise_floor,
    widen,
    epochs,
    minutes,
    batch,
    rate,
    device,
    encoder_share,
    patience,
    ensemble,
    curve,
    resume,
    finish,
    recalibrate,
    start,
    mixed,
    infer_redshift,
    output,
    overwrite,
    seed,
    jobs,
):
    """Train a flow on simulations.

    Bands, errors and noise are drawn anew for every population in every epoch, so that the
    model serves any subset of the bands at any depth; with --net maf-paper once, as in the
    paper. Needs the extra: pip install 'pixsed[train]'.
    """
    from pixsed.errors import PixsedError
    from pixsed.io.outputs import check_ending, check_output, is_stream
    from pixsed.simulate.noise import choose_noise
    from pixsed.simulate.table import read_simulations
    from pixsed.sps.ssp import read_ssp

    paper = net == "maf-paper"
    if not paper and not finish and ssp_path is None:
        raise click.UsageError("Missing option '--ssp', which --net default needs.")
    if paper and (
        patience
        or ensemble > 1
        or curve
        or start
        or mixed
        or minutes
        or infer_redshift
        or encoder_share is not None
    ):
        raise click.UsageError(
            "--patience, --ensemble, --curve, --start, --mixed, --minutes, --encoder-share and "
            "--infer-redshift are of --net default."
        )
    if finish and (paper or resume or start or ensemble > 1 or curve):
        raise click.UsageError("--finish trains no network; give it with --noise and --seed alone.")
    if minutes and (epochs or patience or resume):
        raise click.UsageError(
            "--minutes goes by the clock; give it without --epochs, --patience and --resume."
        )
    if recalibrate and not finish:
        raise click.UsageError("--recalibrate is of --finish; give the checkpoint to it.")
    if resume and start:
        raise click.UsageError("--resume goes on with its own weights; give it without --start.")
    if ensemble > 1 and resume:
        raise click.UsageError("--resume goes on with one network; give it without --ensemble.")
    if paper and context.get_parameter_source("noise") is ParameterSource.DEFAULT:
        noise = "depth"
    outputs = [_member(output, i) for i in range(ensemble)]
    if is_stream(output):
        raise PixsedError(
            f"{output}: a checkpoint is written after each epoch; give a file with -o"
        )
    check_ending(output, (".ckpt", ".pt", ".pth"), "a checkpoint is")
    if curve:
        check_ending(curve, (".png", ".pdf", ".svg", ".ecsv", ".csv", ".fits"), "a curve is")
    for path in [*outputs, *([curve] if curve else [])]:
        check_output(path, overwrite)
    try:
        if paper:
            from pixsed.train.maf_paper import train
        else:
            from pixsed.train.train import train
    except ImportError as error:
        raise PixsedError(
            f"training needs {error.name}, which is not installed; try: pip install 'pixsed[train]'"
        ) from None
    sims = read_simulations(simulations)
    given = {"epochs": epochs, "batch": batch, "rate": rate, "encoder_share": encoder_share}
    settings = {key: value for key, value in given.items() if value is not None}
    settings |= {"seed": seed, "resume": resume, "threads": jobs}
    errors = choose_noise(noise, sims.bands, wide=widen, floor=noise_floor)
    if paper:
        done = train(sims, errors, output, device=device, report=_paper_epoch, **settings)
        best = min(done["history"], key=lambda row: row["held_out"])
        say(f"best on the simulations held out: epoch {best['epoch']}, {best['held_out']:.4f}")
        say(f"{output}: trained for {done['epoch']} epochs")
        return
    if finish:
        again = ["recalibration"] if recalibrate else []
        _finish(finish, sims, errors, output, seed, jobs, again)
        return
    ssp, histories = read_ssp(ssp_path), []
    for i, path in enumerate(outputs):
        done = train(
            sims,
            ssp,
            errors,
            path,
            report=_epoch,
            device=device,
            patience=patience,
            start=start,
            mixed=mixed,
            minutes=minutes,
            infer_redshift=infer_redshift,
            **(settings | {"seed": seed + i}),
        )
        histories.append(done["history"])
        say(f"{path}: trained for {done['epoch']} epochs")
    if curve:
        from pixsed.plots.learning_curve import write_curve

        write_curve(histories, curve, overwrite=overwrite)


def _finish(path, simulations, noise, output, seed, threads, again):
    """Write a checkpoint with the stages that it lacked, and those of `again` anew."""
    import torch

    from pixsed.errors import PixsedError
    from pixsed.io.atomic import atomic_path
    from pixsed.train.checkpoint import read_checkpoint
    from pixsed.train.finish import finish

    saved = read_checkpoint(path)
    if (saved["bands"], saved["prior"]) != (simulations.bands, simulations.prior):
        raise PixsedError(f"{path} was trained on other bands or another prior; train anew")
    torch.set_num_threads(threads)
    finish(
        saved,
        simulations,
        noise,
        seed=seed,
        again=again,
        report=lambda stage: say(f"{path}: {stage}"),
    )
    with atomic_path(output, overwrite=True) as temporary:
        torch.save(saved, temporary)
    say(f"{output}: finished")


def _member(output, number):
    """The checkpoint of a member of an ensemble: tau.ckpt, tau-2.ckpt and so on."""
    from pathlib import Path

    path = Path(output)
    return output if number == 0 else path.with_name(f"{path.stem}-{number + 1}{path.suffix}")


def _epoch(row):
    say(
        f"epoch {row['epoch']}: train {row['train']:.4f}, held out {row['held_out']:.4f} "
        f"{row['by_coordinate']}, prediction {row['prediction']:.3f}, "
        f"{row['seconds']:.0f} s"
    )


def _paper_epoch(row):
    better = f", no better for {row['fruitless']}" if row["fruitless"] else ""
    say(
        f"epoch {row['epoch']}: train {row['train']:.4f}, held out {row['held_out']:.4f}"
        f"{better}, {row['seconds']:.0f} s"
    )
