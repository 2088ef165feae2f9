import fakes
import pytest

from pixsed.errors import PixsedError
from pixsed.fit.inputs import kind_of_inputs
from pixsed.io.formats.cube import write_cube


def test_the_first_input_that_can_be_read_decides(tmp_path):
    none, cube = str(tmp_path / "none.fits"), str(tmp_path / "cube.fits")
    write_cube(fakes.make_cube(), cube)
    assert kind_of_inputs([none, cube]) == "cube"
    assert kind_of_inputs([cube, f"F444W={none}"]) == "image"


def test_an_input_that_cannot_be_read(tmp_path):
    none = str(tmp_path / "none.fits")
    with pytest.raises(PixsedError, match="none.fits: no such file"):
        kind_of_inputs([none, str(tmp_path / "other.fits")])
    assert kind_of_inputs([none], mosaics=True) == "image"
