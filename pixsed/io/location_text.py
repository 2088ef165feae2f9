"""Parts of a text ``[BAND=]path[EXT]``, which names an image.

The module imports neither numpy nor astropy, for shell completion, which must be fast.
`pixsed.io.locate` parses the text as a whole.
"""

import glob
import os
import re

#: Pattern of the name of a band.
BAND = "[A-Za-z0-9_-]+"
_BAND_AND_REST = re.compile(r"(?P<band>[A-Za-z0-9_*?-]+)=(?P<rest>.*)", re.DOTALL)
_EXTENSION = re.compile(r"(?P<path>.+)\[(?P<ext>[^\[\]]*)\]", re.DOTALL)


def split_band(text, folder="", *, unfinished=False):
    """Return the band and the rest of ``BAND=rest``.

    Parameters
    ----------
    text : str
        The band may have the wildcards ``*`` and ``?``.
    folder : str, optional
        Folder to which paths are relative.
    unfinished : bool, optional
        Whether the rest may be empty: the text is being typed.

    Returns
    -------
    band : str or None
        None if there is none, or if `text` with its ``=`` is the name of a file, or a pattern that
        matches one, such as ``z=2/i.fits``.
    rest : str
    """
    match = _BAND_AND_REST.fullmatch(text)
    if match is None or not (match["rest"] or unfinished) or _names_files(text, folder):
        return None, text
    return match["band"], match["rest"]


def split_extension(text):
    """Return the path and the extension of ``path[EXT]``; None in place of an extension without."""
    match = _EXTENSION.fullmatch(text)
    return (match["path"], match["ext"]) if match else (text, None)


def _names_files(text, folder):
    """Return whether ``path`` or ``path[EXT]`` exists, or is a pattern that matches files."""
    path, _ = split_extension(text)
    if any(os.path.exists(os.path.join(folder, name)) for name in (text, path)):
        return True
    pattern = os.path.join(glob.escape(folder), path)
    return glob.has_magic(path) and any(True for _ in glob.iglob(pattern))
