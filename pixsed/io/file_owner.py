"""Base class for objects that own open files."""

import contextlib


class FileOwner:
    """Base class for objects that own open files.

    It is a context manager that closes the files on exit. A subclass opens its files in a block
    ``with self._opening() as stack`` and registers them on that stack.
    """

    @contextlib.contextmanager
    def _opening(self):
        """Yield a stack for the files; they are closed at once if an error occurs in the block."""
        with contextlib.ExitStack() as stack:
            yield stack
            self._files = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """Close the files."""
        self._files.close()
