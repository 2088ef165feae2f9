import numpy as np
import pytest
from astropy import units as u

from pixsed.errors import PixsedError
from pixsed.fit.galaxy_table import galaxy_table


@pytest.fixture
def rows(model):
    from pixsed.fit.galaxy_row import empty_row

    return [empty_row(model) | {"ID": name, "FILE": f"{name}.fits"} for name in ("7", "12")]


def test_every_column_has_a_description(rows):
    table = galaxy_table(rows)
    assert table.colnames == list(rows[0])
    for name in table.colnames:
        text = table[name].description
        assert text and "{" not in text and len(text) < 90, name
    assert table["RES_LOGSFR_P025"].description == (
        "2.5% quantile: log10 of the resolved SFR over the last 100 Myr"
    )
    assert table["RES_AV_P50"].description.endswith("attenuation, weighted by mass formed")
    assert "positive = resolved larger" in table["OFFSET"].description


def test_types_and_units(rows):
    table = galaxy_table(rows)
    assert table["ID"].dtype == np.int64 and table["FILE"].dtype.kind == "U"
    assert table["NPIX"].dtype == np.int64 and table["FLAG"].dtype == np.int32
    units = {"RA": u.deg, "AREA_KPC2": u.kpc**2, "INT_AGE_P16": u.Gyr, "RES_AV_P50": u.mag}
    units |= {"RES_LOGMSTAR_P50": u.dex(u.solMass), "OFFSET": u.dex, "FRAC_LIGHT": None}
    for name, unit in units.items():
        assert table[name].unit == unit, name
    assert list(galaxy_table(rows, texts=True)["ID"]) == ["7", "12"]
    assert galaxy_table([*rows, rows[0] | {"ID": "gal A"}])["ID"].dtype.kind == "U"


def test_names_of_files_that_fits_cannot_hold(rows):
    assert galaxy_table([rows[0] | {"FILE": "é.fits"}])["FILE"][0] == "e.fits"


def test_rows_of_another_version(rows):
    with pytest.raises(PixsedError, match="rows of another version.*--overwrite"):
        galaxy_table([rows[0], rows[1] | {"NEW": 1}])
