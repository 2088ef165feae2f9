"""Quality bits."""

import numpy as np
import pytest

from pixsed.dq import DQ, NOT_FITTED, Flag, count_reasons, ood_text, reasons_text


@pytest.mark.parametrize("bits", [DQ, Flag])
def test_each_bit_has_a_description_and_a_card(bits):
    values = [bit.value for bit in bits]
    assert values == [2**n for n in range(len(values))]
    cards = bits.cards("DQBIT")
    assert list(cards) == [f"DQBIT{n}" for n in range(len(values))]
    for bit, text in zip(bits, cards.values(), strict=True):
        assert text == f"{bit.value}: {bit.description}" and bit.description
        assert len(text) <= 68  # one card


def test_the_values_that_scripts_know():
    assert [int(DQ(n)) for n in (1, 2, 4, 8, 16, 32, 64)] == [
        DQ.OUTSIDE,
        DQ.LOW_SNR,
        DQ.NO_DATA,
        DQ.OUT_OF_DISTRIBUTION,
        DQ.BAND_MISSING,
        DQ.REDSHIFT_RANGE,
        DQ.NO_REDSHIFT,
    ]
    assert DQ.BIMODAL == 2048
    fitted = DQ.OUT_OF_DISTRIBUTION | DQ.BAND_MISSING | DQ.NO_INFORMATION | DQ.BIMODAL
    assert NOT_FITTED & fitted == 0
    assert NOT_FITTED | fitted == sum(bit.value for bit in DQ)


def test_each_is_counted_under_one_reason():
    dq = np.array([0, 8, 1 | 2, 2, 2 | 16, 4 | 128 | 256 | 16, 128 | 2, 64 | 2, 32, 1024, 256])
    counts = count_reasons(dq)
    assert counts == {
        "no_redshift": 1,
        "bad_redshift_err": 1,
        "out_of_range": 1,
        "no_data": 1,
        "few_bands": 1,
        "no_snr": 1,
        "low_snr": 2,
    }
    text = reasons_text(counts)
    assert text.startswith("1 without a usable redshift, 1 with a redshift error that is NaN")
    assert text.endswith("2 with a mean S/N below the cut")
    assert reasons_text(count_reasons(np.array([0, 8]))) == ""


def test_what_is_not_scored_is_not_said_to_be_in_distribution():
    assert ood_text(5, 0) == "0 of them out of distribution"
    assert ood_text(0, 0) == "OOD not known"
