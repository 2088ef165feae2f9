"""Outlines of segments, against the areas of their pixels."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from pixsed.errors import PixsedError
from pixsed.images.outlines import segment_outlines, write_regions

pytest.importorskip("contourpy", reason="contourpy, which comes with matplotlib, is not installed")


@pytest.fixture
def segmap(tmp_path, wcs_header):
    """Write a map with a disc with a hole (3), a disc at the edge (8), and one pixel (9)."""
    y, x = np.mgrid[:60, :80]
    values = np.zeros((60, 80), np.int32)
    r = np.hypot(x - 25, y - 30)
    values[(r < 15) & (r > 5)] = 3
    values[np.hypot(x - 79, y - 59) < 10] = 8
    values[5, 60] = 9
    header = wcs_header(crpix=(40.0, 30.0))
    fits.PrimaryHDU(values, header).writeto(tmp_path / "seg.fits")
    return str(tmp_path / "seg.fits"), values, WCS(header)


def area(sky, wcs):
    """Return the area in pixels of a closed polygon, by the shoelace formula."""
    x, y = wcs.world_to_pixel(sky)
    assert x[0] == pytest.approx(x[-1]) and y[0] == pytest.approx(y[-1])
    return abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2


def test_areas(segmap):
    path, values, wcs = segmap
    found = segment_outlines(path)
    assert list(found) == [3, 8, 9]
    outer, hole = sorted((area(sky, wcs) for sky in found[3]), reverse=True)
    # Corners of pixels are cut, by an eighth each.
    assert outer - hole == pytest.approx((values == 3).sum(), rel=0.05)
    [edge] = found[8]
    assert area(edge, wcs) == pytest.approx((values == 8).sum(), rel=0.12)
    x, y = wcs.world_to_pixel(edge)
    assert x.max() == pytest.approx(79.5) and y.max() == pytest.approx(59.5)
    assert area(found[9][0], wcs) == pytest.approx(0.5)


def test_only_segments_near_a_window(segmap):
    path, _, wcs = segmap
    corners = wcs.pixel_to_world(np.array([55, 65, 65, 55]), np.array([0, 0, 10, 10]))
    assert list(segment_outlines(path, [corners])) == [9]


def test_the_region_file_reads_back(segmap, tmp_path):
    regions = pytest.importorskip("regions", reason="regions is not installed")
    path, _, wcs = segmap
    outlines = segment_outlines(path)
    write_regions(outlines, tmp_path / "seg.reg")
    found = regions.Regions.read(tmp_path / "seg.reg", format="ds9")
    assert len(found) == 4
    assert [shape.meta.get("text") for shape in found if "text" in shape.meta] == [3, 8, 9]
    x, y = wcs.world_to_pixel(found[-1].vertices)
    np.testing.assert_allclose(sorted(x), [59.5, 60, 60, 60.5], atol=0.02)
    with pytest.raises(PixsedError, match="exists already"):
        write_regions(outlines, tmp_path / "seg.reg")


def test_without_contourpy(segmap, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "contourpy", None)
    with pytest.raises(PixsedError, match="need contourpy.*pip install matplotlib"):
        segment_outlines(segmap[0])
