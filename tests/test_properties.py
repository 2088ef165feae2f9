"""Names and order of properties and quantiles."""

import pytest

from pixsed.errors import PixsedError
from pixsed.properties import check_quantiles, ordered, quantile_name, unit_and_description


def test_names_of_quantiles():
    names = {
        0.16: "P16",
        0.5: "P50",
        0.84: "P84",
        0.025: "P025",
        0.975: "P975",
        0.05: "P05",
        0.1: "P10",
        1e-5: "P00001",
    }
    assert {q: quantile_name(q) for q in names} == names
    assert check_quantiles([0.84, 0.16]) == (0.5, 0.16, 0.84)
    with pytest.raises(PixsedError, match="between 0 and 1, got 16"):
        check_quantiles([16])
    assert ordered(["X", "AGE", "LOGMSTAR"]) == ["LOGMSTAR", "AGE", "X"]


def test_properties_of_the_broad_model():
    names = "LOGMSTAR LOGMFORM LOGSFR LOGSFR10 METAL AV DUSTSLOPE LOGU AGE T50LB".split()
    assert ordered(sorted(names)) == names
    assert [unit_and_description(name)[0] for name in ("LOGSFR10", "DUSTSLOPE", "LOGU")] == [
        "dex(solMass yr-1)",
        "",
        "",
    ]
