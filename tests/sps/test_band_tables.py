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


@pytest.mark.parametrize(
    ("gigabytes", "cores", "expected"), [(24, 2, 1.4), (256, 64, 0.5), (8, 16, 0.3), (2000, 2, 1.4)]
)
def test_memory_for_tables(monkeypatch, gigabytes, cores, expected):
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": gigabytes * 1e9 / 4096}
    monkeypatch.setattr(band_tables.os, "sysconf", pages.__getitem__, raising=False)
    monkeypatch.setattr(band_tables.os, "cpu_count", lambda: cores)
    assert memory_for_tables() == pytest.approx(expected * 1e9)


def test_memory_of_an_unknown_system(monkeypatch):
    def sysconf(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(band_tables.os, "sysconf", sysconf, raising=False)
    assert memory_for_tables() == 3e8
