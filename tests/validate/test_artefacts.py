import numpy as np
import pytest

from pixsed.bands import BY_NAME, PAPER_BANDS
from pixsed.simulate.noise import DEPTH
from pixsed.validate import artefacts
from pixsed.validate.cases import Observed
from pixsed.validate.sampling import ModelSampler

N, B = 400, len(PAPER_BANDS)


@pytest.fixture
def observed():
    rng = np.random.default_rng(0)
    flux = rng.uniform(2, 20, (N, B)).astype(np.float32)
    flux[:, 3] = np.nan
    err = 0.05 * flux
    return Observed(flux, err, rng.uniform(0.1, 5, N), np.zeros(N), np.linspace(1, 60, N), {})


def made(kind, observed):
    return artefacts.make(kind, observed, PAPER_BANDS, DEPTH, np.random.default_rng(1))


def test_a_star_is_a_blackbody(observed):
    from astropy import units as u
    from astropy.modeling.physical_models import BlackBody

    flux, err = made("STAR", observed)
    assert np.isnan(flux[:, 3]).all() and np.isnan(err[:, 3]).all()
    wave = np.array([BY_NAME[b].pivot_um for b in PAPER_BANDS]) * u.um
    grid = np.linspace(3000, 6000, 61)
    shapes = np.array([BlackBody(t * u.K)(wave).value for t in grid])
    for row in range(0, N, 40):
        ok = np.isfinite(flux[row])
        weight = 1 / err[row, ok] ** 2
        best = []
        for shape in shapes[:, ok]:
            scale = (weight * shape * flux[row, ok]).sum() / (weight * shape**2).sum()
            best.append((weight * (flux[row, ok] - scale * shape) ** 2).sum() / ok.sum())
        assert min(best) < 2.5
    whole = np.nansum(flux, axis=1) / np.nansum(observed.flux, axis=1)
    assert np.median(whole) == pytest.approx(1, abs=0.05)


def test_the_constant_of_blackbodies_is_rounded():
    """The constant is written out because the value of astropy would change the artefacts."""
    from astropy import constants as const
    from astropy import units as u

    exact = (const.h * const.c / const.k_B).to_value(u.um * u.K)
    assert artefacts.HC_OVER_K == pytest.approx(exact, rel=1e-6)
    assert artefacts.HC_OVER_K != exact


def test_a_spike_is_in_one_band(observed):
    flux, err = made("SPIKE", observed)
    np.testing.assert_array_equal(err, observed.flux_err)
    changed = flux != observed.flux
    changed &= np.isfinite(flux)
    assert np.all(changed.sum(axis=1) == 1)
    depth = flux[changed] / err[changed]
    assert np.all((depth <= -5) & (depth >= -50.001)) and np.std(np.log(-depth)) > 0.5


@pytest.mark.parametrize("kind, count, step", [("ZEROPOINT", 9, 0.3), ("BAND", 1, 0.5)])
def test_zero_points_scale_flux_and_error(observed, kind, count, step):
    flux, err = made(kind, observed)
    ratio = flux / observed.flux
    np.testing.assert_allclose(err / observed.flux_err, ratio, rtol=1e-5)
    magnitude = np.abs(2.5 * np.log10(ratio))
    off = magnitude > 0.01
    assert np.all(off.sum(axis=1) == count)
    np.testing.assert_allclose(magnitude[off], step, rtol=1e-4)
    signs = [set(np.sign(r[o] - 1)) for r, o in zip(ratio, off, strict=True)]
    assert all(len(s) == 1 for s in signs) and len(set.union(*signs)) == 2


class Flat:
    """Model that predicts the mean flux, with a p-value from chi^2."""

    base_dim, sfh, parameters, metadata = 1, "", ["LOGMSTAR"], {}
    infers_redshift = False

    def sample(self, flux, flux_err, z, z_err, base):
        mean = np.nanmean(flux, axis=1, keepdims=True)
        return np.zeros((*base.shape[:2], 1)), np.broadcast_to(mean, flux.shape)

    def score(self, flux, flux_err, flux_model, z, z_err):
        assert np.all(np.isfinite(flux).sum(axis=1) == B - 1)
        chi2 = np.nanmean(((flux - flux_model) / flux_err) ** 2, axis=1)
        return chi2, np.exp(-chi2)


def test_table_of_scores(observed):
    sampler = ModelSampler(Flat())
    table = artefacts.of_artefacts(observed, PAPER_BANDS, DEPTH, sampler, "c")
    assert [row["KIND"] for row in table[::3]] == list(artefacts.KINDS)
    spike = table[3]
    assert spike["N"] == np.sum((observed.snr >= 5) & (observed.snr < 50))
    assert table[4]["N"] + table[5]["N"] == spike["N"]
    again = artefacts.of_artefacts(observed, PAPER_BANDS, DEPTH, sampler, "c", jobs=3)
    assert all(a == pytest.approx(b, nan_ok=True) for a, b in zip(table, again, strict=True))


def test_a_row_of_scores():
    ood = np.array([0.0005, 0.005, *np.linspace(0.02, 1, 98)])
    row = artefacts.row_of("SIMULATIONS", "c", ood, np.full(100, 7.0), 5, 10)
    assert row["BELOW01"] == 0.02 and row["BELOW001"] == 0.01 and row["N"] == 100
    assert row["KS_P"] > 0.5 and row["OOD_P50"] == pytest.approx(0.5, abs=0.02)
    empty = artefacts.row_of("STAR", "c", ood, np.full(100, 7.0), 10, 50)
    assert empty["N"] == 0 and np.isnan(empty["BELOW01"]) and list(empty) == list(row)
    nothing = artefacts.row_of("STAR", "c", np.full(100, np.nan), np.full(100, 7.0), 5, 10)
    assert np.isnan(nothing["OOD_P50"])
