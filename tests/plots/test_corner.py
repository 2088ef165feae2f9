"""Corner plots: contours, priors, choice of properties, and errors."""

import numpy as np
import pytest

from pixsed.errors import PixsedError
from pixsed.fit.select_draws import Posterior
from pixsed.plots.corner import (
    COLOURS,
    Corner,
    chosen_properties,
    draw,
    enclosing_levels,
    prior_histogram,
)


def posterior(n=2000, seed=0, label="pixel 1 2", **shifts):
    rng = np.random.default_rng(seed)
    names = ("LOGMSTAR", "AV", "TAU")
    samples = {name: rng.normal(shifts.get(name, 5.0), 0.3, n) for name in names}
    return Posterior(label, samples, 2.0, 0.0)


class TestNumbers:
    def test_levels_of_a_normal_density(self):
        # Inside radius r of a 2-D normal are 1 - exp(-r^2 / 2) of the draws.
        x = np.linspace(-5, 5, 401)
        density = np.exp(-0.5 * (x[:, None] ** 2 + x**2))
        found = enclosing_levels(density, (0.68, 0.95))
        np.testing.assert_allclose(found, [0.32, 0.05], rtol=0.01)

    def test_contours_enclose_the_fractions_of_the_package_corner(self):
        corner = pytest.importorskip("corner", reason="compared with the package corner")
        rng = np.random.default_rng(1)
        x, y = rng.normal(size=(2, 20_000))
        counts, *_ = np.histogram2d(x, y, 30)
        mine = enclosing_levels(counts, (0.68,))[0]
        figure = pytest.importorskip("matplotlib.figure").Figure()
        axis = figure.add_subplot()
        corner.hist2d(
            x, y, bins=30, levels=(0.68,), ax=axis, plot_datapoints=False, plot_density=False
        )
        theirs = axis.collections[-1].levels[0]
        inside = [(counts > level).sum() for level in (mine, theirs)]
        assert inside[0] == pytest.approx(inside[1], rel=0.05)

    def test_a_flat_prior(self):
        values = np.random.default_rng(2).uniform(0, 4, 50_000)
        edges, density = prior_histogram(values, 1.0, 2.0)
        np.testing.assert_allclose(density, 0.25, rtol=0.15)
        assert (edges[0], edges[-1]) == (1.0, 2.0)
        # Few draws in the range, few bins.
        assert len(prior_histogram(values, 1.0, 1.01)[1]) == 1
        assert prior_histogram(values, 9.0, 10.0)[1] == [0.0]


class TestChoice:
    def test_default(self):
        assert chosen_properties([posterior()]) == ["LOGMSTAR", "AV"]

    def test_asked_for_in_their_order_once(self):
        assert chosen_properties([posterior()], ["TAU", "AV", "TAU"]) == ["TAU", "AV"]

    def test_missing(self):
        message = "no draws of T25; there are of LOGMSTAR, AV, TAU"
        with pytest.raises(PixsedError, match=message):
            chosen_properties([posterior()], ["T25"])


class TestPicture:
    @pytest.fixture(autouse=True)
    def matplotlib(self):
        pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")

    def test_one_posterior(self):
        one = posterior()
        prior = {"AV": np.linspace(0, 8, 10_000)}
        figure = draw(Corner(["LOGMSTAR", "AV", "TAU"], [one], prior, {"AV": 4.5}, title="here"))
        axes = np.array(figure.axes).reshape(3, 3)
        assert axes[2, 0].get_xlabel().startswith(r"$\log M_*$")
        assert axes[2, 0].get_ylabel() == r"$\log \tau$ [Gyr]"
        low, middle, high = one.quantiles("AV", (0.16, 0.5, 0.84))
        assert axes[1, 1].get_title() == (
            rf"${middle:.2f}^{{+{high - middle:.2f}}}_{{-{middle - low:.2f}}}$"
        )
        # Dashed lines at three quantiles, and the truth.
        assert [line.get_xdata()[0] for line in axes[1, 1].lines] == [low, middle, high, 4.5]
        legend = [text.get_text() for text in axes[0, 2].get_legend().get_texts()]
        assert legend == ["pixel 1 2", "prior", "truth"]
        assert axes[0, 2].get_legend().get_title().get_text() == "here"

    def test_every_posterior_and_the_truth_are_inside(self):
        several = [posterior(label="a"), posterior(label="b", AV=8.0)]
        figure = draw(Corner(["LOGMSTAR", "AV"], several, {}, {"AV": 20.0}))
        axes = np.array(figure.axes).reshape(2, 2)
        assert axes[1, 1].get_xlim()[0] < 4.5 and axes[1, 1].get_xlim()[1] > 20
        assert axes[1, 0].get_ylim() == axes[1, 1].get_xlim()
        assert axes[1, 1].get_title() == ""

    def test_an_axis_ends_where_the_prior_does(self):
        one = posterior()
        one.samples["AV"][:] = np.abs(one.samples["AV"] - 5)
        prior = {"AV": np.linspace(0, 4, 10_000)}
        figure = draw(Corner(["LOGMSTAR", "AV"], [one], prior))
        low, high = figure.axes[3].get_xlim()
        assert -0.02 * (high - low) < low <= 0.0

    @pytest.mark.parametrize("names", [["AV"], ["AV", "TAU"]])
    def test_the_legend_of_few_panels_is_above_them(self, names, tmp_path):
        figure = draw(Corner(names, [posterior()], title="here"))
        figure.savefig(tmp_path / "a.png", dpi=30)
        [legend] = figure.legends
        bottom = legend.get_window_extent().y0
        assert all(axis.get_window_extent().y1 <= bottom for axis in figure.axes)

    def test_faults(self):
        many = [posterior(label=str(i)) for i in range(len(COLOURS) + 1)]
        with pytest.raises(PixsedError, match="holds 5 posteriors, got 6; .*-o .fits"):
            draw(Corner(["AV"], many))
        one = posterior()
        one.samples["AV"][:] = 1.0
        with pytest.raises(PixsedError, match="all draws of AV are 1; leave it out"):
            draw(Corner(["AV"], [one]))
