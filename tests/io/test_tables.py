"""Reading of tables in all supported formats."""

import bz2
import gzip
import lzma

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from pixsed.errors import PixsedError
from pixsed.io.tables import read_table

TEXTS = {
    "plain.csv": "id,z\n531,1.5\n36,\n",
    "crlf.csv": "id,z\r\n531,1.5\r\n36,\r\n",
    "mac.csv": "id,z\r531,1.5\r36,\r",
    "bom.csv": "\ufeffid,z\n531,1.5\n36,\n",
    "bom_crlf.csv": "\ufeffid,z\r\n531,1.5\r\n36,\r\n",
    "semicolon.csv": "id;z\n531;1.5\n36;\n",
    "tab.csv": "id\tz\n531\t1.5\n36\t\n",
    "tab.tsv": "id\tz\n531\t1.5\n36\t\n",
    "bar.txt": "id|z\n531|1.5\n36|\n",
    "comments.csv": "# made by me\nid,z\n531,1.5\n# x\n36,\n",
    "commented.csv": "#id,z\n531,1.5\n36,\n",
    "commented2.csv": "# made by me\n# id,z\n531,1.5\n36,\n",
    "quoted.csv": '"id","z"\n"531","1.5"\n"36",\n',
    "blanks.csv": "id , z\n 531 , 1.5\n\n36 ,\n\n",
    "excel.csv": "sep=;\nid;z\n531;1.5\n36;\n",
    "no_suffix": "id,z\n531,1.5\n36,\n",
    "csv.txt": "id,z\n531,1.5\n36,\n",
    "white.txt": "id z\n531 1.5\n36 nan\n",
    "white.dat": "#  id   z\n   531\t1.5\n  36    NaN\n",
    "white.cat": "# id z\n531 1.5\n36 nan\n",
    "white.csv": "id z\n531 1.5\n36 nan\n",
    "framed.txt": "| id  | z   |\n| 531 | 1.5 |\n| 36 | nan |\n",
    "box.txt": "+----+----+\n| id | z |\n+----+----+\n| 531 | 1.5 |\n| 36 | nan |\n+----+----+\n",
    "sextractor.cat": "#   1 id   Number [1]\n#   2 z    redshift\n 531 1.5\n  36 nan\n".replace(
        "id ", "ID "
    ).replace("z  ", "Z  "),
    "units.txt": "# my field\n# id z\n# - -\n531 1.5\n36 nan\n",
    "ipac.tbl": "|  id |   z  |\n| int | real |\n  531    1.5 \n   36    nan \n",
    "e.ecsv": "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: id, datatype: int64}\n"
    "# - {name: z, datatype: float64}\nid z\n531 1.5\n36 nan\n",
}
TEXTS["bom.ecsv"] = "\ufeff" + TEXTS["e.ecsv"]
TEXTS["crlf.ecsv"] = TEXTS["e.ecsv"].replace("\n", "\r\n")
TEXTS["ecsv.txt"] = TEXTS["e.ecsv"]


def check(table):
    assert [name.lower() for name in table.colnames] == ["id", "z"]
    first, second = table.colnames
    assert list(table[first]) == [531, 36]
    assert table[second][0] == 1.5
    assert np.isnan(np.ma.filled(np.ma.asarray(table[second]).astype(float), np.nan)[1])


@pytest.mark.parametrize("name", TEXTS)
def test_texts(tmp_path, name):
    (tmp_path / name).write_bytes(TEXTS[name].encode())
    check(read_table(str(tmp_path / name)))


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
    ],
)
def test_packed(tmp_path, suffix, pack):
    path = tmp_path / f"t.csv{suffix}"
    path.write_bytes(pack(TEXTS["plain.csv"].encode()))
    check(read_table(path))


@pytest.mark.parametrize("form", ["fits", "votable", "ascii.mrt", "ascii.rst", "ascii.tab"])
def test_formats_of_astropy(tmp_path, form):
    path = tmp_path / "t.any"
    Table({"id": [531, 36], "z": [1.5, np.nan]}).write(path, format=form)
    check(read_table(path))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("id,z\n1,2\n".encode("utf-16"), "is text in UTF-16; save it as UTF-8"),
        ("id,z\n1,2\n".encode("utf-16-le"), "is text in UTF-16"),
        ("id,z\n1,2\n".encode("utf-16-be"), "is text in UTF-16"),
        ("id,n\n1,é\n".encode("latin-1"), "line 2 has a letter that is not UTF-8"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"id,z\n", "has no rows, only names"),
        (b"# id z\n", "has no rows: all of its lines are comments"),
        (b"id,z\n1,2\n3\n", "cannot be read as a table .*inconsistent"),
        (b"id,z\n1,2,3\n", "cannot be read as a table .*inconsistent"),
        (b"id,z,id\n1,2,3\n", "column 'id' comes twice"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'}" + b"\0" * 50, "cannot be read as a table"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "cannot be read as a table"),
        (b"<?xml version='1.0'?><html/>", "cannot be read as a table|holds 0 tables"),
    ],
)
def test_texts_that_are_refused(tmp_path, content, match):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(PixsedError, match=match):
        read_table(path)


def test_names_of_columns(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("531 1.5\n36 2\n")
    assert read_table(path).colnames == ["col1", "col2"]
    path.write_text("id,z,\n1,2,\n")
    assert read_table(path).colnames == ["id", "z", "col3"]
    with pytest.raises(PixsedError, match="no such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(PixsedError, match="is a folder"):
        read_table(tmp_path)
    with pytest.raises(PixsedError, match=r"t.txt is not FITS, so it has no \[CAT\]"):
        read_table(f"{path}[CAT]")


# FITS: which extension.


@pytest.fixture
def write_tables(tmp_path):
    def write(*parts):
        hdus = [fits.PrimaryHDU()]
        for number, (name, version) in enumerate(parts, 1):
            hdu = fits.table_to_hdu(Table({"z": [float(number)], f"only{number}": [1]}))
            hdu.name = name
            if version:
                hdu.ver = version
            hdus.append(hdu)
        hdus.append(fits.ImageHDU(np.zeros((2, 2)), name="SCI"))
        path = tmp_path / "t.fits"
        fits.HDUList(hdus).writeto(path, overwrite=True)
        return path

    return write


TWO = (("CAT", 1), ("CAT", 2))
SAME = (("CAT", None), ("CAT", None))


@pytest.mark.parametrize(
    ("parts", "extension", "z"),
    [
        ((("A", None),), "", 1),
        ((("", None),), "", 1),
        (TWO, "[CAT,1]", 1),
        (TWO, "[CAT,2]", 2),
        (TWO, "[cat, 2]", 2),
        (TWO, "[1]", 1),
        (TWO, "[2]", 2),
        (SAME, "[2]", 2),
        ((("A", None), ("B", None)), "[B]", 2),
        ((("A", None), ("B", None)), "[b]", 2),
        ((("A", None), ("CAT", 3)), "[CAT]", 2),
        ((("A", None), ("CAT", 3)), "[CAT,3]", 2),
    ],
)
def test_extensions(write_tables, parts, extension, z):
    assert read_table(f"{write_tables(*parts)}{extension}")["z"][0] == z
    if extension:
        assert read_table(write_tables(*parts), hdu=extension.strip("[]"))["z"][0] == z


@pytest.mark.parametrize(
    ("parts", "extension", "match"),
    [
        (TWO, "", r"which table is it\? There are 1 \(CAT\), 2 \(CAT\)"),
        (TWO, "[CAT]", "which table"),
        (SAME, "[CAT]", "which table is it.* by its number"),
        (SAME, "[CAT,1]", "which table is it"),
        (SAME, "[CAT,2]", "no such extension; its tables are: 1"),
        (TWO, "[CAT,3]", "no such extension"),
        (TWO, "[9]", "no such extension"),
        (TWO, "[NO]", "no such extension"),
        (TWO, "[0]", "is not a table"),
        (TWO, "[SCI]", r"\[SCI\] is not a table; its tables are"),
        ((), "", "has no table, only images"),
    ],
)
def test_extensions_that_are_refused(write_tables, parts, extension, match):
    with pytest.raises(PixsedError, match=match):
        read_table(f"{write_tables(*parts)}{extension}")


def test_the_only_table_with_the_columns(write_tables):
    path = write_tables(("A", None), ("B", None))
    assert read_table(path, wanted=lambda names: "only2" in names)["z"][0] == 2
    for wanted in (lambda names: "z" in names, lambda names: False):
        with pytest.raises(PixsedError, match=r"which table is it\? There are 1 \(A\), 2 \(B\)"):
            read_table(path, wanted=wanted)


def test_values_of_fits(tmp_path):
    path = tmp_path / "t.fits.gz"
    table = Table(
        {
            "z": [1.0, np.nan],
            "n": MaskedColumn([1, 2], mask=[False, True]),
            "name": ["a", ""],
            "long": [[1.0], [2.0]],
        }
    )
    hdu = fits.table_to_hdu(table)
    hdu.header["TCOMM1"] = "redshift of me"
    hdu.header["TUNIT1"] = "banana"
    hdu.writeto(path)
    found = read_table(path)
    assert not np.ma.is_masked(found["z"]) and np.isnan(found["z"][1])
    assert np.ma.getmaskarray(found["n"]).tolist() == [False, True]
    assert found["name"].dtype.kind == "U" and found["long"].shape == (2, 1)
    assert found["z"].description == "redshift of me" and str(found["z"].unit) == "banana"


def test_names_and_text_that_fits_does_not_allow(tmp_path):
    path = tmp_path / "t.fits"
    hdu = fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0])] * 1)
    twins = fits.BinTableHDU.from_columns(
        [fits.Column("z", "D", array=[1.0]), fits.Column("Z", "D", array=[2.0])]
    )
    twins.writeto(path)
    with pytest.raises(PixsedError, match="columns z, Z have the same name"):
        read_table(path)
    hdu = fits.BinTableHDU.from_columns([fits.Column("t", "3A", array=np.array([b"\xc3\xa9a"]))])
    hdu.writeto(path, overwrite=True)
    with pytest.raises(PixsedError, match="column 't' has letters that are not ASCII"):
        read_table(path)


def test_several_tables_of_a_votable(tmp_path):
    from astropy.io.votable import from_table

    whole = from_table(Table({"z": [1.0]}))
    whole.resources[0].tables.append(from_table(Table({"q": [2.0]})).resources[0].tables[0])
    whole.to_xml(str(tmp_path / "t.xml"))
    assert read_table(tmp_path / "t.xml", wanted=lambda names: "q" in names)["q"][0] == 2
    with pytest.raises(PixsedError, match="holds 2 tables"):
        read_table(tmp_path / "t.xml")


@pytest.mark.parametrize("place", ["http://127.0.0.1:9/x", "file:///etc/passwd", "data.bin"])
def test_a_votable_whose_data_are_elsewhere(tmp_path, place, monkeypatch):
    """No connection is opened, and no other file is read."""
    monkeypatch.setattr("socket.socket.connect", None)
    (tmp_path / "t.vot").write_text(
        '<?xml version="1.0"?><VOTABLE version="1.3"><RESOURCE><TABLE>'
        '<FIELD name="id" datatype="int"/><DATA><BINARY>'
        f'<STREAM encoding="base64"\n href = "{place}"/>'
        "</BINARY></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    with pytest.raises(PixsedError, match="t.vot: its data are not in it but at .*opens no conn"):
        read_table(tmp_path / "t.vot")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_table_that_is_too_large(tmp_path, pack, monkeypatch):
    text = "a,b\n" + "1,2\n" * 1000
    (tmp_path / "t.csv.gz").write_bytes(pack(text.encode()))
    assert len(read_table(tmp_path / "t.csv.gz")) == 1000
    monkeypatch.setattr("pixsed.io.tables._LARGEST", 2000)
    with pytest.raises(PixsedError, match="t.csv.gz unpacks to more than 0 MB of text; unpack it"):
        read_table(tmp_path / "t.csv.gz")
