"""Detection of the kind of a file: a cube, an image, maps, a table, ..."""

import contextlib
import glob
import gzip
from pathlib import Path

from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.io.inputs import check_input
from pixsed.io.locate import is_image, open_fits, parse_location


def is_fits(path):
    """Return whether a file, gzipped or not, begins like FITS."""
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
    """Return whether a command-line argument is a cube rather than a table.

    A cube has a table BANDS; any other file with a table is a table of photometry.

    Raises
    ------
    PixsedError
        If the file does not exist, or is FITS without any table.
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
    """Return whether a file has maps: FITS with a table MAPS."""
    if not is_fits(path):
        return False
    with open_fits(path) as hdulist:
        return "MAPS" in {hdu.name for hdu in hdulist}


# Names of extensions -> kind of a file that has all of them; the first match counts.
_KINDS = (
    ({"MAPS"}, "maps"),
    ({"NOISE", "BANDS"}, "a noise table"),
    ({"BANDS"}, "a cube"),
    ({"SIMS"}, "simulations"),
    ({"WAVE", "METAL"}, "an SSP grid"),
    ({"COG"}, "a PSF"),
    ({"KERNEL"}, "an image with its kernel"),
    ({"TESTS"}, "a validation report"),
)


def describe(path):
    """Return the kind of a file in words, for a message."""
    if not is_fits(path):
        return "not FITS"
    with open_fits(path) as hdulist:
        names = {hdu.name for hdu in hdulist}
        for extensions, kind in _KINDS:
            if extensions <= names:
                return kind
        if any(isinstance(hdu, fits.BinTableHDU | fits.TableHDU) for hdu in hdulist):
            return "a table"
        return "an image" if any(map(is_image, hdulist)) else "a FITS file without a table"


def kind_of(text, hdu=None):
    """Return the kind of an argument: ``"cube"``, ``"table"`` or ``"image"``.

    A cube has a table BANDS. An image is a file with a 2-D image that has no maps. Any other file
    with a table, or one that is not FITS, is a table.

    Parameters
    ----------
    text : str
        ``path`` or ``path[EXT]``.
    hdu : str, optional
        Extension if `text` has none.

    Raises
    ------
    PixsedError
        If it is none of these, or does not exist.
    """
    place = parse_location(text, hdu)
    if glob.has_magic(place.path) and not Path(place.path).exists():
        return "image"  # only images may be patterns in quotes
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
