"""What a file is, told by a first look at it: a cube, an image, maps, or a table."""

import contextlib
import glob
import gzip
from pathlib import Path

from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.io.inputs import check_input
from pixsed.io.locate import is_image, open_fits, parse_location


def is_fits(path):
    """Return whether a file begins as FITS does, gzipped or not."""
    check_input(path, "a file")
    with open(path, "rb") as stream:
        start = stream.read(9)
    if start[:2] == b"\x1f\x8b":
        try:
            with gzip.open(path) as stream:
                start = stream.read(9)
        except (OSError, EOFError):
            return False
    return start.startswith(b"SIMPLE  =")


def is_cube(text):
    """Return whether a command-line argument means a cube rather than a table.

    A cube has a table BANDS; a table of photometry is any other file with a table.

    Raises
    ------
    PixsedError
        If the file is FITS without any table, or is not there.
    """
    place = parse_location(text)
    if not is_fits(place.path):
        return False
    if place.ext is not None:
        return False
    with open_fits(place.path) as hdulist:
        if "BANDS" in [hdu.name for hdu in hdulist]:
            return True
        if any(
            isinstance(hdu, fits.BinTableHDU | fits.TableHDU) and hdu.name != "MAPS"
            for hdu in hdulist
        ):
            return False
    raise PixsedError(
        f"{place.path} is neither a cube nor a table of photometry; make a cube with pixsed cutout"
    )


def is_maps(path):
    """Return whether a file holds maps: FITS with a table MAPS."""
    if not is_fits(path):
        return False
    with open_fits(path) as hdulist:
        return "MAPS" in {hdu.name for hdu in hdulist}


# Names of extensions that tell the kind of a file -> that kind.
_TELLING = (
    ({"MAPS"}, "maps"),
    ({"NOISE", "BANDS"}, "a noise table"),
    ({"BANDS"}, "a cube"),
    ({"SIMS"}, "simulations"),
    ({"WAVE", "METAL"}, "an SSP grid"),
    ({"COG"}, "a PSF"),
    ({"KERNEL"}, "an image with its kernel"),
    ({"TESTS"}, "the report of a validation"),
)


def describe(path):
    """Return what kind of file it is, in words, for a message."""
    if not is_fits(path):
        return "not FITS"
    with open_fits(path) as hdulist:
        names = {hdu.name for hdu in hdulist}
        for telling, what in _TELLING:
            if telling <= names:
                return what
        if any(isinstance(hdu, fits.BinTableHDU | fits.TableHDU) for hdu in hdulist):
            return "a table"
        return "an image" if any(map(is_image, hdulist)) else "a FITS file without a table"


def kind_of(text, hdu=None):
    """Return what an argument means: ``"cube"``, ``"table"`` or ``"image"``.

    A cube has a table BANDS; an image is a file with a 2-D image, other than maps; a table
    any other file with a table, or none of FITS.

    Parameters
    ----------
    text : str
        ``path`` or ``path[EXT]``.
    hdu : str, optional
        The extension where `text` names none.

    Raises
    ------
    PixsedError
        If it is none of these, or not there.
    """
    place = parse_location(text, hdu)
    if glob.has_magic(place.path) and not Path(place.path).exists():
        return "image"  # a pattern in quotes, as those of images are
    if is_fits(place.path):
        with open_fits(place.path) as hdulist:
            names = [hdu.name for hdu in hdulist]
            images = [hdu for hdu in hdulist if is_image(hdu)]
            if place.ext is not None:
                key = place.ext if place.ver is None else (place.ext, place.ver)
                with contextlib.suppress(KeyError, IndexError):  # no such extension
                    if is_image(hdulist[key]):
                        return "image"
            elif images and not {"BANDS", "MAPS"} & set(names):
                return "image"
    return "cube" if is_cube(text) else "table"
