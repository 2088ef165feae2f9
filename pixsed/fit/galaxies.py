"""Galaxies to sum, one after another: cubes in memory or on disk, or segments of mosaics."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pixsed.checks import check_path
from pixsed.errors import PixsedError
from pixsed.images.catalog import ids_as_texts
from pixsed.images.cutout import CutoutOptions, Cutouts, open_cutouts
from pixsed.io.fingerprint import file_digest
from pixsed.io.formats.cube import Cube, read_cube
from pixsed.io.formats.kinds import is_maps
from pixsed.io.formats.psfmatch import warn_of_psfs
from pixsed.io.inputs import once
from pixsed.io.locate import open_fits, parse_location


class CubeGalaxies:
    """Cubes, each of one galaxy.

    Parameters
    ----------
    cubes : `~pixsed.io.formats.cube.Cube`, path-like, or sequence of them
        Files that are given twice count once.

    Attributes
    ----------
    names : list
        The galaxies, for `name`, `read` and `row_key`: paths as str, or cubes in memory.
    key : dict
        What the fluxes of all galaxies depend on.
    texts : bool
        Whether ids are texts even if they look like numbers.
    leaves_out : bool
        Whether galaxies that cannot be read are left out, without an error.

    Raises
    ------
    PixsedError
        If there is no cube, or one is neither a cube nor a path.
    """

    key: dict[str, Any] = {}
    texts = leaves_out = False

    def __init__(self, cubes: Any):
        cubes = [cubes] if isinstance(cubes, Cube | str | os.PathLike) else list(cubes)
        if not cubes:
            raise PixsedError("cubes must name at least one cube, got none")
        self.names = [
            cube if isinstance(cube, Cube) else check_path("a cube", cube, " or a Cube")
            for cube in cubes
        ]
        self.paths = [name for name in self.names if not isinstance(name, Cube)]

    @contextlib.contextmanager
    def open(self, ahead: bool = True) -> Iterator[CubeGalaxies]:
        """Yield these galaxies: every cube is opened when it is read."""
        if len(self.paths) == len(self.names):
            self.names = once(self.names)
        yield self

    def absolute(self) -> CubeGalaxies:
        """Return a copy with absolute paths, for processes in other folders."""
        return CubeGalaxies([_absolute(name) for name in self.names])

    def elsewhere(self, galaxy: Any) -> Any:
        """Return a galaxy as processes in other folders know it."""
        return _absolute(galaxy)

    def name(self, galaxy: Any) -> str:
        """Return the name of a galaxy, for messages."""
        return "cube" if isinstance(galaxy, Cube) else galaxy

    def file(self, galaxy: Any) -> str:
        """Return the file of a galaxy; empty for a cube in memory."""
        return "" if isinstance(galaxy, Cube) else galaxy

    def inputs(self, galaxies: Sequence[Any]) -> list[str]:
        """Return the files that these galaxies were read from."""
        return [galaxy for galaxy in galaxies if not isinstance(galaxy, Cube)]

    def row_key(self, galaxy: Any) -> str | None:
        """Return a text that changes with the content of a galaxy; None for a cube in memory."""
        return None if isinstance(galaxy, Cube) else f"{galaxy} {file_digest(galaxy)}"

    def part(self, number: int, of: int) -> list[Any]:
        """Return every N-th galaxy, from the I-th."""
        return self.names[number - 1 :: of]

    def read(self, galaxy: Any) -> tuple[Cube, str]:
        """Return the cube of a galaxy, and its id.

        Raises
        ------
        PixsedError
            If the file cannot be read, or is not a cube.
        """
        cube = galaxy if isinstance(galaxy, Cube) else _read(galaxy)
        warn_of_psfs(cube.psfmatch, cube.psf_fwhm)
        return cube, str(cube.object_id)


@dataclass(frozen=True)
class MosaicGalaxies:
    """Galaxies of mosaics: the segments of a segmentation map. No cube is written.

    Attributes
    ----------
    images : sequence
        As for `~pixsed.images.cutout.cutout`.
    options : `~pixsed.images.cutout.CutoutOptions`
    """

    images: Sequence[Any]
    options: CutoutOptions

    @property
    def paths(self) -> list[Any]:
        """Files that are read, as they are named."""
        places = [place for place, _ in map(_image, self.images)]
        others = self.options.segmap, self.options.catalog, self.options.region
        return [str(place) for place in (*places, *others) if place is not None]

    @contextlib.contextmanager
    def open(self, ahead: bool = True) -> Iterator[OpenMosaics]:
        """Yield the `OpenMosaics`; with `ahead`, rows are read ahead, for galaxies in order."""
        with open_cutouts(self.images, self.options) as cutouts:
            if ahead and cutouts.several:
                cutouts.read_ahead()
            yield OpenMosaics(cutouts, self)

    def absolute(self) -> MosaicGalaxies:
        """Return a copy with absolute paths, for processes in other folders."""
        images = []
        for image in self.images:
            place, settings = _located(image)
            err = settings.get("err")
            settings = settings | ({"err": _absolute(err)} if err else {})
            images.append((place.absolute(), settings))
        names = ("segmap", "catalog", "region")
        paths = {name: _absolute(getattr(self.options, name)) for name in names}
        return MosaicGalaxies(images, replace(self.options, **paths))


class OpenMosaics:
    """Open mosaics, with the interface of `CubeGalaxies`. The galaxies are ids, as texts.

    Parameters
    ----------
    cutouts : `~pixsed.images.cutout.Cutouts`
    galaxies : `MosaicGalaxies`
    """

    def __init__(self, cutouts: Cutouts, galaxies: MosaicGalaxies):
        self._cutouts, self._galaxies = cutouts, galaxies
        options = galaxies.options
        self.leaves_out = cutouts.several
        self.names = cutouts.names
        self._ids = None
        if options.catalog:
            self._ids = ids_as_texts(options.catalog, id_col=options.id_col, z_col=options.z_col)
        self.texts = self._ids is not None
        self._source = options.segmap or options.region or ""

    @property
    def key(self) -> dict[str, Any]:
        """Inputs and options that the fluxes of all galaxies depend on."""
        # Files are known by the hashes of their bytes.
        files = ("segmap", "catalog", "region", "ids", "all_ids")
        chosen = {k: str(v) for k, v in vars(self._galaxies.options).items() if k not in files}
        images = []
        for image in self._galaxies.images:
            place, settings = _located(image)
            images.append([place.band, place.extension, {k: str(v) for k, v in settings.items()}])
        inputs = [file_digest(path) for path in dict.fromkeys(self._cutouts.inputs)]
        return {"inputs": inputs, "images": images, "cutouts": chosen}

    def elsewhere(self, galaxy: str) -> str:
        """Return the id."""
        return galaxy

    def name(self, galaxy: str) -> str:
        """Return the name of a galaxy, for messages."""
        return f"{self._source}, galaxy {galaxy}"

    def file(self, galaxy: str) -> str:
        """Return the file that has the segment of a galaxy."""
        return self._source

    def inputs(self, galaxies: Sequence[str]) -> list[str]:
        """Return the files that are read."""
        return list(dict.fromkeys(self._cutouts.inputs))

    def row_key(self, galaxy: str) -> str:
        """Return the id: everything else is in `key`."""
        return galaxy

    def part(self, number: int, of: int) -> list[str]:
        """Return the galaxies of a stripe of rows, of which there are N with as many galaxies."""
        count = len(self.names)
        return self.names[count * (number - 1) // of : count * number // of]

    def read(self, galaxy: str) -> tuple[Cube, str]:
        """Return the cube of a galaxy, and its id as the catalogue writes it.

        Raises
        ------
        PixsedError
            If it has no data in any band.
        """
        number = galaxy if self._ids is None else self._ids.get(int(galaxy), galaxy)
        return self._cutouts.cut_one(galaxy).cube, number


def _image(image):
    """Return an image of `MosaicGalaxies` as it is named, and its options."""
    return image if isinstance(image, tuple) else (image, {})


def _located(image):
    """Return the `~pixsed.io.locate.Location` of an image of `MosaicGalaxies`, and its options."""
    place, settings = _image(image)
    return (parse_location(place, band=True) if isinstance(place, str) else place), settings


def _read(path):
    """Return the cube of a file; the error for maps says why they cannot be summed."""
    try:
        return read_cube(path)
    except PixsedError:
        place = parse_location(path)
        if not Path(place.path).is_file() or not is_maps(place.path):
            raise
    with open_fits(place.path) as hdulist:
        source = hdulist[0].header.get("INFILE1", "the cube or mosaics that it was made from")
    raise PixsedError(
        f"{path} has maps: quantiles of pixels do not add up, and maps hold neither the draws nor "
        f"the fluxes of the pixels; give {source}"
    )


def _absolute(name):
    """Return the absolute path of a file; other values are unchanged."""
    if not isinstance(name, str):
        return name
    place = parse_location(name)
    return str(place.absolute()) if Path(place.path).exists() else name
