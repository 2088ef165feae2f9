import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.errors import PixsedError
from pixsed.io.formats.noise_table import BandNoise, NoiseTable, read_noise, write_noise


@pytest.fixture
def made():
    return NoiseTable(
        {
            "F444W": BandNoise(
                [-1, 0, 10], [1, 2], [0.1, 0.0], [100, 101], 3.5, 0.1, "apertures", 0.9, "F444W"
            ),
            "F150W": BandNoise([0, 1, 2, 3], [1, 2, 3], [0.1, 0.2, 0.3], [5, 5, 6]),
        }
    )


def test_round_trip(made, tmp_path, fitsverify):
    path = tmp_path / "n.fits"
    write_noise(made, path, inputs=["a/c.fits"], history=["a step"])
    fitsverify(path)
    found = read_noise(path)
    assert found.name == str(path) and list(found.bands) == ["F444W", "F150W"]
    for band, noise in made.bands.items():
        for key, value in vars(noise).items():
            np.testing.assert_array_equal(getattr(found.bands[band], key), value, err_msg=key)
    with pytest.raises(PixsedError, match="exists already"):
        write_noise(made, path)


def test_one_bin_is_enough(tmp_path):
    write_noise(NoiseTable({"F444W": BandNoise([0, 1], [2.0], [0.1], [7])}), tmp_path / "n.fits")
    assert read_noise(tmp_path / "n.fits").bands["F444W"].mean.tolist() == [2.0]
    with pytest.raises(PixsedError, match="one mean and one std per bin, and one more edge"):
        BandNoise([0], [], [], [])


def test_layout(made, tmp_path):
    path = tmp_path / "n.fits"
    write_noise(made, path, inputs=["a/c.fits"], history=["a step"])
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "NOISE", "BANDS"]
        assert hdus[0].header["INFILE1"] == "c.fits" and "a step" in str(hdus[0].header["HISTORY"])
    bins = Table.read(path, hdu="NOISE")
    assert bins.colnames == [
        "BAND",
        "BIN",
        "FLUX_LO",
        "FLUX_HI",
        "SIGMA_MEAN",
        "SIGMA_STD",
        "NPIX",
    ]
    assert len(bins) == 5 and list(bins["BIN"]) == [1, 2, 1, 2, 3]
    assert all(str(bins[name].unit) == "nJy" for name in bins.colnames[2:6])
    bands = Table.read(path, hdu="BANDS")
    assert list(bands["NOISE_CORR"]) == [3.5, 1] and str(bands["DEPTH"].unit) == "nJy"


def test_rows_in_any_order(made, tmp_path):
    """Rows may be in any order, for example after editing by hand."""
    path = tmp_path / "n.fits"
    write_noise(made, path)
    with fits.open(path) as hdus:
        bins = Table(hdus["NOISE"].data)[::-1]
        fits.HDUList([hdus[0], fits.BinTableHDU(bins, name="NOISE"), hdus["BANDS"]]).writeto(
            tmp_path / "r.fits"
        )
    found = read_noise(tmp_path / "r.fits")
    assert found.bands["F150W"].mean.tolist() == [1, 2, 3]
    assert found.bands["F444W"].edges.tolist() == [-1, 0, 10]


@pytest.mark.parametrize(
    "column, row, value, match",
    [
        ("SIGMA_MEAN", 0, 0.0, "n.fits, band F444W: mean errors must be finite and above 0"),
        (
            "SIGMA_STD",
            3,
            np.nan,
            "band F150W: standard deviations of the errors must be finite, 0 or more",
        ),
        ("FLUX_HI", 0, 5.0, "band F444W: each bin must begin where the one below it ends"),
        ("FLUX_HI", 1, np.inf, "band F444W: bin edges must be finite and ascending"),
        ("FLUX_LO", 0, 3.0, "band F444W: bin edges must be finite and ascending"),
        ("BAND", 4, "F200W", "n.fits: its table BANDS lacks F200W; make it with"),
    ],
)
def test_values_that_no_error_has(made, tmp_path, column, row, value, match):
    path = tmp_path / "n.fits"
    write_noise(made, path)
    with fits.open(path, mode="update") as hdus:
        hdus["NOISE"].data[column][row] = value
    with pytest.raises(PixsedError, match=match):
        read_noise(path)


def test_another_file(made, tmp_path, write_fits):
    with pytest.raises(PixsedError, match="a.fits is not a noise table: no tables NOISE and BANDS"):
        read_noise(write_fits("a.fits", SCI=(np.zeros((3, 3)), None)))
    with pytest.raises(PixsedError, match="b.fits"):
        read_noise(tmp_path / "b.fits")
    path = tmp_path / "n.fits"
    write_noise(made, path)
    with fits.open(path) as hdus:
        hdus["NOISE"].columns.del_col("NPIX")
        hdus.writeto(tmp_path / "c.fits", checksum=True)
    with pytest.raises(PixsedError, match="c.fits.*NPIX.*make it with pixsed noise"):
        read_noise(tmp_path / "c.fits")
    with pytest.raises(PixsedError, match="one mean and one std per bin, and one more edge"):
        BandNoise([0, 1], [1, 2], [1, 2], [1, 2])
