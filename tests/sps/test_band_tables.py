"""Tables of light by redshift step: what is kept in memory."""

import numpy as np
import pytest

from pixsed.sps import band_tables
from pixsed.sps.band_tables import BandTables, memory_for_tables

CELLS, STEPS = 400, 100


@pytest.fixture
def make(monkeypatch):
    """Return tables of three spectra in two bands, and the numbers of blocks that were made."""

    def with_memory(blocks):
        rng = np.random.default_rng(1)
        filters = np.zeros((CELLS, 2))
        filters[100:140, 0] = filters[200:260, 1] = 1.0
        filters /= filters.sum(axis=0)
        log_wave = np.log(5000.0) + 0.002 * np.arange(CELLS)
        spectra = rng.random((3, CELLS + STEPS)).astype("f4")
        igm = rng.random((STEPS, 50)).astype("f4")
        args = spectra, filters, log_wave, igm, rng.random(CELLS + STEPS).astype("f4")
        size = 3 * len(BandTables(*args).node_wave) * 16 * 4
        monkeypatch.setattr(band_tables, "memory_for_tables", lambda: blocks * size)
        tables, made = BandTables(*args), []
        inner = tables._make
        tables._make = lambda start, stop: made.append(start // 16) or inner(start, stop)
        return tables, made

    return with_memory


@pytest.mark.parametrize(
    ("blocks", "again"), [(10, []), (7, []), (3, [3, 4, 5, 6]), (0, list(range(7)))]
)
def test_each_scan_makes_only_what_is_not_kept(make, blocks, again):
    tables, made = make(blocks)
    expected = [np.copy(tables.at(step)[0]) for step in range(STEPS)]
    assert made == list(range(7))
    for step in range(STEPS):
        np.testing.assert_array_equal(tables.at(step)[0], expected[step])
    assert made[7:] == again


@pytest.mark.parametrize(("per_core", "expected"), [(12, 1.4), (4, 0.5), (0.5, 0.3), (0, 0.3)])
def test_memory_for_tables(monkeypatch, per_core, expected):
    monkeypatch.setattr(band_tables, "memory_per_core", lambda: per_core * 1e9)
    assert memory_for_tables() == pytest.approx(expected * 1e9)
