"""Recovered histories: rates by bins of time, for each kind of model."""

from types import SimpleNamespace

import numpy as np
import pytest

from pixsed import cosmology
from pixsed.errors import PixsedError
from pixsed.fit.histories import (
    LEVELS,
    history_of,
    history_table,
    recover,
    time_bins,
)
from pixsed.fit.select_draws import Posterior
from pixsed.simulate.priors import PRIORS


def drawn(name, n, seed=1, z=None):
    """Return draws of a prior by property, their histories, and the age of the Universe."""
    prior, rng = PRIORS[name](), np.random.default_rng(seed)
    redshift, unit = prior.draw(n, rng)
    redshift = redshift if z is None else np.full(n, z)
    history = prior.history(redshift, unit)
    values = prior.parameters(redshift, unit, history, np.full(n, 0.6))
    age = cosmology.age(redshift)
    values.setdefault("T50LB", (1.0 - history.formation_time(0.5)) * age)
    return values, history, age


def posterior(samples, z=2.0, **changes):
    return Posterior("p", samples, z, 0.0, **changes)


class TestHistories:
    def test_tau_is_exact(self):
        values, history, age = drawn("tau", 200)
        names = ("TAU", "TSTART", "LOGMFORM")
        found = history_of({name: values[name] for name in names}, "tau", age)
        times = np.array([0.01, 0.3, 1.0])
        np.testing.assert_allclose(found.mass_younger(times), history.mass_younger(times))

    def test_dirichlet_has_the_rate_and_the_times_of_the_draws(self):
        values, history, age = drawn("dirichlet", 200)
        names = ("T25", "T50", "T75", "LOGSFR", "LOGMFORM")
        found = history_of({name: values[name] for name in names}, "dirichlet", age)
        off = np.abs(found.log_sfr() - history.log_sfr())
        assert np.quantile(off, 0.9) < 0.02
        grid = np.linspace(0, 1, 21)[None] * age[:, None]
        off = np.abs(found.mass_younger(grid) - history.mass_younger(grid)).max(axis=1)
        assert np.quantile(off, 0.8) < 0.03

    @pytest.mark.parametrize("name", ["broad", "continuity"])
    def test_a_coarse_history_has_the_properties_of_the_draws(self, name):
        values, history, age = drawn(name, 500)
        found = history_of(values, name, age)
        np.testing.assert_allclose(found.log_sfr(), history.log_sfr(), atol=2e-3)
        if name == "broad":
            np.testing.assert_allclose(found.log_sfr(0.01), history.log_sfr(0.01), atol=2e-3)
        half = found.formation_time(0.5) - history.formation_time(0.5)
        assert np.quantile(np.abs(half), 0.95) < 1e-3
        off = np.abs(found.mass_weighted_age() - history.mass_weighted_age())
        # The others would begin before the Big Bang, or are younger than the times allow.
        assert np.quantile(off, 0.5) < 0.02 and np.quantile(off, 0.75) < 0.1
        grid = np.linspace(0, 1, 51)[None] * age[:, None]
        off = np.abs(found.mass_younger(grid) - history.mass_younger(grid)).max(axis=1)
        # The figures of docs/howto/posteriors.rst are those of broad.
        assert np.quantile(off, 0.5) < 0.12 and np.quantile(off, 0.84) < 0.3

    def test_draws_that_contradict_each_other(self):
        # More mass within 100 Myr than there is, half of it before the Big Bang.
        values = {"LOGMFORM": [9.0], "LOGSFR": [3.0], "T50LB": [99.0], "AGE": [50.0]}
        found = history_of(values, "broad", np.array([3.0]))
        younger = found.mass_younger(np.linspace(0, 3, 50))
        assert np.isfinite(younger).all() and (np.diff(younger) >= 0).all()
        assert found.mass_younger(0.1) == pytest.approx(1.0, abs=1e-6)

    @pytest.mark.parametrize("sfh", ["", "continuity", "dirichlet"])
    def test_draws_that_tell_no_history(self, sfh):
        message = f"prior {sfh or 'unknown'} do not tell a history: they lack .*AGE; try --model"
        with pytest.raises(PixsedError, match=message):
            history_of({"LOGMFORM": np.ones(3), "LOGSFR": np.ones(3)}, sfh, np.ones(3))


class TestRecovered:
    model = SimpleNamespace(sfh="tau")

    def test_rates_of_a_known_history(self):
        # SFR ~ t exp(-t) from 1 Gyr on, integrated by the trapezoidal rule.
        age = float(cosmology.age(2.0))
        samples = {"TAU": [1.0] * 4, "TSTART": [1.0] * 4, "LOGMFORM": [9.0] * 4}
        samples = {name: np.array(v, np.float32) for name, v in samples.items()}
        samples["LOGMSTAR"] = samples["LOGMFORM"] - 0.2
        found = recover(posterior(samples), self.model)
        t = np.linspace(0, age, 200_001)
        since = np.clip(t - 1.0, 0, None)
        rate = since * np.exp(-since)
        rate *= 1e9 / (np.trapezoid(rate, t) * 1e9)
        lookback = 0.5 * (found.edges[1:] + found.edges[:-1])
        expected = np.interp(age - lookback, t, rate)
        for level in LEVELS:
            np.testing.assert_allclose(found.sfr[level], expected, rtol=0.01, atol=0.01)
        mass = (found.sfr[0.5] * np.diff(found.edges) * 1e9).sum()
        assert mass == pytest.approx(1e9, rel=1e-5)
        assert found.formed[0.5][0] == pytest.approx(1.0)
        assert (np.diff(found.formed[0.5]) <= 0).all()
        assert not found.coarse

    @pytest.mark.parametrize("log_time", [False, True])
    def test_bands_are_quantiles_of_the_draws(self, log_time):
        values, history, age = drawn("tau", 300, z=2.0)
        found = recover(posterior(values), self.model, log_time=log_time)
        assert len(found.edges) == 201 and found.edges[0] == 0
        assert found.edges[-1] == pytest.approx(age[0])
        mass = 10.0 ** values["LOGMFORM"]
        rate = mass * history.mass_younger(found.edges[1]) / (found.edges[1] * 1e9)
        for level in LEVELS:
            assert found.sfr[level][0] == pytest.approx(np.quantile(rate, level), rel=1e-6)
        if log_time:
            assert found.edges[1] == pytest.approx(0.01)

    def test_an_uncertain_redshift(self):
        values, _, age = drawn("tau", 300)
        found = recover(Posterior("p", values, 2.0, 0.5), self.model)
        assert found.redshift == pytest.approx(np.median(values["REDSHIFT"]))
        assert found.edges[-1] == pytest.approx(age.max())
        assert all(np.isfinite(v).all() for v in found.sfr.values())

    def test_a_coarse_one_says_so(self):
        values, _, _ = drawn("broad", 50, z=2.0)
        assert recover(posterior(values), SimpleNamespace(sfh="broad")).coarse

    def test_bins_of_a_young_universe(self):
        assert (np.diff(time_bins(0.015, log=True)) > 0).all()

    def test_table(self):
        values, _, _ = drawn("tau", 50)
        both = [recover(Posterior(name, values, 2.0, 0.5), self.model) for name in "ab"]
        table = history_table(both)
        assert len(table) == 400 and set(table["PLACE"]) == {"a", "b"}
        assert str(table["SFR_P50"].unit) == "solMass / yr"
        assert {"SFR_P025", "SFR_P975", "FORMED_P16"} <= set(table.colnames)
        part = table[table["PLACE"] == "b"]
        np.testing.assert_allclose(part["SFR_P50"], both[1].sfr[0.5], rtol=1e-6)
        assert np.isnan(part["TIME"][-1])  # before the Big Bang at the median redshift
        assert all(table[name].description for name in table.colnames[1:])
