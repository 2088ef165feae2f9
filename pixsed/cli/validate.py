"""`pixsed validate`."""

import click

from pixsed.checks import MAX_SAMPLES
from pixsed.cli.options import (
    FiniteFloat,
    FiniteRange,
    Names,
    examples,
    jobs,
    noise,
    output,
    quiet_verbose,
    say,
    seed,
    show_progress,
)

# Written out, so that --help imports nothing; a test compares it with the library.
CASES = "paper,paper-14,paper-10,paper-6,paper-drop,paper-photoz,all,all-drop,ood"


def parse_bias(ctx, param, value):
    """Return ``0.05`` or ``LOGMFORM=0.05,LOGSFR=0.15`` as a dict; ``""`` is for all others."""
    if value is None:
        return None
    found = {}
    for part in value.split(","):
        name, _, number = part.rpartition("=")
        try:
            found[name.strip().upper()] = limit = float(number)
        except ValueError:
            limit = -1.0
        if not 0 <= limit < float("inf"):
            raise click.BadParameter(f"{value!r} must be as 0.05 or LOGMFORM=0.05,LOGSFR=0.15")
    return found


def parse_coverage(ctx, param, value):
    """Return ``0.6,0.76`` as a tuple."""
    if value is None:
        return None
    try:
        low, high = map(float, value.split(","))
    except ValueError:
        low, high = 1.0, 0.0
    if not 0 <= low < high <= 1:
        raise click.BadParameter(f"{value!r} must be two ascending fractions, as 0.60,0.76")
    return low, high


@click.command(
    "validate",
    epilog=examples(
        "pixsed validate tau test.fits -o report.fits --plot report.png",
        "pixsed validate tau truths.fits --by FAMILY --by DUSTSLOPE:-0.7,0 -o report.fits",
        "pixsed validate mine.onnx test.fits --noise noise.fits --max-miss 0.015 -o report.fits",
    ),
)
@click.argument("model", metavar="NAME|FILE")
@click.argument("simulations", type=click.Path(), metavar="SIMULATIONS|TRUTHS")
@click.option(
    "-n",
    "number",
    type=click.IntRange(100, 10**9),
    default=10_000,
    show_default=True,
    help="Number of simulations above the S/N cut in each case; the most rows of a table.",
)
@click.option(
    "--per-bin",
    type=click.IntRange(0, 10**6),
    default=0,
    show_default=True,
    help="Minimum number of simulations in each bin of S/N and redshift; those that -n lacks are "
    "added to the bin, not to the whole.",
)
@noise(
    default="depth",
    help="depth: the paper's Table 1, scatter 0.25, 2 % of the flux; wide: "
    "the noise that the shipped models are trained with; or a FILE of 'pixsed noise'. A table "
    "with errors keeps its own noise.",
)
@click.option(
    "--cases",
    type=Names(),
    metavar="CASE,...",
    help=f"Tests, separated by commas: {CASES}. paper: its 19 bands; -14, -10, -6: "
    "this number of them, at random; -drop: without 3 to 10 random bands; -photoz: redshifts "
    "with errors; all: all bands of the model; ood: the out-of-distribution score on "
    "artefacts.  [default: all that the model's bands allow]",
)
@click.option(
    "--samples",
    type=click.IntRange(50, MAX_SAMPLES),
    default=256,
    show_default=True,
    help="Number of posterior draws per simulation: half as in 'pixsed fit', for medians and "
    "widths; half independent, for ranks and coverage.",
)
@click.option(
    "--snr-min",
    type=FiniteFloat(),
    default=1.0,
    show_default=True,
    help="Minimum mean S/N over F277W, F356W and F444W, or those of them that a row has.",
)
@click.option(
    "--snr-max",
    type=FiniteFloat(),
    help="Maximum mean S/N: a narrow range then holds many simulations.",
)
@click.option(
    "--by",
    multiple=True,
    metavar="COLUMN[:EDGES]",
    help="More bins, by a column of the simulations or the truths, as DUSTSLOPE:-0.7,0; without "
    "EDGES into three of equal number, or by the values of a text. Can be repeated.",
)
@click.option(
    "--max-miss",
    type=FiniteRange(min=0),
    metavar="FRACTION",
    help="Limit: largest miss of the coverage of an interval, in any bin.",
)
@click.option(
    "--max-joint",
    type=FiniteRange(min=0),
    metavar="FRACTION",
    help="Limit: largest miss of joint coverage (TARP), at any level.",
)
@click.option(
    "--min-p",
    type=FiniteRange(0, 1),
    metavar="P",
    help="Limit: smallest p-value of the ranks of a property, over a whole case.",
)
@click.option(
    "--max-bias",
    callback=parse_bias,
    metavar="X|PROP=X,...",
    help="Limit: largest median offset, of all or of each named property, over a whole case and "
    "in the bins of --by.",
)
@click.option(
    "--coverage-range",
    "coverage",
    callback=parse_coverage,
    metavar="LOW,HIGH",
    help="Limits: coverage of 68 % intervals, over a whole case and in the bins of --by.",
)
@click.option(
    "--limit-for",
    type=Names(upper=True),
    metavar="PROP,...",
    help="Properties that --coverage-range, and --max-bias without names, are for.  [default: all]",
)
@click.option(
    "--max-engine",
    type=FiniteRange(min=0),
    metavar="SIGMA",
    help="Limit: largest median difference between the quantile engine and the flow, in any bin "
    "of colour and S/N.",
)
@click.option(
    "--plot",
    type=click.Path(),
    metavar="FILE.png",
    help="Also draw FILE_residuals.png, FILE_ranks.png, FILE_coverage.png and FILE_widths.png.",
)
@click.option(
    "--card",
    type=click.Path(),
    metavar="FILE",
    help="Also write the card of the model, in Markdown.",
)
@output("Report: FITS tables.")
@seed
@jobs
@quiet_verbose
def command(model, simulations, plot, card, output, overwrite, **options):
    """Test a model on simulations or tables of truths: accuracy, calibration.

    For each property: R^2 of the posterior medians beside the paper's, offsets, posterior
    over prior width, coverage of 50, 68 and 95 % intervals, ranks, draws outside the prior;
    and joint coverage by TARP. Each case is tested overall and in bins of S/N and redshift,
    printed in short and written as FITS tables. Simulations of another prior than the model's
    are compared in the properties that both have (cross-test).

    TRUTHS is a table of galaxies with known properties, as for 'pixsed fit': <BAND>, <BAND>_ERR,
    REDSHIFT, optionally REDSHIFT_ERR, and the truths in <PROPERTY>_TRUE. Photometry with errors
    is used as it is; without errors it is observed with --noise.

    If a limit is missed, or a draw is outside the prior, the exit status is 1, after the
    report is written.
    """
    from tqdm import tqdm

    from pixsed.io.atomic import write_hdulist
    from pixsed.io.outputs import check_fits_output, check_output
    from pixsed.validate.options import ValidateOptions
    from pixsed.validate.validate import validate_model

    pictures = {}
    if plot:
        from pixsed.plots.validation import paths

        pictures = paths(plot)
    check_fits_output(output, overwrite)
    for path in filter(None, (card, *pictures.values())):
        check_output(path, overwrite)
    if options["snr_max"] is None:
        options["snr_max"] = float("inf")
    options = ValidateOptions(**options)
    sampler = _paper_network(model, simulations) if model.endswith(".ckpt") else model
    with tqdm(unit="pix", disable=not show_progress()) as bar:
        case = None

        def progress(label, done, total):
            nonlocal case
            if label != case:
                bar.reset(total)
                bar.set_description(case := label)
            bar.update(done)

        def echo(line):
            bar.clear()
            click.echo(line)

        def note(line):
            bar.clear()
            say(line)

        report = validate_model(
            sampler, simulations, options, echo=echo, note=note, progress=progress
        )
    hdus = report.hdulist()
    write_hdulist(hdus, output, overwrite)
    if pictures:
        _draw(hdus, pictures, overwrite)
    if card:
        _write_card(report, card, overwrite)
    report.check_limits()


def _draw(hdus, pictures, overwrite):
    from pixsed.io.atomic import atomic_path
    from pixsed.plots.validation import draw

    for name, figure in draw(hdus).items():
        with atomic_path(pictures[name], overwrite) as temporary:
            figure.savefig(temporary, dpi=130, format="png")


def _write_card(report, card, overwrite):
    from pixsed.io.atomic import atomic_path
    from pixsed.train.card import card_text

    options = report.options
    text = card_text(
        report.model.metadata,
        report.tables["TESTS"],
        ood=report.tables["OOD"],
        engines=report.tables.get("ENGINES", ()),
        noise=report.noise,
        samples=options.samples,
        snr_min=options.snr_min,
        command=f"pixsed validate {report.model.name} SIMULATIONS -n {options.number} "
        f"--per-bin {options.per_bin} --noise {report.noise}",
    )
    with atomic_path(card, overwrite) as temporary:
        temporary.write_text(text)


def _paper_network(checkpoint, simulations):
    """Return the sampler of a checkpoint of the paper's network, in the simulations' bands."""
    from pixsed.errors import PixsedError
    from pixsed.extras import EXTRAS, install_advice
    from pixsed.validate.cases import first_block

    bands = first_block(simulations).bands
    try:
        from pixsed.train.maf_paper import load_sampler
    except ImportError as error:
        raise PixsedError(
            f"the paper's network needs {error.name}, which is not installed; "
            f"try: {install_advice(*EXTRAS['train'])}"
        ) from None
    return load_sampler(checkpoint, bands, threads=1)
