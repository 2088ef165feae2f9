"""Properties that hold for any input, tried on random ones by hypothesis."""

import warnings

import fakes
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pixsed.errors import PixsedError
from pixsed.fit.cube import fit_cube
from pixsed.fit.model import Model, load_model
from pixsed.fit.options import FitOptions
from pixsed.fit.quantiles import at_levels, of_draws
from pixsed.fit.tiles import tiles
from pixsed.fit.to_file import part_rows
from pixsed.io.formats.cube import Cube
from pixsed.io.locate import open_fits
from pixsed.io.tables import read_table
from pixsed.io.units import njy_per_unit
from pixsed.nodata import usable
from pixsed.validate.bounds import outside

# The same examples in each run.
settings.register_profile(
    "pixsed",
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("pixsed")
pytestmark = pytest.mark.filterwarnings("ignore")

BANDS = ("F115W", "F200W", "F277W", "F444W")
ANY = st.one_of(
    st.floats(width=32),
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -99.0, 1e-30, 1e20, 3e38]),
    st.floats(0.125, 128.0, width=32),
)
FINITE = st.floats(-1e6, 1e6)
LEVELS = [0.025, 0.16, 0.5, 0.84, 0.975]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Model(fakes.fake_model(tmp_path_factory.mktemp("model") / "m.onnx"))


def images():
    return npst.arrays(np.float32, (4, 3, 3), elements=ANY)


def fitted(model, flux, err, bands=BANDS, **options):
    cube = Cube(list(bands), flux, err, fakes.make_cube().header, redshift=2.0)
    return fit_cube(cube, model, FitOptions(samples=40, snr_min=1.0, **options)).planes


@given(flux=images(), err=images())
def test_any_cube_gives_maps_or_a_clear_error(model, flux, err):
    try:
        planes = fitted(model, flux, err)
    except PixsedError as error:
        assert "\n" not in str(error)
        return
    for name in ("LOGMSTAR", "LOGSFR", "METAL", "AV"):
        low, middle, high = (planes[f"{name}_{q}"] for q in ("P16", "P50", "P84"))
        assert (np.isnan(low) == np.isnan(high)).all() and (np.isnan(low) == np.isnan(middle)).all()
        good = np.isfinite(middle)
        assert (low[good] <= middle[good]).all() and (middle[good] <= high[good]).all()
    assert not np.isinf(np.stack([v for v in planes.values() if v.dtype.kind == "f"])).any()


@given(seed=st.integers(0, 1000))
def test_the_order_of_bands_and_pixels_does_not_matter(model, seed):
    rng = np.random.default_rng(seed)
    flux = rng.uniform(1.0, 50.0, (4, 3, 3)).astype("f4")
    err = (0.1 * flux).astype("f4")
    flux[rng.random(flux.shape) < 0.1] = np.nan
    planes = fitted(model, flux, err)
    order = rng.permutation(4)
    again = fitted(model, flux[order], err[order], [BANDS[i] for i in order])
    for name, plane in planes.items():
        np.testing.assert_array_equal(again[name], plane, err_msg=name)
    # Random numbers belong to places on the sky, so medians move by the noise of the draws.
    turned = fitted(model, flux[:, ::-1], err[:, ::-1])
    np.testing.assert_array_equal(turned["DQ"][::-1], planes["DQ"])
    np.testing.assert_allclose(turned["LOGMSTAR_P50"][::-1], planes["LOGMSTAR_P50"], atol=0.2)


@given(data=npst.arrays(np.float32, (6, 29), elements=ANY), z=st.floats(0.01, 7.4))
@settings(max_examples=15)
def test_draws_never_leave_the_prior(data, z):
    tau = load_model("tau")
    flux, err, _, _ = usable(data.T, np.abs(np.roll(data, 1, axis=1)).T)
    flux, err = flux.T, err.T
    base = np.random.default_rng(0).standard_normal((6, 50, tau.base_dim))
    samples, _ = tau.sample(flux, err, np.full(6, z), np.zeros(6), base)
    draws = {name: samples[..., i] for i, name in enumerate(tau.parameters)}
    for name, found in outside(draws, np.full((6, 1), z), tau.metadata).items():
        assert not found.any(), name


@given(
    draws=npst.arrays(float, st.tuples(st.integers(1, 4), st.integers(2, 60)), elements=FINITE),
    levels=st.lists(st.floats(0.001, 0.999), min_size=1, max_size=6, unique=True).map(sorted),
)
def test_quantiles_of_draws_are_ordered_and_within_them(draws, levels):
    ordered = np.sort(draws, axis=-1)
    found = np.stack(of_draws(ordered, levels), axis=-1)
    assert (np.diff(found, axis=-1) >= -1e-6 * np.abs(draws).max()).all()
    slack = 1e-6 * (1 + np.abs(draws).max())  # of float32
    assert (found >= ordered[..., :1] - slack).all() and (found <= ordered[..., -1:] + slack).all()


@given(
    steps=npst.arrays(float, (3, 5), elements=st.floats(0.0, 10.0)),
    wanted=st.lists(st.floats(0.025, 0.975), min_size=2, max_size=8, unique=True).map(sorted),
)
def test_interpolated_quantiles_are_ordered(steps, wanted):
    found = np.stack(at_levels(np.cumsum(steps, axis=-1), LEVELS, wanted), axis=-1)
    assert (np.diff(found, axis=-1) >= -1e-9).all()


@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    parts=st.integers(1, 9),
)
def test_tiles_and_parts_cover_each_pixel_once(shape, size, parts):
    count = np.zeros(shape, int)
    for y, x in tiles(shape, size):
        count[y, x] += 1
    assert (count == 1).all()
    rows = np.zeros(shape[0], int)
    for number in range(1, parts + 1):
        rows[part_rows(shape[0], (number, parts))] += 1
    assert (rows == 1).all()


@given(zero_point=st.floats(10.0, 40.0))
def test_zero_points(zero_point):
    factor = njy_per_unit(fits.Header(), f"zp={zero_point:.6f}")
    np.testing.assert_allclose(-2.5 * np.log10(factor * 1e-9 / 3631), zero_point, atol=1e-3)


@given(text=st.text(max_size=20))
def test_any_text_as_a_unit(text):
    try:
        factor = njy_per_unit(fits.Header(), text or "x")
    except PixsedError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(factor) and factor > 0


@given(content=st.binary(max_size=400))
def test_any_bytes_as_a_file(tmp_path, content):
    path = tmp_path / "file.fits"
    for start in (b"", b"SIMPLE  =                    T", b"id,z\n1,"):
        path.write_bytes(start + content)
        for read in (read_table, lambda path: open_fits(path).__enter__()):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    read(path)
                except PixsedError as error:
                    assert "file.fits" in str(error)
