"""Properties of all priors, especially bounds, and the distributions of each prior."""

import itertools

import numpy as np
import pytest
from scipy.stats import beta, kstest, t

from pixsed.cosmology import age
from pixsed.simulate.priors import PRIORS
from pixsed.simulate.priors.continuity import bin_edges

#: Priors whose density has a closed form, with parameters of the history as coordinates.
CLOSED = [name for name in PRIORS if name != "broad"]
N = 20000
FIRST = ["LOGMSTAR", "LOGMFORM", "LOGSFR", "METAL", "AV"]
EDGES = np.concatenate([[0.0], np.geomspace(1e-3, 14, 40)])


@pytest.fixture(scope="module", params=CLOSED)
def drawn(request):
    prior = PRIORS[request.param]()
    z, unit = prior.draw(N, np.random.default_rng(1))
    history = prior.history(z, unit)
    return prior, z, unit, history, prior.parameters(z, unit, history, np.full(N, 0.6))


def columns_of(name, seed=1):
    prior = PRIORS[name]()
    z, unit = prior.draw(N, np.random.default_rng(seed))
    return prior.parameters(z, unit, prior.history(z, unit), np.full(N, 0.6))


def test_order_of_the_parameters(drawn):
    prior, *_, columns = drawn
    names = list(prior.PARAMETERS)
    assert names[:5] == FIRST and names[-1] == "REDSHIFT"
    assert list(columns) == list(prior.columns())
    assert list(columns)[: len(names)] == names
    assert {"AGE", "T25", "T50", "T75"} <= set(columns)
    assert all(len(entry) == 2 for entry in prior.columns().values())


def test_astropy_reads_the_units(drawn):
    from astropy.units import Unit

    for unit, _ in drawn[0].columns().values():
        Unit(unit)


def test_names_fit_a_header_and_an_extension(drawn):
    assert all(len(name) <= 10 and name.isupper() for name in drawn[0].columns())


@pytest.mark.parametrize(
    "name, low, high",
    [("LOGMFORM", 4, 12), ("AV", 0, 4), ("METAL", -2.3, 0.4), ("REDSHIFT", 0, 7.5)],
)
def test_common_parameters_are_uniform(drawn, name, low, high):
    values = drawn[-1][name]
    assert values.min() >= low and values.max() <= high
    assert kstest(values, "uniform", args=(low, high - low)).pvalue > 1e-3


def test_values_are_the_columns(drawn):
    prior, z, unit, _, columns = drawn
    values = prior.values(z, unit)
    assert list(values) == [c.name for c in prior.COORDINATES]
    for name, value in values.items():
        np.testing.assert_array_equal(value, columns[name])


def test_derived_columns_are_the_history(drawn):
    prior, z, _, history, columns = drawn
    np.testing.assert_allclose(columns["LOGMSTAR"], columns["LOGMFORM"] + np.log10(0.6))
    rate = np.maximum(np.log10(np.maximum(history.mass_younger(0.1), 1e-99) / 1e8), -14)
    np.testing.assert_allclose(columns["LOGSFR"] - columns["LOGMFORM"], rate, atol=1e-9)
    assert np.all(columns["AGE"] > 0) and np.all(columns["AGE"] < age(z))
    # The mean age is the area under the fraction of mass older than a lookback time.
    lookback = np.linspace(0, 1, 4001) * age(z)[:200, None]
    part = prior.history(z[:200], drawn[2][:200])
    older = np.trapezoid(1 - part.mass_younger(lookback), lookback, axis=1)
    np.testing.assert_allclose(columns["AGE"][:200], older, atol=5e-4 * age(z)[:200].max())
    t25, t50, t75 = (columns[name] for name in ("T25", "T50", "T75"))
    assert np.all(t25 > 0) and np.all(t25 <= t50) and np.all(t50 <= t75) and np.all(t75 <= 1)


def test_rows_of_weights_add_up(drawn):
    history = drawn[3]
    weights = history.weights(EDGES)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("z", [1e-8, 2.0, 7.5])
def test_corners_of_the_unit_cube(name, z):
    """No value is outside the prior or NaN, and no time exceeds the age of the Universe."""
    prior = PRIORS[name]()
    own = len(prior.COORDINATES) - 3
    unit = np.array(list(itertools.product([1e-9, 0.5, 1 - 1e-9], repeat=own)))
    for common in (1e-9, 1 - 1e-9):
        cube = np.column_stack([np.full((len(unit), 3), common), unit])
        redshift = np.full(len(cube), z)
        history = prior.history(redshift, cube)
        columns = prior.parameters(redshift, cube, history, np.full(len(cube), 0.6))
        assert all(np.isfinite(values).all() for values in columns.values())
        assert np.isfinite(prior.log_density(columns)).all()
        assert np.isfinite(history.weights(EDGES)).all()
        assert 4 <= columns["LOGMFORM"].min() and columns["LOGMFORM"].max() <= 12
        assert 0 <= columns["AV"].min() and columns["AV"].max() <= 4
        assert -2.3 <= columns["METAL"].min() and columns["METAL"].max() <= 0.4
        times = np.stack([columns["T25"], columns["T50"], columns["T75"]])
        assert times.min() >= 0 and times.max() <= 1 and np.all(np.diff(times, axis=0) >= 0)
        assert np.all(columns["AGE"] > 0) and np.all(columns["AGE"] < age(z))
        if "TSTART" in columns:
            assert np.all(columns["TSTART"] > 0) and np.all(columns["TSTART"] < age(z))
        specific = columns["LOGSFR"] - columns["LOGMFORM"]
        assert specific.min() >= -14 - 1e-9 and specific.max() <= -8 + 1e-9


def test_dirichlet_times():
    """Parts of Dirichlet(1, 1, 1, 1) are Beta(1, 3), with correlations of -1/3."""
    columns = columns_of("dirichlet")
    cuts = np.stack([np.zeros(N), columns["T25"], columns["T50"], columns["T75"], np.ones(N)])
    gaps = np.diff(cuts, axis=0)
    assert gaps.min() > 0
    for gap in gaps:
        assert kstest(gap, beta(1, 3).cdf).pvalue > 1e-3
    off = np.corrcoef(gaps)[np.triu_indices(4, 1)]
    np.testing.assert_allclose(off, -1 / 3, atol=5 / np.sqrt(N))
    # The order statistics of three uniform numbers: Beta(k, 4 - k).
    for k, name in enumerate(("T25", "T50", "T75"), 1):
        assert kstest(columns[name], beta(k, 4 - k).cdf).pvalue > 1e-3


def test_dirichlet_specific_rate():
    columns = columns_of("dirichlet")
    assert kstest(columns["LOGSSFR"], "uniform", args=(-11.5, 4)).pvalue > 1e-3
    assert columns["LOGSFR"].max() - 12 <= -8


def test_continuity_ratios():
    """Student's t, 2 degrees of freedom, scale 0.3, truncated at 10 dex (0.09 % beyond)."""
    columns = columns_of("continuity")
    whole = t(2, scale=0.3)
    inside = whole.cdf(10) - whole.cdf(-10)
    for i in range(1, 7):
        values = columns[f"LOGRATIO{i}"]
        assert np.abs(values).max() <= 10
        assert kstest(values, lambda x: (whole.cdf(x) - whole.cdf(-10)) / inside).pvalue > 1e-3


def test_continuity_history_has_the_ratios():
    prior = PRIORS["continuity"]()
    z, unit = prior.draw(200, np.random.default_rng(4))
    history, values = prior.history(z, unit), prior.values(z, unit)
    rates = history.fractions / np.diff(history.edges, axis=1)
    for i in range(1, 7):
        found = np.log10(np.maximum(rates[:, i - 1], 1e-300) / np.maximum(rates[:, i], 1e-300))
        some = np.abs(found) < 20
        np.testing.assert_allclose(found[some], values[f"LOGRATIO{i}"][some], atol=1e-9)


def test_continuity_bins():
    """Edges of Leja+19: 30 and 100 Myr, equal log steps, then the earliest 15 % of the age."""
    edges = bin_edges(np.array([13.0, 0.7]))
    np.testing.assert_allclose(edges[:, 1:3], [[0.03, 0.1]] * 2)
    np.testing.assert_allclose(edges[:, -2] / edges[:, -1], 0.85)
    steps = np.diff(np.log(edges[:, 2:-1]), axis=1)
    np.testing.assert_allclose(steps, np.repeat(steps[:, :1], 4, axis=1))
    early = bin_edges(age(np.linspace(0, 20, 200)))
    assert np.all(np.diff(early, axis=1) > 0)


def test_power_law_prior():
    columns = columns_of("powerlaw")
    assert kstest(np.log10(columns["GROWTH"]), "uniform", args=(-1, 2)).pvalue > 1e-3
    at_z = age(columns["REDSHIFT"])
    assert kstest(columns["TSTART"] / at_z, "uniform").pvalue > 1e-3
    start = columns["TSTART"] / at_z
    np.testing.assert_allclose(
        ((columns["T50"] - start) / (1 - start)) ** columns["GROWTH"], 0.5, rtol=1e-5
    )


def test_double_power_law_prior():
    columns = columns_of("dpl")
    for name in ("ALPHA", "BETA"):
        assert kstest(np.log10(columns[name]), "uniform", args=(-1, 4)).pvalue > 1e-3
    at_z = age(columns["REDSHIFT"])
    assert columns["TAU"].min() >= 0.1 and np.all(columns["TAU"] <= at_z)
    assert kstest((columns["TAU"] - 0.1) / (at_z - 0.1), "uniform").pvalue > 1e-3


def test_a_prior_of_ten_lines():
    """The example of the documentation works."""
    from pixsed.simulate.priors.base import COMMON, Prior, parameters_with
    from pixsed.simulate.priors.coordinates import UniformToAge
    from pixsed.sps.sfh import PowerLaw

    class Constant(Prior):
        NAME = "constant"
        COORDINATES = (*COMMON, UniformToAge("TSTART", "Gyr", "time at which stars begin to form"))
        PARAMETERS = parameters_with({"TSTART": ("Gyr", "time at which stars begin to form")})

        def history(self, z, unit):
            start = self.values(z, unit)["TSTART"]
            return PowerLaw(0.0 * start, start, age(z))

    prior = Constant()
    z, unit = prior.draw(100, np.random.default_rng(0))
    columns = prior.parameters(z, unit, prior.history(z, unit), np.full(100, 0.7))
    np.testing.assert_allclose(columns["AGE"], (age(z) - columns["TSTART"]) / 2)
    assert np.isfinite(prior.log_density(columns)).all()
