import pytest

from pixsed.io.file_owner import FileOwner


class File:
    def __init__(self):
        self.open = True

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.open = False


class Reader(FileOwner):
    def __init__(self, file, trouble=False):
        with self._opening() as stack:
            stack.enter_context(file)
            if trouble:
                raise ValueError("no such extension")


def test_open_until_the_end_of_the_block():
    file = File()
    with Reader(file):
        assert file.open
    assert not file.open
    file = File()
    Reader(file).close()
    assert not file.open


def test_an_error_while_opening_closes_what_was_open():
    file = File()
    with pytest.raises(ValueError, match="no such extension"):
        Reader(file, trouble=True)
    assert not file.open
