import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from scipy.integrate import quad
from scipy.optimize import brentq

from pixsed import cosmology
from pixsed.fit.derived import derive

AGE = cosmology.age(1.0)


def tau_times(tau, span):
    """Return AGE and T50LB of tau-delayed histories that began `span` ago, at redshift 1."""
    tau, span = np.broadcast_arrays(np.asarray(tau, dtype=float), span)
    found = derive({"TAU": tau[:, None], "TSTART": AGE - span[:, None]}, "tau", np.ones((1, 1)))
    return found["AGE"][:, 0], found["T50LB"][:, 0]


@pytest.mark.parametrize("tau", [0.05, 0.3, 1.0, 4.0, 90.0])
@pytest.mark.parametrize("span", [0.02, 0.7, 5.0])
def test_tau_times_against_integration(tau, span):
    def sfr(t):  # t since the start; of order 1, for quad
        return t * np.exp(-t / tau)

    # The integrals end where the SFR is negligible, so that quad finds the peak.
    end = min(span, 60 * tau)
    total = quad(sfr, 0, end, limit=200)[0]
    mean = quad(lambda t: t * sfr(t), 0, end, limit=200)[0] / total
    half = brentq(lambda t: quad(sfr, 0, t, limit=200)[0] / total - 0.5, 0, end, xtol=1e-13)
    age, t50lb = tau_times([tau], [span])
    np.testing.assert_allclose(age, span - mean, rtol=1e-6)
    np.testing.assert_allclose(t50lb, span - half, rtol=1e-6)


def test_tau_times_at_the_ends_of_the_prior():
    span = np.array([AGE, 1e-6, AGE])
    for found in tau_times([1e-2, 100.0, 100.0], span):
        assert np.isfinite(found).all()
        assert (found >= 0).all()
        assert (found <= span).all()


def test_the_limit_of_short_histories_is_continuous():
    span = np.array([0.99999e-4, 1.00001e-4])
    for found in tau_times([1.0, 1.0], span):
        a, b = found / span
        assert abs(a - b) < 1e-4


def test_derive_of_tau():
    rng = np.random.default_rng(0)
    z = np.full((3, 1), 2.0)
    samples = {
        "LOGMSTAR": rng.normal(8, 1, (3, 50)).astype(np.float32),
        "TAU": rng.uniform(0.1, 3, (3, 50)).astype(np.float32),
        "TSTART": rng.uniform(0, 3, (3, 50)).astype(np.float32),
    }
    found = derive(samples, "tau", z, 0.0009)
    assert set(found) == {"LOGSIGMA", "AGE", "T50LB"}
    area = 0.0009 * cosmology.kpc_per_arcsec(2.0) ** 2
    np.testing.assert_allclose(found["LOGSIGMA"], samples["LOGMSTAR"] - np.log10(area), rtol=1e-6)
    assert (found["AGE"] <= cosmology.age(2.0) - samples["TSTART"]).all()
    assert "LOGSIGMA" not in derive(samples, "tau", z)
    assert set(derive(samples, "other", z, 1.0)) == {"LOGSIGMA"}


def test_derive_of_dirichlet():
    samples = {"LOGMSTAR": np.zeros((1, 2)), "T50": np.array([[0.25, 1.0]])}
    found = derive(samples, "dirichlet", np.ones((1, 1)))
    np.testing.assert_allclose(found["T50LB"], [[0.75 * cosmology.age(1.0), 0.0]])


def test_no_surface_density_at_redshift_zero():
    found = derive({"LOGMSTAR": np.zeros((1, 2))}, "", np.zeros((1, 1)), 1.0)
    assert np.isnan(found["LOGSIGMA"]).all()


def test_times_that_are_sampled_are_not_derived():
    samples = {name: np.ones((1, 2)) for name in ("LOGMSTAR", "TAU", "TSTART", "AGE", "T50")}
    assert set(derive(samples, "tau", np.ones((1, 1)), 1.0)) == {"LOGSIGMA", "T50LB"}
    samples["T50LB"] = np.ones((1, 2))
    for sfh in ("tau", "dirichlet", "broad"):
        assert set(derive(samples, sfh, np.ones((1, 1)), 1.0)) == {"LOGSIGMA"}


@pytest.mark.parametrize("z", [7.5, 10.0, 15.0])
def test_surface_density_at_high_redshift(z):
    found = derive({"LOGMSTAR": np.full((1, 2), 8.0)}, "broad", np.full((1, 1), z), 0.0009)
    scale = FlatLambdaCDM(H0=70, Om0=0.3).kpc_proper_per_arcmin(z).value / 60
    np.testing.assert_allclose(found["LOGSIGMA"], 8 - np.log10(0.0009 * scale**2), rtol=1e-6)
