"""Fixtures of the tests of faults."""

import pytest
from once import made_once


@pytest.fixture(scope="session")
def fault_inputs(tmp_path_factory, ssp_grid):
    """Folder of the inputs of all commands but those of training, which tests must not change."""
    from inputs import make_inputs

    from pixsed.sps.ssp import write_ssp

    def make(folder):
        make_inputs(folder)
        write_ssp(ssp_grid, folder / "ssp.fits")

    return made_once(tmp_path_factory, "fault-inputs", make)
