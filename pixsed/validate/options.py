"""Options of a validation; their metadata say whether they change the report."""

from dataclasses import dataclass, field

from pixsed.errors import PixsedError
from pixsed.validate.bins import parse_by
from pixsed.validate.cases import CASES

#: Names of all tests: the cases, and the out-of-distribution score on artefacts.
TESTS = (*CASES, "ood")


def _data(default):
    return field(default=default, metadata={"changes_data": True})


def _work(default):
    return field(default=default, metadata={"changes_data": False})


@dataclass(frozen=True)
class ValidateOptions:
    """Options of a validation.

    The metadata of each field say whether it changes the tables of the report.

    Attributes
    ----------
    number : int
        Number of simulations above the S/N cut in each case.
    per_bin : int
        Minimum number of simulations in each bin of S/N and of redshift.
    noise : str
        ``"depth"``, ``"wide"``, or the file of a measured noise table.
    noise_floor : float
        Error of bright pixels divided by their flux, added to the noise of a measured table.
    cases : sequence of str or None
        Names in `TESTS`. None stands for all tests that the bands of the model and of the noise
        allow.
    samples : int
        Number of draws per simulation. Half of them are made as in a fit and give medians and
        widths; the other half are independent and give ranks and coverage.
    snr_min, snr_max : float
        Range of the mean S/N.
    seed : int
    jobs : int
        Number of threads.
    by : sequence of str
        Columns of truths or of the simulations that define more bins, as
        `~pixsed.validate.bins.parse_by` reads them.
    max_miss, max_joint, min_p : float or None
        Limits of `~pixsed.validate.report.misses`: on the coverage of an interval, on joint
        coverage, and on the p-value of ranks.
    max_bias, coverage, limit_for : dict of str to float, tuple of float, sequence of str, or None
        Limits of `pixsed.validate.limits`: on the median offset, by property (``""`` for all
        others), on the coverage of 68 % intervals, and the properties that they are for.
    max_engine : float or None
        Limit of `~pixsed.validate.limits.engine_misses`.

    Raises
    ------
    PixsedError
        If a case is unknown, or `by` cannot be read.
    """

    number: int = _data(10_000)
    per_bin: int = _data(0)
    noise: str = _data("depth")
    noise_floor: float = _data(0.0)
    cases: tuple | None = _data(None)
    samples: int = _data(256)
    snr_min: float = _data(1.0)
    snr_max: float = _data(float("inf"))
    by: tuple = _data(())
    seed: int = _data(42)
    jobs: int = _work(1)
    max_miss: float | None = _work(None)
    max_joint: float | None = _work(None)
    min_p: float | None = _work(None)
    max_bias: dict | None = _work(None)
    coverage: tuple | None = _work(None)
    limit_for: tuple | None = _work(None)
    max_engine: float | None = _work(None)

    def __post_init__(self):
        if self.cases is not None:
            object.__setattr__(self, "cases", tuple(self.cases))
        object.__setattr__(self, "by", tuple(self.by))
        for text in self.by:
            parse_by(text)
        for case in self.cases or ():
            if case not in TESTS:
                raise PixsedError(f"--cases: no case {case!r}; choose from {', '.join(TESTS)}")

    @property
    def limits(self):
        """Return the limits, as the keyword arguments of `~pixsed.validate.report.misses`."""
        return {"coverage": self.max_miss, "joint": self.max_joint, "p_value": self.min_p}
