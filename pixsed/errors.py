"""Exceptions and warnings of pixsed, and formatting of lists in their messages."""


class PixsedError(Exception):
    """Error with a one-line message: what is wrong, in which file, and what to try.

    The command line prints the message and exits with status 1.
    """


class Stopped(BaseException):
    """Signal that ends a command.

    It does not derive from `Exception`, so libraries do not catch it as an error.

    Parameters
    ----------
    signal : int
        Number of the signal.
    kept : str, optional
        Description of the work that `--resume` can continue, for the message.
    """

    def __init__(self, signal, kept=""):
        super().__init__(signal, kept)
        self.signal, self.kept = signal, kept


class PixsedWarning(UserWarning):
    """Warning about a problem that does not stop the command."""


def failure_text(error):
    """Return the message of an exception in one line; of one that is a bug, with its class.

    Parameters
    ----------
    error : Exception
    """
    text = " ".join(str(error).split())
    if isinstance(error, PixsedError):
        return text
    if isinstance(error, OSError):
        said = error.strerror or text or type(error).__name__
        return f"{error.filename}: {said}" if error.filename else said
    if isinstance(error, MemoryError):
        return f"no memory left ({text})" if text else "no memory left"
    return (
        f"internal error: {type(error).__name__}: {text} (run again with -vv for the traceback, "
        "and please report it)"
    )


def listed(names, most=30):
    """Return the first `most` names or numbers, and the number of the remaining ones, as text."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
