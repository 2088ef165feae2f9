"""The mean S/N by the bands that have data."""

import numpy as np
import pytest

from pixsed.snr import is_reference, mean_snr, snr_bands, snr_used

HST = "F435W F606W F775W F814W F850LP F105W F125W F160W".split()
RED = ["F277W", "F356W", "F444W"]
_ = np.nan

# Bands, S/N of each (NaN = no data), and the mean.
CASES = [
    ("F115W F277W F356W F444W", [50, 1, 2, 3], 2),
    ("F115W F277W F356W F444W", [50, _, 2, 4], 3),
    ("F115W F277W F356W F444W", [50, _, _, 4], 4),
    ("F115W F277W F356W F444W", [50, _, _, _], 50),
    ("F115W F277W F356W F444W", [_, _, _, _], _),
    ("F090W F115W F150W F200W F444W", [1, 2, 3, 4, _], 3),
    ("F090W F115W F150W F200W F444W", [1, 2, _, 4, _], 7 / 3),
    ("F090W F115W F150W F200W F444W", [1, _, _, 4, _], 2.5),
    ("F435W F606W F814W", [3, 6, 9], 6),
    ("F435W F606W F814W", [3, _, 9], 6),
    ("F435W F606W F814W F115W", [3, 6, 9, 12], 9),
    ("F435W F606W F814W F115W", [3, 6, 9, _], 6),
    ("F356W F410M F480M", [2, 100, 100], 2),
    ("F356W F410M F480M", [_, 100, 50], 75),
    ("F277W", [5], 5),
    ("F606W", [_], _),
    ("F277W F300M F335M F356W F444W", [1, 90, 90, 1, 1], 1),
    (" ".join(HST + RED), [50] * 8 + [_] * 3, 50),
    (" ".join(HST + RED), [50] * 8 + [_, 0.5, _], 0.5),
]


@pytest.mark.parametrize(("bands", "snr", "expected"), CASES)
def test_mean(bands, snr, expected):
    flux = 2.0 * np.array(snr)[:, None]
    found = mean_snr(flux, np.full(flux.shape, 2.0), bands.split())
    np.testing.assert_allclose(found, [expected])


def test_pixel_by_pixel():
    """All cases of one set of bands at once, as the pixels of an image."""
    chosen = [(snr, mean) for bands, snr, mean in CASES if bands == CASES[0][0]]
    flux = np.array([snr for snr, _ in chosen]).T.reshape(4, 1, -1)
    found = mean_snr(flux, np.ones(flux.shape), CASES[0][0].split())
    np.testing.assert_allclose(found[0], [mean for _, mean in chosen])


def test_names():
    assert snr_bands(HST + RED) == RED
    assert snr_bands(HST) == HST[-3:]
    assert snr_bands(["F606W"]) == ["F606W"]
    used = snr_used(np.ones((11, 1), bool), is_reference(HST + RED))
    assert used[:, 0].tolist() == [False] * 8 + [True] * 3
