"""`pixsed train`."""

import click
from click.core import ParameterSource

from pixsed.cli.options import (
    FiniteRange,
    examples,
    jobs,
    noise,
    output,
    pairs,
    quiet_verbose,
    say,
    seed,
)

_CHECKPOINTS = (".ckpt", ".pt", ".pth")
_CURVES = (".png", ".pdf", ".svg", ".ecsv", ".csv", ".fits")


@click.command(
    "train",
    epilog=examples(
        "pixsed train train.fits --ssp bc03.fits --noise wide -o tau.ckpt",
        "pixsed train train.fits --ssp bc03.fits --noise noise.fits --widen -o mine.ckpt",
        "pixsed train train.fits --ssp bc03.fits --continue tau.ckpt --overwrite -o tau.ckpt",
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
    help="Network. maf-paper: the network of Iglesias-Navarro+25, for comparison; it needs all "
    "of the paper's bands and exact redshifts.",
)
@click.option(
    "--ssp",
    "ssp_paths",
    multiple=True,
    type=click.Path(),
    metavar="GRID",
    help="SSP grid of the simulations; several times, in their order, for those of several "
    "grids. Not for maf-paper.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="NAME=FILE",
    help="Curve of a band of your own, as for 'pixsed simulate'; for the prior broad. May be "
    "repeated.",
)
@noise(
    default="wide",
    help="Noise. wide: depths over a factor of 300; depth: that of the paper, the default of "
    "maf-paper; or a FILE of 'pixsed noise': measured in the paper's five bins of flux.",
)
@click.option(
    "--widen",
    is_flag=True,
    help="Widen the noise of a FILE as 'wide' widens the depths of the paper.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1, 10**6),
    show_default="24; maf-paper: until 20 bring no smaller held-out loss",
    help="Passes over the simulations.",
)
@click.option(
    "--minutes",
    type=FiniteRange(min=0, min_open=True),
    help="Train for this time instead of --epochs, final stages included; the learning rate falls "
    "with the clock.",
)
@click.option(
    "--batch",
    type=click.IntRange(16, 10**6),
    show_default="1024; maf-paper: 200",
    help="Simulations per step.",
)
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
    help="Device of the training.",
)
@click.option(
    "--encoder-fraction",
    type=FiniteRange(0, 1),
    show_default="1/3",
    help="Fraction of the training in which the encoder learns alone; 0 to continue with the "
    "flow of --start.",
)
@click.option(
    "--patience",
    type=click.IntRange(1, 10**6),
    help="End a stage after this number of epochs without a smaller held-out loss; not for "
    "maf-paper, which uses the paper's 20.",
)
@click.option(
    "--ensemble",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Number of networks, with seeds one apart. The networks after the first are written to "
    "NAME-2, NAME-3 and so on. 'pixsed export' combines them into one model.",
)
@click.option(
    "--curve",
    type=click.Path(),
    metavar="FILE",
    help="Also write the learning curve, as a figure or as a table (.ecsv, .csv, .fits).",
)
@click.option(
    "--continue",
    "resume",
    type=click.Path(),
    metavar="CHECKPOINT",
    help="Continue the training of a checkpoint.",
)
@click.option(
    "--finish",
    type=click.Path(),
    metavar="CHECKPOINT",
    help="Add only the missing final stages to a checkpoint: recalibration, decoder, quantiles.",
)
@click.option(
    "--recalibrate",
    is_flag=True,
    help="With --finish: fit the recalibration again, preferably on simulations that were not "
    "used in the training.",
)
@click.option(
    "--start",
    type=click.Path(),
    metavar="CHECKPOINT|NAME|FILE",
    help="Start with the weights of a checkpoint or a model (.onnx, or the name of a shipped one) "
    "that was trained on other simulations of the same prior.",
)
@click.option(
    "--mixed/--single",
    default=None,
    help="Evaluate the residual networks in bfloat16, which some processors do faster, or "
    "everything in single precision; default: mixed on cuda only.",
)
@click.option(
    "--infer-redshift",
    is_flag=True,
    help="Train a network that ignores the input redshift and infers it.",
)
@output("Checkpoint to write, after each epoch.")
@seed
@jobs
@quiet_verbose
@click.pass_context
def command(context, **options):
    """Train a flow on simulations.

    Bands, errors and noise are drawn again for every population in every epoch, so that the
    model works with any subset of the bands at any depth; with --net maf-paper they are drawn
    once, as in the paper. Needs torch, and sbi for maf-paper.
    """
    from pixsed.errors import PixsedError
    from pixsed.extras import EXTRAS, install_advice
    from pixsed.simulate.noise import choose_noise
    from pixsed.simulate.table import read_simulations

    paper = options["net"] == "maf-paper"
    _check_usage(options, paper)
    if paper and context.get_parameter_source("noise") is ParameterSource.DEFAULT:
        options["noise"] = "depth"
    _check_outputs(options)
    try:
        import torch  # noqa: F401 -- the message below is for its absence

        if paper:
            import sbi  # noqa: F401 -- likewise
    except ImportError as error:
        raise PixsedError(
            f"training needs {error.name}, which is not installed; try: "
            f"{install_advice(*EXTRAS['train'])}"
        ) from None
    simulations = read_simulations(options["simulations"])
    _add_curves(simulations, options["filters"])
    noise_model = choose_noise(
        options["noise"],
        simulations.bands,
        wide=options["widen"],
        floor=options["noise_floor"],
        own=simulations.own_depths,
    )
    if paper:
        _train_paper(simulations, noise_model, options)
    elif options["finish"]:
        _finish(simulations, noise_model, options)
    else:
        _train(simulations, noise_model, options)


def _check_usage(options, paper):
    """Raise `click.UsageError` for options that exclude each other."""

    def given(*names):
        return any(options[name] is not None and options[name] is not False for name in names)

    several = options["ensemble"] > 1
    default_only = "patience curve start mixed minutes infer_redshift encoder_fraction".split()
    for wrong, message in (
        (
            not paper and not given("finish") and not options["ssp_paths"],
            "Missing option '--ssp', which --net default needs.",
        ),
        (
            paper and (several or given(*default_only)),
            "--patience, --ensemble, --curve, --start, --mixed, --minutes, --encoder-fraction and "
            "--infer-redshift are for --net default only.",
        ),
        (
            given("finish") and (paper or several or given("resume", "start", "curve")),
            "--finish trains no network; use it with --noise and --seed only.",
        ),
        (
            given("minutes") and given("epochs", "patience", "resume"),
            "--minutes excludes --epochs, --patience and --continue.",
        ),
        (
            given("recalibrate") and not given("finish"),
            "--recalibrate needs --finish; give the checkpoint with --finish.",
        ),
        (
            given("resume") and given("start"),
            "--continue continues with the weights of its checkpoint; use it without --start.",
        ),
        (
            given("resume") and several,
            "--continue continues one network; use it without --ensemble.",
        ),
    ):
        if wrong:
            raise click.UsageError(message)


def _check_outputs(options):
    """Check the names of the outputs, before anything is computed."""
    from pixsed.errors import PixsedError
    from pixsed.io.outputs import check_ending, check_output, is_stream
    from pixsed.train.options import member_paths

    path, curve = options["output"], options["curve"]
    if is_stream(path):
        raise PixsedError(f"{path}: a checkpoint is written after each epoch; give a file with -o")
    check_ending(path, _CHECKPOINTS, "a checkpoint is")
    if curve:
        check_ending(curve, _CURVES, "a curve is")
    for one in [*member_paths(path, options["ensemble"]), *([curve] if curve else [])]:
        check_output(one, options["overwrite"])


def _train(simulations, noise_model, options):
    """Train the default network, or several."""
    from pixsed.train.options import TrainOptions
    from pixsed.train.train import train_ensemble

    names = "epochs batch rate encoder_fraction seed device patience mixed minutes infer_redshift"
    given = _given(options, names)
    ensemble = train_ensemble(
        simulations,
        _read_grids(options),
        noise_model,
        options["output"],
        TrainOptions(**given),
        members=options["ensemble"],
        resume=options["resume"],
        start=options["start"],
        report=_report_epoch,
        report_stage=say,
        threads=options["jobs"],
    )
    histories = []
    for path, checkpoint in ensemble:
        histories.append(checkpoint["history"])
        say(f"{path}: trained for {checkpoint['epoch']} epochs")
    if options["curve"]:
        from pixsed.plots.learning_curve import write_curve

        write_curve(histories, options["curve"], overwrite=options["overwrite"])


def _add_curves(simulations, texts):
    """Add the curves of --filter to simulations, in place."""
    from pixsed.sps.own_filters import read_own_filter
    from pixsed.train.filter_curves import add_curves

    given = pairs("--filter", texts)
    # The depth is that in the simulations.
    add_curves(simulations, [read_own_filter(name, path, 1.0) for name, path in given.items()])


def _read_grids(options):
    """Return the SSP grids of --ssp."""
    from pixsed.sps.ssp import read_ssp

    return [read_ssp(path) for path in options["ssp_paths"]]


def _train_paper(simulations, noise_model, options):
    """Train the network of the paper."""
    from pixsed.train.maf_paper import PaperOptions, train

    checkpoint = train(
        simulations,
        noise_model,
        options["output"],
        PaperOptions(**_given(options, "epochs batch rate seed device")),
        resume=options["resume"],
        report=_report_paper_epoch,
        threads=options["jobs"],
    )
    best = min(checkpoint["history"], key=lambda row: row["held_out"])
    say(f"smallest held-out loss: {best['held_out']:.4f}, epoch {best['epoch']}")
    say(f"{options['output']}: trained for {checkpoint['epoch']} epochs")


def _finish(simulations, noise_model, options):
    """Add the final stages to a checkpoint."""
    from pixsed.train.final_stages import finish_checkpoint

    finish_checkpoint(
        options["finish"],
        simulations,
        noise_model,
        options["output"],
        ssp=_read_grids(options),
        seed=options["seed"],
        recalibrate_again=options["recalibrate"],
        report=say,
        threads=options["jobs"],
    )
    say(f"{options['output']}: finished")


def _given(options, names):
    """Return those of the named options that have a value."""
    return {name: options[name] for name in names.split() if options[name] is not None}


def _report_epoch(row):
    say(
        f"epoch {row['epoch']}: train {row['train']:.4f}, held out {row['held_out']:.4f} "
        f"{row['by_coordinate']}, prediction {row['prediction']:.3f}, "
        f"{row['seconds']:.0f} s"
    )


def _report_paper_epoch(row):
    since = row["epochs_without_gain"]
    say(
        f"epoch {row['epoch']}: train {row['train']:.4f}, held out {row['held_out']:.4f}"
        f"{f', {since} epochs without gain' if since else ''}, {row['seconds']:.0f} s"
    )
