"""Exceptions and warnings of pixsed, and lists of names in their messages."""


class PixsedError(Exception):
    """Error with a one-line message: what is wrong, in which file, and what to try.

    The command line prints the message and exits with status 1.
    """


class Stopped(BaseException):
    """Signal that ends a command.

    Not an `Exception`, so that no library handles it as an error.

    Parameters
    ----------
    signal : int
        Number of the signal.
    kept : str, optional
        What `--resume` can go on with, for the message.
    """

    def __init__(self, signal, kept=""):
        super().__init__(signal, kept)
        self.signal, self.kept = signal, kept


class PixsedWarning(UserWarning):
    """Warning that concerns the user but does not stop the work."""


def listed(names, most=30):
    """Return names or numbers as text: the first `most`, and the number of the others."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
