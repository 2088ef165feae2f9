"""Damaged FITS files are refused; intact ones of any layout are not."""

import gzip
import os

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.environment import NO_VERIFY
from pixsed.errors import PixsedError
from pixsed.io import verify
from pixsed.io.atomic import write_hdulist
from pixsed.io.locate import open_fits
from pixsed.io.tables import read_table


def write(path, *, checksum=True, compressed=False):
    """Write a file with an image, an image of bytes, and a table.

    A compressed image has a heap. One in a table would not do: astropy 7.0 writes a wrong sum.
    """
    rng = np.random.default_rng(0)
    kind = fits.CompImageHDU if compressed else fits.ImageHDU
    table = Table({"A": np.arange(5), "B": ["x", "yy", "zzz", "", "v"]})
    hdus = [
        fits.PrimaryHDU(),
        kind(rng.normal(size=(40, 31)).astype("f4"), name="SCI"),
        fits.ImageHDU(np.arange(35, dtype="u1").reshape(5, 7), name="MASK"),
        fits.table_to_hdu(table),
    ]
    fits.HDUList(hdus).writeto(path, checksum=checksum, overwrite=True)
    return path


def flip(path, at, bit=4):
    """Flip a bit of a file, which stays of the same size."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "a.fits")


def refused(path, match):
    with pytest.raises(PixsedError, match=match) as caught, open_fits(path):
        pass
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "--no-verify" in message and "\n" not in message


@pytest.mark.parametrize("checksum", [True, False, "datasum"])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_intact_files(tmp_path, checksum, compressed, packed):
    path = write(tmp_path / "a.fits", checksum=checksum, compressed=compressed)
    if packed:
        (tmp_path / "a.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = tmp_path / "a.fits.gz"
    with open_fits(path) as hdulist:
        assert len(hdulist) == 4


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("hdu", [1, 2, 3])
def test_a_flipped_bit_of_data(tmp_path, hdu, compressed):
    path = write(tmp_path / "a.fits", compressed=compressed)
    with fits.open(path, disable_image_compression=True) as hdulist:
        info = hdulist[hdu].fileinfo()
    flip(path, info["datLoc"] + 9)
    refused(path, f"DATASUM and CHECKSUM of HDU {hdu}")


def test_a_flipped_bit_of_a_header(path):
    at = path.read_bytes().index(b"EXTNAME = 'SCI")
    flip(path, at + 13, 1)
    refused(path, r"CHECKSUM of HDU 1 \(SC")


def test_a_flipped_bit_of_the_name_of_a_sum(path):
    flip(path, path.read_bytes().rindex(b"CHECKSUM=") + 4, 1)
    refused(path, "HDU 3 has a DATASUM and no CHECKSUM, which other HDUs have: the file is damaged")


def test_a_gzipped_file(path):
    flip(path, path.read_bytes().index(b"EXTNAME = 'SCI") + 13, 1)
    packed = path.with_suffix(".fits.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    refused(packed, "CHECKSUM of HDU 1")


def test_a_changed_value_with_datasum_alone(tmp_path):
    path = write(tmp_path / "a.fits", checksum="datasum")
    with fits.open(path) as hdulist:
        start = hdulist["SCI"].fileinfo()["datLoc"]
    flip(path, start)
    refused(path, r" DATASUM of HDU 1 \(SCI\) does not verify")


@pytest.mark.parametrize("kind", ["text", "zeros", "header"])
@pytest.mark.filterwarnings("ignore")
def test_bytes_after_the_last_hdu(path, kind):
    header = b"XTENSION= 'IMAGE   '".ljust(1500)
    rest = {"text": b"x" * 10, "zeros": b"\0" * 2880, "header": header}[kind]
    with open(path, "ab") as file:
        file.write(rest)
    refused(path, f"{len(rest)} bytes after its first 4 HDUs")


@pytest.mark.filterwarnings("ignore")
def test_a_file_cut_inside_a_header(path):
    """The extensions before the cut are whole, and nothing else tells that there were more."""
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"EXTNAME = 'MASK") - 400])
    refused(path, "bytes after its first 2 HDUs are not an HDU: it was cut off")


def test_headers_changed_by_astropy(path):
    """astropy updates the sums of a file that has them."""
    fits.setval(path, "FILTER", value="F200W", ext=1)
    with open_fits(path) as hdulist:
        assert hdulist[1].header["FILTER"] == "F200W"


def test_sums_left_empty(path):
    """An empty text means that the sum is not defined (FITS 4.0, section 4.4.2.7)."""
    with fits.open(path) as hdulist:
        hdulist[1].header["DATASUM"] = hdulist[1].header["CHECKSUM"] = ""
        hdulist.writeto(path.with_name("b.fits"))
    with open_fits(path.with_name("b.fits")):
        pass


def test_no_verify(path, monkeypatch):
    flip(path, path.read_bytes().index(b"EXTNAME = 'SCI") + 13, 1)
    monkeypatch.setenv(NO_VERIFY, "1")
    with open_fits(path) as hdulist:
        assert len(hdulist) == 4


def test_read_once(path, monkeypatch):
    with open_fits(path):
        pass
    monkeypatch.setattr(verify, "_read_header", None)  # would fail
    with open_fits(path):
        pass
    os.utime(path, ns=(1, 1))
    with pytest.raises(PixsedError, match="NoneType"), open_fits(path):
        pass


def test_tables(tmp_path):
    path = tmp_path / "t.fits"
    hdu = fits.table_to_hdu(Table({"ID": [1, 2], "Z": [0.5, 1.5]}))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, checksum=True)
    flip(path, path.stat().st_size - 2880 + 3)
    with pytest.raises(PixsedError, match="DATASUM and CHECKSUM of HDU 1"):
        read_table(path)


def test_random_groups(tmp_path):
    """A primary HDU of random groups: NAXIS1 = 0 does not mean that there are no data."""
    data = np.arange(24.0, dtype="f4").reshape(4, 1, 1, 2, 3)
    groups = fits.GroupData(data, bitpix=-32, parnames=["U"], pardata=[np.arange(4.0)])
    path = tmp_path / "g.fits"
    fits.GroupsHDU(groups).writeto(path, checksum=True)
    verify.verify_fits(path, path)
    flip(path, path.stat().st_size - 2880 + 5)
    with pytest.raises(PixsedError, match="DATASUM"):
        verify.verify_fits(path, path)


@pytest.mark.parametrize("size", [-1, -40000, -(10**9)])
def test_a_negative_size_is_no_hdu(tmp_path, size):
    """A negative size would lead back to the HDU itself, for ever."""
    image = fits.PrimaryHDU(np.zeros((40, 30), "f4"))
    image.writeto(tmp_path / "n.fits")
    content = (tmp_path / "n.fits").read_bytes()
    card = f"NAXIS1  = {size:20d}".encode()
    at = content.index(b"NAXIS1  =")
    (tmp_path / "n.fits").write_bytes(content[:at] + card + content[at + len(card) :])
    with pytest.raises(PixsedError, match=f"NAXIS1 must be 0 or more, got {size}; correct the"):
        verify.verify_fits(tmp_path / "n.fits", tmp_path / "n.fits")


def made_by_pixsed(path):
    """Write a file as pixsed does, and return the beginning of its last HDU."""
    primary = fits.PrimaryHDU(header=fits.Header({"CREATOR": "pixsed 0.1"}))
    planes = [fits.ImageHDU(np.ones((3, 4), "f4"), name=name) for name in ("A", "B", "MAPS")]
    write_hdulist(fits.HDUList([primary, *planes]), path)
    with fits.open(path) as hdulist:
        assert hdulist[0].header["LASTEXT"] == "MAPS"
        return hdulist["MAPS"].fileinfo()["hdrLoc"]


def test_a_file_of_pixsed_cut_between_two_hdus(tmp_path, monkeypatch):
    """All that is left is whole, and only the name of the last extension tells."""
    path = tmp_path / "m.fits"
    at = made_by_pixsed(path)
    os.truncate(path, at)
    with pytest.raises(PixsedError, match="m.fits lacks its last extension, MAPS"), open_fits(path):
        pass
    monkeypatch.setenv(NO_VERIFY, "1")
    with open_fits(path) as hdulist:
        assert len(hdulist) == 3


def test_the_name_in_files_of_other_programs_tells_nothing(tmp_path):
    """Other programs copy the header of a file to one with fewer extensions."""
    made_by_pixsed(tmp_path / "m.fits")
    with fits.open(tmp_path / "m.fits") as hdulist:
        del hdulist[0].header["CREATOR"]
        hdulist[:2].writeto(tmp_path / "c.fits", checksum=True)
    with open_fits(tmp_path / "c.fits") as hdulist:
        assert len(hdulist) == 2
