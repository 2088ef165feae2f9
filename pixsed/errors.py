"""The errors and warnings that pixsed raises on purpose."""


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
