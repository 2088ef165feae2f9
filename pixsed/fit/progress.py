"""Progress of a fit: the interface of a progress bar, and one that shows nothing."""

from __future__ import annotations

from typing import Any, Protocol


class Progress(Protocol):
    """Progress bar over pixels or rows; a context manager."""

    def done(self, number: int) -> Any:
        """Add pixels that have been fitted."""

    def skipped(self, number: int) -> Any:
        """Subtract pixels that are not fitted from the total."""

    def __enter__(self) -> Progress: ...

    def __exit__(self, *error: Any) -> Any: ...


class NoProgress:
    """No-op progress bar.

    Parameters
    ----------
    total : int, optional
        Number of pixels or rows that may be fitted.
    """

    def __init__(self, total: int = 0) -> None: ...

    def done(self, number: int) -> None: ...

    def skipped(self, number: int) -> None: ...

    def __enter__(self) -> NoProgress:
        return self

    def __exit__(self, *error: Any) -> None: ...
