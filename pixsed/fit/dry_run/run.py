"""Dry run of a fit of any kind of input: all findings, and what they mean together."""

import time

from pixsed.errors import PixsedError
from pixsed.fit.cube import load_for
from pixsed.fit.draws import DEFAULT_SAMPLES
from pixsed.fit.dry_run.cost import check_cost
from pixsed.fit.dry_run.cubes import check_cubes
from pixsed.fit.dry_run.field import check_field
from pixsed.fit.dry_run.findings import Findings
from pixsed.fit.dry_run.table import check_table
from pixsed.fit.options import FitOptions
from pixsed.fit.to_file import pixel_options


class DryRun:
    """Dry run of a fit: reads what a fit reads, and writes nothing.

    Parameters
    ----------
    name : str or path-like
        Name of a model, or its file.
    jobs : int, optional
        Number of threads.

    Attributes
    ----------
    findings : `~pixsed.fit.dry_run.findings.Findings`
    model : `~pixsed.fit.model.Model` or None
        After `load`; None if it cannot be loaded.
    options : `~pixsed.fit.options.FitOptions`
        After `load`.
    seconds, quiet_seconds : float or None
        Time that the fit is expected to take, at the present load of the machine and without
        other programs; None if nothing can be fitted.
    """

    def __init__(self, name, jobs=1):
        self.findings = Findings()
        self.model, self.options = None, FitOptions()
        self.seconds = self.quiet_seconds = None
        self._name, self._jobs, self._load_seconds = name, jobs, 0.0

    def load(self, **options):
        """Load the model for a fit with some fields of `~pixsed.fit.options.FitOptions`."""
        with self.findings.stage("options"):
            self.options = FitOptions(**options)
        start = time.monotonic()
        with self.findings.stage("model") as stage:
            self.model, self.options = load_for(self._name, self.options)
        self._load_seconds = time.monotonic() - start
        if stage.passed:
            low, high = self.model.redshift_range
            how = "infers the redshift," if self.model.infers_redshift else "takes a redshift,"
            self.findings.ok(
                "model",
                f"{self.model.name}: {how} {low:g} to {high:g}; {len(self.model.bands)} bands; "
                f"engine {self.options.engine}",
            )

    def refuse(self, error, check="read", item="", kind="inputs"):
        """Add the `PixsedError` with which a fit would end."""
        with (self.findings.of(item, kind) if item else self.findings).stage(check):
            raise error

    def cubes(self, cubes, tile=None):
        """Check cubes, as `~pixsed.fit.dry_run.cubes.check_cubes` does."""
        options = pixel_options(self.options)
        work, fitted = check_cubes(
            self.findings, cubes, self.model, options, jobs=self._jobs, tile=tile
        )
        self._add_cost(work, fitted, len(cubes))

    def field(self, files, tile=None, psfs=None):
        """Check the mosaics of a field, as `~pixsed.fit.dry_run.field.check_field` does."""
        options = pixel_options(self.options)
        work, fitted = check_field(
            self.findings, files, self.model, options, jobs=self._jobs, tile=tile, psfs=psfs
        )
        self._add_cost(work, fitted)

    def table(self, path, columns):
        """Check a table, as `~pixsed.fit.dry_run.table.check_table` does."""
        options = self.options.with_defaults(samples=DEFAULT_SAMPLES)
        work, fitted = check_table(
            self.findings, path, self.model, options, columns, jobs=self._jobs
        )
        self._add_cost(work, fitted, what="rows")

    def _add_cost(self, work, fitted, inputs=1, what="pixels"):
        if fitted is not None:
            self.seconds, self.quiet_seconds = check_cost(
                self.findings,
                work,
                fitted,
                self._load_seconds,
                self._jobs,
                inputs=inputs,
                what=what,
            )
        elif not self.findings.problems:
            self.findings.problem(
                "pixels", "nothing can be fitted", "look at the warnings above for the reasons"
            )

    def check_status(self):
        """Raise `PixsedError` if a fit would fail or mislead."""
        if number := len(self.findings.problems):
            noun = "problem" if number == 1 else "problems"
            raise PixsedError(f"{number} {noun}: a fit would fail or mislead; mend them first")
