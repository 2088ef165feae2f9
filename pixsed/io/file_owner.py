"""What holds files open until it is closed."""

import contextlib


class FileOwner:
    """Base of what opens files: a context manager, whose end closes them.

    A subclass opens its files, on the stack, in a block of ``with self._opening() as stack``.
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
