"""Parts of ``[BAND=]path[EXT]``; test_locate.py has the texts as a whole."""

import pytest

from pixsed.io.location_text import split_band, split_extension


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a.fits", (None, "a.fits")),
        ("F444W=a.fits[SCI]", ("F444W", "a.fits[SCI]")),
        ("F*=a_F*.fits", ("F*", "a_F*.fits")),
        ("UVIS_F27?W=b=c.fits", ("UVIS_F27?W", "b=c.fits")),
        ("d/F444W=a.fits", (None, "d/F444W=a.fits")),
        ("=a.fits", (None, "=a.fits")),
        ("z=2/i.fits", (None, "z=2/i.fits")),
        ("z=2/i.fits[SCI]", (None, "z=2/i.fits[SCI]")),
        ("z=2/*.fits[SCI]", (None, "z=2/*.fits[SCI]")),
        ("z=3/i.fits", ("z", "3/i.fits")),
        ("F444W=", (None, "F444W=")),
    ],
)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_split_band(tmp_path, monkeypatch, text, expected, elsewhere):
    folder = tmp_path / "odd[1]"
    (folder / "z=2").mkdir(parents=True)
    (folder / "z=2" / "i.fits").touch()
    monkeypatch.chdir(tmp_path if elsewhere else folder)
    assert split_band(text, "odd[1]" if elsewhere else "") == expected


def test_a_band_that_is_being_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert split_band("F444W=", unfinished=True) == ("F444W", "")
    assert split_band("F444W=a", unfinished=True) == ("F444W", "a")
    (tmp_path / "z=").touch()
    assert split_band("z=", unfinished=True) == (None, "z=")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a.fits", ("a.fits", None)),
        ("a.fits[SCI]", ("a.fits", "SCI")),
        ("a[1].fits[SCI,2]", ("a[1].fits", "SCI,2")),
        ("a.fits[]", ("a.fits", "")),
        ("a[1].fits", ("a[1].fits", None)),
        ("[1]", ("[1]", None)),
    ],
)
def test_split_extension(text, expected):
    assert split_extension(text) == expected
