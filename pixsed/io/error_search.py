"""Where the errors of an image are: an extension of its file, or a file beside it."""

import re
from pathlib import Path

from pixsed.errors import PixsedError
from pixsed.io.error_plane import kind_by_name
from pixsed.io.locate import Location, choose_image, is_image

#: Names of error planes that are looked for, and what a file beside the image ends in.
_WORDS = {"ERR": "_err", "WHT": "_wht"}


def own_plane(hdulist, hdu, word):
    """Return the HDU ``ERR`` or ``WHT`` that belongs to an image of the same file.

    For ``SCI_X``, ``ERR_X``, else that of SCI in the same filter; for ``X``, ``X_ERR`` or
    ``ERR_X``. Else, of several images and several ERR, that of the same EXTVER; without
    different versions, that which its place in the file tells: each image followed by its
    own, or preceded, or all images before all ERR, as many.

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
    others = [h for h in images if kind_by_name(h.name)[0] is None
              and not names & set(_partners(h.name, word))]  # fmt: skip
    if sci and hdu.name == "SCI":
        others = sci
    if hdu not in others:
        others.append(hdu)
    return _of_place(others, found, hdu, images, word)


def _same_filter(hdu, other):
    """Return whether no card of two headers tells two images of different bands apart."""
    return all(hdu.header.get(key) == other.header.get(key)
               for key in ("FILTER", "PUPIL", "BAND")
               if key in hdu.header and key in other.header)  # fmt: skip


def _partners(name, word):
    """Return the names of the ERR or WHT that belong to the image `name` alone."""
    if not name or name in ("PRIMARY", "SCI"):
        return []
    names = [f"{name}_{word}", f"{word}_{name}"]
    if "SCI" in re.split(r"[^A-Z0-9]+", name) or name.startswith("SCI"):
        names.insert(0, name.replace("SCI", word))
    return names


def _of_place(images, planes, hdu, order, word):
    """Return which of `planes` belongs to `hdu`, one of `images`, by version or by place."""
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
    runs = []  # of images beside one another, and of planes: what else is there parts images
    for h in order if order.index(planes[0]) > order.index(images[0]) else order[::-1]:
        kind = "image" if h in images else "plane" if h in planes else "other"
        if kind == "other" and (not runs or runs[-1][0] == "plane"):
            continue
        if not runs or runs[-1][0] != kind:
            runs.append((kind, []))
        runs[-1][1].append(h)
    runs = [
        run for i, run in enumerate(runs)
        if run[0] != "other" or (i + 1 < len(runs) and runs[i + 1][0] == "image")
    ]  # fmt: skip
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


def plane_of_file(hdulist, place):
    """Return the HDU of a file given as errors: the one named, else ERR, WHT, or the only one."""
    if place.ext is None:
        for word in _WORDS:
            found = [h for h in hdulist if is_image(h) and h.name == word]
            if len(found) == 1:
                return found[0]
            if found:
                raise PixsedError(
                    f"{place.path} has {len(found)} {word}; name one, as --err "
                    f"'{place.path}[{word},{found[-1].ver}]'"
                )
    return choose_image(hdulist, place)
