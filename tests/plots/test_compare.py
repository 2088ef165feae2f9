"""Picture of a comparison."""

import numpy as np
import pytest

from pixsed.plots.compare import _title, draw
from pixsed.validate.compare import compare
from pixsed.validate.pairs import Pairs

pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")


def pairs(n=50, unit="dex(solMass)", redshift=None, **changes):
    rng = np.random.default_rng(0)
    a = rng.uniform(8, 11, n)
    values = dict(
        name="LOGMSTAR",
        prop="LOGMSTAR",
        unit=unit,
        a=a,
        b=a + 0.1 + 0.2 * rng.standard_normal(n),
        a_err=np.full(n, 0.1),
        b_err=np.full(n, 0.1),
        redshift=rng.uniform(1, 6, n) if redshift is None else np.full(n, redshift),
        a_name="a.fits",
        b_name="b.fits",
    )
    return Pairs(**{**values, **changes})


def figure_of(*given):
    return draw(given, compare(given))


def panels(figure):
    return [axis for axis in figure.axes if axis.get_ylabel().startswith("B")]


def test_values_and_differences():
    pair = pairs()
    above, below = panels(figure_of(pair))
    found = np.asarray(above.collections[1].get_offsets())
    # Points are drawn in a random order.
    np.testing.assert_allclose(np.sort(found[:, 0]), np.sort(pair.a))
    order = np.argsort(found[:, 0])
    np.testing.assert_allclose(found[order, 1], pair.b[np.argsort(pair.a)])
    found = np.asarray(below.collections[1].get_offsets())
    order = np.argsort(found[:, 0])
    np.testing.assert_allclose(found[order, 1], (pair.b - pair.a)[np.argsort(pair.a)])
    assert above.get_xlim() == above.get_ylim() == below.get_xlim()


def test_one_value_has_no_scatter():
    pair = pairs(3, redshift=1.0)
    pair.redshift[0] = 4.0
    text = _title(pair, compare([pair])).splitlines()
    assert ["scatter" in line for line in text] == [False, True, True, False]
    assert text[3].endswith("0 of 1 outliers") and "nan" not in "".join(text)


def test_colours_are_redshifts():
    figure = figure_of(pairs())
    assert [axis.get_ylabel() for axis in figure.axes][-1] == "redshift"


@pytest.mark.parametrize(
    "n, pixels, label", [(3000, True, "pixels"), (3000, False, "galaxies"), (100, True, None)]
)
def test_one_redshift(n, pixels, label):
    figure = figure_of(pairs(n, redshift=2.0, pixels=pixels))
    labels = [axis.get_ylabel() for axis in figure.axes]
    assert "redshift" not in labels and (label is None or label in labels)


def test_lines_of_equal_offset_are_for_logarithms():
    dex, linear = (panels(figure_of(pairs(unit=unit)))[0] for unit in ("dex", "Gyr"))
    # The error bars are collections; 1:1, and +-0.5 and +-1 dex.
    assert len([line for line in dex.lines if line.get_color() == "r"]) == 5
    assert len([line for line in linear.lines if line.get_color() == "r"]) == 1


def test_several_properties_leave_no_empty_panel():
    figure = figure_of(*(pairs(name=f"P{k}") for k in range(5)))
    assert len(panels(figure)) == 10
    empty = [axis for axis in figure.axes if axis.axison and not axis.has_data()]
    assert empty == []


def test_numbers_are_above_the_panel():
    pair = pairs()
    title = panels(figure_of(pair))[0].get_title(loc="left")
    assert f"all: {np.median(pair.b - pair.a):+.3f}" in title and "z >= 3" in title


def test_one_galaxy():
    assert len(panels(figure_of(pairs(n=1)))) == 2
