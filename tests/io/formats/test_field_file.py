import pytest

from pixsed.errors import PixsedError
from pixsed.io.formats.field_file import read_field

IMAGES = 'images = "jof_F*.fits"\n'


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read a field file with some content."""
    monkeypatch.chdir(tmp_path)

    def read(text, name="field.toml"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_field(name)

    return read


def test_everything(read):
    field = read(
        """
        output = "jof"
        segmap = "seg.fits"
        catalog = "z.ecsv"
        model = "broad"
        target = "F444W"
        bkg = false
        [images]
        f200w = "a.fits[SCI]"
        F444W = "b.fits"
        [psfs]
        F200W = "p.fits"
        [fit]
        snr-min = 5
        """
    )
    assert field.images == {"F200W": "a.fits[SCI]", "F444W": "b.fits"}
    assert field.psfs == {"F200W": "p.fits"}
    assert (field.output, field.segmap, field.catalog) == ("jof", "seg.fits", "z.ecsv")
    assert (field.model, field.target) == ("broad", "F444W")
    assert field.options == {"bkg": False, "fit": {"snr-min": 5}}


def test_the_least(read):
    field = read(IMAGES, "jof.toml")
    assert field.images == ["jof_F*.fits"] and field.psfs == {}
    assert field.output == "jof"
    assert field.segmap is field.catalog is field.model is field.target is None


@pytest.mark.parametrize(
    "text, placed",
    [
        ("a.fits[SCI]", "fields/a.fits[SCI]"),
        ("F*=jof_F*.fits[SCI]", "F*=fields/jof_F*.fits[SCI]"),
        ("../seg.fits", "seg.fits"),
        ("/data/seg.fits", "/data/seg.fits"),
        ("F444W=/data/a.fits", "F444W=/data/a.fits"),
        ("z=2.fits", "fields/z=2.fits"),
        ("z=2.fits[SCI]", "fields/z=2.fits[SCI]"),
        ("z=?.fits", "fields/z=?.fits"),
        ("out", "fields/out"),
    ],
)
def test_paths_are_seen_from_the_file(tmp_path, monkeypatch, text, placed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fields").mkdir()
    (tmp_path / "fields" / "z=2.fits").touch()
    (tmp_path / "fields" / "a.toml").write_text(IMAGES)
    assert read_field("fields/a.toml").place(text, band=True) == placed


def test_a_path_without_a_band_may_have_an_equals_sign(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(IMAGES)
    assert read_field(path).place("z=2/out") == str(tmp_path / "z=2" / "out")


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "field.toml is empty; give the TOML file of a field"),
        ("images = 3 4", r"field.toml is not TOML: .*line 1.*; correct it"),
        (b"images = '\xff'", "field.toml is not TOML: .*decode.*; correct it"),
        (b"\x00\x01", "field.toml is not TOML"),
        ("model = 'tau'", "images must be given, as a table by band or a pattern"),
        ("segmaps = 'a'\n" + IMAGES, "segmaps is not known; did you mean segmap?"),
        ("seed = 1\n" + IMAGES, "seed is not known; it may be bkg, catalog, .* target"),
        ("[Images]\n", "Images is not known; did you mean images?"),
        ("images = 3", "images must be a table by band or a pattern, got 3"),
        ("images = ['a', 3]", r"images\[1\] must be a text, got 3"),
        ("images = ''", r"images\[0\] must be a text, got ''"),
        ("[images]", r"\[images\] has no band; add one"),
        ("[images]\nF444W = 3", r"\[images\] F444W must be a text, got 3"),
        ("[images]\n'F 4' = 'a'", r"\[images\] 'F 4' must be the name of a band"),
        ("[images]\nF444W = 'a'\nf444w = 'b'", r"\[images\] has a band twice"),
        ("psfs = true\n" + IMAGES, "psfs must be a table by band or a pattern, got True"),
        ("output = 3\n" + IMAGES, "output must be a text, got 3"),
        ("segmap = false\n" + IMAGES, "segmap must be a text, got False"),
        ("catalog = ' '\n" + IMAGES, "catalog must be a text, got ' '"),
        ("bkg = true\n" + IMAGES, "bkg must be a table of options, or false, got True"),
        ("fit = 5\n" + IMAGES, "fit must be a table of options, got 5"),
        ("fit = false\n" + IMAGES, "fit cannot be left out; only bkg, psfmatch, sum-mass, plot"),
    ],
)
def test_faults(read, text, message):
    with pytest.raises(PixsedError, match=message) as error:
        read(text)
    assert str(error.value).startswith("field.toml")
    assert "\n" not in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(PixsedError, match="a.toml: no such file; give the TOML file of a field"):
        read_field(tmp_path / "a.toml")
    with pytest.raises(PixsedError, match="is a folder; give a field file"):
        read_field(tmp_path)
