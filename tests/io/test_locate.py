import errno
import gzip
import tempfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.io.locate import (
    Location,
    choose_image,
    expand_locations,
    open_fits,
    parse_location,
)

PLANE = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.fits", Location("a.fits")),
        ("a.fits[SCI]", Location("a.fits", "SCI")),
        ("a.fits[1]", Location("a.fits", 1)),
        ("a.fits.gz[SCI,2]", Location("a.fits.gz", "SCI", 2)),
        ("F444W=a.fits[ SCI , 2 ]", Location("a.fits", "SCI", 2, "F444W")),
        ("UVIS_F814W=/d/a=b.fits", Location("/d/a=b.fits", band="UVIS_F814W")),
        ("/d/a=b.fits", Location("/d/a=b.fits")),
    ],
)
def test_parse(text, expected):
    assert parse_location(text, band=True) == expected


@pytest.mark.parametrize("text", ["a.fits", "b/a.fits[SCI,2]"])
def test_a_path_is_as_good_as_its_text(text):
    assert parse_location(Path(text)) == parse_location(text)


def test_hdu_option_is_for_a_path_without_extension():
    assert parse_location("a.fits", hdu="ERR,2") == Location("a.fits", "ERR", 2)
    assert parse_location("a.fits[0]", hdu="ERR") == Location("a.fits", 0)


def test_text_form():
    assert str(Location("a.fits", "SCI", 2, "F444W")) == "a.fits[SCI,2]"
    assert str(Location("a.fits")) == "a.fits"


@pytest.mark.parametrize("text", ["a.fits[]", "a.fits[SCI,x]", "a.fits[1,2]"])
def test_illegal_extension(text):
    with pytest.raises(PixsedError, match=r"try \[SCI"):
        parse_location(text)


def test_a_file_with_brackets_in_its_name_wins(write_fits):
    path = write_fits("odd[SCI]", primary=(PLANE, None))
    assert parse_location(path) == Location(path)


@pytest.mark.parametrize(
    ("pattern", "names", "bands"),
    [
        ("F*=JOF_531_F*.fits[SCI_PSFM]", ["JOF_531_F090W", "JOF_531_F444W"], ["F090W", "F444W"]),
        ("F*W=*_sci.fits", ["F090W_sci", "hlsp_jof_F444W_sci"], ["F090W", "F444W"]),
        ("F*=f*_sci.fits", ["f090w_sci", "f444w_sci"], ["F090W", "F444W"]),
        ("UVIS_F*=hst_F*.fits", ["hst_F275W", "hst_F814W"], ["UVIS_F275W", "UVIS_F814W"]),
        ("F*=JOF_[0-9]31_F*.fits", ["JOF_531_F850LP"], ["F850LP"]),
        ("JOF_531_F*.fits[SCI]", ["JOF_531_F090W", "JOF_531_F444W"], [None, None]),
    ],
)
def test_patterns(tmp_path, pattern, names, bands):
    for name in names:
        (tmp_path / f"{name}.fits").touch()
    band, equals, path = pattern.rpartition("=")
    found = expand_locations([f"{band}{equals}{tmp_path}/{path}"])
    assert [place.band for place in found] == bands
    assert [place.path for place in found] == [f"{tmp_path}/{name}.fits" for name in names]
    wanted = pattern.partition(".fits")[2].strip("[]") or None
    assert {place.ext for place in found} == {wanted}


def test_pattern_in_folder_names(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"im_F{len(folder)}00W.fits").touch()
    found = expand_locations([f"F*={tmp_path}/*/im_F*.fits"])
    assert [place.band for place in found] == ["F300W", "F300W"]


def test_pattern_without_match_names_the_pattern(tmp_path):
    with pytest.raises(PixsedError, match=r"no file matches .*/nope_\*\.fits; check"):
        expand_locations([f"F*={tmp_path}/nope_*.fits[SCI]"])


def test_pattern_that_does_not_tell_the_band(tmp_path):
    (tmp_path / "F090W_F444W.fits").touch()
    with pytest.raises(PixsedError, match="F_=|does not tell the band"):
        expand_locations([f"F*W={tmp_path}/*.fits"])


def test_literal_arguments_pass(tmp_path):
    found = expand_locations(["F444W=x.fits", "y.fits[2]"], hdu="SCI")
    assert found == [Location("x.fits", "SCI", None, "F444W"), Location("y.fits", 2)]


def chosen(path, text=None, hdu=None):
    location = parse_location(text or path, hdu)
    with open_fits(location.path) as hdulist:
        return choose_image(hdulist, location).name


def test_choice_of_extension(write_fits):
    path = write_fits("m.fits", ERR=(PLANE, None), SCI=(PLANE, None), X=(PLANE, None))
    assert chosen(path) == "SCI"
    assert chosen(path, path + "[X]") == "X"
    assert chosen(path, path + "[x]") == "X"
    assert chosen(path, path + "[1]") == "ERR"
    assert chosen(path, hdu="ERR") == "ERR"


def test_the_only_image_needs_no_name(write_fits, tmp_path):
    path = write_fits("one.fits", primary=(PLANE, None), CUBE=(np.zeros((2, 3, 4)), None))
    assert chosen(path) == "PRIMARY"
    compressed = tmp_path / "c.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(PLANE)]).writeto(compressed)
    assert chosen(str(compressed)) == "COMPRESSED_IMAGE"


def test_versions(tmp_path):
    hdus = [fits.PrimaryHDU()]
    hdus += [fits.ImageHDU(PLANE + v, name="SCI", ver=v) for v in (1, 2)]
    path = tmp_path / "v.fits"
    fits.HDUList(hdus).writeto(path)
    location = parse_location(f"{path}[SCI,2]")
    with open_fits(path) as hdulist:
        assert choose_image(hdulist, location).data[0, 0] == 2
        assert choose_image(hdulist, parse_location(str(path))).data[0, 0] == 1


def test_gzip(write_fits, tmp_path):
    path = write_fits("z.fits", primary=(PLANE, None))
    zipped = tmp_path / "z.fits.gz"
    with open(path, "rb") as source, gzip.open(zipped, "wb") as target:
        target.write(source.read())
    with open_fits(zipped) as hdulist:
        np.testing.assert_array_equal(hdulist[0].data, PLANE)


@pytest.fixture
def zipped(write_fits, tmp_path, monkeypatch):
    path = write_fits("z.fits", primary=(PLANE, None))
    zipped = tmp_path / "z.fits.gz"
    zipped.write_bytes(gzip.compress(Path(path).read_bytes()))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return zipped


def test_unpacked_copy_is_removed(zipped, tmp_path):
    with open_fits(zipped) as hdulist:
        assert len(list((tmp_path / "tmp").iterdir())) == 1
        np.testing.assert_array_equal(hdulist[0].section[1:, :], PLANE[1:])
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:30] + b"x" * 50])
def test_damaged_gzip(zipped, tmp_path, damage):
    zipped.write_bytes(damage(zipped.read_bytes()))
    with pytest.raises(PixsedError, match="z.fits.gz cannot be read as FITS"), open_fits(zipped):
        pass
    assert not list((tmp_path / "tmp").iterdir())


def test_no_room_to_unpack(zipped, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pixsed.io.locate._copy", full)
    with pytest.raises(PixsedError, match="no room to unpack it .* TMPDIR"), open_fits(zipped):
        pass


def test_unclear_extension_lists_them(write_fits):
    path = write_fits("two.fits", A=(PLANE, None), B=(PLANE, None))
    with pytest.raises(PixsedError, match=r"1 \(A\), 2 \(B\); name one as path\[EXT\] or .*--hdu"):
        chosen(path)


@pytest.mark.parametrize("ext", ["NOPE", "7", "A,3"])
def test_absent_extension(write_fits, ext):
    path = write_fits("two.fits", A=(PLANE, None))
    with pytest.raises(PixsedError, match=r"no such extension; its 2-D images are: 1 \(A\)"):
        chosen(path, f"{path}[{ext}]")


def test_extension_that_is_no_image(write_fits):
    path = write_fits("two.fits", A=(np.zeros((2, 2, 2)), None))
    with pytest.raises(PixsedError, match="is not a 2-D image"):
        chosen(path, f"{path}[A]")
    with pytest.raises(PixsedError, match="no 2-D image in the file"):
        chosen(path)


def test_files_that_cannot_be_read(tmp_path, write_fits):
    with pytest.raises(PixsedError, match="no such file"), open_fits(tmp_path / "no.fits"):
        pass
    with pytest.raises(PixsedError, match="is a folder"), open_fits(tmp_path):
        pass
    text = tmp_path / "t.fits"
    text.write_text("hello")
    with pytest.raises(PixsedError, match="cannot be read as FITS"), open_fits(text):
        pass
    whole = write_fits("w.fits", primary=(np.zeros((100, 100)), None))
    half = tmp_path / "half.fits"
    half.write_bytes(Path(whole).read_bytes()[:40000])
    with pytest.raises(PixsedError, match="truncated.*complete"), open_fits(half):
        pass


@pytest.mark.parametrize(
    ("text", "band", "path", "ext"),
    [
        ("id=5.fits", None, "id=5.fits", None),
        ("id=5.fits[SCI]", None, "id=5.fits", "SCI"),
        ("id=5.fits[1]", None, "id=5.fits", 1),
        ("z=2/i.fits", None, "z=2/i.fits", None),
        ("z=2/i.fits[SCI]", None, "z=2/i.fits", "SCI"),
        ("z=2/*.fits", None, "z=2/i.fits", None),
        ("z=2/*.fits[SCI]", None, "z=2/i.fits", "SCI"),
        ("z=[12]/i.fits", None, "z=2/i.fits", None),
        ("z=?/i.fits[SCI]", None, "z=2/i.fits", "SCI"),
        ("F444W=z=2/i.fits", "F444W", "z=2/i.fits", None),
        ("F444W=z=2/i.fits[SCI]", "F444W", "z=2/i.fits", "SCI"),
        ("F444W=z=2/*.fits[SCI]", "F444W", "z=2/i.fits", "SCI"),
        ("F444W=id=5.fits", "F444W", "id=5.fits", None),
        ("./F444W=x.fits", None, "./F444W=x.fits", None),
        ("F444W=x.fits", None, "F444W=x.fits", None),
        ("F444W=F444W=x.fits", "F444W", "F444W=x.fits", None),
        ("F444W=plain.fits", "F444W", "plain.fits", None),
        ("z=plain.fits[2]", "z", "plain.fits", 2),
        ("odd[1].fits", None, "odd[1].fits", None),
        ("odd[1].fits[SCI]", None, "odd[1].fits", "SCI"),
        ("F444W=odd[1].fits[SCI]", "F444W", "odd[1].fits", "SCI"),
    ],
)
def test_equals_signs_in_names(text, band, path, ext, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "z=2").mkdir()
    for name in ("id=5.fits", "z=2/i.fits", "F444W=x.fits", "plain.fits", "odd[1].fits"):
        (tmp_path / name).touch()
    (found,) = expand_locations([text])
    assert found == Location(path, ext, None, band)


def test_a_gzipped_flood(tmp_path, monkeypatch):
    """What unpacks to far more than an image packs away is refused before it fills the disk."""
    path = tmp_path / "bomb.fits.gz"
    path.write_bytes(gzip.compress(b"SIMPLE  =" + bytes(30_000_000)))
    monkeypatch.setattr("pixsed.io.locate._LARGEST", 5 << 20)
    with pytest.raises(PixsedError, match="bomb.fits.gz unpacks to more than 5 MB, over 100 times"):
        with open_fits(path):
            pass


@pytest.mark.parametrize("name", ["ERR", "WHT", "DQ", "VAR_POISSON", "RMS", "SEGMAP", "CTX"])
def test_an_image_of_errors_is_not_taken_for_science(tmp_path, name):
    """Unless it is named; in a file that lost its SCI, it is the only image."""
    path = tmp_path / "e.fits"
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.ones((3, 4)), name=name)]
    fits.HDUList(hdus).writeto(path)
    with open_fits(path) as hdulist:
        with pytest.raises(PixsedError, match=f"e.fits: none of its images is .* 1 .{name}.; name"):
            choose_image(hdulist, parse_location(str(path)), science=True)
        named = parse_location(f"{path}[{name}]")
        assert choose_image(hdulist, named, science=True).name == name
        assert choose_image(hdulist, parse_location(str(path))).name == name


def test_an_image_of_another_name_is_science(tmp_path):
    path = tmp_path / "e.fits"
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.ones((3, 4)), name="IMAGE")]
    hdus.append(fits.ImageHDU(np.ones((3, 4)), name="WHT"))
    fits.HDUList(hdus).writeto(path)
    with open_fits(path) as hdulist:
        assert choose_image(hdulist, parse_location(str(path)), science=True).name == "IMAGE"
