import io

import numpy as np
import pytest
from astropy.io import fits

from pixsed.io.writers.planes import PlacedPlanes, plane_header

RNG = np.random.default_rng(2)
SHAPE = (13, 7)  # odd: planes of two bytes end in the middle of a word
DATA = {
    "A": ("f4", RNG.normal(size=SHAPE)),
    "B": ("i2", RNG.integers(-30_000, 30_000, SHAPE)),
    "C": ("i4", RNG.integers(-(2**31), 2**31, SHAPE)),
}


def headers(wcs_header):
    return {
        name: plane_header(name, wcs_header(BUNIT="mag"), kind, SHAPE)
        for name, (kind, _) in DATA.items()
    }


@pytest.mark.parametrize("size", [(13, 7), (5, 7), (4, 3), (1, 1)])
def test_boxes_in_any_order_against_astropy(wcs_header, size):
    file = io.BytesIO()
    primary = fits.Header([("OBJECT", "531")])
    planes = PlacedPlanes(file, primary, headers(wcs_header))
    planes.begin()
    corners = [(y, x) for y in range(0, SHAPE[0], size[0]) for x in range(0, SHAPE[1], size[1])]
    for y, x in RNG.permutation(corners).tolist():
        for name, (_, array) in DATA.items():
            planes.place(name, array[y : y + size[0], x : x + size[1]], y, x)
    changed = primary.copy()
    changed["OBJECT"] = "532"
    table = fits.BinTableHDU.from_columns([fits.Column("n", "J", array=[1, 2])], name="T")
    planes.finish(changed, after=[table])
    file.seek(0)
    with fits.open(file, checksum=True) as hdulist:
        assert [hdu.name for hdu in hdulist] == ["PRIMARY", "A", "B", "C", "T"]
        assert hdulist[0].header["OBJECT"] == "532" and hdulist[0].header["EXTEND"]
        for hdu in hdulist:
            assert hdu.verify_checksum() == hdu.verify_datasum() == 1
        for name, (kind, array) in DATA.items():
            np.testing.assert_array_equal(hdulist[name].data, array.astype(kind))
            expected = fits.ImageHDU(array.astype(kind))
            expected.add_datasum()
            assert hdulist[name].header["DATASUM"] == expected.header["DATASUM"]


def test_a_file_that_lacks_its_last_byte(wcs_header, tmp_path):
    with open(tmp_path / "planes", "w+b") as file:
        planes = PlacedPlanes(file, fits.Header(), headers(wcs_header))
        planes.begin()
        assert planes.has_all_bytes()
        file.truncate(file.seek(0, io.SEEK_END) - 1)
        assert not planes.has_all_bytes()


def test_a_whole_plane_begins_at_its_first_pixel(wcs_header):
    planes = PlacedPlanes(io.BytesIO(), fits.Header(), headers(wcs_header))
    planes.begin()
    planes.place("B", DATA["B"][1])
    written = np.frombuffer(planes.take_up("B", 0, 0, *SHAPE), ">i2")
    np.testing.assert_array_equal(written.reshape(SHAPE), DATA["B"][1])


def test_second_writer_continues(wcs_header, monkeypatch):
    """A second writer continues with the checksums of the first after half of the boxes."""
    # The header has the time of writing.
    add = fits.PrimaryHDU.add_checksum
    monkeypatch.setattr(fits.PrimaryHDU, "add_checksum", lambda hdu: add(hdu, when="now"))
    whole, file = io.BytesIO(), io.BytesIO()
    for target, stops in ((whole, [13]), (file, [5, 13])):
        sums, start = None, 0
        for stop in stops:
            planes = PlacedPlanes(target, fits.Header(), headers(wcs_header))
            if sums is None:
                planes.begin()
            else:
                planes.sums.update(sums)
            for name, (_, array) in DATA.items():
                planes.place(name, array[start:stop], start)
            sums, start = dict(planes.sums), stop
        planes.finish()
    assert whole.getvalue() == file.getvalue()


def test_beyond_the_plane_or_the_room(wcs_header):
    planes = PlacedPlanes(io.BytesIO(), fits.Header(), headers(wcs_header))
    planes.begin()
    with pytest.raises(ValueError, match="must lie within the plane"):
        planes.place("A", np.zeros((2, 7)), 12)
    with pytest.raises(ValueError, match="has grown"):
        planes.finish(fits.Header([(f"K{i}", i) for i in range(40)]))
