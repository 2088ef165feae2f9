"""The errors and warnings that pixsed raises on purpose, and lists in their messages."""


class PixsedError(Exception):
    """What went wrong, in which file, and what to try, in one line.

    The command line prints the message and exits with status 1.
    """


class Stopped(BaseException):
    """A signal that ends the command: no `Exception`, so that no library takes it for an error.

    Parameters
    ----------
    signal : int
        Its number.
    kept : str, optional
        What stays for another run, for the message.
    """

    def __init__(self, signal, kept=""):
        super().__init__(signal, kept)
        self.signal, self.kept = signal, kept


class PixsedWarning(UserWarning):
    """Something a user should know that does not stop the work."""


def listed(names, most=30):
    """Return names or numbers as text: the first `most` of them, and how many more there are."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
