"""The command that shows maps in DS9: labelled frames, coloured, and aligned on the sky."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pixsed.errors import PixsedError, PixsedWarning, listed
from pixsed.io.headers import pixel_area_arcsec2
from pixsed.plots.colour_limits import PERCENTILES
from pixsed.plots.panels import default_properties
from pixsed.properties import quantile_name

#: Names of the program, in the order in which they are looked for.
PROGRAMS = ("ds9", "saods9")
# All are in DS9 since version 8, and increase in brightness.
_COLOURS = {
    "LOGMSTAR": "inferno",
    "LOGMFORM": "inferno",
    "LOGSIGMA": "inferno",
    "LOGSFR": "viridis",
    "LOGSFR10": "viridis",
    "AGE": "plasma",
    "METAL": "viridis",
    "AV": "heat",
}
_STD_COLOUR = "magma"
_OTHER_COLOUR = "viridis"
# Size of the window in pixels of the screen: the whole, and the parts that are not images, which
# are the panel above and the colour bar below each row of frames.
_WIDTH, _HEIGHT, _PANEL, _BAR = 1400, 850, 200, 50
# Pixels of the screen that are left free around the fitted pixels, for the label above them, and
# the width of a letter and the height of a line of the label.
_FREE, _LETTER, _LINE = 40, 9, 15
_NOT_STARTED = "initialization failed", "Unable to initialize", "Error in startup script"
_LABEL = 'color=black font="helvetica 11 bold roman" textrotate=0 select=0'


@dataclass
class Frame:
    """One frame of DS9.

    Attributes
    ----------
    path, extension : str
        File, and the name of the plane.
    label, name : str
        Text above the pixels, and a line over it that tells files apart; empty for one file.
    colours : str
        Name of the colour map in DS9.
    finite : `~numpy.ndarray`, shape (N,)
        Values of the fitted pixels.
    """

    path: str
    extension: str
    label: str
    name: str
    colours: str
    finite: np.ndarray = field(repr=False)


@dataclass
class Window:
    """Part of the sky that the frames of a file show.

    Attributes
    ----------
    centre : `~astropy.coordinates.SkyCoord`
        Of the fitted pixels, in ICRS.
    width, height : float
        Extent of the fitted pixels in right ascension and declination, in arcsec.
    corners : `~astropy.coordinates.SkyCoord`, shape (4,)
        Corners of the bounding box of the fitted pixels.
    pixel : float
        Side of a pixel in arcsec.
    """

    centre: object
    width: float
    height: float
    corners: object
    pixel: float


def find_program(program=None):
    """Return the path of DS9.

    Parameters
    ----------
    program : str, optional
        Name or path; by default the first of `PROGRAMS` on the PATH.

    Raises
    ------
    PixsedError
        If there is none.
    """
    for name in [program] if program else PROGRAMS:
        if found := shutil.which(name):
            return found
    if program:
        raise PixsedError(f"--program {program}: no such program; give the path of DS9")
    raise PixsedError(
        "DS9 is not installed: there is neither ds9 nor saods9; try apt-get install saods9, or "
        "name it with --program"
    )


def program_name(program=None):
    """Return the name of DS9 for a printed command: that on the PATH, else ``ds9``."""
    return program or next((name for name in PROGRAMS if shutil.which(name)), PROGRAMS[0])


def read_frames(path, properties=None, *, quantiles=(), std=False, name=""):
    """Return the frames of a Maps file, and the `Window` of its fitted pixels.

    Parameters
    ----------
    path : str
    properties : sequence of str, optional
        Properties, or names of other planes such as SNR. By default those of ``pixsed plot``.
    quantiles : sequence of float, optional
        Quantiles shown after the medians.
    std : bool, optional
        Whether standard deviations are shown last.
    name : str, optional
        Line over each label, to tell files apart.

    Returns
    -------
    frames : list of list of `Frame`
        Medians, each other quantile, and standard deviations.
    window : `Window`

    Raises
    ------
    PixsedError
        If the file has no maps, lacks a plane, or has no fitted pixel.
    """
    from pixsed.io.formats.maps import maps_of_hdulist, property_names
    from pixsed.io.locate import open_fits

    with open_fits(path) as hdulist:
        there = property_names(hdulist, path)
        wanted = [text.upper() for text in properties or ()] or default_properties(there)
        planes = [hdu.name for hdu in hdulist]
        groups = _planes(wanted, there, planes, quantiles, std, path)
        first = f"{there[0]}_P50"
        names = dict.fromkeys([first, *(plane[0] for group in groups for plane in group)])
        maps = maps_of_hdulist(hdulist, path, list(names))
    fitted = np.isfinite(maps.planes[first])
    if not fitted.any():
        raise PixsedError(f"{path}: no pixel was fitted; try pixsed fit with a lower --snr-min")
    frames = [
        [
            Frame(path, plane, label + _unit(maps, plane), name, colours, _finite(values))
            for plane, label, colours in group
            for values in [maps.planes[plane]]
        ]
        for group in groups
    ]
    return frames, _window(maps.wcs, fitted)


def _finite(values):
    return values[np.isfinite(values)]


def _unit(maps, plane):
    """Return a unit for a label. That of a logarithm is too long; DS9 shows it above the frames."""
    unit = maps.units.get(plane.rpartition("_")[0], "")
    return f" [{unit}]" if unit and not unit.startswith("dex") else ""


def _planes(wanted, there, planes, quantiles, std, path):
    """Return (plane, label, colours) of each frame: medians, other quantiles, deviations."""
    kinds = {"P50": "median"}
    for quantile in quantiles:
        kinds.setdefault(quantile_name(quantile), f"{100 * quantile:g} %")
    if std:
        kinds["STD"] = "std"
    groups = []
    for suffix, kind in kinds.items():
        groups.append([])
        for name in dict.fromkeys(wanted):
            plane, label = (f"{name}_{suffix}", f"{name} {kind}") if name in there else (name, name)
            if plane == name and suffix != "P50":  # such a plane has no quantiles
                continue
            if plane not in planes or plane == "MAPS":
                raise PixsedError(f"{path} has no map {plane}; {_choice(name, there, planes)}")
            colours = _STD_COLOUR if suffix == "STD" else _COLOURS.get(name, _OTHER_COLOUR)
            groups[-1].append((plane, label, colours))
    return groups


def _choice(name, there, planes):
    """Return the names that are there in place of a wrong one, for a message."""
    if name in there:
        return f"it has {', '.join(p for p in planes if p.rpartition('_')[0] == name)}"
    others = [p for p in planes[1:] if p != "MAPS" and p.rpartition("_")[0] not in there]
    return f"choose from {', '.join([*there, *others])}"


def read_all(paths, properties=None, *, quantiles=(), std=False):
    """Return the frames of several Maps files, and a dict of file -> `Window`.

    All medians come first, then other quantiles, then standard deviations. With several files, the
    maps of one property stand side by side, with the name of the file over each label. Parameters
    are those of `read_frames`.
    """
    paths = list(dict.fromkeys(map(str, paths)))
    found, windows = [], {}
    for path in paths:
        stem = Path(path).name.removesuffix(".gz").removesuffix(".fits")
        name = stem if len(paths) > 1 else ""
        groups, windows[path] = read_frames(
            path, properties, quantiles=quantiles, std=std, name=name
        )
        found.append(groups)
    frames = []
    for groups in zip(*found, strict=True):  # one kind of plane of each file
        together = [frame for group in groups for frame in group]
        rank = {name: i for i, name in enumerate(dict.fromkeys(f.extension for f in together))}
        frames += sorted(together, key=lambda frame: rank[frame.extension])
    if empty := [f"{frame.path}[{frame.extension}]" for frame in frames if not frame.finite.size]:
        warnings.warn(
            f"no pixel has a value in {listed(empty, 4)}; such planes are left out",
            PixsedWarning,
            stacklevel=2,
        )
        frames = [frame for frame in frames if frame.finite.size]
    if not frames:
        raise PixsedError(f"{listed(paths, 4)}: nothing to show; choose another --property")
    return frames, {path: windows[path] for path in dict.fromkeys(frame.path for frame in frames)}


def _window(wcs, fitted):
    rows, columns = (np.flatnonzero(fitted.any(axis=axis)) for axis in (1, 0))
    some = fitted[rows]
    x = np.array([columns[0] - 0.5, columns[-1] + 0.5])[[0, 1, 1, 0]]
    y = np.array([rows[0] - 0.5, rows[-1] + 0.5])[[0, 0, 1, 1]]
    centre = wcs.pixel_to_world(x.mean(), y.mean()).icrs
    # The first and the last pixel of each row enclose the others.
    ends = np.r_[some.argmax(axis=1), fitted.shape[1] - 1 - some[:, ::-1].argmax(axis=1)]
    east, north = centre.spherical_offsets_to(wcs.pixel_to_world(ends, np.tile(rows, 2)).icrs)
    middle = centre.spherical_offsets_by(*((v.max() + v.min()) / 2 for v in (east, north)))
    pixel = float(np.sqrt(pixel_area_arcsec2(wcs)))
    # Half a diagonal of a pixel on either side, since its centre is at its position.
    width, height = (float(np.ptp(v.arcsec)) + np.sqrt(2) * pixel for v in (east, north))
    return Window(middle, width, height, wcs.pixel_to_world(x, y).icrs, pixel)


def overlap(windows):
    """Return whether all windows meet the first one on the sky."""
    first = windows[0]
    for other in windows[1:]:
        east, north = first.centre.spherical_offsets_to(other.centre)
        if abs(east.arcsec) > (first.width + other.width) / 2:
            return False
        if abs(north.arcsec) > (first.height + other.height) / 2:
            return False
    return True


def ds9_command(frames, windows, *, program="ds9", regions=None, title="pixsed"):
    """Return the command that shows frames in DS9, as a list of words.

    Planes of one name have one colour scale, between `PERCENTILES` of all their pixels. Frames are
    locked to each other on the sky if their maps `overlap`.

    Parameters
    ----------
    frames : list of `Frame`
    windows : dict of str to `Window`
        File -> the part of the sky to show.
    program : str, optional
    regions : str, optional
        Region file that is loaded in every frame.
    title : str, optional
        Title of the window.
    """
    low, high = PERCENTILES
    words = [program, "-title", f"{title}, colours from {low} to {high} % of the pixels"]
    side, columns, rows = _layout(len(frames))
    words += f"-geometry {_WIDTH}x{_HEIGHT} -tile yes -tile grid -tile grid mode manual".split()
    words += f"-tile grid layout {columns} {rows} -view multi yes -colorbar yes".split()
    words += "-view object yes -view units yes -view buttons no".split()
    words += "-frame delete all".split()
    limits = _limits(frames)
    for frame in frames:
        path = f"./{frame.path}" if frame.path.startswith("-") else frame.path
        words += ["-frame", "new", "-fits", f"{path}[{frame.extension}]", "-cmap", frame.colours]
        words += ["-scale", "linear", "-scale", "limits", *limits[frame.extension]]
        words += _shown(windows[frame.path], frame, side)
        if regions:
            words += ["-regions", "load", os.fspath(regions)]
    words += ["-frame", "first"]
    if overlap(list(windows.values())):
        words += "-lock frame wcs".split()
    return words


def _layout(count):
    """Return the side of the largest frames on the screen, and their columns and rows."""
    layouts = [(columns, math.ceil(count / columns)) for columns in range(1, count + 1)]
    sides = [
        (min(_WIDTH / columns, (_HEIGHT - _PANEL) / rows - _BAR), columns, rows)
        for columns, rows in layouts
    ]
    side, columns, rows = max(sides, key=lambda found: found[0])
    return side, columns, rows


def _limits(frames):
    """Return a dict of plane -> texts of the two ends of its colour scale."""
    found = {}
    for name in dict.fromkeys(frame.extension for frame in frames):
        values = np.concatenate([f.finite for f in frames if f.extension == name])
        low, high = np.percentile(values, PERCENTILES) if values.size else (0.0, 1.0)
        if not high > low:
            low, high = low - 0.5, low + 0.5
        found[name] = f"{low:.6g}", f"{high:.6g}"
    return found


def _shown(window, frame, side):
    """Return the words that show a window in `side` pixels of the screen, and the labels above."""
    room = max(side - 2 * _FREE, _FREE)
    zoom = room * window.pixel / max(window.width, window.height)
    centre = window.centre
    words = [
        *"-wcs align yes -pan to".split(),
        *f"{centre.ra.deg:.7f} {centre.dec.deg:.7f} wcs icrs -zoom to {zoom:.4g}".split(),
    ]
    for line, label in enumerate(filter(None, (frame.label, frame.name))):
        above = window.height / 2 + (0.75 + line) * _LINE * window.pixel / zoom
        text = label.replace('"', "'").replace("\\", "/")
        most = max(int(side / _LETTER), 8)
        text = text if len(text) <= most else f"{text[: most - 2]}.."
        at = f"{centre.ra.deg:.7f} {centre.dec.deg + above / 3600:.7f}"
        words += ["-regions", "command", f'icrs; text {at} # text="{text}" {_LABEL}']
    return words


def run(words):
    """Run a command of `ds9_command`, and wait until its window is closed.

    Raises
    ------
    PixsedError
        If it fails, for example without a screen.
    """
    done = subprocess.run(words, capture_output=True, text=True)
    # It ends with status 0 if it cannot start.
    if done.returncode or any(text in done.stderr for text in _NOT_STARTED):
        said = " ".join(done.stderr.split())[:200] or f"status {done.returncode}"
        raise PixsedError(f"{words[0]} failed ({said}); print the command without --run, and try")
