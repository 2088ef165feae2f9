"""`pixsed validate`."""

import click

from pixsed.cli.options import (
    MOST_SAMPLES,
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

# Written out, since --help is to import nothing; a test holds it against its room.
CASES = "paper,paper-14,paper-10,paper-6,paper-drop,paper-photoz,all,all-drop,ood"


@click.command(
    "validate",
    epilog=examples(
        "pixsed validate tau test.fits -o report.fits --plot report.png",
        "pixsed validate mine.onnx test.fits --noise noise.fits --max-miss 0.015 -o report.fits",
    ),
)
@click.argument("model")
@click.argument("simulations", type=click.Path())
@click.option(
    "-n",
    "number",
    type=click.IntRange(min=100),
    default=10_000,
    show_default=True,
    help="Simulations above the S/N cut, a case.",
)
@click.option(
    "--per-bin",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Simulations in each bin of S/N and redshift at least: those that -n lacks are "
    "added to the bin, not to the whole.",
)
@noise(
    default="depth",
    help="depth: the paper's Table 1, scatter 0.25, 2 % of the flux; wide: "
    "what the shipped models are trained under; or a FILE of 'pixsed noise'.",
)
@click.option(
    "--cases",
    type=Names(),
    metavar="LIST",
    help=f"What to test, commas between, of {CASES}. paper: its 19 bands; -14, -10, -6: "
    "so many of them at random; -drop: less 3 to 10 at random; -photoz: redshifts with "
    "errors; all: all bands of the model; ood: the out-of-distribution score on "
    "artefacts.  [default: all that the model's bands allow]",
)
@click.option(
    "--samples",
    type=click.IntRange(50, MOST_SAMPLES),
    default=256,
    show_default=True,
    help="Draws a simulation: half of them as of 'pixsed fit', for medians and widths, "
    "half independent, for ranks and coverage.",
)
@click.option(
    "--snr-min",
    type=FiniteFloat(),
    default=1.0,
    show_default=True,
    help="Mean S/N over F277W, F356W, F444W, those of them that a row has.",
)
@click.option(
    "--snr-max",
    type=FiniteFloat(),
    help="Largest mean S/N: a run on a narrow range has many simulations in it.",
)
@click.option(
    "--max-miss",
    type=FiniteRange(min=0),
    metavar="FRACTION",
    help="Limit: the coverage of no interval misses by more, in any bin.",
)
@click.option(
    "--max-joint",
    type=FiniteRange(min=0),
    metavar="FRACTION",
    help="Limit: nor does joint coverage (TARP), at any level.",
)
@click.option(
    "--min-p",
    type=FiniteRange(0, 1),
    metavar="P",
    help="Limit: the p-value of no property's ranks, over a whole case, is less.",
)
@click.option(
    "--plot",
    type=click.Path(),
    metavar="FILE.png",
    help="Also draw FILE_residuals.png, FILE_ranks.png, FILE_coverage.png and FILE_widths.png.",
)
@click.option("--card", type=click.Path(), help="Also write the model's card, in Markdown.")
@output("Report, FITS tables.")
@seed
@jobs
@quiet_verbose
def command(
    model,
    simulations,
    number,
    per_bin,
    noise,
    noise_floor,
    cases,
    samples,
    snr_min,
    snr_max,
    max_miss,
    max_joint,
    min_p,
    plot,
    card,
    output,
    overwrite,
    seed,
    jobs,
):
    """Test a model on simulations: accuracy and calibration.

    For each property: R^2 of the posterior medians beside the paper's, offsets, posterior
    over prior width, coverage of 50, 68 and 95 % intervals, ranks, leakage; and joint
    coverage by TARP. All of it for every case, overall and in bins of S/N and redshift,
    printed in short and written as FITS tables. On simulations of another prior than the
    model's, what the two share is compared (cross-test).

    A limit that is missed, or a draw outside the prior, makes the exit status 1, after
    the report is written.
    """
    import warnings

    from astropy.io import fits
    from tqdm import tqdm

    from pixsed.bands import PAPER_BANDS
    from pixsed.errors import PixsedError, PixsedWarning
    from pixsed.io.atomic import atomic_path, write_hdulist
    from pixsed.io.outputs import check_fits_output, check_output
    from pixsed.io.provenance import stamp
    from pixsed.simulate.noise import NOISE_MODELS, choose_noise
    from pixsed.simulate.table import physics_differences
    from pixsed.train.card import card_text
    from pixsed.validate import artefacts, report, statistics
    from pixsed.validate.cases import CASES as KNOWN
    from pixsed.validate.cases import blocks, observe_case, with_t50lb
    from pixsed.validate.engines import compare_engines, engine_lines
    from pixsed.validate.lines import case_lines, ood_lines
    from pixsed.validate.sampling import assess
    from pixsed.validate.tarp import UnitCube

    snr_max = float("inf") if snr_max is None else snr_max
    pictures = {}
    if plot:
        from pixsed.plots.validation import paths

        pictures = paths(plot)
    check_fits_output(output, overwrite)
    for path in filter(None, (card, *pictures.values())):
        check_output(path, overwrite)
    first = next(blocks(simulations), None)
    if first is None:
        raise PixsedError(f"{simulations} is empty; simulate some with 'pixsed simulate'")
    sampler = _sampler(model, first.bands)
    flow = sampler.model
    if first.bands != flow.bands:
        raise PixsedError(f"{simulations} has other bands than {model}; simulate with the model's")
    if other := physics_differences(first.meta, flow.metadata.get("sps", {})):
        warnings.warn(
            f"{simulations} are of another kind than the training of {model} ({other}): what is "
            "tested is the model on those",
            PixsedWarning,
            stacklevel=1,
        )
    errors = choose_noise(noise, [], floor=noise_floor)
    # A measured table may lack bands, which cases without them do not miss.
    noisy = errors.table.bands if noise not in NOISE_MODELS else None
    same_prior = first.prior == flow.sfh
    limits = {"coverage": max_miss, "joint": max_joint, "p_value": min_p}
    if not same_prior and any(limit is not None for limit in limits.values()):
        raise PixsedError(
            f"{simulations} are of prior {first.prior}, {model} of {flow.sfh}: a cross-test has "
            "no limits; leave out --max-miss, --max-joint and --min-p"
        )

    chosen = cases or CASES.split(",")
    if unknown := [case for case in chosen if case not in (*KNOWN, "ood")]:
        known = CASES.replace(",", ", ")
        raise PixsedError(f"--cases: no case {unknown[0]!r}; choose from {known}")
    plain = [KNOWN[case] for case in chosen if case != "ood"]
    impossible = [c for c in plain if not c.possible(flow.bands, flow.redshift_err_max, noisy)]
    if impossible and cases:
        raise PixsedError(
            f"--cases {impossible[0].label}: {model} has too few bands, or no redshift errors, or "
            f"--noise {noise} lacks some of its bands; leave it out"
        )
    plain = [case for case in plain if case not in impossible]
    if impossible:
        left_out = ", ".join(case.label for case in impossible)
        say(
            "left out, since the model has too few bands or no redshift errors, or the noise "
            f"lacks bands: {left_out}"
        )
    if "ood" in chosen and not KNOWN["paper"].possible(flow.bands, 0, noisy):
        lacking = [b for b in PAPER_BANDS if b in flow.bands and noisy and b not in noisy]
        raise PixsedError(
            f"--noise {noise} has no noise of {', '.join(lacking) or 'these bands'}, and artefacts "
            "are made in the bands of the paper; leave ood out of --cases"
        )

    def observe(case):
        return observe_case(
            simulations,
            errors,
            case,
            snr_min=snr_min,
            snr_max=snr_max,
            number=number,
            per_bin=per_bin,
            seed=seed,
            photo_z_max=flow.redshift_err_max,
        )

    # All before the long work, which would be lost if one had too few.
    seen = {case.label: observe(case) for case in plain}
    up_to = f" to {snr_max:g}" if snr_max < float("inf") else ""
    prior = with_t50lb(first.columns)
    tables = {name: [] for name in ("TESTS", "RANKS", "COVERAGE", "RESIDUALS", "WIDTHS", "OOD")}
    points = None
    for case in plain:
        observed = seen[case.label]
        names = sampler.names(observed.truth, photo_z=case.photo_z, same_prior=same_prior)
        joint = sampler.joint_names(names)
        cube = UnitCube({name: prior[name] for name in joint})
        with tqdm(
            total=len(observed), desc=case.label, unit="pix", disable=not show_progress()
        ) as bar:
            result = assess(
                observed,
                sampler,
                names,
                cube,
                samples=samples,
                seed=seed + 1,
                jobs=jobs,
                metadata=flow.metadata,
                progress=bar.update,
            )
        # Its Table 3 is of these bands and this cut.
        like_paper = same_prior and case.label == "paper" and snr_min == 1 and not up_to
        paper = statistics.TABLE3.get(flow.sfh) if like_paper else None
        tables["TESTS"] += statistics.summarise(
            result, case.label, prior if same_prior else None, paper
        )
        for key, rows in zip(
            ("RANKS", "COVERAGE"), statistics.ranks(result, case.label), strict=True
        ):
            tables[key] += rows
        tables["RESIDUALS"] += statistics.residuals(result, case.label)
        if same_prior:
            tables["WIDTHS"] += statistics.widths(result, case.label, prior)
        tables["OOD"] += artefacts.of_simulations(result, case.label)
        points = points or report.points_hdu(result)
        filled = f" (bins {per_bin})" if per_bin else ""
        title = (
            f"{case.label}: {number} simulations{filled}, mean S/N > {snr_min:g}{up_to}, "
            f"noise {errors.name}, JOINT of {' '.join(joint)}"
        )
        for line in case_lines(tables["TESTS"], case.label, title):
            click.echo(line)
        if not same_prior:
            click.echo(_cross(tables["TESTS"], flow.sfh, first.prior, case.label))
    if plain:
        tables["ENGINES"] = compare_engines(flow, seen[plain[0].label], jobs=jobs)
        for line in engine_lines(tables["ENGINES"]):
            click.echo(line)
    if "ood" in chosen:
        observed = seen["paper"] if "paper" in seen else observe(KNOWN["paper"])
        tables["OOD"] += artefacts.of_artefacts(
            observed, flow.bands, errors, sampler, "paper", seed=seed + 2, jobs=jobs
        )
        for line in ood_lines(tables["OOD"]):
            click.echo(line)

    primary = fits.PrimaryHDU()
    inputs = [simulations] if noise in NOISE_MODELS else [simulations, noise]
    stamp(
        primary.header,
        inputs=inputs,
        MODEL=flow.name,
        MODELSHA=flow.sha256,
        PRIOR=(flow.sfh, "prior of the model"),
        SIMPRIOR=(first.prior, "of the simulations"),
        NOISE=errors.name,
        NSAMP=samples,
        SNRMIN=snr_min,
        PERBIN=per_bin,
        SEED=seed,
    )
    if up_to:
        primary.header["SNRMAX"] = snr_max
    worst = report.largest_miss(tables["TESTS"])
    if worst:
        primary.header["WORSTCOV"] = (worst[0], f"largest miss of coverage: {worst[2]}"[:47])
    hdus = [primary, *(report.table_hdu(key, rows) for key, rows in tables.items() if rows)]
    hdus = fits.HDUList([*hdus, *([points] if points else [])])
    write_hdulist(hdus, output, overwrite)
    if pictures:
        from pixsed.plots.validation import draw

        for name, figure in draw(hdus).items():
            with atomic_path(pictures[name], overwrite) as temporary:
                figure.savefig(temporary, dpi=130, format="png")
    if card:
        text = card_text(
            flow.metadata,
            tables["TESTS"],
            ood=tables["OOD"],
            engines=tables.get("ENGINES", ()),
            noise=errors.name,
            samples=samples,
            snr_min=snr_min,
            command=f"pixsed validate {flow.name} SIMULATIONS -n {number} --per-bin {per_bin} "
            f"--noise {errors.name}",
        )
        with atomic_path(card, overwrite) as temporary:
            temporary.write_text(text)
    missed = report.misses(tables["TESTS"], **limits)
    if missed:
        more = f" (and {len(missed) - 1} more)" if len(missed) > 1 else ""
        raise PixsedError(
            f"{missed[0]}{more}; see the table TESTS; train longer, or "
            "test more simulations where standard errors are large"
        )


def _cross(tests, model, simulations, case):
    """The line of a cross-test, as the paper gives it."""
    from pixsed.validate.statistics import FIGURE16

    wanted = (case, "ALL", "LOGMSTAR")
    row = next(r for r in tests if (r["CASE"], r["BY"], r["PARAMETER"]) == wanted)
    said = FIGURE16.get((model, simulations))
    beside = f"; the paper's mean {said:+.3f}" if said is not None else ""
    return (
        f"cross-test, {model} model on {simulations} simulations: LOGMSTAR off by "
        f"{row['OFFSET']:+.3f} dex (median), {row['MEAN']:+.3f} (mean){beside}"
    )


def _sampler(model, bands):
    """What draws posteriors: of an exported model, or of a checkpoint of the paper's network."""
    from pixsed.errors import PixsedError

    if not model.endswith(".ckpt"):
        from pixsed.fit.model import Model
        from pixsed.models import resolve
        from pixsed.validate.sampling import ModelSampler

        return ModelSampler(Model(resolve(model), threads=1))
    try:
        from pixsed.train.maf_paper import load_sampler
    except ImportError as error:
        raise PixsedError(
            f"the paper's network needs {error.name}, which is not installed; "
            "try: pip install 'pixsed[train]'"
        ) from None
    return load_sampler(model, bands, threads=1)
