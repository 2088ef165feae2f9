"""`pixsed check`: a dry run of a fit, which reports what is wrong with its inputs."""

import copy

import click

from pixsed.cli.field.command import FieldCommand
from pixsed.cli.fit import command as fit_command
from pixsed.cli.options import FiniteRange, examples, output, quiet_verbose

EPILOG = examples(
    "pixsed check cubes/*.fits --model tau && pixsed fit cubes/*.fits --model tau -o maps/",
    "pixsed check *_psfm.fits --segmap seg.fits --catalog z.csv --model tau -o report.ecsv",
    "pixsed check F*.fits --psf F200W=psf_F200W.fits --psf F444W=psf_F444W.fits --target F444W "
    "--redshift 1.2",
)
#: Options of `fit` about its output, and those that every command has.
NOT_CHECKED = (
    "resume",
    "part",
    "scheduler",
    "overwrite",
    "output",
    "quiet",
    "verbose",
    "log",
    "no_verify",
)


def options_of_fit(command):
    """Add the options of `pixsed fit` that bear on its inputs, before those of the command."""
    # Copies, whose variables are those of check: PIXSED_CHECK_SNR_MIN.
    chosen = [
        copy.copy(param)
        for param in fit_command.params
        if isinstance(param, click.Option) and param.name not in NOT_CHECKED
    ]
    command.params[1:1] = chosen
    return command


@options_of_fit
@click.command(cls=FieldCommand, epilog=EPILOG)
@click.argument(
    "inputs", nargs=-1, required=True, metavar="CUBE...|[BAND=]IMAGE...|TABLE|FIELD.toml"
)
@click.option(
    "--psf",
    "psfs",
    multiple=True,
    metavar="BAND=FILE",
    help="PSF of an image that is still to be matched; once for each band.",
)
@click.option(
    "--target",
    metavar="BAND",
    help="With --psf: the band to whose PSF the images will be matched.",
)
@click.option(
    "--psf-scale",
    type=FiniteRange(1e-4, 10),
    metavar="ARCSEC",
    help="Pixel scale of a PSF without one in its header.",
)
@output(
    "Table of all findings to write (.fits, .ecsv or .csv); - for standard output.",
    required=False,
)
@quiet_verbose
def command(inputs, psfs, target, psf_scale, output, overwrite, **values):
    """Check the inputs of a fit without fitting them, and estimate its time and memory.

    Inputs and options are those of 'pixsed fit'. The report has a line for each finding: ok,
    warning or problem, the check, what was found, and what to do. It names bands matched and
    missing, units, errors against the sky, PSFs, grids, redshifts, the number of pixels to fit,
    the fraction of a sample that is out of distribution, and the time, memory and disk space.
    All inputs are checked, also after a problem. The exit status is 1 if there is a problem: a
    fit would fail or mislead. With -q only problems are shown.
    """
    from pixsed.cli import fit_options as chosen
    from pixsed.cli.options import is_quiet
    from pixsed.fit.dry_run.lines import report_lines
    from pixsed.fit.dry_run.run import DryRun

    psf_options = _psf_options(psfs, target, psf_scale)
    chosen.check_engine(values)
    if output is not None:
        _check_output(output, overwrite)
    run = DryRun(values["model"], values["jobs"])
    run.load(**chosen.fields_of(type(run.options), values))
    _check_inputs(run, inputs, values, psf_options)
    for line in report_lines(run.findings, ["problem"] if is_quiet() else None):
        click.echo(line, err=output == "-")
    if output is not None:
        _write(run, inputs, output, overwrite)
    run.check_status()


def _psf_options(psfs, target, scale):
    """Return the arguments of `~pixsed.fit.dry_run.psfs.check_files`; None without PSFs."""
    from pixsed.cli.options import pairs

    if bool(psfs) != bool(target):
        raise click.UsageError("--psf and --target go together")
    if scale is not None and not psfs:
        raise click.UsageError("--psf-scale goes with --psf")
    return (
        {"psfs": pairs("--psf", psfs), "target": target.upper(), "scale": scale} if psfs else None
    )


def _check_output(output, overwrite):
    from pixsed.io.writers.tables import check_table_output

    check_table_output(output, overwrite)


def _check_inputs(run, inputs, values, psfs):
    """Check the inputs by their kind; an error before that is a finding too."""
    from pixsed.cli import fit_options as chosen
    from pixsed.errors import PixsedError
    from pixsed.fit.inputs import kind_of_inputs
    from pixsed.io.formats.kinds import kind_of

    mosaics = bool(psfs) or any(values[n] for n in ("segmap", "redshift_map", "catalog"))
    try:
        kind = kind_of_inputs(inputs, values["hdu"], mosaics=mosaics)
    except PixsedError:  # none of the inputs can be read
        for text in inputs:
            try:
                kind_of(text, values["hdu"])
            except PixsedError as error:
                run.refuse(error, item=text)
        return
    try:
        chosen.check_usage(kind, None, values | {"model": run.model or values["model"]})
    except PixsedError:  # of the model, which is a finding already
        pass
    try:
        if kind == "table":
            run.table(chosen.only_table(inputs), chosen.table_columns(values))
        elif kind == "cube":
            files = [chosen.source_files(kind, [name], run.options, values) for name in inputs]
            run.cubes(files, values["tile"])
        else:
            files = chosen.source_files(kind, inputs, run.options, values)
            run.field(files, values["tile"], psfs)
    except PixsedError as error:
        run.refuse(error)


def _write(run, inputs, output, overwrite):
    """Write the table of findings, and report it."""
    from pixsed.cli.options import say
    from pixsed.io.writers.tables import write_table

    table = run.findings.table()
    cards = {"MODEL": run.model.name, "MODELSHA": run.model.sha256} if run.model else {}
    write_table(table, output, overwrite=overwrite, inputs=inputs, name="CHECK", **cards)
    say(f"{output}: {len(table)} findings")
