"""Common fraction of the variance, measured on simulations."""

from types import SimpleNamespace

import numpy as np
import pytest

from pixsed.bands import BY_NAME
from pixsed.fit.common import common_fractions
from pixsed.train.card import _common
from pixsed.validate.common import common_table

BANDS = ["F115W", "F277W", "F356W", "F444W"]


class Shrinking:
    """Posterior of a Gaussian prior: its mean is w times the flux, its variance w err^2.

    The noise scatters the mean by w err, so that 1 - w of the variance comes from the prior.
    """

    name, bands, base_dim = "shrinking", BANDS, 2
    parameters = ("LOGSFR", "AV", "LOGMSTAR")
    weight = np.array([0.1, 1.0, 0.4])

    def sample(self, flux, err, redshift, redshift_err, base):
        assert (redshift_err == 0).all() and flux.shape == err.shape
        mean = np.stack([flux[:, 3]] * 3, axis=1) * self.weight
        sigma = err[:, 3, None] * np.sqrt(self.weight)
        return mean[:, None] + sigma[:, None] * base[..., :1], None


def simulations(number=700, **columns):
    rng = np.random.default_rng(1)
    depth = np.array([BY_NAME[band].depth for band in BANDS])
    flux = depth * np.exp(rng.normal(0, 2, (number, 1)))
    z = rng.uniform(0.2, 7, number)
    return SimpleNamespace(bands=BANDS, flux=flux, columns={"REDSHIFT": z} | columns)


def test_a_gaussian_posterior():
    table = common_table(Shrinking(), simulations())
    assert (np.diff(table["snr"]) > 0).all() and len(table["snr"]) == 5
    np.testing.assert_allclose(table["LOGMSTAR"], 0.6, atol=0.09)
    np.testing.assert_allclose(table["LOGSFR"], 0.9, atol=0.03)
    model = SimpleNamespace(metadata={"calibration": {"common": table}}, base_dim=3)
    found = common_fractions(model, np.array([table["snr"][2]]))[0]
    np.testing.assert_allclose(found, [table["LOGMSTAR"][2]] * 2 + [table["LOGSFR"][2]])
    assert _common(table)[-1].startswith(f"| {table['snr'][-1]:.0f} | 0.")


@pytest.mark.parametrize("lacking", ["simulations", "bands", "property"])
def test_what_cannot_be_measured(lacking):
    model, few = Shrinking(), simulations(20 if lacking == "simulations" else 300)
    if lacking == "bands":
        few.bands = ["F115W", "F277W", "X", "Y"]
    if lacking == "property":
        model.parameters = ("LOGMSTAR", "AV", "METAL")
    assert common_table(model, few) == {}
    assert _common({}) == []
