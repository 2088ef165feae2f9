"""Field files: the images, PSFs, catalogue and options of a field, as TOML."""

import difflib
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from pixsed.errors import PixsedError
from pixsed.io.inputs import check_input
from pixsed.io.location_text import BAND, split_band

#: Commands that a field file has options of, in the order in which they run; check runs alone.
COMMANDS = ("bkg", "psfmatch", "cutout", "fit", "sum-mass", "plot", "check")
#: Commands that ``COMMAND = false`` leaves out.
OPTIONAL = ("bkg", "psfmatch", "sum-mass", "plot")
_TEXTS = ("output", "segmap", "catalog", "model", "target")
_FILES = ("images", "psfs")


@dataclass(frozen=True)
class FieldFile:
    """Content of a field file. Paths are as in the file; `place` finds them.

    Attributes
    ----------
    path : str
        The file.
    images, psfs : dict or list
        Band -> ``path[EXT]``, or patterns ``[BAND=]path[EXT]``.
    output : str
        Folder of the products.
    segmap, catalog, model, target : str or None
    options : dict of str to dict or bool
        Command -> its options by their long names, without dashes before; False leaves the
        command out.
    """

    path: str
    images: dict | list
    psfs: dict | list
    output: str
    segmap: str | None = None
    catalog: str | None = None
    model: str | None = None
    target: str | None = None
    options: dict = field(default_factory=dict)

    def place(self, text, *, band=False):
        """Return ``path[EXT]`` with the path as seen from the current folder.

        With `band`, ``BAND=`` may come first.
        """
        folder = os.path.dirname(self.path)
        name, rest = split_band(text, folder) if band else (None, text)
        placed = os.path.normpath(os.path.join(folder, rest))
        return placed if name is None else f"{name}={placed}"

    def error(self, key, text):
        """Return the `PixsedError` about a key."""
        return PixsedError(f"{self.path}: {key} {text}")


def nearest(name, names):
    """Return a hint at the most similar of some names, or a list of all of them."""
    close = difflib.get_close_matches(str(name), names, n=1)
    return f"did you mean {close[0]}?" if close else f"it may be {', '.join(sorted(names))}"


def read_field(path):
    """Return the `FieldFile` of a TOML file, its structure checked.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    PixsedError
        If the file cannot be read, is not TOML, lacks the images, or has a key or a type of value
        that it cannot have. Options of commands and the existence of files are not checked here.
    """
    path = os.fspath(path)
    check_input(path, "a field file", "give the TOML file of a field")
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PixsedError(f"{path} is not TOML: {error}; correct it") from None
    known = (*_TEXTS, *_FILES, *COMMANDS)
    for key in content:
        if key not in known:
            raise PixsedError(f"{path}: {key} is not known; {nearest(key, known)}")
    if "images" not in content:
        raise PixsedError(f"{path}: images must be given, as a table by band or a pattern")
    texts = {key: _text(path, key, content[key]) for key in _TEXTS if key in content}
    return FieldFile(
        path=path,
        images=_files(path, "images", content["images"]),
        psfs=_files(path, "psfs", content.get("psfs", {})),
        options={key: _options(path, key, content[key]) for key in COMMANDS if key in content},
        **{"output": Path(path).stem, **texts},
    )


def _text(path, key, value):
    if not isinstance(value, str) or not value.strip():
        raise PixsedError(f"{path}: {key} must be a text, got {value!r}")
    return value


def _files(path, key, value):
    """Return files by band as a dict, in upper case, or patterns as a list."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        return [_text(path, f"{key}[{number}]", text) for number, text in enumerate(value)]
    if not isinstance(value, dict):
        raise PixsedError(f"{path}: {key} must be a table by band or a pattern, got {value!r}")
    if key == "images" and not value:
        raise PixsedError(f"{path}: [images] has no band; add one, as F444W = 'F444W.fits'")
    for band in value:
        if not re.fullmatch(BAND, band):
            raise PixsedError(
                f"{path}: [{key}] {band!r} must be the name of a band, of letters, digits, _ and -"
            )
    found = {band.upper(): _text(path, f"[{key}] {band}", value[band]) for band in value}
    if len(found) < len(value):
        raise PixsedError(f"{path}: [{key}] has a band twice, in upper and lower case")
    return found


def _options(path, command, value):
    if value is False:
        if command not in OPTIONAL:
            raise PixsedError(
                f"{path}: {command} cannot be left out; only {', '.join(OPTIONAL)} can"
            )
        return False
    if not isinstance(value, dict):
        more = ", or false" if command in OPTIONAL else ""
        raise PixsedError(f"{path}: {command} must be a table of options{more}, got {value!r}")
    return value
