"""Base class for objects that own open files."""

import contextlib


class FileOwner:
    """Base class for objects that own open files: a context manager whose end closes them.

    A subclass opens its files in a block ``with self._opening() as stack``, on that stack.
    """

    @contextlib.contextmanager
    def _opening(self):
        """Yield a stack for the files; an error in the block closes them at once."""
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
