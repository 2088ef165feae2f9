"""Models that ship with pixsed, and the search for a model by name or path."""

import logging
from pathlib import Path

from pixsed.environment import verifying
from pixsed.errors import PixsedError
from pixsed.io.inputs import check_input

#: Name of the model that commands use unless ``--model`` is given.
DEFAULT = "tau"
#: Ending of the name of a model that infers the redshift: ``broad-z`` for ``broad``.
INFERS = "-z"

# Digests of the shipped models, in the form of sha256sum.
_SUMS = "SHA256SUMS"

_log = logging.getLogger("pixsed")


def _folder():
    from importlib import resources  # not imported where only `DEFAULT` is needed

    return Path(str(resources.files(__name__)))


def shipped():
    """Return a dict of name -> path of the shipped .onnx files, in alphabetical order."""
    return {path.stem: path for path in sorted(_folder().glob("*.onnx"))}


def redshift_advice(start):
    """Return the advice to use a shipped model that infers redshifts; empty if there is none.

    Parameters
    ----------
    start : str
        Beginning of the text, such as ``"; try "`` for ``; try --model broad-z, which infers it``.
    """
    names = [name for name in shipped() if name.endswith(INFERS)]
    return f"{start}--model {names[0]}, which infers it" if names else ""


def resolve(name_or_path):
    """Return the path of a model.

    Parameters
    ----------
    name_or_path : str or path-like
        Name of a shipped model, such as ``tau``, or path of an .onnx file. The name of a shipped
        model takes precedence: write ``./tau`` for a file of that name.

    Returns
    -------
    `~pathlib.Path`

    Raises
    ------
    PixsedError
        If there is no such file and no such model; the message lists the shipped models.
    """
    found = shipped()
    if str(name_or_path) in found:
        _log.info("model %s: %s", name_or_path, found[str(name_or_path)])
        return found[str(name_or_path)]
    path = Path(name_or_path)
    if path.exists():
        check_input(path, "an .onnx file")
        _log.info("model: %s", path)
        return path
    raise PixsedError(
        f"model {name_or_path}: no such file, and no such shipped model "
        f"({_listing(found)}); give one of these, or an .onnx file"
    )


def check_shipped(path, sha256):
    """Check that a model file is the one that pixsed ships, if it is in the folder of these.

    No-op for other files, and without `~pixsed.environment.verifying`.

    Parameters
    ----------
    path : `~pathlib.Path`
    sha256 : str
        Hexadecimal digest of the file.

    Raises
    ------
    PixsedError
        If the digest is not that of the table ``SHA256SUMS``.
    """
    folder = _folder()
    table = folder / _SUMS
    if not verifying() or path.parent != folder or not table.is_file():
        return
    lines = (line.split() for line in table.read_text(encoding="ascii").splitlines())
    expected = {name: digest for digest, name in lines}
    if expected.get(path.name, sha256) != sha256:
        raise PixsedError(
            f"{path} is not the model that pixsed ships (its SHA-256 differs): it is damaged, or "
            "was replaced; install pixsed again, keep a model of your own in another folder, or "
            "use --no-verify"
        )


def card(name):
    """Return the text of the card of a shipped model.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        Markdown.

    Raises
    ------
    PixsedError
        If there is no such model, or it has no card.
    """
    found = shipped()
    if name not in found:
        raise PixsedError(f"model {name} is not shipped ({_listing(found)}); try pixsed models")
    path = found[name].with_suffix(".md")
    if not path.is_file():
        raise PixsedError(f"model {name} lacks its card {path.name}; install pixsed again")
    return path.read_text(encoding="utf-8")


def _listing(found):
    return "shipped: " + (", ".join(found) or "none")
