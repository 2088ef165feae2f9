import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.validate import lines, report


def row(parameter="AV", *, by="ALL", low=-np.inf, high=np.inf, case="paper", **changes):
    said = dict(
        CASE=case,
        BY=by,
        LOW=low,
        HIGH=high,
        PARAMETER=parameter,
        UNIT="mag",
        N=10_000,
        R2=0.9,
        R2_SE=0.01,
        OFFSET=0.01,
        OFFSET_SE=0.01,
        MEAN=0.0,
        SCATTER=0.1,
        STD=0.1,
        WIDTH=0.3,
        WIDTH_SE=0.01,
        LEAK=0.0,
        R2_PAPER=np.nan,
        COV50=0.5,
        COV50_SE=0.005,
        COV68=0.68,
        COV68_SE=0.0047,
        COV95=0.95,
        COV95_SE=0.002,
        KS_D=0.01,
        KS_P=0.4,
        CHI2=20.0,
        CHI2_P=0.5,
    )
    return said | changes


def test_no_limit_is_missed():
    rows = [row(), row("JOINT", LEAK=np.nan)]
    assert report.misses(rows, coverage=0.01, joint=0.02, p_value=0.01) == []
    assert report.misses([row(COV50=0.3, KS_P=1e-9, KS_D=0.5)]) == []


@pytest.mark.parametrize(
    "rows, limits, text",
    [
        (
            [row(), row("TAU", by="SNR", low=5, high=10, COV68=0.65)],
            {"coverage": 0.015},
            "68 % coverage of TAU in paper, S/N 5-10 misses by 0.030 (standard error 0.005), more "
            "than 0.015",
        ),
        (
            [row(COV95=0.97), row(COV50=0.45, case="all")],
            {"coverage": 0.015},
            "50 % coverage of AV in all, all misses by 0.050",
        ),
        (
            [row(COV50=0.8, COV50_SE=0.2), row("TAU", COV50=0.47)],
            {"coverage": 0.015},
            "50 % coverage of TAU in paper, all misses by 0.030",
        ),
        (
            [row("JOINT", by="REDSHIFT", low=4, KS_D=0.03, LEAK=np.nan)],
            {"joint": 0.02},
            "joint coverage in paper, z > 4 misses by 0.030 (standard error 0.005), more than 0.02",
        ),
        (
            [row(KS_P=0.001)],
            {"p_value": 0.01},
            "the ranks of AV in paper, all are not uniform: p = 0.001, less than 0.01",
        ),
        (
            [row(LEAK=2e-4), row(COV50=0.1)],
            {"coverage": 0.01},
            "a fraction 0.0002 of the draws of AV in paper, all is outside the prior",
        ),
    ],
)
def test_the_worst_miss_is_named_first(rows, limits, text):
    assert report.misses(rows, **limits)[0].startswith(text)


def test_p_values_count_over_a_whole_case_only():
    assert not report.misses([row(by="SNR", low=5, high=10, KS_P=1e-5)], p_value=0.01)


def test_largest_miss_has_its_sign():
    rows = [row(COV50=0.53), row("TAU", COV95=0.90), row("JOINT", COV50=0.1), row(N=1, COV50=0)]
    miss, error, what = report.largest_miss(rows)
    assert miss == pytest.approx(-0.05) and error == 0.002 and what == "TAU 95 %"
    assert report.largest_miss([row(N=0)]) is None


def test_a_table_is_described(tmp_path, fitsverify):
    path = tmp_path / "t.fits"
    rows = [row(), row("JOINT", LEAK=np.nan)]
    fits.HDUList([fits.PrimaryHDU(), report.table_hdu("TESTS", rows)]).writeto(path, checksum=True)
    header = fits.getheader(path, "TESTS")
    assert header["SUBJECT"].startswith("accuracy and calibration")
    for number in range(1, header["TFIELDS"] + 1):
        assert header[f"TCOMM{number}"], header[f"TTYPE{number}"]
    table = Table.read(path, hdu="TESTS")
    assert list(table["PARAMETER"]) == ["AV", "JOINT"] and np.isinf(table["HIGH"]).all()
    fitsverify(path)


def test_lines():
    rows = [
        row(R2_PAPER=0.95),
        row("JOINT"),
        row(by="SNR", high=5.0, COV50=0.6),
        row("JOINT", by="SNR", high=5.0, KS_D=0.021),
        row(case="all"),
    ]
    text = "\n".join(lines.case_lines(rows, "paper", "title"))
    assert text.startswith("title\n") and "0.900 0.0100  0.95   +0.010 0.010" in text
    assert "standard error of coverage" in text and "  0.0050  0.0047  0.0020" in text
    assert "S/N < 5        10000   +0.100 +- 0.005  AV 50 %          0.021 +- 0.005" in text
