"""Validation of a model: observe simulations, sample posteriors, compare with the truth."""

import warnings
from dataclasses import dataclass

from pixsed.bands import PAPER_BANDS
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.simulate.noise import NOISE_MODELS, choose_noise
from pixsed.simulate.table import physics_differences
from pixsed.validate import artefacts, lines, report, statistics
from pixsed.validate.cases import CASES, first_block, observe_case, with_t50lb
from pixsed.validate.engines import compare_engines, engine_lines
from pixsed.validate.options import TESTS, ValidateOptions
from pixsed.validate.sampling import ModelSampler, assess
from pixsed.validate.tarp import UnitCube


@dataclass
class Report:
    """Result of a validation.

    Attributes
    ----------
    model : `~pixsed.fit.model.Model`
    simulations : path-like
    prior : str
        Prior of the simulations.
    options : `~pixsed.validate.options.ValidateOptions`
    noise : str
        Name of the noise model.
    tables : dict of str to list of dict
        Rows of each table of `pixsed.validate.report.SUBJECTS`, except POINTS.
    points : `~astropy.io.fits.BinTableHDU` or None
        Table POINTS.
    """

    model: object
    simulations: object
    prior: str
    options: ValidateOptions
    noise: str
    tables: dict
    points: object = None

    def hdulist(self):
        """Return the report as an `~astropy.io.fits.HDUList`, with its provenance."""
        from astropy.io import fits

        from pixsed.io.provenance import stamp

        options = self.options
        primary = fits.PrimaryHDU()
        measured = [] if options.noise in NOISE_MODELS else [options.noise]
        stamp(
            primary.header,
            inputs=[self.simulations, *measured],
            MODEL=self.model.name,
            MODELSHA=self.model.sha256,
            PRIOR=(self.model.sfh, "prior of the model"),
            SIMPRIOR=(self.prior, "of the simulations"),
            NOISE=self.noise,
            NSAMP=options.samples,
            SNRMIN=options.snr_min,
            PERBIN=options.per_bin,
            SEED=options.seed,
        )
        if options.snr_max < float("inf"):
            primary.header["SNRMAX"] = options.snr_max
        worst = report.largest_miss(self.tables["TESTS"])
        if worst:
            primary.header["WORSTCOV"] = (worst[0], f"largest miss of coverage: {worst[2]}"[:47])
        tables = [report.table_hdu(key, rows) for key, rows in self.tables.items() if rows]
        return fits.HDUList([primary, *tables, *([self.points] if self.points else [])])

    def check_limits(self):
        """Raise `PixsedError` if a limit is missed, or a draw is outside the prior."""
        missed = report.misses(self.tables["TESTS"], **self.options.limits)
        if missed:
            more = f" (and {len(missed) - 1} more)" if len(missed) > 1 else ""
            raise PixsedError(
                f"{missed[0]}{more}; see the table TESTS; train longer, or "
                "test more simulations where standard errors are large"
            )


def validate_model(model, simulations, options=None, *, echo=None, note=None, progress=None):
    """Test a model on simulations.

    Parameters
    ----------
    model : str, path-like or sampler
        ONNX file, name of a shipped model, or an object like
        `~pixsed.validate.sampling.ModelSampler`.
    simulations : path-like
        Table of simulations, read in blocks.
    options : `~pixsed.validate.options.ValidateOptions`, optional
    echo, note : callable, optional
        Called with each line of the short report, and with each note for the user.
    progress : callable, optional
        Called with the name of the case, the number of simulations just done, and their total
        number.

    Returns
    -------
    `Report`

    Raises
    ------
    PixsedError
        If the simulations have other bands than the model or are too few, if a case is not
        possible, or if limits are set for simulations of another prior.

    Examples
    --------
    >>> report = validate_model("tau", "test.fits")  # doctest: +SKIP
    >>> report.hdulist().writeto("report.fits")  # doctest: +SKIP
    """
    work = _Validation(model, simulations, options or ValidateOptions())
    echo, note = echo or _no_op, note or _no_op
    cases = work.possible_cases(note)
    # Observe all cases before the long computations, which would be lost if a case had too few
    # simulations.
    observed = {case.label: work.observe(case) for case in cases}
    for case in cases:
        work.test(case, observed[case.label], echo, progress)
    if cases:
        work.test_engines(observed[cases[0].label], echo)
    if "ood" in (work.options.cases or TESTS):
        work.test_artefacts(observed.get("paper"), echo)
    return work.report


def _no_op(text):
    pass


class _Validation:
    """A validation in progress: the model, the simulations and the report so far."""

    def __init__(self, model, simulations, options):
        self.simulations, self.options = simulations, options
        self.first = first_block(simulations)
        self.sampler = model if hasattr(model, "joint_names") else _load(model)
        self.flow = flow = self.sampler.model
        self.name = flow.name if self.sampler is model else model
        if self.first.bands != flow.bands:
            raise PixsedError(
                f"{simulations} has other bands than {self.name}; simulate with the model's"
            )
        other = physics_differences(self.first.meta, flow.metadata.get("sps", {}))
        other = other or self.first.filter_differences(flow.metadata.get("filters", []))
        if other:
            warnings.warn(
                f"{simulations} differ in kind from the training of {self.name} ({other}): the "
                "model is tested on those",
                PixsedWarning,
                stacklevel=3,
            )
        own = self.first.own_depths
        self.noise = choose_noise(options.noise, [], floor=options.noise_floor, own=own)
        self.same_prior = self.first.prior == flow.sfh
        if not self.same_prior and any(limit is not None for limit in options.limits.values()):
            raise PixsedError(
                f"{simulations} are of prior {self.first.prior}, {self.name} of {flow.sfh}: a "
                "cross-test has no limits; leave out --max-miss, --max-joint and --min-p"
            )
        self.prior = with_t50lb(self.first.columns)
        names = ("TESTS", "RANKS", "COVERAGE", "RESIDUALS", "WIDTHS", "OOD")
        self.report = Report(
            model=flow,
            simulations=simulations,
            prior=self.first.prior,
            options=options,
            noise=self.noise.name,
            tables={name: [] for name in names},
        )

    def possible_cases(self, note):
        """Return the cases to test; raise `PixsedError` if a requested case is impossible."""
        options, flow = self.options, self.flow
        # A measured table may lack bands that a case does not need.
        noisy = None if options.noise in NOISE_MODELS else self.noise.table.bands
        chosen = options.cases or TESTS
        cases = [CASES[case] for case in chosen if case != "ood"]
        impossible = [c for c in cases if not c.possible(flow.bands, flow.redshift_err_max, noisy)]
        if impossible and options.cases:
            raise PixsedError(
                f"--cases {impossible[0].label}: {self.name} has too few bands, or no redshift "
                f"errors, or --noise {options.noise} lacks some of its bands; leave it out"
            )
        if impossible:
            left_out = ", ".join(case.label for case in impossible)
            note(
                "left out, since the model has too few bands or no redshift errors, or the noise "
                f"lacks bands: {left_out}"
            )
        if "ood" in chosen and not CASES["paper"].possible(flow.bands, 0, noisy):
            lacking = [b for b in PAPER_BANDS if b in flow.bands and noisy and b not in noisy]
            raise PixsedError(
                f"--noise {options.noise} has no noise of {', '.join(lacking) or 'these bands'}, "
                "and artefacts are made in the bands of the paper; leave ood out of --cases"
            )
        return [case for case in cases if case not in impossible]

    def observe(self, case):
        """Return the `~pixsed.validate.cases.Observed` of a case."""
        options = self.options
        return observe_case(
            self.simulations,
            self.noise,
            case,
            snr_min=options.snr_min,
            snr_max=options.snr_max,
            number=options.number,
            per_bin=options.per_bin,
            seed=options.seed,
            photo_z_max=self.flow.redshift_err_max,
        )

    def test(self, case, observed, echo, progress):
        """Test one case: add its rows to the tables."""
        options, flow, label = self.options, self.flow, case.label
        names = self.sampler.names(observed.truth, photo_z=case.photo_z, same_prior=self.same_prior)
        joint = self.sampler.joint_names(names)
        result = assess(
            observed,
            self.sampler,
            names,
            UnitCube({name: self.prior[name] for name in joint}),
            samples=options.samples,
            seed=options.seed + 1,
            jobs=options.jobs,
            metadata=flow.metadata,
            progress=progress and (lambda done: progress(label, done, len(observed))),
        )
        prior = self.prior if self.same_prior else None
        counts, curves = statistics.ranks(result, label)
        self._add(
            TESTS=statistics.summarise(result, label, prior, self._paper(case)),
            RANKS=counts,
            COVERAGE=curves,
            RESIDUALS=statistics.residuals(result, label),
            WIDTHS=statistics.widths(result, label, prior) if self.same_prior else [],
            OOD=artefacts.of_simulations(result, label),
        )
        self.report.points = self.report.points or report.points_hdu(result)
        tests = self.report.tables["TESTS"]
        for line in lines.case_lines(tests, label, self._title(label, joint)):
            echo(line)
        if not self.same_prior:
            echo(lines.cross_line(tests, flow.sfh, self.first.prior, label))

    def _add(self, **tables):
        for name, rows in tables.items():
            self.report.tables[name] += rows

    def _paper(self, case):
        """Return R^2 of the paper's Table 3, if the case has its bands and its S/N cut."""
        options = self.options
        cut = options.snr_min == 1 and options.snr_max == float("inf")
        like_paper = self.same_prior and case.label == "paper" and cut
        return statistics.TABLE3.get(self.flow.sfh) if like_paper else None

    def _title(self, label, joint):
        options = self.options
        filled = f" (bins {options.per_bin})" if options.per_bin else ""
        up_to = f" to {options.snr_max:g}" if options.snr_max < float("inf") else ""
        return (
            f"{label}: {options.number} simulations{filled}, mean S/N > {options.snr_min:g}"
            f"{up_to}, noise {self.noise.name}, JOINT of {' '.join(joint)}"
        )

    def test_engines(self, observed, echo):
        """Compare the quantile engine with the flow."""
        rows = compare_engines(self.flow, observed, jobs=self.options.jobs)
        self.report.tables["ENGINES"] = rows
        for line in engine_lines(rows):
            echo(line)

    def test_artefacts(self, observed, echo):
        """Add the out-of-distribution scores of artefacts, made on the case "paper"."""
        options = self.options
        observed = observed or self.observe(CASES["paper"])
        rows = artefacts.of_artefacts(
            observed,
            self.flow.bands,
            self.noise,
            self.sampler,
            "paper",
            seed=options.seed + 2,
            jobs=options.jobs,
        )
        self._add(OOD=rows)
        for line in lines.ood_lines(self.report.tables["OOD"]):
            echo(line)


def _load(model):
    from pixsed.fit.model import Model
    from pixsed.models import resolve

    return ModelSampler(Model(resolve(model), threads=1))
