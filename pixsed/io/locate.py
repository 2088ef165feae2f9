"""Parsing of `[BAND=]path[EXT,VER]`, expansion of patterns, and selection of an HDU."""

import contextlib
import errno
import fnmatch
import glob
import gzip
import logging
import os
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.io.inputs import check_input
from pixsed.io.location_text import split_band, split_extension
from pixsed.io.reading import FAULTS, reading
from pixsed.io.verify import verify_fits
from pixsed.temporary import new_folder

_READ = 1 << 20
# Names of extensions that go with a science image.
_NO_SCIENCE = re.compile(r"(ERR|WHT|DQ|I?VAR|RMS|WEIGHT|MASK|FLAG|SEG)[_A-Z]*|CON|CTX|EXP|NSAMP")
# Largest size of what a gzipped file holds: in bytes, or as a multiple of its size if that is more.
_LARGEST, _MOST = 1 << 30, 100
_log = logging.getLogger("pixsed")


@dataclass(frozen=True)
class Location:
    """Location of an image.

    Attributes
    ----------
    path : str
        File.
    ext : str, int or None
        Extension by name or number; None = to be chosen (`choose_image`).
    ver : int or None
        EXTVER, for an extension by name.
    band : str or None
        Name of the band, given as ``BAND=``.
    """

    path: str
    ext: str | int | None = None
    ver: int | None = None
    band: str | None = None

    def __str__(self):
        if self.ext is None:
            return self.path
        ver = "" if self.ver is None else f",{self.ver}"
        return f"{self.path}[{self.ext}{ver}]"

    def absolute(self):
        """Return the same location with an absolute path."""
        return replace(self, path=os.path.abspath(self.path))

    @property
    def extension(self):
        """``[EXT,VER]`` without the path; empty if no extension is given."""
        return str(replace(self, path=""))


def parse_extension(text):
    """Return (ext, ver) of a text such as ``"SCI"``, ``"1"`` (an int) or ``"SCI,2"``.

    Raises
    ------
    PixsedError
        If `text` is none of these.
    """
    name, comma, version = (part.strip() for part in text.partition(","))
    if not name or (comma and not version.isdecimal()):
        raise PixsedError(
            f"[{text}] must be an extension's name or number, or NAME,VERSION; "
            "try [SCI], [1] or [SCI,2]"
        )
    ext = int(name) if name.isdecimal() else name
    if comma and isinstance(ext, int):
        raise PixsedError(f"[{text}]: a version goes with a name, not with a number; try [SCI,2]")
    return ext, int(version) if comma else None


def parse_location(text, hdu=None, band=False):
    """Return the `Location` of a command-line argument.

    Parameters
    ----------
    text : str or path-like
        ``path``, ``path[EXT]`` or ``path[EXT,VER]``. If a file has the name `text`, brackets
        included, it is that file.
    hdu : str, optional
        Extension if `text` has none (the option ``--hdu``).
    band : bool, optional
        Whether ``BAND=`` may come first. If `text` with its ``=`` is the name of a file, or a
        pattern that matches one, such as ``z=2/i.fits``, it has no band.

    Raises
    ------
    PixsedError
        If the extension has an illegal form.
    """
    name, text = None, os.fspath(text)
    if band:
        name, text = split_band(text)
    path, ext, ver = text, None, None
    short, given = split_extension(text)
    if given is not None and not Path(text).exists():
        path, (ext, ver) = short, parse_extension(given)
    if ext is None and hdu is not None:
        ext, ver = parse_extension(hdu)
    return Location(path, ext, ver, name)


def expand_locations(texts, hdu=None):
    """Return the `Location` list of arguments ``[BAND=]path[EXT]``, with patterns expanded.

    A shell never expands a pattern with ``BAND=`` before it or ``[EXT]`` after it, so patterns are
    expanded here unless a file has the literal name. ``F*=JOF_531_F*.fits[SCI_PSFM]`` names each
    band by what the ``*`` matched.

    Parameters
    ----------
    texts : iterable of str
        Arguments, in order.
    hdu : str, optional
        Extension of arguments that have none.

    Returns
    -------
    list of `Location`
        In the order of the arguments; the files of one pattern are sorted by name.

    Raises
    ------
    PixsedError
        If a pattern matches nothing, or does not tell the band.
    """
    found = []
    for text in texts:
        location = parse_location(text, hdu, band=True)
        if Path(location.path).exists() or not glob.has_magic(location.path):
            if location.band and glob.has_magic(location.band):
                band = _band_of_match(location.band, location.path, location.path)
                location = replace(location, band=band)
            found.append(location)
            continue
        paths = sorted(glob.glob(location.path))
        if not paths:
            raise PixsedError(f"no file matches {location.path}; check the pattern and the folder")
        for path in paths:
            band = location.band
            if band and glob.has_magic(band):
                band = _band_of_match(band, location.path, path)
            found.append(replace(location, path=path, band=band))
    return found


def _wildcard_texts(pattern, path):
    """Return the text that each ``*`` of a glob pattern matched in `path`, in order."""
    pieces = []
    for piece in re.split(r"(\*+|\?|\[[^\]]+\])", pattern):
        if piece.startswith("*"):
            pieces.append("([^/]*)")
        elif piece == "?":
            pieces.append("[^/]")
        elif piece.startswith("[") and piece.endswith("]"):
            pieces.append(re.sub(r"^\[!", "[^", piece))
        else:
            pieces.append(re.escape(piece))
    match = re.fullmatch("".join(pieces), path, re.DOTALL)
    return match.groups() if match else ()


def _band_of_match(band, pattern, path):
    """Return the band of one file of a pattern, by a band with a wildcard.

    Tried in order: the text that a ``*`` of the pattern matched, if it has the form of `band`; the
    same text in place of the ``*`` of `band`, if the file name has the result; the only word of the
    file name that has the form of `band`.
    """
    name = Path(path).name.upper()
    band = band.upper()
    texts = [text.upper() for text in _wildcard_texts(pattern, path)]
    if band.count("*") == 1 and "?" not in band:
        for text in texts:
            # A "*" alone matches every form; it means the substitution below.
            if band != "*" and fnmatch.fnmatchcase(text, band) and text.isalnum():
                return text
        # The prefix of a camera, as in UVIS_F*, need not be in the file name.
        prefix, underscore, core = band.rpartition("_")
        for text in texts:
            filled = core.replace("*", text)
            if filled and re.fullmatch(r"\w+", filled) and filled in name:
                return prefix + underscore + filled
    form = re.escape(band).replace(r"\*", "[A-Z0-9]+").replace(r"\?", "[A-Z0-9]")
    stem = re.sub(r"\.(FITS?|FTS)(\.GZ|\.FZ)?$", "", name)
    words = sorted(set(re.findall(rf"(?<![A-Z0-9]){form}(?![A-Z0-9])", stem)))
    if len(words) == 1:
        return words[0]
    raise PixsedError(
        f"{path}: {band}= does not tell the band of this file; give it, as F444W={Path(path).name}"
    )


@contextlib.contextmanager
def open_fits(path, *, memmap=None):
    """Yield the open `~astropy.io.fits.HDUList` of a FITS file, gzipped or not.

    A gzipped file is first unpacked to a temporary one, in the folder of TMPDIR, so that parts of
    it can be read.

    Parameters
    ----------
    path : str or path-like
    memmap : bool, optional
        If false, read the file in pieces. By default it is mapped into memory unless it is scaled.

    Raises
    ------
    PixsedError
        If there is no such file, it is not a complete FITS file, its checksums do not verify
        (`pixsed.io.verify`), or its headers cannot be used (`pixsed.io.header_check`). An error of
        the block that a content of another kind causes becomes a `PixsedError` too
        (`~pixsed.io.reading.reading`).
    """
    check_input(path)
    _log.info("reading %s", path)
    with contextlib.ExitStack() as stack:
        trouble = None
        try:
            # astropy repairs other faults; only a truncated file is worth a report.
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                plain = stack.enter_context(_unpacked(path))
                verify_fits(plain, path)
                hdulist = stack.enter_context(fits.open(plain, memmap=memmap))
                len(hdulist)  # reads every header
            trouble = next((w.message for w in caught if "truncated" in str(w.message)), None)
        except (OSError, MemoryError, *FAULTS) as error:
            trouble = error
        if trouble is not None:
            raise PixsedError(
                f"{path} cannot be read as FITS ({' '.join(str(trouble).split())}); "
                "check that it is a complete FITS file"
            )
        with reading(path):
            yield hdulist


def _copy(source, target, path):
    """Copy what a gzipped file holds, unless it is far more than an image packs away."""
    largest = max(_LARGEST, _MOST * os.path.getsize(path))
    while block := source.read(_READ):
        if target.tell() + len(block) > largest:
            raise PixsedError(
                f"{path} unpacks to more than {largest >> 20} MB, over {_MOST} times its size; "
                "gunzip it, and give the result, if that is right"
            )
        target.write(block)


@contextlib.contextmanager
def _unpacked(path):
    """Yield `path`, or the path of a temporary copy if it is gzipped."""
    with open(path, "rb") as file:
        if file.read(2) != b"\x1f\x8b":
            yield path
            return
    with new_folder() as folder:
        plain = Path(folder) / "plain.fits"
        try:
            with gzip.open(path) as source, open(plain, "wb") as target:
                _copy(source, target, path)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise PixsedError(
                f"{path}: no room to unpack it in {folder}; gunzip it, or set TMPDIR to a larger "
                "disk"
            ) from error
        yield plain


def describe_images(hdulist):
    """Return the image extensions of a file as text, such as ``0 (PRIMARY), 1 (SCI)``."""
    names = [
        f"{number} ({hdu.name or 'no name'})" for number, hdu in enumerate(hdulist) if is_image(hdu)
    ]
    return ", ".join(names) or "none"


def is_image(hdu):
    """Return whether an HDU has a 2-D image, compressed or not."""
    return bool(hdu.is_image) and len(hdu.shape) == 2


def choose_image(hdulist, location, *, science=False):
    """Return the image HDU of a `Location`.

    This is the extension that is given; else the first one named SCI; else the only 2-D image.

    Parameters
    ----------
    hdulist : `~astropy.io.fits.HDUList`
    location : `Location`
    science : bool, optional
        Leave out images that are named as errors, weights or flags, unless one is given.

    Raises
    ------
    PixsedError
        If the given extension does not exist or is not a 2-D image, or if none is given and several
        are possible; the message lists the image extensions.
    """
    listing = f"its 2-D images are: {describe_images(hdulist)}"
    how = "name one as path[EXT] or with --hdu"
    if location.ext is not None:
        key = location.ext if location.ver is None else (location.ext, location.ver)
        try:
            hdu = hdulist[key]
        except (KeyError, IndexError):
            raise PixsedError(f"{location}: no such extension; {listing}; {how}") from None
        if not is_image(hdu):
            raise PixsedError(f"{location} is not a 2-D image; {listing}; {how}")
        return hdu
    images = [hdu for hdu in hdulist if is_image(hdu)]
    candidates = [hdu for hdu in images if not (science and _NO_SCIENCE.fullmatch(hdu.name))]
    for hdu in candidates:
        if hdu.name == "SCI":
            return hdu
    if len(candidates) == 1:
        return candidates[0]
    if images and not candidates:
        raise PixsedError(
            f"{location}: none of its images is the science image by its name; {listing}; {how}"
        )
    if not images:
        raise PixsedError(f"{location}: no 2-D image in the file; give another file")
    raise PixsedError(f"{location}: which extension is the image? {listing}; {how}")
