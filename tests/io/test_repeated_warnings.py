"""Warnings of several images: equal warnings are shown once."""

import contextlib
import warnings

import numpy as np
import pytest

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.image import open_images
from pixsed.io.repeated_warnings import merge_repeated_warnings


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], []),
        (["a: x"], ["a: x"]),
        (["a: x", "b: y"], ["a: x", "b: y"]),
        (["a: x", "b: x"], ["a: x; the same, with other numbers, holds for b"]),
        (
            ["a: 3 % x", "b: 88 % x", "c: -1e-05 % x"],
            ["a: 3 % x; the same, with other numbers, holds for b, c"],
        ),
        (
            ["a: x 1", "b: y", "c: x 2.5"],
            ["a: x 1; the same, with other numbers, holds for c", "b: y"],
        ),
        (
            [f"{i}: x" for i in range(5)],
            ["0: x; the same, with other numbers, holds for 1, 2, 3, 4"],
        ),
        (
            [f"{i}: x" for i in range(19)],
            ["0: x; the same, with other numbers, holds for 1, 2, 3, 4 and 14 more"],
        ),
        (["no file 1", "no file 2"], ["no file 1", "no file 2"]),
        (["no file", "no file", "no file"], ["no file"]),
        (["a: x", "a: x", "b: x"], ["a: x; the same, with other numbers, holds for b"]),
    ],
)
@pytest.mark.parametrize("fails", [False, True])
def test_equal_warnings_are_shown_once(given, told, fails):
    """Equal warnings are shown once, even if an error follows."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with (
            pytest.raises(PixsedError) if fails else contextlib.nullcontext(),
            merge_repeated_warnings(),
        ):
            for text in given:
                warnings.warn(text, PixsedWarning, stacklevel=1)
            if fails:
                raise PixsedError("an end")
    assert [str(warning.message) for warning in caught] == told
    assert all(warning.category is PixsedWarning for warning in caught)


def test_other_warnings_pass():
    with pytest.warns(RuntimeWarning, match="of numpy"), merge_repeated_warnings():
        warnings.warn("of numpy", RuntimeWarning, stacklevel=1)


def test_images_without_errors(write_fits, wcs_header):
    data = np.random.default_rng(1).normal(0, 1, (50, 60)).astype("f4")
    paths = [write_fits(f"{i}.fits", SCI=(data, wcs_header(BUNIT="nJy"))) for i in range(3)]
    with contextlib.ExitStack() as stack:
        with pytest.warns(PixsedWarning, match="0.fits: no ERR.*of .*1.fits, .*2.fits") as caught:
            images = open_images(stack, [(path, {"unit": "uJy"}) for path in paths])
        assert len(caught) == 1
        assert [image.factor for image in images] == pytest.approx([1000, 1000, 1000])
