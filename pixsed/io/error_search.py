"""Search for the errors of an image: an extension of its file, or a file beside it."""

import re
import warnings
from pathlib import Path

import numpy as np

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.error_plane import (
    POWERS,
    decide_kind,
    kind_by_name,
    power_of_unit,
    scatter_ratios,
    to_sigma,
    unit_ratio,
)
from pixsed.io.fill import HUGE
from pixsed.io.headers import celestial_wcs, grid_offset
from pixsed.io.locate import Location, choose_image, is_image, parse_extension, parse_location
from pixsed.io.rows import RowReader, strips

#: Names of error planes -> ending of a file beside the image.
_WORDS = {"ERR": "_err", "WHT": "_wht"}
_STRIP_PIXELS = 1_000_000
# Largest offset in pixels between an image and errors in another file.
_GRID_TOLERANCE = 0.5


class ErrorFinder:
    """Search for the errors of an open image.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
    hdulist : `~astropy.io.fits.HDUList`
        File of the image.
    hdu : image HDU
        The image in that file.
    sample : `~pixsed.io.rows.SampledRows`
        Rows by which errors are compared with the image.
    opened : callable
        ``opened(path)`` returns the `~astropy.io.fits.HDUList` of another file.
    """

    def __init__(self, image, hdulist, hdu, sample, opened):
        self._image, self._hdulist, self._hdu = image, hdulist, hdu
        self._sample, self._opened = sample, opened

    def find(self, err, kind, measure_sky):
        """Return the HDU of the errors and their source, after checks of shape and kind.

        Parameters
        ----------
        err, kind, measure_sky
            err, err_kind and measure_sky of `~pixsed.io.image.ImageFile`.

        Returns
        -------
        hdu : HDU or None
            None if the errors are measured on the sky, or there are none.
        source : str
            ``ImageFile.err_source``.
        """
        name = self._image.name
        if err == "sky" and not Path(err).is_file():
            return None, "sky" if measure_sky else "none"
        unusable = []
        for hdu, path, what in self._candidates(err):
            if hdu.shape != self._image.shape:
                raise PixsedError(
                    f"{name}: its errors are of shape {hdu.shape}, the image of "
                    f"{self._image.shape}; give errors on the same grid with --err"
                )
            if path is not None:
                self._check_grid(hdu, path)
            found = kind or self._kind_of(hdu, path, what)
            source = "err" if found == "sigma" else found
            if not self._usable(hdu, found):
                unusable.append((hdu, source, what))
                continue
            if unusable:
                first = unusable[0][2]
                _warn(f"{name}: {first} has no usable errors; its errors are from {what}")
            return hdu, source
        if unusable:
            hdu, source, what = unusable[0]
            if self._no_information(hdu):
                return hdu, source
            raise PixsedError(
                f"{name}: its errors, {what}, have no value above 0 where it has data; give "
                "others with --err, or --err sky for the rms of its sky"
            )
        if not measure_sky:
            return None, "none"
        _warn(
            f"{name}: no ERR or WHT in it, and no _err or _wht file beside it; its errors are "
            "the rms of its sky, without the noise of sources; give errors with --err"
        )
        return None, "sky"

    def _candidates(self, err):
        """Yield (HDU, path of another file or None, name for messages), best first."""
        if err is not None:
            yield self._given(err)
            return
        for word in _WORDS:
            try:
                hdu = own_plane(self._hdulist, self._hdu, word)
            except PixsedError as error:
                raise PixsedError(f"{self._image.name}: {error}") from error
            if hdu is not None:
                yield hdu, None, hdu.name
        twins = sum(is_image(hdu) and hdu.name == self._hdu.name for hdu in self._hdulist)
        for word, path in files_beside(self._image.location.path):
            hdu = plane_beside(self._opened(path), path, word, self._hdu, twins)
            if hdu is not None:
                yield hdu, path, path

    def _given(self, err):
        """Return the candidate that the user gave as ``--err``."""
        place, own = parse_location(err), self._image.location.path
        path = place.path if Path(place.path).is_file() else None
        if path is not None and not Path(path).samefile(own):
            return plane_of_file(self._opened(path), place), path, err
        if path is None:
            place = Location(own, *parse_extension(err.strip("[]")))
        try:
            hdu = plane_of_file(self._hdulist, place, self._hdu)
        except PixsedError as error:
            no_file = "" if path else f"--err {err} is not a file; "
            raise PixsedError(f"{no_file}{error}") from error
        if hdu is self._hdu:
            raise PixsedError(
                f"{self._image.name}: --err {err} is the image itself; give its errors"
            )
        return hdu, path, err

    def _check_grid(self, hdu, path):
        """Raise `PixsedError` if errors of another file are on another grid, by the WCS of both."""
        try:
            with warnings.catch_warnings():
                # The WCS of the image has already warned about SIP.
                warnings.simplefilter("ignore", PixsedWarning)
                theirs = celestial_wcs(hdu.header, path)
            offset = grid_offset(self._image.wcs, theirs, self._image.shape)
        except PixsedError:  # one of them has no WCS
            return
        if offset > _GRID_TOLERANCE:
            raise PixsedError(
                f"{self._image.name}: its errors, {path}, are {offset:.3g} pixels off by their "
                "WCS; give errors on the same grid with --err"
            )

    def _kind_of(self, hdu, path, what):
        """Return the kind of an error plane, one of `~pixsed.io.error_plane.KINDS`."""
        named, plain = kind_by_name(hdu.name, "" if path is None else _stem(path))
        bunit, image_unit = hdu.header.get("BUNIT"), self._image.bunit
        power = power_of_unit(bunit, image_unit)
        ratios = {}
        if not plain:
            scale = {POWERS[power]: unit_ratio(bunit, image_unit, power)} if power else None
            data = self._image.measured(self._sample.of(self._hdu))
            ratios = scatter_ratios(data, self._sample.of(hdu), scale)
        try:
            return decide_kind(named, power, ratios, plain)
        except PixsedError as error:
            raise PixsedError(f"{self._image.name}: its errors, {what}: {error}") from error

    def _usable(self, hdu, kind):
        """Return whether any pixel with data has an error; true if no pixel has data."""
        good = np.isfinite(self._image.measured(self._sample.of(self._hdu)))
        if (good & np.isfinite(to_sigma(self._sample.of(hdu), kind))).any():
            return True
        image, errors, any_data = RowReader(self._hdu), RowReader(hdu), False
        for rows in strips(self._image.shape, _STRIP_PIXELS):
            good = np.isfinite(self._image.measured(image.read(rows)))
            if (good & np.isfinite(to_sigma(errors.read(rows), kind))).any():
                return True
            any_data |= bool(good.any())
        return not any_data

    def _no_information(self, hdu):
        """Return whether all errors are so large that they mean "no data in this band"."""
        return bool((self._sample.of(hdu) >= HUGE).all())


def _warn(message):
    warnings.warn(message, PixsedWarning, stacklevel=4)


def _stem(path):
    return re.sub(r"\.fits?(\.gz|\.fz)?$", "", Path(path).name, flags=re.IGNORECASE)


def own_plane(hdulist, hdu, word):
    """Return the HDU ``ERR`` or ``WHT`` that belongs to an image of the same file.

    The planes are matched by these rules, in order:

    - ``ERR_X`` belongs to ``SCI_X``, or else the ERR of a SCI in the same filter does; ``X_ERR`` or
      ``ERR_X`` belongs to ``X``;
    - of several images and several ERR, the one with the same EXTVER;
    - without versions, the one by the order of the file: each image followed by its ERR, or
      preceded by it, or all images before as many ERR.

    Parameters
    ----------
    hdulist : `~astropy.io.fits.HDUList`
    hdu : image HDU
        One of `hdulist`.
    word : {"ERR", "WHT"}

    Returns
    -------
    HDU or None

    Raises
    ------
    PixsedError
        If there are such planes, and no rule tells which one.
    """
    images = [h for h in hdulist if is_image(h)]
    partners = _partners(hdu.name, word)
    for name in partners:
        if found := [h for h in images if h.name == name]:
            twins = [h for h in images if h.name == hdu.name]
            return _of_place(twins, found, hdu, images, word)
    found = [h for h in images if h.name == word]
    if not found:
        return None
    sci = [h for h in images if h.name == "SCI"]
    if hdu.name.startswith("SCI_") and len(sci) == 1 and _same_filter(hdu, sci[0]):
        hdu = sci[0]  # the same image, for example before the subtraction of its background
    names = {h.name for h in images}
    others = [
        h
        for h in images
        if kind_by_name(h.name)[0] is None and not names & set(_partners(h.name, word))
    ]
    if sci and hdu.name == "SCI":
        others = sci
    if hdu not in others:
        others.append(hdu)
    return _of_place(others, found, hdu, images, word)


def _same_filter(hdu, other):
    """Return whether two images may be in one band: their headers do not name different filters."""
    return all(
        hdu.header.get(key) == other.header.get(key)
        for key in ("FILTER", "PUPIL", "BAND")
        if key in hdu.header and key in other.header
    )


def _partners(name, word):
    """Return the names of the ERR or WHT that belong to the image `name` only."""
    if not name or name in ("PRIMARY", "SCI"):
        return []
    names = [f"{name}_{word}", f"{word}_{name}"]
    if "SCI" in re.split(r"[^A-Z0-9]+", name) or name.startswith("SCI"):
        names.insert(0, name.replace("SCI", word))
    return names


def _of_place(images, planes, hdu, order, word):
    """Return the plane that belongs to `hdu`, one of `images`, by version or by order."""
    if len(images) == len(planes) == 1:
        return planes[0]
    twins = [h.ver for h in images if h.name == hdu.name]
    versions = [h.ver for h in planes]
    if (
        len(set(twins)) == len(twins)
        and len(set(versions)) == len(versions)
        and (len(twins) > 1 or (len(images) == 1 and hdu.ver in versions))
    ):
        return next((h for h in planes if h.ver == hdu.ver), None)
    # Runs are images, or planes, one after another. Another extension between two images ends their
    # run, since the planes of the first may be missing; elsewhere it does not matter. If the planes
    # come first, the file is read from its end.
    runs = []
    for h in order if order.index(planes[0]) > order.index(images[0]) else order[::-1]:
        kind = "image" if h in images else "plane" if h in planes else "other"
        if kind == "other" and (not runs or runs[-1][0] == "plane"):
            continue
        if not runs or runs[-1][0] != kind:
            runs.append((kind, []))
        runs[-1][1].append(h)
    runs = [
        run
        for i, run in enumerate(runs)
        if run[0] != "other" or (i + 1 < len(runs) and runs[i + 1][0] == "image")
    ]
    at = next(i for i, (_, run) in enumerate(runs) if hdu in run)
    if runs[0][0] == "image":
        following, theirs = runs[at + 1] if at + 1 < len(runs) else ("end", [])
        if following != "plane":
            return None
        if len(runs[at][1]) == len(theirs):
            return theirs[runs[at][1].index(hdu)]
    raise PixsedError(
        f"which {word} belongs to it is not clear, with {len(images)} images and {len(planes)} "
        f"{word} in the file; give it with --err"
    )


def files_beside(path):
    """Yield (word, path) of the files next to ``*_sci*`` that are named as its errors."""
    path = Path(path)
    head, found, tail = path.name.rpartition("_sci")
    for word, ending in _WORDS.items() if found else ():
        for rest in dict.fromkeys((tail, tail.removesuffix(".gz"), f"{tail}.gz")):
            if (beside := path.with_name(head + ending + rest)).is_file():
                yield word, str(beside)
                break


def plane_beside(hdulist, path, word, hdu, images):
    """Return the HDU of a file of errors that belongs to an image, or None.

    Parameters
    ----------
    hdulist : `~astropy.io.fits.HDUList`
        The open file of errors.
    path : str
        Its path.
    word : {"ERR", "WHT"}
    hdu : image HDU
        The image.
    images : int
        Number of images with the same name in the image's file; if there are several, EXTVER
        decides.
    """
    found = [h for h in hdulist if is_image(h) and h.name in (word, "SCI", hdu.name)]
    found = [h for h in found if h.name == word] or found
    if images > 1 or len(found) > 1:
        return next((h for h in found if h.ver == hdu.ver), None)
    return found[0] if found else choose_image(hdulist, Location(path))


def plane_of_file(hdulist, place, hdu=None):
    """Return the HDU of a file given as errors: the one named, else ERR, WHT, or the only one.

    If several have that name, return the one that belongs to `hdu`, an image of the same file.
    """
    words = _WORDS if place.ext is None else (str(place.ext).upper(),)
    for word in words if place.ver is None else ():
        found = [h for h in hdulist if is_image(h) and h.name == word]
        if len(found) == 1:
            return found[0]
        own = own_plane(hdulist, hdu, word) if found and hdu is not None else None
        if own is not None:
            return own
        if found:
            raise PixsedError(
                f"{place.path} has {len(found)} {word}; give one, as --err "
                f"'{place.path}[{hdulist.index(found[-1])}]'"
            )
    return choose_image(hdulist, place)
