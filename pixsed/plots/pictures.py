"""Maps files, the cubes of their RGB images, and the names of their pictures."""

import glob
from pathlib import Path

from pixsed.errors import PixsedError
from pixsed.plots.lupton import composite_of_panels
from pixsed.plots.panels import read_panels


def read_galaxy(path, properties=None, cubes=None):
    """Return the `~pixsed.plots.panels.Panels` of maps, and their RGB image or None.

    Parameters
    ----------
    path : str
        Maps file.
    properties : sequence of str, optional
        As for `~pixsed.plots.panels.read_panels`.
    cubes : dict of str to str, optional
        Cubes, as `cubes_by_object` gives them. The only cube need not have an id.

    Returns
    -------
    panels : `~pixsed.plots.panels.Panels`
    composite : `~pixsed.plots.lupton.Composite` or None

    Raises
    ------
    PixsedError
        If there are cubes but none of this galaxy, or it is not on the grid of the maps.
    """
    panels = read_panels(path, properties)
    if not cubes:
        return panels, None
    cube = cubes.get(panels.object_id)
    if cube is None and len(cubes) == 1:
        [cube] = cubes.values()  # its grid is compared
    if cube is None:
        raise PixsedError(
            f"{path}: no cube of --rgb has its OBJECT, {panels.object_id!r}; they have "
            f"{', '.join(sorted(cubes))}"
        )
    return panels, composite_of_panels(cube, panels)


def cubes_by_object(texts):
    """Return a dict of OBJECT -> cube, of cubes given as paths or patterns.

    Raises
    ------
    PixsedError
        If a pattern matches nothing, or two cubes have the same OBJECT.
    """
    from pixsed.io.locate import open_fits

    found = {}
    for text in texts:
        literal = Path(text).exists() or not glob.has_magic(text)
        paths = [text] if literal else sorted(glob.glob(text))
        if not paths:
            raise PixsedError(f"no file matches {text}; check the pattern and the folder")
        for path in paths:
            with open_fits(path) as hdulist:
                name = str(hdulist[0].header.get("OBJECT", ""))
            if found.setdefault(name, path) != path:
                raise PixsedError(
                    f"{found[name]} and {path} have the same OBJECT, {name!r}; give one of them"
                )
    return found


def picture_paths(maps, folder, kind):
    """Return the paths of the pictures of several maps in a folder.

    Parameters
    ----------
    maps : sequence of str
    folder : path-like
    kind : str
        Ending of the pictures, without a dot.

    Raises
    ------
    PixsedError
        If two maps have the same name, or `folder` is a file.
    """
    from pixsed.io.outputs import check_folder

    check_folder(folder, "pictures")
    paths = []
    for path in maps:
        stem = Path(path).name.removesuffix(".gz")
        picture = str(Path(folder) / f"{Path(stem).stem}.{kind}")
        if picture in paths:
            raise PixsedError(
                f"{maps[paths.index(picture)]} and {path} would both be drawn as {picture}; draw "
                "them into two folders"
            )
        paths.append(picture)
    return paths
