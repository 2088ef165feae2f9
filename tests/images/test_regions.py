import builtins

import numpy as np
import pytest
from astropy.wcs import WCS

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.regions import read_regions

NY, NX = 80, 100


@pytest.fixture
def wcs(wcs_header):
    return WCS(wcs_header(crpix=(40.0, 45.0)))


@pytest.fixture
def region_file(tmp_path):
    def write(*lines, frame="icrs"):
        path = tmp_path / "a.reg"
        path.write_text("\n".join(["# Region file format: DS9", frame, *lines]) + "\n")
        return str(path)

    return write


def test_without_the_package(region_file, wcs, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "regions":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PixsedError, match="a.reg: region files need .*; try: pip install regions"):
        read_regions(region_file("circle(1,1,1)"), wcs)


class TestWithThePackage:
    @pytest.fixture(autouse=True)
    def needs_regions(self):
        pytest.importorskip("regions", reason="region files need the package regions")

    def test_sky_circle_holds_the_pixels_within_its_radius(self, region_file, wcs):
        sky = wcs.pixel_to_world(30.3, 50.6)
        path = region_file(f'circle({sky.ra.deg:.8f},{sky.dec.deg:.8f},0.3") # text={{531}}')
        (region,) = read_regions(path, wcs)
        assert region.number == 531
        y, x = np.mgrid[:NY, :NX]
        separation = wcs.pixel_to_world(x, y).separation(sky).arcsec
        inside = region.segmap((0, NY, 0, NX))
        assert inside.dtype == np.int32
        clear = np.abs(separation - 0.3) > 1e-3
        np.testing.assert_array_equal(inside[clear], np.where(separation < 0.3, 531, 0)[clear])
        y0, y1, x0, x1 = region.box
        assert (region.segmap(region.box) > 0).sum() == (inside > 0).sum() > 300
        np.testing.assert_array_equal(region.segmap((y0, y1, x0, x1)), inside[y0:y1, x0:x1])

    def test_image_coordinates_count_from_one(self, region_file, wcs):
        path = region_file("box(11,21,3,5,0)", "circle(50,60,2)", frame="image")
        box, circle = read_regions(path, wcs)
        assert (box.number, circle.number) == (1, 2)
        y, x = np.nonzero(box.segmap((0, NY, 0, NX)))
        assert (x.min(), x.max(), y.min(), y.max()) == (9, 11, 18, 22)
        y, x = np.nonzero(circle.segmap((0, NY, 0, NX)))
        assert (x.mean(), y.mean()) == (49, 59)

    def test_shapes(self, region_file, wcs):
        path = region_file(
            "ellipse(30,30,8,4,30)",
            "polygon(10.4,10.4,20.4,10.4,20.4,20.4)",
            "annulus(60,60,5,9)",
            frame="image",
        )
        areas = [(r.segmap((0, NY, 0, NX)) > 0).sum() for r in read_regions(path, wcs)]
        np.testing.assert_allclose(areas, [np.pi * 32, 50, np.pi * (81 - 25)], rtol=0.12)

    def test_unreadable_files_are_named(self, region_file, wcs):
        path = region_file("circle(10,10,2)", "vector(10,20,3,0)", frame="image")
        with pytest.warns(PixsedWarning, match='a.reg: "vector" .* skipping'):
            assert len(read_regions(path, wcs)) == 1

    @pytest.mark.parametrize(
        ("lines", "match"),
        [
            ([], "holds no region"),
            (["point(5,5)"], "region 1 has no area; draw a circle"),
            (["circle(5,5,2)", "line(5,5,9,9)"], "region 2 has no area"),
            (["-circle(5,5,2)"], "region 1 is an excluded one"),
            (["circle(5,5,2) # text={2}", "circle(9,9,2)"], "two regions have the number 2"),
            (["circle(5,5"], "a.reg cannot be read as DS9 regions|holds no region"),
        ],
    )
    def test_errors(self, region_file, wcs, lines, match):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PixsedWarning)
            with pytest.raises(PixsedError, match=match):
                read_regions(region_file(*lines, frame="image"), wcs)

    def test_absent_file(self, wcs):
        with pytest.raises(PixsedError, match="no.reg: no such file"):
            read_regions("no.reg", wcs)
