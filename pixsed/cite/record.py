"""Record of how a file was made: commands, model and populations, from its header cards."""

from dataclasses import dataclass, field
from pathlib import Path

from pixsed.cite.commands import USED
from pixsed.cite.ingredients import CARDS
from pixsed.errors import PixsedError
from pixsed.io.formats.kinds import is_fits
from pixsed.io.inputs import check_input
from pixsed.io.locate import open_fits
from pixsed.io.tables import read_table
from pixsed.simulate.table import second

_NAMES = ("CREATOR", "PIXSCMD", "MODEL", "MODELSHA", "PRIOR", "SPSLIB", "IMF")
_SECOND = tuple(map(second, CARDS))


@dataclass(frozen=True)
class Record:
    """Commands, model and populations that a file names.

    Parameters
    ----------
    path : str
    commands : tuple of str
        Commands of pixsed, from PIXSCMD and HISTORY.
    cards : dict of str
        Cards of the file: MODEL, MODELSHA, PRIOR and those of `pixsed.cite.ingredients`.
    """

    path: str
    commands: tuple[str, ...] = ()
    cards: dict[str, str] = field(default_factory=dict)


def read_record(path):
    """Return the `Record` of a file of pixsed: cube, maps, table, SSP grid or simulations.

    Raises
    ------
    PixsedError
        If there is no such file, or it does not say that pixsed made it.
    """
    check_input(path, "a file of pixsed, or the name of a command")
    wanted = {*_NAMES, *CARDS, *_SECOND}
    cards, history = {}, []
    if is_fits(path):
        with open_fits(path) as hdulist:
            for hdu in hdulist:
                for name in wanted & set(hdu.header):
                    cards.setdefault(name, str(hdu.header[name]))
            history = [str(line) for line in hdulist[0].header.get("HISTORY", [])]
    else:
        meta = read_table(path).meta
        cards = {name: str(meta[name]) for name in wanted & set(meta)}
    if not cards.get("CREATOR", "").startswith("pixsed"):
        raise PixsedError(
            f"{path} does not say that pixsed made it; give a FITS or ECSV file of pixsed, or "
            "the names of commands"
        )
    words = [cards.get("PIXSCMD", "").split()[1:2], *(line.split(":")[:1] for line in history)]
    names = tuple(dict.fromkeys(word[0] for word in words if word and word[0] in USED))
    return Record(str(path), names, cards)


def is_model_file(path):
    """Return whether a path names a model by its ending."""
    return Path(path).suffix.lower() == ".onnx"
