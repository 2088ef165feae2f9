"""Fraction of posteriors said to have two peaks: python tests/benchmarks/bench_peaks.py [ROWS].

Independent draws of known distributions, with one peak or two. Beside `has_two_peaks` stands
Sarle's bimodality coefficient with its usual limit, the 5/9 of a uniform distribution.
"""

import sys
import timeit

import numpy as np

from pixsed.fit.peaks import has_two_peaks

COUNTS = (64, 128, 500)


def two(rng, shape, separation, weight):
    """Return draws of two Gaussians of unit width, with `weight` in the second."""
    return rng.normal(np.where(rng.random(shape) < weight, separation, 0.0), 1.0)


ONE_PEAK = {
    "uniform": lambda rng, shape: rng.random(shape),
    "Gaussian": lambda rng, shape: rng.normal(size=shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape),
    "lognormal": lambda rng, shape: rng.lognormal(size=shape),
    "against an edge, beta(0.5, 1)": lambda rng, shape: rng.beta(0.5, 1.0, shape),
    "Student t, 3 degrees of freedom": lambda rng, shape: rng.standard_t(3, shape),
    "two Gaussians 2 sigma apart, 1:1": lambda rng, shape: two(rng, shape, 2, 0.5),
}
TWO_PEAKS = {
    f"{separation} sigma apart, weight {weight:g}": (separation, weight)
    for separation, weight in (
        (3, 0.5),
        (4, 0.5),
        (4, 0.2),
        (5, 0.5),
        (5, 0.2),
        (6, 0.5),
        (6, 0.2),
        (6, 0.1),
        (8, 0.1),
    )
}


def flagged(draws):
    """Return the fraction of rows with two peaks."""
    draws = draws.astype(np.float32)
    return has_two_peaks(draws, np.median(draws, axis=1), draws.std(axis=1)).mean()


def by_sarle(draws):
    """Return the fraction of rows with (skewness^2 + 1) / kurtosis above 5/9."""
    off = draws - draws.mean(axis=1, keepdims=True)
    second, third, fourth = ((off**n).mean(axis=1) for n in (2, 3, 4))
    return ((third**2 / second**3 + 1) / (fourth / second**2) > 5 / 9).mean()


def main(rows):
    """Print the table, and the time of a batch of 32 rows."""
    print(f"{'percent with two peaks':36}", *(f"S={count:<5}" for count in COUNTS), "Sarle, S=128")
    laws = ONE_PEAK | {
        name: lambda rng, shape, which=which: two(rng, shape, *which)
        for name, which in TWO_PEAKS.items()
    }
    for name, law in laws.items():
        rng = np.random.default_rng(7)
        draws = [law(rng, (rows, count)) for count in COUNTS]
        text = " ".join(f"{100 * flagged(values):7.2f}" for values in draws)
        print(f"{name:36} {text} {100 * by_sarle(draws[1]):7.1f}")
    draws = np.random.default_rng(1).normal(size=(32, 128)).astype(np.float32)
    middle, std = np.median(draws, axis=1), draws.std(axis=1)
    time = min(timeit.repeat(lambda: has_two_peaks(draws, middle, std), number=200)) / 200
    print(f"{1e6 * time / 32:.1f} microseconds per pixel of 128 draws")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20000)
