"""Rules for redshifts; tests/fit/test_redshift_rules.py tests fits."""

from types import SimpleNamespace

import numpy as np
import pytest

from pixsed.dq import DQ
from pixsed.errors import PixsedError, listed
from pixsed.redshifts import check_redshift, redshift_dq

MODEL = SimpleNamespace(
    redshift_range=(0.0, 7.5), redshift_err_max=0.5, infers_redshift=False, name="m"
)
NONE, BAD, RANGE = DQ.NO_REDSHIFT, DQ.BAD_REDSHIFT_ERR, DQ.REDSHIFT_RANGE
CASES = [
    (1.0, 0.0, 0),
    (0.002, 0.0, 0),
    (7.5, 0.0, 0),
    (np.float32(7.5), 0.1, 0),
    (1.0, 1.0, 0),
    (1.0, 1e-12, 0),
    (7.499, 0.5, 0),
    (0.0, 0.0, NONE),
    (1e-6, 0.0, NONE),
    (1e-3, 0.0, NONE),
    (-99.0, 0.0, NONE),
    (-1, 0.1, NONE),
    (np.nan, 0.0, NONE),
    (np.inf, 0.0, NONE),
    (-np.inf, 0.0, NONE),
    (np.nan, np.nan, NONE),
    (-99.0, -99.0, NONE),
    (0.0, np.inf, NONE),
    (1.0, np.nan, BAD),
    (1.0, np.inf, BAD),
    (1.0, -99.0, BAD),
    (1.0, -1.0, BAD),
    (1.0, -1e-9, BAD),
    (14.18, np.nan, BAD),
    (7.51, 0.0, RANGE),
    (14.18, 0.0, RANGE),
    (99.0, 0.0, RANGE),
    (1e30, 0.0, RANGE),
    (1.0, 1.01, RANGE),
    (1.0, 99.0, RANGE),
    (14.18, 0.1, RANGE),
    (8.0, 50.0, RANGE),
]


@pytest.mark.parametrize(("redshift", "redshift_err", "bits"), CASES)
def test_bits(redshift, redshift_err, bits):
    assert int(redshift_dq(redshift, redshift_err, MODEL)) == bits
    assert int(redshift_dq(redshift, redshift_err)) == (0 if bits == RANGE else bits)
    if bits:
        with pytest.raises(PixsedError, match="^c.fits: redshift .*--redshift"):
            check_redshift(redshift, redshift_err, MODEL, "c.fits")
    else:
        check_redshift(redshift, redshift_err, MODEL, "c.fits")


def test_arrays_and_models_that_infer_redshifts():
    z, dz, bits = (np.array(column, dtype=float) for column in zip(*CASES, strict=True))
    np.testing.assert_array_equal(redshift_dq(z, dz, MODEL), bits)
    blind = SimpleNamespace(infers_redshift=True)
    assert not redshift_dq(z, dz, blind).any()


def test_listed():
    assert listed([3, 5]) == "3, 5"
    assert listed(range(8), 5) == "0, 1, 2, 3, 4 and 3 more"
