"""Coordinates of priors, and their maps from cumulative probability to physical values."""

from dataclasses import dataclass

import numpy as np

#: Fraction of the range by which a bound is widened, so that float32 values stay inside.
ROUNDING = 1e-6


def log_uniform_density(value, low, high):
    """Return the natural log of the density of a uniform variable, -inf outside."""
    margin = ROUNDING * (high - low)
    inside = (value >= low - margin) & (value <= high + margin)
    return np.where(inside, -np.log(high - low), -np.inf)


@dataclass(frozen=True)
class Uniform:
    """A parameter that is uniform between `low` and `high`, or in log10 with `log`."""

    name: str
    low: float
    high: float
    unit: str
    description: str
    log: bool = False

    def from_unit(self, u):
        """Map cumulative probability (0 to 1) to the parameter."""
        value = self.low + (self.high - self.low) * u
        return 10.0**value if self.log else value

    def to_unit(self, value):
        """Return the cumulative probability (0 to 1) of the parameter."""
        value = np.log10(value) if self.log else np.asarray(value)
        return (value - self.low) / (self.high - self.low)

    def value(self, u, age):
        """Return the parameter in physical units; `age` of the Universe in Gyr, (n,)."""
        return self.from_unit(u)

    def log_density(self, value, age):
        """Return the natural log of the density of physical values, -inf outside, (n,)."""
        if not self.log:
            return log_uniform_density(value, self.low, self.high)
        with np.errstate(divide="ignore", invalid="ignore"):
            log = log_uniform_density(np.log10(value), self.low, self.high)
            return np.where(value > 0, log - np.log(value * np.log(10.0)), -np.inf)


@dataclass(frozen=True)
class Arcsine:
    """A fraction from 0 to 1, distributed as Beta(1/2, 1/2): both ends are likely."""

    name: str
    unit: str
    description: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False

    def from_unit(self, u):
        """Map cumulative probability (0 to 1) to the parameter."""
        return np.sin(0.5 * np.pi * np.asarray(u)) ** 2

    def to_unit(self, value):
        """Return the cumulative probability (0 to 1) of the parameter."""
        return np.arcsin(np.sqrt(np.clip(value, 0.0, 1.0))) / (0.5 * np.pi)

    def value(self, u, age):
        """Return the parameter; `age` is not used."""
        return self.from_unit(u)


@dataclass(frozen=True)
class UniformToAge:
    """A cosmic time uniform from `start` Gyr to the age of the Universe at the redshift.

    `from_unit` returns the time as a fraction of that range.
    """

    name: str
    unit: str
    description: str
    start: float = 0.0
    low: float = 0.0
    high: float = 1.0
    log: bool = False

    def from_unit(self, u):
        """Map cumulative probability (0 to 1) to the fraction of the range."""
        return self.low + (self.high - self.low) * u

    def value(self, u, age):
        """Return the time in Gyr; `age` of the Universe in Gyr, (n,)."""
        return self.start + (age - self.start) * u

    def log_density(self, value, age):
        """Return the natural log of the density [1/Gyr] of times in Gyr, -inf outside, (n,)."""
        return log_uniform_density(value, self.start, age)


@dataclass(frozen=True)
class Stick:
    """A stick-breaking fraction, distributed as Beta(1, `pieces`).

    Each break takes this fraction of the remaining stick. Breaks with `pieces` = K, K - 1, ... 1
    give K + 1 parts that are distributed as Dirichlet(1, ..., 1).
    """

    name: str
    pieces: int
    unit: str
    description: str

    def from_unit(self, u):
        """Map cumulative probability (0 to 1) to the fraction of the remaining stick."""
        return -np.expm1(np.log1p(-u) / self.pieces)


def student_t2(q):
    """Return the quantile function of Student's t distribution with 2 degrees of freedom.

    Parameters
    ----------
    q : float or `~numpy.ndarray`
        Twice the cumulative probability, minus 1; within -1 to 1.
    """
    return q * np.sqrt(2.0 / (1.0 - q**2))


@dataclass(frozen=True)
class StudentT:
    """A parameter with a Student's t distribution, 2 degrees of freedom, truncated at +-`bound`."""

    name: str
    scale: float
    bound: float
    unit: str
    description: str

    @property
    def _edge(self):
        # With two degrees of freedom, cdf(t) = (1 + t / sqrt(2 + t^2)) / 2.
        t = self.bound / self.scale
        return t / np.sqrt(2.0 + t**2)

    def from_unit(self, u):
        """Map cumulative probability (0 to 1) to the parameter."""
        q = (2.0 * np.asarray(u) - 1.0) * self._edge
        return np.clip(self.scale * student_t2(q), -self.bound, self.bound)

    def value(self, u, age):
        """Return the parameter; `age` is not used."""
        return self.from_unit(u)

    def log_density(self, value, age):
        """Return the natural log of the density, -inf outside, (n,)."""
        t = value / self.scale
        log = -1.5 * np.log(2.0 + t**2) - np.log(self.scale * self._edge)
        return np.where(np.abs(value) <= self.bound * (1.0 + ROUNDING), log, -np.inf)
