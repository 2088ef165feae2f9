"""`pixsed export`: export a trained flow to ONNX."""

import click

from pixsed.cli.options import examples, output, quiet_verbose, say


@click.command(
    "export",
    epilog=examples(
        "pixsed export tau.ckpt --sims test.fits -o tau.onnx",
        "pixsed export tau.ckpt tau-2.ckpt tau-3.ckpt --name mine -o mine.onnx",
    ),
)
@click.argument("checkpoints", nargs=-1, required=True, type=click.Path(), metavar="CHECKPOINT...")
@click.option(
    "--sims",
    "sims",
    type=click.Path(),
    metavar="SIMULATIONS",
    help="Simulations, not those of the training, to calibrate OOD; without them it is NaN.",
)
@click.option("--name", show_default="that of the file", help="The model's name.")
@output("Model to write.")
@quiet_verbose
def command(checkpoints, sims, name, output, overwrite):
    """Export a trained flow to ONNX.

    Several checkpoints of networks trained in the same way are combined into one model, and
    each draws a fraction of the samples. The model takes fluxes in nJy, returns samples in
    physical units, and needs only onnxruntime. Its results are compared with torch before it
    is written. Needs onnx, onnxscript and torch.
    """
    from pixsed.errors import PixsedError
    from pixsed.extras import EXTRAS, install_advice
    from pixsed.io.inputs import check_input
    from pixsed.io.outputs import check_ending, check_output
    from pixsed.simulate.table import read_simulations

    check_ending(output, (".onnx",), "a model is")
    check_output(output, overwrite)
    for path in checkpoints:
        check_input(path, "a checkpoint", "make one with 'pixsed train'")
    try:
        from pixsed.train.checkpoint import read_checkpoint
        from pixsed.train.export import export
    except ImportError as error:
        raise PixsedError(
            f"export needs {error.name}, which is not installed; try: "
            f"{install_advice(*EXTRAS['train'])}"
        ) from None
    simulations = read_simulations(sims) if sims else None
    saved = [read_checkpoint(path) for path in checkpoints]
    difference = export(
        saved, output, name=name, simulations=simulations, overwrite=overwrite, report=say
    )
    say(f"{output}: agrees with torch to {difference:.1e}")
