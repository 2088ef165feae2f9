"""Pictures of recovered histories."""

import numpy as np
import pytest

from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.fit.histories import LEVELS, Recovered, time_bins
from pixsed.plots.histories import MOST, draw

pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")


def recovered(label="pixel 1 2", log=False, coarse=False):
    edges = time_bins(float(age(2.0)), log)
    rates = {level: np.full(len(edges) - 1, 1.0 + level) for level in LEVELS}
    return Recovered(label, 2.0, coarse, edges, rates, rates)


@pytest.mark.parametrize("log", [False, True])
def test_axes(log, tmp_path):
    figure = draw([recovered(log=log)], title="galaxy 1", log_time=log, log_sfr=log)
    axis, top = figure.axes
    assert axis.get_xlabel() == "lookback time [Gyr]"
    assert top.get_xlabel() == "cosmic time [Gyr]"
    assert axis.get_xlim() == top.get_xlim()
    assert axis.get_xlim()[0] == pytest.approx(float(age(2.0)))  # time runs to the right
    assert axis.get_xlim()[1] < axis.get_xlim()[0]
    assert axis.get_ylim()[1] > 1.975
    now = float(age(2.0))
    for place, text in zip(top.get_xticks(), top.get_xticklabels(), strict=True):
        assert now - place == pytest.approx(float(text.get_text()), abs=1e-6)
    figure.savefig(tmp_path / "sfh.png", dpi=30)


def test_a_panel_for_each(tmp_path):
    figure = draw([recovered(str(i), coarse=i == 3) for i in range(4)])
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == ["0", "1", "2", "3, coarse"]
    figure.savefig(tmp_path / "sfh.png", dpi=30)


def test_no_star_formation_at_all():
    nothing = recovered()
    for values in nothing.sfr.values():
        values[:] = 0.0
    assert draw([nothing]).axes[0].get_ylim() == (0.0, 1.0)
    draw([nothing], log_sfr=True)


def test_too_many():
    with pytest.raises(PixsedError, match="holds 12 histories, got 13"):
        draw([recovered()] * (MOST + 1))
