import numpy as np

from pixsed.validate.limits import bias_misses, coverage_misses, engine_misses


def row(parameter="AV", *, by="ALL", low=-np.inf, high=np.inf, **changes):
    """Return a row of the table TESTS, with the columns that limits use."""
    values = {"OFFSET": 0.01, "OFFSET_SE": 0.01, "COV68": 0.68, "COV68_SE": 0.0047, "N": 10_000}
    said = {"CASE": "paper", "BY": by, "LOW": low, "HIGH": high, "PARAMETER": parameter}
    return said | values | changes


def test_bias_of_each_property():
    rows = [
        row(OFFSET=-0.06),
        row("LOGSFR", OFFSET=0.14),
        row("JOINT", OFFSET=9.0),
        row(by="SNR", low=5.0, OFFSET=9.0),
        row(by="DUSTSLOPE", high=-0.7, OFFSET=0.4),
    ]
    assert bias_misses(rows, None) == []
    found = bias_misses(rows, {"AV": 0.05, "LOGSFR": 0.15})
    assert [text.split(" is ")[0] for text in found] == [
        "the bias of AV in paper, DUSTSLOPE < -0.7",
        "the bias of AV in paper, all",
    ]
    assert found[1].endswith("is -0.060 (standard error 0.010), more than 0.05")
    assert len(bias_misses(rows, {"": 0.05})) == 3
    assert len(bias_misses(rows, {"": 0.05}, ["LOGSFR"])) == 1
    assert len(bias_misses(rows, {"": 0.05, "AV": 0.1}, ["LOGSFR"])) == 2


def test_coverage_within_limits():
    rows = [row(COV68=0.62), row("LOGSFR", COV68=0.5), row(by="FAMILY=A", COV68=0.8)]
    assert coverage_misses(rows, None) == [] and coverage_misses(rows[:1], (0.6, 0.76)) == []
    found = coverage_misses(rows, (0.60, 0.76))
    assert found[0] == (
        "68 % coverage of LOGSFR in paper, all is 0.500 (standard error 0.005), not within 0.6 to "
        "0.76"
    )
    assert "AV in paper, FAMILY=A is 0.800" in found[1]
    assert len(coverage_misses(rows, (0.60, 0.76), ["AV"])) == 1


def test_engines():
    rows = [
        {"BIN": "all", "PARAMETER": "AV", "N": 900, "BIAS": 0.02},
        {"BIN": "F115W-F444W 5/5, S/N > 30", "PARAMETER": "AV", "N": 80, "BIAS": -0.7},
        {"BIN": "F115W-F444W 1/5, S/N > 30", "PARAMETER": "AV", "N": 3, "BIAS": 5.0},
    ]
    assert engine_misses(rows, None) == [] and engine_misses(rows, 0.8) == []
    assert engine_misses(rows, 0.25) == [
        "the quantile engine's AV is -0.70 sigma off the flow's (F115W-F444W 5/5, S/N > 30, 80 "
        "rows), more than 0.25"
    ]
