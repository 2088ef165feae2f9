import numpy as np
import pytest

from pixsed.bands import PAPER_BANDS
from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.io.formats.noise_table import BandNoise, NoiseTable
from pixsed.simulate.noise import BinnedNoise, NoiseModel
from pixsed.simulate.options import SimulateOptions
from pixsed.simulate.table import row_dtype, simulations_writer
from pixsed.validate import cases
from pixsed.validate.bins import BINS
from pixsed.validate.cases import CASES, Case, band_set, observe_case, row_snr

BANDS = ["F070W", *PAPER_BANDS]
PLAIN = NoiseModel("plain")


@pytest.fixture(scope="module")
def sims_file(tmp_path_factory):
    """Write 2500 rows of flat spectra; AV is the number of the row."""
    rng, n = np.random.default_rng(3), 2500
    options = SimulateOptions("tau", BANDS, n)
    rows = np.zeros(n, row_dtype(options))
    rows["AV"], rows["REDSHIFT"], rows["T50"] = np.arange(n), rng.uniform(0, 7, n), rng.random(n)
    rows["FLUX"] = 10 ** rng.uniform(-2, 3, (n, 1))
    path = tmp_path_factory.mktemp("cases") / "sims.fits"
    with simulations_writer(path, options, {"SSPSHA": ""}) as writer:
        writer.append(rows)
    return path, rows


def test_band_sets():
    assert band_set("all", BANDS).all()
    assert band_set("paper", BANDS).tolist() == [False] + [True] * 19


def test_what_is_observed(sims_file):
    path, rows = sims_file
    found = observe_case(path, PLAIN, CASES["paper"], snr_min=5, number=700)
    assert found.flux.shape == (700, 20) and found.snr.min() > 5
    assert np.isnan(found.flux[:, 0]).all() and np.all(found.nbands == 19)
    np.testing.assert_array_equal(np.isnan(found.flux), np.isnan(found.flux_err))
    chosen = found.truth["AV"].astype(int)
    assert np.all(np.diff(chosen) > 0)
    np.testing.assert_array_equal(found.redshift, rows["REDSHIFT"][chosen])
    assert not found.redshift_err.any()
    expected = (1 - rows["T50"][chosen]) * age(rows["REDSHIFT"][chosen])
    np.testing.assert_allclose(found.truth["T50LB"], expected)
    pull = (found.flux - rows["FLUX"][chosen]) / found.flux_err
    assert np.nanstd(pull) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("label, count", [("paper-14", 14), ("paper-10", 10), ("paper-6", 6)])
def test_so_many_bands_at_random(sims_file, label, count):
    found = observe_case(sims_file[0], PLAIN, CASES[label], number=800)
    assert np.all(found.nbands == count)
    fraction = np.isfinite(found.flux).mean(axis=0)[1:]
    assert np.all(np.abs(fraction - count / 19) < 0.08)


def test_bands_dropped(sims_file):
    counts = observe_case(sims_file[0], PLAIN, CASES["all-drop"], number=800).nbands
    assert set(counts) == set(range(10, 18))


def test_redshifts_with_errors(sims_file):
    found = observe_case(sims_file[0], PLAIN, CASES["paper-photoz"], number=1000, photo_z_max=0.05)
    z = found.truth["REDSHIFT"]
    ratio = found.redshift_err / (1 + z)
    assert 0.001 <= ratio.min() < 0.002 and 0.04 < ratio.max() <= 0.05
    pull = (found.redshift - z) / found.redshift_err
    assert np.std(pull[z > 1]) == pytest.approx(1, abs=0.1)


def test_a_range_of_snr(sims_file):
    found = observe_case(sims_file[0], PLAIN, CASES["paper"], snr_min=5, snr_max=10, number=100)
    assert found.snr.min() > 5 and found.snr.max() <= 10
    with pytest.raises(PixsedError, match="a mean S/N above 5 to 10 .paper., fewer than 2000"):
        observe_case(sims_file[0], PLAIN, CASES["paper"], snr_min=5, snr_max=10, number=2000)


def test_blocks_have_random_numbers_of_their_own(sims_file, monkeypatch):
    monkeypatch.setattr(cases, "BLOCK", 600)
    assert [len(b) for b in cases.blocks(sims_file[0])] == [600] * 4 + [100]
    few = observe_case(sims_file[0], PLAIN, CASES["paper"], number=300)
    many = observe_case(sims_file[0], PLAIN, CASES["paper"], number=1500)
    np.testing.assert_array_equal(few.flux, many.flux[:300])
    other = observe_case(sims_file[0], PLAIN, CASES["paper"], number=300, seed=6)
    assert not np.array_equal(few.flux, other.flux)
    # Noise divided by error differs between blocks.
    noise = many.flux[:, 5].astype(float)
    assert len(set(noise)) == len(noise)


def test_bins_are_filled_each_by_itself(sims_file):
    """Each bin holds the first rows of the file in it; added rows count for no other bin."""
    number, least = 200, 60
    case = CASES["paper"]
    everything = observe_case(sims_file[0], PLAIN, case, number=1900)
    found = observe_case(sims_file[0], PLAIN, case, number=number, per_bin=least)
    assert number < len(found) < len(everything)
    value = {"ALL": 0 * everything.snr, "SNR": everything.snr, "REDSHIFT": everything.redshift}
    for (by, low, high), inside in zip(BINS, found.bins.T, strict=True):
        here = found.rows(inside)
        own = everything.rows((value[by] >= low) & (value[by] < high))
        base = (own.truth["AV"] <= everything.truth["AV"][number - 1]).sum()
        assert len(here) == max(base, least if by != "ALL" else 0)
        np.testing.assert_array_equal(here.truth["AV"], own.truth["AV"][: len(here)])
        np.testing.assert_array_equal(here.flux, own.flux[: len(here)])
    assert found.bins.any(axis=1).all()
    plain = observe_case(sims_file[0], PLAIN, case, number=number)
    np.testing.assert_array_equal(found.rows(found.bins[:, 0]).flux, plain.flux)


def test_a_bin_cannot_be_filled(sims_file):
    with pytest.raises(
        PixsedError,
        match=r"of 2500 simulations are in the bin S/N 5-10 .paper., "
        "fewer than 900; simulate more, or give a smaller --per-bin",
    ):
        observe_case(sims_file[0], PLAIN, CASES["paper"], number=200, per_bin=900)
    # No row of such a bin is in the requested range.
    found = observe_case(sims_file[0], PLAIN, CASES["paper"], snr_min=10, number=200, per_bin=210)
    assert found.bins.sum(axis=0)[1:3].tolist() == [0, 0]


def test_too_few_simulations(sims_file):
    with pytest.raises(PixsedError, match="only .* of 2500 simulations have a mean S/N above 1 "):
        observe_case(sims_file[0], PLAIN, CASES["paper"], number=2500)


def test_snr_is_of_the_bands_that_a_row_has():
    bands = ["F090W", "F150W", "F200W", "F277W", "F356W", "F444W"]
    flux = np.array(
        [
            [1.0, 2, 3, 4, 5, 6],
            [1, 2, 3, np.nan, 5, np.nan],
            [1, 2, 3, np.nan, np.nan, np.nan],
            [1, np.nan, 3, *[np.nan] * 3],
            [np.nan] * 6,
        ]
    )
    found = row_snr(flux, np.where(np.isnan(flux), np.nan, 0.5), bands)
    np.testing.assert_allclose(found[:4], [10, 10, 4, 4])
    assert np.isnan(found[4])


def test_snr_is_that_of_a_fit():
    from pixsed.snr import mean_snr

    rng = np.random.default_rng(0)
    flux, err = rng.normal(3, 1, (50, len(BANDS))), rng.uniform(0.5, 1, (50, len(BANDS)))
    for kept in (slice(None), slice(0, 9)):
        expected = mean_snr(flux.T[kept], err.T[kept], BANDS[kept])
        np.testing.assert_allclose(
            row_snr(flux[:, kept], err[:, kept], BANDS[kept]), expected, rtol=1e-5
        )


def test_the_noise_need_not_know_bands_that_nobody_sees(sims_file):
    level = BandNoise(edges=[0.0, 1.0], mean=[2.0], std=[0.0], npix=[9], depth=2.0)
    measured = BinnedNoise(NoiseTable(dict.fromkeys(PAPER_BANDS, level), "noise.fits"))
    found = observe_case(sims_file[0], measured, CASES["paper"], number=300)
    assert np.isnan(found.flux[:, 0]).all() and np.all(found.flux_err[:, 1:] == 2.0)
    noisy = measured.table.bands
    assert CASES["paper"].possible(BANDS, 0.1, noisy)
    assert not CASES["all"].possible(BANDS, 0.1, noisy)
    with pytest.raises(PixsedError, match="noise.fits has no noise of F070W"):
        observe_case(sims_file[0], measured, CASES["all"], number=300)


def test_which_cases_are_possible():
    assert CASES["paper-14"].possible(BANDS, 0.1) and CASES["all"].possible(BANDS, np.inf)
    assert not CASES["paper-14"].possible(BANDS[:10], 0.1)
    assert not CASES["paper-photoz"].possible(BANDS, np.inf)
    assert not CASES["paper-photoz"].possible(BANDS, 0)
    assert not Case("few").possible(["F070W", "F444W"], 0.1)
