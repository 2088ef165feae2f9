import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.catalog import ids_as_texts, read_redshifts
from pixsed.redshifts import redshift_dq


def table(**columns):
    return Table({"ID": [1, 2, 3], "z_spec": [0.5, -99.0, np.nan], **columns})


@pytest.mark.parametrize("name", ["c.fits", "c.ecsv", "c.csv", "c.vot", "c.txt", "c.dat"])
def test_formats(tmp_path, name):
    path = tmp_path / name
    options = {"format": "ascii.commented_header"} if name[-3:] in ("txt", "dat") else {}
    if name.endswith("ecsv"):
        pytest.importorskip("yaml")
    if name.endswith("vot"):
        options["format"] = "votable"
    table().write(path, **options)
    assert read_redshifts(str(path))[1] == (0.5, 0.0)


def test_no_redshift(tmp_path):
    path = tmp_path / "c.csv"
    table().write(path)
    found = read_redshifts(str(path))
    assert [bool(redshift_dq(*found[number])) for number in (1, 2, 3)] == [False, True, True]


def test_masked_redshift(tmp_path):
    path = tmp_path / "c.fits"
    columns = {"id": [1, 2], "z": MaskedColumn([1.0, 2.0], mask=[False, True])}
    Table(columns).write(path)
    found = read_redshifts(str(path))
    assert found[1] == (1.0, 0.0) and np.isnan(found[2][0])


@pytest.mark.parametrize("name", ["z_spec_err", "e_z_spec", "zerr", "Z_SPEC_ERROR"])
def test_error_column(tmp_path, name):
    path = tmp_path / "c.csv"
    table(**{name: [0.1, 0.2, 0.3]}).write(path)
    assert read_redshifts(str(path))[1] == (0.5, 0.1)


def test_named_columns(tmp_path):
    path = tmp_path / "c.csv"
    table(NUMBER=[7, 8, 9], z_phot=[1.0, 2.0, 3.0], sig=[0.1, 0.2, 0.3]).write(path)
    found = read_redshifts(str(path), id_col="NUMBER", z_col="z_phot", zerr_col="sig")
    assert found[9] == (3.0, 0.3)


def test_extension_and_float_ids(tmp_path):
    from astropy.io import fits

    path = tmp_path / "c.fits"
    hdus = [fits.PrimaryHDU()]
    for name, z in (("A", 1.0), ("B", 2.0)):
        hdus.append(fits.table_to_hdu(Table({"ID": [5.0], "z": [z]})))
        hdus[-1].name = name
    fits.HDUList(hdus).writeto(path)
    assert read_redshifts(f"{path}[B]") == {5: (2.0, 0.0)}
    with pytest.raises(PixsedError, match=r"which table is it\? There are 1 \(A\), 2 \(B\)"):
        read_redshifts(str(path))


def test_repeated_id(tmp_path):
    path = tmp_path / "c.csv"
    Table({"ID": [1, 1, 2], "z": [1.0, 2.0, 3.0]}).write(path)
    found = read_redshifts(str(path))
    assert found[1] is None and found[2] == (3.0, 0.0)


@pytest.mark.parametrize(
    ("columns", "options", "match"),
    [
        ({"ID": [1], "z_phot": [1.0], "z_spec": [1.0]}, {}, "z_phot, z_spec\\? .*--z-col"),
        ({"ID": [1], "NUMBER": [1], "z": [1.0]}, {}, "ID, NUMBER\\? .*--id-col"),
        (
            {"ID": [1], "z": [1.0], "z_err": [1.0], "e_z": [1.0]},
            {},
            "z_err, e_z\\? .*--zerr-col",
        ),
        ({"ID": [1], "mass": [1.0]}, {}, "name a column with --z-col; it has ID, mass"),
        ({"ID": [1], "z": [1.0]}, {"z_col": "zz"}, "no column 'zz'; it has ID, z"),
        ({"ID": ["a"], "z": [1.0]}, {}, "must hold the integer ids"),
        ({"ID": [1.5], "z": [1.0]}, {}, "must hold the integer ids"),
        ({"ID": [1], "z": ["high"]}, {}, "column 'z' must hold numbers"),
    ],
)
def test_errors(tmp_path, columns, options, match):
    path = tmp_path / "c.csv"
    Table(columns).write(path)
    with pytest.raises(PixsedError, match=match):
        read_redshifts(str(path), **options)


def test_files_that_are_not_tables(tmp_path):
    with pytest.raises(PixsedError, match="no such file"):
        read_redshifts(str(tmp_path / "no.csv"))
    path = tmp_path / "c.fits"
    path.write_bytes(b"\x00\xff" * 100)
    with pytest.raises(PixsedError, match="cannot be read as a table"):
        read_redshifts(str(path))


@pytest.mark.parametrize("name", ["c.fits", "c.ecsv", "c.csv"])
@pytest.mark.parametrize("kind", ["i8", "u8", "text"])
def test_ids_that_collide_as_floats(tmp_path, name, kind):
    ids = [2**53, 2**53 + 1, 2**62 + 3]
    column = [str(number) for number in ids] if kind == "text" else np.array(ids, dtype=kind)
    Table({"id": column, "z": [1.0, 2.0, 3.0]}).write(tmp_path / name)
    found = read_redshifts(str(tmp_path / name))
    assert found == {number: (z, 0.0) for number, z in zip(ids, (1.0, 2.0, 3.0), strict=True)}


@pytest.mark.parametrize(
    "ids",
    [
        MaskedColumn([1, 5, 5], mask=[False, True, True]),
        [1, np.nan, np.nan],
        ["1", "--", "n/a"],
    ],
)
def test_rows_without_an_id(tmp_path, ids):
    path = tmp_path / "c.ecsv"
    Table({"id": ids, "z": [1.0, 2.0, 3.0]}).write(path)
    with pytest.warns(PixsedWarning, match="2 of 3 rows have no id in column 'id'.*: row 2, 3"):
        assert read_redshifts(str(path)) == {1: (1.0, 0.0)}


@pytest.mark.parametrize("unit", ["km/s", "mag", "Mpc"])
@pytest.mark.parametrize("name", ["z", "z_err"])
def test_redshifts_with_a_unit(tmp_path, unit, name):
    table = Table({"id": [1], "z": [1.0], "z_err": [0.1]})
    table[name].unit = unit
    table.write(tmp_path / "c.fits")
    with pytest.raises(PixsedError, match=f"column '{name}' is in .*; redshifts have no unit"):
        read_redshifts(str(tmp_path / "c.fits"))


def test_limits_are_not_read(tmp_path):
    path = tmp_path / "c.csv"
    Table({"id": [1], "z": [1.0], "z_lo": [0.9], "z_hi": [1.1]}).write(path)
    with pytest.warns(PixsedWarning, match="taken as exact: z_lo, z_hi not read.*--zerr-col"):
        assert read_redshifts(str(path)) == {1: (1.0, 0.0)}


def test_ids_that_are_texts(tmp_path):
    path = tmp_path / "c.fits"
    Table({"ID": ["007", "12"], "z": [1.0, 2.0]}).write(path)
    assert ids_as_texts(str(path)) == {7: "007", 12: "12"}
    Table({"ID": [7, 12], "z": [1.0, 2.0]}).write(path, overwrite=True)
    assert ids_as_texts(str(path)) is None
    Table({"N": ["1"], "z": [1.0]}).write(path, overwrite=True)
    assert ids_as_texts(str(path), id_col="n") == {1: "1"}
