"""Tables of stars: columns of positions and their meaning."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from astropy.wcs import WCS

from pixsed.errors import PixsedError
from pixsed.images.psf.star_table import read_stars

X, Y = np.array([10.25, 40.0, 77.5]), np.array([5.0, 60.75, 33.0])


@pytest.fixture
def wcs(wcs_header):
    return WCS(wcs_header())


@pytest.fixture
def sky(wcs):
    return wcs.pixel_to_world(X, Y)


def check(stars, atol=1e-6):
    np.testing.assert_allclose([(s.x, s.y) for s in stars], np.transpose([X, Y]), atol=atol)


@pytest.mark.parametrize("ending", ["fits", "ecsv", "csv", "vot"])
@pytest.mark.parametrize("names", [("RA", "DEC"), ("ra_deg", "dec_deg"), ("RAJ2000", "DEJ2000")])
def test_sky(tmp_path, wcs, sky, ending, names):
    path = tmp_path / f"stars.{ending}"
    table = Table([sky.ra.deg, sky.dec.deg, [7, 8, 9]], names=[*names, "NUMBER"])
    table.write(path, **({"format": "votable"} if ending == "vot" else {}))
    stars = read_stars(str(path), wcs)
    check(stars)
    assert [s.id for s in stars] == ["7", "8", "9"]


def test_units_and_text(tmp_path, wcs, sky):
    radians = Table([sky.ra.to(u.rad), sky.dec.to(u.rad)], names=["ra", "dec"])
    radians.write(tmp_path / "a.ecsv")
    check(read_stars(str(tmp_path / "a.ecsv"), wcs))
    text = Table(
        [
            sky.ra.to_string("hourangle", sep=":", precision=7),
            sky.dec.to_string("deg", sep=":", precision=6),
        ],
        names=["ra", "dec"],
    )
    text.write(tmp_path / "b.csv")
    check(read_stars(str(tmp_path / "b.csv"), wcs), atol=1e-3)


@pytest.mark.parametrize("none", ["-", "", "nan", "n/a"])
def test_text_in_a_column_of_positions(tmp_path, wcs, sky, none):
    """A column of degrees with one text in it is still read as degrees, not as hours."""
    ra, dec = ([f"{value:.9f}" for value in part.deg] for part in (sky.ra, sky.dec))
    Table([[*ra, none], [*dec, "1"], [1, 2, 3, 4]], names=["ra", "dec", "id"]).write(
        tmp_path / "a.csv"
    )
    check(read_stars(str(tmp_path / "a.csv"), wcs), atol=1e-3)
    hours = [*sky.ra.to_string("hourangle", sep=":", precision=7), none]
    Table([hours, [*dec, "1"]], names=["ra", "dec"]).write(tmp_path / "b.csv")
    check(read_stars(str(tmp_path / "b.csv"), wcs), atol=1e-3)


def test_columns_of_one_value_and_numbers_as_ids(tmp_path, wcs, sky):
    columns = [sky.ra.deg[:, None], sky.dec.deg[:, None], np.array([[7.0], [8], [9]])]
    Table(columns, names=["RA", "DEC", "ID"]).write(tmp_path / "a.fits")
    stars = read_stars(str(tmp_path / "a.fits"), wcs)
    check(stars)
    assert [star.id for star in stars] == ["7", "8", "9"]


def test_a_list_without_names(tmp_path, wcs):
    np.savetxt(tmp_path / "a.txt", np.transpose([X, Y]))
    check(read_stars(str(tmp_path / "a.txt"), wcs, x_col="col1", y_col="col2"))


def test_pixels(tmp_path, wcs):
    Table([X, Y], names=["x", "y"]).write(tmp_path / "a.csv")
    Table([X + 1, Y + 1], names=["X_IMAGE", "Y_IMAGE"]).write(tmp_path / "b.fits")
    Table([X, Y, X - 9], names=["col", "row", "x"]).write(tmp_path / "c.csv")
    stars = read_stars(str(tmp_path / "a.csv"), wcs)
    check(stars)
    assert [s.id for s in stars] == ["1", "2", "3"]
    check(read_stars(str(tmp_path / "b.fits"), wcs))
    check(read_stars(str(tmp_path / "c.csv"), wcs, x_col="col", y_col="row"))


def test_what_is_missing(tmp_path, wcs):
    def write(name, **columns):
        Table(columns).write(tmp_path / name)
        return str(tmp_path / name)

    with pytest.raises(PixsedError, match="where are the stars.*--ra-col.*it has a, b"):
        read_stars(write("a.csv", a=[1.0], b=[2.0]), wcs)
    with pytest.raises(PixsedError, match="name a column with --y-col"):
        read_stars(write("b.csv", x=[1.0]), wcs)
    with pytest.raises(PixsedError, match="which column is it, x, xcentroid.*--x-col"):
        read_stars(write("c.csv", x=[1.0], y=[1.0], xcentroid=[1.0]), wcs)
    with pytest.raises(PixsedError, match="has no column 'q'"):
        read_stars(write("d.csv", x=[1.0]), wcs, x_col="q")
    with pytest.raises(PixsedError, match="'ra', 'dec' are no positions"):
        read_stars(write("e.csv", ra=["a"], dec=["b"]), wcs)
    with pytest.raises(PixsedError, match="no star with a place"):
        read_stars(write("f.csv", x=[np.nan], y=[1.0]), wcs)
    with pytest.raises(PixsedError, match="no such file"):
        read_stars(str(tmp_path / "no.csv"), wcs)
