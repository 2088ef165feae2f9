"""The references for commands, models and files, and their text."""

import functools
import warnings
from pathlib import Path

from pixsed import __version__
from pixsed.cite.bibtex import as_bibtex, as_text, entries
from pixsed.cite.commands import ALWAYS, USED, WITH_MODEL
from pixsed.cite.ingredients import of_model, of_populations, of_prior
from pixsed.cite.record import is_model_file, read_record
from pixsed.errors import PixsedError, PixsedWarning, listed
from pixsed.fit.graph_check import custom_metadata
from pixsed.fit.metadata import METADATA_KEY, read_metadata
from pixsed.models import DEFAULT, resolve, shipped

#: Forms of `written`.
FORMATS = ("bibtex", "text")


def references(items=(), models=()):
    """Return what to cite for commands, files and models.

    Parameters
    ----------
    items : sequence of str
        Names of commands, files of pixsed (cubes, maps, tables, SSP grids, simulations) and
        .onnx files; by default the command ``fit``.
    models : sequence of str
        Names of shipped models, or .onnx files. By default the models of the files; or, if no file
        names one and a command runs a model, the default model.

    Returns
    -------
    dict of str -> list of str
        Keys of the bibliography, and what each one is cited for.

    Raises
    ------
    PixsedError
        If an item is neither a command nor a file of pixsed, or the references are not known.
    """
    commands, files = _sorted_items(items)
    if not items:
        commands = ["fit"]
    given = [_metadata(name) for name in [*models, *filter(is_model_file, files)]]
    read = functools.cache(_metadata)  # many files may be of one model
    metadata = list(given)
    records = [read_record(path) for path in files if not is_model_file(path)]
    pairs = []
    for record in records:
        commands += record.commands
        if "MODEL" in record.cards:
            metadata.append(_model_of(record, given, read))
        elif "LIBRARY" in record.cards:
            pairs += of_populations(record.cards, record.path)
            pairs += of_prior(record.cards.get("PRIOR", "none"), record.path)
    if not metadata and set(commands) & set(WITH_MODEL):
        metadata.append(_metadata(DEFAULT))
    found = {}
    for key, what in ALWAYS:
        _add(found, key, what)
    for name in dict.fromkeys(commands):
        for key, what in USED[name]:
            _add(found, key, f"{name}: {what}")
    for model in metadata:
        for key, what in of_model(model):
            _add(found, key, f"model {model.get('name', '?')}: {what}")
    for key, what in pairs:
        _add(found, key, what)
    return found


def written(found, form="bibtex"):
    """Return references as text.

    Parameters
    ----------
    found : dict
        From `references`.
    form : {"bibtex", "text"}
        BibTeX with a comment above each entry, or one line per reference.
    """
    known = entries()
    if form == "bibtex":
        parts = [f"% {'; '.join(found[key])}\n{as_bibtex(known[key])}" for key in found]
        return f"% What to cite, by pixsed {__version__}\n\n" + "\n\n".join(parts) + "\n"
    lines = [f"{as_text(known[key])}\n    for {'; '.join(found[key])}" for key in found]
    return "\n".join(lines) + "\n"


def _add(found, key, what):
    reasons = found.setdefault(key, [])
    if what not in reasons:
        reasons.append(what)


def _sorted_items(items):
    """Return the commands and the files among the items."""
    commands = [item for item in items if item in USED and not Path(item).is_file()]
    files = [item for item in items if item not in commands]
    for item in files:
        if not Path(item).exists() and not Path(item).suffix:
            raise PixsedError(
                f"{item} is neither a file nor a command of pixsed; give "
                f"{listed(list(USED), most=len(USED))}, or a file; models follow --model"
            )
    return commands, files


def _metadata(name):
    """Return the metadata of a model, read without onnxruntime, which takes longer."""
    path = resolve(name)
    try:
        text = custom_metadata(path.read_bytes(), METADATA_KEY)
    except ValueError as error:
        raise PixsedError(
            f"{path} is not a model ({error}); give a file of pixsed export"
        ) from None
    return {"name": path.stem} | read_metadata(text, path)


def _model_of(record, given, read):
    """Return the metadata of the model of a file: one of those given, or a shipped one.

    `read` returns the metadata of a model by its name.
    """
    name = record.cards["MODEL"]
    for metadata in given:
        if metadata["name"] == name:
            return metadata
    if name not in shipped():
        raise PixsedError(
            f"{record.path} was made with the model {name}, which is not shipped; add --model and "
            "its .onnx file"
        )
    metadata = read(name)
    for card, key in (("SPSLIB", "LIBRARY"), ("IMF", "IMF")):
        ours = metadata["sps"].get(key)
        if record.cards.get(card, ours) != ours:
            raise PixsedError(
                f"{record.path} was made with another model {name}: {card} is "
                f"{record.cards[card]}, in the shipped one {ours}; add --model and its .onnx file"
            )
    _warn_of_other_weights(record, name)
    return metadata


def _warn_of_other_weights(record, name):
    from pixsed.io.fingerprint import file_digest

    sha = record.cards.get("MODELSHA")
    if sha and sha != file_digest(shipped()[name]):
        warnings.warn(
            f"{record.path} was made with other weights of {name}; the references are those of "
            "the model that this pixsed ships",
            PixsedWarning,
            stacklevel=3,
        )
