"""The errors and warnings that pixsed raises on purpose."""


class PixsedError(Exception):
    """What went wrong, in which file, and what to try, in one line.

    The command line prints the message and exits with status 1.
    """


class PixsedWarning(UserWarning):
    """Something a user should know that does not stop the work."""
