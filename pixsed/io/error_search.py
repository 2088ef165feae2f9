"""Where the errors of an image are: an extension of its file, or a file beside it."""

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

#: Names of error planes that are looked for, and what a file beside the image ends in.
_WORDS = {"ERR": "_err", "WHT": "_wht"}
_STRIP_PIXELS = 1_000_000
# Pixels by which the errors of another file may lie off the image.
_GRID_TOLERANCE = 0.5


class ErrorFinder:
    """Finds the errors of an open image.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
    hdulist : `~astropy.io.fits.HDUList`
        The image's file.
    hdu : image HDU
        Of that file: the image.
    sample : `~pixsed.io.rows.SampledRows`
    opened : callable
        ``opened(path)`` returns the `~astropy.io.fits.HDUList` of another file.
    """

    def __init__(self, image, hdulist, hdu, sample, opened):
        self._image, self._hdulist, self._hdu = image, hdulist, hdu
        self._sample, self._opened = sample, opened

    def find(self, err, kind, measure_sky):
        """Return (HDU or None, source) of the errors, checked for shape and kind.

        Parameters
        ----------
        err, kind, measure_sky
            As `~pixsed.io.image.ImageFile` takes err, err_kind and measure_sky.

        Returns
        -------
        hdu : HDU or None
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
                    f"{self._image.shape}; name errors of the same grid with --err"
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
                _warn(f"{name}: {first} holds no errors of use; its errors are from {what}")
            return hdu, source
        if unusable:
            hdu, source, what = unusable[0]
            if self._no_information(hdu):
                return hdu, source
            raise PixsedError(
                f"{name}: its errors, {what}, have no value above 0 where it has data; name "
                "others with --err, or --err sky for the rms of its sky"
            )
        if not measure_sky:
            return None, "none"
        _warn(
            f"{name}: no ERR or WHT of its own, and no _err or _wht file beside it; its errors are "
            "the rms of its sky, without the sources' noise; name them with --err"
        )
        return None, "sky"

    def _candidates(self, err):
        """Yield (HDU, path of another file or None, name for messages), best first."""
        if err is not None:
            yield self._asked_for(err)
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

    def _asked_for(self, err):
        place, own = parse_location(err), self._image.location.path
        path = place.path if Path(place.path).is_file() else None
        if path is not None and not Path(path).samefile(own):
            return plane_of_file(self._opened(path), place), path, err
        if path is None:
            place = Location(own, *parse_extension(err.strip("[]")))
        try:
            hdu = plane_of_file(self._hdulist, place, self._hdu)
        except PixsedError as error:
            asked = "" if path else f"--err {err} is no file; "
            raise PixsedError(f"{asked}{error}") from error
        if hdu is self._hdu:
            raise PixsedError(
                f"{self._image.name}: --err {err} is the image itself; name its errors"
            )
        return hdu, path, err

    def _check_grid(self, hdu, path):
        """Raise `PixsedError` if another file's errors lie elsewhere, by the WCS of both."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PixsedWarning)  # of SIP, as of the image
                theirs = celestial_wcs(hdu.header, path)
            offset = grid_offset(self._image.wcs, theirs, self._image.shape)
        except PixsedError:  # there is none, of one or the other
            return
        if offset > _GRID_TOLERANCE:
            raise PixsedError(
                f"{self._image.name}: its errors, {path}, lie {offset:.3g} pixels off it by their "
                "WCS; name errors of the same grid with --err"
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
        """Return whether any pixel with data has an error; true where none has data."""
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
        """Return whether all errors are so large that they say: no data in this band."""
        return bool((self._sample.of(hdu) >= HUGE).all())


def _warn(message):
    warnings.warn(message, PixsedWarning, stacklevel=4)


def _stem(path):
    return re.sub(r"\.fits?(\.gz|\.fz)?$", "", Path(path).name, flags=re.IGNORECASE)


def own_plane(hdulist, hdu, word):
    """Return the HDU ``ERR`` or ``WHT`` that belongs to an image of the same file.

    For ``SCI_X``, ``ERR_X``, else that of SCI in the same filter; for ``X``, ``X_ERR`` or
    ``ERR_X``. Else, of several images and several ERR, that of the same EXTVER; without
    different versions, the one that the order of the file tells: each image followed by its
    own ERR, or preceded by it, or all images before as many ERR.

    Parameters
    ----------
    hdulist : `~astropy.io.fits.HDUList`
    hdu : image HDU
        Of `hdulist`.
    word : {"ERR", "WHT"}

    Returns
    -------
    HDU or None

    Raises
    ------
    PixsedError
        If there are some, and nothing tells which.
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
        hdu = sci[0]  # the same image, its background subtracted, say
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
    """Return whether two images may be of one band: no card of their headers differs."""
    return all(
        hdu.header.get(key) == other.header.get(key)
        for key in ("FILTER", "PUPIL", "BAND")
        if key in hdu.header and key in other.header
    )


def _partners(name, word):
    """Return the names of the ERR or WHT that belong to the image `name` alone."""
    if not name or name in ("PRIMARY", "SCI"):
        return []
    names = [f"{name}_{word}", f"{word}_{name}"]
    if "SCI" in re.split(r"[^A-Z0-9]+", name) or name.startswith("SCI"):
        names.insert(0, name.replace("SCI", word))
    return names


def _of_place(images, planes, hdu, order, word):
    """Return which of `planes` belongs to `hdu`, one of `images`, by version or by order."""
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
    # Runs of images and of planes that follow one another. Another extension between two images
    # parts their run, since the planes of the first may be missing; elsewhere it does not matter.
    # If the planes come first, the file is gone through from its end.
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
        f"which {word} belongs to it is not clear, of {len(images)} images and {len(planes)} "
        f"{word} in the file; name it with --err"
    )


def files_beside(path):
    """Yield (word, path) of the files beside ``*_sci*`` that are named as its errors."""
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
        Of the file of errors, at `path`.
    word : {"ERR", "WHT"}
    hdu : image HDU
        The image.
    images : int
        How many of its name its own file holds; of several, the EXTVER tells.
    """
    found = [h for h in hdulist if is_image(h) and h.name in (word, "SCI", hdu.name)]
    found = [h for h in found if h.name == word] or found
    if images > 1 or len(found) > 1:
        return next((h for h in found if h.ver == hdu.ver), None)
    return found[0] if found else choose_image(hdulist, Location(path))


def plane_of_file(hdulist, place, hdu=None):
    """Return the HDU of a file given as errors: the one named, else ERR, WHT, or the only one.

    Of several of one name, that which belongs to `hdu`, an image of the same file.
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
                f"{place.path} has {len(found)} {word}; name one, as --err "
                f"'{place.path}[{hdulist.index(found[-1])}]'"
            )
    return choose_image(hdulist, place)
