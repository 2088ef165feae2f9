"""Merging of warnings that repeat for several files."""

import contextlib
import re
import warnings

from pixsed.errors import PixsedWarning

# Number of files that a merged warning names, after the first.
_NAMED = 4


@contextlib.contextmanager
def merge_repeated_warnings():
    """Merge warnings that differ only by the file and by numbers, and give them at the end.

    Equal warnings are given once.
    """
    caught = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    finally:
        groups = {}
        for warning in caught:
            groups.setdefault((warning.category, _without_numbers(warning)), []).append(warning)
        for first, *others in groups.values():
            message = first.message
            others = [other for other in others if str(other.message) != str(message)]
            if others and isinstance(message, PixsedWarning):
                names = [str(other.message).partition(": ")[0] for other in others]
                more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
                named = ", ".join(names[:_NAMED])
                message = PixsedWarning(
                    f"{message}; the same, with other numbers, holds for {named}{more}"
                )
            warnings.warn_explicit(message, first.category, first.filename, first.lineno)


def _without_numbers(warning):
    """Return the text of a warning without the file name and the numbers."""
    name, _, text = str(warning.message).partition(": ")
    return re.sub(r"[-+]?\d[\d.]*(e[-+]?\d+)?", "#", text) if text else name
