"""Draws from the prior of a model."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import beta, kstest, uniform

from pixsed import cosmology
from pixsed.fit.prior_draws import common_prior, prior_draws
from pixsed.fit.select_draws import Posterior

ALL = ("LOGMSTAR", "LOGMFORM", "LOGSIGMA", "LOGSFR", "METAL", "AV", "AGE", "T50LB", "REDSHIFT")


def fake(sfh, coordinates=None):
    prior = {"sfh": sfh} if coordinates is None else {"sfh": sfh, "coordinates": coordinates}
    return SimpleNamespace(sfh=sfh, metadata={"prior": prior}, redshift_range=(0.0, 7.5))


def posterior(redshift=2.0, redshift_err=0.0, area=None):
    return Posterior("p", {}, redshift, redshift_err, area=area)


def same(values, distribution):
    return kstest(values, distribution.cdf).pvalue > 1e-3


class TestTau:
    def test_coordinates_have_their_distributions(self):
        names = ("LOGMFORM", "AV", "METAL", "TAU", "TSTART")
        found = prior_draws(fake("tau"), posterior(), names)
        assert list(found) == list(names)
        assert same(found["LOGMFORM"], uniform(4, 8))
        assert same(found["AV"], uniform(0, 4))
        assert same(found["METAL"], uniform(-2.3, 2.7))
        assert same(np.log10(found["TAU"]), uniform(-2, 4))
        assert same(found["TSTART"], uniform(0, cosmology.age(2.0)))

    def test_derived_properties(self):
        found = prior_draws(fake("tau"), posterior(area=0.01), (*ALL, "TAU", "TSTART"))
        assert "REDSHIFT" not in found  # it is exact
        assert same(found["LOGMSTAR"], uniform(4, 8))
        area = 0.01 * cosmology.kpc_per_arcsec(2.0) ** 2
        np.testing.assert_allclose(found["LOGSIGMA"], found["LOGMSTAR"] - np.log10(area))
        age = cosmology.age(2.0)
        assert found["AGE"].max() < age and found["T50LB"].max() < age
        # All mass within 100 Myr is 1e-8 / yr.
        specific = found["LOGSFR"] - found["LOGMFORM"]
        assert specific.max() <= -8 + 1e-9 and specific.min() >= -14

    def test_no_area_no_density(self):
        assert "LOGSIGMA" not in prior_draws(fake("tau"), posterior(), ALL)


def test_dirichlet_times():
    names = ("T25", "T50", "T75")
    found = prior_draws(fake("dirichlet"), posterior(), names)
    for name, a in zip(names, (1, 2, 3), strict=True):
        assert same(found[name], beta(a, 4 - a))
    assert "AGE" in prior_draws(fake("dirichlet"), posterior(), ("AGE", "LOGSFR"))


def test_broad():
    found = prior_draws(fake("broad"), posterior(), ("LOGSFR10", "T50LB", "DUSTSLOPE", "LOGU"))
    assert len(found) == 4
    assert same(found["LOGU"], uniform(-4, 3))


@pytest.mark.parametrize("redshift, err", [(2.0, 0.1), (np.nan, np.nan)])
def test_redshifts(redshift, err):
    found = prior_draws(fake("tau"), posterior(redshift, err), ("REDSHIFT",))["REDSHIFT"]
    if err > 0:
        assert found.mean() == pytest.approx(2.0, abs=0.01)
        assert found.std() == pytest.approx(0.1, rel=0.05)
    else:  # it is inferred, and has the prior of the model
        assert same(found, uniform(0, 7.5))


@pytest.mark.parametrize(
    "model",
    [
        fake(""),
        fake("gone"),
        fake("tau", [{"name": "LOGMFORM", "low": 4.0, "high": 13.0}]),
        fake("tau", [{"name": "LOGMFORM", "low": 4.0, "high": 12.0}]),
        fake("tau", [{"name": "MASS"}]),
    ],
)
def test_a_prior_that_is_not_known_is_left_out(model):
    assert prior_draws(model, posterior(), ALL) == {}


def test_a_prior_in_common():
    names = ("AV", "LOGSIGMA")
    one, other, wide = posterior(area=0.01), posterior(area=0.01), posterior(area=0.09)
    assert list(common_prior(fake("tau"), [one, other], names)) == ["AV", "LOGSIGMA"]
    assert list(common_prior(fake("tau"), [one, wide], names)) == ["AV"]
    assert common_prior(fake("tau"), [one, posterior(3.0, area=0.01)], names) == {}
    unknown = posterior(np.nan, float("nan"))
    assert list(common_prior(fake("tau"), [unknown, unknown], ("AV",))) == ["AV"]


@pytest.mark.parametrize("name", ["tau", "dirichlet"])
def test_shipped_models(name):
    from pixsed.fit.model import load_model
    from pixsed.models import shipped

    if name not in shipped():
        pytest.skip(f"the model {name} is not shipped")
    assert len(prior_draws(load_model(name), posterior(), ("AV", "METAL"))) == 2
