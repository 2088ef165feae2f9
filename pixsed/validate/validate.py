"""Validation of a model: observe simulations, sample posteriors, compare with the truth."""

import time
from dataclasses import dataclass

import numpy as np

from pixsed.errors import PixsedError
from pixsed.simulate.noise import NOISE_MODELS, choose_noise
from pixsed.validate import artefacts, lines, report, statistics
from pixsed.validate.cases import CASES
from pixsed.validate.engines import compare_engines, engine_lines
from pixsed.validate.limits import (
    bias_misses,
    check_limit_names,
    coverage_misses,
    engine_misses,
)
from pixsed.validate.options import ValidateOptions
from pixsed.validate.sampling import ModelSampler, assess
from pixsed.validate.sources import TABLE, open_source
from pixsed.validate.tarp import UnitCube


@dataclass
class Report:
    """Result of a validation.

    Attributes
    ----------
    model : `~pixsed.fit.model.Model`
    simulations : path-like
    prior : str
        Prior of the simulations; ``"table"`` for a table of another code.
    options : `~pixsed.validate.options.ValidateOptions`
    noise : str
        Name of the noise model, or ``"of the table"``.
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
        options, tests = self.options, self.tables["TESTS"]
        missed = report.misses(tests, **options.limits)
        missed += bias_misses(tests, options.max_bias, options.limit_for)
        missed += coverage_misses(tests, options.coverage, options.limit_for)
        missed += engine_misses(self.tables.get("ENGINES", ()), options.max_engine)
        if missed:
            more = f" (and {len(missed) - 1} more)" if len(missed) > 1 else ""
            raise PixsedError(
                f"{missed[0]}{more}; see the tables TESTS and ENGINES; train longer, or "
                "test more simulations where standard errors are large"
            )


def validate_model(model, simulations, options=None, *, echo=None, note=None, progress=None):
    """Test a model on simulations, or on galaxies of another code.

    Parameters
    ----------
    model : str, path-like or sampler
        ONNX file, name of a shipped model, or an object like
        `~pixsed.validate.sampling.ModelSampler`.
    simulations : path-like
        Table of simulations, read in blocks; or a table of photometry and truths, as read by
        `~pixsed.validate.outside.read_outside`.
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
        possible, or if a table has no truths of the model's properties.

    Examples
    --------
    >>> report = validate_model("tau", "test.fits")  # doctest: +SKIP
    >>> report.hdulist().writeto("report.fits")  # doctest: +SKIP
    """
    work = _Validation(model, simulations, options or ValidateOptions())
    echo, note = echo or _no_op, note or _no_op
    source = work.source
    cases = source.cases(note)
    # Observe all cases before the long computations, which would be lost if a case had too few
    # simulations.
    observed = {case.label: source.observe(case) for case in cases}
    if cases:
        scored = {name for case in cases for name in work.names(observed[case.label], case)}
        check_limit_names(work.options, scored)
    clock = _Clock([len(observed[case.label]) for case in cases], note)
    for case in cases:
        clock.begin(case.label)
        work.test(case, observed[case.label], echo, progress)
    if cases:
        note("engines: comparison of the flow with the quantile engine")
        work.test_engines(observed[cases[0].label], echo)
    if source.artefacts:
        note("artefacts: scores of out-of-distribution pixels")
        work.test_artefacts(observed.get("paper"), echo)
    return work.report


class _Clock:
    """Announcement of the cases, with the time left, which goes with the number of rows."""

    def __init__(self, rows, note):
        self._rows, self._note, self._begun = rows, note, 0
        self._start = time.monotonic()

    def begin(self, label):
        done, left = sum(self._rows[: self._begun]), sum(self._rows[self._begun :])
        text = f"{label}: case {self._begun + 1} of {len(self._rows)}"
        if done:
            seconds = (time.monotonic() - self._start) * left / done
            text += f", about {seconds:.0f} s left for the cases"
        self._begun += 1
        self._note(text)


def _no_op(text):
    pass


class _Validation:
    """A validation in progress: the model, the simulations and the report so far."""

    def __init__(self, model, simulations, options):
        self.options = options
        self.sampler = model if hasattr(model, "joint_names") else _load(model)
        self.flow = flow = self.sampler.model
        name = flow.name if self.sampler is model else model
        noise = choose_noise(options.noise, [], floor=options.noise_floor)
        self.source = source = open_source(simulations, flow, name, options, noise)
        names = ("TESTS", "RANKS", "COVERAGE", "RESIDUALS", "WIDTHS", "OOD")
        self.report = Report(
            model=flow,
            simulations=simulations,
            prior=source.prior,
            options=options,
            noise="of the table" if source.noisy else noise.name,
            tables={name: [] for name in names},
        )

    def test(self, case, observed, echo, progress):
        """Test one case: add its rows to the tables."""
        options, flow, source, label = self.options, self.flow, self.source, case.label
        names = self.names(observed, case)
        joint = [
            name
            for name in self.sampler.joint_names(names)
            if np.isfinite(np.asarray(observed.truth[name], dtype=float)).all()
        ]
        result = assess(
            observed,
            self.sampler,
            names,
            UnitCube(source.cube_values(observed, joint)),
            samples=options.samples,
            seed=options.seed + 1,
            jobs=options.jobs,
            metadata=flow.metadata,
            progress=progress and (lambda done: progress(label, done, len(observed))),
        )
        prior = source.columns if source.same_prior else None
        counts, curves = statistics.ranks(result, label)
        self._add(
            TESTS=statistics.summarise(result, label, prior, self._paper(case)),
            RANKS=counts,
            COVERAGE=curves,
            RESIDUALS=statistics.residuals(result, label),
            WIDTHS=statistics.widths(result, label, prior) if source.same_prior else [],
            OOD=artefacts.of_simulations(result, label),
        )
        self.report.points = self.report.points or report.points_hdu(result)
        self._say(label, joint, len(observed), echo)

    def names(self, observed, case):
        """Return the properties to score: those of the model with a truth in some row."""
        same = self.source.same_prior or self.source.prior == TABLE
        names = self.sampler.names(observed.truth, photo_z=case.photo_z, same_prior=same)
        known = [
            name
            for name in names
            if np.isfinite(np.asarray(observed.truth[name], dtype=float)).sum() > 1
        ]
        if not known:
            raise PixsedError(
                f"{self.report.simulations} has truths of none of the properties of "
                f"{self.flow.name}; name them as {names[0] if names else 'LOGMSTAR'}_TRUE"
            )
        return known

    def _say(self, label, joint, number, echo):
        """Echo the lines of a case."""
        tests, source = self.report.tables["TESTS"], self.source
        title = self._title(label, joint, number)
        if source.prior == TABLE:
            sps = self.flow.metadata.get("sps", {})
            echo(
                f"{self.flow.name} has masses on the IMF {sps.get('IMF', '?')} and [M/H] relative "
                f"to Zsun = {sps.get('ZSUN', '?')}; the truths must have the same"
            )
        if source.same_prior:
            shown = lines.case_lines(tests, label, title)
        else:
            shown = lines.truth_lines(tests, label, title)
        for line in shown:
            echo(line)
        if not source.same_prior and source.prior != TABLE:
            echo(lines.cross_line(tests, self.flow.sfh, source.prior, label))

    def _add(self, **tables):
        for name, rows in tables.items():
            self.report.tables[name] += rows

    def _paper(self, case):
        """Return R^2 of the paper's Table 3, if the case has its bands and its S/N cut."""
        options = self.options
        cut = options.snr_min == 1 and options.snr_max == float("inf")
        like_paper = self.source.same_prior and case.label == "paper" and cut
        return statistics.TABLE3.get(self.flow.sfh) if like_paper else None

    def _title(self, label, joint, number):
        options, table = self.options, self.source.prior == TABLE
        filled = f" (bins {options.per_bin})" if options.per_bin else ""
        up_to = f" to {options.snr_max:g}" if options.snr_max < float("inf") else ""
        rows = f"{number} galaxies" if table else f"{options.number} simulations"
        return (
            f"{label}: {rows}{filled}, mean S/N > {options.snr_min:g}"
            f"{up_to}, noise {self.report.noise}, JOINT of {' '.join(joint) or 'none'}"
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
        observed = observed or self.source.observe(CASES["paper"])
        rows = artefacts.of_artefacts(
            observed,
            self.flow.bands,
            self.source.noise,
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
