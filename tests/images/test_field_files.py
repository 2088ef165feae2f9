"""Names of mosaics; tests/cli/test_fit_mosaics.py opens them."""

import os

import pytest

from pixsed.errors import PixsedError
from pixsed.images.field_files import FieldFiles
from pixsed.io.locate import Location


def test_named_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("seg.fits", "err.fits"):
        (tmp_path / name).write_text("")
    images = Location("a.fits", "SCI", 2, "F444W"), Location("b.fits")
    files = FieldFiles(
        images, ("err.fits[ERR]", "WHT"), (None, "uJy"), segmap="seg.fits[1]", redshift=2.0
    ).absolute()
    here = os.getcwd()
    assert files.images == (
        Location(f"{here}/a.fits", "SCI", 2, "F444W"),
        Location(f"{here}/b.fits"),
    )
    # The name of an extension is not a file name.
    assert files.errors == (f"{here}/err.fits[ERR]", "WHT") and files.units == (None, "uJy")
    assert files.segmap == f"{here}/seg.fits[1]"
    assert files.catalog is None and files.redshift == 2.0
    assert files.absolute() == files
    with pytest.raises(PixsedError, match="a.fits: no such file"), files.open():
        pass
