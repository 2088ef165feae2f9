"""Scale bars and PSF circle: lengths, and places that the galaxy leaves free."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from pixsed.plots.annotations import Corner, Scale, annotate, find_place
from pixsed.plots.figure import new_figure
from pixsed.plots.sky_axes import round_length


@pytest.mark.parametrize(
    ("goal", "length"), [(0.2, 0.2), (0.19999999999999998, 0.2), (0.49, 0.2), (7, 5), (12.3, 10)]
)
def test_round_lengths(goal, length):
    assert round_length(goal) == pytest.approx(length)


def test_bars_have_the_length_that_they_say():
    [(arcsec, first), (kpc, second)] = Scale(0.03, redshift=2.1).bars(40)
    assert (first, second) == ("0.2″", "2 kpc")
    assert arcsec == pytest.approx(0.2 / 0.03)
    per_arcsec = FlatLambdaCDM(H0=70, Om0=0.3).kpc_proper_per_arcmin(2.1).value / 60
    assert kpc == pytest.approx(2 / per_arcsec / 0.03, rel=1e-4)


@pytest.mark.parametrize("redshift", [np.nan, 0.0])
def test_no_bar_in_kpc_without_a_distance(redshift):
    assert [text for _, text in Scale(0.03, redshift=redshift).bars(40)] == ["0.2″"]


@pytest.mark.parametrize(
    ("free", "x", "y"), [("bl", -0.5, -0.5), ("br", 13.5, -0.5), ("tl", -0.5, 25.5)]
)
def test_the_free_corner_is_taken(free, x, y):
    galaxy = np.ones((30, 20), dtype=bool)
    rows = slice(0, 5) if free[0] == "b" else slice(25, 30)
    galaxy[rows, slice(0, 7) if free[1] == "l" else slice(13, 20)] = False
    assert find_place(galaxy, (6, 4)) == (x, y, 0.0)


def test_a_strip_if_no_corner_is_free():
    assert find_place(np.ones((30, 20), dtype=bool), (6, 4)) == (-0.5, -4.5, 4)
    assert find_place(np.zeros((30, 20), dtype=bool), (25, 4)) == (-0.5, -4.5, 4)


@pytest.mark.parametrize("shape", [(30, 30), (12, 40), (60, 25), (8, 8)])
@pytest.mark.parametrize("radius", [0.6, 1.0, 2.0])
def test_nothing_lies_on_the_galaxy_when_drawn(shape, radius):
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")
    ny, nx = shape
    y, x = np.mgrid[:ny, :nx]
    galaxy = np.hypot((x - nx / 2) * 2 / nx, (y - ny / 2) * 2 / ny) < radius
    figure = new_figure(figsize=(3, 3 * ny / nx + 0.5))
    axes = figure.add_subplot()
    axes.imshow(galaxy, origin="lower")
    annotate(figure, [Corner(axes, galaxy, Scale(0.03, 1.0, psf_fwhm=0.15))])
    figure.draw_without_rendering()
    parts = [*axes.texts, *axes.lines, *axes.patches]
    assert len(axes.texts) == len(axes.lines) == 2 and len(axes.patches) == 1
    boxes = [axes.transData.inverted().transform(part.get_window_extent()) for part in parts]
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    rows, columns = np.nonzero(galaxy)
    for (x0, y0), (x1, y1) in boxes:
        assert left <= x0 and x1 <= right and bottom <= y0 and y1 <= top  # nothing is clipped
        inside = (columns + 0.5 > x0) & (columns - 0.5 < x1) & (rows + 0.5 > y0) & (rows - 0.5 < y1)
        assert not inside.any()
    [circle] = axes.patches
    assert 2 * circle.radius == pytest.approx(0.15 / 0.03)
